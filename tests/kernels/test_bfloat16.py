"""Refusals of the compiled kernels: they read memory, so kinds and sizes must be right."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sessionprompt.kernels import bfloat16 as kernels
from sessionprompt.kernels import in_threads, parts, processor, without_kernels

OBSTACLE = kernels.obstacle(torch.device("cpu"))
compiled_only = pytest.mark.skipif(OBSTACLE is not None, reason=str(OBSTACLE))
N, M, D, K = 7, 9, 8, 3
FIRST, LAST = 0, M


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "states": rng.normal(size=(N, D)).astype(np.float32),
        "table": rng.normal(size=(M, D)).astype(np.float32),
        "targets": np.arange(N),
        "target_scores": np.zeros(N, np.float32),
        "thresholds": np.zeros(N, np.float32),
        "weights": np.zeros(M, np.float32),
        "exponentials": torch.zeros(kernels.buffer_size(N, M), dtype=torch.int32).numpy(),
        "sums": np.zeros(N, np.float32),
        "products": np.zeros((N, D), np.float32),
        "greater": np.zeros(N, np.int64),
        "equal": np.zeros(N, np.int64),
        "codes": np.zeros((N, K), np.int64),
        "values": np.zeros((N, K), np.float32),
    }


CALLS: dict[str, list[Any]] = {
    "logsumexp": ["states", "table", "targets", "first", "last", "sums"],
    "softmax_forward": [
        "states",
        "table",
        "targets",
        "first",
        "last",
        "weights",
        "target_scores",
        "exponentials",
        "sums",
        "products",
    ],
    "softmax_backward": ["states", "exponentials", "first", "last", "add", "table"],
    "count_greater": ["states", "table", "targets", "thresholds", "greater", "equal"],
    "topk": ["states", "table", "k", "codes", "values"],
}
NUMBERS = {"first": FIRST, "last": LAST, "add": False, "k": K}
ARRAYS = [
    (name, argument)
    for name, arguments in CALLS.items()
    for argument in arguments
    if argument not in NUMBERS
]
RESULTS = {"exponentials", "sums", "products", "greater", "equal", "codes", "values"}


def call(name: str, **changed: Any) -> None:
    given = arrays() | NUMBERS | changed
    getattr(kernels, name)(*(given[argument] for argument in CALLS[name]))


@compiled_only
@pytest.mark.parametrize("name", CALLS)
def test_arrays_that_fit_are_taken(name: str) -> None:
    call(name)


@compiled_only
@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_arrays_of_other_lengths_are_refused(name: str, argument: str) -> None:
    shorter = arrays()[argument][:-1]
    if (name, argument) == ("softmax_backward", "table"):
        pytest.skip("the number of candidates is that of the table")
    if argument == "table":
        shorter = arrays()["table"].ravel()[:-1]
    with pytest.raises(ValueError, match="need"):
        call(name, **{argument: shorter})


@compiled_only
@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_other_kinds_of_numbers_are_refused(name: str, argument: str) -> None:
    array = arrays()[argument]
    same_width = {"f": np.int32, "l": np.float64, "i": np.float32}[array.dtype.char]
    other_width = {"f": np.float64, "l": np.int32, "i": np.int64}[array.dtype.char]
    for kind in (same_width, other_width, array.dtype.newbyteorder(">")):
        with pytest.raises(ValueError, match=r"need numbers of .*, not of format"):
            call(name, **{argument: array.astype(kind)})


@compiled_only
@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_scattered_arrays_are_refused(name: str, argument: str) -> None:
    scattered = np.repeat(arrays()[argument], 2, axis=-1)[..., ::2]
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        call(name, **{argument: scattered})


@compiled_only
@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_results_are_not_written_into_arrays_for_reading(name: str, argument: str) -> None:
    array = arrays()[argument]
    array.flags.writeable = False
    written = argument in RESULTS or (name, argument) == ("softmax_backward", "table")
    if written and (name, argument) != ("softmax_backward", "exponentials"):
        with pytest.raises((BufferError, ValueError), match="read-only"):
            call(name, **{argument: array})
    else:
        call(name, **{argument: array})


@compiled_only
@pytest.mark.parametrize("name", CALLS)
def test_states_and_candidates_have_equal_lengths_of_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match="as many"):
        call(name, table=np.zeros((M, D + 1), np.float32))
    for empty in (np.zeros((0, D), np.float32), np.zeros((N, 0), np.float32)):
        with pytest.raises(ValueError, match="rows of d float32"):
            call(name, states=empty)
    with pytest.raises(ValueError, match="rows of d float32"):
        call(name, table=arrays()["table"].ravel())


@compiled_only
@pytest.mark.parametrize("name", ["logsumexp", "softmax_forward", "softmax_backward"])
@pytest.mark.parametrize(
    ("first", "last"), [(0, M + 1), (5, 5), (-1, 3), (0, sys.maxsize), (-sys.maxsize, M)]
)
def test_candidates_that_are_not_there_are_refused(name: str, first: int, last: int) -> None:
    with pytest.raises(ValueError, match="must enclose rows of the table"):
        call(name, first=first, last=last)


@compiled_only
@pytest.mark.parametrize("target", [-1, M, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("name", ["logsumexp", "softmax_forward", "count_greater"])
def test_targets_that_are_not_there_are_refused(name: str, target: int) -> None:
    targets = arrays()["targets"]
    targets[2] = target
    with pytest.raises(ValueError, match="one row of the table"):
        call(name, targets=targets, thresholds=None)


@compiled_only
def test_counts_against_thresholds_may_leave_nobody_out() -> None:
    with pytest.raises(ValueError, match=re.escape(f"-1 to {M - 1}; -2 is none")):
        call("count_greater", targets=np.full(N, -2))
    greater = np.zeros(N, np.int64)
    equal = np.zeros(N, np.int64)
    unreached = np.full(N, -np.inf, np.float32)
    call("count_greater", targets=np.full(N, -1), thresholds=unreached, greater=greater)
    assert (greater == M).all()
    call("count_greater", thresholds=unreached, greater=greater)
    assert (greater == M - 1).all()
    call("count_greater", thresholds=-unreached, greater=greater, equal=equal)
    assert (greater == 0).all() and (equal == 0).all()


@compiled_only
@pytest.mark.parametrize(("n", "n_items", "dim"), [(1, 1, 1), (70, 65, 16), (100, 1000, 33)])
def test_counts_against_thresholds_are_those_of_all_scores(n: int, n_items: int, dim: int) -> None:
    rng = np.random.default_rng(n)
    states = rng.normal(size=(n, dim)).astype(np.float32)
    table = rng.normal(size=(n_items, dim)).astype(np.float32)
    table[n_items // 2 :] = table[: n_items - n_items // 2]  # each score occurs twice
    exact = states.astype(float) @ table.T.astype(float)  # (n, n_items)
    order = np.sort(np.unique(exact.round(9)))
    middle = order[: len(order) - 1].mean() if len(order) > 1 else order[0] - 1
    thresholds = np.full(n, middle, np.float32)  # (n,)
    greater = np.zeros(n, np.int64)
    equal = np.zeros(n, np.int64)
    left_out = rng.integers(-1, n_items, n)
    kernels.count_greater(states, table, left_out, thresholds, greater, equal)
    counted = np.arange(n_items) != left_out[:, None]
    np.testing.assert_array_equal(greater, ((exact > thresholds[:, None]) & counted).sum(1))


@compiled_only
def test_thresholds_of_the_targets_are_the_targets_scores() -> None:
    rng = np.random.default_rng(3)
    table = rng.integers(-2, 3, size=(500, 12)).astype(np.float32)  # many equal scores, all exact
    states = rng.integers(-2, 3, size=(90, 12)).astype(np.float32)
    targets = rng.integers(0, 500, 90)
    counts = np.zeros((4, 90), np.int64)
    thresholds = (states * table[targets]).sum(1)
    kernels.count_greater(states, table, targets, None, counts[0], counts[1])
    kernels.count_greater(states, table, targets, thresholds, counts[2], counts[3])
    np.testing.assert_array_equal(counts[:2], counts[2:])
    assert counts[1].sum() > 0


@compiled_only
@pytest.mark.parametrize("name", ["softmax_forward", "softmax_backward"])
def test_exponentials_start_on_a_line_of_the_cache(name: str) -> None:
    shifted = torch.zeros(kernels.buffer_size(N, M) + 1, dtype=torch.int32).numpy()[1:]
    with pytest.raises(ValueError, match="from a whole line of the cache on"):
        call(name, exponentials=shifted)


@compiled_only
@pytest.mark.parametrize("k", [0, -1, M + 1, sys.maxsize])
def test_lists_are_no_longer_than_the_table(k: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the rows"):
        call("topk", k=k)


@compiled_only
@pytest.mark.parametrize(
    ("n", "candidates"),
    [(-1, 5), (5, -1), (sys.maxsize, 1), (1, sys.maxsize), (2**40, 2**40), (2**31, 2**31)],
)
def test_sizes_beyond_all_memory_are_refused(n: int, candidates: int) -> None:
    with pytest.raises(ValueError, match="fit no memory"):
        kernels.buffer_size(n, candidates)


@compiled_only
@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, one) for name in CALLS for one in CALLS[name] if one in {"first", "last", "k"}],
)
def test_numbers_beyond_machine_integers_raise(name: str, argument: str) -> None:
    with pytest.raises(OverflowError):
        call(name, **{argument: 2**64})


@compiled_only
def test_objects_without_memory_are_refused() -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        call("topk", states=[[1.0]])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("n", [1, 7, 100])
def test_threads_share_the_work_and_keep_its_order(threads: int, n: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        shares = parts(n, 5)
        slices = in_threads(
            lambda part, name: (name, list(range(n))[part]), shares, range(len(shares))
        )
    finally:
        torch.set_num_threads(before)
    assert [one for _, part in slices for one in part] == list(range(n))
    assert [name for name, _ in slices] == list(range(len(shares)))
    assert len(slices) <= threads


@pytest.mark.parametrize(
    ("can", "reason"),
    [
        (set(), "need a processor with AVX-512 BF16"),
        ({"avx512_bf16", "amx_bf16"}, "use the AMX"),
        ({"avx512_bf16"}, None),
    ],
)
def test_a_reason_is_given_where_kernels_do_not_compute(
    can: set[str], reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "logsumexp", lambda: None)
    monkeypatch.setattr(kernels, "abilities", lambda: can)
    found = kernels.obstacle(torch.device("cpu"))
    assert kernels.usable(torch.device("cpu")) == (found is None) == (reason is None)
    if reason is not None:
        assert found is not None and reason in found
    assert "not on cuda" in str(kernels.obstacle(torch.device("cuda")))
    monkeypatch.setattr(kernels, "logsumexp", None)
    assert "not built" in str(kernels.obstacle(torch.device("cpu")))


CPUINFO = """processor\t: 0
model name\t: a processor
flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16
bugs\t\t: spectre_v1
"""


@pytest.fixture
def fresh_abilities() -> Iterator[None]:
    processor.abilities.cache_clear()
    yield
    processor.abilities.cache_clear()


@pytest.mark.usefixtures("fresh_abilities")
def test_kernels_and_torch_agree_on_the_processor() -> None:
    if processor.said_by_kernels is None or not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip("needs the compiled kernels, and torch 2.11 or newer")
    of_torch = torch.cpu.get_capabilities()
    expected = {name for name in ("avx512_bf16", "amx_bf16") if of_torch[name]}
    assert processor.abilities() == expected


@pytest.mark.usefixtures("fresh_abilities")
def test_an_old_torch_without_kernels_still_knows_the_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processor, "said_by_kernels", None)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert isinstance(processor.multiplies_bfloat16(torch.device("cpu")), bool)
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert {"avx512_bf16", "amx_bf16"} <= processor._said_by_system(tmp_path / "cpuinfo")
    assert processor._said_by_system(tmp_path / "nothing") == frozenset()


def test_kernels_can_be_switched_off() -> None:
    device = torch.device("cpu")
    before = kernels.obstacle(device)
    with without_kernels():
        assert kernels.obstacle(device) == "kernels are switched off"
    assert kernels.obstacle(device) == before

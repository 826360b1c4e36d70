"""What the compiled module refuses: it reads memory, so sizes must be right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sessionprompt.scoring import compiled as _compiled
from sessionprompt.scoring import in_threads, parts

compiled_only = pytest.mark.skipif(
    not _compiled.usable(torch.device("cpu")),
    reason="the compiled module needs a compiler at installation and a processor with AVX-512 BF16 and without AMX",
)
N, M, D, K = 7, 9, 8, 3


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    floats = {
        name: rng.normal(size=(rows, D)).astype(np.float32)
        for name, rows in (("states", N), ("table", M))
    }
    results = {"of_states": (N, D), "of_table": (M, D), "sums": (N,), "values": (N, K)}
    aligned = torch.zeros(_compiled.room(N, M), dtype=torch.int32).numpy()
    counts = {"above": (N,), "level": (N,), "codes": (N, K)}
    return {
        **floats,
        "targets": np.arange(N),
        "own": np.zeros(N, np.float32),
        "weights": np.zeros(M, np.float32),
        "kept": aligned,
        **{name: np.zeros(shape, np.float32) for name, shape in results.items()},
        **{name: np.zeros(shape, np.int64) for name, shape in counts.items()},
    }


CALLS: dict[str, list[Any]] = {
    "log_sums": [D, "states", "table", "targets", 0, M, "sums"],
    "exponentials": [
        D,
        "states",
        "table",
        "targets",
        0,
        M,
        "weights",
        "own",
        "kept",
        "sums",
        "of_states",
    ],
    "weigh": [D, "states", "kept", 0, M, False, "table"],
    "count_above": [D, "states", "table", "targets", "above", "level"],
    "best": [D, "states", "table", K, "codes", "values"],
}


def call(name: str, given: dict[str, np.ndarray], arguments: list[Any]) -> None:
    getattr(_compiled, name)(*(given[one] if isinstance(one, str) else one for one in arguments))


@compiled_only
@pytest.mark.parametrize("name", CALLS)
def test_arrays_that_fit_are_taken_and_others_refused(name: str) -> None:
    call(name, arrays(), CALLS[name])
    for wrong in {one for one in CALLS[name] if isinstance(one, str)} - {"table"}:
        given = arrays()
        given[wrong] = given[wrong][:-1]
        with pytest.raises(ValueError, match="need"):
            call(name, given, CALLS[name])
    given = arrays()
    given["table"] = given["table"].ravel()[:-1]
    with pytest.raises(ValueError, match="rows of d float32"):
        call(name, given, CALLS[name])


@compiled_only
@pytest.mark.parametrize("name", ["log_sums", "exponentials", "weigh"])
@pytest.mark.parametrize(("first", "last"), [(0, M + 1), (5, 5), (-1, 3)])
def test_candidates_that_are_not_there_are_refused(name: str, first: int, last: int) -> None:
    arguments = [
        first if one == 0 else last if one == M and place > 1 else one
        for place, one in enumerate(CALLS[name])
    ]
    with pytest.raises(ValueError, match="must enclose rows of the table"):
        call(name, arrays(), arguments)


@compiled_only
@pytest.mark.parametrize("target", [-1, M])
@pytest.mark.parametrize("name", ["log_sums", "exponentials", "count_above"])
def test_targets_that_are_not_there_are_refused(name: str, target: int) -> None:
    given = arrays()
    given["targets"][2] = target
    with pytest.raises(ValueError, match="one row of the table"):
        call(name, given, CALLS[name])


@compiled_only
@pytest.mark.parametrize("name", ["exponentials", "weigh"])
def test_exponentials_start_on_a_line_of_the_cache(name: str) -> None:
    given = arrays()
    given["kept"] = torch.zeros(_compiled.room(N, M) + 1, dtype=torch.int32).numpy()[1:]
    with pytest.raises(ValueError, match="from a whole line of the cache on"):
        call(name, given, CALLS[name])


@compiled_only
@pytest.mark.parametrize("k", [0, M + 1])
def test_lists_are_no_longer_than_the_table(k: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the rows"):
        call("best", arrays(), [k if one == K else one for one in CALLS["best"]])


@compiled_only
def test_other_kinds_of_numbers_and_scattered_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="need"):
        call("log_sums", arrays() | {"targets": np.arange(N, dtype=np.int32)}, CALLS["log_sums"])
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        call(
            "log_sums",
            arrays() | {"states": np.zeros((N, 2 * D), np.float32)[:, ::2]},
            CALLS["log_sums"],
        )


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

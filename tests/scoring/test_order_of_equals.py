"""Equal scores have one order, and scores out of range are as bad for lists as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sessionprompt.metrics import target_ranks
from sessionprompt.scoring import (
    Candidates,
    DenseScores,
    KnownOrPopular,
    TargetAttention,
    compiled_scores,
    scores_against,
    sizes,
)
from sessionprompt.scoring.compiled_scores import CompiledScores

laws = settings(max_examples=60, deadline=None)
levels = st.sampled_from([0.0, 1.0, 2.0, float("inf"), float("-inf"), float("nan")])


def by_hand(scores: np.ndarray) -> list[list[int]]:
    """Codes of each row by falling score, of equals the lowest first, NaN as minus infinity."""
    finite = np.where(np.isnan(scores), -np.inf, scores)
    return [sorted(range(len(row)), key=lambda code, row=row: (-row[code], code)) for row in finite]


@laws
@given(st.integers(1, 3), st.integers(1, 400), st.integers(1, 4), st.integers(0, 10**6), st.data())
def test_few_distinct_scores_come_in_the_order_of_codes(
    n_rows: int, n_items: int, n_levels: int, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(n_levels, size=(n_rows, n_items)).astype(np.float32)
    for place in data.draw(st.lists(st.integers(0, n_items - 1), max_size=5)):
        scores[:, place] = data.draw(levels)
    k = data.draw(st.integers(1, n_items))
    codes, values = DenseScores(torch.from_numpy(scores)).topk(k)
    expected = [row[:k] for row in by_hand(scores)]
    assert codes.tolist() == expected
    finite = np.where(np.isnan(scores), -np.inf, scores)
    assert values.numpy().tolist() == np.take_along_axis(finite, np.array(expected), 1).tolist()


@pytest.mark.parametrize("n_items", [50, 6401])
@pytest.mark.parametrize("held", [1000, 10**7])
def test_a_shorter_list_is_the_head_of_a_longer_one(
    n_items: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "BLOCK_SCORES", held)
    monkeypatch.setattr(sizes, "BLOCK_ROWS", 1)
    rng = np.random.default_rng(0)
    states = torch.from_numpy(rng.integers(-1, 2, size=(70, 3)).astype(np.float32))
    table = torch.from_numpy(rng.integers(-1, 2, size=(n_items, 3)).astype(np.float32))
    popularity = torch.from_numpy(rng.integers(3, size=n_items).astype(np.float32))
    known = torch.arange(len(states)) % 5 > 0
    scores = KnownOrPopular(scores_against(states, Candidates(table)), known, popularity)
    matrix = torch.where(known.unsqueeze(1), states @ table.T, popularity)
    longest = scores.topk(40)[0]
    assert longest.tolist() == [row[:40] for row in by_hand(matrix.numpy())]
    for k in (1, 10, 20):
        assert scores.topk(k)[0].tolist() == longest[:, :k].tolist()
    for row in (0, 1, 69):
        assert scores[row : row + 1].topk(10)[0].tolist() == [longest[row, :10].tolist()]


def attended(n_rows: int, dim: int, alone: bool) -> TargetAttention:
    """Session embeddings that attend to one node each, or to three."""
    n_nodes = 3 - 2 * alone
    prefix = torch.arange(n_rows).repeat_interleave(n_nodes)
    node = torch.arange(n_rows * n_nodes)
    keys = torch.randn(len(node), dim)
    states = torch.randn(n_rows, dim)
    return TargetAttention(states, keys, keys.flip(0), prefix, node, torch.ones_like(node))


@pytest.mark.parametrize("n_items", [30, 101, 1001, 5003])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 5, 70])
@pytest.mark.parametrize("kind", ["product", "attention", "alone"])
def test_equal_vectors_have_equal_scores(n_items: int, n_rows: int, kind: str) -> None:
    torch.manual_seed(n_items)
    for dim in (8, 50, 64):
        table = torch.randn(n_items, dim)
        half = n_items // 2
        order = torch.randperm(n_items)
        table[order[:half]] = table[order[half : 2 * half]]
        states: Tensor | TargetAttention = torch.randn(n_rows, dim)
        if kind != "product":
            states = attended(n_rows, dim, alone=kind == "alone")
        scores = scores_against(states, Candidates(table, kernels=False))
        for _, part in scores.blocks():
            values = part.matrix()
            assert (values[:, order[:half]] == values[:, order[half : 2 * half]]).all()


# ---------------------------------------------------------------------- out of range
def vectors(n: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(n, 8, generator=torch.Generator().manual_seed(n))


def broken(value: float, n: int = 100) -> Tensor:
    rows = vectors(n)
    rows[3, 2] = value
    return rows


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e30, -1e30])
@pytest.mark.parametrize("side", ["states", "table"])
def test_kernels_leave_numbers_out_of_range_to_torch(
    value: float, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_scores, "usable", lambda device: True)
    pair = {"states": vectors(80), "table": vectors(300)}
    kind = type(next(scores_against(pair["states"], Candidates(pair["table"])).blocks())[1])
    assert kind is CompiledScores
    pair[side] = broken(value, len(pair[side]))
    scores = scores_against(pair["states"], Candidates(pair["table"]))
    assert {type(part) for _, part in scores.blocks()} == {DenseScores}
    matrix = pair["states"] @ pair["table"].T
    targets = torch.arange(80)
    assert scores.ranks(targets).tolist() == target_ranks(matrix, targets).tolist()
    assert scores.topk(7)[0].tolist() == [row[:7] for row in by_hand(matrix.numpy())]


def test_scores_that_overflow_are_ranked_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_scores, "usable", lambda device: True)
    states = vectors(80, 1e22)
    scores = scores_against(states, Candidates(vectors(300, 1e22)))
    assert {type(part) for _, part in scores.blocks()} == {DenseScores}
    targets = torch.zeros(80, dtype=torch.long)
    assert (scores.ranks(targets) > 1).all()  # some are level at infinity
    assert (scores.topk(20)[0] < 300).all()


def test_candidates_need_not_be_ranked_by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_scores, "usable", lambda device: True)
    scores = scores_against(vectors(80), Candidates(vectors(300), kernels=False))
    assert {type(part) for _, part in scores.blocks()} == {DenseScores}

"""The protocol of scores: every implementation against its matrix, and a wrapper around each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sessionprompt.blending import Blend, OwnItems
from sessionprompt.metrics import target_ranks
from sessionprompt.scoring import (
    BlendedScores,
    Candidates,
    DenseScores,
    EncodedPrefixes,
    KnownOrPopular,
    ReplacedScores,
    Scores,
    TargetAttention,
    compiled_scores,
    scores_against,
    sizes,
)

N_PREFIXES, N_ITEMS, DIM = 70, 300, 8


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def codes_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(N_ITEMS, shape, generator=torch.Generator().manual_seed(seed))


def dense() -> Scores:
    return DenseScores(draws(N_PREFIXES, N_ITEMS))


def product() -> Scores:
    return scores_against(draws(N_PREFIXES, DIM), Candidates(draws(N_ITEMS, DIM, seed=1)))


def attention() -> Scores:
    prefix = torch.arange(N_PREFIXES).repeat_interleave(2)
    node = (2 * prefix + torch.arange(2).repeat(N_PREFIXES)) % 11
    states = draws(N_PREFIXES, DIM)
    keys = draws(11, DIM, seed=2)
    values = draws(11, DIM, seed=3)
    attended = TargetAttention(states, keys, values, prefix, node, torch.ones_like(node))
    return scores_against(attended, Candidates(draws(N_ITEMS, DIM, seed=1)))


def partly_unknown() -> Scores:
    known = torch.arange(N_PREFIXES) % 3 > 0
    return KnownOrPopular(product(), known, draws(N_ITEMS, seed=4))


KINDS = [dense, product, attention, partly_unknown]


@pytest.fixture(autouse=True)
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses and log-sums of kernels are rounded; test_compiled_scores.py is about them."""
    monkeypatch.setattr(compiled_scores, "usable", lambda device: False)


@pytest.fixture(params=[1000, 10**6], ids=["blocks", "one block"])
def block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sizes, "BLOCK_SCORES", request.param)
    monkeypatch.setattr(sizes, "BLOCK_ROWS", 1)
    return request.param


def check(scores: Scores, matrix: Tensor, ties: str = "pessimistic") -> None:
    """Assert that all answers are those of a matrix."""
    targets = codes_of(len(matrix), seed=5)
    thresholds = matrix[:, 7]
    excluded = torch.where(targets % 2 == 0, targets, -1)
    counted = torch.arange(matrix.shape[1]) != excluded.unsqueeze(1)
    margin = 1e-4  # scores nearer to each other than this are equal up to rounding
    some = codes_of(len(matrix), 3)
    torch.testing.assert_close(scores.of(some), matrix.gather(1, some))
    torch.testing.assert_close(scores.logsumexp(), matrix.logsumexp(1))
    greater, equal = scores.count_greater(thresholds + margin, excluded)
    expected = (matrix > (thresholds + margin).unsqueeze(1)) & counted
    assert greater.tolist() == expected.sum(1).tolist() and not equal.any()
    expected_ranks = target_ranks(matrix.double(), targets, ties=ties)
    assert scores.ranks(targets, ties).tolist() == expected_ranks.tolist()
    codes, values = scores.topk(5)
    torch.testing.assert_close(values, matrix.topk(5).values)
    torch.testing.assert_close(matrix.gather(1, codes), values)
    expected_losses = F.cross_entropy(matrix, targets, reduction="none")
    torch.testing.assert_close(scores.losses(targets), expected_losses)
    torch.testing.assert_close(scores.cross_entropy(targets, "float32"), expected_losses.mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("block_size")
def test_answers_are_those_of_the_matrix(kind: Callable[[], Scores]) -> None:
    scores = kind()
    matrix = scores.matrix()
    assert scores.shape == tuple(matrix.shape) == (N_PREFIXES, N_ITEMS)
    check(scores, matrix)
    some = torch.arange(N_PREFIXES) % 4 == 1
    check(scores[some], matrix[some])
    check(scores[10:30], matrix[10:30])


def test_log_weights_count_for_all_but_the_target() -> None:
    scores = product()
    targets = codes_of(N_PREFIXES)
    log_weights = torch.linspace(-1, 1, N_ITEMS)
    found = scores.cross_entropy(targets, "float32", log_weights)
    weighted = DenseScores(scores.matrix()).cross_entropy(targets, log_weights=log_weights)
    torch.testing.assert_close(found, weighted)


@pytest.mark.parametrize("ties", ["pessimistic", "midpoint", "optimistic"])
def test_ranks_from_counts_are_the_ranks(ties: str) -> None:
    values = draws(N_PREFIXES, N_ITEMS).sign()
    values[3, 4] = torch.nan
    targets = codes_of(N_PREFIXES)
    values[5, targets[5]] = torch.nan
    scores = DenseScores(values)
    counted = Scores.ranks(scores, targets, ties)
    assert counted.tolist() == scores.ranks(targets, ties).tolist()


def test_ties_are_named() -> None:
    with pytest.raises(ValueError, match="ties='fair' is not known; choose one of"):
        Scores.ranks(dense(), codes_of(N_PREFIXES), "fair")


@pytest.mark.parametrize("n_items", [5, 256, 1000, 6401])
@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_the_highest_are_those_of_a_sort(n_items: int, k: int, levels: int) -> None:
    rng = np.random.default_rng(n_items)
    scores = rng.integers(levels, size=(2 * sizes.SEARCH_ROWS + 1, n_items)).astype(np.float32)
    scores[:, rng.permutation(n_items)[: n_items // 4]] = -np.inf
    places, values = DenseScores(torch.from_numpy(scores)).topk(k)
    for row, found, best in zip(scores, places.numpy(), values, strict=True):
        assert best.tolist() == sorted(row.tolist(), reverse=True)[:k] == row[found].tolist()
        assert len(set(found.tolist())) == k


def test_encoded_prefixes_are_scored_against_all_or_some() -> None:
    table = draws(N_ITEMS, DIM, seed=1)

    def vectors(items: Tensor | None = None) -> Tensor:
        if items is None:
            return table
        return table[items]

    encoded = EncodedPrefixes(draws(N_PREFIXES, DIM), vectors)
    matrix = encoded.against_all().matrix()
    items = torch.tensor([7, 0, 200])
    torch.testing.assert_close(encoded.against(items).matrix(), matrix[:, items])
    states, unpacked = encoded
    assert unpacked is table
    torch.testing.assert_close(states @ table.T, matrix)


# ---------------------------------------------------------------------- scores that wrap others
def pairs_of(n_rows: int) -> tuple[Tensor, Tensor]:
    """Up to four candidates of each row, by row and candidate."""
    chosen = draws(n_rows, N_ITEMS, seed=7) > 2.2
    chosen[::5] = False
    return chosen.nonzero(as_tuple=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("block_size")
def test_a_few_scores_of_each_row_can_be_replaced(kind: Callable[[], Scores]) -> None:
    """The wrapper needs no matrix, and needs not to know what it wraps."""
    base = kind()
    rows, codes = pairs_of(N_PREFIXES)
    values = 3 * draws(len(rows), seed=6)
    matrix = base.matrix().index_put((rows, codes), values)
    scores = ReplacedScores(base, rows, codes, values)
    check(scores, matrix)
    some = torch.arange(N_PREFIXES) % 4 == 1
    check(scores[some], matrix[some])
    check(scores[10:30], matrix[10:30])
    nothing = torch.empty(0, dtype=torch.long)
    check(ReplacedScores(base, nothing, nothing, values[:0]), base.matrix())


def test_replaced_scores_count_ties_and_broken_ones() -> None:
    base = draws(N_PREFIXES, N_ITEMS).sign()
    rows, codes = pairs_of(N_PREFIXES)
    values = draws(len(rows), seed=6).sign()
    values[::7] = torch.nan
    matrix = base.index_put((rows, codes), values)
    scores = ReplacedScores(DenseScores(base), rows, codes, values)
    targets = codes_of(N_PREFIXES)
    targets[rows] = codes
    assert scores.ranks(targets).tolist() == DenseScores(matrix).ranks(targets).tolist()
    found = scores.topk(40)
    expected = DenseScores(matrix).topk(40)
    assert found[0].tolist() == expected[0].tolist()
    assert scores.best().tolist() == expected[1][:, 0].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("block_size")
def test_a_blend_replaces_scores_of_own_items(kind: Callable[[], Scores]) -> None:
    base = kind()
    rows, codes = pairs_of(N_PREFIXES)
    lengths = np.bincount(rows, minlength=N_PREFIXES) + 1
    steps = np.arange(len(rows)) % 3
    habits = np.linspace(0, 1, 5 * len(lengths)).reshape(-1, 5)
    own = OwnItems(rows.numpy(), codes.numpy(), steps, np.ones_like(steps), lengths, habits)
    blend = Blend(np.linspace(1, 2, len(Blend.neutral().weights)))
    matrix = base.matrix().clone()
    old = matrix[rows, codes].double().numpy()
    new = blend.own_scores(own, old, matrix.amax(1).double().numpy())
    expected = matrix.index_put((rows, codes), torch.from_numpy(new).float())
    scores = BlendedScores(base, own, blend)
    check(scores, expected)
    some = torch.arange(N_PREFIXES) % 4 == 1
    check(scores[some], expected[some])

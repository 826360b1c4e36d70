"""Ranks and lists of best items, block by block, against sorting the whole score matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sessionprompt.backbones import Backbone
from sessionprompt.batches import SessionBatch
from sessionprompt.encoding import (
    CodeLists,
    EncodedSessions,
    ItemFilter,
    PrefixData,
    prefix_examples,
)
from sessionprompt.network import SessionNetwork, rank_targets, top_items
from sessionprompt.network.inference import own_items
from sessionprompt.scoring import sizes

N_ITEMS, DIM = 7, 4


class Sum(Backbone):
    """Sum of the vectors of each prefix."""

    causal = True

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        prefix, event = batch.prefix_pairs
        return x.new_zeros(len(batch), self.dim).index_add(0, prefix, x[event])


@pytest.fixture(scope="module")
def network() -> SessionNetwork:
    torch.manual_seed(0)
    popularity = torch.tensor([5.0, 1.0, 4.0, 2.0, 7.0, 6.0, 3.0])
    return SessionNetwork(Sum(DIM), N_ITEMS, {}, popularity, None, False, "dot", 1.0)


def data_of(sessions: list[list[int]], one_pass: bool = True) -> PrefixData:
    """Prefixes of all but the last event of each session, with the event that follows."""
    items = np.array([item for session in sessions for item in session[:-1]], dtype=np.int64)
    following = np.array([item for session in sessions for item in session[1:]], dtype=np.int64)
    offsets = np.append(0, np.cumsum([len(session) - 1 for session in sessions]))
    encoded = EncodedSessions(items, offsets, {}, np.ones(len(sessions), np.int64))
    return PrefixData(prefix_examples(encoded, 50, one_pass), following)


def scores_by_hand(network: SessionNetwork, prefix: list[int]) -> np.ndarray:
    known = [item for item in prefix if item >= 0]
    table = network.items.detach()
    return (table @ table[known].sum(0) if known else network.popularity).numpy()


SESSIONS = [[0, 1, 2, 3], [4, -1, 0], [-1, 5, -1, 2], [6, 6], [-1, -1]]
PREFIXES = [(session[:t], session[t]) for session in SESSIONS for t in range(1, len(session))]


@pytest.mark.parametrize("held", [1, 20, 10**6])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("one_pass", [True, False])
def test_ranks_losses_and_lists_by_hand(
    network: SessionNetwork,
    monkeypatch: pytest.MonkeyPatch,
    held: int,
    batch_size: int,
    one_pass: bool,
) -> None:
    monkeypatch.setattr(sizes, "BLOCK_SCORES", held)
    monkeypatch.setattr(sizes, "BLOCK_ROWS", 1)
    ranks, lost, best = rank_targets(network, data_of(SESSIONS, one_pass), batch_size, top=3)
    for row, (prefix, target) in enumerate(PREFIXES):
        scores = scores_by_hand(network, prefix)
        assert best[row].tolist() == np.argsort(-scores, kind="stable")[:3].tolist()
        if target < 0:
            assert ranks[row] == np.inf and np.isnan(lost[row])
        else:
            assert ranks[row] == 1 + (scores > scores[target]).sum()
            np.testing.assert_allclose(
                lost[row], np.log(np.exp(scores).sum()) - scores[target], rtol=1e-4
            )


@given(
    st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=2, max_size=5), min_size=1, max_size=5),
    st.sampled_from(["pessimistic", "optimistic"]),
)
@settings(max_examples=50, deadline=None)
def test_ranks_are_places_in_the_sorted_scores(sessions: list[list[int]], ties: str) -> None:
    torch.manual_seed(0)
    network = SessionNetwork(Sum(DIM), N_ITEMS, {}, torch.ones(N_ITEMS), None, False, "dot", 1.0)
    network.items.data = network.items.data.sign()  # many ties
    data = data_of(sessions)
    ranks, _, _ = rank_targets(network, data, 4, ties)
    for rank, (prefix, target) in zip(
        ranks, ((s[:t], s[t]) for s in sessions for t in range(1, len(s))), strict=True
    ):
        scores = scores_by_hand(network, prefix)
        descending = np.sort(scores)[::-1].tolist()
        last_place = N_ITEMS - descending[::-1].index(scores[target])
        first_place = 1 + descending.index(scores[target])
        assert rank == (last_place if ties == "pessimistic" else first_place)


def test_a_broken_network_does_not_look_good(network: SessionNetwork) -> None:
    broken = SessionNetwork(Sum(DIM), N_ITEMS, {}, torch.ones(N_ITEMS), None, False, "dot", 1.0)
    broken.items.data.fill_(torch.nan)
    ranks, _, _ = rank_targets(broken, data_of([[0, 1, 2]]), 4)
    assert ranks.tolist() == [N_ITEMS, N_ITEMS]


def last_of(prefixes: list[list[int]]) -> PrefixData:
    items = np.concatenate(prefixes).astype(np.int64)
    lengths = np.array([len(prefix) for prefix in prefixes])
    encoded = EncodedSessions(items, np.append(0, np.cumsum(lengths)), {}, lengths)
    return PrefixData(prefix_examples(encoded, 50, False), items)


@pytest.mark.parametrize("held", [1, 10**6])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_top_items_by_hand(
    network: SessionNetwork, monkeypatch: pytest.MonkeyPatch, held: int, batch_size: int
) -> None:
    monkeypatch.setattr(sizes, "BLOCK_SCORES", held)
    monkeypatch.setattr(sizes, "BLOCK_ROWS", 1)
    prefixes = [[0, 1], [2], [-1], [3, -1, 3]]
    allowed = np.array([0, 2, 3, 5, 6])
    left_out = [[0], [2], [], [3, 0, 5]]
    table = network.candidate_vectors().detach()
    items = ItemFilter(N_ITEMS, allowed, excluded=(lists_of(left_out),))
    codes, scores = top_items(
        network, last_of(prefixes), table, 3, batch_size=batch_size, items=items
    )
    for row, prefix in enumerate(prefixes):
        own = scores_by_hand(network, prefix)
        left = [code for code in allowed if code not in left_out[row]]
        expected = sorted(left, key=lambda code: -own[code])[:3]
        n = len(expected)
        assert codes[row].tolist() == expected + [-1] * (3 - n)
        np.testing.assert_allclose(scores[row, :n], own[expected], rtol=1e-5)
        assert (scores[row, n:] == -np.inf).all()


def lists_of(lists: list[list[int]]) -> CodeLists:
    lengths = np.array([len(codes) for codes in lists])
    flat = np.array([code for codes in lists for code in codes], dtype=np.int64)
    return CodeLists(flat, np.cumsum(lengths) - lengths, lengths)


@pytest.mark.parametrize("held", [1, 20, 10**6])
@pytest.mark.parametrize("one_pass", [True, False])
def test_filtered_ranks_by_hand(
    network: SessionNetwork, monkeypatch: pytest.MonkeyPatch, held: int, one_pass: bool
) -> None:
    monkeypatch.setattr(sizes, "BLOCK_SCORES", held)
    monkeypatch.setattr(sizes, "BLOCK_ROWS", 1)
    rng = np.random.default_rng(0)
    left_out = [rng.permutation(N_ITEMS)[:2].tolist() for _ in PREFIXES]
    own_lists = [rng.permutation(N_ITEMS)[:4].tolist() for _ in PREFIXES]
    items = ItemFilter(N_ITEMS, None, lists_of(own_lists), (lists_of(left_out),))
    ranks, _, best = rank_targets(network, data_of(SESSIONS, one_pass), 3, top=5, items=items)
    for row, (prefix, target) in enumerate(PREFIXES):
        scores = scores_by_hand(network, prefix)
        left = [code for code in own_lists[row] if code not in left_out[row]]
        expected = sorted(left, key=lambda code: (-scores[code], code))
        assert best[row].tolist() == (expected + [-1] * 5)[:5]
        if target in left:
            assert ranks[row] == 1 + sum(scores[code] > scores[target] for code in left)
        else:
            assert ranks[row] == np.inf


def test_losses_are_left_out_when_not_wanted(network: SessionNetwork) -> None:
    wanted = rank_targets(network, data_of(SESSIONS), 4, top=2)
    ranks, lost, best = rank_targets(network, data_of(SESSIONS), 4, top=2, losses=False)
    assert np.isnan(lost).all()
    assert ranks.tolist() == wanted[0].tolist() and best.tolist() == wanted[2].tolist()


def test_popularity_answers_where_nothing_is_known(network: SessionNetwork) -> None:
    table = network.candidate_vectors().detach()
    codes, scores = top_items(
        network, last_of([[0, 1], [-1, -1], [-1, 2]]), table, N_ITEMS, batch_size=5
    )
    assert (
        codes[1].tolist() == network.popularity.argsort(descending=True).tolist()
        and scores[1, 0] == 7
    )
    for row, prefix in ((0, [0, 1]), (2, [2])):
        np.testing.assert_allclose(
            scores[row], np.sort(scores_by_hand(network, prefix))[::-1], rtol=1e-5
        )


def test_popularity_survives_the_hiding(network: SessionNetwork) -> None:
    table = network.candidate_vectors().detach()
    for _ in range(2):
        codes, _ = top_items(
            network,
            last_of([[-1]]),
            table,
            2,
            batch_size=5,
            items=ItemFilter(N_ITEMS, excluded=(lists_of([[4]]),)),
        )
        assert codes.tolist() == [[5, 0]]
    assert network.popularity.tolist() == [5, 1, 4, 2, 7, 6, 3]


def test_own_items_are_those_of_the_prefix_where_a_window_asks_once_before_its_end() -> None:
    lengths = torch.tensor([3, 1])
    ends = torch.tensor([0, 3])
    batch = SessionBatch(torch.tensor([4, 5, 6, 7]), {}, lengths, ends, np.empty(0, np.int64))
    own = own_items(batch)
    assert own.item.tolist() == [4, 7]
    assert own.row.tolist() == [0, 1]
    assert own.lengths.tolist() == [1, 1]

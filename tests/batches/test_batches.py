"""Batches of windows cut from sessions, against loops."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt._arrays import ragged_range
from sessionprompt.batches import SessionBatch, batches_of
from sessionprompt.encoding import (
    EncodedSessions,
    PrefixData,
    last_prefixes,
    prefix_examples,
)

laws = settings(max_examples=50, deadline=None)
layouts = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), min_size=1, max_size=6)


def encoded(layout: list[tuple[int, int]]) -> EncodedSessions:
    """Sessions of given (length, first prefix); an item is the number of its event."""
    lengths, first = (np.array(column) for column in zip(*layout, strict=True))
    n = int(lengths.sum())
    prompts = {"cluster": np.column_stack([np.arange(n), np.arange(n) + 100])}
    return EncodedSessions(np.arange(n), np.append(0, np.cumsum(lengths)), prompts, first)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
@laws
def test_ragged_range_is_a_loop(runs: list[tuple[int, int]]) -> None:
    starts, lengths = np.array(runs, dtype=int).reshape(-1, 2).T
    assert ragged_range(starts, lengths).tolist() == [s + k for s, n in runs for k in range(n)]


def data_of(
    layout: list[tuple[int, int]], max_length: int = 4, one_pass: bool = True
) -> PrefixData:
    sessions = encoded(layout)
    return PrefixData(prefix_examples(sessions, max_length, one_pass), sessions.items + 1000)


@given(layouts, st.integers(1, 8), st.booleans())
@laws
def test_batches_cover_everything_once(
    layout: list[tuple[int, int]], batch_size: int, shuffled: bool
) -> None:
    data = data_of(layout)
    rng = None
    if shuffled:
        rng = np.random.default_rng(0)
    batches = list(batches_of(data, batch_size, rng))
    places = [place for batch, _ in batches for place in batch.events.tolist()]
    assert sorted(places) == sorted(data.examples.ends.tolist())
    assert len(data) == len(places) == sum(len(batch) for batch, _ in batches)
    if not shuffled:
        assert places == data.examples.ends.tolist()
    for batch, targets in batches:
        assert targets.tolist() == (batch.events + 1000).tolist()
        assert batch.items[batch.ends].tolist() == batch.events.tolist()
        assert len(batch) < batch_size + 4  # one window more than asked for, at most


def test_batches_are_about_as_large_as_asked() -> None:
    data = data_of([(4, 1)] * 30)
    sizes = [len(batch) for batch, _ in batches_of(data, 10)]
    assert sum(sizes) == 120 and len(sizes) == 12 and max(sizes) <= 12


def test_shuffles_follow_their_generator() -> None:
    data = data_of([(4, 1)] * 30)

    def order(seed: int) -> list[int]:
        return [
            place
            for batch, _ in batches_of(data, 7, np.random.default_rng(seed))
            for place in batch.events.tolist()
        ]

    assert order(1) == order(1) != order(2)


@given(layouts, st.integers(1, 10), st.booleans())
@laws
def test_a_batch_says_where_everything_is(
    layout: list[tuple[int, int]], max_length: int, one_pass: bool
) -> None:
    sessions = encoded([(max(n, first), first) for n, first in layout])
    examples = prefix_examples(sessions, max_length, one_pass)
    batch = SessionBatch.collate(examples)
    windows = [range(s, s + n) for s, n in zip(examples.starts, examples.lengths, strict=True)]
    assert batch.items.tolist() == [event for window in windows for event in window]
    assert batch.prompts["cluster"].tolist() == [
        [event, event + 100] for window in windows for event in window
    ]
    assert batch.lengths.tolist() == list(map(len, windows))
    assert batch.starts.tolist() == np.cumsum([0, *map(len, windows)])[:-1].tolist()
    assert batch.window.tolist() == [row for row, window in enumerate(windows) for _ in window]
    assert batch.position.tolist() == [place for window in windows for place in range(len(window))]


@given(layouts, st.integers(1, 10), st.booleans())
@laws
def test_prefix_pairs_are_a_double_loop(
    layout: list[tuple[int, int]], max_length: int, one_pass: bool
) -> None:
    sessions = encoded([(max(n, first), first) for n, first in layout])
    batch = SessionBatch.collate(prefix_examples(sessions, max_length, one_pass))
    expected = [
        (row, event)
        for row, end in enumerate(batch.ends.tolist())
        for event in range(int(batch.starts[batch.window[end]]), end + 1)
    ]
    prefix, event = batch.prefix_pairs
    assert list(zip(prefix.tolist(), event.tolist(), strict=True)) == expected


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
@laws
def test_packing_runs_windows_side_by_side(lengths: list[int]) -> None:
    sessions = encoded([(n, 1) for n in lengths])
    batch = SessionBatch.collate(last_prefixes(sessions, 10))
    x = torch.arange(len(batch.items) * 2.0).view(-1, 2).requires_grad_()
    packed = batch.pack(x)
    by_length = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    order = [
        int(batch.starts[row]) + t
        for t in range(max(lengths))
        for row in by_length
        if lengths[row] > t
    ]
    assert packed.data.tolist() == x[order].tolist()
    assert packed.batch_sizes.tolist() == [sum(n > t for n in lengths) for t in range(max(lengths))]
    assert torch.equal(batch.unpack(packed), x)
    (batch.unpack(packed) * torch.arange(len(x))[:, None]).sum().backward()
    assert x.grad is not None and x.grad[:, 0].tolist() == list(range(len(x)))


def test_a_packed_gru_is_a_gru_per_window() -> None:
    sessions = encoded([(3, 1), (5, 1), (1, 1), (5, 1)])
    batch = SessionBatch.collate(last_prefixes(sessions, 10))
    gru = torch.nn.GRU(2, 3, num_layers=2)
    x = torch.randn(14, 2)
    states = batch.unpack(gru(batch.pack(x))[0])
    alone = [gru(part.unsqueeze(1))[0].squeeze(1) for part in x.split(batch.lengths.tolist())]
    torch.testing.assert_close(states, torch.cat(alone))


def test_known_looks_at_the_prefix_only() -> None:
    items = np.array([-1, 7, -1, -1, -1, 2])
    blank = np.full((6, 2), -1)
    one_prompt = blank.copy()
    one_prompt[3, 1] = 4
    sessions = EncodedSessions(items, np.array([0, 3, 6]), {"cluster": blank}, np.ones(2, int))
    batch = SessionBatch.collate(prefix_examples(sessions, 5, True))
    assert batch.known.tolist() == [False, True, True, False, False, True]
    prompted = EncodedSessions(
        items, sessions.offsets, {"cluster": one_prompt}, sessions.first_prefix
    )
    batch = SessionBatch.collate(prefix_examples(prompted, 5, True))
    assert batch.known.tolist() == [False, True, True, True, True, True]
    batch = SessionBatch.collate(last_prefixes(sessions, 1))
    assert batch.known.tolist() == [False, True]


def test_moving_a_batch_keeps_it() -> None:
    batch = SessionBatch.collate(prefix_examples(encoded([(3, 1), (2, 1)]), 5, True))
    moved = batch.to("meta")
    assert {
        moved.items.device.type,
        moved.prompts["cluster"].device.type,
        moved.ends.device.type,
    } == {"meta"}
    same = batch.to("cpu")
    assert torch.equal(same.items, batch.items) and torch.equal(same.ends, batch.ends)
    assert same.events is batch.events

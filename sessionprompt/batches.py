"""The door between NumPy and torch: examples cut from encoded sessions, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ._order import repeated
from ._ragged import ragged_range
from .encoding import EncodedSessions
from .segments import Pairs

__all__ = ["Examples", "PrefixData", "SessionBatch", "last_prefixes", "prefix_examples", "ragged_range"]


@dataclass(frozen=True)
class Examples:
    """Windows of events to encode, and how many of their last positions ask for a prediction.

    Attributes
    ----------
    sessions : EncodedSessions
    starts : ndarray of shape (n,)
        First event of each window, counted over all events.
    lengths : ndarray of shape (n,)
        Events of each window.
    n_prefixes : ndarray of shape (n,)
        The prefixes that end at the last `n_prefixes` positions of the window are asked for.
    """

    sessions: EncodedSessions
    starts: np.ndarray
    lengths: np.ndarray
    n_prefixes: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, index: np.ndarray) -> Examples:
        """Some of the examples, in the order of `index`."""
        return replace(self, starts=self.starts[index], lengths=self.lengths[index], n_prefixes=self.n_prefixes[index])

    @property
    def ends(self) -> np.ndarray:
        """Events at which the prefixes asked for end, example by example."""
        return ragged_range(self.starts + self.lengths - self.n_prefixes, self.n_prefixes)


def last_prefixes(sessions: EncodedSessions, max_length: int) -> Examples:
    """One example per session: its newest `max_length` events, asked for once, at the end."""
    lengths = np.minimum(sessions.lengths, max_length)
    return Examples(sessions, sessions.offsets[1:] - lengths, lengths, np.ones_like(lengths))


def prefix_examples(sessions: EncodedSessions, max_length: int, one_pass: bool | str) -> Examples:
    """Examples that ask once for every prefix of every session, from its `first_prefix` to its whole length.

    In one pass, the prefixes of up to `max_length` events share a window; longer ones get a window of their own,
    since the state of a truncated prefix starts anew. ``"distinct"`` also gives prefixes in which an item occurs twice
    a window of their own. Otherwise every prefix has its own window.

    Parameters
    ----------
    sessions : EncodedSessions
    max_length : int
        Longest window, in events.
    one_pass : bool or "distinct"
        Whether one window serves many prefixes, as :attr:`~sessionprompt.backbones.Backbone.one_pass` allows.

    Returns
    -------
    examples : Examples
    """
    first, last = sessions.first_prefix, sessions.lengths
    longest = _distinct_lengths(sessions) if one_pass == "distinct" else last if one_pass else np.zeros_like(last)
    shared_last = np.minimum(longest, max_length)
    shared = np.flatnonzero(shared_last >= first)
    own_first = np.maximum(first, shared_last + 1)
    counts = np.maximum(last - own_first + 1, 0)
    owner, prefix = np.repeat(np.arange(len(sessions)), counts), ragged_range(own_first, counts)
    window = np.minimum(prefix, max_length)
    return Examples(
        sessions,
        np.concatenate([sessions.offsets[shared], sessions.offsets[owner] + prefix - window]),
        np.concatenate([shared_last[shared], window]),
        np.concatenate([(shared_last - first + 1)[shared], np.ones_like(window)]),
    )


def _distinct_lengths(sessions: EncodedSessions) -> np.ndarray:
    """Events of each session before an item occurs for the second time."""
    session = np.repeat(np.arange(len(sessions)), sessions.lengths)
    repeats = np.flatnonzero(repeated(sessions.items, session))
    lengths = sessions.lengths.copy()
    np.minimum.at(lengths, session[repeats], repeats - sessions.offsets[session[repeats]])
    return lengths


@dataclass(frozen=True)
class PrefixData:
    """Examples with the item that follows each event: what training and evaluation run over.

    Attributes
    ----------
    examples : Examples
    next_items : ndarray of shape (n_events,)
        Code of the item after each event of the sessions; -1 where it is unknown.
    """

    examples: Examples
    next_items: np.ndarray

    def __len__(self) -> int:
        return int(self.examples.n_prefixes.sum())

    def batches(self, batch_size: int, rng: np.random.Generator | None = None) -> Iterator[tuple[SessionBatch, Tensor]]:
        """Yield (batch, targets) of about `batch_size` prefixes, shuffled by `rng` or, without one, in order.

        A window is never torn apart: it goes where its last prefix goes.
        """
        for part in self._parts(batch_size, rng):
            batch = SessionBatch.collate(part)
            yield batch, torch.from_numpy(self.next_items[batch.events])

    def _parts(self, batch_size: int, rng: np.random.Generator | None) -> Iterator[Examples]:
        if rng is None and 0 < len(self) <= batch_size:
            return iter([self.examples])
        order = np.arange(len(self.examples)) if rng is None else rng.permutation(len(self.examples))
        batch_of = (np.cumsum(self.examples.n_prefixes[order]) - 1) // batch_size
        bounds = np.flatnonzero(np.diff(batch_of)) + 1
        return (self.examples.take(index) for index in np.split(order, bounds) if len(index))


@dataclass(frozen=True)
class SessionBatch:
    """Ragged torch columns of some windows: all their events in one row after another, no padding.

    Attributes
    ----------
    items : LongTensor of shape (T,)
        Item codes of the T events; -1 for unknown items.
    prompts : dict of str to LongTensor of shape (T, n_columns)
    lengths : LongTensor of shape (B,)
        Events of each of the B windows, at least one.
    ends : LongTensor of shape (P,)
        Events at which the P prefixes asked for end, window by window.
    events : ndarray of shape (P,)
        The same places, counted over all events of the encoded sessions.
    """

    items: Tensor
    prompts: dict[str, Tensor]
    lengths: Tensor
    ends: Tensor
    events: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    @classmethod
    def collate(cls, examples: Examples) -> SessionBatch:
        """Gather the events of some examples."""
        lengths, asked = examples.lengths, examples.n_prefixes
        stops = np.cumsum(lengths)
        events = ragged_range(examples.starts, lengths)
        ends = ragged_range(stops - asked, asked)
        columns = examples.sessions
        return cls(
            items=torch.from_numpy(columns.items[events]),
            prompts={kind: torch.from_numpy(codes[events]) for kind, codes in columns.prompts.items()},
            lengths=torch.from_numpy(lengths),
            ends=torch.from_numpy(ends),
            events=events[ends],
        )

    def to(self, device: torch.device | str) -> SessionBatch:
        """The same batch on another device."""
        if self.items.device == torch.device(device):
            return self
        moved = {kind: codes.to(device) for kind, codes in self.prompts.items()}
        return replace(
            self,
            items=self.items.to(device),
            prompts=moved,
            lengths=self.lengths.to(device),
            ends=self.ends.to(device),
        )

    @cached_property
    def starts(self) -> Tensor:
        """First event of each window, shape (B,)."""
        return self.lengths.cumsum(0) - self.lengths

    @cached_property
    def session(self) -> Tensor:
        """Window of each event, shape (T,)."""
        return torch.repeat_interleave(self.lengths, output_size=len(self.items))

    @cached_property
    def position(self) -> Tensor:
        """Place of each event in its window, from 0, shape (T,)."""
        return torch.arange(len(self.items), device=self.items.device) - self.starts[self.session]

    @cached_property
    def prefix_pairs(self) -> Pairs:
        """Every event of every prefix asked for: pairs (prefix in 0..P-1, event in 0..T-1)."""
        return self.pairs_up_to(self.ends)

    def pairs_up_to(self, ends: Tensor) -> Pairs:
        """Pairs of a place in `ends` and an event of the same window at or before that end."""
        sizes = self.position.index_select(0, ends) + 1
        stops = sizes.cumsum(0)
        row = torch.repeat_interleave(sizes)
        event = torch.arange(len(row), device=row.device) + (ends + 1 - stops).index_select(0, row)
        return Pairs(row, event, len(ends), len(self.items))

    @cached_property
    def known(self) -> Tensor:
        """Whether each prefix asked for holds anything the model knows, an item or a prompt; shape (P,)."""
        something = self.items >= 0
        if something.all():
            return torch.ones_like(self.ends, dtype=torch.bool)
        for codes in self.prompts.values():
            something = something | (codes >= 0).any(dim=1)
        total = torch.cat([something.new_zeros(1, dtype=torch.long), something.cumsum(0)])
        return total[self.ends + 1] > total[self.starts[self.session[self.ends]]]

    @cached_property
    def _time_order(self) -> tuple[Tensor, Tensor]:
        """Events by position, longest windows first, and the number of windows alive at each position."""
        if len(self.lengths) == 1:
            return torch.arange(len(self.items), device=self.items.device), torch.ones(
                len(self.items), dtype=torch.long
            )
        rank = torch.empty_like(self.lengths)
        rank[torch.argsort(self.lengths, descending=True, stable=True)] = torch.arange(len(rank), device=rank.device)
        order = torch.argsort(self.position * len(rank) + rank[self.session])
        return order, torch.bincount(self.position).cpu()

    def pack(self, x: Tensor) -> PackedSequence:
        """Event rows (T, d) as the packed sequence that torch's recurrent layers take."""
        order, alive = self._time_order
        return PackedSequence(x.index_select(0, order), alive)

    def unpack(self, packed: PackedSequence) -> Tensor:
        """Back from a packed sequence to event rows (T, d)."""
        order, _ = self._time_order
        return torch.empty_like(packed.data).index_copy(0, order, packed.data)

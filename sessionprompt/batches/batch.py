"""The door from NumPy to torch: batches of examples as ragged columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .._arrays import ragged_range
from ..clustering import Features
from ..encoding import Examples, PrefixData
from .pairs import Pairs

__all__ = ["Elsewhere", "Moves", "SessionBatch", "batches_of"]


def batches_of(
    data: PrefixData, batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[SessionBatch, Tensor]]:
    """Pairs (batch, targets) of about `batch_size` prefixes, shuffled by `rng` if there is one.

    Parameters
    ----------
    data : PrefixData
    batch_size : int
    rng : numpy.random.Generator, optional
        Without it the order stays.

    Yields
    ------
    batch : SessionBatch
    targets : LongTensor of shape (P,)
        Code of the item that follows each prefix; -1 for unknown items.
    """
    for part in data.parts(batch_size, rng):
        batch = SessionBatch.collate(part)
        yield batch, torch.from_numpy(data.next_items[batch.events])


@dataclass(frozen=True)
class Moves:
    """Prefixes that a process scores, where they are not those that it encodes.

    Attributes
    ----------
    order : LongTensor of shape (P,)
        Encoded prefixes, by the process that scores each.
    sent, received : list of int
        How many go to each process, and how many come from it.
    targets, last_items : LongTensor of shape (S,)
        Of the scored prefixes.
    elsewhere : Elsewhere
        Prefixes that others score.
    """

    order: Tensor
    sent: list[int]
    received: list[int]
    targets: Tensor
    last_items: Tensor
    elsewhere: Elsewhere

    def to(self, device: torch.device | str) -> Moves:
        """The same prefixes on another device."""
        return replace(
            self,
            order=self.order.to(device),
            targets=self.targets.to(device),
            last_items=self.last_items.to(device),
            elsewhere=self.elsewhere.to(device),
        )


@dataclass(frozen=True)
class Elsewhere:
    """Prefixes of the same batch that are with other processes.

    Attributes
    ----------
    targets : LongTensor of shape (P,)
        Code of the item after each.
    last_items : LongTensor of shape (P,)
        Code of the last item of each, below 0 where it is unknown.
    shares : dict of str to (int, int, int)
        Places of own rows among those of the batch, see :func:`drawing_shares`.
    counted : bool
        Whether this process's own prefixes count; else another one counts them too.
    moves : Moves or None
        Prefixes to score; None if those are the encoded ones.
    """

    targets: Tensor
    last_items: Tensor
    shares: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    counted: bool = True
    moves: Moves | None = None

    def to(self, device: torch.device | str) -> Elsewhere:
        """The same prefixes on another device."""
        moves = self.moves
        if moves is not None:
            moves = moves.to(device)
        targets = self.targets.to(device)
        return replace(self, targets=targets, last_items=self.last_items.to(device), moves=moves)


@dataclass(frozen=True)
class SessionBatch:
    """Ragged torch columns of some windows: all their events one after another, no padding.

    Attributes
    ----------
    items : LongTensor of shape (T,)
        Item codes of the T events; below 0 for unknown items, in a window different codes for
        different ones.
    prompts : dict of str to LongTensor of shape (T, n_columns)
    lengths : LongTensor of shape (B,)
        Events of each of the B windows, at least one.
    ends : LongTensor of shape (P,)
        Events at which the P prefixes asked for end, window by window.
    events : ndarray of shape (P,)
        The same places, counted over all events of the encoded sessions.
    described : dict of str to features
        Attributes of unknown items, see ``encoding.EncodedSessions``.
    elsewhere : Elsewhere or None
        The rest of the batch, where several processes share it.
    """

    items: Tensor
    prompts: dict[str, Tensor]
    lengths: Tensor
    ends: Tensor
    events: np.ndarray
    described: dict[str, Features] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None

    def __len__(self) -> int:
        return len(self.ends)

    @classmethod
    def collate(cls, examples: Examples) -> SessionBatch:
        """Batch of the windows and prefixes of some examples."""
        events = ragged_range(examples.starts, examples.lengths)  # (T,)
        ends = examples.places  # (P,)
        columns = examples.sessions.prompts
        prompts = {kind: torch.from_numpy(codes[events]) for kind, codes in columns.items()}
        return cls(
            items=torch.from_numpy(examples.sessions.items[events]),
            prompts=prompts,
            lengths=torch.from_numpy(examples.lengths),
            ends=torch.from_numpy(ends),
            events=events[ends],
            described=examples.sessions.described,
        )

    def to(self, device: torch.device | str) -> SessionBatch:
        """The same batch on another device."""
        if self.items.device == torch.device(device):
            return self
        moved = {kind: codes.to(device) for kind, codes in self.prompts.items()}
        elsewhere = self.elsewhere
        if elsewhere is not None:
            elsewhere = elsewhere.to(device)
        return replace(
            self,
            elsewhere=elsewhere,
            items=self.items.to(device),
            prompts=moved,
            lengths=self.lengths.to(device),
            ends=self.ends.to(device),
        )

    @cached_property
    def asks_at_ends(self) -> bool:
        """Whether every window asks once, at its end: its prefix then holds all of its events."""
        return torch.equal(self.ends, self.lengths.cumsum(0) - 1)

    @cached_property
    def starts(self) -> Tensor:
        """First event of each window, shape (B,)."""
        return self.lengths.cumsum(0) - self.lengths

    @cached_property
    def window(self) -> Tensor:
        """Window of each event, shape (T,)."""
        return torch.repeat_interleave(self.lengths, output_size=len(self.items))

    @cached_property
    def position(self) -> Tensor:
        """Place of each event in its window, from 0, shape (T,)."""
        return self._events - self.starts[self.window]

    @cached_property
    def longest(self) -> int:
        """Events of the longest window."""
        return int(self.lengths.max())

    @cached_property
    def prefix_pairs(self) -> Pairs:
        """Pairs (prefix in 0..P-1, event in 0..T-1) of the prefixes asked for and their events."""
        return self.pairs_up_to(self.ends)

    def pairs_up_to(self, ends: Tensor) -> Pairs:
        """Pairs of a place in `ends` (n,) and an event of the same window at or before that end."""
        sizes = self.position.index_select(0, ends) + 1  # (n,)
        shifts = ends + 1 - sizes.cumsum(0)  # (n,)
        row = torch.repeat_interleave(sizes)  # (M,)
        place = torch.arange(len(row), device=row.device)  # (M,)
        event = place + shifts.index_select(0, row)  # (M,)
        return Pairs(row, event, len(ends), len(self.items))

    @cached_property
    def known(self) -> Tensor:
        """Prefixes asked for that hold anything known, an item or a prompt; bool of shape (P,)."""
        something = self.items >= 0  # (T,)
        if something.all():
            return torch.ones_like(self.ends, dtype=torch.bool)  # (P,)
        for codes in self.prompts.values():
            something = something | (codes >= 0).any(dim=1)  # (T,)
        known_before = F.pad(something.cumsum(0), (1, 0))  # (T + 1,)
        starts = self.starts[self.window[self.ends]]  # (P,)
        return known_before[self.ends + 1] > known_before[starts]  # (P,)

    @cached_property
    def _time_order(self) -> tuple[Tensor, Tensor]:
        """Events (T,) by position, longest windows first; number of windows at each position."""
        if len(self.lengths) == 1:
            return self._events, torch.ones(len(self.items), dtype=torch.long)
        n_windows = len(self.lengths)
        by_length = torch.argsort(self.lengths, descending=True, stable=True)  # (B,)
        rank = torch.empty_like(self.lengths)  # (B,)
        rank[by_length] = torch.arange(n_windows, device=rank.device)
        order = torch.argsort(self.position * n_windows + rank[self.window])  # (T,)
        return order, torch.bincount(self.position).cpu()

    @property
    def _events(self) -> Tensor:
        """Number of each event in the batch, shape (T,)."""
        return torch.arange(len(self.items), device=self.items.device)

    def pack(self, x: Tensor) -> PackedSequence:
        """Event rows (T, d) as the packed sequence that torch's recurrent layers take."""
        order, n_windows = self._time_order
        return PackedSequence(x.index_select(0, order), n_windows)

    def unpack(self, packed: PackedSequence) -> Tensor:
        """Event rows (T, d) of a packed sequence."""
        order, _ = self._time_order
        return torch.empty_like(packed.data).index_copy(0, order, packed.data)

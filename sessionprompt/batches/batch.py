"""The door from NumPy to torch: batches of examples as ragged columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .._arrays import ragged_range
from ..encoding import Examples, PrefixData
from .pairs import Pairs

__all__ = ["SessionBatch", "batches_of"]


def batches_of(
    data: PrefixData, batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[SessionBatch, Tensor]]:
    """Yield (batch, targets) of about `batch_size` prefixes, shuffled by `rng` or, without one, in order."""
    for part in data.parts(batch_size, rng):
        batch = SessionBatch.collate(part)
        yield batch, torch.from_numpy(data.next_items[batch.events])


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
            prompts={
                kind: torch.from_numpy(codes[events]) for kind, codes in columns.prompts.items()
            },
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
    def window(self) -> Tensor:
        """Window of each event, shape (T,)."""
        return torch.repeat_interleave(self.lengths, output_size=len(self.items))

    @cached_property
    def position(self) -> Tensor:
        """Place of each event in its window, from 0, shape (T,)."""
        return torch.arange(len(self.items), device=self.items.device) - self.starts[self.window]

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
        return total[self.ends + 1] > total[self.starts[self.window[self.ends]]]

    @cached_property
    def _time_order(self) -> tuple[Tensor, Tensor]:
        """Events by position, longest windows first, and the number of windows alive at each position."""
        if len(self.lengths) == 1:
            return torch.arange(len(self.items), device=self.items.device), torch.ones(
                len(self.items), dtype=torch.long
            )
        rank = torch.empty_like(self.lengths)
        rank[torch.argsort(self.lengths, descending=True, stable=True)] = torch.arange(
            len(rank), device=rank.device
        )
        order = torch.argsort(self.position * len(rank) + rank[self.window])
        return order, torch.bincount(self.position).cpu()

    def pack(self, x: Tensor) -> PackedSequence:
        """Event rows (T, d) as the packed sequence that torch's recurrent layers take."""
        order, alive = self._time_order
        return PackedSequence(x.index_select(0, order), alive)

    def unpack(self, packed: PackedSequence) -> Tensor:
        """Back from a packed sequence to event rows (T, d)."""
        order, _ = self._time_order
        return torch.empty_like(packed.data).index_copy(0, order, packed.data)

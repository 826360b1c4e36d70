"""Exact ranks of the next items of whole sessions, and the metrics over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .batches import PrefixData, prefix_examples, ragged_range
from .encoding import EncodedSessions, SessionEncoder
from .inference import rank_targets
from .network import SessionNetwork
from .targets import CutSessions, RankedTargets

__all__ = ["prefix_data", "rank_sessions"]


def prefix_data(
    cut: CutSessions, encoder: SessionEncoder, max_length: int, one_pass: bool | str
) -> tuple[PrefixData, np.ndarray]:
    """All prefixes of cut sessions as the network reads them, without hindsight.

    Sessions whose items are all known are encoded once for all their prefixes, where the backbone allows it. A
    session with an unknown item is taken apart into its prefixes first, and each is annotated anew: the cluster of
    an unknown item must not depend on what follows the prefix.

    Returns
    -------
    data : PrefixData
    places : ndarray of shape (n_prefixes,)
        Event of ``cut.inputs`` at which each prefix ends.
    """
    parts, places = zip(*_without_hindsight(cut, encoder), strict=True)
    place = np.concatenate(places)
    examples = prefix_examples(EncodedSessions.join(parts), max_length, one_pass)
    return PrefixData(examples, cut.next_items[place]), place[examples.ends]


def rank_sessions(
    network: SessionNetwork,
    encoder: SessionEncoder,
    cut: CutSessions,
    *,
    max_length: int,
    one_pass: bool | str,
    batch_size: int,
    ties: str = "pessimistic",
    top: int = 0,
) -> RankedTargets:
    """Rank the target of every prefix of some cut sessions, in the order of the sessions."""
    data, places = prefix_data(cut, encoder, max_length, one_pass)
    ranks, _, best = rank_targets(network, data, batch_size, ties, top, losses=False)
    return RankedTargets.of(cut, encoder, places, ranks, best if top else None)


def _without_hindsight(cut: CutSessions, encoder: SessionEncoder) -> Iterator[tuple[EncodedSessions, np.ndarray]]:
    """Sessions of known items whole, the others prefix by prefix; with the place of each event in the inputs."""
    inputs = cut.inputs
    session = np.repeat(np.arange(len(inputs)), inputs.lengths)
    apart = np.zeros(len(inputs), dtype=bool)
    if inputs.annotator is not None:
        apart[session[encoder.item_codes(inputs) < 0]] = True
    if not apart.all():
        yield encoder.encode(inputs[~apart]), np.flatnonzero(~apart[session])
    if apart.any():
        first = encoder.encode(inputs).first_prefix
        rows = np.flatnonzero(apart)
        counts = np.maximum(inputs.lengths[rows] - first[rows] + 1, 0)
        owner, lengths = np.repeat(rows, counts), ragged_range(first[rows], counts)
        for group in _annotated_together(lengths, inputs.annotator):
            single = encoder.encode(inputs.prefixes(owner[group], lengths[group]))
            yield (
                replace(single, first_prefix=lengths[group]),
                ragged_range(inputs.offsets[owner[group]], lengths[group]),
            )


def _annotated_together(lengths: np.ndarray, annotator: Any) -> list[np.ndarray]:
    """Indices of prefixes to annotate in one call: if they inform each other, no two of one session."""
    if getattr(annotator, "attach", "session") == "batch":
        return [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    return [np.arange(len(lengths))]

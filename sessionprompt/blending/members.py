"""Members of a stack: their scores for prefixes, and the weights learned from these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .._arrays import ragged_range
from ..encoding import NextItemTargets, SessionEncoder, asked_events
from ..metrics import last_step, transform_steps
from ..sessions import Sessions
from .learn import HeldOut
from .own_items import OwnItems
from .stack import StackBlend, candidates_of_stack, learn_stack

__all__ = ["MemberScores", "learn_members", "member_scores"]

BLOCK = 2**23  # scores of all members held at a time


class MemberScores(NamedTuple):
    """Some prefixes and what the members of a stack say of them.

    Attributes
    ----------
    sessions, lengths : ndarray of shape (n_prefixes,)
        Session of each prefix, and its number of events.
    own : OwnItems
    scores : list of ndarray of shape (n_prefixes, n_items)
        Of each member.
    """

    sessions: np.ndarray
    lengths: np.ndarray
    own: OwnItems
    scores: list[np.ndarray]

    def take(self, rows: np.ndarray) -> MemberScores:
        """The same of some of the prefixes, in their order; `rows` rise."""
        scores = [values[rows] for values in self.scores]
        return MemberScores(self.sessions[rows], self.lengths[rows], self.own.take(rows), scores)


def member_scores(
    members: list[Any],
    encoder: SessionEncoder,
    sessions: Sessions,
    first: np.ndarray,
    last: np.ndarray,
) -> Iterator[MemberScores]:
    """Scores of some prefixes at a time, session by session.

    Parameters
    ----------
    members : list of estimators
        Fitted recommenders, or pipelines that end in one.
    encoder : SessionEncoder
        Of the items that all of them know.
    sessions : Sessions
        Members see them cut to the longest prefix that is asked for.
    first, last : ndarray of shape (n_sessions,)
        Lengths of the shortest and the longest prefix of each.
    """
    asked = asked_events(sessions)
    most = max(BLOCK // (encoder.n_items * len(members)), 1)
    for rows, shortest, longest in _blocks(first, last, most):
        inputs = replace(sessions.prefixes(rows, longest), target_start=shortest, is_target=None)
        encoded = encoder.encode(inputs)
        own = OwnItems.of_prefixes(encoded.items, encoded.offsets, shortest)
        scores = [_scores_of(member, inputs) for member in members]
        n_prefixes = longest - shortest + 1
        lengths = ragged_range(shortest, n_prefixes)
        part = MemberScores(np.repeat(rows, n_prefixes), lengths, own, scores)
        if asked is not None:
            events = sessions.offsets[part.sessions] + lengths - 1
            part = part.take(np.flatnonzero(asked[events]))
        yield part


def _scores_of(member: Any, inputs: Sessions) -> np.ndarray:
    """Scores of a member for all prefixes of some sessions, (n_prefixes, n_items)."""
    last = last_step(member)
    return last._log_scores(last._annotated(transform_steps(member, inputs)))


def _blocks(
    first: np.ndarray, last: np.ndarray, most: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sessions, and their shortest and longest prefixes, of about `most` prefixes at a time.

    A session of more prefixes comes in several pieces.
    """
    n_prefixes = np.maximum(last - first + 1, 0)  # (n_sessions,)
    n_pieces = -(-n_prefixes // most)  # (n_sessions,)
    row = np.repeat(np.arange(len(first)), n_pieces)
    shortest = first[row] + most * ragged_range(np.zeros_like(n_pieces), n_pieces)
    longest = np.minimum(shortest + most - 1, last[row])
    block = (np.cumsum(longest - shortest + 1) - 1) // most
    bounds = np.flatnonzero(np.diff(block)) + 1
    parts = (np.split(values, bounds) for values in (row, shortest, longest))
    return zip(*parts, strict=True)


def learn_members(
    names: tuple[str, ...], members: list[Any], encoder: SessionEncoder, cut: NextItemTargets
) -> StackBlend | None:
    """Weights of members under which the targets of held-out sessions are likeliest.

    Parameters
    ----------
    names : tuple of str
    members : list of estimators
    encoder : SessionEncoder
    cut : NextItemTargets
        The held-out sessions.

    Returns
    -------
    StackBlend, or None if no target is among the best items of a member
    """
    encoded = cut.encoded
    parts = []
    for part in member_scores(members, encoder, cut.inputs, encoded.first_prefix, encoded.lengths):
        targets = cut.next_items[encoded.offsets[part.sessions] + part.lengths - 1]
        parts.append(candidates_of_stack(part.own, part.scores, targets))
    held_out = HeldOut.join(parts)
    if not len(held_out.targets):
        return None
    return learn_stack(names, held_out)

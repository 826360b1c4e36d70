"""Items that may be recommended to each session: candidates, and items that are left out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._arrays import ragged_range, repeated
from ..sessions import Sessions
from ..vocabulary import Vocabulary
from .encoder import SessionEncoder
from .targets import NextItemTargets

__all__ = [
    "CodeLists",
    "ItemFilter",
    "SeenBefore",
    "candidates_of",
    "filter_of_prefixes",
    "item_filter",
    "read_candidates",
    "read_seen",
    "with_reserved_places",
]


@dataclass(frozen=True)
class CodeLists:
    """A list of item codes for each row, cut from one array.

    Attributes
    ----------
    codes : ndarray of shape (n,)
    starts, lengths : ndarray of shape (n_rows,)
        Row i has the codes from ``starts[i]`` on, ``lengths[i]`` of them.
    """

    codes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def take(self, rows: np.ndarray) -> CodeLists:
        """Lists of some rows, in the order of `rows`."""
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows])

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and code of every entry."""
        row = np.repeat(np.arange(len(self.starts)), self.lengths)
        return row, self.codes[ragged_range(self.starts, self.lengths)]


@dataclass(frozen=True)
class ItemFilter:
    """Items that may be recommended, row by row.

    Attributes
    ----------
    n_items : int
    candidates : ndarray of codes, or None
        Rising; None stands for all items.
    own_candidates : CodeLists or None
        Candidates of each row.
    excluded : tuple of CodeLists
        Items left out of each row.
    """

    n_items: int
    candidates: np.ndarray | None = None
    own_candidates: CodeLists | None = None
    excluded: tuple[CodeLists, ...] = ()

    def take(self, rows: np.ndarray) -> ItemFilter:
        """Filter of some rows, in the order of `rows`."""
        own = self.own_candidates
        if own is not None:
            own = own.take(rows)
        excluded = tuple(lists.take(rows) for lists in self.excluded)
        return replace(self, own_candidates=own, excluded=excluded)

    def among(self, codes: np.ndarray) -> ItemFilter:
        """The same filter for some items alone, given by rising codes."""
        if self.candidates is not None:
            codes = np.intersect1d(codes, self.candidates)
        return replace(self, candidates=codes)

    @property
    def by_row(self) -> bool:
        """Whether rows differ in what may be recommended."""
        return self.own_candidates is not None or bool(self.excluded)

    def hidden(self, n_rows: int) -> np.ndarray:
        """True where an item may not be recommended, shape (n_rows, n_items); for all rows."""
        if self.own_candidates is None:
            hidden = np.zeros((n_rows, self.n_items), dtype=bool)
        else:
            hidden = np.ones((n_rows, self.n_items), dtype=bool)
            hidden[self.own_candidates.pairs()] = False
        if self.candidates is not None:
            outside = np.ones(self.n_items, dtype=bool)
            outside[self.candidates] = False
            hidden |= outside
        for lists in self.excluded:
            hidden[lists.pairs()] = True
        return hidden


def read_candidates(
    encoder: SessionEncoder, candidates: Iterable[Any], n_sessions: int
) -> np.ndarray | CodeLists:
    """Codes of candidates that all sessions share, or of those of each session.

    Unknown ones are left out, with a warning.

    Parameters
    ----------
    encoder : SessionEncoder
    candidates : iterable of ids, or a list, set or array of ids for each session
    n_sessions : int

    Returns
    -------
    ndarray of rising codes, or CodeLists

    Raises
    ------
    ValueError
        If there are not as many lists as sessions, or no candidate is known.
    """
    candidates, nested = _listed(encoder, candidates)
    if not nested:
        codes = _known_codes(encoder.vocabulary, candidates)
        return np.unique(codes[codes >= 0])
    _check_number(candidates, n_sessions)
    lists = [list(ids) for ids in candidates]
    codes = _known_codes(encoder.vocabulary, [id_ for ids in lists for id_ in ids])
    row = np.repeat(np.arange(n_sessions), [len(ids) for ids in lists])[codes >= 0]
    lengths = np.bincount(row, minlength=n_sessions)
    return CodeLists(codes[codes >= 0], np.cumsum(lengths) - lengths, lengths)


def candidates_of(
    encoder: SessionEncoder, candidates: Any, n_sessions: int, rows: np.ndarray
) -> Any:
    """Candidates of some of the sessions, as :func:`read_candidates` takes them.

    Parameters
    ----------
    encoder : SessionEncoder
    candidates : iterable of ids, or a list, set or array of ids for each session, or None
    n_sessions : int
    rows : ndarray of int
    """
    if candidates is None:
        return None
    candidates, nested = _listed(encoder, candidates)
    if not nested:
        return candidates
    _check_number(candidates, n_sessions)
    return [candidates[row] for row in rows]


def _listed(encoder: SessionEncoder, candidates: Iterable[Any]) -> tuple[Any, bool]:
    """Candidates in a list or an array, and whether each session has its own."""
    if isinstance(candidates, str | bytes) or not isinstance(candidates, Iterable):
        raise TypeError(
            f"candidates={candidates!r} must be a list of ids, or one for each session."
        )
    if not isinstance(candidates, np.ndarray):
        candidates = list(candidates)
    if not len(candidates):
        return candidates, False
    return candidates, isinstance(candidates[0], _kinds_of_lists(encoder.vocabulary))


def _check_number(candidates: Any, n_sessions: int) -> None:
    if len(candidates) != n_sessions:
        raise ValueError(
            f"candidates holds {len(candidates)} lists, but X holds {n_sessions} sessions; give "
            "one list for each, or one list of ids for all."
        )


def _kinds_of_lists(vocabulary: Vocabulary) -> tuple[type, ...]:
    """Types that hold the candidates of a session; a tuple may be an id itself."""
    kinds: tuple[type, ...] = (list, set, frozenset, np.ndarray)
    if len(vocabulary) and isinstance(vocabulary.ids[0], tuple):
        return kinds
    return (*kinds, tuple)


def _known_codes(vocabulary: Vocabulary, ids: Any) -> np.ndarray:
    """Codes of candidates, -1 for unknown ones, of which a warning tells."""
    codes = vocabulary.encode(ids, name="candidates")
    unknown = np.flatnonzero(codes < 0)
    if len(unknown) == len(codes):
        raise ValueError(
            f"candidates holds {len(codes)} ids, none of which the model knows; "
            "give ids that are in items_."
        )
    if len(unknown):
        warnings.warn(
            f"candidates holds {len(unknown)} ids that the model does not know, such as "
            f"{ids[unknown[0]]!r}; they are left out.",
            stacklevel=5,
        )
    return codes


def with_reserved_places(
    best: tuple[np.ndarray, np.ndarray],
    new: tuple[np.ndarray, np.ndarray],
    is_new: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Lists in which new items have places, taken from the last of the others.

    Parameters
    ----------
    best : tuple of codes and scores, (n, k) each
        Best items, best first; code -1 is no item.
    new : tuple of codes and scores, (n, m) each
        Best new items, of which the lists are to hold m; they have the same scores there.
    is_new : ndarray of shape (n_items,), bool

    Returns
    -------
    codes, scores : ndarray of shape (n, k)
    """
    codes, scores = best
    k = codes.shape[1]
    m = new[0].shape[1]
    there = is_new[codes] & (codes >= 0)  # (n, k)
    held = there.sum(axis=1, keepdims=True)  # (n, 1): the first of the new ones
    added = (np.arange(m) >= held) & (new[0] >= 0)  # (n, m)
    others_after = np.cumsum((~there)[:, ::-1], axis=1)[:, ::-1]  # (n, k), itself included
    left = there | (others_after > added.sum(axis=1, keepdims=True))
    codes = np.concatenate([np.where(left, codes, -1), np.where(added, new[0], -1)], axis=1)
    values = np.concatenate(
        [np.where(left, scores, -np.inf), np.where(added, new[1], -np.inf)], axis=1
    )
    order = np.lexsort((codes, -values, codes < 0))[:, :k]
    return np.take_along_axis(codes, order, 1), np.take_along_axis(values, order, 1)


@dataclass(frozen=True)
class SeenBefore:
    """Known items that users have met in a history.

    Attributes
    ----------
    users : Vocabulary
    items : CodeLists
        Of each user, and at the end those of an unknown one, none.
    """

    users: Vocabulary
    items: CodeLists

    @classmethod
    def in_history(cls, encoder: SessionEncoder, history: Sessions) -> SeenBefore:
        """Known items of the users of some sessions."""
        users, owners = Vocabulary.from_values(_users(history, "exclude_seen"), name="user")
        items = encoder.item_codes(history)
        pairs = np.repeat(owners, history.lengths).astype(np.int64) * encoder.n_items + items
        user, codes = np.divmod(np.unique(pairs[items >= 0]), encoder.n_items)
        counts = np.append(np.bincount(user, minlength=len(users)), 0)
        return cls(users, CodeLists(codes, np.cumsum(counts) - counts, counts))

    def of_users(self, sessions: Sessions) -> CodeLists:
        """Items of the user of each session."""
        return self.items.take(self.users.encode(_users(sessions, "X"), name="user"))


def _users(sessions: Sessions, name: str) -> np.ndarray:
    if sessions.users is None:
        raise ValueError(
            f"{name} has no users, whose history exclude_seen is to leave out; name them with "
            "users= or user=, or use exclude_seen=True for the items of the session alone."
        )
    return sessions.users


def read_seen(encoder: SessionEncoder, exclude_seen: Any, sessions: Sessions) -> bool | SeenBefore:
    """Whether seen items are left out, or what the users of sessions have seen before.

    Parameters
    ----------
    encoder : SessionEncoder
    exclude_seen : bool or Sessions
    sessions : Sessions
        To which items are recommended.

    Raises
    ------
    ValueError
        If it is something else, or it or the sessions come without users.
    """
    if isinstance(exclude_seen, Sessions):
        _users(sessions, "X")
        return SeenBefore.in_history(encoder, exclude_seen)
    if exclude_seen not in (True, False):
        raise ValueError(
            f"exclude_seen={exclude_seen!r} must be True or False, or Sessions whose users "
            "have seen their items."
        )
    return bool(exclude_seen)


def item_filter(
    encoder: SessionEncoder,
    sessions: Sessions,
    rows: np.ndarray,
    lengths: np.ndarray,
    seen: bool | SeenBefore,
    candidates: np.ndarray | CodeLists | None,
) -> ItemFilter | None:
    """Items that may be recommended to prefixes of some sessions; None if all of them may.

    Parameters
    ----------
    encoder : SessionEncoder
    sessions : Sessions
    rows, lengths : ndarray of shape (n_prefixes,)
        Session of each prefix, and its number of events.
    seen : bool or SeenBefore
        As of :func:`read_seen`.
    candidates : ndarray, CodeLists or None
        As of :func:`read_candidates`; lists have a row for each prefix.
    """
    if seen is False and candidates is None:
        return None
    shared = None
    own = None
    excluded: list[CodeLists] = []
    if isinstance(candidates, CodeLists):
        own = candidates
    else:
        shared = candidates
    if seen is not False:
        excluded.append(_seen_items(encoder, sessions, rows, lengths))
    if isinstance(seen, SeenBefore):
        excluded.append(seen.of_users(sessions).take(rows))
    return ItemFilter(encoder.n_items, shared, own, tuple(excluded))


def filter_of_prefixes(
    encoder: SessionEncoder,
    cut: NextItemTargets,
    seen: bool | SeenBefore,
    candidates: np.ndarray | CodeLists | None,
) -> ItemFilter | None:
    """Items that may be recommended at each event of cut sessions; None if all of them may.

    Parameters
    ----------
    encoder : SessionEncoder
    cut : NextItemTargets
    seen, candidates
        As of :func:`item_filter`; lists have a row for each of the sessions that `cut` was made of.
    """
    inputs = cut.inputs
    row = np.repeat(np.arange(len(inputs)), inputs.lengths)
    lengths = np.arange(inputs.n_events) - inputs.offsets[row] + 1
    if isinstance(candidates, CodeLists):
        candidates = candidates.take(cut.rows[row])
    return item_filter(encoder, inputs, row, lengths, seen, candidates)


def _seen_items(
    encoder: SessionEncoder, sessions: Sessions, rows: np.ndarray, lengths: np.ndarray
) -> CodeLists:
    """Known items of prefixes."""
    items = encoder.item_codes(sessions)
    session = np.repeat(np.arange(len(sessions)), sessions.lengths)
    fresh = (items >= 0) & ~repeated(items, session)
    before = np.append(0, np.cumsum(fresh))  # distinct known items before each event
    starts = sessions.offsets[rows]
    first = before[starts]
    return CodeLists(items[fresh], first, before[starts + lengths] - first)

"""The steps that recipes are made of; each returns sessions whose report has one more line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .._arrays import repeated
from ..sessions import FilterReport, Sessions, Survivors
from ..vocabulary import Vocabulary

__all__ = [
    "check_choice",
    "check_count",
    "compact",
    "counted",
    "cut_sessions",
    "filtered",
    "finished",
    "first_of_each",
    "keep_events",
    "keep_newest_pairs",
    "newest_last",
    "not_repeating",
    "rows_step",
    "split_long",
    "sr_gnn_split",
    "support_filter",
    "truncated",
    "untagged",
]


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise unless `value` is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} is not known; use {' or '.join(map(repr, choices))}.")


def check_count(name: str, value: object, low: int) -> None:
    """Raise unless `value` is None or an integer of at least `low`."""
    if value is not None and (
        not isinstance(value, Integral) or isinstance(value, bool) or value < low
    ):
        raise ValueError(f"{name}={value!r} must be an integer of at least {low}.")


def rows_step(step: str, rows: nw.DataFrame[Any]) -> dict[str, Any]:
    """Return the line of a report on rows that are no sessions yet."""
    return {"step": step, "sessions": None, "events": len(rows), "items": None, "users": None}


def newest_last(rows: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Turn a log around that lists the newest events first, so that events of one second are in order too."""
    return rows[np.arange(len(rows))[::-1]]


def counted(sessions: Sessions, step: str, before: FilterReport | None) -> Sessions:
    """Return the sessions with their counts as one more line of a report."""
    users = None if sessions.users is None else Vocabulary.from_values(sessions.users)[1]
    line = Survivors(sessions.codes, sessions.lengths, users).count(step)
    return replace(sessions, report=FilterReport([] if before is None else before.steps).then(line))


def cut_sessions(
    rows: nw.DataFrame[Any], before: list[dict[str, Any]], step: str, **columns: Any
) -> Sessions:
    """Make sessions of rows; `columns` as in `Sessions.from_events`."""
    return counted(Sessions.from_events(rows, **columns), step, FilterReport(before))


def filtered(sessions: Sessions, **bounds: Any) -> Sessions:
    """Filter as `Sessions.filter` does."""
    kept = sessions.filter(**bounds)
    assert kept.report is not None
    return replace(
        kept,
        report=(sessions.report or FilterReport(kept.report.steps[:1])).then(
            *kept.report.steps[1:]
        ),
    )


def support_filter(sessions: Sessions, min_item_support: int) -> Sessions:
    """Drop sessions of one event, then rare items, then what has become sessions of one event."""
    return filtered(
        filtered(sessions, min_length=2), min_item_support=min_item_support, min_length=2
    )


def keep_events(sessions: Sessions, kept: NDArray[np.bool_], step: str) -> Sessions:
    """Keep the marked events, and the sessions that still have one."""
    session_of = np.repeat(np.arange(len(sessions)), sessions.lengths)
    lengths = np.bincount(session_of[kept], minlength=len(sessions))
    times = None if sessions.event_times is None else sessions.event_times[kept]
    offsets = np.append(0, np.cumsum(lengths))
    thinned = replace(sessions, codes=sessions.codes[kept], offsets=offsets, event_times=times)
    return counted(thinned[lengths > 0], step, sessions.report)


def not_repeating(sessions: Sessions) -> NDArray[np.bool_]:
    """Mark the events whose item is not that of the event before them in the session."""
    kept = np.append(True, np.diff(sessions.codes) != 0)
    kept[sessions.offsets[:-1]] = True
    return kept


def first_of_each(sessions: Sessions, tags: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the first event of each item and tag in a session."""
    session_of = np.repeat(np.arange(len(sessions)), sessions.lengths)
    return ~repeated(tags, sessions.codes, session_of)


def untagged(sessions: Sessions, n_tags: int) -> tuple[Sessions, NDArray[np.int64]]:
    """Take apart item ids made as ``item * n_tags + tag``.

    Returns
    -------
    sessions : Sessions
        Of the items alone.
    tags : ndarray of shape (n_events,)
    """
    ids = sessions.vocabulary.ids
    vocabulary, codes = Vocabulary.from_values(ids // n_tags)
    return replace(sessions, codes=codes[sessions.codes], vocabulary=vocabulary), (ids % n_tags)[
        sessions.codes
    ]


def truncated(sessions: Sessions, max_length: int) -> Sessions:
    """Keep the first events of each session."""
    heads = sessions.prefixes(np.arange(len(sessions)), np.minimum(sessions.lengths, max_length))
    return counted(heads, f"first {max_length} events", sessions.report)


def split_long(sessions: Sessions, max_length: int) -> Sessions:
    """Drop sessions of twice `max_length` and more, cut the others into pieces of at most `max_length`."""
    kept = sessions[sessions.lengths < 2 * max_length]
    kept = counted(kept, f"shorter than {2 * max_length}", sessions.report)
    n_pieces = -(-kept.lengths // max_length)
    row = np.repeat(np.arange(len(kept)), n_pieces)
    piece = np.arange(len(row)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    offsets = np.append(kept.offsets[row] + piece * max_length, kept.n_events)
    users = None if kept.users is None else kept.users[row]
    pieces = replace(kept, offsets=offsets, users=users, ids=kept.ids[row])
    return counted(pieces, f"pieces of {max_length}", kept.report)


def sr_gnn_split(sessions: Sessions, min_item_support: int, days: int) -> tuple[Sessions, Sessions]:
    """Filter by support and split as SR-GNN does: the newest days test, on items that training has.

    What counts is the end of a session before its rare items went. A session that ends exactly
    `days` before the newest belongs to neither part.
    """
    check_count("test_days", days, 1)
    kept = support_filter(sessions, min_item_support)
    ends = _ends_of(kept.ids, sessions)
    cut = ends.max() - np.timedelta64(days, "D")
    if not (ends < cut).any():
        raise ValueError(
            f"all sessions end within {days} days of {ends.max()}, so none is left to train on; give the whole log."
        )
    train = counted(kept[ends < cut], f"train: ends before {cut}", kept.report)
    test = counted(kept[ends > cut], f"test: ends after {cut}", kept.report)
    known = np.zeros(len(kept.vocabulary), dtype=bool)
    known[train.codes] = True
    return train, filtered(keep_events(test, known[test.codes], "items of train"), min_length=2)


def _ends_of(ids: NDArray[Any], sessions: Sessions) -> NDArray[Any]:
    assert sessions.times is not None
    order = np.argsort(sessions.ids)
    return sessions.times[order[np.searchsorted(sessions.ids[order], ids)]]


def keep_newest_pairs(train: Sessions, fraction: float) -> Sessions:
    """Keep the newest share of the pairs of prefix and target.

    Where the share ends within a session, the pairs with the shorter prefixes stay, so it is cut to
    its first events.
    """
    if not 0 < fraction <= 1:
        raise ValueError(
            f"fraction={fraction} is no share; give a number above 0 and up to 1, such as 1 / 64."
        )
    n_pairs = np.cumsum((train.lengths - 1)[::-1])[::-1]  # from this session on
    wanted = int(n_pairs[0] * fraction)
    if wanted == 0:
        raise ValueError(
            f"fraction={fraction} of {n_pairs[0]} training pairs leaves none; give a larger one."
        )
    first = int(np.flatnonzero(n_pairs >= wanted)[-1])
    rows, lengths = np.arange(first, len(train)), train.lengths[first:]
    lengths[0] -= n_pairs[first] - wanted
    return counted(train.prefixes(rows, lengths), f"newest {wanted:,} pairs", train.report)


def finished(sessions: Sessions) -> Sessions:
    """Sort the sessions by their ends, number them 0 to n-1, and shrink the vocabulary to the items that occur."""
    assert sessions.times is not None
    [made] = compact(sessions[np.argsort(sessions.times, kind="stable")])
    return replace(made, ids=np.arange(len(made)), report=sessions.report)


def compact(*parts: Sessions) -> tuple[Sessions, ...]:
    """Give the parts one vocabulary of the items that occur in any of them."""
    used = np.zeros(len(parts[0].vocabulary), dtype=bool)
    for part in parts:
        used[part.codes] = True
    code_of = np.cumsum(used, dtype=np.int32) - np.int32(1)
    vocabulary = parts[0].vocabulary.subset(np.flatnonzero(used))
    return tuple(replace(part, codes=code_of[part.codes], vocabulary=vocabulary) for part in parts)

"""Steps of preparations; each returns sessions whose report has one more line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .._arrays import repeated
from .._checks import check_count
from ..sessions import FilterReport, Sessions, Survivors
from ..vocabulary import Vocabulary

__all__ = [
    "compact",
    "counted",
    "cut_sessions",
    "filtered",
    "finished",
    "first_of_each",
    "keep_events",
    "keep_newest_pairs",
    "newest_last",
    "rows_step",
    "split_long",
    "sr_gnn_split",
    "support_filter",
    "truncated",
    "untagged",
    "without_repeats",
]


def rows_step(step: str, rows: nw.DataFrame[Any]) -> dict[str, Any]:
    """Line of a report on rows that are no sessions yet."""
    return {"step": step, "sessions": None, "events": len(rows), "items": None, "users": None}


def newest_last(rows: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Rows of a log that lists the newest first, turned around; orders events of one second."""
    return rows[np.arange(len(rows))[::-1]]


def counted(sessions: Sessions, step: str, before: FilterReport | None) -> Sessions:
    """Sessions with their counts as one more line of a report."""
    users = None
    if sessions.users is not None:
        _, users = Vocabulary.from_values(sessions.users)
    line = Survivors(sessions.codes, sessions.lengths, users).count(step)
    if before is None:
        before = FilterReport([])
    return replace(sessions, report=before.then(line))


def cut_sessions(
    rows: nw.DataFrame[Any], before: list[dict[str, Any]], step: str, **columns: Any
) -> Sessions:
    """Make sessions of rows; `columns` as in `Sessions.from_events`."""
    return counted(Sessions.from_events(rows, **columns), step, FilterReport(before))


def filtered(sessions: Sessions, **bounds: Any) -> Sessions:
    """Sessions that pass the bounds of `Sessions.filter`, after the steps before."""
    kept = sessions.filter(**bounds)
    assert kept.report is not None
    start, *steps = kept.report.steps
    before = sessions.report
    if before is None:
        before = FilterReport([start])
    return replace(kept, report=before.then(*steps))


def support_filter(sessions: Sessions, min_item_support: int) -> Sessions:
    """Drop sessions of one event, then rare items, then what has become sessions of one event."""
    longer = filtered(sessions, min_length=2)
    return filtered(longer, min_item_support=min_item_support, min_length=2)


def keep_events(sessions: Sessions, kept: NDArray[np.bool_], step: str) -> Sessions:
    """Keep the marked events, and the sessions that still have one."""
    lengths = np.bincount(_session_of(sessions)[kept], minlength=len(sessions))
    offsets = np.append(0, np.cumsum(lengths))
    times = sessions.event_times
    if times is not None:
        times = times[kept]
    thinned = replace(sessions, codes=sessions.codes[kept], offsets=offsets, event_times=times)
    return counted(thinned[lengths > 0], step, sessions.report)


def _session_of(sessions: Sessions) -> NDArray[np.int64]:
    """Row of each event's session."""
    return np.repeat(np.arange(len(sessions)), sessions.lengths)


def without_repeats(sessions: Sessions) -> Sessions:
    """Drop the events whose item is that of the event before them in the session."""
    kept = np.append(True, np.diff(sessions.codes) != 0)
    kept[sessions.offsets[:-1]] = True
    return keep_events(sessions, kept, "repeats=drop")


def first_of_each(sessions: Sessions, tags: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the first event of each item and tag in a session."""
    return ~repeated(tags, sessions.codes, _session_of(sessions))


def untagged(sessions: Sessions, n_tags: int) -> tuple[Sessions, NDArray[np.int64]]:
    """Sessions and tags from item ids made as ``item * n_tags + tag``.

    Returns
    -------
    sessions : Sessions
        Of the items alone.
    tags : ndarray of shape (n_events,)
    """
    ids = sessions.vocabulary.ids
    tags = (ids % n_tags)[sessions.codes]  # (n_events,)
    vocabulary, code_of = Vocabulary.from_values(ids // n_tags)
    bare = replace(sessions, codes=code_of[sessions.codes], vocabulary=vocabulary)
    return bare, tags


def truncated(sessions: Sessions, max_length: int) -> Sessions:
    """Keep the first events of each session."""
    heads = sessions.prefixes(np.arange(len(sessions)), np.minimum(sessions.lengths, max_length))
    return counted(heads, f"first {max_length} events", sessions.report)


def split_long(sessions: Sessions, max_length: int) -> Sessions:
    """Drop sessions of twice `max_length` and more; cut the others into pieces of it at most."""
    kept = sessions[sessions.lengths < 2 * max_length]
    kept = counted(kept, f"shorter than {2 * max_length}", sessions.report)
    n_pieces = -(-kept.lengths // max_length)
    row = np.repeat(np.arange(len(kept)), n_pieces)
    piece = np.arange(len(row)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    offsets = np.append(kept.offsets[row] + piece * max_length, kept.n_events)
    users = kept.users
    if users is not None:
        users = users[row]
    pieces = replace(kept, offsets=offsets, users=users, ids=kept.ids[row])
    return counted(pieces, f"pieces of {max_length}", kept.report)


def sr_gnn_split(sessions: Sessions, min_item_support: int, days: int) -> tuple[Sessions, Sessions]:
    """Training and test sessions of SR-GNN: the newest days test, on items that training has.

    What counts is the end of a session, in whole seconds, before its rare items went. A session
    that ends exactly `days` before the newest belongs to neither part.
    """
    check_count("test_days", days)
    kept = support_filter(sessions, min_item_support)
    ends = _ends_of(kept.ids, sessions).astype("datetime64[s]")
    cut = ends.max() - np.timedelta64(days, "D")
    if not (ends < cut).any():
        raise ValueError(
            f"all sessions end within {days} days of {ends.max()}, so none is left to train on; "
            "give the whole log."
        )
    train = counted(kept[ends < cut], f"train: ends before {cut}", kept.report)
    test = counted(kept[ends > cut], f"test: ends after {cut}", kept.report)
    known = np.zeros(len(kept.vocabulary), dtype=bool)
    known[train.codes] = True
    test = keep_events(test, known[test.codes], "items of train")
    return train, filtered(test, min_length=2)


def _ends_of(ids: NDArray[Any], sessions: Sessions) -> NDArray[Any]:
    """Times at which the sessions of these ids end."""
    assert sessions.times is not None
    order = np.argsort(sessions.ids)
    places = np.searchsorted(sessions.ids[order], ids)
    return sessions.times[order[places]]


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
    rows = np.arange(first, len(train))
    lengths = train.lengths[first:]
    lengths[0] -= n_pairs[first] - wanted
    return counted(train.prefixes(rows, lengths), f"newest {wanted:,} pairs", train.report)


def finished(sessions: Sessions) -> Sessions:
    """Sessions in the order of their ends, numbered 0 to n-1, with the items that occur in them."""
    assert sessions.times is not None
    [made] = compact(sessions[np.argsort(sessions.times, kind="stable")])
    return replace(made, ids=None, report=sessions.report)  # type: ignore[arg-type]


def compact(*parts: Sessions) -> tuple[Sessions, ...]:
    """Parts with one vocabulary, of the items that occur in any of them."""
    used = np.zeros(len(parts[0].vocabulary), dtype=bool)
    for part in parts:
        used[part.codes] = True
    code_of = np.cumsum(used, dtype=np.int32) - np.int32(1)
    vocabulary = parts[0].vocabulary.subset(np.flatnonzero(used))
    return tuple(replace(part, codes=code_of[part.codes], vocabulary=vocabulary) for part in parts)

"""Description of a log in figures, and what a notebook shows of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import repeated
from .._checks import check_number
from ..tables import Summary, html_table
from .selection import SessionSelection

__all__ = ["describe", "html_of"]

SHOWN_SESSIONS = 5
SHOWN_ITEMS = 8


def describe(sessions: SessionSelection, newest: float) -> Summary:
    """Summary of sessions, see :meth:`Sessions.describe`.

    Parameters
    ----------
    sessions : Sessions
    newest : float
        Share of the sessions that count as new.
    """
    check_number("newest", newest, lambda share: 0 < share < 1, "between 0 and 1, such as 0.1")
    lengths = sessions.lengths
    users = None
    if sessions.users is not None:
        users = len(set(sessions.users.tolist()))
    return Summary(
        sessions=len(sessions),
        events=sessions.n_events,
        items=np.count_nonzero(np.bincount(sessions.codes)),
        users=users,
        mean_length=_of(np.mean, lengths),
        median_length=_of(np.median, lengths),
        max_length=int(lengths.max(initial=0)),
        **_shares(sessions, newest),
        **_span(sessions.event_times),
    )


def _of(statistic: Any, values: NDArray[Any]) -> float | None:
    """Statistic of values, None if there are none."""
    if not len(values):
        return None
    return float(statistic(values))


def _shares(sessions: SessionSelection, newest: float) -> dict[str, float | None]:
    """Shares of the targets that repeat and, in the newest sessions, that are new to the log."""
    session = np.repeat(np.arange(len(sessions)), sessions.lengths)  # (n_events,)
    targets = sessions.target_events
    repeats = repeated(sessions.codes, session)[targets]
    order = np.arange(len(sessions))
    if sessions.times is not None:
        order = np.argsort(sessions.times, kind="stable")
    is_new = np.zeros(len(sessions), dtype=bool)
    is_new[order[len(order) - round(newest * len(order)) :]] = True
    in_new = is_new[session]  # (n_events,)
    is_old_item = np.bincount(sessions.codes[~in_new], minlength=len(sessions.vocabulary)) > 0
    cold = ~is_old_item[sessions.codes[targets[in_new[targets]]]]
    return {"repeat_share": _of(np.mean, repeats), "cold_share": _of(np.mean, cold)}


def _span(times: NDArray[Any] | None) -> dict[str, Any]:
    """First and last time and what lies between them, None where times are not known."""
    if times is None or not len(times):
        return {"start": None, "end": None, "span": None}
    start = times.min()
    end = times.max()
    return {"start": start, "end": end, "span": end - start}


def html_of(sessions: SessionSelection) -> str:
    """Table of the first sessions below a line on all of them.

    Parameters
    ----------
    sessions : Sessions
    """
    rows = []
    for place in range(min(SHOWN_SESSIONS, len(sessions))):
        items = sessions[place]
        shown = [str(item) for item in items[:SHOWN_ITEMS]]
        if len(items) > SHOWN_ITEMS:
            shown.append(f"and {len(items) - SHOWN_ITEMS} more")
        rows.append([str(sessions.ids[place]), f"{len(items):,}", ", ".join(shown)])
    if len(sessions) > SHOWN_SESSIONS:
        rows.append(["...", "", ""])
    return html_table(["session", "events", "items"], rows, caption=repr(sessions))

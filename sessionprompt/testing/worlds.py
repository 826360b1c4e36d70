"""Worlds: small synthetic sessions for tests."""

from __future__ import annotations

from typing import Any

from ..datasets import make_sessions
from ..sessions import Sessions

__all__ = ["tiny_world"]


def tiny_world(n_sessions: int = 200, **dials: Any) -> Sessions:
    """Small world of sessions: 30 items in 3 clusters, 20 users, some repeats.

    Parameters
    ----------
    n_sessions : int
        Number of sessions.
    **dials
        Other values for parameters of :func:`sessionprompt.datasets.make_sessions`.

    Returns
    -------
    Sessions

    Examples
    --------
    >>> world = tiny_world(50)
    >>> len(world), world == tiny_world(50)
    (50, True)
    """
    small: dict[str, Any] = {
        "n_items": 30,
        "n_clusters": 3,
        "mean_length": 4,
        "repeat_rate": 0.1,
        "n_users": 20,
        "random_state": 0,
    }
    small.update(dials)
    return make_sessions(n_sessions, **small)

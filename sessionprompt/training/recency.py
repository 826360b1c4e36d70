"""Weights of training sessions by their age."""

from __future__ import annotations

import numpy as np

from ..encoding import Examples
from ..model_selection import oldest_first
from ..sessions import Sessions

__all__ = ["recency_weights"]


def recency_weights(sessions: Sessions, examples: Examples, recency: float) -> np.ndarray:
    """Weights exp(-age / recency) of examples, scaled to a mean of one.

    The age of a session is the share of the sessions that end after it, so that weights do not
    depend on how long the log is or how busy its days were.

    Parameters
    ----------
    sessions : Sessions
        Without times, later rows are newer.
    examples : Examples
        Of these sessions.
    recency : float

    Returns
    -------
    ndarray of shape (n_examples,)

    Examples
    --------
    >>> from sessionprompt.encoding import NextItemTargets, SessionEncoder, prefix_data
    >>> sessions = Sessions.from_lists([["a", "b"], ["b", "c"]])
    >>> targets = NextItemTargets.of(sessions, SessionEncoder.learn(sessions))
    >>> data, _ = prefix_data(targets, SessionEncoder.learn(sessions), 50, True)
    >>> recency_weights(sessions, data.examples, 0.5).round(2).tolist()
    [0.54, 1.46]
    """
    age = np.empty(len(sessions))
    age[oldest_first(sessions)[::-1]] = np.arange(len(sessions)) / len(sessions)
    row = np.searchsorted(examples.sessions.offsets, examples.starts, side="right") - 1
    weights = np.exp(-age[row] / recency)  # (n_examples,)
    return weights / weights.mean()

"""Sessions of a log that are nearest to a session, and what they chose next."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from .._arrays import largest_of_rows
from ..metrics import last_step
from ..sessions import Sessions

__all__ = ["nearest_sessions"]


def nearest_sessions(model: Any, session: Sessions, log: Sessions, n: int) -> dict[str, Any]:
    """Sessions of a log whose events before the last target are nearest to a session.

    Parameters
    ----------
    model : fitted recommender or Pipeline
    session : Sessions
        Of one session.
    log : Sessions
        Those without a target are passed over.
    n : int

    Returns
    -------
    dict of str to ndarray or list
        ``session``, ``events`` (lists), ``chosen`` (the last target) and ``similarity``, the
        nearest first.
    """
    before, chosen, _ = log.split_last()
    if not len(before):
        raise ValueError(
            f"log holds no session with {log.usable_if}; give the sessions of the training."
        )
    before = replace(before, target_start=None)
    if hasattr(model, "session_vectors"):
        similarity = _by_vectors(model, session, before)
    else:
        similarity = _by_items(model, session, before)
    nearest, values = largest_of_rows(similarity[None], min(n, len(before)))
    shown = before[nearest[0]]
    return {
        "session": shown.ids,
        "events": shown.to_lists(),
        "chosen": chosen[nearest[0]],
        "similarity": values[0],
    }


def _by_vectors(model: Any, session: Sessions, others: Sessions) -> np.ndarray:
    """Cosines of the vectors of a network."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*hold nothing that the model knows")
        one = model.session_vectors(session)[0]
        many = model.session_vectors(others)
    lengths = np.linalg.norm(many, axis=1) * np.linalg.norm(one)
    return many @ one / np.maximum(lengths, 1e-12)


def _by_items(model: Any, session: Sessions, others: Sessions) -> np.ndarray:
    """Cosines of the sets of items that the model knows."""
    encoder = last_step(model).encoder_
    one = _sets(encoder, session)
    many = _sets(encoder, others)
    sizes = np.sqrt(many.sum(axis=1) * one.sum())
    return np.asarray((many @ one.T).toarray().ravel() / np.maximum(sizes, 1))


def _sets(encoder: Any, sessions: Sessions) -> sparse.csr_array:
    """Sessions as rows of zeros and ones, (n_sessions, n_items)."""
    codes = encoder.item_codes(sessions)
    row = np.repeat(np.arange(len(sessions)), sessions.lengths)
    known = codes >= 0
    shape = (len(sessions), encoder.n_items)
    sets = sparse.csr_array((np.ones(known.sum()), (row[known], codes[known])), shape=shape)
    sets.data[:] = 1
    return sets

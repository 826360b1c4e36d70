"""Validation sessions: which they are, and what they can tell."""

from __future__ import annotations

import warnings

import numpy as np

from .._arrays import counted
from ..model_selection import temporal_train_test_split
from ..sessions import Sessions
from ..vocabulary import Vocabulary

__all__ = ["check_tail", "held_out", "some_of", "tail_facts"]

LEAST_KNOWN = 0.1  # share of known targets below which a tail does not choose the epoch
PIECE = 2**22  # training events looked at at a time
MOST_EVENTS = 2**22  # of the validation sessions of which prefixes are drawn
MOSTLY = 0.5  # share of known targets, or of the usual length, below which a warning says so


def held_out(sessions: Sessions, fraction: float) -> tuple[Sessions, Sessions]:
    """Sessions to train on, and the newest ones, a share of all, to choose the epoch.

    Parameters
    ----------
    sessions : Sessions
    fraction : float

    Returns
    -------
    (train, tail) : tuple of Sessions

    Raises
    ------
    ValueError
        If fewer than two sessions have an example.
    """
    n_usable = len(sessions.usable_rows)
    if n_usable < 2:
        raise ValueError(
            f"X has {n_usable} sessions with {sessions.usable_if}, too few to train and "
            "validate; give more sessions, or set validation_fraction=None to train without "
            "validation."
        )
    return temporal_train_test_split(sessions, test_size=fraction)


def some_of(sessions: Sessions, size: int | None, seed: int) -> Sessions:
    """Validation sessions of which to draw `size` prefixes: some at random, of very many.

    Parameters
    ----------
    sessions : Sessions
    size : int or None
        None takes them all.
    seed : int
    """
    if size is None:
        return sessions
    most = max(MOST_EVENTS, 4 * size)
    if len(sessions.codes) <= most:
        return sessions
    rows = np.random.default_rng([seed, 0, 1]).permutation(sessions.usable_rows)
    n_events = np.cumsum(sessions.lengths[rows])
    return sessions[np.sort(rows[: max(1, np.searchsorted(n_events, most))])]


def tail_facts(
    train: Sessions, valid: Sessions, earlier: Vocabulary | None = None
) -> dict[str, float]:
    """Facts of validation sessions beside the sessions to train on.

    Parameters
    ----------
    train, valid : Sessions
    earlier : Vocabulary, optional
        Items that an earlier model knows.

    Returns
    -------
    dict
        ``n_sessions``, ``n_targets``, ``n_known_targets`` (of items that the training sessions hold
        twice, or an earlier model knows), ``mean_prefix_length`` (events before a target) and
        ``train_mean_prefix_length``.
    """
    counts = counted(train.codes, len(train.vocabulary))
    twice = np.flatnonzero(counts > 1)  # once tells nothing of an item
    known = train.vocabulary.subset(twice).translate(valid.vocabulary) >= 0  # (n_items,)
    if earlier is not None:
        known |= earlier.translate(valid.vocabulary) >= 0
    places, lengths = _targets(valid)
    return {
        "n_sessions": len(valid),
        "n_targets": len(places),
        "n_known_targets": int(np.count_nonzero(known[valid.codes[places]])),
        "mean_prefix_length": _mean(lengths),
        "train_mean_prefix_length": _mean_length(train),
    }


def _targets(sessions: Sessions) -> tuple[np.ndarray, np.ndarray]:
    """Events that are targets, (n,), and the number of events before each in its session, (n,)."""
    places = sessions.target_events
    session = np.searchsorted(sessions.offsets, places, side="right") - 1
    return places, places - sessions.offsets[session]


def _mean_length(sessions: Sessions) -> float:
    """Mean number of events before a target; 0 without targets."""
    total = sum(int(_targets(piece)[1].sum()) for piece in sessions.pieces(PIECE))
    return total / max(sessions.n_targets, 1)


def _mean(lengths: np.ndarray) -> float:
    """Mean; 0 without any."""
    if not len(lengths):
        return 0.0
    return float(lengths.mean())


def check_tail(facts: dict[str, float], monitor: str, epochs: int) -> bool:
    """Whether validation sessions can choose the epoch; a warning if they tell little.

    Parameters
    ----------
    facts : dict
        Of :func:`tail_facts`.
    monitor : str
        Metric that is to choose.
    epochs : int
        All there are.
    """
    n_targets = facts["n_targets"]
    if not n_targets:
        return True  # examples are missing, which is an error later
    share = facts["n_known_targets"] / n_targets
    of_known = (
        f"{facts['n_known_targets']:,} of {n_targets:,} targets of the validation sessions are of "
        f"items that the training sessions hold twice ({share:.1%})"
    )
    if share < LEAST_KNOWN:
        _warn(
            f"{of_known}, too few to choose the epoch by {monitor}: all "
            f"max_epochs={epochs} epochs are trained. Give X_val of known items, "
            "hold out another share (validation_fraction), or set max_epochs."
        )
        return False
    if share < MOSTLY:
        _warn(
            f"{of_known}: the epoch and the weights of repeats rest on these. Give X_val of known "
            "items, or hold out another share (validation_fraction)."
        )
    usual = facts["train_mean_prefix_length"]
    if facts["mean_prefix_length"] < MOSTLY * usual:
        _warn(
            f"targets of the validation sessions stand after {facts['mean_prefix_length']:.1f} "
            f"events on average, those of the training sessions after {usual:.1f}: the epoch and "
            "the weights of repeats are chosen for short prefixes. Give X_val of the lengths that "
            "will be asked, or hold out another share (validation_fraction)."
        )
    return True


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=6)

"""Stages of a fit: a tail of the sessions chooses the epoch, then all sessions train the model."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..encoding import (
    SessionEncoder,
    annotation,
    annotator_fitted_on,
    check_prompts,
    labelled_by,
)
from ..losses import loss_name
from ..model_selection import temporal_train_test_split
from ..sessions import Sessions
from .fit import TrainingRun, fit_network

__all__ = ["Fitted", "fit_stages", "held_out", "learn_on"]

LEAST_KNOWN = 0.1  # share of known targets below which a tail does not choose the epoch
UNFINISHED = ("interrupted", "diverged")


@dataclass(frozen=True)
class Fitted:
    """Parts of a recommender that was trained.

    Parameters
    ----------
    encoder : SessionEncoder
    learned : dict
        As returned by :func:`train_network`, and ``annotator_``: what labels the sessions of this
        model, where it is not the annotator that they carry; else None.
    """

    encoder: SessionEncoder
    learned: dict[str, Any]

    @classmethod
    def of(cls, estimator: Any, run: TrainingRun, annotator: Any = None) -> Fitted:
        """Parts that a training run makes."""
        encoder, learned = fit_network(estimator, run)
        return cls(encoder, {**learned, "annotator_": annotator})

    def raise_if_interrupted(self) -> None:
        """Raise the KeyboardInterrupt that ended the training, once its weights are in place."""
        if self.learned["stop_reason_"] != "interrupted":
            return
        state = "the model is hardly trained"
        if self.learned["n_epochs_"]:
            state = f"the weights of epoch {self.learned['best_epoch_']} are in use"
        raise KeyboardInterrupt(
            f"fit was interrupted after {self.learned['n_epochs_']} epochs; {state}."
        )


def fit_stages(estimator: Any, sessions: Sessions, X_val: Sessions | None, seed: int) -> Fitted:
    """Parts of a recommender that learned from sessions, in one stage or two.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
        Its parameters are read, it is not changed.
    sessions : Sessions
    X_val : Sessions or None
        Validation sessions; None holds some of `sessions` out, if parameters ask for it.
    seed : int

    Returns
    -------
    Fitted

    Raises
    ------
    ValueError
        If sessions lack what a prompt reads, or hold no example.
    """
    _check_annotations(estimator, sessions)
    previous = None
    if estimator.warm_start:
        previous = _snapshot(estimator)
    run = TrainingRun(sessions, X_val, seed, estimator.max_epochs, previous, "selection")
    if X_val is None and estimator.validation_fraction is not None:
        return _fit_with_tail(estimator, run)
    if X_val is not None:
        run = replace(run, chooses=_chooses(estimator, run))
    return Fitted.of(estimator, run)


def learn_on(estimator: Any, sessions: Sessions, seed: int) -> Fitted:
    """Parts of a recommender that went on for an epoch over new sessions.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
        Fitted before, or not yet.
    sessions : Sessions
    seed : int

    Returns
    -------
    Fitted
    """
    own = getattr(estimator, "annotator_", None)
    if own is not None:
        if hasattr(own, "partial_fit"):
            own.partial_fit(sessions)
        sessions = labelled_by(sessions, own)
    _check_annotations(estimator, sessions)
    run = TrainingRun(sessions, None, seed, 1, _snapshot(estimator))
    return Fitted.of(estimator, run, own)


def _check_annotations(estimator: Any, sessions: Sessions) -> None:
    """Raise a ValueError if sessions lack the column that a prompt reads."""
    for kind in check_prompts(estimator.prompts):
        annotation(sessions, kind)


def _snapshot(estimator: Any) -> Any:
    """The model as it was fitted before, or None; a later fit does not change it."""
    if hasattr(estimator, "net_"):
        return copy.copy(estimator)
    return None


def _fit_with_tail(estimator: Any, run: TrainingRun) -> Fitted:
    """Model whose epoch the newest sessions choose."""
    train, tail = held_out(run.train, estimator.validation_fraction)
    selection = replace(run, train=train, valid=tail)
    selection = replace(selection, chooses=_chooses(estimator, selection))
    final = replace(run, valid=None, stage="refit")
    if estimator.refit and not selection.chooses:
        return Fitted.of(estimator, final)
    annotator = None
    prompted = "cluster" in check_prompts(estimator.prompts)
    loss = loss_name(estimator.loss, estimator.n_negatives, len(train.vocabulary))
    if prompted or loss == "clusters":
        annotator = annotator_fitted_on(train, run.seed)
    if annotator is not None:
        train = labelled_by(train, annotator)
        tail = labelled_by(tail, annotator)
        selection = replace(selection, train=train, valid=tail)
    if not prompted:
        annotator = None  # the model that is trained reads no labels
    selected = Fitted.of(estimator, selection, annotator)
    if not estimator.refit or selected.learned["stop_reason_"] in UNFINISHED:
        return selected
    return _refitted(estimator, final, selected)


def _refitted(estimator: Any, run: TrainingRun, selected: Fitted) -> Fitted:
    """Model of all sessions, trained as long as was found best; its history is the selection's."""
    epochs = max(selected.learned["best_epoch_"], 1)
    final = Fitted.of(estimator, replace(run, epochs=epochs))
    reason = final.learned["stop_reason_"]
    if reason in UNFINISHED:
        return Fitted(selected.encoder, {**selected.learned, "stop_reason_": reason})
    own = {name: final.learned[name] for name in ("net_", "annotator_")}
    return Fitted(final.encoder, {**selected.learned, **own})


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
    n_usable = np.count_nonzero(sessions.lengths >= 2)
    if n_usable < 2:
        raise ValueError(
            f"X has {n_usable} sessions of two events or more, too few to train and "
            "validate; give more sessions, or set validation_fraction=None to train without "
            "validation."
        )
    return temporal_train_test_split(sessions, test_size=fraction)


# ---------------------------------------------------------------------- what a tail can tell
def _chooses(estimator: Any, run: TrainingRun) -> bool:
    """Whether enough targets of the validation sessions are known; a warning if not."""
    known = _known_targets(run)
    if not len(known) or known.mean() >= LEAST_KNOWN:
        return True
    count = np.count_nonzero(known)
    warnings.warn(
        f"{count:,} of {len(known):,} targets of the validation sessions are of items that the "
        f"training sessions hold twice ({count / len(known):.1%}), too few to choose the epoch by "
        f"{estimator.monitor}: all max_epochs={estimator.max_epochs} epochs are trained. Give "
        "X_val of known items, hold out another share (validation_fraction), or set max_epochs.",
        stacklevel=5,
    )
    return False


def _known_targets(run: TrainingRun) -> np.ndarray:
    """Mark the validation targets that training sessions hold twice, or an earlier model knows."""
    valid: Any = run.valid
    vocabulary = valid.vocabulary
    twice = np.flatnonzero(np.bincount(run.train.codes) > 1)  # once tells nothing of an item
    known = run.train.vocabulary.subset(twice).translate(vocabulary) >= 0  # (n_items,)
    if run.previous is not None:
        known |= run.previous.encoder_.vocabulary.translate(vocabulary) >= 0
    first = np.ones(len(valid), dtype=np.int64)
    if valid.target_start is not None:
        np.maximum(valid.target_start, 1, out=first)
    position = np.arange(valid.n_events) - np.repeat(valid.offsets[:-1], valid.lengths)
    is_target = position >= np.repeat(first, valid.lengths)
    return known[valid.codes[is_target]]

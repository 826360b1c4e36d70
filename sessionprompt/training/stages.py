"""Stages of a fit: a tail of the sessions chooses the epoch, then all sessions train the model."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

from ..encoding import (
    SessionEncoder,
    annotation,
    annotator_fitted_on,
    check_prompts,
    labelled_by,
)
from ..sessions import Sessions
from .distributed import common
from .fit import TrainingRun, fit_network
from .item_clusters import loss_of
from .validation import check_tail, held_out, some_of, tail_facts

__all__ = ["Fitted", "fit_stages", "learn_on"]

# what `max_epochs="auto"` stands for, see docs/decisions.md
EPOCHS = 5
EPOCHS_OF_MANY = 3
MANY_PREFIXES = 300_000
UNFINISHED = ("interrupted", "diverged")


@dataclass(frozen=True)
class Fitted:
    """Parts of a recommender that was trained.

    Parameters
    ----------
    encoder : SessionEncoder
    learned : dict
        As returned by :func:`train_network`; ``annotator_``: what labels the sessions of this
        model, where it is not the annotator that they carry; and ``validation_``, see
        :func:`tail_facts`.
    """

    encoder: SessionEncoder
    learned: dict[str, Any]

    @classmethod
    def of(
        cls,
        estimator: Any,
        run: TrainingRun,
        annotator: Any = None,
        facts: dict[str, float] | None = None,
    ) -> Fitted:
        """Parts that a training run makes."""
        encoder, learned = fit_network(estimator, run)
        return cls(encoder, {**learned, "annotator_": annotator, "validation_": facts})

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
    epochs = _epochs(estimator.max_epochs, sessions)
    run = TrainingRun(sessions, X_val, common(seed), epochs, previous, "selection")
    if X_val is None and estimator.validation_fraction is not None:
        return _fit_with_tail(estimator, run)
    facts = None
    if X_val is not None:
        facts = _facts(run)
        chooses = check_tail(facts, estimator.monitor, epochs)
        run = replace(_with_some(estimator, run), chooses=chooses)
    return Fitted.of(estimator, run, facts=facts)


def _epochs(max_epochs: int | str, sessions: Sessions) -> int:
    """Most epochs over some sessions."""
    if max_epochs != "auto":
        return int(max_epochs)
    if sessions.n_targets > MANY_PREFIXES:
        return EPOCHS_OF_MANY
    return EPOCHS


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
    run = TrainingRun(sessions, None, common(seed), 1, _snapshot(estimator))
    return Fitted.of(estimator, run, own, getattr(estimator, "validation_", None))


def _check_annotations(estimator: Any, sessions: Sessions) -> None:
    """Raise a ValueError if sessions lack the column that a prompt reads."""
    for kind in check_prompts(estimator.prompts):
        annotation(sessions, kind)
    if estimator.cold_items is not None and not sessions.item_attributes:
        raise ValueError(
            f"cold_items={estimator.cold_items!r} recommends the items of a table, and the "
            "sessions know none: put ItemAttributes(items) before the recommender in a Pipeline, "
            "or set cold_items=None."
        )


def _snapshot(estimator: Any) -> Any:
    """The model as it was fitted before, or None; a later fit does not change it."""
    if hasattr(estimator, "net_"):
        return copy.copy(estimator)
    return None


def _fit_with_tail(estimator: Any, run: TrainingRun) -> Fitted:
    """Model whose epoch the newest sessions choose."""
    train, tail = held_out(run.train, estimator.validation_fraction)
    selection = replace(run, train=train, valid=tail)
    facts = _facts(selection)
    chooses = check_tail(facts, estimator.monitor, run.epochs)
    selection = replace(_with_some(estimator, selection), chooses=chooses)
    final = replace(run, valid=None, stage="refit")
    if estimator.refit and not selection.chooses:
        return Fitted.of(estimator, final, facts=facts)
    selected = _selected(estimator, selection, facts)
    if not estimator.refit or selected.learned["stop_reason_"] in UNFINISHED:
        return selected
    return _refitted(estimator, final, selected)


def _selected(estimator: Any, run: TrainingRun, facts: dict[str, float]) -> Fitted:
    """Model of the sessions without their tail, labelled by what never saw the tail."""
    annotator = None
    prompted = "cluster" in check_prompts(estimator.prompts)
    if prompted or loss_of(estimator, len(run.train.vocabulary)) == "clusters":
        annotator = annotator_fitted_on(run.train, run.seed)
    if annotator is not None:
        tail: Any = run.valid
        train = labelled_by(run.train, annotator)
        run = replace(run, train=train, valid=labelled_by(tail, annotator))
    if not prompted:
        annotator = None  # the model that is trained reads no labels
    return Fitted.of(estimator, run, annotator, facts)


def _with_some(estimator: Any, run: TrainingRun) -> TrainingRun:
    """A run with validation sessions, with some of them where they are very many."""
    valid: Any = run.valid
    return replace(run, valid=some_of(valid, estimator.validation_size, run.seed))


def _facts(run: TrainingRun) -> dict[str, float]:
    """Facts of the validation sessions of a run that has some."""
    earlier = None
    if run.previous is not None:
        earlier = run.previous.encoder_.vocabulary
    valid: Any = run.valid
    return tail_facts(run.train, valid, earlier)


def _refitted(estimator: Any, run: TrainingRun, selected: Fitted) -> Fitted:
    """Model of all sessions, trained as long as was found best; its history is the selection's."""
    epochs = max(selected.learned["best_epoch_"], 1)
    final = Fitted.of(estimator, replace(run, epochs=epochs, restores=False))
    reason = final.learned["stop_reason_"]
    if reason in UNFINISHED:
        return Fitted(selected.encoder, {**selected.learned, "stop_reason_": reason})
    own = {name: final.learned[name] for name in ("net_", "annotator_")}
    return Fitted(final.encoder, {**selected.learned, **own})

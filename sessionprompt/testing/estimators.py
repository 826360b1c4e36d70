"""Promises that every recommender keeps, checked by plain assertions."""

from __future__ import annotations

import copy
import pickle
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from ..clustering import ItemAttributes, ItemClusterer
from ..encoding import attribute_kinds, check_prompts
from ..metrics import SessionScorer
from ..model_selection import temporal_train_test_split
from ..sessions import Sessions
from .worlds import tiny_world

__all__ = ["check_session_estimator"]


def check_session_estimator(estimator: Any) -> None:
    """Check that a recommender behaves as scikit-learn and this library expect.

    Its constructor only stores; it can be cloned, shown, pickled, set and fitted again; `fit`
    returns the estimator, leaves its data and the global random states alone and gives the same
    result for the same seed; `predict`, `predict_topk`, `evaluate` and `score` refuse what they
    cannot answer, know unknown items, and answer each session the same in any company; and it works
    at the end of a Pipeline.

    Parameters
    ----------
    estimator : estimator
        Not fitted; better small, as it is fitted several times, with a fixed `random_state`. Users,
        times and session ids are there for it; if ``"cluster"`` is among its `prompts`, so are
        labels, and attributes if other names are among these or its `kinds`.

    Raises
    ------
    AssertionError
        If a promise is broken; the message says which.

    Examples
    --------
    >>> from sessionprompt import PromptedSessionRecommender
    >>> check_session_estimator(PromptedSessionRecommender(dim=4, max_epochs=1, random_state=0))
    """
    _check_constructor(estimator)
    front = _front_of(estimator)
    train, test = temporal_train_test_split(tiny_world(120))
    work = _Work(estimator, front, train, test)
    _check_unfitted(work)
    fitted = _check_fit(work)
    _check_prediction(work, fitted)
    _check_unknown_items(work, fitted)
    _check_refusals(work, fitted)
    _check_company_of_sessions(work, fitted)
    _check_score(work, fitted)
    _check_evaluation(work, fitted)
    _check_storage(work, fitted)
    _check_repetition(work, fitted)
    _check_pipeline(work, fitted)


def _front_of(estimator: Any) -> list[tuple[str, Any]]:
    """Transformers that must stand before an estimator."""
    kinds = check_prompts(getattr(estimator, "prompts", ()))
    kinds += check_prompts(getattr(estimator, "kinds", ()))
    front: list[tuple[str, Any]] = []
    if "cluster" in kinds:
        front.append(("clu", ItemClusterer(random_state=0)))
    attributes = attribute_kinds(kinds)
    if attributes:
        items = [*tiny_world(120).vocabulary.ids.tolist(), "never clicked"]
        table: dict[str, Any] = {"item": items}
        for number, kind in enumerate(attributes, 3):
            table[kind] = [place % number for place in range(len(items))]
        front.append(("att", ItemAttributes(table)))
    return front


@dataclass(frozen=True)
class _Work:
    """An unfitted estimator, what must stand before it, and sessions for both."""

    estimator: Any
    front: list[tuple[str, Any]]
    raw_train: Sessions
    raw_test: Sessions

    def __post_init__(self) -> None:
        for _, transformer in self.front:
            transformer.fit(self.raw_train)

    def ready(self, sessions: Sessions) -> Sessions:
        """Sessions as the estimator takes them."""
        for _, transformer in self.front:
            sessions = transformer.transform(sessions)
        return sessions

    @property
    def train(self) -> Sessions:
        return self.ready(self.raw_train)

    @property
    def test(self) -> Sessions:
        return self.ready(self.raw_test)

    def of_lists(self, lists: list[list[Any]]) -> Sessions:
        """Sessions of new users."""
        numbers = np.arange(len(lists))
        users = [f"new user {number}" for number in numbers]
        sessions = Sessions.from_lists(lists, users=users, times=numbers, ids=numbers + 10**9)
        return self.ready(sessions)


def _refuses(errors: Any, call: Callable[[], Any], promise: str) -> None:
    try:
        call()
    except errors:
        return
    raise AssertionError(promise)


def _quietly(call: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def _check_constructor(estimator: Any) -> None:
    params = estimator.get_params(deep=False)
    kind = type(estimator).__name__
    rebuilt = type(estimator)(**params)
    other = sorted(set(vars(rebuilt)) ^ set(params))
    assert not other, f"the constructor sets {other} as well"
    changed = [name for name, value in params.items() if getattr(rebuilt, name) is not value]
    assert not changed, f"the constructor does not store {changed} as given"
    copied = clone(estimator)
    assert repr(copied.get_params()) == repr(estimator.get_params()), "a clone has other parameters"
    assert copied.set_params(**params) is copied, "set_params does not return the estimator"
    set_another = partial(copied.set_params, no_such_parameter=1)
    _refuses(ValueError, set_another, "set_params takes a parameter it has not")
    assert kind in repr(estimator), "repr does not name the class"
    html = estimator._repr_html_()
    assert kind in html, "the HTML representation does not name the class"


def _check_unfitted(work: _Work) -> None:
    fresh = clone(pickle.loads(pickle.dumps(work.estimator)))
    for name in ("predict", "predict_topk", "evaluate", "score"):
        call = partial(getattr(fresh, name), work.test)
        _refuses(NotFittedError, call, f"{name} does not ask for fit first")


def _check_fit(work: _Work) -> Any:
    fresh = clone(work.estimator)
    train = work.train
    before = copy.deepcopy(train)
    states = _global_states()
    params = repr(fresh.get_params())
    assert fresh.fit(train) is fresh, "fit does not return the estimator"
    undisturbed = _global_states() == states
    assert undisturbed, "fit disturbs the global random state of random, NumPy or torch"
    assert train == before, "fit changes X"
    assert repr(fresh.get_params()) == params, "fit changes parameters"
    known = set(np.asarray(fresh.items_).tolist())
    assert fresh.n_items_ == len(known), "n_items_ is not the number of items_"
    offered = set(train.vocabulary.ids.tolist())
    for describer in train.item_attributes:
        offered |= set(describer.described_items.ids.tolist())
    assert known <= offered, "items_ holds ids that X has not"
    return fresh


def _global_states() -> str:
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - it must not change
    numpy_state = (kind, np.asarray(keys).tolist(), rest)
    return repr((random.getstate(), numpy_state, torch.get_rng_state().tolist()))


def _check_prediction(work: _Work, fitted: Any) -> None:
    test = work.test
    before = copy.deepcopy(test)
    states = _global_states()
    items = fitted.predict(test, k=3)
    shape = (len(test), 3)
    assert items.shape == shape, f"predict(k=3) of {len(test)} sessions has shape {items.shape}"
    assert np.isin(items, fitted.items_).all(), "predict returns ids that are not in items_"
    assert all(len(set(row)) == 3 for row in items.tolist()), "predict names an item twice"
    best, scores = fitted.predict_topk(test, k=3, return_scores=True)
    assert (best == items).all(), "predict and predict_topk differ"
    falling = (np.diff(scores, axis=1) <= 0).all()
    assert np.isfinite(scores).all() and falling, "scores are not finite and falling"
    everything = np.sort(fitted.predict(test, k=fitted.n_items_), axis=1)
    complete = (everything == np.sort(fitted.items_)).all()
    assert complete, "k=n_items_ does not return every item"
    undisturbed = _global_states() == states
    assert undisturbed, "predict disturbs the global random state of random, NumPy or torch"
    assert test == before, "predict changes X"


def _check_unknown_items(work: _Work, fitted: Any) -> None:
    lists = [["no such item"], [fitted.items_[0], "nor this"], ["no such item", "nor this"]]
    unknown = work.of_lists(lists)
    answers = _quietly(partial(fitted.predict, unknown, k=2))
    assert answers.shape == (3, 2), "unknown items are not answered"


def _check_refusals(work: _Work, fitted: Any) -> None:
    test = work.test
    beyond = fitted.n_items_ + 1
    predict = partial(fitted.predict, test)
    _refuses(ValueError, partial(predict, k=0), "k=0 is not refused")
    _refuses(ValueError, partial(predict, k=beyond), "k larger than n_items_ is not refused")
    _refuses((TypeError, ValueError), partial(predict, k=1.5), "k=1.5 is not refused")
    empty = partial(fitted.predict, work.of_lists([[fitted.items_[0]], []]), k=1)
    _refuses(ValueError, empty, "an empty session is not refused")
    nothing = partial(fitted.predict, test[:0], k=1)
    _refuses(ValueError, nothing, "an empty X is not refused")
    unknown_metric = partial(fitted.evaluate, test, metrics=["accuracy"])
    _refuses(ValueError, unknown_metric, "an unknown metric is not refused")
    text = partial(fitted.predict, "tea", k=1)
    _refuses(TypeError, text, "a string instead of sessions is not refused")


def _check_company_of_sessions(work: _Work, fitted: Any) -> None:
    test = work.test
    together = _scores(fitted, test)
    order = np.random.default_rng(0).permutation(len(test))
    same = np.allclose(_scores(fitted, test[order]), together[order], atol=1e-4)
    assert same, "the order of sessions in a call matters"
    alone = [_scores(fitted, test[[row]])[0] for row in range(len(test))]
    same = np.allclose(alone, together, atol=1e-4)
    assert same, "a session is not answered the same alone and among others"


def _scores(fitted: Any, X: Sessions) -> np.ndarray:
    """Scores of the five best items of each session."""
    return fitted.predict_topk(X, k=5, return_scores=True)[1]


def _check_score(work: _Work, fitted: Any) -> None:
    test = work.test
    value = fitted.score(test, None)
    assert isinstance(value, float) and 0 <= value <= 1, f"score is {value!r}, no float in 0..1"
    equal = fitted.score(test, sample_weight=np.ones(len(test)))
    assert np.isclose(value, equal), "equal weights change the score"
    weights = np.arange(len(test)) % 2
    half = fitted.score(test[np.flatnonzero(weights)])
    weighted = fitted.score(test, sample_weight=weights)
    assert np.isclose(half, weighted), "a weight of zero does not leave a session out"


def _check_evaluation(work: _Work, fitted: Any) -> None:
    test = work.test
    results = fitted.evaluate(test, metrics=["mrr@5", "recall@5", "recall@10"])
    value = fitted.score(test)
    assert np.isclose(results["mrr@5"], value), "score is not the mrr@5 of evaluate"
    rising = results["mrr@5"] <= results["recall@5"] <= results["recall@10"] <= 1
    assert rising, "mrr@5, recall@5, recall@10 fall"
    targets = int((test.lengths - 1).sum())
    found = results["n_targets"]
    assert found == targets, f"evaluate ranks {found} of {targets} targets"
    unknown = results["n_unknown_targets"]
    assert 0 <= unknown <= targets, "n_unknown_targets is no number of targets"


def _check_storage(work: _Work, fitted: Any) -> None:
    expected = fitted.predict(work.test, k=5)
    restored = pickle.loads(pickle.dumps(fitted))
    assert (restored.predict(work.test, k=5) == expected).all(), "pickling changes predictions"
    copied = copy.deepcopy(fitted)
    assert (copied.predict(work.test, k=5) == expected).all(), "a deep copy predicts differently"
    fresh = partial(clone(fitted).predict, work.test)
    _refuses(NotFittedError, fresh, "a clone of a fitted estimator is fitted")


def _check_repetition(work: _Work, fitted: Any) -> None:
    again = clone(work.estimator).fit(work.train)
    same = (_scores(again, work.test) == _scores(fitted, work.test)).all()
    assert same, "one seed gives two results"
    fresh = clone(work.estimator).fit(work.train[:60])
    again.set_params(**work.estimator.get_params()).fit(work.train[:60])
    same = (_scores(again, work.test) == _scores(fresh, work.test)).all()
    assert same, "fit does not start anew"


def _check_pipeline(work: _Work, fitted: Any) -> None:
    pipeline = Pipeline([*work.front, ("rec", clone(work.estimator))]).fit(work.raw_train)
    same = (pipeline.predict(work.raw_test, k=3) == fitted.predict(work.test, k=3)).all()
    assert same, "it predicts differently at the end of a Pipeline"
    expected = fitted.evaluate(work.test, metrics=["mrr@5"])["mrr@5"]
    found: Any = SessionScorer("mrr@5")(pipeline, work.raw_test)
    assert np.isclose(found, expected), "SessionScorer and evaluate differ"

"""Promises that every session model and every recommender keeps, checked by plain assertions.

For authors of a new one: `check_backbone` and `check_session_estimator` raise an AssertionError
that names the broken promise, in any test runner or none.
"""

from __future__ import annotations

import copy
import pickle
import random
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from torch import Tensor

from .backbones import Backbone
from .batches import SessionBatch
from .clustering import ItemClusterer
from .datasets import make_sessions
from .encoding import EncodedSessions, Examples, last_prefixes, prefix_examples
from .metrics import SessionScorer
from .model_selection import temporal_train_test_split
from .scoring import AttentionScores, Candidates, InnerProduct, scores_against
from .sessions import Sessions

__all__ = ["check_backbone", "check_session_estimator", "tiny_world"]


def tiny_world(n_sessions: int = 200, **dials: Any) -> Sessions:
    """Make a small world of sessions: 30 items in 3 clusters, 20 users, some repeats.

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
    small = {
        "n_items": 30,
        "n_clusters": 3,
        "mean_length": 4,
        "repeat_rate": 0.1,
        "n_users": 20,
        "random_state": 0,
    }
    return make_sessions(n_sessions, **{**small, **dials})


# ---------------------------------------------------------------------- backbones
# Repeats, a single event, one item only, unknown items among others and alone, and an item that
# comes back late.
WINDOWS = ([0, 1, 0, 2], [3], [1, 1, 1], [4, -1, 5, 4, 0], [-1, -1], [2, 3, 4, 5, 1, 0])
N_ITEMS, MAX_LENGTH = 6, 8


def check_backbone(backbone: Callable[..., Backbone], dim: int = 8, **params: Any) -> None:
    """Check that a session model does what the library asks of it.

    It gives finite embeddings (or, with target attention, scores) of the right shape in both
    precisions; a window is encoded the same alone, in a batch and in any order; items are told
    apart by their vectors and by which are equal, not by their codes; windows may hold one event,
    repeats and unknown items, in training too; evaluation is deterministic; every parameter gets a
    gradient; weights can be stored and restored; and, if it claims to be causal, always or for
    distinct items, one pass over a window gives the embeddings of all its prefixes. Where there is
    a GPU, it gives the same embeddings there.

    Parameters
    ----------
    backbone : class or callable
        Called as ``backbone(dim, **params)``.
    dim : int
    **params
        Further parameters of the backbone.

    Raises
    ------
    AssertionError
        If a promise is broken; the message says which.

    Examples
    --------
    >>> from sessionprompt.backbones import NARM
    >>> check_backbone(NARM, hidden=8)
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        case = _Case(
            backbone(dim, **params),
            torch.randn(N_ITEMS, dim).double(),
            torch.randn(5, dim).double(),
        )
        for check in (
            _check_embeddings,
            _check_company,
            _check_order,
            _check_relabelling,
            _check_causality,
        ):
            check(case)
        _check_gradients(case)
        _check_training(case)
        _check_weights(case, _Case(backbone(dim, **params), case.table, case.candidates))
        if torch.cuda.is_available():
            _check_gpu(case)


@dataclass(frozen=True)
class _Case:
    """A model in double precision, with the vectors of the items it reads and of candidates."""

    model: Backbone
    table: Tensor
    candidates: Tensor
    numbers: tuple[int, ...] = tuple(range(N_ITEMS))

    def __post_init__(self) -> None:
        assert isinstance(self.model, Backbone), (
            f"{type(self.model).__name__} is no subclass of Backbone"
        )
        dim = self.table.shape[1]
        assert self.model.dim == dim, (
            f"it is built with dim={dim}, and its attribute dim is {self.model.dim}"
        )
        scoring = self.model.scoring
        assert scoring in (None, "dot", "cosine"), (
            f"scoring={scoring!r} is none of None, 'dot' and 'cosine'"
        )
        seen = _encoded(
            [[self.numbers[code] for code in window if code >= 0] for window in WINDOWS]
        )
        self.model.precompute(seen.items, seen.offsets, N_ITEMS)
        self.model.double().eval()

    def encode(self, examples: Examples | Iterable[list[int]] = WINDOWS) -> Tensor:
        """Scores of the candidates for the prefixes asked for, by default for whole windows."""
        return self.scored(examples).matrix()

    def scored(
        self, examples: Examples | Iterable[list[int]] = WINDOWS
    ) -> InnerProduct | AttentionScores:
        """Encoded prefixes against the candidates."""
        if not isinstance(examples, Examples):
            numbered = [
                [self.numbers[code] if code >= 0 else code for code in window]
                for window in examples
            ]
            examples = last_prefixes(_encoded(numbered), MAX_LENGTH)
        return _scored(self.model, SessionBatch.collate(examples), self.table, self.candidates)


def _scored(
    model: Backbone, batch: SessionBatch, table: Tensor, candidates: Tensor
) -> InnerProduct | AttentionScores:
    """Encoded prefixes of a batch against some candidates."""
    x = table[batch.items.clamp(min=0)] * (batch.items >= 0).unsqueeze(1)
    states = model(x, batch, table.__getitem__) if model.needs_items else model(x, batch)
    return scores_against(states, Candidates(candidates))


def _encoded(windows: Iterable[list[int]]) -> EncodedSessions:
    windows = list(windows)
    offsets = np.append(0, np.cumsum([len(window) for window in windows]))
    return EncodedSessions(
        np.concatenate(windows).astype(np.int64), offsets, {}, np.ones(len(windows), np.int64)
    )


def _same(one: Tensor, other: Tensor, promise: str, tolerance: float = 1e-9) -> None:
    gap = (one - other).abs().max().item()
    assert gap <= tolerance, f"{promise}: embeddings differ by {gap:.2g}"


def _check_embeddings(case: _Case) -> None:
    scored = case.scored()
    shape = tuple(scored.states.shape)
    expected = (len(WINDOWS), case.model.dim)
    assert shape == expected, f"embeddings have shape {shape}, not {expected}"
    assert scored.dtype == torch.float64, f"float64 vectors became {scored.dtype} embeddings"
    scores = scored.matrix()
    assert scores.isfinite().all(), "embeddings are not finite"
    _same(scores, case.encode(), "evaluation is not deterministic", 0)
    batch = SessionBatch.collate(last_prefixes(_encoded(WINDOWS), MAX_LENGTH))
    short = copy.deepcopy(case.model).float()
    single = _scored(short, batch, case.table.float(), case.candidates.float()).matrix()
    _same(scores, single, "float32 is far from float64", 1e-3)


def _check_company(case: _Case) -> None:
    together = case.encode()
    for row, window in enumerate(WINDOWS):
        _same(
            together[row],
            case.encode([window])[0],
            f"window {window} is not encoded the same alone and in a batch",
        )


def _check_order(case: _Case) -> None:
    _same(
        case.encode().flip(0), case.encode(WINDOWS[::-1]), "the order of windows in a batch matters"
    )


def _check_relabelling(case: _Case) -> None:
    order = np.random.default_rng(0).permutation(N_ITEMS)
    table = torch.empty_like(case.table)
    table[torch.from_numpy(order)] = case.table
    renamed = _Case(copy.deepcopy(case.model), table, case.candidates, tuple(order.tolist()))
    _same(case.encode(), renamed.encode(), "it depends on the numbers of the items")


def _check_causality(case: _Case) -> None:
    if not case.model.one_pass:
        return
    sessions = _encoded(WINDOWS)
    shared, own = (
        prefix_examples(sessions, MAX_LENGTH, way) for way in (case.model.one_pass, False)
    )
    apart = case.encode(own)[np.argsort(own.ends, kind="stable")]
    together = case.encode(shared)[np.argsort(shared.ends, kind="stable")]
    _same(
        together, apart, "it claims to be causal, but one pass differs from its prefixes one by one"
    )


def _check_gradients(case: _Case) -> None:
    if not any(True for _ in case.model.parameters()):
        return
    states = case.encode()
    case.model.zero_grad()
    (states * torch.randn_like(states)).sum().backward()
    for name, parameter in case.model.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches the parameter {name}"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"


def _check_training(case: _Case) -> None:
    busy = _Case(copy.deepcopy(case.model), case.table, case.candidates)
    busy.model.train()
    for windows in (WINDOWS, *([window] for window in WINDOWS)):
        assert busy.encode(windows).isfinite().all(), (
            f"in training, embeddings of {windows} are not finite"
        )


def _check_weights(case: _Case, other: _Case) -> None:
    other.model.load_state_dict(case.model.state_dict())
    _same(case.encode(), other.encode(), "restored weights do not restore the model", 0)


def _check_gpu(case: _Case) -> None:
    batch = SessionBatch.collate(last_prefixes(_encoded(WINDOWS), MAX_LENGTH)).to("cuda")
    model = copy.deepcopy(case.model).cuda()
    there = _scored(model, batch, case.table.cuda(), case.candidates.cuda()).matrix()
    _same(case.encode(), there.cpu(), "the GPU disagrees with the CPU", 1e-6)


# ---------------------------------------------------------------------- estimators
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
        labels.

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
    front = (
        [("clu", ItemClusterer(random_state=0))]
        if "cluster" in getattr(estimator, "prompts", ())
        else []
    )
    train, test = temporal_train_test_split(tiny_world(120))
    work = _Work(estimator, front, train, test)
    _check_unfitted(work)
    fitted = _check_fit(work)
    for check in (
        _check_prediction,
        _check_refusals,
        _check_company_of_sessions,
        _check_score,
        _check_storage,
    ):
        check(work, fitted)
    _check_repetition(work, fitted)
    _check_pipeline(work, fitted)


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
        """Sessions of new visitors."""
        names = [f"visitor {number}" for number in range(len(lists))]
        ids = np.arange(len(lists)) + 10**9
        return self.ready(
            Sessions.from_lists(lists, users=names, times=np.arange(len(lists)), ids=ids)
        )


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
    rebuilt = type(estimator)(**params)
    assert set(vars(rebuilt)) == set(params), (
        f"the constructor sets {sorted(set(vars(rebuilt)) ^ set(params))} as well"
    )
    changed = [name for name, value in params.items() if getattr(rebuilt, name) is not value]
    assert not changed, f"the constructor does not store {changed} as given"
    copied = clone(estimator)
    assert repr(copied.get_params()) == repr(estimator.get_params()), "a clone has other parameters"
    assert copied.set_params(**params) is copied, "set_params does not return the estimator"
    _refuses(
        ValueError,
        lambda: copied.set_params(no_such_parameter=1),
        "set_params takes a parameter it has not",
    )
    assert type(estimator).__name__ in repr(estimator), "repr does not name the class"
    assert type(estimator).__name__ in estimator._repr_html_(), (
        "the HTML representation does not name the class"
    )


def _check_unfitted(work: _Work) -> None:
    fresh = clone(pickle.loads(pickle.dumps(work.estimator)))
    for name in ("predict", "predict_topk", "evaluate", "score"):
        _refuses(
            NotFittedError,
            partial(getattr(fresh, name), work.test),
            f"{name} does not ask for fit first",
        )


def _check_fit(work: _Work) -> Any:
    fresh, train = clone(work.estimator), work.train
    before, states = copy.deepcopy(train), _global_states()
    params = repr(fresh.get_params())
    assert fresh.fit(train) is fresh, "fit does not return the estimator"
    assert _global_states() == states, (
        "fit disturbs the global random state of random, NumPy or torch"
    )
    assert train == before, "fit changes X"
    assert repr(fresh.get_params()) == params, "fit changes parameters"
    known = set(np.asarray(fresh.items_).tolist())
    assert fresh.n_items_ == len(known), "n_items_ is not the number of items_"
    assert known <= set(train.vocabulary.ids.tolist()), "items_ holds ids that X has not"
    return fresh


def _global_states() -> str:
    return repr(
        (
            random.getstate(),
            [part.tolist() if hasattr(part, "tolist") else part for part in _numpy_state()],
        )
    )


def _numpy_state() -> list[Any]:
    return [*np.random.get_state(), torch.get_rng_state()]  # noqa: NPY002 - what must not change


def _check_prediction(work: _Work, fitted: Any) -> None:
    test, states = work.test, _global_states()
    before = copy.deepcopy(test)
    items = fitted.predict(test, k=3)
    assert items.shape == (len(test), 3), (
        f"predict(k=3) of {len(test)} sessions has shape {items.shape}"
    )
    assert np.isin(items, fitted.items_).all(), "predict returns ids that are not in items_"
    assert all(len(set(row)) == 3 for row in items.tolist()), "predict names an item twice"
    best, scores = fitted.predict_topk(test, k=3, return_scores=True)
    assert (best == items).all(), "predict and predict_topk differ"
    assert np.isfinite(scores).all() and (np.diff(scores, axis=1) <= 0).all(), (
        "scores are not finite and falling"
    )
    everything = fitted.predict(test, k=fitted.n_items_)
    assert (np.sort(everything, axis=1) == np.sort(fitted.items_)).all(), (
        "k=n_items_ does not return every item"
    )
    assert _global_states() == states, (
        "predict disturbs the global random state of random, NumPy or torch"
    )
    assert test == before, "predict changes X"
    strangers = work.of_lists(
        [["no such item"], [fitted.items_[0], "nor this"], ["no such item", "nor this"]]
    )
    assert _quietly(lambda: fitted.predict(strangers, k=2)).shape == (3, 2), (
        "unknown items are not answered"
    )


def _check_refusals(work: _Work, fitted: Any) -> None:
    test, n = work.test, fitted.n_items_
    _refuses(ValueError, lambda: fitted.predict(test, k=0), "k=0 is not refused")
    _refuses(
        ValueError, lambda: fitted.predict(test, k=n + 1), "k larger than n_items_ is not refused"
    )
    _refuses((TypeError, ValueError), lambda: fitted.predict(test, k=1.5), "k=1.5 is not refused")
    empty = work.of_lists([[fitted.items_[0]], []])
    _refuses(ValueError, lambda: fitted.predict(empty, k=1), "an empty session is not refused")
    _refuses(ValueError, lambda: fitted.predict(test[:0], k=1), "an empty X is not refused")
    _refuses(
        ValueError,
        lambda: fitted.evaluate(test, metrics=["accuracy"]),
        "an unknown metric is not refused",
    )
    _refuses(
        TypeError, lambda: fitted.predict("tea", k=1), "a string instead of sessions is not refused"
    )


def _check_company_of_sessions(work: _Work, fitted: Any) -> None:
    test = work.test
    together = fitted.predict_topk(test, k=5, return_scores=True)[1]
    order = np.random.default_rng(0).permutation(len(test))
    permuted = fitted.predict_topk(test[order], k=5, return_scores=True)[1]
    assert np.allclose(permuted, together[order], atol=1e-4), (
        "the order of sessions in a call matters"
    )
    alone = [
        fitted.predict_topk(test[[row]], k=5, return_scores=True)[1][0] for row in range(len(test))
    ]
    assert np.allclose(alone, together, atol=1e-4), (
        "a session is not answered the same alone and among others"
    )


def _check_score(work: _Work, fitted: Any) -> None:
    test = work.test
    value, weights = fitted.score(test, None), np.arange(len(test)) % 2
    assert isinstance(value, float) and 0 <= value <= 1, f"score is {value!r}, no float in 0..1"
    assert np.isclose(value, fitted.score(test, sample_weight=np.ones(len(test)))), (
        "equal weights change the score"
    )
    half = fitted.score(test[np.flatnonzero(weights)])
    assert np.isclose(half, fitted.score(test, sample_weight=weights)), (
        "a weight of zero does not leave a session out"
    )
    results = fitted.evaluate(test, metrics=["mrr@5", "recall@5", "recall@10"])
    assert np.isclose(results["mrr@5"], value), "score is not the mrr@5 of evaluate"
    assert results["mrr@5"] <= results["recall@5"] <= results["recall@10"] <= 1, (
        "mrr@5, recall@5, recall@10 fall"
    )
    targets = int((test.lengths - 1).sum())
    assert results["n_targets"] == targets, (
        f"evaluate ranks {results['n_targets']} of {targets} targets"
    )
    assert 0 <= results["n_unknown_targets"] <= targets, "n_unknown_targets is no number of targets"


def _check_storage(work: _Work, fitted: Any) -> None:
    expected = fitted.predict(work.test, k=5)
    restored, copied = pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)
    assert (restored.predict(work.test, k=5) == expected).all(), "pickling changes predictions"
    assert (copied.predict(work.test, k=5) == expected).all(), "a deep copy predicts differently"
    _refuses(
        NotFittedError,
        lambda: clone(fitted).predict(work.test),
        "a clone of a fitted estimator is fitted",
    )


def _check_repetition(work: _Work, fitted: Any) -> None:
    expected = fitted.predict_topk(work.test, k=5, return_scores=True)[1]
    again = clone(work.estimator).fit(work.train)
    assert (again.predict_topk(work.test, k=5, return_scores=True)[1] == expected).all(), (
        "one seed gives two results"
    )
    fresh = clone(work.estimator).fit(work.train[:60])
    expected = fresh.predict_topk(work.test, k=5, return_scores=True)[1]
    again.set_params(**work.estimator.get_params()).fit(work.train[:60])
    assert (again.predict_topk(work.test, k=5, return_scores=True)[1] == expected).all(), (
        "fit does not start anew"
    )


def _check_pipeline(work: _Work, fitted: Any) -> None:
    pipeline = Pipeline([*work.front, ("rec", clone(work.estimator))]).fit(work.raw_train)
    items = pipeline.predict(work.raw_test, k=3)
    assert (items == fitted.predict(work.test, k=3)).all(), (
        "it predicts differently at the end of a Pipeline"
    )
    expected = fitted.evaluate(work.test, metrics=["mrr@5"])["mrr@5"]
    found: Any = SessionScorer("mrr@5")(pipeline, work.raw_test)
    assert np.isclose(found, expected), "SessionScorer and evaluate differ"

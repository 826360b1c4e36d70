"""The contract suite lets good models and recommenders pass and names what is wrong with others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sessionprompt.backbones import Backbone
from sessionprompt.batches import SessionBatch, segment_sum
from sessionprompt.metrics import ranking_metrics, session_weights
from sessionprompt.sessions import Sessions, as_sessions
from sessionprompt.testing import check_backbone, check_session_estimator, tiny_world


def test_tiny_world_takes_other_dials() -> None:
    world = tiny_world(40, n_items=5, n_users=None)
    assert len(world) == 40 and len(world.vocabulary) <= 5 and world.users is None
    assert tiny_world(40).users is not None


class Mean(Backbone):
    """A linear map of the mean of each prefix."""

    causal = True

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        prefix, event = batch.prefix_pairs
        sizes = batch.position[batch.ends] + 1
        return self.out(segment_sum(x[event], prefix, len(batch.ends)) / sizes.unsqueeze(1))


class WrongShape(Mean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        return self.out(x)


class Infinite(Mean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        # no unknown item survives this
        return super().forward(x / (x * x).sum(1, keepdim=True), batch)


class SinglePrecision(Mean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        return super().forward(x, batch).float()


class Noisy(Mean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        return super().forward(x, batch) + torch.rand(1)


class Sociable(Mean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        states = super().forward(x, batch)
        return states - states.mean(0)


class Numbered(Mean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        return super().forward(x, batch) + batch.items[batch.ends].unsqueeze(1)


class Clairvoyant(Mean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        means = segment_sum(x, batch.window, len(batch.lengths)) / batch.lengths.unsqueeze(1)
        return self.out(means[batch.window[batch.ends]])


class Idle(Mean):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.unused = nn.Linear(dim, dim)


class Multiplied(Mean):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        return super().forward(x, batch) + 0 * self.factor


class Forgetful(Mean):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.offset = torch.randn(dim)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        return super().forward(x, batch) + self.offset.to(x)


class Undecided(Mean):
    scoring = "euclidean"


def test_a_good_backbone_passes() -> None:
    check_backbone(Mean)
    check_backbone(lambda dim: Mean(dim), dim=3)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (WrongShape, "embeddings have shape"),
        (Infinite, "not finite"),
        (SinglePrecision, "float64 vectors became"),
        (Noisy, "not deterministic"),
        (Sociable, "the same alone and in a batch"),
        (Numbered, "numbers of the items"),
        (Clairvoyant, "claims to be causal"),
        (Idle, "no gradient reaches the parameter unused"),
        (Multiplied, "gradient of factor is zero"),
        (Forgetful, "restored weights"),
        (Undecided, "scoring='euclidean'"),
        (lambda dim: nn.Linear(dim, dim), "no subclass of Backbone"),
        (lambda dim: Mean(dim + 1), "its attribute dim is 9"),
    ],
)
def test_a_broken_backbone_is_found(broken: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_backbone(broken)


def test_checking_a_backbone_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    check_backbone(Mean)
    assert torch.equal(torch.get_rng_state(), before)


class Popular(BaseEstimator):
    """Recommends what was frequent in training: the smallest estimator that keeps all promises."""

    def __init__(self, prior: Any = (0,), random_state: Any = None) -> None:
        self.prior = prior
        self.random_state = random_state

    def fit(self, X: Any, y: None = None) -> Any:
        sessions = as_sessions(X)
        counts = np.bincount(sessions.codes, minlength=len(sessions.vocabulary))
        self.vocabulary_ = sessions.vocabulary.subset(np.flatnonzero(counts))
        self.items_, self.n_items_ = self.vocabulary_.ids, len(self.vocabulary_)
        self.counts_ = counts[counts > 0] + self.prior[0]
        return self

    def predict(self, X: Any, k: int = 10) -> np.ndarray:
        return self.predict_topk(X, k)

    def predict_topk(self, X: Any, k: int = 10, return_scores: bool = False) -> Any:
        check_is_fitted(self)
        sessions = as_sessions(X)
        if (
            not len(sessions)
            or not sessions.lengths.all()
            or not 1 <= k <= self.n_items_
            or k != int(k)
        ):
            raise ValueError("no")
        best = np.argsort(-self.counts_, kind="stable")[:k]
        rows = np.zeros(len(sessions), dtype=int)[:, None]
        return (
            (self.items_[best + rows], self.counts_[best + rows])
            if return_scores
            else self.items_[best + rows]
        )

    def evaluate(
        self,
        X: Any,
        metrics: Iterable[str] = ("mrr@5",),
        sample_weight: Any = None,
        last_events: Any = None,
    ) -> dict[str, Any]:
        check_is_fitted(self)
        lists = as_sessions(X).to_lists()
        if last_events is not None:
            lists = [[*events, last] for events, last in zip(lists, last_events, strict=True)]
        weights = session_weights(sample_weight, len(lists))
        rank = dict(
            zip(
                self.predict(X[:1], self.n_items_)[0].tolist(),
                range(1, 1 + self.n_items_),
                strict=True,
            )
        )
        ranks = np.array([rank.get(item, np.inf) for events in lists for item in events[1:]])
        if weights is not None:
            weights = np.repeat(weights, [len(events) - 1 for events in lists])
        counted = {"n_targets": len(ranks), "n_unknown_targets": int(np.isinf(ranks).sum())}
        return {**ranking_metrics(ranks, metrics, weights=weights), **counted}

    def score(self, X: Any, y: None = None, sample_weight: Any = None) -> float:
        return self.evaluate(X, sample_weight=sample_weight)["mrr@5"]


class Copying(Popular):
    def __init__(self, prior: Any = (0,), random_state: Any = None) -> None:
        super().__init__(list(prior), random_state)


class Extra(Popular):
    def __init__(self, prior: Any = (0,), random_state: Any = None) -> None:
        super().__init__(prior, random_state)
        self.counts = None


class Silent(Popular):
    def fit(self, X: Any, y: None = None) -> Any:
        super().fit(X)


class Seeding(Popular):
    def fit(self, X: Any, y: None = None) -> Any:
        np.random.random()  # noqa: NPY002
        return super().fit(X)


class Restless(Popular):
    def predict_topk(self, X: Any, k: int = 10, return_scores: bool = False) -> Any:
        torch.rand(1)
        return super().predict_topk(X, k, return_scores)


class Unseeded(Popular):
    def fit(self, X: Any, y: None = None) -> Any:
        super().fit(X)
        self.counts_ = self.counts_ + np.random.default_rng().random(self.n_items_)
        return self


class Remembering(Popular):
    def fit(self, X: Any, y: None = None) -> Any:
        before = getattr(self, "counts_", 0)
        super().fit(X)
        self.counts_ = self.counts_ + np.sum(before)
        return self


class Optimist(Popular):
    def predict_topk(self, X: Any, k: int = 10, return_scores: bool = False) -> Any:
        return super().predict_topk(X, min(k, getattr(self, "n_items_", k)), return_scores)


class Unprepared(Popular):
    def predict_topk(self, X: Any, k: int = 10, return_scores: bool = False) -> Any:
        if not hasattr(self, "counts_"):
            return None
        return super().predict_topk(X, k, return_scores)


class Ranked(Popular):
    def predict_topk(self, X: Any, k: int = 10, return_scores: bool = False) -> Any:
        items, scores = super().predict_topk(X, k, True)
        scores = scores - np.arange(len(scores))[:, None] / 10
        return (items, scores) if return_scores else items


class Weightless(Popular):
    def score(self, X: Any, y: None = None, sample_weight: Any = None) -> float:
        return super().score(X)


class Percent(Popular):
    def score(self, X: Any, y: None = None, sample_weight: Any = None) -> float:
        return 1 + super().score(X)


class Lazy(Popular):
    def evaluate(self, X: Any, *args: Any, **params: Any) -> dict[str, Any]:
        result = super().evaluate(X, *args, **params)
        return {**result, "n_targets": len(X)}


class Greedy(Popular):
    def fit(self, X: Any, y: None = None) -> Any:
        Sessions.__setstate__(X, {"ids": X.ids[::-1]})
        return super().fit(X)


class Careless(Popular):
    def predict_topk(self, X: Any, k: int = 10, return_scores: bool = False) -> Any:
        if isinstance(X, Sessions):
            Sessions.__setstate__(X, {"ids": X.ids + 1})
        return super().predict_topk(X, k, return_scores)


def test_a_plain_estimator_passes() -> None:
    check_session_estimator(Popular())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Copying, r"does not store \['prior'\] as given"),
        (Extra, r"the constructor sets \['counts'\] as well"),
        (Silent, "fit does not return the estimator"),
        (Seeding, "fit disturbs the global random state"),
        (Greedy, "fit changes X"),
        (Careless, "predict changes X"),
        (Restless, "predict disturbs the global random state"),
        (Unseeded, "one seed gives two results"),
        (Remembering, "fit does not start anew"),
        (Optimist, "k larger than n_items_ is not refused"),
        (Unprepared, "predict does not ask for fit first"),
        (Ranked, "the order of sessions in a call matters"),
        (Weightless, "weight of zero does not leave a session out"),
        (Percent, "no float in 0..1"),
        (Lazy, "evaluate ranks"),
    ],
)
def test_a_broken_estimator_is_found(broken: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_session_estimator(broken(random_state=0))

"""The softmax over a cluster and a sample: its formula, its gradients, and models trained by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions, load, losses
from sessionprompt.backbones import BACKBONES
from sessionprompt.losses import ClusterSoftmax
from sessionprompt.scoring import EncodedPrefixes, composed_clusters, without_kernels
from sessionprompt.testing import tiny_world

N_ITEMS = 120
N_CLUSTERS = 9


class Problem:
    """Random states and candidates; some items have no cluster, some last items are unknown."""

    def __init__(self, seed: int, n_rows: int = 40, dtype: torch.dtype = torch.float64) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.popularity = torch.randint(1, 50, (N_ITEMS,), generator=draw).float()
        self.clusters = torch.randint(-1, N_CLUSTERS, (N_ITEMS,), generator=draw)
        self.states = torch.randn(n_rows, 6, generator=draw, dtype=dtype).requires_grad_()
        self.table = torch.randn(N_ITEMS, 6, generator=draw, dtype=dtype).requires_grad_()
        self.targets = torch.randint(N_ITEMS, (n_rows,), generator=draw)
        self.last_items = torch.randint(-3, N_ITEMS, (n_rows,), generator=draw)

    def prefixes(self) -> EncodedPrefixes:
        return EncodedPrefixes(self.states, lambda items: self.table[items], self.last_items)

    def gradients(self, loss: Tensor) -> tuple[Tensor, Tensor]:
        return torch.autograd.grad(loss, (self.states, self.table))


def clusters_of_rows(problem: Problem) -> list[int]:
    """Cluster of each row's last item, -1 for none."""
    return [-1 if last < 0 else int(problem.clusters[last]) for last in problem.last_items]


def plain_loss(
    problem: Problem, drawn: Tensor, most: int, power: float, n_negatives: int, per_row: int
) -> Tensor:
    """The formula, item by item, on all scores."""
    scores = problem.states @ problem.table.T
    chances = problem.popularity.double() ** power
    expected = n_negatives * chances / chances.sum()
    weights = torch.bincount(drawn, minlength=N_ITEMS) / expected
    weights = weights.repeat(len(scores), 1)
    rows = clusters_of_rows(problem)
    for row, cluster in enumerate(rows):
        members = [i for i in range(N_ITEMS) if cluster >= 0 and problem.clusters[i] == cluster]
        members.sort(key=lambda item: -float(problem.popularity[item]))
        weights[row, members[: min(most, per_row * rows.count(cluster))]] = 1
        weights[row, problem.targets[row]] = 1
    right = scores.gather(1, problem.targets.unsqueeze(1)).squeeze(1)
    return ((scores + weights.log()).logsumexp(1) - right).mean()


@pytest.mark.parametrize(("seed", "most", "per_row"), list(product(range(3), (5, 2048), (1, 64))))
def test_loss_and_gradients_are_those_of_the_formula(
    seed: int, most: int, per_row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "PER_ROW", per_row)
    problem = Problem(seed)
    criterion = ClusterSoftmax(problem.popularity, problem.clusters, 30, most_own=most)
    drawn = criterion.draw()
    monkeypatch.setattr(criterion, "draw", lambda: drawn)
    loss = criterion(problem.prefixes(), problem.targets)
    expected = plain_loss(problem, drawn, most, 0.75, 30, per_row)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    for one, other in zip(problem.gradients(loss), problem.gradients(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("per_row", [1, 64])
@pytest.mark.parametrize("kernels", [nullcontext, without_kernels])
def test_float32_agrees_to_its_digits(
    kernels: Callable[[], AbstractContextManager[None]],
    per_row: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(losses, "PER_ROW", per_row)
    problem = Problem(5, dtype=torch.float32)
    criterion = ClusterSoftmax(problem.popularity, problem.clusters, 30)
    drawn = criterion.draw()
    monkeypatch.setattr(criterion, "draw", lambda: drawn)
    with kernels():
        loss = criterion(problem.prefixes(), problem.targets)
    expected = plain_loss(problem, drawn, N_ITEMS, 0.75, 30, per_row).float()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(problem.gradients(loss), problem.gradients(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("worth", [0, 300, 10**9])
def test_blocks_with_one_product_have_the_loss_of_blocks_apart(
    worth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(4)
    criterion = ClusterSoftmax(problem.popularity, problem.clusters, 30)
    drawn = criterion.draw()
    monkeypatch.setattr(criterion, "draw", lambda: drawn)
    monkeypatch.setattr(composed_clusters, "WORTH_A_PRODUCT", worth)
    loss = criterion(problem.prefixes(), problem.targets)
    expected = plain_loss(problem, drawn, N_ITEMS, 0.75, 30, losses.PER_ROW)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    for one, other in zip(problem.gradients(loss), problem.gradients(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_that_all_lack_a_cluster_have_the_sample(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(6, dtype=dtype)
    problem.last_items = torch.full_like(problem.last_items, -1)
    criterion = ClusterSoftmax(problem.popularity, problem.clusters, 30)
    drawn = criterion.draw()
    monkeypatch.setattr(criterion, "draw", lambda: drawn)
    loss = criterion(problem.prefixes(), problem.targets)
    expected = plain_loss(problem, drawn, N_ITEMS, 0.75, 30, losses.PER_ROW).to(dtype)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(problem.gradients(loss), problem.gradients(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_one_cluster_of_all_items_is_the_full_softmax() -> None:
    problem = Problem(0)  # 40 rows, so 120 items are few for them
    criterion = ClusterSoftmax(problem.popularity, torch.zeros(N_ITEMS, dtype=torch.long), 7)
    problem.last_items = problem.last_items.clamp(min=0)
    loss = criterion(problem.prefixes(), problem.targets)
    expected = F.cross_entropy(problem.states @ problem.table.T, problem.targets)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)


def test_the_weighted_sum_is_that_of_the_catalogue_on_average() -> None:
    problem = Problem(1, n_rows=8)
    criterion = ClusterSoftmax(problem.popularity, problem.clusters, 200_000, most_own=3)
    torch.manual_seed(0)
    loss = criterion(problem.prefixes(), problem.targets)
    expected = F.cross_entropy(problem.states @ problem.table.T, problem.targets)
    torch.testing.assert_close(loss, expected, rtol=5e-3, atol=0)


def test_scores_beyond_the_range_of_exp_and_a_lone_candidate_stay_finite() -> None:
    table = (1e3 * torch.eye(3)).requires_grad_()
    clusters = torch.tensor([0, 1, 1])
    criterion = ClusterSoftmax(torch.ones(3), clusters, 1)
    criterion.draw = lambda: torch.tensor([0])  # type: ignore[method-assign]
    states = (-torch.eye(3)[:1]).requires_grad_()  # the target scores -1000
    prefixes = EncodedPrefixes(states, lambda items: table[items], torch.tensor([0]))
    loss = criterion(prefixes, torch.tensor([0]))
    loss.backward()
    assert loss.item() == 0
    assert table.grad.abs().max() == 0 and states.grad.abs().max() == 0
    far = EncodedPrefixes(states, lambda items: table[items], torch.tensor([1]))
    assert criterion(far, torch.tensor([0])).item() == pytest.approx(1000, abs=1)


def test_few_items_are_looked_up_for_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "PER_ROW", 2)
    problem = Problem(2)
    criterion = ClusterSoftmax(problem.popularity, problem.clusters, 30)
    candidates = criterion.candidates(problem.last_items, problem.targets)
    rows = clusters_of_rows(problem)
    met = sorted({cluster for cluster in rows if cluster >= 0})
    sizes = torch.bincount(problem.clusters + 1)[1:]
    assert candidates.sizes.tolist() == [min(sizes[one], 2 * rows.count(one)) for one in met]
    assert len(candidates.own) == candidates.sizes.sum() <= 2 * len(rows)


# ---------------------------------------------------------------------- models
@pytest.fixture(scope="module")
def world() -> Sessions:
    return ItemClusterer(random_state=0).fit_transform(tiny_world(100))


def model(backbone: str = "gru4rec", **params: object) -> PromptedSessionRecommender:
    settings = {"dim": 8, "batch_size": 64, "max_epochs": 4, "lr": 0.01, "random_state": 0}
    return PromptedSessionRecommender(backbone, loss="clusters", **{**settings, **params})


@pytest.mark.parametrize("backbone", sorted(set(BACKBONES) - {"tagnn"}))
@pytest.mark.parametrize("prompts", [(), ("cluster",)])
def test_every_backbone_learns(backbone: str, prompts: tuple[str, ...], world: Sessions) -> None:
    settings = {"n_negatives": 5, "max_epochs": 3, "validation_fraction": None, "recency": None}
    fitted = model(backbone, prompts=prompts, **settings).fit(world)
    first, last = fitted.history_[0]["train_loss"], fitted.history_[-1]["train_loss"]
    assert math.isfinite(first) and last < first


def test_target_attention_is_refused_with_the_way_out(world: Sessions) -> None:
    with pytest.raises(ValueError, match="loss='full'"):
        model("tagnn").fit(world)


@pytest.mark.parametrize("scoring", ["cosine", "dot"])
def test_a_ring_is_learnt(scoring: str, ring: Sessions) -> None:
    fitted = model(
        prompts=(),
        dim=16,
        batch_size=32,
        max_epochs=12,
        n_negatives=4,
        scoring=scoring,
        refit=False,
    ).fit(ring)
    assert fitted.score(ring, metric="recall", k=1) > 0.95


def test_rows_leave_the_others_where_they_are(
    world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "PER_ROW", 1)
    params = {"prompts": (), "n_negatives": 1, "max_epochs": 1, "validation_fraction": None}
    fitted = model(batch_size=10_000, **params).fit(world)
    before = fitted.network_.items.detach().clone()
    after = fitted.set_params(warm_start=True).fit(world[:1]).network_.items.detach()
    moved = int((after != before).any(dim=1).sum())
    assert 0 < moved < len(before)


def clusters_of(fitted: PromptedSessionRecommender) -> np.ndarray:
    return fitted.net_.criterion_.clusters.cpu().numpy()


def test_clusters_are_those_of_the_annotation_of_several_the_best_in_size(world: Sessions) -> None:
    several = ItemClusterer((0.5, 4.0), random_state=0)
    sessions = several.fit_transform(tiny_world(100))
    places = sessions.vocabulary.translate(several.vocabulary_)
    for prompts in ((), ("cluster",)):
        fitted = model(prompts=prompts, validation_fraction=None, max_epochs=1).fit(sessions)
        expected = np.full(len(places), -1)
        expected[fitted.encoder_.vocabulary.translate(several.vocabulary_)] = several.labels_[:, 0]
        np.testing.assert_array_equal(clusters_of(fitted), expected)


def test_without_annotation_the_model_makes_them() -> None:
    sessions = tiny_world(100)
    fitted = model(prompts=(), validation_fraction=None, max_epochs=1).fit(sessions)
    clusterer = ItemClusterer(random_state=0).fit(sessions)
    assert len(np.unique(clusters_of(fitted))) == clusterer.n_clusters_
    again = model(prompts=(), validation_fraction=None, max_epochs=1).fit(sessions)
    assert torch.equal(fitted.network_.items, again.network_.items)


def test_the_validation_tail_reaches_no_cluster(world: Sessions) -> None:
    fitted = model(prompts=(), refit=False, max_epochs=1).fit(world)
    n_train = len(world) - math.ceil(0.1 * len(world))
    older = ItemClusterer(random_state=0).fit(world[:n_train])
    expected = np.full(fitted.n_items_, -1)
    expected[fitted.encoder_.vocabulary.translate(older.vocabulary_)] = older.labels_
    np.testing.assert_array_equal(clusters_of(fitted), expected)
    assert fitted.annotator_ is None


def test_it_goes_on_learning_and_is_saved(world: Sessions, tmp_path) -> None:
    fitted = model(prompts=(), max_epochs=1).fit(world[:50])
    fitted.partial_fit(world)
    fitted.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.loss == "clusters"
    np.testing.assert_array_equal(loaded.predict(world, k=3), fitted.predict(world, k=3))
    loaded.partial_fit(world)
    assert type(loaded.net_.criterion_).__name__ == "ClusterSoftmax"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"loss": "cluster"}, "loss='cluster'"),
        ({"loss": "full", "n_negatives": 5}, "n_negatives=5"),
        ({"loss": "clusters", "precision": "bfloat16"}, "precision='auto'"),
        ({"negatives_power": -1.0}, "negatives_power"),
    ],
)
def test_what_does_not_go_together_is_refused(
    params: dict[str, object], words: str, world: Sessions
) -> None:
    with pytest.raises(ValueError, match=words):
        PromptedSessionRecommender(dim=8, **params).fit(world)


@pytest.mark.parametrize(
    ("params", "criterion"),
    [
        ({}, "ClusterSoftmax"),
        ({"backbone": "tagnn"}, "FullSoftmax"),
        ({"precision": "bfloat16"}, "FullSoftmax"),
        ({"n_negatives": 5}, "SampledSoftmax"),
        ({"loss": "full"}, "FullSoftmax"),
        ({"net_params": {"criterion": losses.FullSoftmax}}, "FullSoftmax"),
    ],
)
def test_auto_takes_clusters_for_many_items(
    params: dict[str, object], criterion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = tiny_world(30)
    settings = {"prompts": (), "dim": 4, "max_epochs": 1, "random_state": 0}
    small = PromptedSessionRecommender(**settings).fit(sessions)
    assert type(small.net_.criterion_).__name__ == "FullSoftmax"
    monkeypatch.setattr(losses, "WHOLE_TABLE", 0)
    many = PromptedSessionRecommender(**{**settings, **params}).fit(sessions)
    assert type(many.net_.criterion_).__name__ == criterion

"""A metric of a user's own is asked for by its name wherever metrics are."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sessionprompt import PromptedSessionRecommender
from sessionprompt.baselines import Popularity
from sessionprompt.metrics import (
    SessionScorer,
    check_arithmetic,
    coverage,
    diversity,
    gini,
    metric_names,
    novelty,
    ranking_metrics,
    register_metric,
)
from sessionprompt.pipeline import make_session_pipeline
from sessionprompt.testing import tiny_world

WORLD = tiny_world(100)
SMALL = {
    "dim": 4,
    "max_epochs": 2,
    "lr": 0.02,
    "refit": False,
    "random_state": 0,
    "backbone_params": {"hidden": 4},
}


def rare_hits(ranks: np.ndarray, target_counts: np.ndarray, k: int) -> np.ndarray:
    return (ranks <= k) & (target_counts <= 10)


def median_rank(ranks: np.ndarray) -> float:
    return float(np.median(ranks))


def popular_share(topk_codes: np.ndarray, item_counts: np.ndarray, k: int) -> np.ndarray:
    """Share of each list that the most frequent tenth of the items takes."""
    popular = item_counts >= np.quantile(item_counts, 0.9)
    return popular[topk_codes[:, :k]].mean(axis=1)


@pytest.fixture(autouse=True, scope="module")
def registered() -> None:
    register_metric("rare_hits", rare_hits)
    register_metric("median_rank", median_rank)
    register_metric("popular_share", popular_share)


@pytest.fixture(scope="module")
def prompted() -> Any:
    return make_session_pipeline("gru4rec", **SMALL).fit(WORLD)


def test_evaluate_takes_them_beside_the_librarys(prompted: Any) -> None:
    names = ["median_rank@1", "rare_hits@5", "mrr@5", "popular_share@3", "popular_share@7"]
    results = prompted.evaluate(WORLD, metrics=names, slices=["popularity"])
    ranked = prompted.ranks(WORLD, top=7)
    assert list(results)[:5] == names
    assert results["median_rank@1"] == np.median(ranked.ranks)
    assert results["rare_hits@5"] == ((ranked.ranks <= 5) & (ranked.counts <= 10)).mean()
    for k in (3, 7):
        expected = popular_share(ranked.top, ranked.item_counts, k).mean()
        assert results[f"popular_share@{k}"] == pytest.approx(expected)
    frequent = results["slices"]["popularity"]["21-100"]
    assert set(frequent) == {"n", "rare_hits@5", "mrr@5", "popular_share@3", "popular_share@7"}
    assert frequent["rare_hits@5"] == 0


def test_lists_of_the_library_are_measured_by_its_functions(prompted: Any) -> None:
    names = ["coverage@5", "gini@5", "novelty@5", "diversity@5"]
    results = prompted.evaluate(WORLD, metrics=names)
    ranked = prompted.ranks(WORLD, top=5)
    recommender = prompted.named_steps["rec"]
    counts = recommender.encoder_.item_counts
    labels = recommender.encoder_.item_labels
    assert results["coverage@5"] == coverage(ranked.top, 5, ranked.n_items)
    assert results["gini@5"] == gini(ranked.top, 5, ranked.n_items)
    assert results["novelty@5"] == pytest.approx(novelty(ranked.top, 5, counts).mean())
    assert results["diversity@5"] == pytest.approx(diversity(ranked.top, 5, labels).mean())
    assert check_arithmetic({name: results[name] for name in names}) == []


def test_weights_reach_values_of_targets_only(prompted: Any) -> None:
    weights = np.arange(len(WORLD)) % 3
    names = ["novelty@5", "coverage@5"]
    results = prompted.evaluate(WORLD, metrics=names, sample_weight=weights)
    ranked = prompted.ranks(WORLD, top=5)
    values = novelty(ranked.top, 5, ranked.item_counts)
    assert results["novelty@5"] == pytest.approx(
        np.average(values, weights=weights[ranked.sessions])
    )
    assert results["coverage@5"] == coverage(ranked.top, 5, ranked.n_items)


def test_labels_may_come_from_elsewhere() -> None:
    plain = Popularity().fit(WORLD)
    with pytest.raises(ValueError, match="'diversity@4' reads item_labels, .* ItemClusterer"):
        plain.evaluate(WORLD, metrics="diversity@4")
    ranked = plain.ranks(WORLD, top=4)
    labels = np.arange(ranked.n_items) % 3
    found = replace(ranked, item_labels=labels).summary("diversity@4")["diversity@4"]
    assert found == pytest.approx(diversity(ranked.top, 4, labels).mean())


def test_lists_must_have_been_kept() -> None:
    ranked = Popularity().fit(WORLD).ranks(WORLD)
    with pytest.raises(ValueError, match=r"'gini@4' reads topk_codes, .* ranks\(X, top=k\)"):
        ranked.summary("gini@4")


@pytest.mark.parametrize("monitor", ["rare_hits@5", "precision@5", "map@5"])
def test_training_can_watch_what_is_made_of_ranks_and_counts(monitor: str) -> None:
    plain = {**SMALL, "prompts": (), "monitor": monitor, "repeats": None}
    model = PromptedSessionRecommender(**plain).fit(WORLD[:80], X_val=WORLD[80:])
    assert [row[monitor] for row in model.history_]
    assert model.best_score_ == max(row[monitor] for row in model.history_)
    assert model.evaluate(WORLD[80:], metrics=monitor)[monitor] == pytest.approx(model.best_score_)


@pytest.mark.parametrize("monitor", ["popular_share@5", "novelty@5", "diversity@5", "gini@5"])
def test_training_cannot_watch_lists(monitor: str) -> None:
    model = PromptedSessionRecommender(prompts=(), monitor=monitor)
    message = f"monitor='{monitor}' is no metric of ranks; .* does without topk_codes"
    with pytest.raises(ValueError, match=message):
        model.fit(WORLD)


def test_a_pickled_scorer_brings_its_metrics(tmp_path: Path) -> None:
    module = tmp_path / "users_metrics.py"
    module.write_text("def always(ranks):\n    return 1.0\n")
    sys.path.insert(0, str(tmp_path))
    try:
        from users_metrics import always  # type: ignore[import-not-found]

        register_metric("always", always)
        (tmp_path / "scorer.pickle").write_bytes(pickle.dumps(SessionScorer("always@1")))
    finally:
        sys.path.remove(str(tmp_path))
    code = (
        "import pickle; from pathlib import Path; from sessionprompt.metrics import parse_metric;"
        "pickle.loads(Path('scorer.pickle').read_bytes()); print(parse_metric('always@3'))"
    )
    path = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=path, capture_output=True, text=True
    )
    assert found.stdout == "('always', 3)\n", found.stderr


def test_a_later_function_takes_the_name() -> None:
    register_metric("constant", lambda ranks: 1.0)
    register_metric("constant", lambda ranks: 2.0)
    assert ranking_metrics([1, 2], "constant@5") == {"constant@5": 2.0}


def test_other_parameters_need_defaults() -> None:
    register_metric("near_misses", lambda ranks, k, beyond=2: (ranks > k) & (ranks <= k + beyond))
    assert ranking_metrics([5, 6, 7, 8], "near_misses@5") == {"near_misses@5": 0.5}


@pytest.mark.parametrize(
    ("name", "function", "error", "message"),
    [
        ("mrr", median_rank, ValueError, "name='mrr' is a metric of the library"),
        ("hr", median_rank, ValueError, "name='hr' is a metric of the library"),
        ("My metric", median_rank, ValueError, "is no name of a metric; use lower-case letters"),
        ("metric@5", median_rank, ValueError, "is no name of a metric"),
        (5, median_rank, ValueError, "name=5 is no name of a metric"),
        ("own", "mean", TypeError, "function='mean' cannot be called"),
        ("own", lambda scores, k: k, ValueError, "a parameter 'scores', which is no quantity"),
        ("own", lambda *ranks: 1, ValueError, "known are ranks, k, target_counts"),
    ],
)
def test_wrong_registrations(name: Any, function: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        register_metric(name, function)


def test_wrong_values_are_named() -> None:
    register_metric("two_numbers", lambda ranks: np.ones(2))
    with pytest.raises(ValueError, match=r"'two_numbers@1' returned values of shape \(2,\)"):
        ranking_metrics([1, 2, 3], "two_numbers@1")


def test_ranks_alone_are_not_enough_for_counts() -> None:
    with pytest.raises(ValueError, match=r"use rare_hits\(\) or evaluate.*reads target_counts"):
        ranking_metrics([1, 2], "rare_hits@5")


def test_unknown_names_list_the_registered_ones() -> None:
    with pytest.raises(ValueError, match="write one of mrr, recall, hr, .* gini, .*rare_hits"):
        metric_names("serendipity@5")

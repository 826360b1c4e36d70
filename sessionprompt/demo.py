"""The whole job on synthetic sessions in half a minute: fit, evaluate, recommend, save, load."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from .datasets import make_sessions
from .metrics import RankedTargets, ranking_metrics
from .model_selection import temporal_train_test_split
from .persistence import load
from .pipeline import Pipeline, make_session_pipeline
from .sessions import Sessions

__all__ = ["run"]

METRICS = ["mrr@5", "recall@5", "recall@20"]
NAME_COLUMNS = 56


def run() -> None:
    """Print how a model learns a world in which four of ten steps are predictable."""
    sessions = make_sessions(
        6000,
        n_items=300,
        n_clusters=12,
        predictability=0.4,
        cluster_stay=0.9,
        n_users=500,
        random_state=0,
    )
    train, test = temporal_train_test_split(sessions, test_size=0.1)
    print(f"{len(train):,} sessions to learn from,", end=" ")
    print(f"the newest {len(test):,} to test on; for example")
    print("   ", " > ".join(train[0]), "\n")
    model = make_session_pipeline("gru4rec", random_state=0).fit(train)
    _print_model(model)
    _print_evaluation(model, train, test)
    _print_recommendations(model, test[0][:2])
    _save_and_load(model, test)


def _print_model(model: Pipeline) -> None:
    n_clusters = model["clu"].n_clusters_
    recommender = model["rec"]
    epochs = f"{recommender.n_epochs_} epochs trained"
    print(f"{recommender.n_items_} items fall into {n_clusters} clusters by who follows whom.")
    print(f"{epochs}, the best was number {recommender.best_epoch_}.\n")


def _print_evaluation(model: Pipeline, train: Sessions, test: Sessions) -> None:
    ranked = model.ranks(test)
    title = f"{len(ranked.ranks):,} next items to find, each ranked among all items"
    print(title.ljust(NAME_COLUMNS), *METRICS, sep="  ")
    _print_metrics("most popular items", _popularity_ranks(ranked, train))
    _print_metrics("this model", ranked.ranks)
    print()


def _print_metrics(name: str, ranks: np.ndarray) -> None:
    values = ranking_metrics(ranks, METRICS)
    cells = [f"{values[metric]:.3f}".rjust(len(metric)) for metric in METRICS]
    print(f"  {name}".ljust(NAME_COLUMNS), *cells, sep="  ")


def _popularity_ranks(ranked: RankedTargets, train: Sessions) -> np.ndarray:
    """Rank of each target if everybody gets the most frequent items; unknown targets are misses."""
    counts = np.sort(np.bincount(train.codes))
    ranks = len(counts) - np.searchsorted(counts, ranked.counts)
    return np.where(ranked.counts > 0, ranks, np.inf)


def _print_recommendations(model: Pipeline, session: list[str]) -> None:
    items, scores = model.predict_topk([session], k=5, return_scores=True)
    print(f"A visitor saw {' and '.join(session)}. Next:")
    for item, score in zip(items[0], scores[0], strict=True):
        print(f"    {item}  {score:5.2f}")
    print()


def _save_and_load(model: Pipeline, test: Sessions) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.zip")
        model.save(path)
        kilobytes = path.stat().st_size / 1000
        loaded = load(path)
    verdict = "other answers"
    if np.array_equal(loaded.predict_topk(test, k=5), model.predict_topk(test, k=5)):
        verdict = "the same answers"
    print(f"Saved in {kilobytes:.0f} kB, loaded again: {verdict}.")

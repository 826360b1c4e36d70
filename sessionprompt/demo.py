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


def run() -> None:
    """Print how a model learns a world in which four of ten steps are predictable, and what it is good for."""
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
    print(
        f"{len(train):,} sessions to learn from, the newest {len(test):,} to test on; for example"
    )
    print("   ", " > ".join(train[0]), "\n")

    model = make_session_pipeline("gru4rec", max_epochs=10, random_state=0).fit(train)
    clusterer, recommender = model["clu"], model["rec"]
    print(
        f"{recommender.n_items_} items fall into {clusterer.n_clusters_} clusters by who follows whom."
    )
    print(
        f"{recommender.n_epochs_} epochs trained, the best was number {recommender.best_epoch_}.\n"
    )

    _print_evaluation(model, train, test)
    _print_recommendations(model, test[0][:2])
    _save_and_load(model, test)


def _print_evaluation(model: Pipeline, train: Sessions, test: Sessions) -> None:
    ranked = model.ranks(test)
    print(
        f"{len(ranked.ranks):,} next items to find, each ranked among all items".ljust(56),
        *METRICS,
        sep="  ",
    )
    for name, ranks in (
        ("most popular items", _popularity_ranks(ranked, train)),
        ("this model", ranked.ranks),
    ):
        values = ranking_metrics(ranks, METRICS)
        print(
            f"  {name}".ljust(56),
            *(f"{values[metric]:.3f}".rjust(len(metric)) for metric in METRICS),
            sep="  ",
        )
    print()


def _popularity_ranks(ranked: RankedTargets, train: Sessions) -> np.ndarray:
    """Rank of each target when all visitors get the most frequent items; unknown targets stay misses."""
    counts = np.sort(np.bincount(train.codes))
    return np.where(ranked.counts > 0, len(counts) - np.searchsorted(counts, ranked.counts), np.inf)


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
        same = (load(path).predict_topk(test, k=5) == model.predict_topk(test, k=5)).all()
        verdict = "the same answers" if same else "other answers"
        print(f"Saved in {path.stat().st_size / 1000:.0f} kB, loaded again: {verdict}.")

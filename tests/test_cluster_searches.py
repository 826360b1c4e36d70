"""Searches whose fits run on engines that joblib knows: the same scores, sessions sent once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sessionprompt import Sessions
from sessionprompt.baselines import VSKNN
from sessionprompt.datasets import make_sessions
from sessionprompt.metrics import SessionScorer
from sessionprompt.model_selection import TemporalSessionSplit

pytestmark = pytest.mark.slow
K = [5, 20, 100]


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return make_sessions(200, n_items=40, n_clusters=4, random_state=0)


def searched(sessions: Sessions, **settings: Any) -> Any:
    """Scores of a small search."""
    search = GridSearchCV(
        VSKNN(),
        {"n_neighbors": K},
        cv=TemporalSessionSplit(3),
        scoring=SessionScorer(["mrr@5", "recall@5"]),
        refit=False,
        **settings,
    ).fit(sessions)
    return search.cv_results_


@pytest.fixture(scope="module")
def alone(sessions: Sessions) -> Any:
    return searched(sessions)


def assert_same_scores(one: Any, other: Any) -> None:
    names = [name for name in one if name.startswith("split") and "test_" in name]
    assert len(names) == 6
    for name in names:
        np.testing.assert_array_equal(one[name], other[name])


@contextmanager
def counted_pickles(patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Lengths of the containers of sessions that are pickled in this process."""
    seen: list[int] = []

    def reduced(self: Sessions, protocol: Any) -> Any:
        seen.append(len(self))
        return object.__reduce_ex__(self, protocol)

    with patch.context() as inner:
        inner.setattr(Sessions, "__reduce_ex__", reduced)
        yield seen


def test_dask_is_sent_the_sessions_once(
    sessions: Sessions, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with (
        cluster,
        distributed.Client(cluster),
        counted_pickles(monkeypatch) as seen,
        joblib.parallel_config("dask", scatter=[sessions]),
    ):
        found = searched(sessions)
    assert_same_scores(found, alone)
    assert len(seen) < len(K) * 3  # fewer than there are fits


def test_ray_finds_the_same_scores(sessions: Sessions, alone: Any) -> None:
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config("ray", n_jobs=2):
            found = searched(sessions)
    finally:
        ray.shutdown()
    assert_same_scores(found, alone)


def test_processes_of_joblib_find_the_same_scores(sessions: Sessions, alone: Any) -> None:
    assert_same_scores(searched(sessions, n_jobs=2), alone)


def share_of_trials(file: str, sessions: Sessions, n: int) -> None:
    """Work of a process: trials of a study that others work on, too."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(file))
    study = optuna.load_study(study_name="search", storage=storage)

    def score(trial: Any) -> float:
        model = VSKNN(n_neighbors=trial.suggest_categorical("n_neighbors", K))
        return model.fit(sessions[:150]).score(sessions[150:])

    study.optimize(score, n_trials=n)


@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_processes_share_the_trials_of_a_study(
    sessions: Sessions, tmp_path: Any, backend: str
) -> None:
    optuna = pytest.importorskip("optuna")
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    file = str(tmp_path / "study.log")
    storage = JournalStorage(JournalFileBackend(file))
    study = optuna.create_study(study_name="search", storage=storage, direction="maximize")
    work = joblib.delayed(share_of_trials)
    if backend == "dask":
        distributed = pytest.importorskip("distributed")
        with (
            distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None),
            joblib.parallel_config("dask", scatter=[sessions]),
        ):
            joblib.Parallel()(work(file, sessions, 3) for _ in range(2))
    else:
        joblib.Parallel(n_jobs=2, backend=backend)(work(file, sessions, 3) for _ in range(2))
    alone = {k: VSKNN(n_neighbors=k).fit(sessions[:150]).score(sessions[150:]) for k in K}
    assert len(study.trials) == 6
    assert all(trial.value == alone[trial.params["n_neighbors"]] for trial in study.trials)

"""Packages that each import loads in a fresh interpreter: heavy ones come when they are used."""

from __future__ import annotations

import importlib.util
import json
import pickle
import subprocess
import sys

import pytest

from sessionprompt import PromptedSessionRecommender

HEAVY = (
    "torch",
    "sklearn",
    "scipy",
    "igraph",
    "leidenalg",
    "skorch",
    "matplotlib",
    "pandas",
    "polars",
    "pyarrow",
)
NAMES = {
    "package": "import sessionprompt",
    "sessions": "from sessionprompt import Sessions; Sessions.from_lists([['a', 'b']])",
    "clusterer": "from sessionprompt import ItemClusterer",
    "plotting": "import sessionprompt.plotting",
}
FIT = "ItemClusterer(algorithm={!r}).fit([['a', 'b'], ['b', 'c']])"
WITHOUT_TRAINING = {
    "igraph": FIT.format("igraph"),
    "leidenalg": FIT.format("leidenalg"),
    "baseline": (
        "from sessionprompt.baselines import SLIST;"
        "assert SLIST().fit([['a', 'b'], ['b', 'c']]).score([['a', 'b']]) == 1"
    ),
}
FREE_OF_GPL = """
from sessionprompt import Pipeline, PromptedSessionRecommender
sessions = [["a", "b", "a"], ["x", "y", "x"], ["b", "x"]] * 2
clusterer = ItemClusterer(algorithm="sknetwork", random_state=0)
settings = dict(dim=4, max_epochs=1, loss="clusters", refit=False, random_state=0)
pipeline = Pipeline([("clu", clusterer), ("rec", PromptedSessionRecommender(**settings))])
assert pipeline.fit(sessions).predict([["a"], ["new", "x"]], k=2).shape == (2, 2)
"""
WITHOUT_CLUSTERING = {
    "pipeline": "from sessionprompt import make_session_pipeline",
    "training": (
        "model = pickle.loads({pickled!r}).fit([['a', 'b'], ['b', 'c']]);"
        "assert model.predict([['a'], ['b']], k=2).tolist() == {predicted}"
    ),
}


def lines_of(steps: dict[str, str]) -> list[str]:
    """Steps, each followed by a line of output: its name and the heavy packages loaded then."""
    lines = []
    for name, step in steps.items():
        found = f"[name for name in {HEAVY} if name in sys.modules]"
        lines += [step, f"print(json.dumps([{name!r}, {found}]), flush=True)"]
    return lines


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Heavy packages after each step of an interpreter that goes two ways after the names.

    What it trains comes pickled, as searches send estimators to other processes.
    """
    model = PromptedSessionRecommender(
        prompts=(), dim=4, max_epochs=1, validation_fraction=None, random_state=0
    )
    training = WITHOUT_CLUSTERING["training"].format(
        pickled=pickle.dumps(model),
        predicted=model.fit([["a", "b"], ["b", "c"]]).predict([["a"], ["b"]], k=2).tolist(),
    )
    lines = ["import json, os, pickle, sys", *lines_of(NAMES), "child = os.fork()", "if not child:"]
    lines += [f"    {line}" for line in [*lines_of(WITHOUT_TRAINING), "os._exit(0)"]]
    lines += ["assert os.waitpid(child, 0)[1] == 0"]
    steps = {**WITHOUT_CLUSTERING, "training": training}
    if importlib.util.find_spec("sknetwork") is not None:
        steps["free of GPL"] = FREE_OF_GPL
    lines += lines_of(steps)
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name: set(found) for name, found in map(json.loads, done.stdout.splitlines())}


def test_the_package_itself_brings_nothing(loaded: dict[str, set[str]]) -> None:
    assert loaded["package"] == set()


def test_sessions_bring_neither_models_nor_tables(loaded: dict[str, set[str]]) -> None:
    assert loaded["sessions"] <= {"scipy"}


def test_names_bring_no_package_that_only_work_needs(
    loaded: dict[str, set[str]],
) -> None:
    for found in (loaded["clusterer"], loaded["plotting"], loaded["pipeline"]):
        assert "sklearn" in found
        assert not {"igraph", "leidenalg", "skorch", "matplotlib"} & found


def test_clustering_brings_what_it_uses(loaded: dict[str, set[str]]) -> None:
    # igraph itself opens matplotlib where that is installed
    assert "igraph" in loaded["igraph"]
    assert not {"torch", "skorch", "leidenalg"} & loaded["igraph"]
    assert "leidenalg" in loaded["leidenalg"]
    assert not {"torch", "skorch"} & loaded["leidenalg"]


def test_baselines_need_no_torch(loaded: dict[str, set[str]]) -> None:
    assert not {"torch", "skorch"} & loaded["baseline"]


def test_training_brings_no_clustering(loaded: dict[str, set[str]]) -> None:
    assert {"torch", "skorch"} <= loaded["training"]
    assert not {"igraph", "leidenalg", "matplotlib"} & loaded["training"]


def test_clusters_and_recommendations_can_do_without_packages_under_the_gpl(
    loaded: dict[str, set[str]],
) -> None:
    if "free of GPL" not in loaded:
        pytest.skip("scikit-network is not installed")
    assert not {"igraph", "leidenalg"} & loaded["free of GPL"]

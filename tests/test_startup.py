"""Packages that each import loads in a fresh interpreter: heavy ones come when they are used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
FIT = "ItemClusterer(algorithm={!r}).fit([['a', 'b'], ['b', 'c']])"
WITHOUT_TRAINING = {
    "package": "import sessionprompt",
    "sessions": "from sessionprompt import Sessions; Sessions.from_lists([['a', 'b']])",
    "clusterer": "from sessionprompt import ItemClusterer",
    "igraph": FIT.format("igraph"),
    "leidenalg": FIT.format("leidenalg"),
    "baseline": (
        "from sessionprompt.baselines import SLIST;"
        "assert SLIST().fit([['a', 'b'], ['b', 'c']]).score([['a', 'b']]) == 1"
    ),
}
WITHOUT_CLUSTERING = {
    "pipeline": "from sessionprompt import make_session_pipeline",
    "training": (
        "from sessionprompt import PromptedSessionRecommender;"
        "PromptedSessionRecommender(prompts=(), dim=4, max_epochs=1, validation_fraction=None)"
        ".fit([['a', 'b'], ['b', 'c']]).predict([['a']], k=1)"
    ),
}


def loaded_after(steps: dict[str, str]) -> dict[str, set[str]]:
    """Heavy packages that one interpreter has loaded after each of some steps."""
    lines = ["import json, sys"]
    for step in steps.values():
        lines += [step, f"print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    found = [set(json.loads(line)) for line in done.stdout.splitlines()]
    return dict(zip(steps, found, strict=True))


@pytest.fixture(scope="module")
def without_training() -> dict[str, set[str]]:
    return loaded_after(WITHOUT_TRAINING)


@pytest.fixture(scope="module")
def without_clustering() -> dict[str, set[str]]:
    return loaded_after(WITHOUT_CLUSTERING)


def test_the_package_itself_brings_nothing(without_training: dict[str, set[str]]) -> None:
    assert without_training["package"] == set()


def test_sessions_bring_neither_models_nor_tables(without_training: dict[str, set[str]]) -> None:
    assert without_training["sessions"] <= {"scipy"}


def test_names_bring_no_package_that_only_work_needs(
    without_training: dict[str, set[str]], without_clustering: dict[str, set[str]]
) -> None:
    for found in (without_training["clusterer"], without_clustering["pipeline"]):
        assert "sklearn" in found
        assert not {"igraph", "leidenalg", "skorch", "matplotlib"} & found


def test_clustering_brings_what_it_uses(without_training: dict[str, set[str]]) -> None:
    # igraph itself opens matplotlib where that is installed
    assert "igraph" in without_training["igraph"]
    assert not {"torch", "skorch", "leidenalg"} & without_training["igraph"]
    assert "leidenalg" in without_training["leidenalg"]
    assert not {"torch", "skorch"} & without_training["leidenalg"]


def test_baselines_need_no_torch(without_training: dict[str, set[str]]) -> None:
    assert not {"torch", "skorch"} & without_training["baseline"]


def test_training_brings_no_clustering(without_clustering: dict[str, set[str]]) -> None:
    assert {"torch", "skorch"} <= without_clustering["training"]
    assert not {"igraph", "leidenalg", "matplotlib"} & without_clustering["training"]

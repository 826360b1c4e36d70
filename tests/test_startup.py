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
TRAIN = (
    "PromptedSessionRecommender(prompts=(), dim=4, max_epochs=1, validation_fraction=None)"
    ".fit([['a', 'b'], ['b', 'c']]).predict([['a']], k=1)"
)


def loaded_by(program: str) -> set[str]:
    """Heavy packages that a program has loaded when it ends."""
    program = (
        f"import json, sys\n{program}\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_itself_brings_nothing() -> None:
    assert loaded_by("import sessionprompt") == set()


def test_sessions_bring_neither_models_nor_tables() -> None:
    made = "from sessionprompt import Sessions\nSessions.from_lists([['a', 'b']])"
    assert loaded_by(made) <= {"scipy"}


@pytest.mark.parametrize("name", ["ItemClusterer", "make_session_pipeline"])
def test_names_bring_no_package_that_only_work_needs(name: str) -> None:
    found = loaded_by(f"from sessionprompt import {name}")
    assert "sklearn" in found
    assert not {"igraph", "leidenalg", "skorch", "matplotlib"} & found


@pytest.mark.parametrize(("algorithm", "other"), [("igraph", {"leidenalg"}), ("leidenalg", set())])
def test_clustering_brings_what_it_uses(algorithm: str, other: set[str]) -> None:
    found = loaded_by("from sessionprompt import ItemClusterer\n" + FIT.format(algorithm))
    assert algorithm in found
    # igraph itself opens matplotlib where that is installed
    assert not {"torch", "skorch", *other} & found


def test_training_brings_no_clustering() -> None:
    found = loaded_by("from sessionprompt import PromptedSessionRecommender\n" + TRAIN)
    assert {"torch", "skorch"} <= found
    assert not {"igraph", "leidenalg", "matplotlib"} & found

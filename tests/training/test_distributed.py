"""Training in several processes against the same training in one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # the shares' law is in test_shares.py
SCRIPT = Path(__file__).with_name("processes.py")
EXACT = ("full", "sampled", "clusters", "few windows")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Fits in processes and alone, as `processes.py` makes them."""
    folder = tmp_path_factory.mktemp("processes")
    command = [sys.executable, str(SCRIPT), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return pickle.loads((folder / "found").read_bytes())


def assert_same_training(one: dict[str, Any], other: dict[str, Any]) -> None:
    np.testing.assert_allclose(one["losses"], other["losses"], rtol=2e-5)
    np.testing.assert_allclose(one["tables"], other["tables"], rtol=2e-3, atol=2e-4)
    assert len(one["history"]) == len(other["history"])
    for row, twin in zip(one["history"], other["history"], strict=True):
        assert row == pytest.approx(twin, rel=1e-4)
    assert one["lists"] == other["lists"]


@pytest.mark.parametrize("name", EXACT)
def test_processes_take_the_steps_of_one(found: dict[str, Any], name: str) -> None:
    alone = found["alone"][name]
    assert len(alone["losses"]) > 4
    for shared in found["shared"]:
        assert_same_training(shared[name], alone)


@pytest.mark.parametrize("name", ["sampled", "clusters"])
def test_three_processes_that_send_rows_take_them_too(found: dict[str, Any], name: str) -> None:
    for shared in found["three"]:
        assert_same_training(shared[name], found["alone"][name])


@pytest.mark.parametrize("name", [*EXACT, "own draws"])
def test_processes_end_with_the_same_weights(found: dict[str, Any], name: str) -> None:
    first, second = (shared[name] for shared in found["shared"])
    np.testing.assert_array_equal(first["weights"], second["weights"])
    np.testing.assert_array_equal(first["tables"], second["tables"])
    assert first["history"] == second["history"]


def test_processes_with_other_sessions_are_refused(found: dict[str, Any]) -> None:
    for answer in found["unlike"]:
        assert answer.startswith("ValueError: processes 0 and 1 of 2 would train on other sessions")


def test_a_process_that_ends_ends_the_others_with_a_sentence(found: dict[str, Any]) -> None:
    killed = found["killed"]
    survivor, gone = killed["answers"]
    assert gone is None
    assert survivor.startswith("ConnectionError: another of the 2 processes")
    assert "checkpoint_dir" in survivor
    assert killed["written"] == ["selection.pt"]


def test_one_process_goes_on_where_two_were_ended(found: dict[str, Any]) -> None:
    resumed = found["killed"]["resumed"]
    alone = found["alone"]["full"]
    n_left = len(resumed["losses"])
    assert n_left < len(alone["losses"])
    np.testing.assert_allclose(resumed["losses"], alone["losses"][-n_left:], rtol=2e-5)
    np.testing.assert_allclose(resumed["weights"], alone["weights"], rtol=2e-3, atol=2e-4)

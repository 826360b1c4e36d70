"""The command ``fit`` started by torchrun: one model, as one process makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sessionprompt import load
from sessionprompt.cli import main
from sessionprompt.datasets import make_sessions

OPTIONS = ["--session", "session", "--epochs", "1", "--dim", "8", "--set", "loss=full"]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    sessions = make_sessions(60, n_items=20, n_clusters=2, random_state=0)
    rows = zip(
        np.repeat(np.arange(len(sessions)), sessions.lengths).tolist(),
        sessions.vocabulary.decode(sessions.codes).tolist(),
        strict=True,
    )
    path = tmp_path / "events.csv"
    lines = ["session,item", *(f"{session},{item}" for session, item in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def fit_by_torchrun(events: Path, model: Path) -> subprocess.CompletedProcess[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*torchrun, "--nproc-per-node", "2", "-m", "sessionprompt", "fit", str(events)]
    command += ["--model", str(model), *OPTIONS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)


@pytest.mark.slow
def test_processes_save_the_model_of_one(events: Path, tmp_path: Path) -> None:
    done = fit_by_torchrun(events, tmp_path / "shared")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch") == 2  # the recommender's line, and the summary
    words = ["fit", str(events), "--model", str(tmp_path / "alone"), "--quiet", *OPTIONS]
    assert main(words) == 0
    one = load(tmp_path / "alone")
    shared = load(tmp_path / "shared")
    np.testing.assert_allclose(
        shared[-1].item_vectors_, one[-1].item_vectors_, rtol=2e-3, atol=2e-4
    )
    prefixes = [["item-03"], ["item-01", "item-02"]]
    assert shared.predict(prefixes, k=3).tolist() == one.predict(prefixes, k=3).tolist()


def test_standard_input_cannot_be_shared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["fit", "-", "--model", str(tmp_path / "model"), "--session", "session"]) == 2
    assert "standard input reaches one of several processes alone" in capsys.readouterr().err

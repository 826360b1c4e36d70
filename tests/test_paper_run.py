"""The runner of the paper's experiments: the smallest tier, its controls, nothing run twice."""

from __future__ import annotations

import importlib.util
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
EXPERIMENTS = ("table2", "figure2", "table3", "figure3")


def smoke(experiment: str, folder: Path) -> list[dict[str, Any]]:
    """Run an experiment's smallest tier and return its lines."""
    script = BENCHMARKS / "paper" / "run.py"
    command = [sys.executable, str(script), experiment, "--tier", "smoke", "--output", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return [
        json.loads(text)
        for file in sorted(folder.glob(f"{experiment}*.jsonl"))
        for text in file.open()
    ]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_smoke_tier_and_its_report(experiment: str, tmp_path: Path) -> None:
    lines = smoke(experiment, tmp_path)
    runs = [line for line in lines if line["kind"] == "run"]
    assert runs and all(0 < line["test"]["mrr@5"] < 1 for line in runs)
    assert len(
        {
            json.dumps([line[key] for key in ("backbone", "arm", "seed", "resolution")])
            for line in runs
        }
    ) == len(runs)
    # all there: nothing is trained again, comparisons come out the same
    assert smoke(experiment, tmp_path) == lines
    report = [sys.executable, str(BENCHMARKS / "paper" / "report.py"), str(tmp_path)]
    # which checks every comparison against its runs
    subprocess.run(report, check=True, capture_output=True)
    text = (tmp_path / "report.md").read_text()
    # there it is a mean over seeds
    assert f"{100 * runs[0]['test']['mrr@5']:.2f}" in text or experiment == "table2"


def test_an_experiment_takes_over_what_another_has_trained(tmp_path: Path) -> None:
    key = {"kind": "run", "backbone": "gru4rec", "arm": "prompted", "seed": 0}
    [trained] = [line for line in smoke("table2", tmp_path) if key.items() <= line.items()]
    taken = [line for line in smoke("table3", tmp_path) if line.get("same_run_as")]
    assert [line["same_run_as"] for line in taken] == ["table2"]
    assert taken[0]["test"] == trained["test"]


def test_lines_outlive_their_ranks_which_one_option_makes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gru4rec(*options: str) -> list[str]:
        """Lines after a run of one backbone with one seed, in this process."""
        words = ["run.py", "table2", "--output", str(tmp_path)]
        words += ["--only", "gru4rec", "--arms", "plain,prompted", "--seeds", "0"]
        monkeypatch.setattr(sys, "argv", [*words, *options])
        runpy.run_path(str(BENCHMARKS / "paper" / "run.py"), run_name="__main__")
        return [text for file in sorted(tmp_path.glob("*.jsonl")) for text in file.open()]

    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "paper"), str(BENCHMARKS), *sys.path])
    ranks = tmp_path / "ranks"
    comparisons = tmp_path / "table2.comparisons.jsonl"
    lines = gru4rec()
    kept = {path.name: path.read_bytes() for path in ranks.iterdir()}
    shutil.rmtree(ranks)
    assert gru4rec() == lines and not ranks.exists()
    comparisons.unlink()
    with pytest.raises(SystemExit, match="--ranks makes missing ranks again"):
        gru4rec()
    assert gru4rec("--ranks") == lines
    assert {path.name: path.read_bytes() for path in ranks.iterdir()} == kept


@pytest.fixture(scope="module")
def train_module() -> ModuleType:
    sys.path.append(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("_train", BENCHMARKS / "_train.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    sys.path.remove(str(BENCHMARKS))
    return module


@pytest.mark.parametrize("kind", ["one", "random", "permuted"])
def test_controls_keep_sizes_and_lose_meaning(kind: str, train_module: ModuleType) -> None:
    from sessionprompt import ItemClusterer
    from sessionprompt.datasets import make_sessions
    from sessionprompt.graphs import strengths

    sessions = make_sessions(500, n_items=200, n_clusters=5, random_state=0)
    real = ItemClusterer(random_state=0).fit(sessions)
    control = train_module.ControlClusterer(kind, 1.0, 0).fit(sessions)
    if kind == "one":
        assert control.n_clusters_ == 1
        return
    assert sorted(control.cluster_sizes_) == sorted(real.cluster_sizes_)
    assert control.modularity_ < 0.2 < 0.5 < real.modularity_
    octave = np.log2(1 + strengths(real.graph_)).astype(int)
    same = [
        sorted(np.bincount(labels[octave == k], minlength=real.n_clusters_))
        for labels in (real.labels_, control.labels_)
        for k in np.unique(octave)
    ]
    half = len(same) // 2
    assert (same[:half] == same[half:]) == (kind == "permuted")

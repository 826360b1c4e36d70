"""The runner of the paper's experiments: the smallest tier, its controls, nothing run twice."""

from __future__ import annotations

import importlib.util
import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
EXPERIMENTS = ("table2", "figure2", "table3", "figure3")


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call a script of the paper's folder with words of the command line, in this process."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS / "paper"), str(BENCHMARKS), *sys.path])

    def call(script: str, *words: str) -> None:
        monkeypatch.setattr(sys, "argv", [script, *words])
        runpy.run_path(str(BENCHMARKS / "paper" / script), run_name="__main__")

    return call


def lines_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for file in sorted(folder.glob("*.jsonl")) for text in file.open()]


def test_smoke_tiers_and_their_report(paper: Callable[..., None], tmp_path: Path) -> None:
    for experiment in EXPERIMENTS:
        paper("run.py", experiment, "--tier", "smoke", "--output", str(tmp_path))
    lines = lines_in(tmp_path)
    runs = [line for line in lines if line["kind"] == "run"]
    assert {line["experiment"] for line in runs} == set(EXPERIMENTS)
    assert all(0 < line["test"]["mrr@5"] < 1 for line in runs)
    keys = ("experiment", "backbone", "arm", "seed", "resolution")
    assert len({json.dumps([line[key] for key in keys]) for line in runs}) == len(runs)
    check_taken_runs(runs)
    # all there: nothing is trained again, comparisons come out the same
    for experiment in EXPERIMENTS:
        paper("run.py", experiment, "--tier", "smoke", "--output", str(tmp_path))
    assert lines_in(tmp_path) == lines
    # which checks every comparison against its runs
    paper("report.py", str(tmp_path))
    text = (tmp_path / "report.md").read_text()
    for experiment in ("figure2", "table3", "figure3"):  # table 2 has means over seeds
        run = next(line for line in runs if line["experiment"] == experiment)
        assert f"{100 * run['test']['mrr@5']:.2f}" in text


def check_taken_runs(runs: list[dict[str, Any]]) -> None:
    """Check that an experiment takes over what another has trained."""
    trained = {line["ranks"]: line["test"] for line in runs if line["experiment"] == "table2"}
    taken = [line for line in runs if line.get("same_run_as")]
    assert {line["same_run_as"] for line in taken} == {"table2"}
    assert "table3" in {line["experiment"] for line in taken}
    assert all(line["test"] == trained[line["ranks"]] for line in taken)


def test_lines_outlive_their_ranks_which_one_option_makes_again(
    paper: Callable[..., None], tmp_path: Path
) -> None:
    def gru4rec(*options: str) -> list[dict[str, Any]]:
        """Lines after a run of one backbone with one seed."""
        words = ["table2", "--output", str(tmp_path)]
        words += ["--only", "gru4rec", "--arms", "plain,prompted", "--seeds", "0"]
        paper("run.py", *words, *options)
        return lines_in(tmp_path)

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

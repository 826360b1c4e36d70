"""Attributes at the command line: of items from a file of their own, of events from theirs."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from sessionprompt.cli import main
from sessionprompt.persistence import load

COLUMNS = ["--session", "session", "--time", "time"]
TINY = ["--epochs", "1", "--dim", "8", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attributes")
    rows = [(visit, visit % 5 + step, 10 * visit + step) for visit in range(40) for step in (0, 1)]
    events = pl.DataFrame(rows, schema=["session", "item", "time"], orient="row")
    events = events.with_columns(action=pl.when(pl.col("item") > 2).then(1).otherwise(2))
    events.write_csv(folder / "events.csv")
    lines = ["item,brand,price,size", *(f"{n},b{n % 2},{n}.5,{n}" for n in range(7)), "7,b0,,"]
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_fit_evaluate_and_recommend(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = folder / "model.zip"
    options = ["--items", folder / "items.csv", "--attributes", "brand,price,size"]
    options += ["--event-attributes", "action", "--cold-items", "--set", "att__n_bins=3"]
    events = folder / "events.csv"
    fit = ["fit", events, "--model", model, *COLUMNS, *TINY, *options]
    assert main([str(word) for word in fit]) == 0
    read = load(model)
    assert read[-1].prompts == ("cluster", "brand", "price", "size", "action")
    assert read[-1].items_.tolist() == list(range(8))
    assert read[-1].encoder_.prompt_sizes["price"] == 3
    capsys.readouterr()
    evaluate = ["evaluate", events, "--model", model, *COLUMNS, "--slices", "cold"]
    assert main([str(word) for word in evaluate]) == 0
    assert json.loads(capsys.readouterr().out)["slices"]["cold"]["warm"]["n"] == 40
    assert main([str(word) for word in [*evaluate, "--targets", "action=1"]]) == 0
    assert json.loads(capsys.readouterr().out)["n_targets"] == 24
    recommend = ["recommend", events, "--model", model, *COLUMNS, "-k", "3"]
    assert main([str(word) for word in recommend]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--attributes", "brand"], "name its file with --items"),
        (["--items", "items.csv"], "--attributes none of its columns"),
        (["--items", "none.csv", "--attributes", "brand"], "none.csv: there is no such file"),
        (["--items", "items.csv", "--attributes", "colour"], "colour"),
        (["--event-attributes", "device"], "device"),
        (["--targets", "device=app"], "device"),
        (["--targets", "action=9"], "{'action': [9]}: no event has such a value; there are 1, 2"),
    ],
)
def test_faults(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    options = [str(folder / word) if word.endswith(".csv") else word for word in options]
    fit = ["fit", f"{folder}/events.csv", "--model", f"{folder}/other.zip", *COLUMNS, *TINY]
    assert main([*fit, *options]) == 2
    assert words in capsys.readouterr().err

"""Titles and newest sessions at the command line: the table is that of the library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sessionprompt.baselines import SequentialRules
from sessionprompt.cli import main
from sessionprompt.persistence import save
from sessionprompt.sessions import Sessions

NAMED = SequentialRules().fit([["tea", "cup"], ["tea", "pot"], ["cup", "007"]])
NUMBERED = SequentialRules().fit([[1, 2], [1, 3], [1, 3]])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command on a log of two users with a model, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(model: Any, first: str, second: str, titles: str, *options: str) -> int:
        save(model, "m")
        Path("log.csv").write_text(
            f"user,item,time\nu,{first},1\nv,{first},2\nu,{second},90\nw,{second},95\n"
        )
        Path("titles.csv").write_text(titles)
        columns = ["--user", "user", "--time", "time", "--gap", "30s", "--titles", "titles.csv"]
        return main(["recommend", "log.csv", "--model", "m", *columns, "-k", "2", *options])

    return call


def test_the_table_is_that_of_the_library(run: Any) -> None:
    titles = 'title,item\n"Pot, large",pot\nSecret,007\n'
    assert run(NAMED, "tea", "cup", titles, "--per-user", "--output", "out.csv") == 0
    log = Sessions.from_lists(
        [["tea"], ["tea"], ["cup"], ["cup"]], users=["u", "v", "u", "w"], times=[1, 2, 90, 95]
    )
    expected = NAMED.recommend(
        log, 2, titles={"pot": "Pot, large", "007": "Secret"}, as_frame="polars", per="user"
    )
    found = pl.read_csv("out.csv", schema_overrides={"item": pl.String})
    assert found.columns == ["session", "user", "rank", "item", "title", "score"]
    assert found.drop("score").equals(expected.drop("score"))


def test_json_lines_hold_titles(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(NUMBERED, "1", "2", "item,title\nx7,Other\n3,Three\n") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 4 and rows[0]["items"] == [3, 2]
    assert rows[0]["titles"] == ["Three", None]


def test_titles_of_no_item_are_an_error(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(NUMBERED, "1", "2", "item,title\nx7,Other\n", "--output", "out.csv") == 2
    assert "titles names none of the 3 items" in capsys.readouterr().err
    assert run(NUMBERED, "1", "2", "item,name\n3,Three\n") == 2
    assert "column 'title' is not in titles.csv" in capsys.readouterr().err

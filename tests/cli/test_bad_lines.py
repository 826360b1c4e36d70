"""Lines of a log that lack something: named with a way out, or left out where that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from sessionprompt.cli import main
from sessionprompt.datasets import make_events
from sessionprompt.sessions import read_table

COLUMNS = ["--user", "user", "--time", "time", "--gap", "30min"]
LINES = [
    "user,item,time,note",
    "ann,tea,2024-05-01 10:00:00,",
    "ann,,2024-05-01 10:01:00,no item",
    ",cup,2024-05-01 10:01:00,no user",
    "ann,cup,n/a,no time",
    "ann,pot,,no time",
    "ann,cup,2024-05-01T10:02:00+00:00,",
    "bob,,yesterday,two faults",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_bad_lines_are_counted_and_left_out(log: Path) -> None:
    with pytest.warns(UserWarning, match=r"5 of 7 events .* \(first .*log.csv, line 3\)"):
        table = read_table(log, ["user", "item"], time="time", skip_bad=True)
    assert pl.DataFrame(table)["item"].to_list() == ["tea", "cup"]
    assert pl.DataFrame(table)["time"].to_list() == [1714557600, 1714557720]


def test_without_it_the_first_is_named_with_the_way_out(log: Path) -> None:
    words = r"line 3: column 'item' has a missing value \(2 in all\).*--skip-bad-lines"
    with pytest.raises(ValueError, match=words):
        read_table(log, ["item", "user"], time="time")


def test_places_are_those_of_the_file_when_lines_were_left_out(log: Path) -> None:
    log.write_text("\n".join([*LINES, "bob,tea,1714557720,a number among dates"]) + "\n")
    with (
        pytest.warns(UserWarning, match="5 of 8"),
        pytest.raises(ValueError, match=r"line 9.*is a number, but other rows hold dates"),
    ):
        read_table(log, ["item", "user"], time="time", skip_bad=True)


def test_a_log_with_bad_lines_is_learned_and_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = pl.DataFrame(make_events(40, n_items=12, n_users=9, random_state=0)).with_columns(
        pl.from_epoch("time").dt.strftime("%Y-%m-%d %H:%M:%S")
    )
    place = pl.int_range(pl.len())
    bad = events.with_columns(
        item=pl.when(place % 20 > 0).then("item"), time=pl.when(place % 30 > 0).then("time")
    )
    log = tmp_path / "log.csv"
    bad.write_csv(log)
    model = ["--model", str(tmp_path / "m.zip"), "--skip-bad-lines"]
    settings = ["--epochs", "1", "--dim", "8", "--quiet"]
    assert main(["fit", str(log), *COLUMNS, *model, *settings]) == 0
    assert "events lack an id or a time" in capsys.readouterr().err
    assert main(["recommend", str(log), *COLUMNS, *model, "-k", "2"]) == 0
    lists = [json.loads(line)["items"] for line in capsys.readouterr().out.splitlines()]
    assert all(len(items) == 2 for items in lists)

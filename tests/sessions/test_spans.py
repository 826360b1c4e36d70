"""Spans of time: one grammar for the gap between sessions and for the size of a test part."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sessionprompt.cli import main
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions, span_seconds

HALF_HOUR = [
    "30min",
    "30 min",
    " 30  min ",
    "\t30min\n",
    "0.5h",
    "0.50 h",
    "1800s",
    "1800.0s",
    "030min",
    timedelta(minutes=30),
    np.timedelta64(30, "m"),
    pd.Timedelta("30min"),
]
NOT_UNDERSTOOD = [
    "",
    " ",
    "30",
    "min",
    "30 minutes",
    "30Min",
    "30m",
    "-30min",
    "+30min",
    "1e3s",
    ".5h",
    "5.h",
    "1,5h",
    "3 0min",
    "1h 30min",
    "soon",
]
NOT_ABOVE_ZERO = [
    "0s",
    "0.0d",
    timedelta(0),
    timedelta(minutes=-1),
    np.timedelta64(0, "s"),
    np.timedelta64("NaT", "s"),
]


def cut_by(gap: Any, dated: bool) -> list[int]:
    """Lengths of the sessions of five events, with pauses up to, at, and over half an hour."""
    times = np.array([0, 1799, 3599, 5400, 7200]) + 1_600_000_000
    if dated:
        times = times.astype("datetime64[s]")
    events = pd.DataFrame({"user": 1, "item": [1, 2, 3, 4, 5], "time": times})
    return Sessions.from_events(events, user="user", time="time", gap=gap).lengths.tolist()


def split_by(test_size: Any, dated: bool) -> list[int]:
    """Test sessions among five that end more than, exactly, and less than half an hour ago."""
    times = np.array([0, 5399, 5400, 5401, 7200])
    if dated:
        times = times.astype("datetime64[s]")
    X = Sessions.from_lists([["a", "b"]] * 5, times=times)
    _, test = temporal_train_test_split(X, test_size=test_size)
    return test.ids.tolist()


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("span", HALF_HOUR)
def test_half_an_hour_for_both(span: Any, dated: bool) -> None:
    assert span_seconds("span", span) == 1800
    assert cut_by(span, dated) == [3, 2]
    assert split_by(span, dated) == [2, 3, 4]


@pytest.mark.parametrize(("name", "use"), [("gap", cut_by), ("test_size", split_by)])
@pytest.mark.parametrize("span", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_quoted(name: str, use: Any, span: str) -> None:
    with pytest.raises(ValueError) as refusal:
        use(span, True)
    assert str(refusal.value) == (
        f"{name}={span!r} is not understood; write a number and one of s, min, h, d, as in '30min'."
    )


@pytest.mark.parametrize(("name", "use"), [("gap", cut_by), ("test_size", split_by)])
@pytest.mark.parametrize("span", NOT_ABOVE_ZERO)
def test_no_length_is_no_span(name: str, use: Any, span: Any) -> None:
    with pytest.raises(ValueError) as refusal:
        use(span, True)
    assert str(refusal.value) == f"{name}={span!r} must be longer than zero and finite."


@pytest.mark.parametrize("unit", ["s", "min", "h", "d"])
def test_units(unit: str) -> None:
    seconds = {"s": 1, "min": 60, "h": 3600, "d": 86400}[unit]
    assert span_seconds("span", f"2.5{unit}") == 2.5 * seconds


def test_a_text_beyond_all_floats_is_not_finite() -> None:
    with pytest.raises(ValueError, match="must be longer than zero and finite"):
        span_seconds("gap", "9" * 400 + "d")


@pytest.mark.parametrize("span", [30, None, True, ["1h"], b"1h"])
def test_other_types_are_refused(span: Any) -> None:
    with pytest.raises(TypeError, match="span=.* must be a string such as '30min', a timedelta"):
        span_seconds("span", span)


@pytest.mark.parametrize("text", ["30", "30 minutes", "soon"])
def test_the_command_line_says_the_same(text: str, tmp_path: Path, capsys: Any) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item,time\n1,a,0\n1,b,60\n")
    columns = ["--user", "user", "--time", "time", "--gap", text]
    assert main(["fit", str(log), "--model", str(tmp_path / "m"), *columns]) == 2
    assert f"gap={text!r} is not understood; write a number" in capsys.readouterr().err

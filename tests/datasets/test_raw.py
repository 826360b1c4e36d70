"""Reading raw logs: quirks of the formats, and errors that name the place."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from sessionprompt.datasets.kinds import (
    DAY,
    MAYBE,
    MILLISECONDS,
    SECONDS,
    TEXT,
    UTC,
    UTC_MILLISECONDS,
    WHOLE,
)
from sessionprompt.datasets.raw import RawLog

pytestmark = pytest.mark.usefixtures("backend")


def log(tmp_path: Path, content: str | bytes, name: str = "log.csv", **options: object) -> RawLog:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return RawLog(path, "Get it from its page.", **options)


def test_byte_order_mark_line_ends_and_quoted_separators(tmp_path: Path) -> None:
    frame = log(tmp_path, b'\xef\xbb\xbfuser,item,n\r\nu1,"a,b",1\r\nu2,"say ""x""",2\r\n').read(
        {"n": WHOLE, "user": TEXT, "item": TEXT}
    )
    assert frame["user"].to_list() == ["u1", "u2"]
    assert frame["item"].to_list() == ["a,b", 'say "x"']
    assert frame["n"].to_list() == [1, 2]


def test_quotes_that_are_no_quotes_without_a_header(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfu1\t"Weird Al\tx\r\nu2\tB"o"b\t"\r\nu3\t\tx\r\nu4\tNA\tx'
    frame = log(
        tmp_path, content, separator="\t", names=("user", "item", "rest"), quoted=False
    ).read({"user": TEXT, "item": MAYBE}, header=False)
    assert frame["user"].to_list() == ["u1", "u2", "u3", "u4"]
    assert frame["item"].fill_null("(nothing)").to_list() == [
        '"Weird Al',
        'B"o"b',
        "(nothing)",
        "NA",
    ]


def test_names_replace_a_header(tmp_path: Path) -> None:
    made = log(tmp_path, "session_id,item_id\n1,2\n", names=("session", "item"))
    assert made.read({"item": WHOLE})["item"].to_list() == [2]


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        (
            UTC,
            ["2014-04-07T10:51:09.277Z", "2009-05-04T23:08:57Z"],
            ["2014-04-07T10:51:09", "2009-05-04T23:08:57"],
        ),
        (
            UTC_MILLISECONDS,
            ["2014-04-07T10:51:09.277Z", "2009-05-04T23:08:57Z", "2009-05-04T23:08:57.5"],
            ["2014-04-07T10:51:09.277", "2009-05-04T23:08:57", "2009-05-04T23:08:57.500"],
        ),
        (DAY, ["2016-05-31", "2016-01-01"], ["2016-05-31", "2016-01-01"]),
        (SECONDS, ["1482748617.0", "1446336000"], ["2016-12-26T10:36:57", "2015-11-01T00:00:00"]),
        (
            MILLISECONDS,
            ["1433221332117", "1506826828020"],
            ["2015-06-02T05:02:12.117", "2017-10-01T03:00:28.020"],
        ),
    ],
)
def test_times(tmp_path: Path, kind: object, texts: list[str], expected: list[str]) -> None:
    frame = log(tmp_path, "t,x\n" + "".join(f"{text},0\n" for text in texts)).read({"t": kind})
    assert (
        frame["t"].to_numpy().tolist() == np.array(expected, frame["t"].to_numpy().dtype).tolist()
    )


def test_gzip(tmp_path: Path) -> None:
    content = gzip.compress(b"a,b\n1,2\n3,4\n")
    assert log(tmp_path, content, "log.csv.gz").read({"b": WHOLE})["b"].to_list() == [2, 4]


@pytest.mark.parametrize("damage", ["cut", "checksum", "no gzip"])
def test_a_damaged_gzip_file_is_an_error(tmp_path: Path, damage: str) -> None:
    rows = "".join(f"{i},{i * 7919 % 1000}\n" for i in range(100_000))
    whole = gzip.compress(f"a,b\n{rows}".encode())
    content = {
        "cut": whole[: len(whole) // 2],
        "checksum": whole[:-8] + bytes(8),
        "no gzip": b"a,b\n1,2\n",
    }[damage]
    with pytest.raises(ValueError, match=r"log.csv.gz cannot be read \(.+\). Get it from its page"):
        log(tmp_path, content, "log.csv.gz").read({"b": WHOLE})


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("", {"a": TEXT}, "log.csv is empty. Get it from its page."),
        ("\n", {"a": TEXT}, "log.csv is empty"),
        (b"7z\xbc\xaf'\x1c\x00\x04", {"a": TEXT}, "log.csv cannot be read"),
        (
            "a;b\n1;2\n",
            {"a": TEXT},
            "has no column 'a'; its first line names 'a;b'. Get it from its page.",
        ),
        (
            "a,b\n1,2\n1,x\n",
            {"a": TEXT, "b": WHOLE},
            "line 3, column 'b': 'x' is not a whole number. Get it",
        ),
        (
            "a,b\n1,2\n,3\n",
            {"a": TEXT, "b": WHOLE},
            "line 3, column 'a': nothing is not a text. Get it",
        ),
        (
            "a,b\n1,2\n1,\n",
            {"a": TEXT, "b": WHOLE},
            "line 3, column 'b': nothing is not a whole number",
        ),
        ("a,b\n1,2\n1\n", {"a": TEXT, "b": WHOLE}, "log.csv"),
        (
            "a,b\n1,2016-05-31\n1,31.5.16\n",
            {"b": DAY},
            "line 3, column 'b': '31.5.16' is not a date such as",
        ),
        ("a,b\n1,2016-13-31\n", {"b": DAY}, "log.csv cannot be read"),
        (
            "a,b\n1,1433221332117\n",
            {"b": SECONDS},
            "read as seconds since 1970, the times go from .*another unit",
        ),
        (
            "a,b\n1,1433221332\n",
            {"b": MILLISECONDS},
            "read as milliseconds since 1970, .*another unit",
        ),
        (
            "a,b\n1,2009-05-04 23:08:57\n",
            {"b": UTC},
            "line 2, column 'b': '2009-05-04 23:08:57' is not a time such",
        ),
    ],
)
def test_errors_say_where(
    tmp_path: Path, content: str | bytes, columns: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        log(tmp_path, content).read(columns)


def test_a_log_of_other_width_and_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"has 2 fields, not the 3 of a log of a, b, c separated by ','. Get it"
    ):
        log(tmp_path, "1,2\n", names=("a", "b", "c")).read({"a": WHOLE}, header=False)
    with pytest.raises(
        FileNotFoundError, match=r"nowhere.csv: there is no such file. Get it from its page."
    ):
        RawLog(tmp_path / "nowhere.csv", "Get it from its page.").read({"a": WHOLE})


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("line", ["5", "5,", ",6,7"])
def test_a_broken_line_has_its_number(tmp_path: Path, line: str) -> None:
    content = f"a,b\n1,2\n{line}\n3,4\n".encode()
    for data, name in ((content, "log.csv"), (gzip.compress(content), "log.csv.gz")):
        with pytest.raises(ValueError, match="line 3( has|, column)"):
            log(tmp_path, data, name).read({"a": WHOLE, "b": WHOLE})

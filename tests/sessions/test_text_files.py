"""Text files of events in every form that users have; every fault has its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sessionprompt.sessions import read_table, tables, with_numbers

ROWS = [("s1", "7", "1569888000"), ("s1", "8", "1569888030"), ("s2", "7", "1569888060")]
HEADER = ("session", "item", "time")


@pytest.fixture(params=tables.BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(tables, "find_spec", lambda name: name if name == request.param else None)
    return request.param


def separated(mark: str, end: str = "\n") -> bytes:
    return "".join(mark.join(row) + end for row in (HEADER, *ROWS)).encode()


def json_lines() -> bytes:
    rows = [{"session": s, "item": int(i), "time": int(t), "x": [1]} for s, i, t in ROWS]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


PLAIN = separated(",")
FORMS: dict[str, tuple[str, bytes]] = {
    "semicolons": ("log.csv", separated(";")),
    "tabs": ("log.csv", separated("\t")),
    "bars": ("log.csv", separated("|")),
    "tsv": ("log.tsv", separated("\t")),
    "tsv.gz": ("log.tsv.gz", gzip.compress(separated("\t"))),
    "byte order mark": ("log.csv", b"\xef\xbb\xbf" + PLAIN),
    "utf-16": ("log.csv", PLAIN.decode().encode("utf-16")),
    "carriage returns": ("log.csv", separated(",", "\r\n") + b"\r\n"),
    "old carriage returns": ("log.csv", separated(",", "\r")),
    "blank last line": ("log.csv", PLAIN + b"\n"),
    "spaces in the last line": ("log.csv", PLAIN + b"   \n"),
    "blank lines": ("log.csv", PLAIN.replace(b"\n", b"\n\n")),
    "no last line end": ("log.csv", PLAIN.rstrip()),
    "quotes": ("log.csv", PLAIN.replace(b"s1", b'"s1"')),
    "jsonl": ("log.jsonl", json_lines()),
    "ndjson.gz": ("log.ndjson.gz", gzip.compress(json_lines() + b"\n")),
    "last column empty": (
        "log.csv",
        PLAIN.replace(b"\n", b",\n").replace(b"time,", b"time,note"),
    ),
}


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_events(form: str, tmp_path: Path) -> None:
    name, data = FORMS[form]
    (tmp_path / name).write_bytes(data)
    table = read_table(tmp_path / name, ["session", "item"], time="time")
    assert np.asarray(table["session"]).tolist() == ["s1", "s1", "s2"]
    assert np.asarray(table["item"]).tolist() == [7, 8, 7]
    assert np.asarray(table["time"]).tolist() == [1569888000, 1569888030, 1569888060]


@pytest.mark.parametrize("mark", [" UTC", "UTC", " GMT", "Z", "+00:00", ""])
def test_zones_in_words(mark: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(f"item,t\n1,2019-10-01 00:00:00{mark}\n")
    table = read_table(tmp_path / "log.csv", ["item"], time="t")
    assert np.asarray(table["t"]).tolist() == [1569888000]


def test_numbers_with_an_exponent(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("item,t\n1,1.569888E+09\n")
    table = read_table(tmp_path / "log.csv", ["item"], time="t")
    assert np.asarray(table["t"]).tolist() == [1569888000]


def test_words_of_json_stay_words(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"item": "7"}\n{"item": "8"}\n')
    assert np.asarray(read_table(tmp_path / "log.jsonl", ["item"])["item"]).tolist() == ["7", "8"]


LONG = "".join(f"s{k},{k},5\n" for k in range(5000))
FAULTS = [
    ("log.csv", "session,item,time\ns1,1,5\ns1,2\n", "line 3 has 2 fields, and the first has 3"),
    ("log.csv", "session,item,time\ns1,1,5\n\ns1,2,5,6\n", "line 4 has 4 fields"),
    ("log.csv", f"session,item,time\n{LONG}s1,\n", "line 5002 has 2 fields"),
    ("log.csv", "session,item,time\ns1,1,5\ns1,,5\n", "line 3: column 'item' has a missing"),
    ("log.csv", 'session,item,time\n"s\n1",1,5\ns1,2,noon\n', "line 4.*'noon' is neither"),
    ("log.csv", "session,item,time\ns1,1,2020-01-01\ns1,2,5\n", "line 3.*'5' is a number, but"),
    ("log.csv", "session,item,time\ns1,1,12345678901234567890\n", "line 2: time 1234.* 20 digits"),
    ("log.csv", "session,item,time\ns1,1,9223372036854775808\n", "line 2: time 922.* 19 digits"),
    ("log.csv", "session,item,item,time\ns1,1,1,5\n", "2 columns 'item'; rename"),
    ("log.csv", "session,thing,time\ns1,1,5\n", "column 'item' is not in .*log.csv; it has"),
    ("log.csv", "", "cannot be read .it is empty"),
    ("log.jsonl", '{"session": 1, "item": 2, "time": 3}\n{"session"', "line 2 is no JSON"),
    ("log.jsonl", '{"session": 1, "item": [2], "time": 3}\n', "line 1: 'item' is .* neither text"),
    ("log.jsonl", '{"session": 1, "item": true, "time": 3}\n', "line 1: 'item' is True"),
    ("log.jsonl", '\n{"session": 1, "item": 2, "time": 3}\n5\n', "line 2 is no JSON object"),
    ("log.jsonl", '{"session": 1, "item": 2}\n', "column 'time' is not in"),
    ("log.jsonl", '{"session": 1, "item": 2, "time": 3}\n{"item": 2, "time": 4}\n', "line 2: col"),
    ("log.jsonl", "[" * 100_000, "line 1 is no JSON"),
]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("name", "text", "words"), FAULTS)
def test_faults_have_their_line(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        read_table(tmp_path / name, ["session", "item"], time="time")


@pytest.mark.parametrize(
    "data", [b"session,item,time\n\xe9,1,5\n", b"\x1f\x8bno gzip", b"a" * 200_000, bytes(9)]
)
def test_what_is_no_text_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(data)
    with pytest.raises(ValueError, match="cannot be read"):
        read_table(tmp_path / "log.csv", ["session", "item"], time="time")


@pytest.mark.parametrize("make", tables.BACKENDS)
def test_numbers_for_ids_that_are_none(
    make: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: name if name == make else None)
    (tmp_path / "log.csv").write_text("item\n3\nSKU\n-4\nSKU\n007\n")
    table = read_table(tmp_path / "log.csv", ["item"])
    with pytest.warns(UserWarning, match=r"3 of 5 events .*first 'SKU'.*unknown"):
        made, names = with_numbers(table, "item", [3, -9])
    first, sku, low, again, seven = np.asarray(made["item"]).tolist()
    assert (first, low, sku) == (3, -4, again) and {sku, seven}.isdisjoint({3, -4, -9})
    assert names == {sku: "SKU", seven: "007"}

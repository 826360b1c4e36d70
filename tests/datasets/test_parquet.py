"""Prepared Parquet files: order, parts and errors; and the counts of real logs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest

from sessionprompt.datasets import load_parquet, paper_filter
from sessionprompt.sessions import Sessions, find_backend, loaded_backend


def write(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "log.parquet"
    pd.DataFrame(columns).to_parquet(path)
    return path


def shuffled(seed: int) -> dict[str, Any]:
    """Rows of 60 sessions in no order; times do not always rise with the place."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, size=60)
    session = np.repeat(rng.permutation(60), lengths)
    rows = rng.permutation(len(session))
    pos = np.concatenate([np.arange(length) for length in lengths])
    columns = {"session_id": session, "pos": pos, "item_id": rng.integers(20, size=len(session))}
    columns |= {"user_id": session % 7, "ts": rng.integers(50, size=len(session))}
    return {name: column[rows] for name, column in columns.items()}


def plain(columns: dict[str, Any]) -> dict[int, list[tuple[int, int]]]:
    """Places and items by session, in order."""
    sessions: dict[int, list[tuple[int, int]]] = {}
    for row, session in enumerate(columns["session_id"].tolist()):
        sessions.setdefault(session, []).append((columns["pos"][row], row))
    return {session: sorted(places) for session, places in sorted(sessions.items())}


def test_a_library_that_is_loaded_already_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_backend() == "polars"
    monkeypatch.delitem(sys.modules, "polars", raising=False)
    assert loaded_backend() == "pyarrow"
    monkeypatch.setitem(sys.modules, "polars", polars)
    assert loaded_backend() == "polars"


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("user", [True, False])
@pytest.mark.parametrize("time", [True, False])
def test_events_are_in_the_order_of_their_places(tmp_path: Path, user: bool, time: bool) -> None:
    columns = shuffled(0)
    left_out = {name for name, there in (("user_id", user), ("ts", time)) if not there}
    loaded = load_parquet(
        write(tmp_path, **{k: v for k, v in columns.items() if k not in left_out})
    )
    rows = {session: [row for _, row in places] for session, places in plain(columns).items()}
    if time:
        rows = dict(sorted(rows.items(), key=lambda entry: columns["ts"][entry[1][-1]]))
    order = [row for session in rows.values() for row in session]
    assert loaded.ids.tolist() == list(rows)
    assert loaded.to_lists() == [columns["item_id"][session].tolist() for session in rows.values()]
    assert not user or loaded.users.tolist() == [session % 7 for session in rows]
    assert not time or loaded.event_times.tolist() == columns["ts"][order].tolist()
    assert (loaded.users is None, loaded.event_times is None) == (not user, not time)


@pytest.mark.usefixtures("backend")
def test_a_split_in_the_file_is_kept(tmp_path: Path) -> None:
    columns = shuffled(1)
    split = np.where(columns["session_id"] % 3 == 0, "test", "train")
    train, test = load_parquet(write(tmp_path, **columns, split=pd.Categorical(split)))
    assert sorted(test.ids.tolist()) == list(range(0, 60, 3)) and len(train) == 40
    assert train.n_events + test.n_events == len(split)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", ["valid", "validation", "val", "dev"])
def test_a_part_for_validation(tmp_path: Path, name: str) -> None:
    columns = shuffled(1)
    split = np.array(["test", "train", name])[columns["session_id"] % 3]
    parts = load_parquet(write(tmp_path, **columns, split=split))
    assert [set(part.ids % 3) for part in parts] == [{1}, {2}, {0}]  # train, valid, test


THREE = {"session_id": [1, 2, 1], "item_id": [5, 6, 7], "pos": [0, 0, 1]}


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"pos": [0, 0, 0]}, ValueError, "rows 0 and 2: a session has two events at the same"),
        ({"pos": ["0", "0", "1"]}, TypeError, "'pos' holds String, not numbers"),
        ({"pos": [0, None, 1]}, ValueError, "row 1: column 'pos' has a missing value"),
        ({"item_id": ["a", "b", None]}, ValueError, "row 2: column 'item_id' has a missing"),
        ({"ts": [1.0, None, 2.0]}, ValueError, "row 1: column 'ts' has a missing value"),
        ({"ts": ["a", "b", "c"]}, TypeError, "column 'ts' holds String, not times"),
        ({"ts": np.array([1.6e9] * 3, "float32")}, ValueError, "holds times as float32"),
        ({"split": ["train", "test", None]}, ValueError, "row 2: column 'split' has a missing"),
        ({"split": ["train", "test", "test"]}, ValueError, "rows 0 and 2: a session stands in two"),
        ({"split": ["train", "valid", "train"]}, ValueError, "it must hold 'train' and 'test'"),
    ],
)
def test_what_the_page_forbids_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_parquet(write(tmp_path, **{**THREE, **changes}))


def test_zones_of_times(tmp_path: Path) -> None:
    ts = pd.to_datetime(["2020-01-01 10:00"] * 3).tz_localize("America/New_York")
    loaded = load_parquet(write(tmp_path, **THREE, ts=ts))
    assert set(loaded.event_times.astype("datetime64[m]").astype(str)) == {"2020-01-01T15:00"}


def test_text_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("session_id,pos,item_id\n1,10,2\n1,9,3\n")
    with pytest.raises(ValueError, match=r"log.csv cannot be read"):
        load_parquet(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"session_id": [1], "item_id": [2]},
            "log.parquet has no column 'pos'; it has 'session_id', 'item_id'.",
        ),
        (
            {"session_id": [1, 1], "item_id": [2, 3], "pos": [4, 4]},
            "a session has two events at the same 'pos'",
        ),
        (
            {"session_id": [1], "item_id": [2], "pos": [0], "split": ["valid"]},
            "holds .*'valid'.*'train' and 'test'",
        ),
    ],
)
def test_wrong_columns(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_parquet(write(tmp_path, **columns))


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_parquet(tmp_path / "log.parquet")
    (tmp_path / "log.parquet").write_text("session_id,pos,item_id\n1,0,2\n")
    with pytest.raises(ValueError, match=r"log.parquet cannot be read"):
        load_parquet(tmp_path / "log.parquet")


# ---- real logs ----


def counts(*parts: Sessions) -> tuple[int, int, int]:
    items = {
        item for part in parts for item in part.vocabulary.decode(np.unique(part.codes)).tolist()
    }
    return sum(map(len, parts)), len(items), sum(part.n_events for part in parts)


@pytest.mark.parametrize(
    ("name", "train", "test", "both"),
    [
        (
            "diginetica",
            (186_670, 43_097, 906_140),
            (15_963, 21_131, 76_821),
            (202_633, 43_097, 982_961),
        ),
        (
            "yoochoose1_64",
            (116_167, 17_376, 486_026),
            (15_324, 6_751, 71_222),
            (131_491, 17_745, 557_248),
        ),
        (
            "yoochoose_100k",
            (17_794, 2_933, 70_278),
            (3_416, 1_771, 13_568),
            (21_210, 2_933, 83_846),
        ),
    ],
)
def test_the_counts_of_split_logs(
    data_dir: Path, name: str, train: Any, test: Any, both: Any
) -> None:
    parts = load_parquet(data_dir / f"{name}.parquet")
    assert (counts(parts[0]), counts(parts[1]), counts(*parts)) == (train, test, both)


@pytest.mark.parametrize(
    ("name", "expected", "n_users"),
    [
        ("globo", (1_048_594, 46_033, 2_988_181), 322_897),
        ("lastfm_10users", (3_879, 1_924, 37_078), 10),
    ],
)
def test_the_counts_of_logs_with_users(
    data_dir: Path, name: str, expected: Any, n_users: int
) -> None:
    sessions = load_parquet(data_dir / f"{name}.parquet")
    assert counts(sessions) == expected and len(np.unique(sessions.users)) == n_users


def test_the_paper_filter_on_a_news_log(data_dir: Path) -> None:
    kept = paper_filter(load_parquet(data_dir / "globo.parquet"))
    last = kept.report.steps[-1]
    assert (last["users"], last["items"], last["sessions"], last["events"]) == (
        21_862,
        21_781,
        177_973,
        828_965,
    )
    assert len(kept.vocabulary) == 21_781

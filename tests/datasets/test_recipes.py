"""Each loader on a small random log in the raw format, against the recipe in plain loops."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sessionprompt.datasets import (
    load_diginetica,
    load_globo,
    load_lastfm,
    load_reddit,
    load_retailrocket,
    load_xing,
    load_yoochoose,
)
from sessionprompt.sessions import Sessions

DAY = 86_400
START = 1_440_000_000  # a multiple of neither an hour nor a day

Event = tuple[Any, float, Any]  # user, time, item


# ---- plain twins ----


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cut(events: list[Event], gap: float) -> list[list[Event]]:
    """Sessions of a log, by pauses of its users."""
    sessions = []
    for user in dict.fromkeys(event[0] for event in events):
        before = -np.inf
        for event in sorted(
            (event for event in events if event[0] == user), key=lambda event: event[1]
        ):
            if event[1] - before > gap:
                sessions.append([])
            sessions[-1].append(event)
            before = event[1]
    return sorted(sessions, key=lambda session: (session[-1][1], min(map(events.index, session))))


def of_items(sessions: list[list[Event]], keep: set[Any]) -> list[list[Event]]:
    return [
        kept for session in sessions if (kept := [event for event in session if event[2] in keep])
    ]


def frequent(sessions: list[list[Event]], least: int) -> set[Any]:
    return {
        item for item, n in Counter(event[2] for s in sessions for event in s).items() if n >= least
    }


def without_repeats(sessions: list[list[Event]]) -> list[list[Event]]:
    return [
        [event for i, event in enumerate(s) if i == 0 or event[2] != s[i - 1][2]] for s in sessions
    ]


def agree(loaded: Sessions, sessions: list[list[Event]]) -> None:
    """Check items, users, times and the report's last line, sessions in the order of their ends."""
    sessions = sorted(sessions, key=lambda session: session[-1][1])
    assert loaded.to_lists() == [[event[2] for event in session] for session in sessions]
    seconds = [event[1] for session in sessions for event in session]
    np.testing.assert_allclose(
        loaded.event_times.astype("datetime64[ms]").astype(np.int64) / 1000, seconds
    )
    last = {
        "sessions": len(sessions),
        "events": len(seconds),
        "items": len({e[2] for s in sessions for e in s}),
    }
    assert {name: loaded.report.steps[-1][name] for name in last} == last
    assert len(loaded.vocabulary) == last["items"]
    if loaded.users is not None:
        assert loaded.users.tolist() == [session[0][0] for session in sessions]


def random_events(seed: int, n: int, n_users: int, n_items: int, span: int) -> list[Event]:
    """Events in no order, at whole ten minutes, so several are at the same time."""
    rng = np.random.default_rng(seed)
    times = START + rng.integers(span // 600, size=n) * 600
    columns = rng.integers(n_users, size=n), times, rng.zipf(1.5, size=n) % n_items
    return list(zip(*(column.tolist() for column in columns), strict=True))


# ---- Last.fm ----


def lastfm_log(seed: int) -> tuple[str, list[Event], list[Event]]:
    """A log, its events with the artist's name where the id is missing, and those with an id."""
    lines = []
    named = []
    with_id = []
    for user, time, item in random_events(seed, 300, 3, 30, 6 * DAY):
        name = f'"The {item}" & Co'
        artist_id = ""
        if item % 7 != 3:
            artist_id = f"mbid-{item:02}"
        lines.append(f'user_{user}\t{iso(time)}\t{artist_id}\t{name}\t\tsong "{time}')
        named.append((f"user_{user}", time, artist_id or name))
        if artist_id:
            with_id.append(named[-1])
    return "\n".join(lines) + "\n", named[::-1], with_id[::-1]


def top(sessions: list[list[Event]], n: int) -> set[Any]:
    counts = Counter(event[2] for session in sessions for event in session)
    return set(sorted(counts, key=lambda item: (-counts[item], item))[:n])


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_lastfm(tmp_path: Path, ends: str) -> None:
    content, events, _ = lastfm_log(0)
    path = tmp_path / "log.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + content.replace("\n", ends).encode())
    loaded = load_lastfm(path, top_items=12)
    sessions = cut(events, 8 * 3600)
    agree(loaded, of_items(sessions, top(sessions, 12)))
    assert [step["events"] for step in loaded.report.steps[:3]] == [300, 300, 300]
    assert loaded.report.steps[2]["sessions"] == len(sessions)
    assert loaded.ids.tolist() == list(range(len(loaded)))


@pytest.mark.usefixtures("backend")
def test_lastfm_as_published(tmp_path: Path) -> None:
    content, _, events = lastfm_log(1)
    path = tmp_path / "log.tsv.gz"
    path.write_bytes(gzip.compress(content.encode()))
    loaded = load_lastfm(path, top_items=12, missing_ids="drop", repeats="drop", max_length=5)
    sessions = [session[:5] for session in without_repeats(cut(events, 8 * 3600))]
    agree(loaded, of_items(sessions, top(sessions, 12)))
    assert [step["step"] for step in loaded.report.steps] == [
        "rows read",
        "artist has an id",
        "gap=8h",
        "repeats=drop",
        "first 5 events",
        "top_items=12",
        "min_length=1",
    ]
    assert loaded.report.steps[1]["events"] == len(events) < 300


# ---- Xing ----


def xing_twin(
    rows: list[tuple[int, int, int, int]], least: int, length: int, fewest: int, most: int
) -> Any:
    tagged = cut(
        [(user, time, (item, type_)) for user, item, type_, time in rows if type_ != 4], 30 * 60
    )
    sessions = []
    for session in tagged:
        firsts = dict.fromkeys(event[2] for event in session)  # in the order of time
        times = {event[2]: event[1] for event in reversed(session)}
        sessions.append([(session[0][0], times[tag], tag[0]) for tag in firsts])
    sessions = [s for s in of_items(sessions, frequent(sessions, least)) if len(s) >= length]
    per_user = Counter(session[0][0] for session in sessions)
    return [s for s in sessions if fewest <= per_user[s[0][0]] <= most]


@pytest.mark.usefixtures("backend")
def test_xing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    events = random_events(0, 800, 40, 25, DAY)
    rows = [(user, item, int(rng.integers(1, 5)), time) for user, time, item in events]
    path = tmp_path / "interactions.csv"
    header = "user_id\titem_id\tinteraction_type\tcreated_at\r\n"
    path.write_text(header + "".join("\t".join(map(str, row)) + "\r\n" for row in rows), newline="")
    loaded = load_xing(
        path, min_item_support=4, min_length=2, min_user_sessions=2, max_user_sessions=6
    )
    expected = xing_twin(rows, 4, 2, 2, 6)
    assert (
        20 < len(expected) < len(xing_twin(rows, 4, 2, 2, 99)) < len(xing_twin(rows, 4, 2, 1, 99))
    )
    agree(loaded, expected)
    assert loaded.report.steps[1]["events"] == sum(row[2] != 4 for row in rows)


def test_xing_refuses_other_types(tmp_path: Path) -> None:
    path = tmp_path / "interactions.csv"
    path.write_text("user_id\titem_id\tinteraction_type\tcreated_at\n1\t2\t5\t1446336000\n")
    with pytest.raises(
        ValueError,
        match="must hold types 1 to 4. It is interactions.csv of the RecSys Challenge 2016",
    ):
        load_xing(path)


# ---- Reddit ----


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "header", ["username,subreddit,utc", "user,subreddit,utc_stamp", "timestamp,user_id,subreddit"]
)
def test_reddit(tmp_path: Path, header: str) -> None:
    events = [
        (f"u{user}", time, f"sub{item}")
        for user, time, item in random_events(2, 400, 3, 20, 2 * DAY)
    ]
    row = "{1}.0,{0},{2}" if header.startswith("timestamp") else "{0},{2},{1}.0"
    path = tmp_path / "reddit_data.csv"
    path.write_text("\n".join([header, *(row.format(*event) for event in events)]))
    agree(load_reddit(path), cut(events[::-1], 3600))


@pytest.mark.usefixtures("backend")
def test_reddit_as_published(tmp_path: Path) -> None:
    events = [
        (f"u{user}", time, f"sub{item}")
        for user, time, item in random_events(3, 900, 10, 20, 5 * DAY)
    ]
    path = tmp_path / "reddit_data.csv"
    path.write_text(
        "\n".join(["username,subreddit,utc", *("{0},{2},{1}".format(*event) for event in events)])
    )
    pieces = []
    for session in without_repeats(cut(events[::-1], 3600)):
        if 2 <= len(session) < 8:
            pieces += [session[:4], session[4:]]
    expected = [piece for piece in pieces if len(piece) >= 2]
    loaded = load_reddit(path, repeats="drop", max_length=4)
    kept = {step["step"]: step["sessions"] for step in loaded.report.steps}
    assert kept["repeats=drop"] > kept["shorter than 8"] and kept["pieces of 4"] > len(expected)
    agree(loaded, expected)


# ---- Diginetica and Yoochoose ----


def sr_gnn_twin(
    clicks: dict[int, list[int]], ends: dict[int, float], least: int, days: int
) -> tuple[Any, Any]:
    """Training and test sessions by id, from sessions in the order of the log."""
    clicks = {session: items for session, items in clicks.items() if len(items) > 1}
    counts = Counter(item for items in clicks.values() for item in items)
    clicks = {
        session: [item for item in items if counts[item] >= least]
        for session, items in clicks.items()
    }
    clicks = {session: items for session, items in clicks.items() if len(items) > 1}
    cut_at = max(int(ends[session]) for session in clicks) - days * DAY
    by_end = sorted(clicks, key=lambda session: ends[session])
    train = {session: clicks[session] for session in by_end if int(ends[session]) < cut_at}
    known = {item for items in train.values() for item in items}
    newest = [session for session in by_end if int(ends[session]) > cut_at]
    test = {session: [item for item in clicks[session] if item in known] for session in newest}
    return train, {session: items for session, items in test.items() if len(items) > 1}


@pytest.mark.usefixtures("backend")
def test_diginetica(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    ends = {}
    clicks = {}
    for session in rng.permutation(300).tolist():
        ends[session] = START // DAY * DAY + int(rng.integers(20)) * DAY
        frames = rng.integers(50, size=rng.integers(1, 7)).tolist()  # in no order, some alike
        events = [(frame, int(rng.zipf(1.6)) % 40) for frame in frames]
        rows += [f"{session};NA;{item};{frame};{iso(ends[session])[:10]}" for frame, item in events]
        clicks[session] = [item for _, item in sorted(events, key=lambda event: event[0])]
    path = tmp_path / "train-item-views.csv"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + "\r\n".join(["sessionId;userId;itemId;timeframe;eventdate", *rows]).encode()
    )
    train, test = load_diginetica(path)
    expected_train, expected_test = sr_gnn_twin(clicks, ends, 5, 7)
    assert len(expected_train) > 90 and len(expected_test) > 40
    for loaded, expected in ((train, expected_train), (test, expected_test)):
        assert dict(zip(loaded.ids.tolist(), loaded.to_lists(), strict=True)) == expected
        assert loaded.ids.tolist() == list(expected)
        assert loaded.times.astype("M8[us]").tolist() == [
            datetime.fromtimestamp(ends[s], UTC).replace(tzinfo=None) for s in expected
        ]
    assert train.vocabulary is test.vocabulary and set(np.unique(train.codes)) == set(
        range(len(train.vocabulary))
    )
    assert train.report.steps[0]["events"] == len(rows)
    on_the_day = sum(end == max(ends.values()) - 7 * DAY for end in ends.values())
    parts = [report.steps[-k]["sessions"] for report, k in ((train.report, 1), (test.report, 3))]
    assert on_the_day > 5 and sum(parts) < train.report.steps[-2]["sessions"]


def yoochoose_log(seed: int) -> tuple[list[str], dict[int, list[int]], dict[int, float]]:
    rng = np.random.default_rng(seed)
    lines = []
    clicks = {}
    ends = {}
    for session in range(400):
        start = START + int(rng.integers(5 * DAY))
        n = int(rng.integers(1, 7))
        times = (start * 1000 + rng.integers(3000, size=n)).tolist()  # in no order
        items = (rng.zipf(1.6, size=n) % 40).tolist()
        for time, item in zip(times, items, strict=True):
            moment = f"{iso(time // 1000)[:-1]}.{time % 1000:03}Z"
            lines.append(f"{session},{moment},{item},{'S0'[session % 2]}")
        pairs = sorted(zip(times, items, strict=True), key=lambda pair: pair[0])
        clicks[session] = [item for _, item in pairs]
        ends[session] = max(times) / 1000
    return lines, clicks, ends


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("fraction", [1.0, 1 / 4, 1 / 64])
@pytest.mark.parametrize("header", [[], ["session_id,timestamp,item_id,category"]])
def test_yoochoose(tmp_path: Path, fraction: float, header: list[str]) -> None:
    lines, clicks, ends = yoochoose_log(0)
    path = tmp_path / "yoochoose-clicks.dat"
    path.write_text("\n".join(header + lines))
    train, test = load_yoochoose(path, fraction=fraction)
    full, expected_test = sr_gnn_twin(clicks, ends, 5, 1)
    assert dict(zip(test.ids.tolist(), test.to_lists(), strict=True)) == expected_test
    assert test.ids.tolist() == list(expected_test)
    pairs = [
        (session, items[:-i], items[-i])
        for session, items in full.items()
        for i in range(1, len(items))
    ]
    expected = pairs[len(pairs) - int(len(pairs) * fraction) :]
    used = {item for part in (train, test) for session in part for item in session}
    assert train.vocabulary is test.vocabulary and train.vocabulary.ids.tolist() == sorted(used)
    found = zip(train.ids.tolist(), train.to_lists(), strict=True)
    assert [
        (session, items[:-i], items[-i]) for session, items in found for i in range(1, len(items))
    ] == expected


def test_a_session_is_as_old_as_its_last_event_rare_or_not(tmp_path: Path) -> None:
    newest = START + 3 * DAY
    lines = [
        f"{session},{iso(START + session)},{item},0" for session in range(5) for item in (1, 2)
    ]
    lines += [
        f"6,{iso(newest - 2 * DAY)},1,0",
        f"6,{iso(newest - 2 * DAY)},2,0",
        f"6,{iso(newest - 10)},99,0",
    ]
    lines += [f"7,{iso(newest)},2,0", f"7,{iso(newest)},1,0"]
    path = tmp_path / "yoochoose-clicks.dat"
    path.write_text("\n".join(lines))
    train, test = load_yoochoose(path, fraction=1)
    assert train.ids.tolist() == [0, 1, 2, 3, 4]
    assert dict(zip(test.ids.tolist(), test.to_lists(), strict=True)) == {6: [1, 2], 7: [2, 1]}


@pytest.mark.parametrize("fraction", [0, 1.5, -1, 1e-9])
def test_yoochoose_refuses_what_is_no_share(tmp_path: Path, fraction: float) -> None:
    path = tmp_path / "yoochoose-clicks.dat"
    path.write_text("\n".join(yoochoose_log(0)[0]))
    with pytest.raises(ValueError, match=f"fraction={fraction} "):
        load_yoochoose(path, fraction=fraction)


def test_a_log_shorter_than_its_test_part_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "yoochoose-clicks.dat"
    path.write_text("\n".join(yoochoose_log(0)[0]))
    with pytest.raises(
        ValueError, match="all sessions end within 9 days of 2015-.*give the whole log"
    ):
        load_yoochoose(path, test_days=9)


# ---- RetailRocket and Globo ----


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("events", [("view",), ("view", "transaction")])
def test_retailrocket(tmp_path: Path, events: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    log = random_events(4, 600, 10, 30, 2 * DAY)
    kinds = rng.choice(["view", "view", "view", "addtocart", "transaction"], size=len(log)).tolist()
    lines = [
        f"{t}{t % 1000:03},{user},{kind},{item},"
        for (user, t, item), kind in zip(log, kinds, strict=True)
    ]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["timestamp,visitorid,event,itemid,transactionid", *lines]))
    timed = [
        (user, t, (item, kind))  # seconds: the milliseconds are cut off
        for (user, t, item), kind in zip(log, kinds, strict=True)
    ]
    sessions = [
        [(u, t, item) for u, t, (item, kind) in s if kind in events] for s in cut(timed, 30 * 60)
    ]
    sessions = [session for session in sessions if len(session) > 1]
    frequent_only = of_items(sessions, frequent(sessions, 5))
    agree(
        load_retailrocket(path, events=events),
        [session for session in frequent_only if len(session) > 1],
    )


def test_retailrocket_cuts_times_to_seconds_before_it_cuts_sessions(tmp_path: Path) -> None:
    """A pause of 30 minutes and 0.9 s is one of 1,800 s or of 1,801, by where the seconds begin."""
    lines = ["timestamp,visitorid,event,itemid,transactionid"]
    for visitor, fraction in ((1, 0), (2, 500)):
        start = START * 1000 + fraction
        events = [(start, 7), (start + 1_800_900, 8), (start + 1_800_899, 9)]  # 9 before 8
        lines += [f"{time},{visitor},view,{item}," for time, item in events]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(lines))
    loaded = load_retailrocket(path, min_item_support=1)
    assert loaded.to_lists() == [[7, 9, 8], [9, 8]] and loaded.users.tolist() == [1, 2]
    assert not (loaded.event_times.astype("datetime64[ms]").astype(int) % 1000).any()


def test_yoochoose_keeps_milliseconds(tmp_path: Path) -> None:
    moments = [f"{iso(START + day * DAY)[:-1]}.{part}Z" for day in (0, 2) for part in (277, 100)]
    lines = [f"{k // 2},{moment},{k % 2},0" for k, moment in enumerate(moments)]
    path = tmp_path / "yoochoose-clicks.dat"
    path.write_text("\n".join(lines))
    train, test = load_yoochoose(path, fraction=1, min_item_support=1)
    assert train.to_lists() == test.to_lists() == [[1, 0]]
    for part in (train, test):
        assert (part.event_times.astype(int) % 1000).tolist() == [100, 277]


@pytest.mark.parametrize("events", ["view", (), ("view", "click")])
def test_retailrocket_refuses_unknown_events(events: Any) -> None:
    with pytest.raises(
        ValueError, match="must be a list of some of 'view', 'addtocart', 'transaction'"
    ):
        load_retailrocket("events.csv", events=events)


GLOBO = (
    "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,"
    "click_environment\n"
)


@pytest.mark.usefixtures("backend")
def test_globo(tmp_path: Path) -> None:
    (tmp_path / "clicks_hour_000.csv").write_text(
        GLOBO + "5,70,1506825423000,3,11,1506826828020,4\n5,70,1506825423000,3,12,1506826798020,4\n"
    )
    (tmp_path / "clicks_hour_001.csv").write_text("")
    (tmp_path / "clicks_hour_002.csv").write_text(GLOBO)
    (tmp_path / "clicks_hour_003.csv.gz").write_bytes(
        gzip.compress(
            (
                GLOBO + "5,70,1506825423000,3,13,1506826900000,4\n6,71,1,2,11,1506826800000,4\n"
            ).encode()
        )
    )
    (tmp_path / "clicks_sample.csv").write_text("not,mine\n")
    loaded = load_globo(tmp_path)
    assert loaded.to_lists() == [[11], [12, 11, 13]]
    assert loaded.ids.tolist() == [71, 70] and loaded.users.tolist() == [6, 5]
    assert loaded.event_times.astype("datetime64[ms]").astype(np.int64)[1] == 1506826798020
    assert [step["step"] for step in loaded.report.steps] == [
        "rows read from 3 of 4 files",
        "sessions",
    ]


def test_globo_folders_without_clicks(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"holds no file clicks_hour_\*.csv. It is the folder clicks"
    ):
        load_globo(tmp_path)
    (tmp_path / "clicks_hour_000.csv").touch()
    with pytest.raises(ValueError, match="are empty. It is the folder clicks"):
        load_globo(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no such folder. It is the folder clicks"):
        load_globo(tmp_path / "clicks")


# ---- all ----

LOADERS = (load_diginetica, load_lastfm, load_reddit, load_retailrocket, load_xing, load_yoochoose)


@pytest.mark.parametrize("load", LOADERS)
def test_a_missing_file_says_where_to_get_it(load: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"log.csv: there is no such file. .*https?://"):
        load(tmp_path / "log.csv")


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("content", ["", "a;b\n1;2\n", "\x00\x01"])
def test_a_wrong_file_says_what_is_expected(load: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(ValueError, match=r"log.csv .*https?://"):
        load(tmp_path / "log.csv")


@pytest.mark.parametrize(
    ("load", "name"),
    [(load_lastfm, "repeats"), (load_lastfm, "missing_ids"), (load_reddit, "repeats")],
)
def test_unknown_choices_are_named(load: Any, name: str) -> None:
    message = rf"{name}='collapse' is not known; choose one of \['drop', '(keep|name)'\]"
    with pytest.raises(ValueError, match=message):
        load("log.csv", **{name: "collapse"})


@pytest.mark.parametrize(
    ("load", "name", "value"),
    [
        (load_lastfm, "max_length", 0),
        (load_reddit, "max_length", 1),
        (load_xing, "max_user_sessions", True),
        (load_xing, "max_user_sessions", 2.5),
    ],
)
def test_impossible_counts_are_named(load: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be an integer of at least [12]"):
        load("log.csv", **{name: value})


@pytest.mark.parametrize("days", [0, 1.5])
def test_impossible_days_are_named(tmp_path: Path, days: Any) -> None:
    path = tmp_path / "yoochoose-clicks.dat"
    path.write_text("\n".join(yoochoose_log(0)[0]))
    with pytest.raises(ValueError, match=f"test_days={days} must be an integer of at least 1"):
        load_yoochoose(path, test_days=days)

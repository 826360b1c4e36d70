"""The command line from files of events to files of recommendations, and its errors."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import sessionprompt
from sessionprompt import baselines, cli, demo
from sessionprompt.cli import fit, main
from sessionprompt.cli import recommend as recommend_command
from sessionprompt.datasets import make_events, make_sessions
from sessionprompt.persistence import load, save
from sessionprompt.pipeline import Pipeline
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.sessions import Sessions

COLUMNS = ["--session", "session", "--time", "time"]
TINY = ["--epochs", "1", "--dim", "8", "--device", "cpu"]


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return pl.DataFrame(make_events(150, n_items=24, n_clusters=3, n_users=9, random_state=0))


@pytest.fixture(scope="module")
def folder(events: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same events as CSV, compressed CSV and Parquet, and a model of them."""
    folder = tmp_path_factory.mktemp("cli")
    events.write_csv(folder / "events.csv")
    events.write_parquet(folder / "events.parquet")
    with gzip.open(folder / "events.csv.gz", "wb") as file:
        file.write((folder / "events.csv").read_bytes())
    command = ["fit", f"{folder}/events.csv", "--model", f"{folder}/model.zip"]
    assert main([*command, *COLUMNS, *TINY, "--quiet"]) == 0
    return folder


def refused(capsys: pytest.CaptureFixture[str], *argv: Any) -> str:
    """The one line that a command with an error of the user leaves on standard error."""
    assert main([str(word) for word in argv]) == 2
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if not line.startswith("sessionprompt: warning:")]
    assert len(lines) == 1 and lines[0].startswith("sessionprompt: error: ")
    return lines[0]


# ---------------------------------------------------------------------- fit
@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz", "events.parquet"])
def test_the_format_of_the_events_does_not_matter(name: str, folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert main(["fit", f"{folder}/{name}", "--model", str(model), *COLUMNS, *TINY, "--quiet"]) == 0
    loaded, reference = load(model), load(folder / "model.zip")
    np.testing.assert_array_equal(
        loaded.predict([["item-03"]], k=5), reference.predict([["item-03"]], k=5)
    )


def test_fit_is_what_the_library_does(events: pl.DataFrame, folder: Path) -> None:
    sessions = Sessions.from_events(events, session="session", time="time")
    model = sessionprompt.make_session_pipeline(
        dim=8, max_epochs=1, random_state=0, device="cpu"
    ).fit(sessions)
    mine = model.predict_topk(sessions, k=5, return_scores=True)
    theirs = load(folder / "model.zip").predict_topk(sessions, k=5, return_scores=True)
    np.testing.assert_array_equal(mine[0], theirs[0])
    np.testing.assert_array_equal(mine[1], theirs[1])


def test_fit_reports(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fit", f"{folder}/events.csv", "--model", f"{tmp_path}/m.zip", *COLUMNS, *TINY]
    assert (
        main([*command, "--min-length", "3", "--min-item-support", "2", "--resolution", "0.5,2"])
        == 0
    )
    out = capsys.readouterr().out
    assert "min_item_support=2" in out and "min_length=3" in out
    sizes, best = out.splitlines()[-2:]
    sessions, *_ = sizes.split(" sessions, ")
    assert int(sessions) < 150 and " + " in sizes and sizes.endswith(" clusters")
    assert best.startswith("best epoch 1 of 1: mrr@5 0.")
    assert load(tmp_path / "m.zip")["clu"].resolution == (0.5, 2.0)


def test_quiet_is_quiet(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fit", f"{folder}/events.csv", "--model", f"{tmp_path}/m"]
    assert main([*command, *COLUMNS, *TINY, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_options_reach_the_model(folder: Path, tmp_path: Path) -> None:
    command = ["fit", f"{folder}/events.parquet", "--model", f"{tmp_path}/m"]
    command += ["--user", "user", "--time", "time"]
    options = ["--backbone", "narm", "--prompts", "user, cluster"]
    options += ["--lr", ".01", "--batch-size", "64", "--seed", "3"]
    assert main([*command, "--gap", "30min", *options, *TINY, "--quiet"]) == 0
    params = load(tmp_path / "m").get_params()
    expected = {
        "backbone": "narm",
        "prompts": ("user", "cluster"),
        "lr": 0.01,
        "batch_size": 64,
        "random_state": 3,
    }
    assert {name: params[f"rec__{name}"] for name in expected} == expected
    assert (params["rec__dim"], params["rec__max_epochs"], params["clu__random_state"]) == (8, 1, 3)


def test_no_prompts_no_clusters(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fit", f"{folder}/events.csv", "--model", f"{tmp_path}/m", "--prompts", "none"]
    assert main([*command, *COLUMNS, *TINY]) == 0
    assert capsys.readouterr().out.splitlines()[-2].endswith("no clusters")
    assert [name for name, _ in load(tmp_path / "m").steps] == ["rec"]


# ---------------------------------------------------------------------- evaluate
def test_evaluate_prints_json(
    folder: Path, tmp_path: Path, events: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "result.json"
    command = ["evaluate", f"{folder}/events.parquet", "--model", f"{folder}/model.zip", *COLUMNS]
    options = ["--metrics", "mrr@5,recall@20", "--slices", "length,repeat", "--output", str(output)]
    assert main([*command, *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    sessions = Sessions.from_events(events, session="session", time="time")
    model = load(folder / "model.zip")
    assert printed == model.evaluate(
        sessions, metrics=["mrr@5", "recall@20"], slices=["length", "repeat"]
    )
    assert json.loads(output.read_text()) == printed


def test_a_bare_recommender_will_do(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = PromptedSessionRecommender(prompts=(), dim=8, max_epochs=1, random_state=0)
    save(model.fit(make_sessions(150, n_items=24, n_clusters=3, random_state=0)), tmp_path / "m")
    assert main(["evaluate", f"{folder}/events.csv", "--model", f"{tmp_path}/m", *COLUMNS]) == 0
    assert set(json.loads(capsys.readouterr().out)) >= {"mrr@5", "recall@20", "n_targets"}


# ---------------------------------------------------------------------- recommend
@pytest.fixture
def visitors(tmp_path: Path) -> Path:
    """Two visitors; one of them looks at an item that no model knows."""
    path = tmp_path / "visitors.csv"
    path.write_text("visit,item\nv7,item-03\nv9,new\nv7,item-04\nv9,item-05\n")
    return path


def recommend(folder: Path, visitors: Path, *options: Any) -> int:
    command = ["recommend", visitors, "--model", folder / "model.zip", "--session", "visit"]
    return main([str(word) for word in (*command, *options)])


def test_json_lines(folder: Path, visitors: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert recommend(folder, visitors, "-k", 3) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    items, scores = load(folder / "model.zip").predict_topk(
        [["item-03", "item-04"], ["new", "item-05"]], k=3, return_scores=True
    )
    assert [row["session"] for row in rows] == ["v7", "v9"]
    assert [row["items"] for row in rows] == items.tolist()
    np.testing.assert_allclose([row["scores"] for row in rows], scores, atol=1e-6)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.jsonl"])
def test_output_files(name: str, folder: Path, visitors: Path, tmp_path: Path, capsys: Any) -> None:
    assert recommend(folder, visitors, "--exclude-seen", "--output", tmp_path / name) == 0
    assert capsys.readouterr().out == ""
    items = load(folder / "model.zip").predict_topk(
        [["item-03", "item-04"], ["new", "item-05"]], exclude_seen=True
    )
    if name == "out.jsonl":
        rows = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        assert [row["items"] for row in rows] == items.tolist()
        return
    table = (pl.read_csv if name == "out.csv" else pl.read_parquet)(tmp_path / name)
    assert table.columns == ["session", "rank", "item", "score"]
    assert table["session"].to_list() == ["v7"] * 10 + ["v9"] * 10
    assert table["rank"].to_list() == [*range(1, 11)] * 2
    assert table["item"].to_list() == items.ravel().tolist()
    assert (
        table.group_by("session").agg(pl.col("score").diff().drop_nulls().max())["score"] <= 0
    ).all()


def test_users_are_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,ts\nann,item-03,0\nann,item-04,9999\n7,item-05,0\n")
    options = ["--user", "user", "--time", "ts", "--gap", "30min", "-k", "2"]
    assert main(["recommend", str(path), "--model", f"{folder}/model.zip", *options]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["session"], row["user"]) for row in rows] == [(0, "ann"), (1, "7"), (2, "ann")]


def test_ids_that_look_like_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Items are strings as soon as one is, also where a later file holds numbers alone."""
    log = tmp_path / "log.csv"
    later = tmp_path / "later.csv"
    log.write_text("session,item\n" + "".join(f"{i},{i % 3}\n{i},x7\n" for i in range(20)))
    later.write_text("session,item\n1,0\n2,1\n")
    columns = ["--session", "session", "--model", str(tmp_path / "m")]
    assert main(["fit", str(log), *columns, *TINY, "--quiet"]) == 0
    assert main(["recommend", str(later), *columns, "-k", "2"]) == 0
    assert all(
        isinstance(item, str)
        for item in json.loads(capsys.readouterr().out.splitlines()[0])["items"]
    )


def test_whole_numbers_are_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("session,item\n" + "".join(f"{i},{i % 3}\n{i},17\n" for i in range(20)))
    columns = ["--session", "session", "--model", str(tmp_path / "m")]
    assert main(["fit", str(log), *columns, *TINY, "--quiet"]) == 0
    assert load(tmp_path / "m")["rec"].items_.tolist() == [0, 1, 2, 17]
    assert main(["recommend", str(log), *columns, "-k", "2"]) == 0
    assert {
        type(item) for item in json.loads(capsys.readouterr().out.splitlines()[0])["items"]
    } == {int}


def test_warnings_are_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, model = tmp_path / "unknown.csv", tmp_path / "m"
    path.write_text("session,item\n1,unheard-of\n")
    options = ["--prompts", "none", "--quiet"]
    assert (
        main(["fit", f"{folder}/events.csv", "--model", str(model), *COLUMNS, *TINY, *options]) == 0
    )
    assert (
        main(["recommend", str(path), "--session", "session", "--model", str(model), "-k", "2"])
        == 0
    )
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("sessionprompt: warning: 1 sessions hold nothing")


# ---------------------------------------------------------------------- files and parameters
@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model whose item ids are the numbers 0 to 5, and of user ids 0 to 9."""
    folder = tmp_path_factory.mktemp("numbered")
    rows = [f"{k // 3},{k % 6},{k // 9}" for k in range(90)]
    (folder / "log.csv").write_text(
        "visit;item;user\n" + "\n".join(rows).replace(",", ";") + "\n\n"
    )
    command = ["fit", f"{folder}/log.csv", "--model", f"{folder}/m", "--session", "visit"]
    command += ["--user", "user", "--prompts", "cluster,user"]
    assert main([*command, *TINY, "--quiet"]) == 0
    return folder


@pytest.mark.parametrize("name", ["v.csv", "v.jsonl", "-"])
def test_one_word_among_numbers_keeps_nobody_from_being_served(
    name: str, numbered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    rows = [("ann", 3, 1), ("bob", "SKU-NEW", 2), ("eve", 4, "new"), ("eve", "SKU-NEW", "new")]
    text = "visit,item,user\n" + "".join(f"{v},{i},{u}\n" for v, i, u in rows)
    if name == "v.jsonl":
        keys = ("visit", "item", "user")
        text = "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=BytesIO(text.encode())))
    path = name
    if name != "-":
        path = str(tmp_path / name)
        Path(path).write_text(text)
    columns = ["--session", "visit", "--user", "user", "-k", "2"]
    assert main(["recommend", path, "--model", f"{numbered}/m", *columns]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    owners = [(line["session"], str(line["user"])) for line in lines]
    assert owners == [("ann", "1"), ("bob", "2"), ("eve", "new")]
    assert all(set(line["items"]) <= set(range(6)) for line in lines)
    assert "first 'SKU-NEW'" in err and "first 'new'" in err and "served like all others" in err


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("lr=0.5", "rec__lr", 0.5),
        ("rec__temperature=.3", "rec__temperature", 0.3),
        ("clu__resolution=(1, 2)", "clu__resolution", (1, 2)),
        ("clu__resolution=[1, 2]", "clu__resolution", (1, 2)),
        ("refit=false", "rec__refit", False),
        ("n_negatives=None", "rec__n_negatives", None),
        ("init=normal", "rec__init", "normal"),
        ("prompts=none", "rec__prompts", ()),
        ("prompts=cluster,user", "rec__prompts", ("cluster", "user")),
    ],
)
def test_any_parameter_can_be_set(
    setting: str, key: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(fit, "run", lambda given: made.append(fit._new_pipeline(given)))
    assert main(["fit", "log.csv", "--model", "m", "--lr", ".1", "--set", setting]) == 0
    found = made[0].get_params()[key]
    assert found == value and type(found) is type(value)
    assert ("clu" in made[0].named_steps) == (setting != "prompts=none")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("lerning_rate=1", "--set lerning_rate: no step has such a parameter"),
        ("max_epoch=1", "the nearest are rec__max_epochs"),
        ("steps=1", "--set steps: no step has such a parameter"),
        ("lr=fast", "lr='fast' must be a number"),
    ],
)
def test_parameters_that_are_none(setting: str, words: str, folder: Path, capsys: Any) -> None:
    command = ["fit", folder / "events.csv", "--model", folder / "none", *COLUMNS, *TINY]
    assert words in refused(capsys, *command, "--quiet", "--set", setting)


def test_a_user_is_no_session(folder: Path, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,ts\nann,item-03,5\nann,item-04,99999\n")
    command = ["recommend", str(path), "--model", f"{folder}/model.zip", "--user", "user"]
    for more in ([], ["--time", "ts"]):
        assert main([*command, *more]) == 0
        assert "one session of all events of a user; with --gap" in capsys.readouterr().err
    for more in (["--time", "ts", "--gap", "30min"], ["--session", "ts"]):
        assert main([*command, *more]) == 0
        assert "--gap" not in capsys.readouterr().err


def test_damaged_files_of_events_end_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes of a good file are changed, cut and doubled; no command ends in a traceback."""
    whole = (folder / "events.csv").read_bytes()[:600]
    rng = np.random.default_rng(0)
    bits = [
        b"\x00",
        b"\xff",
        b'"',
        b"\n",
        b",",
        b"-",
        b"9" * 25,
        b"\r",
        b";",
        b"e",
        b"nan",
        b"[[" * 9,
    ]
    path = tmp_path / "log.csv"
    for _ in range(60):
        place = int(rng.integers(len(whole)))
        bit = bits[rng.integers(len(bits))]
        path.write_bytes(whole[:place] + bit + whole[place + int(rng.integers(3)) :])
        status = main(["evaluate", str(path), "--model", f"{folder}/model.zip", *COLUMNS])
        lines = capsys.readouterr().err.splitlines()
        assert status == 0 or (status == 2 and lines[-1].startswith("sessionprompt: error: "))


# ---------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("item,session,t\na,1,\n", ["--time", "t"], "column 't'"),
        (
            "item,session,t\na,1,31.12.2024\n",
            ["--time", "t"],
            "row 0: '31.12.2024' is neither a number nor an ISO",
        ),
        ("item,session,t\na,1,1704067200000\n", ["--time", "t"], "unit='ms'"),
        ("item,session\na,1\n,2\n", [], "'item' has a missing value"),
        ("item,session\na,1\n", ["--time", "when"], "column 'when' is not in"),
        ("item,session\na,1\n", ["--gap", "30min"], "needs times"),
        ("item,session\na,1\nb,2\n", ["--min-length", "3"], "the filters left nothing"),
        ("item,session\na,1\nb,2\n", [], "too few to train"),
        ("item,session\na,1\nb,1\n", ["--backbone", "elman"], "backbone='elman' is not known"),
        (
            "item,session\na,1\nb,1\n",
            ["--prompts", "none", "--resolution", "2"],
            "--resolution needs clusters",
        ),
        ("item,session\na,1\nb,1\n", ["--prompts", "user"], "needs sessions with users"),
        ("", [], "cannot be read"),
    ],
)
def test_errors_of_fit(
    text: str, options: list[str], words: str, tmp_path: Path, capsys: Any
) -> None:
    path, model = tmp_path / "log.csv", tmp_path / "m"
    path.write_text(text)
    line = refused(
        capsys, "fit", path, "--model", model, "--session", "session", *TINY, "--quiet", *options
    )
    assert words in line
    assert not model.exists()


def test_errors_of_paths(folder: Path, visitors: Path, tmp_path: Path, capsys: Any) -> None:
    model, one = ["--model", folder / "model.zip"], ["--session", "visit"]
    assert "no such file" in refused(capsys, "recommend", tmp_path / "none.csv", *model, *one)
    assert "no such file" in refused(
        capsys, "recommend", visitors, "--model", tmp_path / "none", *one
    )
    assert "no zip file" in refused(
        capsys, "recommend", visitors, "--model", visitors.rename(tmp_path / "v.csv"), *one
    )
    (tmp_path / "log.txt").write_text("item\n")
    assert "ends in .csv, .csv.gz or .parquet" in refused(
        capsys, "recommend", tmp_path / "log.txt", *model, *one
    )
    (tmp_path / "log.parquet").write_text("item\n")
    assert "log.parquet cannot be read" in refused(
        capsys, "recommend", tmp_path / "log.parquet", *model, *one
    )
    assert "--session, or --user with --gap" in refused(
        capsys, "recommend", tmp_path / "v.csv", *model
    )


def test_errors_of_recommend(folder: Path, visitors: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["recommend", visitors, "--model", folder / "model.zip", "--session", "visit"]
    assert "k=500 is larger than the 24 known items" in refused(capsys, *command, "-k", 500)
    assert ".jsonl, .csv or .parquet" in refused(capsys, *command, "--output", tmp_path / "out.xml")


def test_a_clusterer_recommends_nothing(visitors: Path, tmp_path: Path, capsys: Any) -> None:
    save(sessionprompt.ItemClusterer().fit([["a", "b"]]), tmp_path / "m")
    line = refused(capsys, "recommend", visitors, "--model", tmp_path / "m", "--session", "visit")
    assert "holds ItemClusterer, which recommends nothing" in line


def test_a_baseline_recommends(visitors: Path, tmp_path: Path, capsys: Any) -> None:
    sessions = make_sessions(50, n_items=24, n_clusters=3, random_state=0)
    save(baselines.SequentialRules().fit(sessions), tmp_path / "m")
    command = ["recommend", visitors, "--model", tmp_path / "m", "--session", "visit", "-k", 3]
    assert main([str(word) for word in command]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows and all(len(row["items"]) == 3 for row in rows)


def test_the_model_path_is_checked_before_the_work(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "thesis.txt" in refused(
        capsys, "fit", "events.csv", "--model", tmp_path, "--session", "session"
    )


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_the_target_is_tried_before_the_work(
    name: str, folder: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Pipeline, "fit", not_reached)
    command = ["fit", folder / "events.csv", *COLUMNS, *TINY, "--quiet", "--model"]
    assert "file/m cannot be written" in refused(capsys, *command, folder / "model.zip/file/m")
    monkeypatch.setattr(os, "fsync", no_space)
    line = refused(capsys, *command, tmp_path / name)
    assert f"{name} cannot be written (No space left on device); make room or" in line
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(tmp_path))
    assert "is a mount point" in refused(capsys, *command, tmp_path)
    assert list(tmp_path.iterdir()) == []


def not_reached(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("the work has begun")


def test_ids_that_cannot_be_stored_are_refused_before_the_work(
    folder: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [frozenset({number}) for number in (1, 2, 3)]
    sessions = Sessions.from_lists([ids] * 9)
    monkeypatch.setattr(fit, "read_sessions", lambda *given, **filters: (sessions, None))
    monkeypatch.setattr(Pipeline, "fit", not_reached)
    command = ["fit", folder / "events.csv", *COLUMNS, *TINY, "--quiet"]
    line = refused(capsys, *command, "--model", tmp_path / "m")
    assert "item ids are of type frozenset" in line


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_a_model_that_cannot_be_written_at_the_end_is_saved_beside(
    name: str, folder: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / name
    plain_fit = Pipeline.fit

    def fit_and_spoil(self: Pipeline, X: Any, **params: Any) -> Pipeline:
        (target / "model").mkdir(parents=True)  # no zip file, and no folder of a model
        return plain_fit(self, X, **params)

    monkeypatch.setattr(Pipeline, "fit", fit_and_spoil)
    command = ["fit", folder / "events.csv", *COLUMNS, *TINY, "--quiet", "--model", target]
    line = refused(capsys, *command)
    found = re.search(r"could not be written .*; the model was saved as (.*) instead", line)
    assert found and Path(found[1]).parent == tmp_path
    assert load(found[1]).predict([["item-03"]], k=2).shape == (1, 2)


def test_faults_of_the_program_are_not_hidden(
    folder: Path, visitors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise AttributeError("a mistake of ours")

    monkeypatch.setattr(recommend_command, "open_model", fail)
    with pytest.raises(AttributeError, match="a mistake of ours"):
        recommend(folder, visitors)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "the following arguments are required: command"),
        (["fit", "log.csv"], "required: --model"),
        (
            ["fit", "log.csv", "--model", "m", "--resolution", "high"],
            "'high' is neither a number nor numbers",
        ),
        (["fit", "log.csv", "--model", "m", "--epochs", "many"], "invalid int value"),
        (["paint"], "invalid choice"),
    ],
)
def test_wrong_words(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2 and words in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert (
        not stop.value.code
        and capsys.readouterr().out == f"sessionprompt {sessionprompt.__version__}\n"
    )


def test_ctrl_c(folder: Path, visitors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recommend_command, "open_model", press)
    assert recommend(folder, visitors) == 130


def python(code: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, timeout=120
    )


def test_help_needs_nothing_heavy() -> None:
    """The command line alone, without what the package itself imports."""
    code = """
import sys, types
package = types.ModuleType("sessionprompt")
package.__path__, package.__version__ = [sys.argv.pop(1)], "0"
sys.modules["sessionprompt"] = package
from sessionprompt.cli import main
try:
    main(["fit", "--help"])
finally:
    assert not {"torch", "skorch", "sklearn", "numpy", "narwhals"} & set(sys.modules), "heavy"
"""
    done = python(code, str(Path(cli.__file__).parents[1]))
    assert done.returncode == 0 and "--min-item-support" in done.stdout, done.stderr


# ---------------------------------------------------------------------- demo
def test_the_demo_tells_its_story(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def smaller(function: Callable[..., Any], **changes: Any) -> Callable[..., Any]:
        return lambda *args, **kwargs: function(*args, **{**kwargs, **changes})

    monkeypatch.setattr(
        demo, "make_sessions", lambda n, **dials: make_sessions(200, **{**dials, "n_items": 60})
    )
    monkeypatch.setattr(
        demo, "make_session_pipeline", smaller(demo.make_session_pipeline, max_epochs=1, dim=8)
    )
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert (
        "60 items fall into" in out
        and "most popular items" in out
        and out.endswith("the same answers.\n")
    )


def test_the_popularity_of_the_demo() -> None:
    train = Sessions.from_lists([["a", "b"], ["a", "c"], ["a", "b"]])
    ranked = demo.RankedTargets(*[np.zeros(4)] * 3, np.array([3, 2, 1, 0]), np.zeros(4), None, 3)
    assert demo._popularity_ranks(ranked, train).tolist() == [1, 2, 3, np.inf]

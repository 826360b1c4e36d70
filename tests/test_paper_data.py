"""The paper's three data sets in its experiments, from small raw files in their true formats."""

from __future__ import annotations

import gzip
import json
import runpy
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "paper"
DAY = 86_400
START = 1_446_336_000
FILES = {
    "lastfm": "userid-timestamp-artid-artname-traid-traname.tsv",
    "xing": "interactions.csv",
    "reddit": "reddit_data.csv",
}

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="the benchmarks are not part of the source distribution"
)
Events = list[tuple[int, int, int]]  # user, seconds since 1970, item


def events() -> Events:
    """Twelve users with eight daily sessions each, of five items a minute apart."""
    rng = np.random.default_rng(0)
    found = []
    for user in range(12):
        for day in range(8):
            items = (rng.integers(12) + np.arange(5) * 5) % 12  # different ones
            start = START + day * DAY + user * 600
            found += [(user, start + 60 * k, int(item)) for k, item in enumerate(items)]
    return found


def lastfm(log: Events) -> str:
    """Listeners, newest play first, the artist's id, its name, no track id, the track's name."""
    lines = [
        f"user_{user:06}\t{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}\t"
        f"mbid-{item}\tArtist {item}\t\tSong"
        for user, time, item in reversed(log)
    ]
    return "\n".join(lines) + "\n"


def xing(log: Events) -> str:
    """Tab-separated clicks, each repeated, which counts once, and a deletion, which does not."""
    clicks = [(user, later, item) for user, time, item in log for later in (time, time + 5)]
    lines = [f"{user}\t{item}\t1\t{time}" for user, time, item in clicks]
    head = "user_id\titem_id\tinteraction_type\tcreated_at"
    return "\n".join([head, *lines, f"0\t3\t4\t{START}"]) + "\n"


def reddit(log: Events) -> str:
    """Comments with times as decimal numbers, newest first."""
    lines = [f"u{user},sub{item},{time}.0" for user, time, item in reversed(log)]
    return "\n".join(["username,subreddit,utc", *lines]) + "\n"


WRITERS: dict[str, Callable[[Events], str]] = {"lastfm": lastfm, "xing": xing, "reddit": reddit}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that starts one of the scripts in this process with some words."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(FOLDER), str(FOLDER.parent), *sys.path])
    monkeypatch.delenv("SESSIONPROMPT_DATA", raising=False)

    def run(script: str, *words: Any) -> None:
        monkeypatch.setattr(sys, "argv", [script, *map(str, words)])
        runpy.run_path(str(FOLDER / script), run_name="__main__")

    yield run
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(FOLDER.parent)):
            del sys.modules[name]


def lines_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for file in sorted(folder.glob("*.jsonl")) for text in file.open()]


@pytest.mark.parametrize("name", FILES)
def test_a_data_set_of_the_paper_beside_its_published_figures(
    name: str, start: Callable[..., None], tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    content = WRITERS[name](events()).encode()
    if name == "lastfm":
        (raw / f"{FILES[name]}.gz").write_bytes(gzip.compress(content))
    else:
        (raw / FILES[name]).write_bytes(content)
    output = tmp_path / "lines"
    words = ["table2", "--tier", "smoke", "--sets", name, "--data", raw, "--output", output]
    start("run.py", *words)
    runs = [line for line in lines_in(output) if line["kind"] == "run"]
    assert {(run["data"], run["protocol"], run["arm"]) for run in runs} == {
        (name, protocol, arm)
        for protocol in ("sessions", "within_session")
        for arm in ("plain", "prompted", "scalar")
    }
    whole = {"users": 12, "items": 12, "sessions": 96, "mean_length": 5.0}
    assert all(run["sizes"] == whole for run in runs)
    assert {run["parameters"]["gate"] for run in runs if run["arm"] == "scalar"} == {"scalar"}
    start("report.py", output)
    text = (output / "report.md").read_text()
    beside = text[text.index(f"### Table 2: {name}, protocol within_session") :]
    assert "MRR@5, paper" in beside.split("###")[1]
    assert "Sessions before the split: 96 of 12 users, 12 items, mean length 5.00." in beside
    assert "The paper's sessions (Table 1): " in beside
    by_time = text[text.index(f"### Table 2: {name}, protocol sessions") :].split("###")[1]
    assert "MRR@5, paper" not in by_time


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("experiment", ["table2", "figure2", "table3", "figure3"])
def test_missing_raw_files_end_the_run_before_anything_is_trained(
    name: str, experiment: str, start: Callable[..., None], tmp_path: Path
) -> None:
    output = tmp_path / "lines"
    words = [experiment, "--tier", "full", "--sets", name, "--output", output]
    match = f"{name}: name the folder of {FILES[name]} with --data or SESSIONPROMPT_DATA"
    with pytest.raises(SystemExit, match=match) as end:
        start("run.py", *words)
    assert end.value.code not in (None, 0)
    with pytest.raises(SystemExit, match="neither plain nor as .gz; --data must name the folder"):
        start("run.py", *words, "--data", tmp_path)
    assert not output.exists()


@pytest.mark.parametrize(
    ("option", "word", "known"),
    [
        ("--only", "gru4rek", "gru4rec, narm"),
        ("--arms", "plain,scala", "plain, prompted"),
        ("--sets", "synthetic,last.fm", "synthetic, lastfm, xing, reddit"),
        ("--protocols", "session", "sessions, within_session"),
        ("--inits", "xavier", "graph, reference"),
        ("--seeds", "7", "0, 1"),
    ],
)
def test_unknown_words_are_refused_and_the_known_ones_listed(
    option: str, word: str, known: str, start: Callable[..., None], tmp_path: Path
) -> None:
    unknown = word.split(",")[-1]
    match = f"{option} {word}: table2 of tier smoke holds no '{unknown}'; it holds {known}"
    with pytest.raises(SystemExit, match=match):
        start("run.py", "table2", option, word, "--output", tmp_path / "lines")
    assert not (tmp_path / "lines").exists()


def test_options_that_leave_nothing_together_are_refused(
    start: Callable[..., None], tmp_path: Path
) -> None:
    words = ["table2", "--sets", "synthetic", "--protocols", "within_session"]
    match = (
        "table2 of tier smoke holds nothing that all of these options leave in; it holds: --sets"
    )
    with pytest.raises(SystemExit, match=match):
        start("run.py", *words, "--output", tmp_path / "lines")


@pytest.fixture
def modules(start: Callable[..., None]) -> Callable[[str], Any]:
    """Modules of the folder by name."""
    return lambda name: __import__(name)


def test_the_search_of_the_paper(modules: Callable[[str], Any]) -> None:
    blocks = modules("_blocks").blocks_of("table2", "full")
    own = [block for block in blocks if block["data"] in FILES]
    assert {(block["data"], block["protocol"]) for block in own} == {
        (name, protocol) for name in FILES for protocol in ("sessions", "within_session")
    }
    for block in own:
        assert block["grid"]["batch_size"] == [64, 128, 256, 512, 1024]
        assert block["grid"]["lr"] == [0.001, 0.005, 0.01, 0.05]
        assert block["params"]["patience"] == 50 and block["params"]["monitor"] == "mrr@5"
        assert {"plain", "prompted", "scalar"} <= set(block["arms"])
        assert len(block["backbones"]) == 8


class TestComparisons:
    """A family of the size of the tier full: eight backbones with eight comparisons each."""

    pairs = tuple(("prompted", f"other{k}") for k in range(8))
    block = {
        "data": "d",
        "protocol": "sessions",
        "inits": ["graph"],
        "backbones": [f"b{k}" for k in range(8)],
        "compare": pairs,
        "metrics": ["mrr@5"],
    }

    def compared(
        self, modules: Callable[[str], Any], folder: Path, block: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Lines of all comparisons, of runs whose prompted arm is right where the others fail."""
        args = type("Args", (), {"output": folder, "experiment": "table2"})
        arms = ["prompted", *(pair[1] for pair in self.pairs)]
        runs = [self.run(b, arm) for b in block["backbones"] for arm in arms]
        modules("_compare").compare([block], runs, args, {"experiment": "table2", "tier": "full"})
        return lines_in(folder)

    def run(self, backbone: str, arm: str) -> dict[str, Any]:
        place = {"data": "d", "protocol": "sessions", "init": "graph", "backbone": backbone}
        reached = {"mrr@5": float(arm == "prompted")}
        name = f"{backbone}-{arm}"
        line = {"kind": "run", **place, "arm": arm, "seed": 0, "ranks": name, "test": reached}
        return {**line, "data_hash": "h", "n_items": 50}

    def keep_ranks(self, modules: Callable[[str], Any], folder: Path) -> None:
        from sessionprompt.metrics import RankedTargets

        ones = np.ones(30)
        empty = np.zeros(30, dtype=int)
        for backbone in self.block["backbones"]:
            for arm in ["prompted", *(pair[1] for pair in self.pairs)]:
                ranks = np.where(arm == "prompted", ones, 50 * ones)
                ranked = RankedTargets(np.arange(30), empty + 1, ranks, empty, empty > 0, None, 50)
                modules("_ranks").keep_ranks(folder / "ranks", f"{backbone}-{arm}", "h", ranked)

    def test_clear_differences_stay_clear_in_the_family_of_the_tier(
        self, modules: Callable[[str], Any], tmp_path: Path
    ) -> None:
        self.keep_ranks(modules, tmp_path)
        lines = self.compared(modules, tmp_path, self.block)
        assert len(lines) == 64
        assert all(line["p_holm"] < 0.05 and line["n_resamples"] == 25_599 for line in lines)
        # kept as they are, since their runs and the family are the same
        for file in (tmp_path / "ranks").iterdir():
            file.unlink()
        assert self.compared(modules, tmp_path, self.block) == lines

    def test_earlier_lines_of_few_resamples_are_drawn_anew_or_said(
        self, modules: Callable[[str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.keep_ranks(modules, tmp_path)
        few = {**self.block, "backbones": ["b0"], "compare": self.pairs[:1]}
        file = tmp_path / "table2.comparisons.jsonl"
        [line] = self.compared(modules, tmp_path, few)
        assert line["n_resamples"] == 2000
        old = {key: line[key] for key in line if key not in ("n_resamples", "n_comparisons")}
        everything = [
            {**old, "backbone": backbone, "against": against}
            for backbone in self.block["backbones"]
            for _, against in self.pairs
        ]
        texts = [json.dumps(one) + "\n" for one in everything]
        file.write_text("".join(texts))
        for path in (tmp_path / "ranks").iterdir():
            path.rename(tmp_path / path.name)
        kept = self.compared(modules, tmp_path, self.block)
        assert min(one["p_holm"] for one in kept) > 0.05
        said = capsys.readouterr().err
        assert "no adjusted p-value of 64 comparisons with 2000 resamples can be below" in said
        for path in tmp_path.glob("*.npz"):
            path.rename(tmp_path / "ranks" / path.name)
        anew = self.compared(modules, tmp_path, self.block)
        assert all(one["p_holm"] < 0.05 for one in anew)

"""The report of the paper's experiments, made of lines that are made up."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sessionprompt.metrics import check_arithmetic

FOLDER = Path(__file__).parent.parent / "benchmarks" / "paper"
MODULES = (
    "report",
    "_sections",
    "_ran",
    "_tables",
    "_cells",
    "_pages",
    "_html",
    "_plots",
    "_lines",
)
EXPERIMENTS = ("Table 2", "Figure 2", "Table 3", "Figure 3")
SETTING = {"tier": "small", "data": "diginetica", "protocol": "sessions", "init": "graph"}
XING = {"data": "xing", "protocol": "within_session"}

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="the benchmarks are not part of the source distribution"
)


@pytest.fixture(scope="module")
def paper():
    """The modules of the folder by name; as scripts they import each other from beside them."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in MODULES}
    finally:
        sys.path.remove(str(FOLDER))
        for name in MODULES:
            sys.modules.pop(name, None)


def figures(level: float) -> dict:
    """Figures that can be true together."""
    recall = {f"recall@{k}": share * level for k, share in ((5, 2), (10, 3), (20, 4))}
    mrr = {f"mrr@{k}": share * level for k, share in ((5, 1), (10, 1.13), (20, 1.2))}
    return recall | mrr | {"n_targets": 1000, "n_unknown_targets": 20}


def run(
    experiment: str = "table2", arm: str = "plain", seed: int = 0, level: float = 0.1, **more
) -> dict:
    line = SETTING | {
        "kind": "run",
        "experiment": experiment,
        "backbone": "gru4rec",
        "arm": arm,
        "seed": seed,
    }
    budget = {
        "best_epoch": 3,
        "epochs": 5,
        "seconds_fit": 90.0,
        "seconds_to_best": 50.0,
        "seconds_per_epoch": 18,
    }
    tried = [{"setting": {"lr": lr}, "score": 0.1, "seconds": 900.0} for lr in (0.005, 0.01)]
    machine = {
        "device": "a processor",
        "threads": 1,
        "peak_gb": 1.5,
        "versions": {"torch": "2.13.0"},
        "command": "run",
    }
    tested = {
        "valid": figures(level),
        "test": figures(level),
        "data_hash": "abc",
        "resolution": None,
    }
    return line | budget | machine | tested | {"tuned": {"lr": 0.005}, "tried": tried} | more


def comparison(arm: str = "prompted", **more) -> dict:
    line = SETTING | {
        "kind": "comparison",
        "experiment": "table2",
        "backbone": "gru4rec",
        "arm": arm,
    }
    found = {
        "metric": "mrr@5",
        "difference": 0.02,
        "low": 0.011,
        "high": 0.03,
        "p": 0.0004,
        "p_holm": 0.012,
    }
    over = {
        "against": "plain",
        "wins": 2,
        "seeds": [0, 1],
        "n_sessions": 300,
        "n_targets": 1000,
        "family": "arms",
    }
    return line | found | over | more


def partition(resolution: float, n_clusters: int) -> dict:
    sizes = {"largest": 50, "median": 4.0, "singletons": 7}
    shape = {
        "n_clusters": n_clusters,
        "cluster_sizes": sizes,
        "modularity": 0.91,
        "agreement": 0.61,
    }
    return (
        SETTING
        | {"kind": "partition", "experiment": "figure3", "resolution": resolution, "seeds": [0, 1]}
        | shape
    )


BASELINE = SETTING | {"kind": "baseline", "model": "SLIST", "test": figures(0.12)}
CURVE = [(0.5, 100, 0.1), (1, 366, 0.12), (2, 900, 0.11)]
ALL = [
    *[
        run(arm=arm, seed=seed, level=level)
        for arm, level in (("plain", 0.1), ("prompted", 0.12))
        for seed in (0, 1)
    ],
    run(arm="random", level=0.11),
    run(backbone="narm", level=0.2),
    comparison(),
    BASELINE,
    *[
        run("table2", arm, level=level, **XING)
        for arm, level in (("plain", 0.11), ("prompted", 0.15))
    ],
    *[run("figure2", arm, level=0.1 + 0.01 * k) for k, arm in enumerate(["CU", "plain", "C", "S"])],
    run("figure2", "C", **XING),
    run("table3", "prompted", level=0.12, note_time="Another program ran beside it."),
    run(
        "table3", "plain", backbone="lessr", level=0.11, seconds_to_best=500.0, same_run_as="table2"
    ),
    run("figure3", "plain", level=0.1),
    *[run("figure3", "prompted", level=level, resolution=r) for r, _, level in CURVE],
    *[partition(r, n_clusters) for r, n_clusters, _ in CURVE],
]


def write(folder: Path, lines: list[dict], name: str = "lines.jsonl") -> Path:
    """A folder with a file of these lines."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def report_of(paper, folder: Path, lines: list[dict]) -> str:
    """The Markdown report of these lines."""
    paper["report"].main([str(write(folder, lines))])
    return (folder / "report.md").read_text()


def under(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    level, start = len(heading.split(" ")[0]), text.index(heading)
    rest = text[start + len(heading) :]
    end = re.search(rf"^#{{1,{level}}} ", rest, flags=re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str, title: str) -> list[dict[str, str]]:
    """The table under a title."""
    lines = [line for line in under(text, f"### {title}").splitlines() if line.startswith("|")]
    head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, cells, strict=True)) for cells in body]


def fault_of(paper, folder: Path, lines: list[dict]) -> str:
    """What the report says where it refuses."""
    with pytest.raises(SystemExit) as refused:
        paper["report"].main([str(write(folder, lines))])
    assert not (folder / "report.md").exists()
    return str(refused.value)


@pytest.fixture(scope="module")
def folder(paper, tmp_path_factory) -> Path:
    """A folder with everything, reported."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "reading.md").write_text(
        "## Reading\n\nWhat it **says**.\n\n- a < b\n- c\n\n| x | y |\n|---|---|\n| 1 | 2 |\n"
    )
    report_of(paper, folder, ALL)
    return folder


@pytest.fixture(scope="module")
def text(folder) -> str:
    return (folder / "report.md").read_text()


class TestTable2:
    title = "Table 2: diginetica, protocol sessions, init graph"
    paired = "Paired differences: diginetica, protocol sessions, init graph"

    def test_means_spread_and_the_best_of_each_backbone(self, paper, tmp_path):
        lines = [
            run(),
            run(seed=1, level=0.12),
            run(arm="prompted", level=0.12),
            run(backbone="narm", level=0.2),
        ]
        table = rows(report_of(paper, tmp_path, lines), self.title)
        assert [[row["backbone"], row["arm"], row["seeds"]] for row in table] == [
            ["gru4rec", "plain", "0, 1"],
            ["gru4rec", "prompted", "0"],
            ["narm", "plain", "0"],
        ]
        assert [row["MRR@5"] for row in table] == ["11.00 ± 1.41", "**12.00**", "**20.00**"]
        assert [row["R@20"] for row in table] == ["44.00 ± 5.66", "**48.00**", "**80.00**"]

    def test_baselines_stand_below_and_take_no_part_in_the_bold(self, text):
        row = rows(text, self.title)[-1]
        assert [row["backbone"], row["arm"], row["MRR@5"]] == ["SLIST", "no network", "12.00"]

    def test_controls_are_not_in_it_but_among_the_differences(self, text):
        assert "random" not in [row["arm"] for row in rows(text, self.title)]
        table = rows(text, self.paired)
        assert [[row["backbone"], row["arm"], row["MRR@5"], row["against"]] for row in table] == [
            ["gru4rec", "plain", "10.00 ± 0.00", "-"],
            ["gru4rec", "prompted", "12.00 ± 0.00", "plain"],
            ["gru4rec", "random", "11.00", "not compared"],
            ["narm", "plain", "20.00", "not compared"],
        ]

    def test_differences(self, text):
        row = rows(text, self.paired)[1]
        assert [
            row[key]
            for key in ("arm", "against", "difference", "95 % interval", "p", "Holm", "wins")
        ] == [*["prompted", "plain", "+2.00", "+1.10 to +3.00", "<0.001", "0.012", "2 of 2"]]
        assert "Resampled: 300 sessions with 1,000 targets." in under(text, f"### {self.paired}")

    def test_families_of_too_few_resamples_are_named(self, paper, tmp_path):
        lines = [comparison(against=f"other{k}", n_resamples=99, p_holm=1.0) for k in range(4)]
        text = report_of(paper, tmp_path, [run(), *lines])
        assert "sessions with 1,000 targets, 99 times." in under(text, f"### {self.paired}")
        said = "No adjusted p of 4 comparisons with 99 resamples can be below 0.080 (arms)."
        assert said in under(text, f"### {self.paired}")
        enough = [{**line, "n_resamples": 1599} for line in lines]
        assert "No adjusted p of" not in report_of(paper, tmp_path, [run(), *enough])

    def test_both_wordings_of_the_papers_model_are_named(self, text):
        arms = under(text, "## Table 2")
        assert "- **prompted**: the paper's model as its released code has it, with two" in arms
        assert "- **scalar**: the paper's model as its text has it" in arms

    def test_what_was_not_run_is_said(self, text):
        assert "Not run: prompted of narm; scalar; cosine; candidates; any arm of core," in text
        assert "permuted; any arm of core" in under(text, f"### {self.paired}")

    def test_unknown_targets_are_counted(self, text):
        assert "Targets: 1,000; unknown to the model, and counted as misses: 20." in under(
            text, f"### {self.title}"
        )

    def test_the_paper_stands_beside_its_own_protocol_only(self, paper, text, tmp_path):
        table = rows(text, "Table 2: xing, protocol within_session, init graph")
        assert [[row["MRR@5, paper"], row["R@5, paper"]] for row in table] == [
            ["10.33", "15.71"],
            ["11.12", "16.90"],
        ]
        assert "MRR@5, paper" not in rows(text, self.title)[0]
        lines = [run(data="xing"), run(data="diginetica", protocol="within_session")]
        other = report_of(paper, tmp_path, lines)
        assert ", paper" not in other
        assert "The paper reports no figures for diginetica." in other

    def test_baselines_alone(self, paper, tmp_path):
        text = report_of(paper, tmp_path, [BASELINE])
        assert len(rows(text, "Models without a network: diginetica, protocol sessions")) == 1
        assert "Not run." in under(text, "## Table 3")


class TestFiguresAndTimes:
    def test_figure2_says_what_session_prompts_are(self, text):
        absent = "Session prompts of unseen sessions are absent by definition"
        assert absent in under(text, "### Figure 2: diginetica, protocol sessions")
        assert absent not in under(text, "### Figure 2: xing, protocol within_session")
        table = rows(text, "Figure 2: diginetica, protocol sessions, init graph")
        assert [[row["prompts"], row["MRR@5"]] for row in table] == [
            *[["plain", "11.00"], ["C", "12.00"], ["S", "13.00"], ["CU", "10.00"]]
        ]

    def test_table3(self, text):
        table = rows(text, "Table 3: diginetica, protocol sessions, init graph")
        assert [
            [row["backbone"], row["arm"], row["s to best"], row["MRR@5"], row["best epoch"]]
            for row in table
        ] == [
            ["gru4rec", "prompted", "50.0", "12.00", "3 of 5"],
            ["lessr", "plain", "500.0", "11.00", "3 of 5"],
        ]
        assert "Another program ran beside it." in under(text, "## Table 3")

    def test_figure3(self, text):
        table = rows(text, "Figure 3: diginetica, protocol sessions, init graph")
        assert [
            [row["resolution"], row["clusters"], row["arm"], row["MRR@5"]] for row in table
        ] == [
            ["-", "-", "plain", "10.00"],
            ["0.5", "100", "prompted", "10.00"],
            ["1", "366", "prompted", "12.00"],
            ["2", "900", "prompted", "11.00"],
        ]
        assert [table[2][key] for key in ("largest", "median", "singletons", "agreement")] == [
            "50",
            "4",
            "7",
            "0.61",
        ]

    def test_differences_of_figure2_stand_beside_the_figures_of_their_runs(self, paper, tmp_path):
        lines = [run("figure2", "plain", level=0.1), run("figure2", "C", level=0.12)]
        lines += [comparison("C", experiment="figure2", seeds=[0], wins=1)]
        table = rows(report_of(paper, tmp_path, lines), TestTable2.paired)
        assert [[row["arm"], row["seeds"], row["MRR@5"], row["difference"]] for row in table] == [
            ["plain", "0", "10.00", "-"],
            ["C", "0", "12.00", "+2.00"],
        ]

    def test_partitions_without_runs(self, paper, tmp_path):
        table = rows(report_of(paper, tmp_path, [partition(1, 366)]), "Partitions: diginetica")
        assert [table[0]["clusters"], table[0]["MRR@5"]] == ["366", "-"]

    def test_runs_and_tuning(self, text):
        first, *_, last = rows(text, "Runs")
        assert [first[key] for key in ("experiment", "runs", "seeds", "hours")] == [
            "table2",
            "6",
            "0, 1",
            "3.00",
        ]
        assert [last[key] for key in ("experiment", "runs")] == ["baselines", "1"]
        assert "1, 1 shared" in [row["runs"] for row in rows(text, "Runs")]
        row = rows(text, "Tuning")[0]
        assert [row[key] for key in ("arm", "tried", "chosen", "MRR@5, validation")] == [
            *["plain", "2", "lr=0.005", "10.00 ± 0.00"]
        ]


class TestPages:
    def test_reading_comes_first(self, text):
        assert text.index("## Reading") < text.index("## Table 2")

    def test_every_table_names_its_files(self, text):
        tables = text.split("### ")[1:]
        assert tables and all("Lines: `lines.jsonl`." in table for table in tables)

    def test_files_are_told_apart(self, paper, tmp_path):
        write(tmp_path, [comparison()], "b.jsonl")
        text = report_of(paper, tmp_path, [run()])
        assert "Lines: `lines.jsonl`." in under(text, "### Table 2")
        assert "Lines: `b.jsonl`, `lines.jsonl`." in under(text, "### Paired differences")

    def test_every_experiment_may_be_missing(self, paper, tmp_path):
        text = report_of(paper, tmp_path, [partition(1, 366)])
        assert [name for name in EXPERIMENTS if "Not run." in under(text, f"## {name}")] == list(
            EXPERIMENTS[:3]
        )

    def test_html_is_closed_and_stands_alone(self, folder):
        page = (folder / "report.html").read_text()
        check = Balance()
        check.feed(page)
        assert check.open == [] and check.seen >= {"table", "th", "td", "b", "code", "li", "h3"}
        assert not re.search(r'(src|href)="(?!data:)', page)
        assert "<li>a &lt; b</li>" in page and "<td>1</td><td>2</td>" in page

    def test_same_lines_same_report(self, paper, folder, tmp_path):
        report_of(paper, tmp_path, ALL)
        for file in tmp_path.glob("*.svg"):
            assert file.read_text() == (folder / file.name).read_text()

    def test_without_matplotlib_the_way_out_is_named(self, paper, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(paper["_plots"], "matplotlib", None)
        text = report_of(paper, tmp_path, ALL)
        assert "pip install 'sessionprompt[plot]'" in under(text, "## Figure 2")
        assert "pip install 'sessionprompt[plot]'" in capsys.readouterr().err
        assert not list(tmp_path.glob("*.svg"))

    def test_figures(self, paper, folder, text):
        pytest.importorskip("matplotlib")
        names = {file.name for file in folder.glob("*.svg")}
        assert names == set(re.findall(r"\]\((.*\.svg)\)", text))
        assert {name.split("_")[0] for name in names} == {"figure2", "table3", "figure3"}
        assert (
            "absent by definition" in (folder / "figure2_diginetica_sessions_graph.svg").read_text()
        )
        assert (
            "absent by definition"
            not in (folder / "figure2_xing_within_session_graph.svg").read_text()
        )
        assert (folder / "report.html").read_text().count("data:image/svg+xml;base64,") == len(
            names
        )


class TestMarkdown:
    """What people write by hand, as HTML."""

    @pytest.mark.parametrize(
        ("text", "html"),
        [
            ("## Head\nText", "<h2>Head</h2>\n<p>Text</p>"),
            ("Text\n### Head", "<p>Text</p>\n<h3>Head</h3>"),
            ("Text:\n- a\n- b\nmore", "<p>Text:</p>\n<ul><li>a</li><li>b\nmore</li></ul>"),
            (
                "* a\n  - b\n  - c\n* d",
                "<ul><li>a\n<ul><li>b</li><li>c</li></ul></li><li>d</li></ul>",
            ),
            ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
            ("**over\ntwo lines** and *one*", "<p><b>over\ntwo lines</b> and <i>one</i></p>"),
            ("2 * 3 * 4 and a*b*c", "<p>2 * 3 * 4 and a*b*c</p>"),
            ("`**a** < [b](c)`", "<p><code>**a** &lt; [b](c)</code></p>"),
            ("[a](../b.jsonl)", '<p><a href="../b.jsonl">a</a></p>'),
            ("[a](https://b.org/c)", '<p><a href="https://b.org/c">a</a></p>'),
            ("[a](javascript:alert)", "<p>a</p>"),
            ("> a\n> b", "<blockquote><p>a\nb</p></blockquote>"),
            ("a\n\n---\n\nb", "<p>a</p>\n<hr>\n<p>b</p>"),
            ("```\n# a\n**b**\n```\nc", "<pre><code># a\n**b**</code></pre>\n<p>c</p>"),
            ("a <b> & c", "<p>a &lt;b&gt; &amp; c</p>"),
        ],
    )
    def test_blocks_and_what_stands_in_them(self, paper, text, html):
        assert paper["_html"].markdown_to_html(text) == html

    def test_tables(self, paper):
        html = paper["_html"].markdown_to_html(
            "Text\n| a | b |\n|---|:-:|\n| 1 | x \\| y |\n| 2 | |"
        )
        assert html.startswith("<p>Text</p>")
        assert "<tr><th>a</th><th>b</th></tr>" in html
        assert "<tr><td>1</td><td>x | y</td></tr>" in html
        assert "<tr><td>2</td><td></td></tr>" in html


class Balance(HTMLParser):
    """Which tags are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class TestFaults:
    """No report is made of lines that cannot be true, and the line is named."""

    @pytest.mark.parametrize("part", ["valid", "test", "test_known"])
    def test_arithmetic(self, paper, tmp_path, part):
        broken = run(seed=1, **{part: figures(0.1) | {"mrr@5": 0.3}})
        fault = fault_of(paper, tmp_path, [run(), broken])
        assert fault.startswith(
            f"lines.jsonl, line 2: {part} cannot be true: mrr@10 = 0.113 is below mrr@5 = 0.3."
        )

    def test_arithmetic_of_baselines(self, paper, tmp_path):
        fault = fault_of(paper, tmp_path, [BASELINE | {"test": figures(0.1) | {"recall@20": 1.2}}])
        assert fault.startswith(
            "lines.jsonl, line 1: test cannot be true: recall@20 = 1.2 is outside 0..1"
        )

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ({"kind": "rum"}, "line 1: kind='rum' is not known; it is one of ['run',"),
            (
                {"kind": "run", "experiment": "table2"},
                "line 1: a run needs data, protocol, backbone, arm, init, seed.",
            ),
            (comparison(low=0.2), "line 1: the interval runs from low=0.2 to high=0.03."),
            (comparison(p=0.02), "line 1: p=0.02 and p_holm=0.012, but 0 <= p <= p_holm <= 1."),
            (comparison(wins=3), "line 1: wins=3 of 2 seeds."),
        ],
    )
    def test_single_lines(self, paper, tmp_path, line, fault):
        assert fault in fault_of(paper, tmp_path, [line])

    def test_what_is_no_json(self, paper, tmp_path):
        (tmp_path / "a.jsonl").write_text('\n{"kind": \n')
        assert fault_of(paper, tmp_path, [run()]).startswith(
            "a.jsonl, line 2 is no JSON: Expecting value"
        )

    def test_the_same_run_twice(self, paper, tmp_path):
        fault = fault_of(paper, tmp_path, [run(), run(seed=1), run()])
        assert (
            fault
            == "lines.jsonl, line 3 and lines.jsonl, line 1 are the same run; remove one of them."
        )

    def test_other_data_under_one_name(self, paper, tmp_path):
        fault = fault_of(paper, tmp_path, [run(), run(seed=1, data_hash="def")])
        assert fault.startswith(
            "lines.jsonl, line 2: data_hash='def', but lines.jsonl, line 1: 'abc'; report them in"
        )

    def test_several_tiers(self, paper, tmp_path):
        fault = fault_of(paper, tmp_path, [run(), run(seed=1, tier="full")])
        assert "line 2: tier='full', but lines.jsonl, line 1: 'small'" in fault

    def test_a_difference_that_its_runs_do_not_have(self, paper, tmp_path):
        sides = [
            run(arm=arm, seed=seed, level=level)
            for arm, level in (("plain", 0.1), ("prompted", 0.11))
            for seed in (0, 1)
        ]
        fault = fault_of(paper, tmp_path, [*sides, comparison()])
        assert (
            fault
            == "lines.jsonl, line 5: difference=0.02, but the runs of these seeds differ by 0.01."
        )

    def test_no_lines(self, paper, tmp_path):
        with pytest.raises(
            SystemExit,
            match=r"holds no .jsonl files; name the folder that the lines were written to",
        ):
            paper["report"].main([str(tmp_path)])


def test_published_figures_can_be_true():
    published = tomllib.loads((FOLDER / "published.toml").read_text())
    for data, backbones in published["table2"].items():
        assert len(backbones) == 8
        for backbone, arms in backbones.items():
            for arm, percents in arms.items():
                shares = {metric: value / 100 for metric, value in percents.items()}
                assert check_arithmetic(shares, tolerance=2e-4) == [], (data, backbone, arm)

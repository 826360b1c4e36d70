"""Tables of what the runs reached: means over seeds, paired differences, times, resolutions."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from _cells import (
    NOTHING,
    extent,
    files,
    number,
    percent,
    plain,
    points,
    probability,
    seeds,
    tested,
    values,
)
from _lines import BACKBONES, Fault, Line, grouped, pick

from sessionprompt.metrics import check_arithmetic

METRICS = ("mrr@5", "recall@5", "mrr@10", "recall@10", "mrr@20", "recall@20")
TABLE2_ARMS = ("plain", "prompted", "scalar", "cosine", "candidates")  # the others are controls


@dataclass(frozen=True)
class Table:
    """Rows of text under a head, a sentence on what they show, and the files they come from."""

    title: str
    caption: str
    head: Sequence[str]
    rows: list[list[str]]
    files: Sequence[str]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Published:
    """What the paper reports by backbone and arm, if the setting is one of its own."""

    source: str
    figures: dict[tuple[str, str], Any]
    notes: Sequence[str] = ()

    def beside(self, runs: Sequence[Line]) -> dict[tuple[str, str], Any]:
        """The figures, if any of them has a run to stand beside."""
        return (
            self.figures
            if any((run["backbone"], run["arm"]) in self.figures for run in runs)
            else {}
        )


def quality(runs: list[Line], baselines: list[Line], published: Published, title: str) -> Table:
    """Table 2: test figures of each backbone and arm, the best arm of each backbone in bold."""
    runs = [run for run in runs if run.get("test") and run["arm"] in TABLE2_ARMS]
    theirs = published.beside(runs)
    rows = []
    for (backbone,), group in grouped(runs, ["backbone"]):
        means = {arm: _means(lines) for (arm,), lines in grouped(group, ["arm"])}
        best = {metric: max(one[metric] for one in means.values()) for metric in METRICS}
        for (arm,), lines in grouped(group, ["arm"]):
            cells = [_bold(percent(tested(lines, m)), means[arm][m] == best[m]) for m in METRICS]
            rows.append([backbone, arm, seeds(lines), *cells, *_quoted(theirs, backbone, arm)])
    for (model,), lines in grouped(baselines, ["model"]):
        figures = [percent(tested(lines, m)) for m in METRICS]
        rows.append([model, "no network", NOTHING, *figures, *_quoted(theirs, model, "")])
    caption = (
        "Test figures in percent over all test targets, mean ± standard deviation over the seeds, "
    )
    caption += "the best arm of each backbone in bold"
    if theirs:
        caption += (
            f"; at the right what the paper reports (Table 2 of {published.source}), with "
            "the elementwise gates of its released code"
        )
    caption += "."
    head = [
        "backbone",
        "arm",
        "seeds",
        *map(_name, METRICS),
        *(["MRR@5, paper", "R@5, paper"] if theirs else []),
    ]
    used = [*runs, *baselines]
    notes = [*_targets(used), *_sizes(runs), *published.notes, *_not_run(runs, TABLE2_ARMS)]
    return Table(title, caption, head, rows, files(used), notes)


def _means(lines: Sequence[Line]) -> dict[str, float]:
    """Means over the seeds, which obey the same arithmetic as single runs."""
    known = {
        metric: statistics.fmean(tested(lines, metric))
        for metric in METRICS
        if tested(lines, metric)
    }
    if faults := check_arithmetic(known):
        places = "; ".join(line["place"] for line in lines)
        raise Fault(f"{places}: their mean cannot be true: {' '.join(faults)}")
    return {metric: known.get(metric, 0.0) for metric in METRICS}


def _name(metric: str) -> str:
    return metric.replace("mrr", "MRR").replace("recall", "R")


def _bold(text: str, best: bool) -> str:
    if best and text != NOTHING:
        return f"**{text}**"
    return text


def _quoted(theirs: dict[tuple[str, str], Any], backbone: str, arm: str) -> list[str]:
    if not theirs:
        return []
    figures = theirs.get((backbone, arm), {})
    return [f"{figures[metric]:.2f}" if metric in figures else NOTHING for metric in METRICS[:2]]


def _targets(lines: Sequence[Line]) -> list[str]:
    """How many targets there were, and how many the models did not know."""
    counts = [tested(lines, key) for key in ("n_targets", "n_unknown_targets")]
    if not all(counts):
        return []
    known, unknown = map(extent, counts)
    return [f"Targets: {known}; unknown to the model, and counted as misses: {unknown}."]


def _sizes(runs: Sequence[Line]) -> list[str]:
    """How many sessions there were before the split, of whom and of what."""
    said = dict.fromkeys(said_sizes(sizes) for sizes in values(runs, "sizes"))
    return [f"Sessions before the split: {one}." for one in said]


def said_sizes(sizes: dict[str, Any]) -> str:
    """Sizes of a data set in words."""
    users = ""
    if sizes["users"] is not None:
        users = f" of {plain(sizes['users'])} users"
    return (
        f"{plain(sizes['sessions'])}{users}, {plain(sizes['items'])} items, mean length "
        f"{sizes['mean_length']:.2f}"
    )


def _not_run(runs: Sequence[Line], arms: Sequence[str]) -> list[str]:
    """Which arms and backbones are missing, in one sentence, if any are."""
    have = [backbone for backbone in BACKBONES if pick(runs, backbone=backbone)]
    gaps = []
    for arm in arms:
        without = [backbone for backbone in have if not pick(runs, backbone=backbone, arm=arm)]
        if without == have:
            gaps.append(arm)
        elif without:
            gaps.append(f"{arm} of {', '.join(without)}")
    if absent := [backbone for backbone in BACKBONES if backbone not in have]:
        gaps.append(f"any arm of {', '.join(absent)}")
    return [f"Not run: {'; '.join(gaps)}."] if gaps else []


def differences(
    runs: list[Line], comparisons: list[Line], title: str, arms: Sequence[str] = ()
) -> Table:
    """Every comparison of two arms, and the arms that were run but not compared."""
    runs = [run for run in runs if run.get("test")]
    rows = []
    for (backbone, arm), lines in grouped([*runs, *comparisons], ["backbone", "arm"]):
        own = pick(lines, kind="run")
        compared = [_compared(line) for line in pick(lines, kind="comparison")]
        if not compared and not pick(comparisons, backbone=backbone, against=arm):
            compared = [["not compared", *[NOTHING] * 6]]
        start = [backbone, arm, seeds(own), percent(tested(own, "mrr@5"))]
        rows += [[*start, *cells] for cells in compared or [[NOTHING] * 7]]
    caption = (
        "Differences of two arms on the same test sessions in points of percent, with the 95 % "
        "interval and the p-value of a bootstrap over sessions, p adjusted after Holm within its "
        "family, and the seeds that gain."
    )
    head = [
        "backbone",
        "arm",
        "seeds",
        "MRR@5",
        "against",
        "metric",
        "difference",
        "95 % interval",
        "p",
        "Holm",
        "wins",
    ]
    notes = [*_resampled(comparisons), *(_not_run(runs, arms) if arms else [])]
    return Table(title, caption, head, rows, files([*runs, *comparisons]), notes)


def _compared(line: Line) -> list[str]:
    interval = f"{points(line['low'])} to {points(line['high'])}"
    ps = [probability(line["p"]), probability(line["p_holm"])]
    wins = f"{line['wins']} of {len(line['seeds'])}"
    return [line["against"], _name(line["metric"]), points(line["difference"]), interval, *ps, wins]


def _resampled(comparisons: Sequence[Line]) -> list[str]:
    """What was resampled and how often, and the families of the adjustment."""
    sessions = values(comparisons, "n_sessions")
    targets = values(comparisons, "n_targets")
    resamples = values(comparisons, "n_resamples")
    times = ""
    if resamples:
        times = f", {extent(resamples)} times"
    notes = []
    if sessions:
        notes = [f"Resampled: {extent(sessions)} sessions with {extent(targets)} targets{times}."]
    notes += [note for (_,), group in grouped(comparisons, ["family"]) for note in _too_few(group)]
    families = [
        f"{family} ({len(group)} here)"
        for (family,), group in grouped(comparisons, ["family"])
        if family
    ]
    return notes + ([f"Families of the adjustment: {', '.join(families)}."] if families else [])


def _too_few(family: Sequence[Line]) -> list[str]:
    """A sentence on a family whose resamples leave no comparison below .05, if it is one."""
    n_resamples = max(values(family, "n_resamples"), default=0)
    least = 2 * len(family) / (n_resamples + 1)
    if not n_resamples or least <= 0.05:
        return []
    return [
        f"No adjusted p of {len(family)} comparisons with {n_resamples:,} resamples can be below "
        f"{least:.3f} ({family[0]['family']})."
    ]


def prompts(runs: list[Line], title: str, notes: Sequence[str] = ()) -> Table:
    """The numbers behind Figure 2."""
    rows = [
        [backbone, arm, seeds(lines), *[percent(tested(lines, metric)) for metric in METRICS[:2]]]
        for (backbone, arm), lines in grouped(runs, ["backbone", "arm"])
    ]
    caption = (
        "The numbers behind the bars: test figures in percent, mean ± standard deviation over the "
        "seeds."
    )
    head = ["backbone", "prompts", "seeds", "MRR@5", "R@5"]
    return Table(title, caption, head, rows, files(runs), [*notes, *_targets(runs)])


def times(runs: list[Line], published: Published, title: str) -> Table:
    """Table 3: what training takes, beside what it reaches."""
    theirs = published.beside(runs)
    rows = []
    for (backbone, arm, device, threads), lines in grouped(
        runs, ["backbone", "arm", "device", "threads"]
    ):
        costs = [
            number(values(lines, key))
            for key in ("seconds_to_best", "seconds_per_epoch", "seconds_fit")
        ]
        epochs = f"{extent(values(lines, 'best_epoch'))} of {extent(values(lines, 'epochs'))}"
        machine = [number(values(lines, "peak_gb"), "{:.2f}"), plain(device), plain(threads)]
        quoted = [plain(theirs.get((backbone, arm)))] if theirs else []
        rows.append(
            [
                backbone,
                arm,
                seeds(lines),
                percent(tested(lines, "mrr@5")),
                *costs,
                epochs,
                *machine,
                *quoted,
            ]
        )
    caption = (
        "Seconds until the epoch that was best on validation, of an epoch, and of the whole fit, "
        "beside the test MRR@5 in percent, mean ± standard deviation over the seeds"
    )
    if theirs:
        caption += f"; at the right the paper's own seconds (Table 3 of {published.source})"
    caption += "."
    head = [
        "backbone",
        "arm",
        "seeds",
        "MRR@5",
        "s to best",
        "s an epoch",
        "s in all",
        "best epoch",
        "peak GB",
    ]
    head += ["machine", "threads", *(["s, paper"] if theirs else [])]
    return Table(title, caption, head, rows, files(runs), sorted(set(values(runs, "note_time"))))


def resolutions(runs: list[Line], partitions: list[Line], title: str) -> Table:
    """Figure 3 in numbers: per resolution the clusters, and what the models reach with them."""
    rows = []
    for (resolution,), lines in grouped([*partitions, *runs], ["resolution"]):
        own = pick(lines, kind="run")
        shape = _shape((pick(lines, kind="partition") or own)[0])
        for (backbone, arm), group in grouped(own, ["backbone", "arm"]) or [
            ((NOTHING, NOTHING), [])
        ]:
            scores = [percent(tested(group, metric)) for metric in METRICS[:2]]
            rows.append([plain(resolution), *shape, backbone, arm, seeds(group), *scores])
    caption = (
        "Per resolution the clusters, their modularity and the agreement of two seeds (mean "
        "adjusted Rand index over the pairs), and the test figures in percent of the models with "
        "such clusters."
    )
    head = ["resolution", "clusters", "largest", "median", "singletons", "modularity", "agreement"]
    head += ["backbone", "arm", "seeds", "MRR@5", "R@5"]
    return Table(title, caption, head, rows, files([*partitions, *runs]))


def _shape(line: Line) -> list[str]:
    """Number and sizes of the clusters, their modularity and agreement."""
    sizes = line.get("cluster_sizes") or {}
    counts = [
        line.get("n_clusters"),
        *[sizes.get(key) for key in ("largest", "median", "singletons")],
    ]
    return [plain(value) for value in [*counts, line.get("modularity"), line.get("agreement")]]

"""Displays on tiny data: what they draw, where, and that labels are legible."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.model_selection import GridSearchCV

import sessionprompt.plotting.canvas as canvas
from sessionprompt import ItemClusterer, Pipeline, Sessions, make_session_pipeline
from sessionprompt.baselines import Popularity, SequentialRules
from sessionprompt.blending import Blend, StackBlend
from sessionprompt.comparison import paired_bootstrap
from sessionprompt.datasets import make_sessions
from sessionprompt.explaining import explain
from sessionprompt.graphs import FARTHER
from sessionprompt.model_selection import TemporalSessionSplit
from sessionprompt.plotting import (
    BlendDisplay,
    ClusterFlowDisplay,
    ClusterMapDisplay,
    ComparisonDisplay,
    Display,
    ExplanationDisplay,
    ReachDisplay,
    ResolutionCurveDisplay,
    SliceDisplay,
    TrainingCurveDisplay,
)

LOG = make_sessions(120, n_items=24, n_clusters=4, random_state=0)
TRAIN = LOG[:100]
TEST = LOG[100:]
TITLES = {id_: f"Title of {id_}" for id_ in LOG.vocabulary.ids.tolist()}


@pytest.fixture(scope="module")
def model() -> Pipeline:
    params: dict[str, Any] = {"dim": 8, "max_epochs": 2, "refit": False, "batch_size": 64}
    return make_session_pipeline("stamp", random_state=0, **params).fit(TRAIN)


@pytest.fixture(scope="module")
def rules() -> Pipeline:
    steps = [("clu", ItemClusterer(random_state=0)), ("rec", SequentialRules())]
    return Pipeline(steps).fit(TRAIN)


def check_picture(shown: Display) -> None:
    """A figure of its own becomes a picture, on which no label lies on another of its axis."""
    picture = shown._repr_png_()
    assert picture is not None and picture.startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules or not _pyplot_figures()
    for axes in shown.axes_:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
            shown_boxes = [box for box in boxes if box.width and box.height]
            low, high = sorted(axis.get_view_interval())
            places = axis.get_ticklocs()
            if len(places) == len(shown_boxes):
                pairs = zip(places, shown_boxes, strict=True)
                shown_boxes = [box for place, box in pairs if low <= place <= high]
            assert not any(one.overlaps(other) for one, other in combinations(shown_boxes, 2))


def _pyplot_figures() -> list[int]:
    from matplotlib import pyplot

    return pyplot.get_fignums()


def test_training_curve(model: Pipeline) -> None:
    shown = TrainingCurveDisplay.from_estimator(model)
    losses, metric = shown.axes_
    history = model[-1].history_
    np.testing.assert_allclose(losses.lines[0].get_ydata(), [row["train_loss"] for row in history])
    np.testing.assert_allclose(metric.lines[0].get_ydata(), [row["mrr@5"] for row in history])
    assert metric.get_ylabel().startswith("mrr@5") and metric.get_xlabel() == "epoch"
    assert metric.texts[0].get_text() == f"best epoch: {model[-1].best_epoch_}"
    check_picture(shown)
    alone = TrainingCurveDisplay.from_results([{"epoch": 1, "train_loss": 2.0}])
    assert len(alone.axes_) == 1
    with pytest.raises(ValueError, match="no epoch"):
        TrainingCurveDisplay.from_results([])


def test_blends(model: Pipeline) -> None:
    shown = BlendDisplay.from_estimator(model)
    weights = model[-1].blend_.to_dict()
    heights = [bar.get_height() for bar in shown.ax_.patches]
    assert heights == [value for name, value in weights.items() if name.startswith("steps back")]
    check_picture(shown)
    stack = BlendDisplay.from_results(StackBlend.of_one(("net", "counts"), 0))
    legend = stack.axes_[3].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["net", "counts"]
    with pytest.raises(ValueError, match="repeats='held_out'"):
        BlendDisplay.from_estimator(SequentialRules().fit(TRAIN))


def test_slices(rules: Pipeline) -> None:
    shown = SliceDisplay.from_estimator(rules, TEST, metric="recall@5")
    result = rules.evaluate(TEST, metrics="recall@5", slices=("length", "popularity", "repeat"))
    assert shown.overall.mean == pytest.approx(result["recall@5"])
    for name, labels in result["slices"].items():
        assert set(shown.intervals[name]) == set(labels)
        for label, figures in labels.items():
            one = shown.intervals[name][label]
            assert one.mean == pytest.approx(figures["recall@5"])
            assert one.n_targets == figures["n"]
    check_picture(shown)
    one_slice = SliceDisplay.from_results(rules.ranks(TEST), slices=["repeat"])
    assert len(one_slice.axes_) == 1
    with pytest.raises(ValueError, match="names 'weekday'; known slices are"):
        SliceDisplay.from_results(rules.ranks(TEST), slices=["weekday"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="slices is empty"):
        SliceDisplay.from_results(rules.ranks(TEST), slices=[])


def test_comparisons(rules: Pipeline) -> None:
    models = {"rules": rules, "popular": Popularity().fit(TRAIN), "same": rules}
    shown = ComparisonDisplay.from_estimators(models, TEST, baseline="rules")
    expected = paired_bootstrap(
        models["popular"].ranks(TEST),
        rules.ranks(TEST),
        "mrr@20",
        n_comparisons=2,
        random_state=0,
    )
    assert shown.comparisons["popular"] == expected
    assert [label.get_text() for label in shown.ax_.get_yticklabels()] == ["popular", "same"]
    assert "mrr@20" in shown.ax_.get_xlabel()
    check_picture(shown)
    with pytest.raises(ValueError, match="baseline='knn' must be one of the models"):
        ComparisonDisplay.from_estimators(models, TEST, baseline="knn")
    with pytest.raises(ValueError, match="comparisons is empty"):
        ComparisonDisplay.from_results({})


def test_reach(rules: Pipeline) -> None:
    train = Sessions.from_lists([["a", "b"], ["b", "c"], ["c", "d"], ["x", "y"]])
    test = Sessions.from_lists([["a", "a"], ["a", "b"], ["a", "c"], ["a", "d"], ["a", "q", "x"]])
    shown = ReachDisplay.from_sessions(train, test)
    expected = [1 / 6, 1 / 6, 1 / 6, 2 / 6, 1 / 6]
    assert list(shown.shares.values()) == pytest.approx(expected)
    assert [bar.get_width() for bar in shown.ax_.patches] == pytest.approx(
        [100 * share for share in expected]
    )
    check_picture(shown)
    clusterer = ItemClusterer(random_state=0).fit(train)
    assert ReachDisplay.from_estimator(clusterer, test).shares == shown.shares
    assert sum(ReachDisplay.from_estimator(rules, TEST).shares.values()) == pytest.approx(1)
    part = ReachDisplay.from_sessions(train[:1], test)  # whose vocabulary has items without events
    assert part.shares["unknown item"] == pytest.approx(4 / 6)
    asked = Sessions.from_lists([["a", "a", "c"], ["b", "a"], []])
    asked = asked.with_targets([True, False, True, False, True])
    some = ReachDisplay.from_sessions(train, asked)  # a, a -> c and b -> a
    assert some.n_targets == 2 and some.shares["two steps away"] == pytest.approx(1 / 2)
    assert FARTHER == 3
    with pytest.raises(ValueError, match="none of the 1 sessions has two events"):
        ReachDisplay.from_sessions(train, [["a"]])
    with pytest.raises(ValueError, match="has no clusterer"):
        ReachDisplay.from_estimator(SequentialRules().fit(train), test)


def test_explanations(model: Pipeline, rules: Pipeline) -> None:
    session = TEST.to_lists()[0][:4]
    shown = ExplanationDisplay.from_estimator(model, session, "item-03", titles=TITLES)
    found = explain(model, session, "item-03")
    events, parts = shown.axes_
    assert [bar.get_width() for bar in events.patches] == pytest.approx(found.shares.tolist())
    assert [bar.get_width() for bar in parts.patches] == pytest.approx([*found.parts.values()])
    names = [label.get_text() for label in events.get_yticklabels()]
    assert names == [f"{place}  {TITLES[item]}" for place, item in enumerate(session, 1)]
    assert events.get_title(loc="left").startswith("Title of item-03: a score of")
    check_picture(shown)
    long = explain(rules, LOG.vocabulary.ids[:10].tolist(), "item-03")
    shown = ExplanationDisplay.from_results(long)
    assert shown.axes_[0].get_yticklabels()[-1].get_text() == "together"
    assert shown.axes_[0].patches[-1].get_width() == long.rest
    check_picture(shown)


def test_resolution_curve() -> None:
    steps = [("clu", ItemClusterer(random_state=0)), ("rec", SequentialRules())]
    grid = {"clu__resolution": [2.0, 0.5], "rec__last_n": [1, 2]}
    search = GridSearchCV(Pipeline(steps), grid, cv=TemporalSessionSplit(2)).fit(TRAIN)
    shown = ResolutionCurveDisplay.from_results(search, TRAIN, n_seeds=2)
    means = search.cv_results_["mean_test_score"].reshape(2, 2)  # by resolution, then last_n
    np.testing.assert_array_equal(shown.resolutions, [0.5, 2.0])
    np.testing.assert_allclose(shown.scores, means.max(axis=1)[::-1])
    assert shown.partitions is not None
    for resolution, sizes in zip(shown.resolutions, shown.partitions.sizes, strict=True):
        assert sizes.sum() == 24, resolution
    assert len(shown.axes_) == 4 and shown.axes_[-1].get_xlabel() == "resolution"
    check_picture(shown)
    alone = ResolutionCurveDisplay.from_results(search.cv_results_)
    assert len(alone.axes_) == 1
    clusters = ResolutionCurveDisplay.from_estimator(ItemClusterer(), TRAIN, n_seeds=1)
    assert len(clusters.axes_) == 2
    with pytest.raises(ValueError, match="'clu__gamma' was not searched over"):
        ResolutionCurveDisplay.from_results(search, param="clu__gamma")
    with pytest.raises(ValueError, match="metric='ndcg' was not scored"):
        ResolutionCurveDisplay.from_results(search, metric="ndcg")
    with pytest.raises(ValueError, match="single numbers"):
        ResolutionCurveDisplay.from_estimator(
            ItemClusterer(),
            TRAIN,
            resolutions=[(0.5, 1.0)],  # type: ignore[list-item]
        )


def test_cluster_flow() -> None:
    log = [["a", "b", "a", "b", "x"], ["x", "y", "x", "y", "x"]]
    clusterer = ItemClusterer(random_state=0).fit(log)
    shown = ClusterFlowDisplay.from_estimator(clusterer, log, titles={"a": "A", "x": "Ex"})
    labels = dict(zip(clusterer.vocabulary_.ids.tolist(), clusterer.labels_.tolist(), strict=True))
    assert shown.names == [f"{labels['x']}: Ex", f"{labels['a']}: A"]
    np.testing.assert_allclose(shown.shares, [[1, 0], [0.25, 0.75]])
    texts = [text.get_text() for text in shown.ax_.texts]
    assert texts == ["100", "0", "25", "75"]
    check_picture(shown)
    few = ClusterFlowDisplay.from_estimator(clusterer, log, n_clusters=1)
    assert few.names[-1] == "all others" and few.shares.shape == (2, 2)
    with pytest.raises(ValueError, match="no session of two events"):
        ClusterFlowDisplay.from_estimator(clusterer, [["a"]])
    with pytest.raises(ValueError, match=r"column=1 is outside 0\.\.0"):
        ClusterFlowDisplay.from_estimator(clusterer, log, column=1)


def test_cluster_map(model: Pipeline) -> None:
    session = TEST.to_lists()[0]
    shown = ClusterMapDisplay.from_estimator(
        model, titles=TITLES, n_items=12, n_clusters=2, session=[*session, "?"], k=3, method="pca"
    )
    assert len(shown.names) == 2 and all("Title of" in name for name in shown.names.values())
    assert shown.session is not None and len(shown.session) == len(session)
    best = model.predict_topk([[*session, "?"]], k=3)[0]
    assert [TITLES[id_] in shown.notes[1] for id_ in best] == [True] * 3
    assert 12 <= len(shown.positions) <= 12 + len(set(session)) + 3
    colored = sum(len(points.get_offsets()) for points in shown.ax_.collections)
    assert colored == len(shown.positions) + len(session) + 3
    check_picture(shown)
    with pytest.raises(ValueError, match="SequentialRules has no vectors of items"):
        ClusterMapDisplay.from_estimator(SequentialRules().fit(TRAIN))
    with pytest.raises(ValueError, match="method='umap' is not known"):
        ClusterMapDisplay.from_estimator(model, method="umap")  # type: ignore[arg-type]


def test_axes_of_somebody_else(tmp_path: Path) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    shown = TrainingCurveDisplay.from_results([{"epoch": 1, "train_loss": 2.0}], ax=left)
    assert shown.ax_ is left and shown.figure_ is figure and shown._repr_png_() is None
    divided = BlendDisplay.from_results(Blend.neutral(), ax=right)
    assert len(divided.axes_) == 6 and divided.figure_ is figure
    given = BlendDisplay.from_results(Blend.neutral(), ax=Figure().subplots(3, 2))
    assert len(given.axes_) == 6
    with pytest.raises(ValueError, match="ax holds 2 axes, and BlendDisplay draws 6 panels"):
        BlendDisplay.from_results(Blend.neutral(), ax=[left, right])
    with pytest.raises(ValueError, match="stands on no grid"):
        BlendDisplay.from_results(Blend.neutral(), ax=Figure().add_axes((0, 0, 1, 1)))
    shown.save(tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'sessionprompt\[plot\]'"):
        TrainingCurveDisplay.from_results([{"epoch": 1, "train_loss": 2.0}])

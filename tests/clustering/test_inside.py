"""Tables of items and clusters of fitted clusterers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import narwhals as nw
import pytest

from sessionprompt import ItemClusterer, PrecomputedClusters, Sessions, load
from sessionprompt.datasets import make_sessions
from sessionprompt.persistence import save

LOG = make_sessions(80, n_items=20, n_clusters=3, random_state=1)
CLUSTERER = ItemClusterer(random_state=0).fit(LOG)
MANY = ItemClusterer((0.5, 3.0), random_state=0).fit(LOG)


def test_items() -> None:
    frame = CLUSTERER.to_frame()
    assert frame.columns.tolist() == ["item", "cluster", "events", "degree"]
    assert frame["item"].tolist() == CLUSTERER.vocabulary_.ids.tolist()
    assert frame["cluster"].tolist() == CLUSTERER.labels_.tolist()
    neighbors: dict[str, set[str]] = {}
    for row in LOG.to_lists():
        for one, other in pairwise(row):
            if one != other:
                neighbors.setdefault(one, set()).add(other)
                neighbors.setdefault(other, set()).add(one)
    flat = [item for row in LOG.to_lists() for item in row]
    for _, row in frame.iterrows():
        assert row["events"] == flat.count(row["item"])
        assert row["degree"] == len(neighbors.get(row["item"], ()))


def test_clusters() -> None:
    frame = CLUSTERER.describe(n_top=2)
    items = CLUSTERER.to_frame()
    assert frame["items"].tolist() == CLUSTERER.cluster_sizes_.tolist()
    assert frame["event_share"].sum() == pytest.approx(1)
    label = dict(zip(items["item"], items["cluster"], strict=True))
    steps = [
        (label[one], label[other])
        for row in LOG.to_lists()
        for one, other in pairwise(row)
        if one != other
    ]
    for _, row in frame.iterrows():
        own = items[items["cluster"] == row["cluster"]].sort_values("events", ascending=False)
        assert len(row["top_items"]) == min(2, len(own))
        counts = own.set_index("item")["events"]
        assert [counts[one] for one in row["top_items"]] == counts.iloc[:2].tolist()
        ends = [end for step in steps if row["cluster"] in step for end in step]
        inside = [step for step in steps if set(step) == {row["cluster"]}]
        share = 2 * len(inside) / ends.count(row["cluster"])
        assert row["stays_within"] == pytest.approx(share)


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_several_resolutions(backend: Any) -> None:
    assert {"cluster_0", "cluster_1"} <= set(_names(MANY.to_frame(backend=backend)))
    frame = MANY.describe({"item-00": "Zero"}, backend=backend)
    assert _names(frame)[:2] == ["resolution", "cluster"]
    assert len(frame) == MANY.n_clusters_.sum()
    tops = [list(top) for top in nw.from_native(frame, eager_only=True)["top_items"].to_list()]
    assert [title for top in tops for title in top].count("Zero") == 2


def _names(frame: Any) -> list[str]:
    return nw.from_native(frame).columns


def test_titles_and_items_without_steps() -> None:
    given = PrecomputedClusters({"a": "x", "b": "y"}).fit([["a"], ["b"]])
    frame = given.describe({"a": "Aa"})
    assert frame["top_items"].tolist() == [["Aa"], ["b"]]
    assert frame["stays_within"].isna().all()
    assert given.to_frame({"a": "Aa"})["title"].tolist()[0] == "Aa"
    with pytest.raises(ValueError, match="n_top=0 must be an integer of at least 1"):
        given.describe(n_top=0)


def test_counts_grow_and_are_saved(tmp_path: Path) -> None:
    more = Sessions.from_lists([["new", "item-03"], ["item-03", "item-04"]])
    before = CLUSTERER.to_frame().set_index("item")["events"]
    grown = ItemClusterer(random_state=0).fit(LOG).partial_fit(more)
    after = grown.to_frame().set_index("item")["events"]
    assert after["new"] == 1 and after["item-03"] == before["item-03"] + 2
    assert after.sum() == LOG.n_events + more.n_events
    save(grown, tmp_path / "clusters")
    assert load(tmp_path / "clusters").to_frame().equals(grown.to_frame())


def test_a_file_without_counts_says_so() -> None:
    old = ItemClusterer(random_state=0).fit(LOG)
    old.item_counts_ = None
    with pytest.raises(ValueError, match="no counts of events, .*fit it on sessions"):
        old.to_frame()
    assert old.partial_fit([["a", "b"]]).item_counts_ is None


def test_notebooks_show_what_was_learned() -> None:
    html = CLUSTERER._repr_mimebundle_()["text/html"]
    assert f"<td>{CLUSTERER.n_clusters_}</td>" in html
    assert ">clusters</th>" in html
    assert ">clusters</th>" not in ItemClusterer()._repr_mimebundle_()["text/html"]

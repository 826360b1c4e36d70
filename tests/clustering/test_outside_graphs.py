"""Clusters of graphs from outside, other packages that find them, and graphs with fewer edges."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from sessionprompt import Sessions, load
from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import make_sessions
from sessionprompt.graphs import item_graph, modularity
from sessionprompt.pairs import count_pairs
from sessionprompt.storage import save

LEARNED = ("labels_", "cluster_sizes_", "cluster_strengths_")


@pytest.fixture(scope="module")
def world() -> Sessions:
    return make_sessions(150, n_items=40, n_clusters=4, random_state=0)


@pytest.mark.parametrize("self_loops", ["drop", "keep"])
def test_a_graph_of_sessions_is_clustered_as_the_sessions_are(
    world: Sessions, self_loops: Any, tmp_path: Any
) -> None:
    clusterer = ItemClusterer((0.5, 1.0), self_loops=self_loops, random_state=0)
    fitted = clusterer.fit(world)
    learned = [getattr(fitted, name) for name in LEARNED]
    occurring = world.vocabulary.subset(np.unique(world.codes))
    codes = occurring.translate(world.vocabulary)[world.codes]
    graph = item_graph(codes, world.offsets, len(occurring), self_loops="keep")
    events = pl.DataFrame(
        {
            "session": np.repeat(np.arange(len(world)), world.lengths),
            "item": world.vocabulary.decode(world.codes).tolist(),
            "time": np.arange(world.n_events),
        }
    )
    backwards = np.arange(len(occurring))[::-1]
    ways = [
        (graph, occurring),
        (sparse.coo_matrix(graph.toarray()), occurring.ids.tolist()),
        (graph[backwards][:, backwards], occurring.ids[backwards]),
        (count_pairs(events.lazy(), self_loops="keep"), occurring),
    ]
    for given, ids in ways:
        again = ItemClusterer((0.5, 1.0), self_loops=self_loops, random_state=0)
        again.fit_graph(given, ids)
        for name, value in zip(LEARNED, learned, strict=True):
            np.testing.assert_array_equal(
                np.concatenate([np.ravel(one) for one in value]),
                np.concatenate([np.ravel(one) for one in getattr(again, name)]),
            )
        assert (again.graph_ != fitted.graph_).nnz == 0
        np.testing.assert_array_equal(again.modularity_, fitted.modularity_)
        np.testing.assert_array_equal(again.transform(world).labels, fitted.transform(world).labels)
    assert again.item_counts_ is None
    save(again, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").labels_, again.labels_)
    again.partial_fit([["new", world.vocabulary.ids[0]]])
    assert again.attached_.sum() == 1


@pytest.mark.parametrize(
    ("graph", "ids", "says"),
    [
        (sparse.eye_array(3), ["a", "b"], r"shape \(3, 3\), but there are 2 items"),
        (sparse.csr_array([[0, 1], [0, 0]]), ["a", "b"], "must be symmetric"),
        (sparse.csr_array([[0, 0.5], [0.5, 0]]), ["a", "b"], "whole numbers.*got 0.5"),
        (sparse.csr_array([[0, 1], [1, 0]]), None, "vocabulary=None"),
        (sparse.csr_array((0, 0)), [], "graph has no items"),
    ],
)
def test_what_is_no_graph_of_these_items(graph: Any, ids: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ItemClusterer().fit_graph(graph, ids)


def test_a_graph_must_be_a_matrix_or_a_table() -> None:
    with pytest.raises(TypeError, match="sparse matrix or a table.*got int"):
        ItemClusterer().fit_graph(3)


def test_an_edge_that_is_left_out_of_the_search_stays_in_the_graph(world: Sessions) -> None:
    whole = ItemClusterer(random_state=0).fit(world)
    thin = ItemClusterer(min_count=3, top_neighbors=5, random_state=0).fit(world)
    assert (thin.graph_ != whole.graph_).nnz == 0
    assert thin.modularity_ == modularity(whole.graph_, thin.labels_)
    assert thin.modularity_ > 0.9 * whole.modularity_
    alone = ItemClusterer(min_count=10**6).fit(world)
    assert alone.n_clusters_ == len(alone.vocabulary_)


@pytest.mark.parametrize("parameters", [{"min_count": 0}, {"top_neighbors": 0}])
def test_bounds_of_what_is_left_out(world: Sessions, parameters: dict[str, int]) -> None:
    [name] = parameters
    with pytest.raises(ValueError, match=f"{name}=0"):
        ItemClusterer(**parameters).fit(world)


@pytest.mark.parametrize(("objective", "gamma"), [("modularity", 1.0), ("cpm", 2.0)])
@pytest.mark.parametrize("self_loops", ["drop", "keep"])
def test_scikit_network_finds_what_igraph_finds(
    world: Sessions, objective: Any, gamma: float, self_loops: Any
) -> None:
    pytest.importorskip("sknetwork")
    settings = {"objective": objective, "self_loops": self_loops, "random_state": 0}
    one = ItemClusterer(gamma, n_iterations=-1, **settings).fit(world)
    other = ItemClusterer(gamma, algorithm="sknetwork", **settings).fit(world)
    assert other.modularity_ == pytest.approx(one.modularity_, abs=0.02)
    assert adjusted_rand_score(one.labels_, other.labels_) > 0.8
    again = ItemClusterer(gamma, algorithm="sknetwork", **settings).fit(world)
    np.testing.assert_array_equal(other.labels_, again.labels_)


@pytest.mark.parametrize("algorithm", ["igraph", "leidenalg"])
def test_without_its_package_an_algorithm_names_another(
    monkeypatch: pytest.MonkeyPatch, algorithm: Any
) -> None:
    monkeypatch.setitem(sys.modules, algorithm, None)
    with pytest.raises(ImportError, match=f"pip install {algorithm}.*algorithm='sknetwork'"):
        ItemClusterer(algorithm=algorithm).fit([["a", "b"]])


class FakeFrame(dict):
    """Columns of cuDF in NumPy."""

    def __getitem__(self, name: str) -> Any:
        return types.SimpleNamespace(to_numpy=lambda: np.asarray(super(FakeFrame, self).get(name)))


class FakeGraph:
    """Edges as cuGraph takes them."""

    def __init__(self, directed: bool) -> None:
        assert not directed

    def from_cudf_edgelist(
        self, frame: FakeFrame, source: str, destination: str, edge_attr: str, renumber: bool
    ) -> None:
        self.edges = [frame[name].to_numpy() for name in (source, destination, edge_attr)]


def test_cugraph_is_given_each_edge_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def leiden(graph: FakeGraph, resolution: float, random_state: int) -> tuple[FakeFrame, float]:
        seen.update(edges=graph.edges, resolution=resolution)
        return FakeFrame(vertex=[3, 2, 1, 0], partition=[1, 1, 0, 0]), 0.5

    cugraph = types.SimpleNamespace(Graph=FakeGraph, leiden=leiden)
    monkeypatch.setitem(sys.modules, "cugraph", cugraph)
    monkeypatch.setitem(sys.modules, "cudf", types.SimpleNamespace(DataFrame=FakeFrame))
    clusterer = ItemClusterer(0.7, algorithm="cugraph", random_state=0)
    clusterer.fit([["a", "b"], ["c", "d"], ["a", "b"], ["e"]])
    assert [column.tolist() for column in seen["edges"]] == [[0, 2], [1, 3], [2, 1]]
    assert seen["resolution"] == pytest.approx(0.7)
    assert clusterer.labels_.tolist() == [0, 0, 1, 1, 2]


def test_cugraph_is_refused_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cudf", None)
    with pytest.raises(ImportError, match="needs the package cugraph"):
        ItemClusterer(algorithm="cugraph").fit([["a", "b"]])
    with pytest.raises(ValueError, match="cannot search by objective='cpm'"):
        ItemClusterer(algorithm="cugraph", objective="cpm").fit([["a", "b"]])

"""The clusterers: known partitions, and the rule by which unseen items find a cluster."""

from __future__ import annotations

import pickle
import random
from itertools import pairwise, product

import igraph
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from sessionprompt import load
from sessionprompt.clustering import ItemClusterer, PrecomputedClusters
from sessionprompt.graphs import modularity
from sessionprompt.sessions import Sessions
from sessionprompt.storage import save

TRIANGLES = [[1, 2, 3, 1], [4, 5, 6, 4], [3, 4]]
ALGORITHMS = ("igraph", "leidenalg")
laws = settings(max_examples=50, deadline=None)


@pytest.fixture(scope="module")
def planted():
    """Sessions of 5 events inside one of 6 groups of items, with one step in ten to anywhere."""
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(6), [20, 20, 20, 15, 15, 10])
    own = groups[rng.integers(100, size=1500)]
    lists = [rng.choice(np.flatnonzero(groups == group), 5) for group in own]
    for session in lists:
        if rng.random() < 0.4:
            session[rng.integers(5)] = rng.integers(100)
    return Sessions.from_lists(lists), groups


def labels_of(clusterer, items):
    return clusterer.labels_[clusterer.vocabulary_.encode(items)].tolist()


def same_partition(one, other):
    return adjusted_rand_score(np.ravel(one), np.ravel(other)) == pytest.approx(1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("gamma", "labels", "quality"),
    [
        (0.2, [0] * 6, 14 - 14 * 0.2),
        (0.3, [0, 0, 0, 1, 1, 1], 12 - 7 * 0.3),
        (1.0, [0, 0, 0, 1, 1, 1], 5),
        (2.0, [0, 0, 0, 1, 1, 1], -2),
        (3.0, [0, 0, 2, 3, 1, 1], 4 - 3 * (16 + 9 + 9 + 16) / 14),
    ],
)
def test_two_triangles(algorithm, gamma, labels, quality):
    clusterer = ItemClusterer(gamma, algorithm=algorithm, n_iterations=-1, random_state=0).fit(
        TRIANGLES
    )
    assert clusterer.labels_.tolist() == labels
    assert clusterer.modularity_ == pytest.approx(quality / 14)
    assert clusterer.n_clusters_ == len(set(labels))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("gamma", "n_clusters"), [(0.1, 1), (0.5, 2), (2.0, 6)])
def test_constant_potts_model_of_two_triangles(algorithm, gamma, n_clusters):
    clusterer = ItemClusterer(gamma, objective="cpm", algorithm=algorithm, random_state=0).fit(
        TRIANGLES
    )
    assert clusterer.n_clusters_ == n_clusters
    assert clusterer.modularity_ == pytest.approx(modularity(clusterer.graph_, clusterer.labels_))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_self_loops_enter_the_objective(algorithm):
    """Loops of weight 20 on 0 and 1 make their strengths too large for them to share a cluster."""
    lists = [[0, 1], [1, 2], [0, 2], [0] * 21, [1] * 21]
    kept, dropped = (
        ItemClusterer(
            0.6, self_loops=policy, algorithm=algorithm, n_iterations=-1, random_state=0
        ).fit(lists)
        for policy in ("keep", "drop")
    )
    best = max(modularity(kept.graph_, partition, 0.6) for partition in product(range(3), repeat=3))
    assert kept.labels_[0] != kept.labels_[1]
    assert kept.modularity_ == pytest.approx(best)
    assert dropped.n_clusters_ == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_planted_groups_are_found_connected_and_numbered_by_size(planted, algorithm):
    sessions, groups = planted
    clusterer = ItemClusterer(algorithm=algorithm, random_state=0).fit(sessions)
    assert same_partition(clusterer.labels_, groups)
    assert clusterer.cluster_sizes_.tolist() == [20, 20, 20, 15, 15, 10]
    firsts = [int(np.flatnonzero(clusterer.labels_ == label)[0]) for label in range(6)]
    assert firsts[:3] == sorted(firsts[:3])
    assert firsts[3:5] == sorted(firsts[3:5])
    assert clusterer.strongest_label_ == clusterer.cluster_strengths_.argmax()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_cluster_is_connected(algorithm):
    rng = np.random.default_rng(3)
    lists = [rng.integers(200, size=3).tolist() for _ in range(150)]
    clusterer = ItemClusterer((0.5, 1, 4), algorithm=algorithm, random_state=0).fit(lists)
    for labels, sizes in zip(clusterer.labels_.T, clusterer.cluster_sizes_, strict=True):
        assert (np.diff(sizes) <= 0).all()
        for label in range(len(sizes)):
            members = np.flatnonzero(labels == label)
            assert connected_components(clusterer.graph_[members][:, members])[0] == 1


def test_both_algorithms_reach_the_same_modularity():
    rng = np.random.default_rng(5)
    starts = rng.integers(2000, size=4000)
    lists = [(start + rng.integers(-12, 13, size=4)).tolist() for start in starts]
    one, other = (
        ItemClusterer(algorithm=name, random_state=0).fit(lists).modularity_ for name in ALGORITHMS
    )
    assert one > 0.5
    assert other == pytest.approx(one, rel=0.01)


def test_items_without_edges_are_clusters_of_their_own():
    clusterer = ItemClusterer(random_state=0).fit([["a", "b"], ["lone"], ["self", "self"]])
    assert labels_of(clusterer, ["a", "b", "lone", "self"]) == [0, 0, 1, 2]


@pytest.mark.parametrize("resolution", [1.0, (1.0, 2.0)])
def test_no_edges_at_all(resolution):
    clusterer = ItemClusterer(resolution).fit([["a"], ["b"], ["c"]])
    assert np.array_equal(
        clusterer.labels_.T, np.broadcast_to([0, 1, 2], clusterer.labels_.T.shape)
    )
    assert np.all(clusterer.modularity_ == 0)
    assert (
        clusterer.transform([["a", "new"], ["b", "c"]]).labels == np.array([[0], [0], [1], [2]])
    ).all()


def test_only_items_that_occur_are_learned():
    sessions = Sessions.from_lists([["a", "b"], ["x", "y"], ["y", "b"]])
    clusterer = ItemClusterer(random_state=0).fit(sessions[[0, 2]])
    assert clusterer.vocabulary_.ids.tolist() == ["a", "b", "y"]
    assert clusterer.graph_.shape == (3, 3)
    assert clusterer.labels_.shape == (3,)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_same_seed_same_labels(algorithm):
    rng = np.random.default_rng(3)
    lists = [rng.integers(300, size=3).tolist() for _ in range(300)]
    clusterer = ItemClusterer(algorithm=algorithm, random_state=11)
    first = clusterer.fit(lists).labels_
    random.seed(99)
    np.testing.assert_array_equal(clone(clusterer).fit(lists).labels_, first)
    other_seeds = [
        clone(clusterer).set_params(random_state=seed).fit(lists).labels_ for seed in range(3)
    ]
    assert any((labels != first).any() for labels in other_seeds)
    generators = (np.random.RandomState(1), np.random.default_rng(1), None)
    assert all(
        clone(clusterer).set_params(random_state=generator).fit(lists).n_clusters_ > 1
        for generator in generators
    )


def test_resolutions_of_a_tuple_have_their_own_seeds():
    rng = np.random.default_rng(3)
    lists = [rng.integers(300, size=3).tolist() for _ in range(300)]
    twice = ItemClusterer((1.0, 1.0), random_state=0).fit(lists)
    assert (twice.labels_[:, 0] == ItemClusterer(random_state=0).fit(lists).labels_).all()
    assert not same_partition(twice.labels_[:, 0], twice.labels_[:, 1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_global_random_states_are_untouched(algorithm):
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before = states()
    ItemClusterer((1.0, 2.0), algorithm=algorithm).fit_transform(TRIANGLES)
    assert states() == before
    random.seed(0)
    one = igraph.Graph.Erdos_Renyi(20, m=30).get_edgelist()
    random.seed(0)
    # igraph listens to `random` again
    assert igraph.Graph.Erdos_Renyi(20, m=30).get_edgelist() == one


def test_transform_labels_every_event():
    clusterer = ItemClusterer((0.2, 1.0), random_state=0)
    sessions = Sessions.from_lists(TRIANGLES)
    labelled = clusterer.fit_transform(sessions)
    assert labelled == clusterer.fit(sessions).transform(sessions)
    assert labelled.labels.dtype == np.int32
    own = np.array([item > 3 for session in TRIANGLES for item in session])
    np.testing.assert_array_equal(labelled.labels, np.column_stack([np.zeros(10), own]))
    assert labelled.annotator is clusterer
    assert sessions.labels is None
    assert clusterer.n_clusters_.tolist() == [1, 2]
    assert [sizes.tolist() for sizes in clusterer.cluster_sizes_] == [[6], [3, 3]]
    assert clusterer.modularity_ == pytest.approx([14 * 0.8 / 14, 5 / 14])
    assert clusterer.strongest_label_.tolist() == [0, 0]


@pytest.mark.parametrize(("resolution", "shape"), [((2.0,), (6, 1)), ([1, 2], (6, 2)), (1, (6,))])
def test_shape_of_the_labels(resolution, shape):
    clusterer = ItemClusterer(resolution, random_state=0).fit(TRIANGLES)
    assert clusterer.labels_.shape == shape
    assert clusterer.transform(TRIANGLES).labels.shape == (10, shape[1] if shape[1:] else 1)


# Items that fit did not see


def slow_attach(clusterer, session, gamma, objective="modularity", self_loops="drop"):
    """Label one session: the rule, item by item."""
    known = dict(zip(clusterer.vocabulary_.ids.tolist(), clusterer.labels_.tolist(), strict=True))
    burden = clusterer.cluster_strengths_
    total = burden.sum()
    edges = [(a, b) for a, b in pairwise(session) if a != b or self_loops == "keep"]
    labels = {item: known[item] for item in session if item in known}
    while True:
        found = {}
        for item in set(session) - set(labels):
            strength = sum((a == item) + (b == item) for a, b in edges)
            pull = {}
            for a, b in [*edges, *((b, a) for a, b in edges)]:
                if a == item and b in labels:
                    pull[labels[b]] = pull.get(labels[b], 0) + 1
            costs = {
                c: gamma * clusterer.cluster_sizes_[c]
                if objective == "cpm"
                else strength * (gamma * burden[c] / total)
                for c in pull
            }
            if pull:
                found[item] = min(pull, key=lambda c: (costs[c] - pull[c], c))
        if not found:
            return [labels.get(item, clusterer.strongest_label_) for item in session]
        labels |= found


@pytest.mark.parametrize("objective", ["modularity", "cpm"])
@pytest.mark.parametrize("self_loops", ["drop", "keep"])
@laws
@given(
    lists=st.lists(st.lists(st.integers(0, 19), max_size=9), min_size=1, max_size=4),
    gamma=st.sampled_from([0.25, 1.0, 8.0]),
)
def test_attaching_agrees_with_the_slow_twin(objective, self_loops, lists, gamma):
    train = [[0, 1, 2, 0, 2], [3, 4, 5, 3], [3, 4, 4, 4, 5], [6, 7], [7, 6, 7], [2, 3], [8], [9, 9]]
    clusterer = ItemClusterer(
        gamma, objective=objective, self_loops=self_loops, n_iterations=-1, random_state=0
    ).fit(train)
    expected = [
        label for s in lists for label in slow_attach(clusterer, s, gamma, objective, self_loops)
    ]
    assert clusterer.transform(lists).labels.ravel().tolist() == expected


@settings(max_examples=20, deadline=None)
@given(lists=st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=9), min_size=1, max_size=5))
def test_a_session_is_labelled_alone_as_among_others(lists):
    clusterer = ItemClusterer((0.3, 3.0), random_state=0).fit(
        [[0, 1, 2, 0], [3, 4, 5, 3], [2, 3], [6, 7]]
    )
    together = clusterer.transform(lists)
    for row, session in enumerate(lists):
        np.testing.assert_array_equal(together[[row]].labels, clusterer.transform([session]).labels)
    rows, lengths = zip(
        *[(i, n + 1) for i, session in enumerate(lists) for n in range(len(session))], strict=True
    )
    prefixes = clusterer.transform(
        [lists[row][:length] for row, length in zip(rows, lengths, strict=True)]
    )
    np.testing.assert_array_equal(together.prefixes(rows, lengths).labels, prefixes.labels)


def test_a_batch_shares_the_edges_of_its_sessions():
    lists = [["new", "a"], ["new", "x"], ["new", "x"], ["new"]]
    train = [["a", "b", "c", "a"], ["x", "y", "z", "x"]]
    alone = ItemClusterer(random_state=0).fit(train).transform(lists)
    shared = ItemClusterer(random_state=0, attach="batch").fit(train).transform(lists)
    assert alone.labels.ravel().tolist() == [0, 0, 1, 1, 1, 1, 0]
    assert shared.labels.ravel().tolist() == [1, 0, 1, 1, 1, 1, 1]


def test_a_prefix_does_not_know_what_follows():
    clusterer = ItemClusterer(random_state=0).fit([["a", "b", "c", "a"], ["x", "y", "z", "x"]])
    sessions = clusterer.transform([["new", "x", "new", "x"], ["a", "new", "x", "new", "x"]])
    assert sessions.labels.ravel().tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1]
    assert sessions.prefixes([0, 1], [1, 2]).labels.ravel().tolist() == [0, 0, 0]


def test_a_chain_of_unseen_items_is_labelled_from_its_known_end():
    clusterer = ItemClusterer(random_state=0).fit([["a", "b", "c", "a"], ["x", "y"]])
    chain = [f"new{i}" for i in range(50)]
    assert set(clusterer.transform([[*chain, "x"]]).labels.ravel()) == {1}
    both = clusterer.transform([["a", *chain, "x"]]).labels.ravel().tolist()
    assert both == [0] * 26 + [1] * 26


def test_loops_of_an_unseen_item_count_as_the_policy_says():
    """Three edges to the large cluster outweigh one to the small, until a loop adds strength."""
    train = [["a", "b", "c", "a"], ["x", "y"]]
    session = ["a", "new", "b", "new", "new", "x"]
    dropped, kept = (
        ItemClusterer(0.8, self_loops=policy, random_state=0).fit(train)
        for policy in ("drop", "keep")
    )
    assert dropped.transform([session]).labels.ravel().tolist() == [0, 0, 0, 0, 0, 1]
    assert kept.transform([session]).labels.ravel().tolist() == [0, 1, 0, 1, 1, 1]


def test_items_that_no_path_leads_to_are_in_the_strongest_cluster():
    """Three items in a ring are the largest cluster, two that alternate the strongest."""
    lists = [["a", "b", "c", "a"], ["x", "y", "x", "y", "x", "y"]]
    clusterer = ItemClusterer((1.0, 0.5), random_state=0).fit(lists)
    assert clusterer.labels_.T.tolist() == [[0, 0, 0, 1, 1]] * 2
    assert [sizes.tolist() for sizes in clusterer.cluster_sizes_] == [[3, 2]] * 2
    assert [total.tolist() for total in clusterer.cluster_strengths_] == [[6, 10]] * 2
    assert clusterer.strongest_label_.tolist() == [1, 1]
    sessions = clusterer.transform([["new", "newer"], ["a"], ["newest", "a"]])
    assert sessions.labels[:, 0].tolist() == [1, 1, 0, 0, 0]
    assert (sessions.labels[:, 0] == sessions.labels[:, 1]).all()


@pytest.mark.parametrize("resolution", [1.0, (1.0, 50.0)])
def test_the_first_of_equally_strong_clusters_is_the_strongest(resolution):
    clusterer = ItemClusterer(resolution, random_state=0).fit([["a", "b"], ["x", "y"]])
    assert np.all(clusterer.strongest_label_ == 0)
    assert (clusterer.transform([["new"]]).labels == 0).all()


def test_no_sessions_and_empty_sessions():
    clusterer = ItemClusterer(random_state=0).fit(TRIANGLES)
    assert clusterer.transform([]).labels.shape == (0, 1)
    assert clusterer.transform([[], [1]]).labels.shape == (1, 1)
    assert clusterer.transform(TRIANGLES).prefixes([0], [0]).labels.shape == (0, 1)


def test_items_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="string"):
        ItemClusterer(random_state=0).fit(TRIANGLES).transform([["1", "2"]])


# Clusters known beforehand

KINDS = {1: "red", 2: "red", 3: "red", 4: "blue", 5: "blue"}
PRECOMPUTED = [
    KINDS,
    pd.DataFrame({"item": KINDS.keys(), "kind": KINDS.values()}),
    pl.DataFrame({"item": list(KINDS), "kind": list(KINDS.values())}),
    pl.DataFrame({"kind": list(KINDS.values()), "item": list(KINDS)}).reverse().to_arrow(),
    KINDS | {6: None, 77: "green"},
    pd.DataFrame({"item": [5, 4, 3, 2, 1, 6], "kind": [7.5, 7.5, 1, 1, 1, np.nan]}),
    pl.DataFrame({"item": [5, 4, 3, 2, 1, 6], "kind": [7.5, 7.5, 1, 1, 1, np.nan]}),
    pd.DataFrame(
        {"item": [5, 4, 3, 2, 1, 6], "kind": pd.array([7, 7, 1, 1, 1, None], dtype="Int64")}
    ),
]


@pytest.mark.parametrize("labels", PRECOMPUTED, ids=lambda labels: type(labels).__module__)
def test_precomputed_clusters(labels):
    clusterer = clone(PrecomputedClusters(labels)).fit(TRIANGLES)
    assert clusterer.labels_.tolist() == [0, 0, 0, 1, 1, 1]  # 6 has edges to 4 and 5
    assert clusterer.n_clusters_ == 2
    assert clusterer.modularity_ == pytest.approx(5 / 14)
    assert clusterer.cluster_strengths_.tolist() == [7, 7]
    assert clusterer.transform([[5, 99], [99, 98]]).labels.ravel().tolist() == [1, 1, 0, 0]


def test_precomputed_columns():
    frame = pl.DataFrame({"sku": [1, 2, 3, 4, 5, 6], "kind": list("aabbbb"), "all": [0] * 6})
    clusterer = PrecomputedClusters(frame, item="sku").fit(TRIANGLES)
    assert clusterer.labels_.tolist() == [[1, 0], [1, 0], [0, 0], [0, 0], [0, 0], [0, 0]]
    assert clusterer.n_clusters_.tolist() == [2, 1]
    assert clusterer.transform([[1, 99, 4]]).labels.tolist() == [[1, 0], [1, 0], [0, 0]]


def test_precomputed_are_numbered_after_attaching():
    """The smaller given cluster grows beyond the larger one, in items and in strength."""
    lists = [["a", "b", "c"], ["x", "u", "v", "w", "x"], ["lone"]]
    given = {"a": 1, "b": 1, "c": 1, "x": 2, "lost": 3}
    clusterer = PrecomputedClusters(given, self_loops="keep").fit(lists)
    assert labels_of(clusterer, ["x", "u", "v", "w", "lone"]) == [0, 0, 0, 0, 0]
    assert labels_of(clusterer, ["a", "c"]) == [1, 1]
    assert clusterer.cluster_strengths_.tolist() == [8, 4]


def test_precomputed_items_that_no_path_leads_to_join_the_strongest_cluster():
    """In `fit` and later: the strongest is the one of two items, not the one of three."""
    lists = [["a", "b", "c"], ["x", "y", "x", "y"], ["lone"], ["one", "two", "one"]]
    given = dict.fromkeys("abc", "large") | dict.fromkeys("xy", "strong")
    clusterer = PrecomputedClusters(given).fit(lists)
    strong = labels_of(clusterer, ["x"])[0]
    assert labels_of(clusterer, ["x", "y", "lone", "one", "two"]) == [strong] * 5
    assert labels_of(clusterer, ["a", "b", "c"]) == [1 - strong] * 3
    assert clusterer.strongest_label_ == strong
    assert clusterer.transform([["new"]]).labels.ravel().tolist() == [strong]


def test_precomputed_attach_to_the_weaker_of_two_equally_near_clusters():
    lists = [["a", "b", "c", "a", "b", "c"], ["x", "y"], ["a", "middle", "x"]]
    clusterer = PrecomputedClusters(
        dict.fromkeys("abc", "large") | dict.fromkeys("xy", "small")
    ).fit(lists)
    assert labels_of(clusterer, ["a", "x", "middle"]) == [0, 1, 1]


def test_precomputed_clusters_of_items_that_no_session_holds_are_kept(tmp_path):
    """Beside others, alone and after storage; a cluster that no session holds is none."""
    lists = [["a", "b", "a"], ["x", "y", "z", "x"]]
    given = dict.fromkeys("ab", "small") | dict.fromkeys("xyz", "large")
    new = {"new a": "small", "new x": "large", "other": "unlearned", "none": None}
    clusterer = PrecomputedClusters(given | new).fit(lists)
    kept = [["new a", "x", "a", "new x"], ["other", "a"], ["none", "y"], ["new a"]]
    labels = [1, 0, 1, 0, 1, 1, 0, 0, 1]  # "other" and "none" by their edges
    assert clusterer.transform(kept).labels.ravel().tolist() == labels
    sessions = Sessions.from_lists(kept)
    assert clusterer.reached_events(sessions).all()
    assert clusterer.label_items(sessions)[sessions.codes].ravel().tolist() == labels
    save(clusterer, tmp_path / "clusters.zip")
    assert load(tmp_path / "clusters.zip").transform(kept).labels.ravel().tolist() == labels
    clusterer.partial_fit([["new a", "x", "y"]] * 9)
    assert labels_of(clusterer, ["new a"]) == [1]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ({}, ValueError, "empty"),
        ({99: 1}, ValueError, "no item of X"),
        ({1: None}, ValueError, "no item of X"),
        ({"1": 1}, TypeError, "string"),
        ([0, 1], TypeError, "dict or a pandas, polars or pyarrow table, got list"),
        (pd.DataFrame({"sku": [1], "kind": [2]}), ValueError, "column 'item'"),
        (pd.DataFrame({"item": [1]}), ValueError, "label columns"),
        (pd.DataFrame({"item": [1, 2, 1], "kind": [0, 1, 2]}), ValueError, "item 1 more than once"),
    ],
)
def test_bad_precomputed_labels(labels, error, message):
    with pytest.raises(error, match=message):
        PrecomputedClusters(labels).fit(TRIANGLES)


# As a scikit-learn transformer

ESTIMATORS = [
    ItemClusterer(random_state=0),
    ItemClusterer((1.0, 2.0), random_state=0),
    PrecomputedClusters(KINDS),
]
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)


@each_estimator
def test_pickle_and_clone(estimator):
    fitted = clone(estimator).fit(TRIANGLES)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.transform([[1, 99]]) == fitted.transform([[1, 99]])
    labelled = pickle.loads(pickle.dumps(fitted.transform(TRIANGLES)))
    assert labelled.prefixes([0], [2]) == fitted.transform([TRIANGLES[0][:2]])
    assert clone(fitted).get_params().keys() == estimator.get_params().keys()
    with pytest.raises(NotFittedError):
        clone(fitted).transform(TRIANGLES)
    with pytest.raises(NotFittedError):
        clone(fitted).label_events(Sessions.from_lists(TRIANGLES))


@each_estimator
@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("output", ["default", "pandas"])
def test_in_a_pipeline(estimator, routing, output):
    with config_context(enable_metadata_routing=routing, transform_output=output):
        pipeline = make_pipeline(clone(estimator)).set_output(transform=output)
        assert pipeline.fit_transform(TRIANGLES) == clone(estimator).fit(TRIANGLES).transform(
            TRIANGLES
        )
    assert type(estimator).__name__ in pipeline._repr_html_()
    assert pipeline[0].set_output() is pipeline[0]
    assert not hasattr(pipeline[0], "n_features_in_")


@each_estimator
def test_tags(estimator):
    tags = get_tags(estimator)
    assert not tags.input_tags.two_d_array
    assert tags.requires_fit
    assert not tags.target_tags.required


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"resolution": 0}, ValueError, "resolution=0 must be above 0"),
        ({"resolution": -1.0}, ValueError, "above 0"),
        ({"resolution": float("nan")}, ValueError, "resolution=nan"),
        ({"resolution": float("inf")}, ValueError, "finite"),
        ({"resolution": (1.0, 0.0)}, ValueError, "above 0"),
        ({"resolution": ()}, ValueError, "empty"),
        ({"resolution": "1"}, TypeError, "resolution='1' must be a number"),
        ({"resolution": True}, TypeError, "number"),
        ({"resolution": (1.0, None)}, TypeError, "number"),
        ({"algorithm": "louvain"}, ValueError, r"algorithm='louvain'.*\['cugraph', 'igr"),
        ({"objective": "Modularity"}, ValueError, r"objective=.*\['cpm', 'modularity'\]"),
        ({"self_loops": True}, ValueError, r"self_loops=True.*\['drop', 'keep'\]"),
        ({"attach": "call"}, ValueError, r"attach='call'.*\['batch', 'session'\]"),
        ({"n_iterations": 0}, ValueError, "n_iterations=0 .*-1"),
        ({"n_iterations": -2}, ValueError, "n_iterations=-2"),
        ({"n_iterations": 1.5}, ValueError, r"n_iterations=1\.5"),
        ({"random_state": -1}, ValueError, "random_state=-1 is below 0; give 0 or more, or None"),
        ({"random_state": "a"}, TypeError, "random_state='a' must be None, an integer"),
    ],
)
def test_bad_parameters_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        ItemClusterer(**parameters).fit(TRIANGLES)


@pytest.mark.parametrize("X", [[], [[], []]])
def test_no_events(X):
    with pytest.raises(ValueError, match="no events"):
        ItemClusterer().fit(X)

"""Evaluation is predicting every prefix by hand, and no score knows what it should not know."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline as SklearnPipeline

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.encoding import NextItemTargets, SessionEncoder
from sessionprompt.metrics import SessionScorer, ranking_metrics
from sessionprompt.model_selection import within_session_split
from sessionprompt.pipeline import Pipeline, make_session_pipeline
from sessionprompt.testing import tiny_world

SMALL = {"dim": 8, "max_epochs": 2, "batch_size": 64, "lr": 0.02, "random_state": 0}
WORLD = tiny_world(120)
A, B, C, D, E = WORLD.vocabulary.ids[:5].tolist()
UNSEEN = [
    [A, B, "new 1", C, D],
    ["new 1", "new 2", A],
    ["new 3", "new 3", "new 4", "new 5"],
    [B, C, D],
    ["new 1", D, E, "new 2", "new 1"],
    ["new 6", E],
]


@pytest.fixture(scope="module")
def prompted() -> Pipeline:
    pipeline = make_session_pipeline("narm", resolution=1.0, **SMALL, backbone_params={"hidden": 8})
    return pipeline.fit(WORLD)


@pytest.fixture(scope="module")
def plain() -> PromptedSessionRecommender:
    return PromptedSessionRecommender(prompts=(), **SMALL, backbone_params={"hidden": 8}).fit(WORLD)


@pytest.fixture(params=["prompted", "plain"])
def model(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def rank_by_hand(model: Any, prefix: list[Any], target: Any) -> float:
    """The target's place among all items for a visitor with this prefix."""
    n_items = (model.steps[-1][1] if isinstance(model, Pipeline) else model).n_items_
    items, scores = model.predict_topk([prefix], k=n_items, return_scores=True)
    own = scores[0][items[0] == target]
    return float((scores[0] >= own[0] - 1e-4).sum()) if len(own) else np.inf


# ---------------------------------------------------------------------- cutting
ENCODER = SessionEncoder.learn(Sessions.from_lists([["a", "b", "c"]]))


def test_the_last_event_is_cut_off() -> None:
    X = Sessions.from_lists([["a", "b", "a"], ["c"], ["z", "c"], [], ["b", "z"]])
    cut = NextItemTargets.of(X, ENCODER)
    assert cut.inputs.to_lists() == [["a", "b"], ["z"], ["b"]]
    assert cut.rows.tolist() == [0, 2, 4]
    assert cut.next_items.tolist() == [1, 0, 2, -1]
    assert cut.repeated.tolist() == [False, True, False, False]


def test_the_last_event_may_come_apart() -> None:
    X = Sessions.from_lists([["a", "b"], [], ["z"], ["b"]])
    cut = NextItemTargets.of(X, ENCODER, ["a", "c", "c", "never"])
    assert cut.inputs.to_lists() == [["a", "b"], ["z"], ["b"]]
    assert cut.rows.tolist() == [0, 2, 3]
    assert cut.next_items.tolist() == [1, 0, 2, -1]
    assert cut.repeated.tolist() == [False, True, False, False]


@given(
    st.lists(st.lists(st.sampled_from("abcxyz"), max_size=7), min_size=1, max_size=5).filter(
        lambda x: any(x)
    )
)
@settings(max_examples=50, deadline=None)
def test_cutting_is_a_loop(lists: list[list[str]]) -> None:
    X = Sessions.from_lists(lists)
    cut = NextItemTargets.of(X, ENCODER)
    pairs = [(events[:t], events[t]) for events in lists for t in range(1, len(events))]
    codes = {"a": 0, "b": 1, "c": 2}
    assert cut.next_items.tolist() == [codes.get(target, -1) for _, target in pairs]
    assert cut.repeated.tolist() == [target in prefix for prefix, target in pairs]
    long = [row for row, events in enumerate(lists) if len(events) > 1]
    apart = NextItemTargets.of(
        cut.inputs, ENCODER, np.array([lists[row][-1] for row in long], dtype=object)
    )
    for name in ("next_items", "repeated"):
        assert getattr(apart, name).tolist() == getattr(cut, name).tolist()


def test_cutting_keeps_the_first_target() -> None:
    X = Sessions.from_lists([["a", "b", "c", "a"], ["a", "b"]])
    X = Sessions(X.codes, X.offsets, X.vocabulary, target_start=[3, 1])
    assert NextItemTargets.of(X, ENCODER).inputs.target_start.tolist() == [3, 1]


# ---------------------------------------------------------------------- the same as by hand
by_popularity = pytest.mark.filterwarnings("ignore:.*hold nothing that the model knows")


@by_popularity
def test_evaluating_is_predicting_every_prefix(model: Any) -> None:
    lists = [*WORLD[:12].to_lists(), *UNSEEN]
    targets = [(row, t) for row, events in enumerate(lists) for t in range(1, len(events))]
    expected = [rank_by_hand(model, lists[row][:t], lists[row][t]) for row, t in targets]
    found = model.ranks(lists)
    assert list(zip(found.sessions.tolist(), found.positions.tolist(), strict=True)) == targets
    assert found.ranks.tolist() == expected
    names = ["mrr@5", "recall@3", "ndcg@10"]
    results, by_hand = model.evaluate(lists, metrics=names), ranking_metrics(expected, names)
    assert {name: results[name] for name in names} == pytest.approx(by_hand)
    assert model.score(lists, metric="recall", k=3) == pytest.approx(by_hand["recall@3"])
    assert results["n_targets"] == len(targets)


@pytest.mark.parametrize("lists", [WORLD[:20].to_lists(), UNSEEN], ids=["known", "unseen"])
def test_every_way_to_evaluate_agrees(prompted: Pipeline, lists: list[list[str]]) -> None:
    X, names = Sessions.from_lists(lists), ["mrr@5", "recall@20"]
    expected = prompted.evaluate(X, metrics=names)
    clusterer, recommender = (step for _, step in prompted.steps)
    plain_pipeline = SklearnPipeline(prompted.steps)
    assert SessionScorer(names)(plain_pipeline, X) == {name: expected[name] for name in names}
    assert SessionScorer(names)(prompted, X) == {name: expected[name] for name in names}
    assert recommender.evaluate(clusterer.transform(X), metrics=names) == expected
    assert plain_pipeline.score(X) == expected["mrr@5"]


@pytest.mark.parametrize("prefixes", ["one_pass", "expanded"])
def test_one_pass_and_expanded_prefixes_rank_alike(model: Any, prefixes: str) -> None:
    name = "rec__prefixes" if isinstance(model, Pipeline) else "prefixes"
    other = replace_params(model, **{name: prefixes})
    assert other.ranks(UNSEEN).ranks.tolist() == model.ranks(UNSEEN).ranks.tolist()


def test_long_sessions_are_ranked_by_their_newest_events(plain: PromptedSessionRecommender) -> None:
    lists = [[A, B, C, D, E, A, C, B, D], [B, A, C]]
    short = replace_params(plain, max_length=3)
    targets = [(row, t) for row, events in enumerate(lists) for t in range(1, len(events))]
    expected = [
        rank_by_hand(plain, lists[row][max(0, t - 3) : t], lists[row][t]) for row, t in targets
    ]
    assert short.ranks(lists).ranks.tolist() == expected
    assert short.ranks(lists).ranks.tolist() != plain.ranks(lists).ranks.tolist()


def replace_params(model: Any, **params: Any) -> Any:
    """The same fitted model with other parameters."""
    return copy.deepcopy(model).set_params(**params)


# ---------------------------------------------------------------------- no leakage
@by_popularity
def test_appending_the_target_changes_no_score(model: Any) -> None:
    for prefix in (["new 1"], [A, "new 1"], ["new 1", "new 2"], [A, B]):
        before = model.ranks([[*prefix, C]]).ranks
        for after in (["new 2"], [D], ["new 1", E]):
            assert (
                model.ranks([[*prefix, C, *after]]).ranks[: len(before)].tolist() == before.tolist()
            )


def test_the_target_itself_does_not_place_the_prefix(prompted: Pipeline) -> None:
    clusterer, recommender = (step for _, step in prompted.steps)
    scores = prompted.predict_topk([["new 1"]], k=recommender.n_items_, return_scores=True)
    for target in (A, item_of_another_cluster(prompted)):
        place = int(np.flatnonzero(scores[0][0] == target)[0]) + 1
        for scored in (
            prompted.ranks([["new 1", target]]).ranks,
            recommender.ranks(clusterer.transform([["new 1", target]])).ranks,
        ):
            assert scored.tolist() == [place]
        scorer = SessionScorer("mrr@30")
        assert scorer(SklearnPipeline(prompted.steps), [["new 1", target]]) == pytest.approx(
            1 / place
        )


@by_popularity
def test_other_sessions_change_no_score(model: Any) -> None:
    lists = [*UNSEEN, *WORLD[:10].to_lists()]
    together = model.ranks(lists)
    scores = model.predict_topk(lists, k=1, return_scores=True)[1]
    order = np.random.default_rng(0).permutation(len(lists))
    permuted = model.ranks([lists[row] for row in order])
    for row, events in enumerate(lists):
        own = together.ranks[together.sessions == row].tolist()
        assert model.ranks([events]).ranks.tolist() == own
        assert permuted.ranks[order[permuted.sessions] == row].tolist() == own
        alone = model.predict_topk([events], k=1, return_scores=True)[1]
        np.testing.assert_allclose(alone[0], scores[row], rtol=1e-4)


def test_clusters_of_a_batch_show_no_session_its_own_future() -> None:
    pipeline = make_session_pipeline(**SMALL).set_params(clu__attach="batch").fit(WORLD)
    for target in (A, B, C, D, E):
        alone = pipeline.ranks([["new 1", target]]).ranks
        assert pipeline.ranks([["new 1", target, target, target, target]]).ranks[0] == alone[0]


def test_items_learned_after_the_clusters_bring_no_hindsight(prompted: Pipeline) -> None:
    later = copy.deepcopy(prompted).partial_fit([["newcomer", A, B], [A, "newcomer"]])
    elsewhere = item_of_another_cluster(prompted)
    expected = rank_by_hand(later, ["newcomer"], C)
    for after in ([], [elsewhere, "newcomer", elsewhere, D], ["newcomer", elsewhere, E]):
        assert later.ranks([["newcomer", C, *after]]).ranks[0] == expected


def item_of_another_cluster(pipeline: Pipeline) -> str:
    """An item neither in the cluster of A nor in the strongest one."""
    clusterer = pipeline.named_steps["clu"]
    home = dict(zip(clusterer.vocabulary_.ids.tolist(), clusterer.labels_.tolist(), strict=True))
    return next(item for item in home if home[item] not in (home[A], clusterer.strongest_label_))


# ---------------------------------------------------------------------- what counts
def test_unknown_targets_are_misses(model: Any) -> None:
    results = model.evaluate([[A, "new 1"], [B, C]], metrics=["recall@30"])
    assert results == {"recall@30": 0.5, "n_targets": 2, "n_unknown_targets": 1}
    found = model.ranks([[A, "new 1"], [B, C]])
    assert found.ranks[0] == np.inf and found.counts[0] == 0
    train = WORLD[: len(WORLD) - 12]  # the newest tenth is for validation
    assert found.counts[1] == sum(events.count(C) for events in train)


def test_sessions_without_a_next_item_are_left_out(model: Any) -> None:
    found = model.ranks([[A], [A, B], []])
    assert found.sessions.tolist() == [1]
    with pytest.raises(ValueError, match="two events"):
        model.ranks([[A], []])


def test_only_own_targets_of_a_within_session_split(model: Any) -> None:
    _, valid, test = within_session_split(WORLD)
    for part in (valid, test):
        found = model.ranks(part)
        expected = [
            (row, t) for row, n in enumerate(part.lengths) for t in range(part.target_start[row], n)
        ]
        assert list(zip(found.sessions.tolist(), found.positions.tolist(), strict=True)) == expected
    everything = model.ranks(Sessions.from_lists(test.to_lists()))
    assert len(everything.ranks) > len(found.ranks)
    own = dict(
        zip(
            zip(everything.sessions, everything.positions, strict=True),
            everything.ranks,
            strict=True,
        )
    )
    assert [
        own[pair] for pair in zip(found.sessions, found.positions, strict=True)
    ] == found.ranks.tolist()


def test_weights_count_sessions(model: Any) -> None:
    lists = [[A, B, C], [D], [D, E]]
    ranks = model.ranks(lists).ranks
    expected = np.average(1 / ranks, weights=[2, 2, 0.5])
    found = model.evaluate(lists, metrics=["mrr@30"], sample_weight=[2, 7, 0.5])
    assert found["mrr@30"] == pytest.approx(expected)
    for wrong in ([1, 2], [1, 2, 3, 4], [[1], [2], [3]]):
        with pytest.raises(
            ValueError, match=r"sample_weight has shape .*, but X holds 3 sessions; pass one weight"
        ):
            model.evaluate(lists, sample_weight=wrong)


def test_slices_part_the_targets(model: Any) -> None:
    lists = [*WORLD[:20].to_lists(), *UNSEEN]
    results = model.evaluate(lists, metrics="recall@5", slices=["length", "popularity", "repeat"])
    assert set(results["slices"]) == {"length", "popularity", "repeat"}
    for groups in results["slices"].values():
        sizes = [group["n"] for group in groups.values()]
        assert sum(sizes) == results["n_targets"]
        mean = np.average([group["recall@5"] for group in groups.values()], weights=sizes)
        assert mean == pytest.approx(results["recall@5"])
    repeats = sum(item in events[:t] for events in lists for t, item in enumerate(events) if t)
    assert results["slices"]["repeat"]["repeat"]["n"] == repeats
    assert results["slices"]["popularity"]["unknown"]["n"] == results["n_unknown_targets"]
    assert model.evaluate(lists, metrics="mrr@5", slices="repeat")["slices"].keys() == {"repeat"}
    with pytest.raises(
        ValueError, match=r"'size'; known slices are \['length', 'popularity', 'repeat', 'cold'\]"
    ):
        model.evaluate(lists, slices=["size"])


def test_coverage_is_the_share_of_recommended_items(model: Any) -> None:
    lists = [[A, B], [C, D, E]]
    lists_of_best = model.predict([[A], [C], [C, D]], k=3)
    results = model.evaluate(lists, metrics=["coverage@3", "mrr@5"])
    assert results["coverage@3"] == pytest.approx(
        len(np.unique(lists_of_best)) / model.ranks(lists).n_items
    )
    assert list(results)[:2] == ["coverage@3", "mrr@5"]
    with pytest.raises(ValueError, match=r"k=500 is larger than the \d+ known items"):
        model.evaluate(lists, metrics=["coverage@500"])


@by_popularity
def test_ties_are_ranked_as_asked(plain: PromptedSessionRecommender) -> None:
    counts = plain.encoder_.item_counts
    target = plain.items_[int(np.flatnonzero(np.bincount(counts)[counts] > 1)[0])]
    own = counts[plain.items_ == target]
    better, equal = (counts > own).sum(), (counts == own).sum()
    expected = {
        "pessimistic": better + equal,
        "midpoint": better + (1 + equal) / 2,
        "optimistic": better + 1,
    }
    for ties, rank in expected.items():
        assert plain.ranks([["new 1", target]], ties=ties).ranks.tolist() == [rank]
        assert plain.evaluate([["new 1", target]], metrics="mrr@30", ties=ties)[
            "mrr@30"
        ] == pytest.approx(1 / rank)
    with pytest.raises(ValueError, match="ties='best' is not known"):
        plain.ranks([[A, B]], ties="best")


@pytest.mark.parametrize("metric", ["mrr", "accuracy@5", "mrr@0"])
def test_unknown_metrics_are_refused(model: Any, metric: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not known; write one of mrr, recall, hr, ndcg, coverage"
    ):
        model.evaluate([[A, B]], metrics=[metric])


def test_the_last_events_may_come_apart(plain: PromptedSessionRecommender) -> None:
    lists = [[A, B, C], [D, "new 1"], [E, E]]
    inputs, last = (
        [events[:-1] for events in lists],
        np.array([events[-1] for events in lists], dtype=object),
    )
    expected, found = plain.ranks(lists), plain.ranks(inputs, last_events=last)
    for name in ("sessions", "positions", "ranks", "counts", "repeated"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert plain.evaluate(inputs, last_events=last) == plain.evaluate(lists)


def test_an_annotation_without_a_clusterer_is_taken_as_it_is() -> None:
    labels = {item: number % 3 for number, item in enumerate(WORLD.vocabulary.ids)}
    X = WORLD.with_labels([labels[item] for events in WORLD for item in events])
    model = PromptedSessionRecommender(**SMALL).fit(X)
    assert model.evaluate(X)["n_targets"] == (X.lengths - 1).sum()
    unseen = Sessions.from_lists([["new 1", A]]).with_labels([2, labels[A]])
    assert np.isfinite(model.ranks(unseen).ranks).all()


def test_a_clusterer_fitted_elsewhere_can_annotate() -> None:
    clusterer = ItemClusterer(random_state=0).fit(WORLD)
    model = PromptedSessionRecommender(**SMALL).fit(clusterer.transform(WORLD))
    assert model.predict(clusterer.transform([[A, "new 1"]]), k=2).shape == (1, 2)
    with pytest.raises(ValueError, match="needs sessions annotated with clusters"):
        model.predict([[A]], k=2)

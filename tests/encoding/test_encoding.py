"""What a model learns of items, clusters, users and sessions, and how it numbers them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sessionprompt.clustering import ItemClusterer
from sessionprompt.encoding import EncodedSessions, SessionEncoder, check_prompts
from sessionprompt.sessions import Sessions
from sessionprompt.vocabulary import Vocabulary

ALL = ("cluster", "user", "session")


def labelled(lists: list[list[str]], labels: dict[str, Any], **columns: Any) -> Sessions:
    sessions = Sessions.from_lists(lists, **columns)
    return sessions.with_labels([labels[item] for items in lists for item in items])


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ((), ()),
        (None, ()),
        ("user", ("user",)),
        (["session", "cluster"], ("cluster", "session")),
        (("user", "user"), ("user",)),
    ],
)
def test_prompt_kinds_come_in_one_order(given: Any, kinds: tuple[str, ...]) -> None:
    assert check_prompts(given) == kinds


def test_unknown_prompts_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"names 'item'; known prompts are \['cluster', 'user', 'session'\]"
    ):
        check_prompts(("item", "user"))


def test_items_are_those_that_occur() -> None:
    sessions = Sessions.from_lists(
        [["b", "d", "b"], ["d"]], vocabulary=Vocabulary(["a", "b", "c", "d"])
    )
    encoder = SessionEncoder.learn(sessions)
    assert encoder.vocabulary.ids.tolist() == ["b", "d"]
    assert encoder.item_counts.tolist() == [2, 2]
    assert encoder.encode(sessions).items.tolist() == [0, 1, 0, 1]
    assert encoder.prompt_sizes == {} and encoder.candidate_codes == {}


def test_unknown_items_users_and_sessions_are_blanks() -> None:
    train = Sessions.from_lists([["a", "b"], ["b"]], users=["ann", "bob"], ids=["s1", "s2"])
    test = Sessions.from_lists([["z", "b"], ["a"]], users=["eve", "bob"], ids=["s2", "s3"])
    encoded = SessionEncoder.learn(train, ("user", "session")).encode(test)
    assert encoded.items.tolist() == [-1, 1, 0]
    assert encoded.prompts["user"].ravel().tolist() == [-1, -1, 1]
    assert encoded.prompts["session"].ravel().tolist() == [1, 1, -1]
    assert encoded.offsets.tolist() == [0, 2, 3]


def test_sessions_without_names_are_none_of_those_with_names() -> None:
    train = Sessions.from_lists([["a", "b"], ["b"]], users=["ann", "bob"], ids=["s1", "s2"])
    nameless = Sessions.from_lists([["a"], ["b"]], users=[1, 2])
    assert SessionEncoder.learn(train, ("session",)).encode(nameless).prompts[
        "session"
    ].tolist() == [[-1], [-1]]
    with pytest.raises(TypeError, match="'user' holds numbers"):
        SessionEncoder.learn(train, ("user",)).encode(nameless)


def test_columns_of_labels_share_a_table() -> None:
    labels = {"a": [0, 1], "b": [1, 0], "c": [1, 2], "d": [2, 9]}
    encoder = SessionEncoder.learn(labelled([["a", "b", "c"]], labels), ("cluster",))
    assert encoder.cluster_sizes == (2, 3)
    assert encoder.prompt_sizes == {"cluster": 5}
    assert encoder.candidate_codes["cluster"].tolist() == [[0, 3], [1, 2], [1, 4]]
    encoded = encoder.encode(labelled([["c", "d"]], labels))
    # clusters beyond those of the training
    assert encoded.prompts["cluster"].tolist() == [[1, 4], [-1, -1]]


def test_known_items_keep_the_cluster_they_were_learned_with() -> None:
    encoder = SessionEncoder.learn(labelled([["a", "b"]], {"a": 0, "b": 1}), ("cluster",))
    encoded = encoder.encode(labelled([["a", "z"]], {"a": 1, "z": 1}))
    assert encoded.prompts["cluster"].tolist() == [[0], [1]]


def test_the_wrong_number_of_label_columns_is_an_error() -> None:
    encoder = SessionEncoder.learn(labelled([["a", "b"]], {"a": 0, "b": 1}), ("cluster",))
    with pytest.raises(ValueError, match="X carries 2 label columns, the model was fitted with 1"):
        encoder.encode(labelled([["a"]], {"a": [0, 0]}))


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (("cluster",), r"needs sessions annotated with clusters: put ItemClusterer\(\) before"),
        (("user",), r"needs sessions with users: name the column"),
    ],
)
def test_missing_annotation_is_an_error_with_a_way_out(
    prompts: tuple[str, ...], message: str
) -> None:
    bare = Sessions.from_lists([["a", "b"]])
    with pytest.raises(ValueError, match=message):
        SessionEncoder.learn(bare, prompts)
    full = labelled([["a", "b"]], {"a": 0, "b": 1}, users=["ann"])
    with pytest.raises(ValueError, match=message):
        SessionEncoder.learn(full, prompts).encode(bare)


def test_target_start_becomes_the_first_prefix() -> None:
    sessions = Sessions.from_lists([["a", "b", "a"], ["b"]])
    encoder = SessionEncoder.learn(sessions)
    assert encoder.encode(sessions).first_prefix.tolist() == [1, 1]
    late = Sessions(sessions.codes, sessions.offsets, sessions.vocabulary, target_start=[2, 1])
    assert encoder.encode(late).first_prefix.tolist() == [2, 1]


def test_joining_encoded_sessions() -> None:
    sessions = labelled([["a", "b"], ["b"], ["a", "a", "b"]], {"a": 0, "b": 1})
    encoder = SessionEncoder.learn(sessions, ("cluster",))
    whole, parts = (
        encoder.encode(sessions),
        [encoder.encode(sessions[[0]]), encoder.encode(sessions[1:])],
    )
    joined = EncodedSessions.join(parts)
    assert joined.lengths.tolist() == [2, 1, 3] and len(joined) == 3
    for name in ("items", "offsets", "first_prefix"):
        assert getattr(joined, name).tolist() == getattr(whole, name).tolist()
    assert joined.prompts["cluster"].tolist() == whole.prompts["cluster"].tolist()


def test_growing_keeps_what_is_known() -> None:
    labels = {"m": [1], "b": [0], "a": [2], "z": [0]}
    first = labelled([["m", "b"], ["b"]], labels, users=["kim", "lea"], ids=["s1", "s2"])
    then = labelled(
        [["a", "m"], ["z"]], {**labels, "m": [0]}, users=["ann", "lea"], ids=["s0", "s2"]
    )
    old = SessionEncoder.learn(first, ALL)
    new = old.grow(then, ALL)
    assert new.vocabulary.ids.tolist() == ["a", "b", "m", "z"]
    assert new.item_counts.tolist() == [1, 2, 2, 1]
    assert new.item_labels.ravel().tolist() == [2, 0, 1, 0]  # m stays where it was
    assert new.cluster_sizes == (3,)
    assert new.prompt_sizes == {"cluster": 3, "user": 3, "session": 3}
    rows = new.rows_of(old)
    assert rows["item"].tolist() == [1, 2]
    assert rows["user"].tolist() == [1, 2] and rows["session"].tolist() == [1, 2]
    assert rows["cluster"].tolist() == [0, 1]


def test_rows_of_clusters_at_several_resolutions() -> None:
    old = SessionEncoder.learn(labelled([["a", "b"]], {"a": [0, 0], "b": [1, 1]}), ("cluster",))
    new = old.grow(labelled([["c"]], {"c": [2, 1]}), ("cluster",))
    assert new.cluster_sizes == (3, 2)
    assert new.rows_of(old)["cluster"].tolist() == [0, 1, 3, 4]


def test_growing_with_other_prompts_is_refused() -> None:
    sessions = labelled([["a", "b"]], {"a": 0, "b": 1}, users=["ann"])
    with pytest.raises(
        ValueError, match=r"prompts=\('user',\) cannot follow a fit with prompts=\('cluster',\)"
    ):
        SessionEncoder.learn(sessions, ("cluster",)).grow(sessions, ("user",))


def test_an_unseen_item_enters_by_the_clusterers_label() -> None:
    train = Sessions.from_lists([["a", "b"], ["b", "a"], ["c", "d"], ["d", "c"]])
    clusterer = ItemClusterer(random_state=0).fit(train)
    encoder = SessionEncoder.learn(clusterer.transform(train), ("cluster",))
    home = dict(zip("abcd", encoder.item_labels.ravel().tolist(), strict=True))
    encoded = encoder.encode(clusterer.transform(Sessions.from_lists([["new", "c"], ["new", "a"]])))
    assert encoded.items[[0, 2]].tolist() == [-1, -1]
    assert encoded.prompts["cluster"].ravel().tolist() == [
        home["c"],
        home["c"],
        home["a"],
        home["a"],
    ]


def test_codes_are_wide_enough_for_torch() -> None:
    encoded = SessionEncoder.learn(Sessions.from_lists([["a", "b"]]), ("session",)).encode(
        Sessions.from_lists([["a", "b"]])
    )
    assert (
        encoded.items.dtype
        == encoded.prompts["session"].dtype
        == encoded.first_prefix.dtype
        == np.int64
    )

"""Columns of items as features, and the transformer that gives sessions the table."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

from sessionprompt import ItemAttributes, Sessions, load
from sessionprompt.clustering import filled_rows, in_columns, stacked, taken_rows
from sessionprompt.storage import save

SESSIONS = [["tea", "milk"], ["pen", "ink", "tea"]]
COLUMNS = {
    "item": ["tea", "milk", "pen", "ink", "jam"],
    "aisle": ["drink", "drink", "desk", "desk", None],
    "price": [3.0, 1.0, 2.0, 9.0, None],
    "tags": [["hot", "dry"], ["cold"], [], ["cold", "hot"], ["dry"]],
    "title": ["green tea", "milk", "blue pen", "blue ink", None],
    "vector": [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0], [2.0, 2.0]],
}
KINDS = {
    "aisle": "category",
    "price": "number",
    "tags": "category",
    "title": "text",
    "vector": "vector",
}
IDS = ["tea", "nothing known", "ink"]
CATEGORY = {"columns": {"a": "category"}, "min_support": 1}


def described(table, ids=IDS, **params):
    """Dense features of some ids by kind."""
    params = {"min_support": 1, "columns": KINDS, "n_words": 32, **params}
    attributes = ItemAttributes(table, **params).fit(SESSIONS)
    vocabulary = Sessions.from_lists([ids]).vocabulary
    order = vocabulary.encode(ids)
    features = attributes.describe(vocabulary)
    return {kind: np.asarray(dense(one))[order] for kind, one in features.items()}


def dense(features):
    if isinstance(features, np.ndarray):
        return features
    return features.toarray()


# ---------------------------------------------------------------------- columns by their numbers
def test_features_of_every_kind() -> None:
    found = described(COLUMNS)
    assert found["aisle"].tolist() == [[1, 0], [0, 0], [0, 1]]
    assert found["tags"].tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert found["price"].sum(axis=1).tolist() == [1, 0, 1]
    assert found["title"].sum(axis=1).tolist() == [2, 0, 2]
    mean = np.array([0.7, 0.7])
    tea = np.array([1, 0]) - mean
    np.testing.assert_allclose(found["vector"][0], tea / np.linalg.norm(tea), rtol=1e-6)
    assert not found["vector"][1].any()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_every_library_of_tables_says_the_same(library) -> None:
    table = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[library](COLUMNS)
    given = described(COLUMNS)
    for kind, features in described(table).items():
        np.testing.assert_array_equal(features, given[kind])


def test_kinds_are_seen_by_the_values() -> None:
    columns = ["aisle", "price", "tags", "vector"]
    given = described(COLUMNS)
    for kind, features in described(COLUMNS, columns=columns).items():
        np.testing.assert_array_equal(features, given[kind])
    table = {"item": COLUMNS["item"], "vector": np.array(COLUMNS["vector"])}
    matrix = described(table, columns=None)
    np.testing.assert_array_equal(matrix["vector"], given["vector"])
    assert list(described({**table, "year": [1, 1, 2, 2, 3]}, columns=["year"])) == ["year"]


def test_numbers_fall_into_bins_of_equal_counts() -> None:
    numbers = {"item": list(range(100)), "price": [float(n) ** 2 for n in range(100)]}
    attributes = ItemAttributes(numbers, n_bins=4).fit([[1, 2]])
    features = attributes.describe(Sessions.from_lists([list(range(100))]).vocabulary)["price"]
    assert dense(features).sum(axis=0).tolist() == [25, 25, 25, 25]


def test_rare_and_later_values_share_a_row() -> None:
    table = {"item": list("abcde"), "brand": ["x", "x", "y", "z", None]}
    attributes = ItemAttributes(table, min_support=2).fit([["a"]])
    vocabulary = Sessions.from_lists([list("abcdef")]).vocabulary
    rows = [[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]]
    assert dense(attributes.describe(vocabulary)["brand"]).tolist() == rows
    before = attributes.numberings_
    attributes.set_params(items={"item": ["f", "a"], "brand": ["new", "x"]})
    rows = [[1, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 1]]
    assert dense(attributes.describe(vocabulary)["brand"]).tolist() == rows
    assert attributes.described_items.ids.tolist() == ["a", "f"]
    assert attributes.numberings_ == before


def test_texts_by_a_vectorizer() -> None:
    columns = {"title": CountVectorizer()}
    found = described(COLUMNS, columns=columns)["title"]
    words = ["blue", "green", "ink", "milk", "pen", "tea"]
    texts = [("green", "tea"), (), ("blue", "ink")]
    assert found.tolist() == [[word in text for word in words] for text in texts]
    attributes = ItemAttributes(COLUMNS, columns=columns).fit(SESSIONS)
    with pytest.raises(TypeError, match="a vectorizer, which is code and cannot be stored"):
        attributes._pack_params()


def test_matrices_of_features() -> None:
    rows = described(COLUMNS)["aisle"]
    for matrix in (rows, sparse.csr_array(rows)):
        places = np.array([2, -1, 0, 2])
        expected = np.where(places[:, None] < 0, 0, rows[places])
        np.testing.assert_array_equal(dense(taken_rows(matrix, places)), expected)
        assert filled_rows(matrix).tolist() == [True, False, True]
        kept = in_columns(matrix, np.array([True, False]))
        assert dense(kept).tolist() == [[1, 0], [0, 0], [0, 0]]
        assert dense(stacked(matrix, matrix)).tolist() == [*rows.tolist(), *rows.tolist()]


# ---------------------------------------------------------------------- sessions know the table
def test_sessions_carry_the_table_through_slices() -> None:
    attributes = ItemAttributes(COLUMNS, columns=["aisle"])
    sessions = attributes.fit_transform(SESSIONS)
    for some in (sessions[[1]], sessions.prefixes([0], [1]), sessions.filter(min_length=2)):
        assert some.item_attributes == (attributes,)
    assert Sessions.concat([sessions, sessions]).item_attributes == (attributes,)
    again = attributes.transform(sessions)
    assert again.item_attributes == (attributes,)
    other = ItemAttributes(COLUMNS, columns=["price"]).fit(sessions)
    assert other.transform(sessions).item_attributes == (attributes, other)
    both = ItemAttributes(COLUMNS, columns=["price", "aisle"]).fit(sessions)
    with pytest.raises(ValueError, match="two transformers give the attribute 'aisle'"):
        both.transform(sessions)
    with pytest.raises(ValueError, match="attributes of different tables"):
        Sessions.concat([sessions, Sessions.from_lists(SESSIONS, ids=["x", "y"])])


def test_copies_and_files_describe_alike(tmp_path) -> None:
    attributes = ItemAttributes(COLUMNS, columns=KINDS, min_support=1).fit(SESSIONS)
    save(attributes, tmp_path / "attributes.zip")
    read = load(tmp_path / "attributes.zip")
    vocabulary = Sessions.from_lists([IDS]).vocabulary
    expected = attributes.describe(vocabulary)
    for copy in (read, pickle.loads(pickle.dumps(attributes)), clone(attributes).fit(SESSIONS)):
        assert copy.numberings_ == attributes.numberings_
        assert copy.kinds_ == tuple(KINDS)
        for kind, features in copy.describe(vocabulary).items():
            np.testing.assert_array_equal(dense(features), dense(expected[kind]))
    assert read.items is None
    with pytest.raises(ValueError, match="items=None is no table"):
        read.fit(SESSIONS)
    assert read.partial_fit(SESSIONS) is read
    read.set_params(
        items={
            "item": ["new"],
            "aisle": ["desk"],
            **{kind: [None] for kind in ("price", "tags", "title", "vector")},
        }
    )
    new = read.describe(Sessions.from_lists([["new"]]).vocabulary)
    assert dense(new["aisle"]).tolist() == [[0, 1]]


# ---------------------------------------------------------------------- what cannot be read
@pytest.mark.parametrize(
    ("table", "params", "error", "words"),
    [
        ([1, 2], {}, TypeError, "items must be a pandas, polars or pyarrow table"),
        ({"id": [1]}, {}, ValueError, "no column 'item'; its columns are"),
        ({"item": [], "a": []}, {}, ValueError, "items is empty"),
        ({"item": ["tea", "tea"], "a": [1, 1]}, {}, ValueError, "'tea' more than once"),
        ({"item": ["x"], "a": [1]}, {}, ValueError, "a row for none of the 4 items of X"),
        ({"item": ["tea"], "a": [None]}, {}, ValueError, "'a' holds no value for any of 1"),
        ({"item": ["tea"], "a": [np.nan]}, {}, ValueError, "'a' holds no value for any of 1"),
        ({"item": ["tea"], "a": [1]}, {"columns": ["b"]}, ValueError, "'b', which items has not"),
        ({"item": ["tea"], "a": [1]}, {"columns": []}, ValueError, "columns is empty"),
        ({"item": ["tea"], "user": [1]}, {}, ValueError, "'user', which is taken"),
        ({"item": ["tea"], 7: [1]}, {}, TypeError, "called by a string"),
        ({"item": ["tea"], "a": [1]}, {"columns": {"a": "price"}}, ValueError, "'price' is not"),
        ({"item": ["tea"], "a": [1]}, {"columns": {"a": 3}}, TypeError, "or a vectorizer"),
        ({"item": ["tea"], "a": ["x"]}, {"columns": {"a": "number"}}, TypeError, "is no number"),
        ({"item": ["tea"], "a": [1]}, {"columns": {"a": "text"}}, TypeError, "is no text"),
        ({"item": ["tea"], "a": [{"b": 1}]}, {}, TypeError, "neither a value nor a list"),
        (
            {"item": ["tea", "pen"], "v": [[1.0, 2.0], [1.0]]},
            {},
            ValueError,
            "row 1 of 'v' is a vector of 1 numbers, others have 2",
        ),
        (
            {"item": ["tea", "pen"], "v": [[1.0, 2.0], [1.0, np.nan]]},
            {},
            ValueError,
            "row 1 of 'v' is a vector with a number that is not finite",
        ),
        (
            {"item": ["tea", "pen"], "v": np.array([[1.0, 2.0], [1.0, np.inf]])},
            {},
            ValueError,
            "row 1 of 'v' is a vector with a number that is not finite",
        ),
        ({"item": ["tea"], "a": [1, 2]}, {}, ValueError, "has 2 rows, the ids have 1"),
        ({"item": ["tea"], "a": [1]}, {"min_support": 0}, ValueError, "min_support=0 is below 1"),
        ({"item": [1], "a": [1]}, {}, TypeError, "convert one of them"),
        ({"item": ["tea"]}, {}, ValueError, "items has no column but 'item'"),
        ({"item": ["tea"], "a": [[]]}, {}, ValueError, "'a' holds nothing that could be read"),
        ({"item": ["tea"], "a": ["!"]}, {"columns": {"a": "text"}}, ValueError, "without words"),
        ({"item": ["tea"], "v": [[]]}, {"columns": {"v": "vector"}}, ValueError, "1 or more"),
        ({"item": ["tea"], "v": np.zeros((1, 0))}, {}, ValueError, "1 or more"),
        ({"item": ["tea"], "v": [1.0]}, {"columns": {"v": "vector"}}, TypeError, "is no vector"),
        ({"item": ["tea"], "v": ["xy"]}, {"columns": {"v": "vector"}}, TypeError, "is no vector"),
        ({"item": ["tea"], "v": [[[1.0]]]}, {"columns": {"v": "vector"}}, TypeError, "no vector"),
        ({"item": ["tea"], "v": np.ones((1, 2), complex)}, {}, TypeError, "is no vector"),
        ({"item": ["tea"], "v": np.ones((1, 2, 2))}, {}, TypeError, "is a ndarray, which is no"),
        ({"item": ["tea"], "v": sparse.eye_array(1)}, {}, TypeError, "a dense matrix"),
        ({"item": ["tea"], "a": "x"}, {}, TypeError, "is a str, which is no list of values"),
        (pd.DataFrame([["tea", 1, 2]], columns=["item", "a", "a"]), {}, ValueError, "column twice"),
        ({"item": ["tea"], "a": [pd.Timestamp(0)]}, CATEGORY, TypeError, "'a' holds values that"),
    ],
)
def test_faults_are_named(table, params, error, words) -> None:
    with pytest.raises(error, match=words):
        ItemAttributes(table, **params).fit(SESSIONS)


def test_warnings_say_how_many_and_which() -> None:
    table = {"item": ["tea", "pen"], "a": ["x", "x"]}
    with pytest.warns(UserWarning) as caught:
        attributes = ItemAttributes(table).fit(SESSIONS)
    texts = [str(one.message) for one in caught]
    assert any("no row for 2 of 4 items of X" in text for text in texts)
    assert any("column 'a' has one value for all of 2 items" in text for text in texts)
    assert attributes.n_missing_ == 2


@pytest.mark.parametrize("vectors", [[[1.0, 2.0]] * 4, [[0.0, 0.0]] * 4, [[1.0], None, None, None]])
def test_one_vector_for_all_is_warned_of(vectors) -> None:
    table = {"item": ["tea", "pen", "milk", "ink"], "v": vectors}
    with pytest.warns(UserWarning, match="column 'v' has one value for all of 4 items"):
        ItemAttributes(table).fit([["tea", "pen"]])


def test_dates_are_numbers_and_fall_into_bins() -> None:
    days = pd.to_datetime(["2020-01-01", "2026-05-05", "2020-01-02", "2026-05-06"])
    ids = ["tea", "pen", "milk", "ink"]
    columns = [days, days.tz_localize("UTC"), days.date.tolist(), days.to_numpy()]
    for column in columns:
        attributes = ItemAttributes(pd.DataFrame({"item": ids, "since": column}), n_bins=2)
        sessions = attributes.fit_transform([ids])
        found = dense(attributes.describe(sessions.vocabulary)["since"])
        order = sessions.vocabulary.encode(ids)
        assert found[order].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]

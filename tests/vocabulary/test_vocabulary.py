"""The map between ids and codes: round trips, one kind of ids, clear refusals."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.vocabulary import Vocabulary, id_array

IDS = st.one_of(
    st.lists(st.integers(-(2**62), 2**62)),
    st.lists(st.integers(-5, 40)),
    st.lists(st.integers(2**62, 2**65)),
    st.lists(st.floats(allow_nan=False, width=32)),
    st.lists(st.text(max_size=3)),
    st.lists(st.binary(max_size=2)),
    st.lists(st.tuples(st.integers(0, 3), st.text(max_size=1))),
    st.lists(st.frozensets(st.integers(0, 3))),
)
LAWS = settings(max_examples=60, deadline=None)


@LAWS
@given(IDS)
def test_decoding_the_codes_gives_the_values_back(values: list[Any]) -> None:
    vocabulary, codes = Vocabulary.from_values(values)
    assert vocabulary.decode(codes).tolist() == values
    assert set(codes.tolist()) == set(range(len(vocabulary)))
    assert codes.dtype == np.int32
    assert np.array_equal(vocabulary.encode(values), codes)


@LAWS
@given(IDS)
def test_ids_are_sorted_if_they_can_be_else_by_first_appearance(values: list[Any]) -> None:
    vocabulary, _ = Vocabulary.from_values(values)
    distinct = list(dict.fromkeys(values))
    if not isinstance(values[0] if values else 0, frozenset):
        distinct = sorted(distinct)
        assert vocabulary.ids.tolist() == distinct
    assert set(vocabulary.ids.tolist()) == set(distinct)
    assert Vocabulary(vocabulary.ids) == vocabulary


def test_ids_without_an_order_keep_that_of_first_appearance() -> None:
    values = [(3,), (1,), (2,), (3,), ("a",)]
    vocabulary, codes = Vocabulary.from_values(values)
    assert vocabulary.ids.tolist() == [(3,), (1,), (2,), ("a",)]
    assert codes.tolist() == [0, 1, 2, 0, 3]


@LAWS
@given(st.lists(st.integers(-30, 30)), st.lists(st.integers(-30, 30)), st.sampled_from([1, 10**12]))
def test_encode_and_translate_say_minus_one_for_unknown(
    known: list[int], asked: list[int], spread: int
) -> None:
    known, asked = [spread * i for i in known], [spread * i for i in asked]
    vocabulary, other = Vocabulary.from_values(known)[0], Vocabulary.from_values(asked)[0]
    ids = vocabulary.ids.tolist()
    assert vocabulary.encode(asked).tolist() == [ids.index(i) if i in ids else -1 for i in asked]
    assert vocabulary.translate(other).tolist() == vocabulary.encode(other.ids).tolist()
    assert [i in vocabulary for i in asked] == [i in ids for i in asked]


@LAWS
@given(st.lists(st.text(max_size=2), min_size=1), st.data())
def test_subset_keeps_the_order_of_the_codes(values: list[str], data: st.DataObject) -> None:
    vocabulary, codes = Vocabulary.from_values(values)
    chosen = data.draw(st.lists(st.sampled_from(codes.tolist())))
    smaller = vocabulary.subset(chosen)
    assert smaller.ids.tolist() == [vocabulary.ids[code] for code in sorted(set(chosen))]
    assert vocabulary.translate(smaller).tolist() == sorted(set(chosen))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([3, 1], np.int64),
        (np.array([3, 1], dtype=np.uint8), np.int64),
        ([np.int64(3), 1], np.int64),
        ([3, 1.5], np.float64),
        (np.array([3, 1], dtype=np.float32), np.float64),
        (["b", "a"], object),
        (np.array(["b", "a"]), object),
        ([2**63, -1], object),
        (np.array([2**63, 1], dtype=np.uint64), object),
        ([], np.int64),
    ],
)
def test_dtype_of_ids(values: Any, dtype: type) -> None:
    vocabulary, _ = Vocabulary.from_values(values)
    assert vocabulary.ids.dtype == dtype
    assert vocabulary.decode(vocabulary.encode(values)).tolist() == list(values)


def test_large_integers_do_not_melt_into_floats() -> None:
    vocabulary = Vocabulary([2**63, -1, 2**63 + 1])
    assert len(vocabulary) == 3
    assert vocabulary.encode([2**63 + 1, 2**63 + 2]).tolist() == [2, -1]


def test_numpy_strings_become_python_strings() -> None:
    assert type(Vocabulary([np.str_("a")]).ids[0]) is str


@pytest.mark.parametrize(
    ("ids", "asked", "codes"),
    [
        ([1, 2], [1.0, 1.5, 2.0], [0, -1, 1]),
        ([1, 2], [1e300, -np.inf], [-1, -1]),
        ([1.0, 2.5], np.array([1, 2]), [0, -1]),
        ([2.0**53], [2**53 + 1], [-1]),
        ([-(2**63), 7], [2**63, 7], [-1, 1]),
        ([2**63, 7], [7.0, 2.0**63], [0, 1]),
    ],
)
def test_numbers_are_one_kind_and_compare_exactly(
    ids: list[Any], asked: Any, codes: list[int]
) -> None:
    assert Vocabulary(ids).encode(asked).tolist() == codes


def test_another_kind_is_refused_instead_of_unknown() -> None:
    message = r"'item' holds strings \(first '1'\), but the vocabulary holds numbers \(first 1\)"
    with pytest.raises(TypeError, match=message):
        Vocabulary([1, 2]).encode(["1"])
    with pytest.raises(TypeError, match=r"holds numbers \(first 5\).*vocabulary holds strings"):
        Vocabulary(["a"]).translate(Vocabulary([5]))
    assert "1" not in Vocabulary([1, 2])


def test_empty_vocabularies_have_no_kind() -> None:
    empty, full = Vocabulary([]), Vocabulary(["a"])
    assert full.translate(empty).tolist() == []
    assert empty.translate(full).tolist() == [-1]
    assert empty.encode([3]).tolist() == [-1]
    assert empty.decode([]).tolist() == []
    assert repr(empty) == "Vocabulary(empty)"


def test_translating_myself_is_the_identity() -> None:
    vocabulary = Vocabulary(["a", "b"])
    assert vocabulary.translate(vocabulary).tolist() == [0, 1]
    assert vocabulary.translate(vocabulary).dtype == np.int32


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (
            [1, "1"],
            TypeError,
            "'song' mixes kinds: 1 in row 0 is a number, '1' in row 1 is a string",
        ),
        (["a", "b", (1,)], TypeError, r"\(1,\) in row 2 is a tuple"),
        (["a", None], ValueError, r"'song' has a missing value \(None\) in row 1; drop"),
        ([1, 2, float("nan")], ValueError, r"missing value \(nan\) in row 2"),
        (np.array([np.nan, 1]), ValueError, r"missing value \(nan\) in row 0"),
        (["a", float("nan")], ValueError, r"missing value \(nan\) in row 1"),
        (
            [np.datetime64("2020"), np.datetime64("NaT", "s")],
            ValueError,
            r"missing value \(NaT\) in row 1",
        ),
        ([1, True], TypeError, "'song' holds True in row 1, and a boolean is no id"),
        (np.array([True]), TypeError, "a boolean is no id"),
        ([[1], [2]], TypeError, r"holds \[1\] in row 0, and a list is no id"),
        (np.ones((2, 2)), ValueError, r"one dimension, got shape \(2, 2\)"),
        ("abc", TypeError, "must be a list or an array of ids, got 'abc'"),
    ],
)
def test_bad_values_are_named(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Vocabulary.from_values(values, name="song")
    with pytest.raises(error, match=message.replace("'song'", "'ids'")):
        Vocabulary(values)


def test_the_place_of_a_bad_value_can_be_put_in_words() -> None:
    with pytest.raises(ValueError, match="in line 11; drop"):
        id_array(["a", None], "item", lambda row: f"line {row + 10}")


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="3 of them hold 2 different ones; use Vocabulary"):
        Vocabulary(["a", "b", "a"])


@pytest.mark.parametrize("code", [-1, 2])
def test_codes_without_an_id_are_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"code {code} has no id; a vocabulary of 2 ids"):
        Vocabulary(["a", "b"]).decode([0, code])


def test_codes_must_be_integers() -> None:
    with pytest.raises(TypeError, match="codes must be integers, got float64"):
        Vocabulary(["a"]).decode([0.0])


def test_decode_keeps_the_shape() -> None:
    assert Vocabulary(["a", "b"]).decode([[1, 0], [0, 0]]).tolist() == [["b", "a"], ["a", "a"]]
    assert Vocabulary(["a"]).decode(np.zeros((0, 3), dtype=int)).shape == (0, 3)


def test_immutable_equal_and_pickled() -> None:
    vocabulary = Vocabulary(["b", "a"])
    copy = pickle.loads(pickle.dumps(vocabulary))
    assert copy == vocabulary == Vocabulary(["a", "b"]) != Vocabulary(["a"])
    assert vocabulary != ["a", "b"]
    for one in (vocabulary, copy):
        with pytest.raises(ValueError, match="read-only"):
            one.ids[0] = "z"
    with pytest.raises(TypeError, match="unhashable"):
        hash(vocabulary)


def test_the_array_given_stays_writable() -> None:
    mine = np.array([1, 2])
    Vocabulary(mine)
    mine[0] = 5
    assert mine.tolist() == [5, 2]


def test_repr_shows_the_first_ids() -> None:
    assert repr(Vocabulary(range(6))) == "Vocabulary(6 numbers: 0, 1, 2, 3, ...)"

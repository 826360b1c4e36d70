"""What goes into the store of arrays comes out again, and nothing else does."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sessionprompt.storage import ArrayStore
from sessionprompt.vocabulary import Vocabulary


@given(
    st.one_of(
        st.sets(st.text()),
        st.sets(st.integers(-(2**63), 2**63 - 1)),
        st.sets(st.floats(allow_nan=False)),
    )
)
@settings(max_examples=50, deadline=None)
def test_ids_come_back_from_the_store(ids: set[Any]) -> None:
    vocabulary = Vocabulary(ids)
    store = ArrayStore({}, {}, "0.")
    store.put_ids("items", vocabulary)
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **store.arrays)
    stored = dict(np.load(BytesIO(buffer.getvalue()), allow_pickle=False))
    taken = ArrayStore(stored, {}, "0.").take_ids("items").ids
    assert taken.dtype == vocabulary.ids.dtype and taken.tolist() == vocabulary.ids.tolist()


def test_a_compartment_has_names_of_its_own() -> None:
    store = ArrayStore({}, {})
    inner = store.compartment(1).compartment(0)
    inner.put("labels", np.arange(3))
    inner.put_weights({"items": torch.ones(2)})
    assert list(store.arrays) == ["1.0.labels"] and list(store.weights) == ["1.0.items"]
    assert inner.take("labels", "i", 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"arrays.npz holds no '1.labels'"):
        store.compartment(1).take("labels", "i", 3)


@pytest.mark.parametrize(
    ("kinds", "shape"), [("f", (3,)), ("i", (4,)), ("i", (3, None)), ("i", ())]
)
def test_an_array_of_another_form_is_refused(kinds: str, shape: tuple[int | None, ...]) -> None:
    store = ArrayStore({"labels": np.arange(3)}, {})
    assert store.take("labels", "uif", None).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"'labels' is an array of int64 and shape \(3,\)"):
        store.take("labels", kinds, *shape)


def test_a_graph_comes_back() -> None:
    graph = sparse.csr_array(np.array([[0, 2, 0], [2, 0, 1], [0, 1, 0]]))
    store = ArrayStore({}, {})
    store.put_graph("graph", graph)
    assert (store.take_graph("graph", 3) != graph).nnz == 0


def test_weights_are_copies() -> None:
    weights = torch.arange(6.0).reshape(2, 3).T
    store = ArrayStore({}, {}, "0.")
    store.put_weights({"items": weights})
    taken = store.take_weights({"items": torch.zeros(3, 2)})["items"]
    weights.zero_()
    assert taken.is_contiguous() and taken.tolist() == [[0, 3], [1, 4], [2, 5]]

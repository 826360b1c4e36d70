"""Values come back from JSON as they were."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.storage import from_json, to_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: (
        st.lists(part) | st.tuples(part, part) | st.dictionaries(st.text() | st.integers(), part)
    ),
    max_leaves=8,
)


@given(st.one_of(PLAIN, st.dictionaries(st.sampled_from(["tuple", "dict", "float"]), PLAIN)))
@settings(max_examples=50, deadline=None)
def test_values_come_back_from_json(value: Any) -> None:
    text = json.dumps(to_json(value, "x"), allow_nan=False)
    assert repr(from_json(json.loads(text))) == repr(value)


def test_numpy_numbers_become_numbers() -> None:
    assert to_json([np.float32(0.5), np.int64(3), np.bool_(True)], "x") == [0.5, 3, True]

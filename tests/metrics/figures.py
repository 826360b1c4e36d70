"""Ranks and names that several tests of metrics draw from."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

CUTOFFS = (1, 2, 5, 10, 20)
KINDS = ("mrr", "recall", "hr", "ndcg", "precision", "map")
ALL_NAMES = [f"{kind}@{k}" for kind in KINDS for k in CUTOFFS]
laws = settings(max_examples=50, deadline=None)


@st.composite
def integer_ranks(draw):
    ranks = draw(st.lists(st.integers(1, 40), min_size=1, max_size=30))
    return np.array([np.inf if rank > 30 else rank for rank in ranks])

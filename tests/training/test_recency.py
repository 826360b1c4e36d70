"""Newer sessions count more: weights by age, and models trained with them."""

from __future__ import annotations

import numpy as np
import pytest

from sessionprompt import PromptedSessionRecommender, Sessions


def model(**params: object) -> PromptedSessionRecommender:
    small = {"prompts": (), "dim": 8, "lr": 0.05, "max_epochs": 8, "random_state": 0}
    return PromptedSessionRecommender("stamp", **{**small, "validation_fraction": None, **params})


def two_habits(times: list[int] | None = None) -> Sessions:
    """Sessions that go from a to b, as many that go from a to c, and something else."""
    lists = [["a", "b"]] * 40 + [["a", "c"]] * 40 + [["d", "e"]] * 8
    return Sessions.from_lists(lists, times=times)


def chances(fitted: PromptedSessionRecommender) -> dict[str, float]:
    items, scores = fitted.predict_topk([["a"]], k=5, return_scores=True)
    return dict(zip(items[0].tolist(), np.exp(scores[0]), strict=True))


@pytest.mark.parametrize("newest", ["b", "c"])
def test_what_is_newer_by_time_counts_more(newest: str) -> None:
    times = list(range(88))
    if newest == "b":
        times = times[::-1]
    found = chances(model(recency=0.25).fit(two_habits(times)))
    older = {"b": "c", "c": "b"}[newest]
    assert found[newest] > 2 * found[older]
    alike = chances(model().fit(two_habits(times)))
    assert 0.5 < alike["b"] / alike["c"] < 2


def test_without_times_later_rows_are_newer() -> None:
    found = chances(model(recency=0.25).fit(two_habits()))
    assert found["c"] > 2 * found["b"]


def test_the_seed_decides_and_partial_fit_counts_all_alike() -> None:
    first = model(recency=0.5, max_epochs=2).fit(two_habits())
    again = model(recency=0.5, max_epochs=2).fit(two_habits())
    assert chances(first) == chances(again)
    more = two_habits()[::2]
    plain = model(max_epochs=2).fit(two_habits())
    plain.__dict__.update(again.__dict__)
    plain.recency = None
    assert chances(first.partial_fit(more)) == chances(plain.partial_fit(more))


@pytest.mark.parametrize("recency", [0, -1.0, "new", float("nan")])
def test_what_recency_must_be(recency: object) -> None:
    with pytest.raises((ValueError, TypeError), match="recency"):
        model(recency=recency).fit(two_habits())

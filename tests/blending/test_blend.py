"""Learned blends: laws, and a slow twin that adds the bonuses one by one."""

from __future__ import annotations

import numpy as np
import pytest
from habits_by_hand import bonus_of_habits

from sessionprompt.blending import Blend, HeldOut, OwnItems, learn_blend

RNG = np.random.default_rng(0)
N_ITEMS = 30


def prefixes_of(n: int, repeats: bool = True) -> list[list[int]]:
    lengths = RNG.integers(1, 8, size=n)
    if repeats:
        return [RNG.integers(N_ITEMS, size=length).tolist() for length in lengths]
    return [RNG.permutation(N_ITEMS)[:length].tolist() for length in lengths]


def own_of(prefixes: list[list[int]]) -> OwnItems:
    lengths = np.array([len(prefix) for prefix in prefixes])
    row = np.repeat(np.arange(len(prefixes)), lengths)
    steps = np.concatenate([np.arange(length)[::-1] for length in lengths])
    return OwnItems.of(row, np.concatenate(prefixes), steps, lengths)


def held_out(prefixes: list[list[int]], targets: list[int], scores: np.ndarray) -> HeldOut:
    own = own_of(prefixes)
    scores = scores - scores.max(axis=1, keepdims=True)
    others = scores.copy()
    others[own.row, own.item] = -np.inf
    others = -np.sort(-others, axis=1)
    target_scores = scores[np.arange(len(targets)), np.maximum(targets, 0)]
    return HeldOut(own, scores[own.row, own.item], others, np.array(targets), target_scores)


def new_score(blend: Blend, prefix: list[int], item: int, scores: np.ndarray) -> float:
    """Score of an item of a prefix, bonus by bonus."""
    weights = blend.to_dict()
    steps = prefix[::-1].index(item)
    count = prefix.count(item)
    length = len(prefix)
    bonus = weights["own score"] * (scores[item] - scores.max())
    bonus += weights["share of events"] * count / length
    bonus += bonus_of_habits(weights, prefix, item)
    bonus += weights["log of times seen"] * np.log(count)
    for kind, value in (("steps back", steps), ("times seen", count), ("length", length)):
        for name, weight in weights.items():
            if name.startswith(kind):
                low, _, high = name.removeprefix(kind).strip(" +").partition("-")
                last = int(high or low)
                if name.endswith("+"):
                    last = 10**6
                if int(low) <= value <= last:
                    bonus += weight
    trust = weights["trust at length 1"]
    if length > 1:
        share = min(np.log(length / 2) / np.log(16), 1)
        trust = weights["trust at length 2"] * (1 - share)
        trust += weights["trust at length 32"] * share
    return scores[item] + bonus / trust


def likelihood(blend: Blend, data: HeldOut) -> float:
    """Mean log-likelihood of the targets, row by row."""
    data = data.usable()
    found = []
    for row, target in enumerate(data.targets):
        pairs = np.flatnonzero(data.own.row == row)
        own = data.own.take(np.array([row]))
        new = blend.own_scores(own, data.own_scores[pairs], np.zeros(1))
        trust = np.interp(
            np.log(own.lengths[0]), np.log([1, 2, 32]), list(blend.to_dict().values())[:3]
        )
        logits = trust * np.concatenate([data.others[row], new])
        of_target = trust * data.target_scores[row]
        if target in own.item:
            of_target = trust * new[own.item.tolist().index(target)]
        found.append(of_target - np.logaddexp.reduce(logits))
    return float(np.mean(found))


@pytest.fixture(scope="module")
def returning() -> tuple[list[list[int]], HeldOut]:
    """Prefixes of whose targets half are their last but one item."""
    prefixes = prefixes_of(400)
    targets = RNG.integers(N_ITEMS, size=400)
    for row in range(0, 400, 2):
        targets[row] = prefixes[row][-2:][0]
    return prefixes, held_out(prefixes, targets.tolist(), RNG.normal(size=(400, N_ITEMS)) * 3)


def test_scores_are_those_of_a_slow_twin(returning: tuple[list[list[int]], HeldOut]) -> None:
    prefixes, data = returning
    blend = learn_blend(data)
    assert blend is not None
    scores = RNG.normal(size=(400, N_ITEMS))
    own = own_of(prefixes)
    found = blend.own_scores(own, scores[own.row, own.item], scores.max(axis=1))
    expected = [
        new_score(blend, prefixes[row], item, scores[row])
        for row, item in zip(own.row, own.item, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected)


def test_what_returns_gains(returning: tuple[list[list[int]], HeldOut]) -> None:
    blend = learn_blend(returning[1])
    assert blend is not None
    weights = blend.to_dict()
    first, second, last_but_one, last = blend.own_scores(
        own_of([[1, 2, 3, 4]]), np.zeros(4), np.zeros(1)
    )
    assert last_but_one > 1 + max(first, second, last)
    # scores of noise are not to be trusted
    assert weights["trust at length 2"] < 0.3


@pytest.mark.parametrize("n", [1, 5, 400])
def test_the_likelihood_never_falls(n: int) -> None:
    prefixes = prefixes_of(n)
    targets = RNG.integers(-1, N_ITEMS, size=n)
    targets[0] = prefixes[0][-1]
    data = held_out(prefixes, targets.tolist(), RNG.normal(size=(n, N_ITEMS)))
    blend = learn_blend(data)
    assert blend is not None
    assert likelihood(blend, data) >= likelihood(Blend.neutral(), data) - 1e-9


def test_what_was_not_observed_is_nothing() -> None:
    prefixes = prefixes_of(200, repeats=False)
    targets = RNG.integers(N_ITEMS, size=200).tolist()
    blend = learn_blend(held_out(prefixes, targets, RNG.normal(size=(200, N_ITEMS))))
    assert blend is not None
    weights = blend.to_dict()
    for name in ("times seen 2", "times seen 3", "log of times seen", "steps back 9-16"):
        assert weights[name] == 0


def test_prefixes_without_known_items_teach_the_trust_alone() -> None:
    data = held_out([[-1], [-1, -2], [-3]], [4, 5, 6], RNG.normal(size=(3, N_ITEMS)))
    with np.errstate(all="raise"):
        blend = learn_blend(data)
    assert blend is not None
    assert not any(list(blend.to_dict().values())[3:])


def test_no_known_target_teaches_nothing() -> None:
    prefixes = prefixes_of(10)
    assert learn_blend(held_out(prefixes, [-1] * 10, RNG.normal(size=(10, N_ITEMS)))) is None


def test_tables_come_back() -> None:
    blend = Blend(np.linspace(0.1, 2, len(Blend.neutral().weights)))
    assert Blend.from_dict(blend.to_dict()) == blend
    assert "steps back 3-4" in repr(blend)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trust at length 2": 0.0}, "0.05 or more"),
        ({"own score": float("nan")}, "finite"),
        ({"own score": "much"}, "finite"),
        ({"unheard of": 1.0}, "must be named"),
    ],
)
def test_tables_that_are_none(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Blend.from_dict({**Blend.neutral().to_dict(), **change})


@pytest.mark.parametrize("doubled", [False, True])
def test_events_that_come_twice_are_told_by_those_before(doubled: bool) -> None:
    prefixes = []
    targets = []
    for row in range(300):
        items = RNG.permutation(N_ITEMS)[:4].tolist()
        events = items
        if row % 2:
            events = np.repeat(items, 2).tolist()
        length = int(RNG.integers(2, len(events)))
        prefixes.append(events[:length])
        targets.append(events[length])
    blend = learn_blend(held_out(prefixes, targets, RNG.normal(size=(300, N_ITEMS))))
    assert blend is not None
    before = [1, 2]
    if doubled:
        before = [1, 1, 2, 2]
    fresh, again = (
        new_score(blend, [*before, *now], 3, np.zeros(N_ITEMS)) for now in ([3], [3, 3])
    )
    assert (fresh > 2) == doubled
    assert again < 0

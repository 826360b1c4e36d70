"""Blends of several models: laws, a slow twin, and blocks of prefixes."""

from __future__ import annotations

import numpy as np
import pytest
from habits_by_hand import bonus_of_habits

from sessionprompt import Sessions
from sessionprompt.baselines import SequentialRules, SessionPopularity
from sessionprompt.blending import OwnItems, StackBlend, member_scores, members
from sessionprompt.blending.stack import N_BEST, candidates_of_stack, learn_stack
from sessionprompt.encoding import SessionEncoder

RNG = np.random.default_rng(0)
N_ITEMS = 130
NAMES = ("signal", "noise")


def prefixes_of(n: int) -> list[list[int]]:
    return [RNG.integers(N_ITEMS, size=length).tolist() for length in RNG.integers(1, 8, size=n)]


def own_of(prefixes: list[list[int]]) -> OwnItems:
    lengths = np.array([len(prefix) for prefix in prefixes])
    offsets = np.append(0, np.cumsum(lengths))
    return OwnItems.of_prefixes(np.concatenate(prefixes), offsets, lengths)


def world(n: int, strength: float) -> tuple[OwnItems, list[np.ndarray], np.ndarray]:
    """Prefixes, scores of a model that knows something and of one that does not, and targets."""
    own = own_of(prefixes_of(n))
    targets = RNG.integers(-1, N_ITEMS, size=n)
    targets[0] = own.item[0]
    signal = RNG.normal(size=(n, N_ITEMS))
    signal[np.arange(n), targets] += strength
    return own, [signal, RNG.normal(size=(n, N_ITEMS))], targets


def likelihood(blend: StackBlend, own: OwnItems, scores: list[np.ndarray], targets: np.ndarray):
    """Mean log-likelihood of the known targets among their candidates, row by row."""
    blended = blend.scores(own, [values.astype(np.float32) for values in scores])
    found = []
    for row, target in enumerate(targets):
        items = set(own.item[own.row == row])
        outside = [code for code in range(N_ITEMS) if code not in items]
        for values in scores:
            items |= set(sorted(outside, key=lambda code: -values[row, code])[:N_BEST])
        if target in items:
            logits = blended[row, sorted(items)]
            found.append(blended[row, target] - np.logaddexp.reduce(logits))
    return float(np.mean(found))


@pytest.mark.parametrize("n", [1, 5, 200])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_likelihood_never_falls_below_that_of_a_member(n: int, swapped: bool) -> None:
    own, scores, targets = world(n, 2)
    if swapped:
        scores = scores[::-1]
    blend = learn_stack(NAMES, candidates_of_stack(own, scores, targets))
    best = max(
        likelihood(StackBlend.of_one(NAMES, chosen), own, scores, targets) for chosen in (0, 1)
    )
    assert likelihood(blend, own, scores, targets) >= best - 1e-6


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]])
def test_a_member_of_noise_gets_little(names: tuple[str, str]) -> None:
    own, scores, targets = world(1000, 3)
    if names != NAMES:
        scores = scores[::-1]
    blend = learn_stack(names, candidates_of_stack(own, scores, targets))
    for knot in (1, 2):
        signal = blend.to_dict()[f"trust in signal at length {knot}"]
        assert 0 <= blend.to_dict()[f"trust in noise at length {knot}"] < 0.15 * signal


def test_scores_are_those_of_a_slow_twin() -> None:
    prefixes = prefixes_of(40)
    own = own_of(prefixes)
    scores = [RNG.normal(size=(40, N_ITEMS)) for _ in NAMES]
    weights = np.abs(RNG.normal(size=len(StackBlend.of_one(NAMES, 0).weights)))
    blend = StackBlend(NAMES, weights)
    found = blend.scores(own, scores)
    named = blend.to_dict()
    for row, prefix in enumerate(prefixes):
        expected = sum(
            trust_at(named, name, len(prefix)) * values[row]
            for name, values in zip(NAMES, scores, strict=True)
        )
        for item in set(prefix):
            expected[item] += bonus(named, prefix, item)
            for name, values in zip(NAMES, scores, strict=True):
                distance = values[row, item] - values[row].max()
                expected[item] += named[f"own score of {name}"] * distance
        assert found[row].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def trust_at(named: dict[str, float], member: str, length: int) -> float:
    knots = [named[f"trust in {member} at length {knot}"] for knot in (1, 2, 32)]
    return float(np.interp(np.log(length), np.log([1, 2, 32]), knots))


def bonus(named: dict[str, float], prefix: list[int], item: int) -> float:
    """What an item gains by when and how often its prefix has seen it, weight by weight."""
    count = prefix.count(item)
    facts = {
        "steps back": prefix[::-1].index(item),
        "times seen": count,
        "length": len(prefix),
    }
    total = named["share of events"] * count / len(prefix)
    total += bonus_of_habits(named, prefix, item)
    total += named["log of times seen"] * np.log(count)
    for name, weight in named.items():
        kind, _, bounds = name.rpartition(" ")
        if kind in facts:
            low, _, high = bounds.strip("+").partition("-")
            last = 10**6
            if not bounds.endswith("+"):
                last = int(high or low)
            total += weight * (int(low) <= facts[kind] <= last)
    return total


def test_candidates_are_each_members_best_outside_the_prefix() -> None:
    own, scores, targets = world(30, 0)
    data = candidates_of_stack(own, scores, targets)
    kept = [row for row, target in enumerate(targets) if target >= 0]
    assert set(data.targets.tolist()) <= set(targets[kept].tolist())
    present = np.isfinite(data.others[:, :, 0])
    assert (present == np.isfinite(data.others[:, :, 1])).all()
    assert (present.sum(axis=1) >= N_BEST).all()
    assert (data.others[present] <= 0).all() and (data.own_scores <= 0).all()


def test_items_of_all_prefixes_of_sessions() -> None:
    items = np.array([3, 1, 3, 2, 2])
    own = OwnItems.of_prefixes(items, np.array([0, 3, 5]), np.array([2, 1]))
    assert own.lengths.tolist() == [2, 3, 1, 2]
    found = list(zip(own.row.tolist(), own.item.tolist(), own.steps, own.counts, strict=True))
    first = [(0, 1, 0, 1), (0, 3, 1, 1), (1, 1, 1, 1), (1, 3, 0, 2)]
    assert found == [*first, (2, 2, 0, 1), (3, 2, 0, 2)]


@pytest.mark.parametrize("size", [1, 60, 10**6])
def test_blocks_hold_every_prefix_once(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [RNG.integers(12, size=length).tolist() for length in (1, 9, 3, 1, 6)]
    sessions = Sessions.from_lists(lists)
    fitted = [SequentialRules().fit(sessions), SessionPopularity().fit(sessions)]
    encoder = SessionEncoder.learn(sessions)
    first = np.array([1, 3, 1, 2, 1])
    monkeypatch.setattr(members, "BLOCK", size)
    parts = list(member_scores(fitted, encoder, sessions, first, sessions.lengths))
    found = np.concatenate([np.column_stack([part.sessions, part.lengths]) for part in parts])
    expected = [
        [row, length]
        for row, events in enumerate(lists)
        for length in range(first[row], len(events) + 1)
    ]
    assert found.tolist() == expected
    scores = np.concatenate([part.scores[0] for part in parts])
    for place, (row, length) in enumerate(expected):
        prefix = Sessions.from_lists([lists[row][:length]])
        items, _ = fitted[0].predict_topk(prefix, k=encoder.n_items, return_scores=True)
        order = np.lexsort((np.arange(encoder.n_items), -scores[place]))
        assert encoder.vocabulary.ids[order].tolist() == items[0].tolist()


def test_tables_come_back() -> None:
    blend = StackBlend.of_one(NAMES, 1)
    assert StackBlend.from_dict(NAMES, blend.to_dict()) == blend
    assert "own score of noise" in repr(blend)
    assert blend != StackBlend.of_one(NAMES[::-1], 1)
    for change, message in (
        ({"trust in noise at length 2": -0.1}, "0 or more"),
        ({"own score of noise": float("inf")}, "finite"),
        ({"trust in another at length 1": 1.0}, "must be named"),
    ):
        with pytest.raises(ValueError, match=message):
            StackBlend.from_dict(NAMES, {**blend.to_dict(), **change})

"""Paired bootstrap against a slow twin, scipy, closed forms and simulated worlds; Holm by hand."""

from __future__ import annotations

import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm

from sessionprompt import comparison
from sessionprompt.baselines import Popularity
from sessionprompt.comparison import holm, paired_bootstrap
from sessionprompt.metrics import RankedTargets, ranking_metrics

laws = settings(max_examples=50, deadline=None)


def ranked(ranks, lengths=None) -> RankedTargets:
    """Targets with these ranks in sessions of these numbers of targets, one each if not given."""
    ranks = np.asarray(ranks, dtype=float)
    lengths = np.ones(len(ranks), dtype=int) if lengths is None else np.asarray(lengths)
    sessions = np.repeat(np.arange(len(lengths)), lengths)
    positions = np.concatenate([[0], *[np.arange(1, length + 1) for length in lengths]])[1:].astype(
        int
    )
    counts = np.zeros(len(ranks), dtype=int)
    repeated = np.zeros(len(ranks), dtype=bool)
    return RankedTargets(sessions, positions, ranks, counts, repeated, None, 100)


def random_sides(seed, n_sessions, n_seeds=1):
    """Two sides of independent ranks, for the same sessions of one to five targets."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, n_sessions)
    sides = [
        [ranked(rng.integers(1, 9, lengths.sum()), lengths) for _ in range(n_seeds)] for _ in "ab"
    ]
    return sides[0], sides[1]


def slow_twin(a, b, metric, n_resamples, level, seed):
    """The same with loops over resamples, drawn sessions, their targets, and seeds."""
    rng = np.random.default_rng(seed)
    rows = {
        session: np.flatnonzero(a[0].sessions == session) for session in sorted(set(a[0].sessions))
    }
    sessions = list(rows)
    gains = np.zeros(len(a[0].ranks))
    for row in range(len(gains)):
        for ours, theirs in zip(a, b, strict=True):
            gains[row] += ranking_metrics([ours.ranks[row]], metric)[metric] / len(a)
            gains[row] -= ranking_metrics([theirs.ranks[row]], metric)[metric] / len(a)

    def difference(drawn):
        gained, targets = 0.0, 0
        for session in drawn:
            for row in rows[session]:
                targets += 1
                gained += gains[row]
        return gained / targets

    draws = [rng.integers(len(sessions), size=len(sessions)) for _ in range(n_resamples)]
    found = sorted(difference([sessions[k] for k in draw]) for draw in draws)
    r = int((n_resamples + 1) * (1 - level) / 2 + 1e-12)
    below, above = (sum(sign * value <= 1e-12 for value in found) for sign in (1, -1))
    p = min(1, 2 * (1 + min(below, above)) / (n_resamples + 1))
    return difference(sessions), found[r - 1], found[-r], p


class TestPairedBootstrap:
    @pytest.mark.parametrize("metric", ["mrr@5", "recall@3", "hr@3", "ndcg@5"])
    @pytest.mark.parametrize(("level", "n_resamples"), [(0.95, 99), (0.9, 50)])
    def test_equals_slow_twin(self, metric, level, n_resamples):
        a, b = random_sides(3, 12, n_seeds=2)
        found = paired_bootstrap(a, b, metric, n_resamples=n_resamples, level=level, random_state=7)
        expected = slow_twin(a, b, metric, n_resamples, level, 7)
        assert (found.difference, found.low, found.high, found.p_value) == pytest.approx(
            expected, abs=1e-12
        )
        assert (found.n_sessions, found.n_targets, found.n_seeds) == (12, len(a[0].ranks), 2)

    def test_agrees_with_scipy(self):
        a, b = random_sides(1, 60)
        worth = [np.where(side[0].ranks <= 5, 1 / side[0].ranks, 0) for side in (a, b)]
        d, n = np.bincount(a[0].sessions, worth[0] - worth[1]), np.bincount(a[0].sessions)
        theirs = bootstrap(
            (d, n),
            lambda d, n, axis=-1: d.sum(axis) / n.sum(axis),
            paired=True,
            vectorized=True,
            n_resamples=20_000,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        ours = paired_bootstrap(a, b, n_resamples=20_000, random_state=1)
        # about 5 standard errors of a 2.5 % quantile of 20,000 draws
        tolerance = 0.1 * theirs.standard_error
        assert (ours.low, ours.high) == pytest.approx(
            tuple(theirs.confidence_interval), abs=tolerance
        )

    def test_closed_form_for_two_values(self):
        """Every third session is won: the number won in a resample is binomial."""
        a, b = ranked([1, 9, 9] * 300), ranked([9] * 900)
        found = paired_bootstrap(a, b, "recall@5", n_resamples=4000, random_state=0)
        spread = norm.ppf(0.975) * np.sqrt(1 / 3 * 2 / 3 / 900)
        assert found.difference == pytest.approx(1 / 3)
        assert (found.low, found.high) == pytest.approx(
            (1 / 3 - spread, 1 / 3 + spread), abs=0.1 * spread
        )
        assert found.p_value == 2 / 4001

    def test_targets_of_one_session_are_one_observation(self):
        """Four targets that succeed or fail together make the interval twice as wide."""
        rng = np.random.default_rng(0)
        wins = np.where(rng.random(400) < 0.5, 1, 9)
        alone = paired_bootstrap(
            ranked(np.repeat(wins, 4)), ranked([9] * 1600), "recall@5", random_state=0
        )
        together = paired_bootstrap(
            ranked(np.repeat(wins, 4), [4] * 400),
            ranked([9] * 1600, [4] * 400),
            "recall@5",
            random_state=0,
        )
        assert (together.n_sessions, alone.n_sessions) == (400, 1600)
        assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(
            2, rel=0.1
        )

    def test_coverage_and_level_under_the_null(self):
        """Both sides draw alike, with luck shared within a session: zero is the truth."""
        rng = np.random.default_rng(0)
        inside, p_values = [], []
        for _ in range(500):
            lengths = rng.integers(1, 5, 80)
            luck = np.repeat(rng.random((2, 80)), lengths, axis=1)
            ranks = np.where(rng.random(luck.shape) < luck, rng.integers(1, 6, luck.shape), np.inf)
            found = paired_bootstrap(
                ranked(ranks[0], lengths),
                ranked(ranks[1], lengths),
                n_resamples=399,
                random_state=rng,
            )
            inside.append(found.low <= 0 <= found.high)
            p_values.append(found.p_value)
        assert 0.90 < np.mean(inside) < 0.98  # five standard errors of 0.95 are 0.05
        assert 0.03 < np.mean(np.array(p_values) <= 0.1) < 0.18
        assert 0.4 < np.mean(p_values) < 0.6

    def test_coverage_of_a_known_difference(self):
        rng = np.random.default_rng(1)
        inside = []
        for _ in range(300):
            hits = rng.random((2, 100)) < [[0.6], [0.4]]
            a, b = (ranked(np.where(side, 1, np.inf)) for side in hits)
            found = paired_bootstrap(a, b, "recall@5", n_resamples=399, random_state=rng)
            inside.append(found.low <= 0.2 <= found.high)
        assert 0.89 < np.mean(inside) < 0.99

    @given(
        st.integers(0, 10_000),
        st.integers(1, 20),
        st.integers(1, 3),
        st.sampled_from(["mrr@5", "recall@3"]),
    )
    @laws
    def test_swapping_the_sides_flips_the_sign(self, seed, n_sessions, n_seeds, metric):
        a, b = random_sides(seed, n_sessions, n_seeds)
        there = paired_bootstrap(a, b, metric, n_resamples=99, random_state=seed)
        back = paired_bootstrap(b, a, metric, n_resamples=99, random_state=seed)
        assert (back.difference, back.low, back.high) == pytest.approx(
            (-there.difference, -there.high, -there.low)
        )
        assert back.p_value == there.p_value
        assert there.wins + back.wins <= n_seeds

    @given(
        st.integers(0, 10_000),
        st.integers(1, 20),
        st.sampled_from([0.5, 0.9, 0.95]),
        st.integers(50, 200),
    )
    @laws
    def test_p_is_below_the_level_exactly_if_the_interval_leaves_zero_out(
        self, seed, n_sessions, level, n_resamples
    ):
        a, b = random_sides(seed, n_sessions)
        found = paired_bootstrap(a, b, n_resamples=n_resamples, level=level, random_state=seed)
        assert found.low <= found.high
        assert (found.p_value <= 1 - level + 1e-12) == (found.low > 0 or found.high < 0)
        assert 2 / (n_resamples + 1) <= found.p_value <= 1

    @given(st.integers(0, 10_000), st.integers(1, 20))
    @laws
    def test_a_model_does_not_beat_itself(self, seed, n_sessions):
        a, _ = random_sides(seed, n_sessions, 2)
        found = paired_bootstrap(a, a, n_resamples=50, random_state=seed)
        assert (found.difference, found.low, found.high, found.p_value, found.wins) == (
            0,
            0,
            0,
            1,
            0,
        )

    @pytest.mark.parametrize("metric", ["mrr@5", "ndcg@20"])
    def test_difference_is_that_of_the_averages(self, metric):
        a, b = random_sides(5, 40, 3)
        means = [
            np.mean([ranking_metrics(one.ranks, metric)[metric] for one in side]) for side in (a, b)
        ]
        assert paired_bootstrap(a, b, metric).difference == pytest.approx(means[0] - means[1])

    def test_gains_that_cancel_over_the_seeds_are_a_tie(self):
        """The same ranks in another order of the seeds: gains of rounding alone are none."""
        seeds = [ranked([rank] * 10) for rank in (1, 2, 3)]
        found = paired_bootstrap(
            seeds, [seeds[2], seeds[0], seeds[1]], n_resamples=99, random_state=0
        )
        assert found.difference != 0
        assert found.difference == pytest.approx(0, abs=1e-12)
        assert (found.low, found.high, found.p_value, found.wins) == (0, 0, 1, 1)

    def test_wins_are_counted_by_position(self):
        a = [ranked([1, 2]), ranked([3, 3]), ranked([9, 9])]
        b = [ranked([2, 2]), ranked([3, 3]), ranked([1, 1])]
        found = paired_bootstrap(a, b)
        assert (found.wins, found.n_seeds) == (1, 3)

    def test_one_side_without_seeds_stands_against_each_of_the_other(self):
        a, b = random_sides(2, 30, 3)
        assert paired_bootstrap(a, b[0], random_state=0) == paired_bootstrap(
            a, [b[0]] * 3, random_state=0
        )
        assert paired_bootstrap(a[:1], b, random_state=0) == paired_bootstrap(
            [a[0]] * 3, b, random_state=0
        )

    def test_misses_and_unknown_targets_are_worth_nothing(self):
        found = paired_bootstrap(ranked([np.inf, 6]), ranked([7, np.inf]), "mrr@5")
        assert (found.difference, found.p_value) == (0, 1)

    def test_sessions_need_not_be_numbered_without_gaps(self):
        a, b = random_sides(4, 20)
        apart = [replace(side[0], sessions=side[0].sessions * 10 + 3) for side in (a, b)]
        assert paired_bootstrap(*apart, random_state=0) == paired_bootstrap(a, b, random_state=0)

    def test_chunks_change_nothing(self, monkeypatch):
        a, b = random_sides(6, 50)
        whole = paired_bootstrap(a, b, n_resamples=200, random_state=0)
        monkeypatch.setattr(comparison, "DRAWS_AT_ONCE", 130)
        assert paired_bootstrap(a, b, n_resamples=200, random_state=0) == whole
        monkeypatch.setattr(comparison, "DRAWS_AT_ONCE", 1)
        assert paired_bootstrap(a, b, n_resamples=200, random_state=0) == whole

    def test_memory_is_bounded(self):
        """All draws at once would take 160 MB, and as much again for what is drawn."""
        a, b = ranked(np.ones(10_000)), ranked(np.full(10_000, 2.0))
        tracemalloc.start()
        paired_bootstrap(a, b, n_resamples=2000, random_state=0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60e6

    def test_same_seed_same_answer(self):
        a, b = random_sides(8, 50)
        assert paired_bootstrap(a, b, random_state=1) == paired_bootstrap(a, b, random_state=1)
        assert paired_bootstrap(a, b, random_state=1) != paired_bootstrap(a, b, random_state=2)

    def test_takes_what_models_return(self, ring):
        a = Popularity().fit(ring[:80]).ranks(ring[80:])
        b = Popularity().fit(ring[:8]).ranks(ring[80:])
        found = paired_bootstrap(a, b, "recall@5", random_state=0)
        difference = a.summary("recall@5")["recall@5"] - b.summary("recall@5")["recall@5"]
        assert (found.difference, found.n_sessions) == (pytest.approx(difference), 40)


class TestErrors:
    a = ranked([1, 2, 3], [2, 1])

    @pytest.mark.parametrize(
        ("b", "message"),
        [
            ([], r"b is empty; pass the ranked targets of at least one seed"),
            (ranked([1, 2], [2]), r"b\[0\] holds 2 targets, a\[0\] 3; rank the same sessions"),
            (
                ranked([1, 2, 3], [1, 2]),
                r"b\[0\].sessions\[1\] is 1, that of a\[0\] 0; rank the same",
            ),
            (
                [a, replace(a, positions=a.positions + 1)],
                r"b\[1\].positions\[0\] is 2, that of a\[0\] 1; rank",
            ),
        ],
    )
    def test_sides_that_do_not_fit(self, b, message):
        with pytest.raises(ValueError, match=message):
            paired_bootstrap(self.a, b)

    def test_other_numbers_of_seeds(self):
        with pytest.raises(
            ValueError, match="a holds 2 seeds and b 3; pass the same seeds on both sides, or one"
        ):
            paired_bootstrap([self.a] * 2, [self.a] * 3)

    def test_no_targets(self):
        with pytest.raises(
            ValueError, match=r"a\[0\] holds no target; rank sessions of at least two events"
        ):
            paired_bootstrap(ranked([]), ranked([]))

    def test_what_is_no_ranking(self):
        with pytest.raises(
            TypeError, match=r"b\[0\] is a float; pass what ranks\(X_test\) of a model returns"
        ):
            paired_bootstrap(self.a, [0.5])

    @pytest.mark.parametrize("level", [0, 1, 95, -0.1, float("nan")])
    def test_level_outside_its_bounds(self, level):
        with pytest.raises(
            ValueError, match=f"level={level} must be between 0 and 1, such as 0.95"
        ):
            paired_bootstrap(self.a, self.a, level=level)

    def test_level_that_is_no_number(self):
        with pytest.raises(TypeError, match="level='95%' must be a number"):
            paired_bootstrap(self.a, self.a, level="95%")

    @pytest.mark.parametrize(("level", "least"), [(0.95, 39), (0.9, 19), (0.99, 199), (0.5, 3)])
    def test_too_few_resamples(self, level, least):
        with pytest.raises(
            ValueError, match=f"={least - 1} is too few for level={level}; give at least {least}."
        ):
            paired_bootstrap(self.a, self.a, level=level, n_resamples=least - 1)
        paired_bootstrap(self.a, self.a, level=level, n_resamples=least)

    def test_no_resamples(self):
        with pytest.raises(ValueError, match="n_resamples=0 is below 1"):
            paired_bootstrap(self.a, self.a, n_resamples=0)

    @pytest.mark.parametrize(
        ("metric", "message"),
        [("mrr", "metric 'mrr' is not known"), ("coverage@5", "cannot be made of ranks alone")],
    )
    def test_metrics_without_a_worth_per_target(self, metric, message):
        with pytest.raises(ValueError, match=message):
            paired_bootstrap(self.a, self.a, metric)

    def test_broken_ranks(self):
        with pytest.raises(ValueError, match="ranks hold nan"):
            paired_bootstrap(self.a, replace(self.a, ranks=np.array([1, np.nan, 2])))


probabilities = st.lists(st.floats(0, 1), max_size=12)


class TestHolm:
    @pytest.mark.parametrize(
        ("p", "adjusted"),
        [
            # .005 * 4, .01 * 3, .03 * 2, then .04 held at .06
            ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
            ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
            ([0.9, 0.6], [1.0, 1.0]),
            ([0.3], [0.3]),
            ([0.0, 1.0], [0.0, 1.0]),
            ([], []),
        ],
    )
    def test_by_hand(self, p, adjusted):
        assert holm(p) == pytest.approx(np.array(adjusted))

    @given(probabilities)
    @laws
    def test_equals_the_stepwise_procedure(self, p):
        """Going up from the smallest, reject while p <= alpha / (hypotheses left)."""
        for alpha in (0.01, 0.05, 0.3):
            rejected = np.zeros(len(p), dtype=bool)
            for step, row in enumerate(np.argsort(p, kind="stable")):
                if p[row] * (len(p) - step) > alpha:
                    break
                rejected[row] = True
            assert (holm(p) <= alpha).tolist() == rejected.tolist()

    @given(probabilities, st.randoms())
    @laws
    def test_laws(self, p, random):
        adjusted = holm(p)
        assert adjusted.shape == (len(p),)
        assert (adjusted >= p).all() and (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
        order = random.sample(range(len(p)), len(p))
        assert holm(np.array(p)[order]).tolist() == adjusted[order].tolist()

    @pytest.mark.parametrize(
        ("p", "message"),
        [
            ([0.1, 1.2], "p_values hold 1.2; a p-value is in 0..1."),
            ([-0.1], "p_values hold -0.1"),
            ([np.nan], "p_values hold nan"),
            ([[0.1]], r"p_values have shape \(1, 1\); pass one list"),
        ],
    )
    def test_errors(self, p, message):
        with pytest.raises(ValueError, match=message):
            holm(p)


class TestFamilies:
    """Resamples grow with the family, so that a clear difference stays clear when adjusted."""

    best = ranked(np.ones(100))
    worst = ranked(np.full(100, 50.0))

    @pytest.mark.parametrize(
        ("n_comparisons", "level", "expected"),
        [
            (1, 0.95, 2000),
            (5, 0.95, 2000),
            (64, 0.95, 25_599),
            (64, 0.9, 12_799),
            (1, 0.999, 19_999),
        ],
    )
    def test_resamples_by_default(self, n_comparisons, level, expected):
        found = paired_bootstrap(
            self.best, self.worst, level=level, n_comparisons=n_comparisons, random_state=0
        )
        assert found.n_resamples == expected
        assert found.p_value == 2 / (expected + 1)

    @pytest.mark.parametrize("n_comparisons", [1, 6, 64, 300])
    def test_the_clearest_difference_reaches_any_usual_alpha(self, n_comparisons):
        found = paired_bootstrap(self.best, self.worst, n_comparisons=n_comparisons, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            adjusted = holm([found] * n_comparisons)
        assert (adjusted <= 0.01).all()

    def test_too_few_resamples_for_the_family(self):
        match = (
            "n_resamples=2000 is too few for level=0.95 in a family of n_comparisons=64; "
            "give at least 2559"
        )
        with pytest.raises(ValueError, match=match):
            paired_bootstrap(self.best, self.worst, n_resamples=2000, n_comparisons=64)
        paired_bootstrap(self.best, self.worst, n_resamples=2559, n_comparisons=64)

    @pytest.mark.parametrize("n_comparisons", [0, -1])
    def test_family_of_nothing(self, n_comparisons):
        with pytest.raises(ValueError, match=f"n_comparisons={n_comparisons} is below 1"):
            paired_bootstrap(self.best, self.worst, n_comparisons=n_comparisons)

    def test_holm_says_where_nothing_can_stand_out(self):
        alone = paired_bootstrap(self.best, self.worst, random_state=0)
        match = (
            "No adjusted p-value of 64 comparisons with 2000 resamples can be below 0.064, so none "
            "reaches alpha=0.05; compare with n_comparisons=64, or with n_resamples=25599"
        )
        with pytest.warns(UserWarning, match=match):
            adjusted = holm([alone] * 64)
        assert adjusted.min() > 0.05
        with pytest.warns(UserWarning, match=match):
            holm([alone.p_value] * 64, n_resamples=2000)

    def test_holm_takes_comparisons_or_their_p_values(self):
        sides = [random_sides(seed, 50) for seed in range(4)]
        found = [paired_bootstrap(*pair, n_comparisons=4, random_state=0) for pair in sides]
        assert holm(found).tolist() == holm([one.p_value for one in found]).tolist()

    @pytest.mark.parametrize("alpha", [0, 1, 5])
    def test_alpha_outside_its_bounds(self, alpha):
        with pytest.raises(ValueError, match=f"alpha={alpha} must be between 0 and 1"):
            holm([0.5], alpha=alpha)

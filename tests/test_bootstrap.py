"""Bootstrap intervals: the values of rliable, the intervals of SciPy, coverage as promised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plastic.analysis import (
    STATISTICS,
    estimate,
    performance_profile,
    probability_of_improvement,
)
from plastic.errors import InvalidParameter

GET = 'not installed: get it by "make extras"'


def random_scores(seed, n_runs=6, n_tasks=4):
    return np.random.default_rng(seed).normal(size=(n_runs, n_tasks)).round(1)


@pytest.mark.parametrize("seed", range(5))
def test_values_are_rliables(seed):
    metrics = pytest.importorskip("rliable.metrics", reason=f"rliable is {GET}")
    a, b = random_scores(seed), random_scores(seed + 100)
    for name, theirs in (
        ("mean", metrics.aggregate_mean),
        ("iqm", metrics.aggregate_iqm),
        ("task_median", metrics.aggregate_median),
    ):
        assert estimate(a, name).value == pytest.approx(theirs(a), abs=1e-12)
    wins = probability_of_improvement(a, b, n_resamples=0).value
    assert wins == pytest.approx(metrics.probability_of_improvement(a, b), abs=1e-12)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_percentile_intervals_are_scipys(statistic):
    scores = random_scores(7, 12, 1)[:, 0]
    function = {"mean": np.mean, "median": np.median}[statistic]
    theirs = stats.bootstrap(
        (scores,), function, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    found = estimate(scores, statistic, method="percentile", n_resamples=20_000)
    width = theirs.high - theirs.low
    assert abs(found.low - theirs.low) < 0.04 * width
    assert abs(found.high - theirs.high) < 0.04 * width


def test_strata_are_kept():
    # tasks far apart, runs alike: without strata the mean would move by whole units
    scores = np.array([[0.0, 100.0]] * 5) + np.linspace(0, 0.1, 5)[:, None]
    found = estimate(scores, "mean")
    assert found.high - found.low < 0.2


def test_missing_runs_are_left_out_and_counted():
    scores = random_scores(3)
    holed = np.vstack([scores, np.full((2, 4), np.nan)])
    whole, found = estimate(scores), estimate(holed)
    assert (found.value, found.low, found.high) == (whole.value, whole.low, whole.high)
    assert (found.n, found.n_missing) == (24, 8)
    assert estimate(np.full((3, 2), np.nan)).n == 0
    one = estimate([0.5, np.nan])
    assert one.value == 0.5
    assert np.isnan([one.low, one.high]).all()


def normal(rng, shape):
    return rng.normal(size=shape)


def below_a_ceiling(rng, shape):
    """Skewed, as accuracies near 1 are; around 0."""
    return 2 - rng.gamma(2, size=shape)


def one_wide(rng, shape):
    """One task varies five times as much as the others."""
    return rng.normal(size=shape) * np.r_[5, np.ones(shape[1] - 1)]


def two_levels(rng, shape):
    """Two tasks, one three times as wide, further apart than their runs."""
    return rng.normal(size=shape) * [1, 3] + [0, 10]


def coverage(statistic, n_runs, n_tasks, draw=normal, truth=0.0, n=1000):
    """How often the interval holds the truth; its standard error is 0.7 points or less."""
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(n):
        found = estimate(draw(rng, (n_runs, n_tasks)), statistic, n_resamples=400, rng=rng)
        inside += found.low <= truth <= found.high
    return 100 * inside / n


COVERED = [
    ("mean", 3, 1), ("mean", 5, 1), ("mean", 10, 1), ("mean", 3, 4), ("mean", 5, 6),
    ("iqm", 3, 6), ("iqm", 5, 4), ("iqm", 5, 6), ("median", 10, 1), ("task_median", 5, 4),
]  # fmt: skip


@pytest.mark.parametrize(("statistic", "n_runs", "n_tasks"), COVERED)
def test_coverage_is_within_two_points(statistic, n_runs, n_tasks):
    assert coverage(statistic, n_runs, n_tasks) == pytest.approx(95, abs=2)


LIMITS = [
    ("iqm", 5, 1, normal, 0.0, 96.5, 99),
    ("median", 5, 1, normal, 0.0, 97, 99.5),
    ("mean", 5, 1, below_a_ceiling, 0.0, 90, 93.5),
    ("mean", 5, 4, one_wide, 0.0, 92, 95),
    ("median", 5, 2, two_levels, 2.495, 45, 70),
]


@pytest.mark.parametrize(
    ("statistic", "n_runs", "n_tasks", "draw", "truth", "least", "most"), LIMITS
)
def test_limits_of_the_coverage_are_as_stated(
    statistic, n_runs, n_tasks, draw, truth, least, most
):
    # where scores are not as simulated for the promise above
    assert least < coverage(statistic, n_runs, n_tasks, draw, truth) < most


def test_the_interval_of_a_mean_is_students():
    scores = random_scores(6, 5, 1)[:, 0]
    found = estimate(scores, "mean", n_resamples=200_000)
    low, high = stats.t.interval(0.95, 4, scores.mean(), stats.sem(scores))
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.01)


def test_same_scores_same_interval():
    scores = random_scores(4)
    assert estimate(scores) == estimate(scores)
    assert estimate(scores, rng=np.random.default_rng(5)) != estimate(scores)


def test_profile_is_the_share_above():
    scores = random_scores(5)
    profile = performance_profile(scores, [-9, 0.0, 9])
    assert profile["share"].tolist() == [1, (scores > 0).mean(), 0]
    assert ((profile["low"] <= profile["share"]) & (profile["share"] <= profile["high"])).all()
    assert performance_profile([np.nan], [0.0])["share"].isna().all()


def test_improvement_has_an_interval_and_a_mirror():
    a, b = random_scores(8), random_scores(9)
    there, back = probability_of_improvement(a, b), probability_of_improvement(b, a)
    assert there.value + back.value == pytest.approx(1)
    assert there.low < there.value < there.high
    assert np.isnan(probability_of_improvement([np.nan], [0.1]).value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: estimate(np.zeros((2, 2, 2))), r"shape \(n_runs, n_tasks\), got shape"),
        (lambda: estimate([1.0], "mode"), "statistic must be one of"),
        (lambda: estimate([1.0], method="bca"), "method must be one of"),
        (lambda: estimate([1.0], level=1), r"level must lie in \(0, 1\)"),
        (lambda: estimate([1.0], n_resamples=0), "n_resamples must be a whole number"),
        (lambda: performance_profile([1.0], [[0.0]]), "thresholds must be flat"),
        (lambda: probability_of_improvement([1.0], [[1.0, 2.0]]), "same tasks, got 1 and 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InvalidParameter, match=message):
        call()


def test_every_statistic_has_a_value():
    assert all(np.isfinite(estimate(random_scores(1), name).high) for name in STATISTICS)

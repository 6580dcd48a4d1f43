"""The statistics beside independent implementations, on random tables.

What is known from its own module's tests (SciPy's t test and bootstrap, baycomp's posteriors,
scikit-posthocs' Nemenyi) is not repeated here.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from plastic.analysis import (
    area_under_curve,
    bayes_signed_rank,
    estimate,
    friedman,
    holm,
    nemenyi,
    pareto_front,
    performance_profile,
    probability_of_improvement,
    rank_policies,
    wilcoxon,
)
from plastic.analysis.judging import stratified_difference

GET = 'not installed: get it by "make extras"'
SEEDS = range(6)
random_tables = pytest.mark.parametrize("seed", SEEDS)


def scores_of(seed, n_runs=12, n_policies=4, skewed=True):
    """Scores of policies in the same blocks; skewed ones make autorank compare by ranks."""
    rng = np.random.default_rng(seed)
    noise = rng.exponential(size=(n_runs, n_policies)) if skewed else rng.normal(
        size=(n_runs, n_policies)
    )  # fmt: skip
    return noise + np.arange(n_policies) * rng.uniform(0, 0.8)


def ranked_by_autorank(scores, **options):
    autorank = pytest.importorskip("autorank", reason=f"autorank is {GET}")
    frame = pd.DataFrame(scores, columns=[f"p{i}" for i in range(scores.shape[1])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its libraries, on small samples
        return autorank.autorank(frame, force_mode="nonparametric", **options)


@random_tables
def test_ranks_and_critical_difference_are_autoranks(seed):
    scores = scores_of(seed)
    theirs = ranked_by_autorank(scores)
    found = rank_policies(scores, [f"p{i}" for i in range(4)])
    assert theirs.posthoc == "nemenyi"
    ranks = theirs.rankdf["meanrank"].to_dict()
    assert dict(zip(found.policies, found.ranks, strict=True)) == pytest.approx(ranks, abs=1e-9)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=1e-9)
    assert friedman(scores) == pytest.approx(theirs.pvalue, abs=1e-9)
    # it takes the studentized range from a table of three digits
    assert found.critical_difference == pytest.approx(theirs.cd, rel=1e-3)


@random_tables
def test_wilcoxon_is_twice_autoranks_one_sided_test(seed):
    scores = scores_of(seed, n_policies=2) + np.array([0, 0.5])
    theirs = ranked_by_autorank(scores)
    assert theirs.omnibus == "wilcoxon"
    assert wilcoxon(*scores.T) == pytest.approx(2 * theirs.pvalue, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_signed_rank_posterior_is_autoranks(seed):
    scores = scores_of(seed, 10, 2)
    theirs = ranked_by_autorank(
        scores, approach="bayesian", rope=0.1, rope_mode="absolute", nsamples=20_000,
        random_state=1,
    )  # fmt: skip
    first, second = theirs.rankdf.index
    below, within, above = theirs.posterior_matrix.loc[first, second]
    columns = dict(zip(("p0", "p1"), scores.T, strict=True))
    ours = bayes_signed_rank(columns[second], columns[first], 0.1, n_samples=20_000)
    assert (ours.below, ours.within, ours.above) == pytest.approx(
        (below, within, above), abs=0.02
    )


@random_tables
def test_nemenyi_is_the_studentized_range_of_ranks(seed):
    scores = scores_of(seed)
    n, k = scores.shape
    ranks = stats.rankdata(-scores, axis=1).mean(axis=0)
    apart = np.abs(ranks[:, None] - ranks) / np.sqrt(k * (k + 1) / (6 * n)) * np.sqrt(2)
    expected = stats.studentized_range.sf(apart, k, np.inf)
    pytest.importorskip("scikit_posthocs", reason=f"scikit-posthocs is {GET}")
    off = ~np.eye(k, dtype=bool)
    np.testing.assert_allclose(nemenyi(scores)[off], expected[off], atol=1e-6)


@random_tables
def test_holm_is_statsmodels(seed):
    multitest = pytest.importorskip(
        "statsmodels.stats.multitest",
        reason=f"statsmodels (with autorank) is {GET}",
    )
    p_values = np.random.default_rng(seed).beta(0.3, 1, 15).round(3)  # some of them equal
    expected = multitest.multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(holm(p_values), expected, atol=1e-12)


@random_tables
def test_two_settings_are_judged_by_welchs_test(seed):
    rng = np.random.default_rng(seed)
    difference = rng.normal(0.3, [1.0, 3.0], (9, 2))
    difference[7:, 1] = np.nan
    x, y = difference[:, 0], difference[:7, 1]
    # x - (-y) is twice the mean over both settings
    theirs = stats.ttest_ind(x, -y, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    found = stratified_difference(difference)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low / 2, interval.high / 2))


@random_tables
def test_improvement_is_mann_whitneys_u(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(7, 3)).round(1), rng.normal(size=(5, 3)).round(1)
    u = [stats.mannwhitneyu(a[:, t], b[:, t]).statistic / 35 for t in range(3)]
    found = probability_of_improvement(a, b, n_resamples=0).value
    assert found == pytest.approx(np.mean(u), abs=1e-12)


def bounds_of_scipy(scores, statistic):
    """Bounds of SciPy's bootstrap, which draws anew from each sample alone: strata."""
    found = stats.bootstrap(
        tuple(scores.T), statistic, n_resamples=20_000, method="percentile", rng=1, axis=-1
    )
    return found.confidence_interval.low, found.confidence_interval.high


def iqm(*tasks, axis=-1):
    return stats.trim_mean(np.concatenate(tasks, axis=axis), 0.25, axis=axis)


def mean(*tasks, axis=-1):
    return np.mean([task.mean(axis=axis) for task in tasks], axis=0)


@pytest.mark.parametrize(("name", "statistic"), [("iqm", iqm), ("mean", mean)])
@pytest.mark.parametrize("seed", [0, 1])
def test_stratified_intervals_are_scipys(seed, name, statistic):
    scores = scores_of(seed, 7, 3)
    low, high = bounds_of_scipy(scores, statistic)
    found = estimate(scores, name, method="percentile", n_resamples=20_000)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03 * (high - low))


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_bands_of_profiles_are_scipys(tau):
    scores = scores_of(4, 8, 3)

    def share(*tasks, axis=-1):
        return (np.concatenate(tasks, axis=axis) > tau).mean(axis=axis)

    row = performance_profile(scores, [tau], n_resamples=20_000).iloc[0]
    assert row["share"] == (scores > tau).mean()
    # shares come in steps of one run
    expected = bounds_of_scipy(scores, share)
    assert (row["low"], row["high"]) == pytest.approx(expected, abs=1 / scores.size + 1e-9)


def test_the_interval_of_an_improvement_is_scipys():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.4, 1, 9), rng.normal(size=8)

    def wins(x, y, axis=-1):
        return (x[..., :, None] > y[..., None, :]).mean(axis=(-1, -2))

    expected = stats.bootstrap(
        (a, b), wins, n_resamples=20_000, method="percentile", rng=1, axis=-1
    ).confidence_interval
    found = probability_of_improvement(a, b, n_resamples=20_000)
    assert found.value == wins(a, b)
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.02)


curves = st.lists(
    st.tuples(st.integers(0, 50), st.floats(-1, 1, allow_subnormal=False)), min_size=2
).map(sorted)


@given(curves)
def test_area_is_the_integral_over_the_width(points):
    x, y = np.array(points, dtype=float).T
    if x[0] == x[-1]:
        assert area_under_curve(x, y) == y[-1]
        return
    expected = integrate.trapezoid(y, x) / (x[-1] - x[0])
    assert area_under_curve(x, y) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_the_front_is_what_nothing_dominates(points):
    cost, score = [x for x, _ in points], [y for _, y in points]
    dominated = [
        any((c <= x and s >= y and (c, s) != (x, y)) for c, s in points) for x, y in points
    ]
    assert pareto_front(cost, score).tolist() == [not one for one in dominated]

"""Rank tests and Bayesian comparisons beside the libraries that are known for them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plastic.analysis import (
    bayes_signed_rank,
    bayes_t,
    friedman,
    nemenyi,
    rank_policies,
    wilcoxon,
)
from plastic.errors import InvalidParameter

GET = 'not installed: get it by "make extras"'


def random_blocks(seed, n=12, k=4):
    return np.random.default_rng(seed).normal(size=(n, k)) + np.arange(k) * 0.4


@pytest.mark.parametrize("seed", range(4))
def test_critical_difference_is_nemenyis(seed):
    pytest.importorskip("scikit_posthocs", reason=f"scikit-posthocs is {GET}")
    blocks, names = random_blocks(seed), list("abcd")
    found, p_values = rank_policies(blocks, names), nemenyi(blocks)
    place = [names.index(name) for name in found.policies]
    for i, j in zip(*np.tril_indices(4, -1), strict=True):
        apart = found.ranks[i] - found.ranks[j] > found.critical_difference
        assert apart == (p_values[place[i], place[j]] < 0.05)
        together = any(first <= j and i <= last for first, last in found.groups)
        assert together == (not apart)
    assert found.p_value == pytest.approx(stats.friedmanchisquare(*blocks.T).pvalue)


def test_critical_difference_is_demsars_table():
    # q of his table 5a: 2.569 for 4 classifiers at 0.05
    found = rank_policies(random_blocks(1, 14), list("abcd"))
    assert found.critical_difference == pytest.approx(2.569 * np.sqrt(20 / (6 * 14)), abs=1e-3)


@pytest.mark.parametrize("rope", [0.0, 0.1, 1.0])
def test_posteriors_are_baycomps(rope):
    baycomp = pytest.importorskip("baycomp", reason=f"baycomp is {GET}")
    a, b = random_blocks(3, 9, 2).T
    mean, variance = (a - b).mean(), (a - b).var(ddof=1) / 9
    theirs = baycomp.single.Posterior(mean, variance, 8, rope or 1e-12).probs()
    ours = bayes_t(a, b, rope)
    assert (ours.below, ours.within, ours.above) == pytest.approx(theirs, abs=1e-9)
    if rope:
        expected = baycomp.SignedRankTest.probs(b, a, rope, nsamples=5000, random_state=3)
        found = bayes_signed_rank(a, b, rope)
        assert (found.below, found.within, found.above) == pytest.approx(expected, abs=0.03)


def test_wilcoxon_is_exact_and_bounded():
    a, b = random_blocks(4, 10, 2).T
    assert wilcoxon(a, b) == stats.wilcoxon(a, b, method="exact").pvalue
    assert wilcoxon([1.0, 2, 3, 4, 5], np.zeros(5)) == 2 / 2**5
    assert np.isnan(wilcoxon([1.0, np.nan], [0.0, 1.0]))
    assert wilcoxon([1.0, 2.0], [1.0, 2.0]) == 1


def test_edges():
    none = rank_policies(np.zeros((0, 2)), ["a", "b"])
    assert none.groups == ()
    assert none.n_blocks == 0
    assert rank_policies([[1.0], [2.0]], ["a"]).groups == ()
    assert np.isnan(friedman([[1.0, 2.0]]))
    assert friedman(np.ones((3, 3))) == 1
    assert np.isnan(bayes_t([1.0], [0.0], 0.1).above)
    assert bayes_t([1.0, 1.0], [0.0, 0.0], 0.1).above == 1
    assert np.isnan(bayes_signed_rank([1.0], [0.0], 0.1).above)
    worse = rank_policies(random_blocks(2), list("abcd"), higher_is_better=False)
    assert worse.policies == rank_policies(-random_blocks(2), list("abcd")).policies


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rank_policies([[1.0, 2.0]], ["a"]), r"\(n_blocks, 1\), got shape \(1, 2\)"),
        (lambda: friedman([1.0]), r"\(n_blocks, n_policies\), got shape \(1,\)"),
        (lambda: wilcoxon([1.0], [1.0, 2.0]), "same pairs, got 1 and 2"),
        (lambda: bayes_t([1.0], [1.0, 2.0], 0), "same pairs, got 1 and 2"),
        (lambda: bayes_t([1.0], [1.0], -1), "rope must lie in"),
        (lambda: bayes_signed_rank([1.0], [1.0], 0, n_samples=0), "n_samples must be a whole"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InvalidParameter, match=message):
        call()

"""Decisions agree in distribution with those of MABWiser, written by others."""

from __future__ import annotations

import numpy as np
import pytest
from mabwiser.mab import MAB, LearningPolicy
from scipy.stats import chi2_contingency, chisquare, norm

from plastic.bandits import UCB1, BetaThompson, LinearThompson, Uniform

N_DRAWS = 10_000
PULLED = np.repeat([0, 1, 2, 3], [20, 12, 30, 6])
EARNED = np.concatenate([np.arange(n) < k for n, k in ((20, 11), (12, 6), (30, 18), (6, 2))])


def taught(bandit, **contexts):
    bandit.select(np.arange(4), np.random.default_rng(0))
    bandit.update(PULLED, EARNED, **contexts)
    return bandit


def ours(bandit, **contexts):
    rows = np.broadcast_to(np.arange(4), (N_DRAWS, 4))
    chosen = bandit.select(rows, np.random.default_rng(1), **contexts)
    return np.bincount(chosen[:, 0], minlength=4)


def p_value(one, other):
    return chi2_contingency(np.array([one, other])).pvalue


def test_beta_thompson_decides_alike():
    theirs = MAB([0, 1, 2, 3], LearningPolicy.ThompsonSampling(), seed=2)
    theirs.fit(PULLED, EARNED.astype(int))
    decided = np.bincount([theirs.predict() for _ in range(N_DRAWS)], minlength=4)
    assert decided.min() > 100  # there is something to tell apart
    assert p_value(ours(taught(BetaThompson())), decided) > 0.01
    # the test is able to see a sharpened posterior, and a bandit that knows nothing
    assert p_value(ours(taught(BetaThompson(variance_scale=0.8))), decided) < 1e-6
    assert p_value(ours(taught(Uniform())), decided) < 1e-6


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_linear_thompson_samples_alike(alpha):
    """Arm by arm, as in MABWiser 2.7 all arms get the same noise: its decisions are others."""
    rng = np.random.default_rng(3)
    X, asked = rng.normal(size=(len(PULLED), 2)), np.array([0.7, -0.2])
    policy = LearningPolicy.LinTS(alpha=alpha, l2_lambda=2.0)
    theirs = MAB([0, 1, 2, 3], policy, seed=4)
    theirs.fit(PULLED, EARNED.astype(float), X)
    expectations = theirs.predict_expectations(np.tile(asked, (N_DRAWS, 1)))
    sampled = np.array([list(row.values()) for row in expectations])
    for prior_variance, alike in ((0.5, True), (0.3, False)):
        bandit = LinearThompson(
            n_features=2, prior_variance=prior_variance, variance_scale=alpha**2
        )
        taught(bandit, contexts=X)
        mean, std = bandit.posterior(np.arange(4), asked)
        tenths = np.clip(10 * norm.cdf(sampled, mean, std), 0, 9).astype(int)
        p_values = [chisquare(np.bincount(tenths[:, k], minlength=10)).pvalue for k in range(4)]
        assert min(p_values) > 0.001 if alike else min(p_values) < 1e-6, p_values


def test_ucb1_has_the_same_index():
    theirs = MAB([0, 1, 2, 3], LearningPolicy.UCB1(alpha=1.0))
    theirs.fit(PULLED, EARNED.astype(float))
    expected = list(theirs.predict_expectations().values())
    found = taught(UCB1()).values(np.arange(4), np.random.default_rng(0))
    np.testing.assert_allclose(found, expected, rtol=1e-12)

"""Indices and posteriors agree with their closed forms, and samples with the posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import rel_entr

from plastic.bandits import (
    EXP3,
    KLUCB,
    UCB1,
    BetaThompson,
    ChernoffUCB,
    Counting,
    EpsilonGreedy,
    GaussianThompson,
    Greedy,
    LinearThompson,
    NormalInverseGammaThompson,
    ResidualBootstrap,
)
from plastic.bandits.kl_ucb import bernoulli_bound

EXACT = {"rtol": 1e-12, "atol": 1e-12}
ARMS = np.array([2, 3, 5, 70_000_000_000])


def rewards_of(seed=0, n=60, binary=False):
    """Arms pulled, what they earned, and the rewards of each of `ARMS`; the third has none."""
    rng = np.random.default_rng(seed)
    pulled = rng.choice(ARMS[[0, 1, 3]], n, p=[0.6, 0.35, 0.05])
    earned = rng.random(n)
    earned = (earned < 0.4).astype(float) if binary else earned
    return pulled, earned, [earned[pulled == arm] for arm in ARMS]


def taught(bandit, pulled, earned, rounds=7):
    """The bandit after so many calls of update."""
    bandit.select(ARMS, np.random.default_rng(0))
    for some in np.array_split(np.arange(len(pulled)), rounds):
        bandit.update(pulled[some], earned[some])
    return bandit


def weights_in(pulled, rounds, weight):
    """What each reward weighs at the end, given a function of its age in rounds."""
    sizes = [len(some) for some in np.array_split(pulled, rounds)]
    return weight(rounds - 1 - np.repeat(np.arange(rounds), sizes))


# ------------------------------------------------------------------------------ conjugate pairs


def test_beta_is_counted_successes_and_failures():
    pulled, earned, each = rewards_of(binary=True)
    bandit = taught(BetaThompson(prior_mean=0.3, prior_count=5.0), pulled, earned)
    successes = np.array([1.5 + r.sum() for r in each])
    failures = np.array([3.5 + (1 - r).sum() for r in each])
    np.testing.assert_allclose(bandit.parameters(ARMS), [successes, failures], **EXACT)
    exact = stats.beta(successes, failures)
    np.testing.assert_allclose(bandit.posterior(ARMS), [exact.mean(), exact.std()], **EXACT)


def test_gaussian_multiplies_precisions():
    pulled, earned, each = rewards_of(1)
    bandit = GaussianThompson(variance=0.3, prior_mean=-1.0, prior_count=2.5)
    mean, std = taught(bandit, pulled, earned).posterior(ARMS)
    for k, rewards in enumerate(each):
        # one reward after the other, by Bayes' rule
        centre, precision = -1.0, 2.5 / 0.3
        for reward in rewards:
            centre = (precision * centre + reward / 0.3) / (precision + 1 / 0.3)
            precision += 1 / 0.3
        np.testing.assert_allclose([mean[k], std[k]], [centre, precision**-0.5], **EXACT)


def test_normal_inverse_gamma_is_updated_reward_by_reward():
    pulled, earned, each = rewards_of(2)
    bandit = NormalInverseGammaThompson(
        prior_mean=0.5, prior_count=0.5, prior_variance=2.0, prior_shape=3.0
    )
    found = np.array(taught(bandit, pulled, earned).parameters(ARMS))
    for k, rewards in enumerate(each):
        m, weight, shape, rate = 0.5, 0.5, 3.0, 6.0
        for reward in rewards:
            rate += weight * (reward - m) ** 2 / (2 * (weight + 1))
            m = (weight * m + reward) / (weight + 1)
            weight, shape = weight + 1, shape + 0.5
        np.testing.assert_allclose(found[:, k], [m, weight, shape, rate], **EXACT)


def test_a_large_mean_does_not_swallow_the_spread():
    rng = np.random.default_rng(3)
    earned = 1e9 + rng.normal(size=1000)
    bandit = NormalInverseGammaThompson(prior_mean=1e9, prior_count=1e-6)
    taught(bandit, np.full(1000, ARMS[0]), earned, rounds=50)
    scatter = ((earned - earned.mean()) ** 2).sum()
    assert bandit.parameters(ARMS[:1])[3][0] == pytest.approx(1 + scatter / 2, rel=1e-7)


@pytest.mark.parametrize("shared", [False, True])
def test_linear_is_ridge_regression(shared):
    rng = np.random.default_rng(4)
    bandit = LinearThompson(
        n_features=3, variance=0.5, prior_variance=2.0, shared=shared, variance_scale=4.0
    )
    bandit.select(ARMS, rng)
    pulled, earned, X = rng.choice(ARMS, 40), rng.normal(size=40), rng.normal(size=(40, 3))
    for some in np.array_split(np.arange(40), 5):
        bandit.update(pulled[some], earned[some], contexts=X[some])
    asked = rng.normal(size=(4, 3))
    mean, std = bandit.posterior(ARMS, asked)
    for k, arm in enumerate(ARMS):
        rows = slice(None) if shared else pulled == arm
        # as if the prior were three more rewards of 0
        design = np.vstack([X[rows] / 0.5**0.5, np.eye(3) / 2**0.5])
        target = np.concatenate([earned[rows] / 0.5**0.5, np.zeros(3)])
        theta = np.linalg.lstsq(design, target, rcond=None)[0]
        variance = asked[k] @ np.linalg.inv(design.T @ design) @ asked[k]
        np.testing.assert_allclose(mean[k], asked[k] @ theta, **EXACT)
        np.testing.assert_allclose(std[k], 2 * variance**0.5, **EXACT)


def test_linear_without_contexts_is_gaussian():
    pulled, earned, _ = rewards_of(5)
    linear = taught(LinearThompson(variance=0.5, prior_variance=0.25), pulled, earned)
    gaussian = taught(GaussianThompson(variance=0.5, prior_count=2.0), pulled, earned)
    np.testing.assert_allclose(linear.posterior(ARMS), gaussian.posterior(ARMS), **EXACT)


# ----------------------------------------------------------------------------------- forgetting


@pytest.mark.parametrize(
    ("settings", "weight"),
    [
        ({"discount": 0.7}, lambda age: 0.7**age),
        ({"window": 3}, lambda age: (age < 3).astype(float)),
        ({}, lambda age: np.ones(len(age))),
    ],
    ids=["discount", "window", "neither"],
)
def test_what_is_kept_is_a_weighted_sum(settings, weight):
    pulled, earned, _ = rewards_of(6)
    bandit = taught(Greedy(**settings), pulled, earned)
    weights = weights_in(pulled, 7, weight)
    for arm, count, total, scatter in zip(ARMS, *bandit.statistics(ARMS), strict=True):
        w, r = weights[pulled == arm], earned[pulled == arm]
        mean = (w * r).sum() / max(w.sum(), 1e-300)
        expected = [w.sum(), (w * r).sum(), (w * (r - mean) ** 2).sum()]
        np.testing.assert_allclose([count, total, scatter], expected, **EXACT)


def test_a_linear_discount_is_a_weighted_sum_too():
    pulled, earned, _ = rewards_of(7)
    bandit = taught(LinearThompson(discount=0.7, prior_variance=3.0), pulled, earned)
    weights = weights_in(pulled, 7, lambda age: 0.7**age)
    for k, arm in enumerate(ARMS):
        w, r = weights[pulled == arm], earned[pulled == arm]
        expected = (w * r).sum() / (w.sum() + 1 / 3)
        assert bandit.posterior(ARMS)[0][k] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_an_empty_update_lets_a_round_pass():
    for settings, left in (({"discount": 0.5}, 0.25), ({"window": 2}, 0.0), ({}, 1.0)):
        bandit = Greedy(**settings)
        bandit.select([0], np.random.default_rng(0))
        bandit.update([0], [1.0])
        for _ in range(2):
            bandit.update([], [])
        assert bandit.statistics(np.array([0]))[0][0] == left


# -------------------------------------------------------------------------------------- samples


def drawn(bandit, n=20_000, arms=ARMS):
    """Many samples of each arm's worth, by offering the same arms in many rows."""
    rows = np.broadcast_to(arms, (n, len(arms)))
    return bandit.values(rows, np.random.default_rng(8))


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_samples_follow_the_posterior(scale):
    pulled, earned, each = rewards_of(9, n=24, binary=True)
    beta = taught(BetaThompson(variance_scale=scale), pulled, earned)
    gaussian = taught(GaussianThompson(variance_scale=scale), pulled, earned)
    student = taught(NormalInverseGammaThompson(variance_scale=scale), pulled, earned)
    linear = taught(LinearThompson(variance_scale=scale), pulled, earned)
    m, weight, shape, rate = student.parameters(ARMS)
    a, b = beta.parameters(ARMS)
    expected = {
        beta: stats.beta(a / scale, b / scale),
        gaussian: stats.norm(*gaussian.posterior(ARMS)),
        student: stats.t(2 * shape, m, np.sqrt(scale * rate / (shape * weight))),
        linear: stats.norm(*linear.posterior(ARMS)),
    }
    for bandit, distribution in expected.items():
        ranks = distribution.cdf(drawn(bandit))
        for k in range(len(ARMS)):
            assert stats.kstest(ranks[:, k], "uniform").pvalue > 1e-4, (bandit, k)
    assert len(each) == len(ARMS)


def test_a_beta_that_is_sharpened_has_so_much_less_variance():
    counts = np.repeat([2, 3], 400), np.tile([0.0, 1.0], 400)
    wide, sharp = (
        drawn(taught(BetaThompson(variance_scale=c), *counts), arms=ARMS[:2])
        for c in (1.0, 0.25)
    )
    np.testing.assert_allclose(sharp.var(axis=0) / wide.var(axis=0), 0.25, rtol=0.05)


def test_the_bootstrap_is_that_of_residuals_and_pseudo_residuals():
    rewards, rng = np.array([0.0, 0.2, 0.9]), np.random.default_rng(10)
    bandit = ResidualBootstrap(pseudo_residual=0.5)
    taught(bandit, np.full(3, ARMS[0]), rewards)
    pseudo = 3**0.5 * 0.5
    residuals = np.array([*(rewards - rewards.mean()), pseudo, -pseudo])
    resampled = rewards.mean() + rng.normal(size=(20_000, 5)) @ residuals / 3
    found = drawn(bandit, arms=ARMS[:1])[:, 0]
    assert stats.ks_2samp(found, resampled).pvalue > 1e-3
    assert (bandit.values(ARMS[1:], rng) == np.inf).all()


def test_one_sample_of_shared_coefficients_serves_a_whole_choice():
    bandit = LinearThompson(n_features=1, shared=True)
    bandit.select(ARMS, np.random.default_rng(0))
    values = drawn(bandit)
    assert (values == values[:, :1]).all()
    assert len(np.unique(values[:, 0])) == len(values)


def test_top_two_follows_its_source():
    pulled = np.repeat(ARMS[:3], 20)
    earned = np.concatenate([np.arange(20) < k for k in (12, 10, 8)]).astype(float)
    bandit = BetaThompson(leader_probability=0.5)
    bandit.select(ARMS[:3], np.random.default_rng(0))
    bandit.update(pulled, earned)
    rows = np.broadcast_to(ARMS[:3], (40_000, 3))
    chosen = bandit.select(rows, np.random.default_rng(1))[:, 0]
    found = np.bincount(np.searchsorted(ARMS[:3], chosen)) / 40_000
    a, b = bandit.parameters(ARMS[:3])
    leads = (
        np.bincount(
            np.random.default_rng(2).beta(a, b, (400_000, 3)).argmax(axis=1), minlength=3
        )
        / 400_000
    )
    # psi_i = p_i (beta + (1 - beta) sum over others of p_j / (1 - p_j))
    odds = leads / (1 - leads)
    expected = leads * (0.5 + 0.5 * (odds.sum() - odds))
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("sampling", ["mean", "thompson"])
def test_top_two_without_doubt_pulls_the_second_best(sampling):
    bandit = GaussianThompson(sampling=sampling, leader_probability=0.0, variance_scale=1e-12)
    bandit.select(ARMS, np.random.default_rng(0))
    bandit.update(ARMS, [1.0, 4.0, 2.0, 3.0])
    chosen = bandit.select(np.broadcast_to(ARMS, (50, 4)), np.random.default_rng(1))
    assert set(chosen[:, 0].tolist()) == {ARMS[3]}
    assert bandit.select(ARMS[:1], np.random.default_rng(1)).tolist() == [ARMS[0]]


@pytest.mark.parametrize("shared", [False, True])
def test_top_two_keeps_contexts_and_rows_together(shared):
    bandit = LinearThompson(
        n_features=2, shared=shared, leader_probability=0.3, variance_scale=1e-12
    )
    bandit.select(ARMS, np.random.default_rng(0))
    for axis in np.eye(2):
        bandit.update(ARMS, np.full(4, axis @ [1.0, -1.0]), contexts=axis)
    X = np.random.default_rng(1).normal(size=(300, 4, 2))
    order = np.argsort(X @ [-1.0, 1.0], axis=1)  # best first
    rows = np.broadcast_to(ARMS, (300, 4))
    chosen = bandit.select(rows, np.random.default_rng(2), contexts=X)[:, 0]
    first, second = (chosen == ARMS[order[:, k]] for k in (0, 1))
    assert (first | second).all()
    assert first.mean() == pytest.approx(0.3, abs=0.1)
    one = bandit.select(ARMS, np.random.default_rng(3), contexts=X[0])
    assert one[0] in ARMS[order[0, :2]]


# -------------------------------------------------------------------------------------- indices


def test_upper_confidence_bounds():
    pulled, earned, each = rewards_of(11)
    rng, log_t = np.random.default_rng(0), np.log(len(pulled))
    ucb1 = taught(UCB1(exploration=1.5), pulled, earned).values(ARMS, rng)
    chernoff = taught(ChernoffUCB(), pulled, earned).values(ARMS, rng)
    kl = taught(KLUCB(correction=3.0), pulled, earned).values(ARMS, rng)
    for k, rewards in enumerate(each):
        n = len(rewards)
        if n == 0:
            assert (ucb1[k], chernoff[k], kl[k]) == (np.inf, np.inf, 1.0)
            continue
        mean, level = rewards.mean(), 0.5 * log_t / n
        assert ucb1[k] == pytest.approx(mean + (1.5 * log_t / n) ** 0.5, rel=1e-12)
        expected = mean + (2 * mean * level) ** 0.5 + 2 * level
        assert chernoff[k] == pytest.approx(expected, rel=1e-12)
        budget = (log_t + 3 * np.log(log_t)) / n
        assert kl[k] == pytest.approx(bound_by_bisection(mean, budget), rel=1e-10)


def bound_by_bisection(p, level):
    def excess(q):
        return rel_entr(p, q) + rel_entr(1 - p, 1 - q) - level

    top = 1 - 1e-15
    return brentq(excess, p, top, xtol=1e-15, rtol=1e-14) if excess(top) > 0 else 1.0


def test_the_bound_of_the_divergence_is_where_it_is():
    rng = np.random.default_rng(12)
    p = np.concatenate([[0.0, 0.0, 1.0, 0.5, 1e-300], rng.random(300), 1 - rng.random(50) ** 9])
    level = np.concatenate([[0.0, 3.0, 2.0, 0.0, 50.0], 10 ** rng.uniform(-8, 1.2, 350)])
    found = bernoulli_bound(p, level)
    expected = [
        bound_by_bisection(*pair) if pair[1] > 0 else pair[0]
        for pair in zip(p, level, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-11)
    assert ((found >= p) & (found <= 1)).all()


def test_bounds_count_the_rounds_of_their_own_row():
    pulled, earned, _ = rewards_of(13)
    bandit = taught(UCB1(), pulled, earned)
    alone = bandit.values(ARMS[:1], np.random.default_rng(0))
    n = (pulled == ARMS[0]).sum()
    mean = earned[pulled == ARMS[0]].mean()
    assert alone[0] == pytest.approx(mean + (2 * np.log(n) / n) ** 0.5)
    rows = bandit.values(np.array([ARMS[:2], ARMS[[0, 3]]]), np.random.default_rng(0))
    one_by_one = [
        bandit.values(row, np.random.default_rng(0)) for row in (ARMS[:2], ARMS[[0, 3]])
    ]
    np.testing.assert_array_equal(rows, one_by_one)


def test_greedy_takes_means_and_epsilon_takes_chances():
    pulled, earned, each = rewards_of(14)
    values = taught(Greedy(), pulled, earned).values(ARMS, np.random.default_rng(0))
    expected = [r.mean() if len(r) else np.inf for r in each]
    np.testing.assert_allclose(values, expected, **EXACT)
    bandit = EpsilonGreedy(epsilon=0.3)
    bandit.select(ARMS, np.random.default_rng(0))
    bandit.update(ARMS, [0.1, 0.9, 0.5, 0.2])
    rows = np.broadcast_to(ARMS, (20_000, 4))
    chosen = bandit.select(rows, np.random.default_rng(1))[:, 0]
    found = [(chosen == arm).mean() for arm in ARMS]
    np.testing.assert_allclose(found, [0.075, 0.775, 0.075, 0.075], atol=0.01)


# ----------------------------------------------------------------------------------------- EXP3


def test_exp3_weighs_rewards_by_their_chance():
    bandit, gamma = EXP3(exploration=0.2), 0.2
    rng, weights = np.random.default_rng(15), np.ones(3)
    for _ in range(50):
        p = (1 - gamma) * weights / weights.sum() + gamma / 3
        chosen = bandit.select([0, 1, 2], rng)
        np.testing.assert_allclose(bandit.probabilities(np.arange(3)), p, **EXACT)
        reward = rng.random()
        bandit.update(chosen, [reward])
        weights[chosen[0]] *= np.exp(gamma * reward / p[chosen[0]] / 3)


def test_exp3_chooses_with_its_probabilities_and_without_replacement():
    bandit, rng = EXP3(exploration=0.2), np.random.default_rng(16)
    for _ in range(5):
        bandit.update(bandit.select([0, 1, 2], rng), [1.0])
    p = bandit.probabilities(np.arange(3))
    rows = np.broadcast_to(np.arange(3), (40_000, 3))
    chosen = bandit.select(rows, rng, 2)
    first = np.bincount(chosen[:, 0]) / 40_000
    np.testing.assert_allclose(first, p, atol=0.01)
    second = [(chosen == [i, j]).all(axis=1).mean() for i, j in ((0, 1), (1, 2), (2, 0))]
    expected = [p[i] * p[j] / (1 - p[i]) for i, j in ((0, 1), (1, 2), (2, 0))]
    np.testing.assert_allclose(second, expected, atol=0.01)


def test_exp3_starts_a_newborn_from_the_mean_weight():
    bandit, rng = EXP3(exploration=0.2), np.random.default_rng(17)
    for _ in range(30):
        bandit.update(bandit.select([0, 1], rng), [1.0])
    weights = np.exp(bandit.state()["log_weight"])
    bandit.select([0, 1, 9], rng)
    shares = np.array([*weights, weights.mean()]) / (weights.sum() + weights.mean())
    expected = 0.8 * shares + 0.2 / 3
    np.testing.assert_allclose(bandit.probabilities(np.array([0, 1, 9])), expected, **EXACT)


# --------------------------------------------------------------------------------- what is told


def test_informed_priors_count_as_rewards():
    plain, informed = BetaThompson(), BetaThompson()
    informed.inform([4, 1], [0.25, 0.5], 8.0)
    plain.select([1, 4], np.random.default_rng(0))
    a, b = informed.parameters(np.array([1, 4]))
    assert (a.tolist(), b.tolist()) == ([4.0, 2.0], [4.0, 6.0])
    informed.update([4, 4], [1.0, 1.0])
    a, b = informed.parameters(np.array([1, 4]))
    assert (a.tolist(), b.tolist()) == ([4.0, 4.0], [4.0, 6.0])
    assert plain.parameters(np.array([1, 4]))[0].tolist() == [1.0, 1.0]
    assert isinstance(informed, Counting)


def test_a_prior_does_not_fade():
    bandit = GaussianThompson(discount=0.5, prior_mean=7.0, prior_count=3.0)
    bandit.select([0], np.random.default_rng(0))
    bandit.update([0], [-100.0])
    for _ in range(80):
        bandit.update([], [])
    assert bandit.posterior(np.array([0]))[0][0] == pytest.approx(7.0, abs=1e-12)


def test_a_student_posterior_without_data_has_no_variance_yet():
    bandit = NormalInverseGammaThompson(prior_shape=0.5)
    bandit.select([0], np.random.default_rng(0))
    assert bandit.posterior(np.array([0]))[1][0] == np.inf
    bandit.update([0, 0, 0], [1.0, 2.0, 3.0])
    m, weight, shape, rate = bandit.parameters(np.array([0]))
    width = np.sqrt(rate / (shape * weight))
    expected = stats.t(2 * shape, m, width)
    np.testing.assert_allclose(
        bandit.posterior(np.array([0])), [expected.mean(), expected.std()], **EXACT
    )

"""Searches over whole masks: the posterior in closed form, and what each rule does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from plastic.bandits.masks import (
    RULES,
    CrossEntropy,
    LinearMasks,
    lowest_mask,
    make_search,
    rank_normal,
    search,
)
from plastic.errors import InvalidParameter


def noisy_cost(worth, rng, noise=0.1):
    return lambda mask: float(worth[mask].sum() + noise * rng.standard_normal())


@pytest.mark.parametrize("rule", RULES)
def test_every_mask_leaves_out_as_many_units_as_asked(rule):
    rng = np.random.default_rng(0)
    searcher = make_search(rule, rng.random(30), 12)
    cost = noisy_cost(rng.random(30), rng)
    for _ in range(70):
        mask = searcher.propose(rng)
        assert mask.dtype == bool
        assert mask.sum() == 12
        searcher.observe(mask, cost(mask))
    assert searcher.best().sum() == 12


def test_the_posterior_is_that_of_the_weighted_regression():
    """With fixed noise and no refresh in between, it is ridge regression in closed form."""
    rng = np.random.default_rng(1)
    n, m, pulls = 8, 3, 15
    prior = rng.normal(size=n) * 0.03
    searcher = LinearMasks(prior, m, "uniform", prior_std=0.2, every=1000, noise_rate=0.0)
    Z, y, intercept = [], [], None
    for t in range(pulls):
        mask = searcher.propose(rng)
        cost = float(rng.normal())
        intercept = cost if intercept is None else intercept
        z = mask - m / n
        Z.append(z)
        y.append(cost - intercept)
        intercept += max(0.02, 1 / (t + 1)) * (cost - intercept - z @ prior)
        searcher.observe(mask, cost)
    searcher.best()
    Z, y, s2 = np.array(Z), np.array(y), 0.3
    P = np.eye(n) / 0.2**2 + Z.T @ Z / s2
    mean = np.linalg.solve(P, prior / 0.2**2 + Z.T @ y / s2)
    assert np.abs(searcher.posterior_mean - mean).max() < 1e-12
    assert np.abs(searcher.posterior_std - np.sqrt(np.diag(np.linalg.inv(P)))).max() < 1e-12


def test_thompson_draws_from_the_posterior():
    """The covariance of its draws is the posterior's, times the squared spread."""
    rng = np.random.default_rng(2)
    n, spread = 4, 0.5
    searcher = LinearMasks(np.zeros(n), 1, "uniform", prior_std=1.0, every=1000, spread=spread)
    for _ in range(20):
        mask = searcher.propose(rng)
        searcher.observe(mask, float(rng.normal()))
    searcher.best()
    searcher.rule = "thompson"
    picked = np.mean([searcher.propose(rng) for _ in range(20_000)], axis=0)
    inverse = np.linalg.inv(
        np.diag(np.full(n, 1.0)) + searcher._A / searcher._noise
    )  # the posterior's covariance, without using its factor
    draws = rng.multivariate_normal(searcher.posterior_mean, spread**2 * inverse, 20_000)
    expected = np.mean([lowest_mask(draw, 1) for draw in draws], axis=0)
    assert np.abs(picked - expected).max() < 0.02


def test_the_mean_twin_pulls_one_mask_between_refreshes():
    rng = np.random.default_rng(3)
    searcher = make_search("mean", rng.random(20), 5)
    masks = []
    for _ in range(20):
        masks.append(searcher.propose(rng))
        searcher.observe(masks[-1], float(rng.normal()))
    assert all((mask == masks[0]).all() for mask in masks)


@pytest.mark.parametrize("rule", ["thompson", "epsilon", "isotropic", "cem", "uniform"])
def test_rules_that_explore_find_the_units_that_cost_nothing(rule):
    rng = np.random.default_rng(4)
    worth = np.repeat([0.0, 0.3], 10)
    options = {} if rule == "cem" else {"prior_std": 0.3}
    searcher = make_search(rule, rng.random(20), 10, **options)
    found = search(searcher, noisy_cost(worth, rng), 1500, rng)
    assert worth[found.pruned].sum() <= 0.6
    assert found.pulls.sum() == 1500 * 10
    assert found.costs.shape == (1500,)


@pytest.mark.parametrize("rule", RULES)
def test_one_seed_one_search(rule):
    def once():
        rng = np.random.default_rng(5)
        searcher = make_search(rule, np.arange(12.0), 4)
        return search(searcher, noisy_cost(np.arange(12.0), rng), 120, rng)

    one, other = once(), once()
    assert (one.pruned == other.pruned).all()
    assert (one.costs == other.costs).all()


def test_rank_normal_are_the_quantiles_of_the_ranks():
    values = np.array([3.0, -1.0, 100.0, 7.0])
    assert rank_normal(values) == pytest.approx(norm.ppf([0.375, 0.125, 0.875, 0.625]))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_lowest_mask(count):
    mask = lowest_mask(np.array([2.0, 0.0, 1.0]), count)
    assert np.flatnonzero(mask).tolist() == sorted([1, 2, 0][:count])


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: make_search("best", np.zeros(3), 1), "rule must be one of"),
        (lambda: LinearMasks(np.zeros(3), 1, "cem"), "rule must be one of"),
        (lambda: LinearMasks(np.zeros(3), 4), "n_pruned must be at most the 3 units, got 4"),
        (lambda: LinearMasks(np.zeros(3), -1), "n_pruned must be a whole number"),
        (lambda: LinearMasks(np.zeros((3, 1)), 1), r"one finite number a unit, got shape"),
        (lambda: LinearMasks(np.array([np.nan]), 1), "one finite number a unit"),
        (lambda: LinearMasks(np.zeros(3), 1, prior_std=0), "prior_std must lie in"),
        (lambda: LinearMasks(np.zeros(3), 1, spread=-1), "spread must lie in"),
        (lambda: LinearMasks(np.zeros(3), 1, every=0), "every must be a whole number"),
        (lambda: LinearMasks(np.zeros(3), 1, discount=0), "discount must lie in"),
        (lambda: LinearMasks(np.zeros(3), 1, noise_rate=2), "noise_rate must lie in"),
        (lambda: CrossEntropy(np.zeros(3), 1, population=1), "population must be"),
        (lambda: CrossEntropy(np.zeros(3), 1, elite=0), "elite must lie in"),
        (lambda: CrossEntropy(np.zeros(3), 1, rate=0), "rate must lie in"),
    ],
)
def test_bad_parameters_are_refused(make, rule):
    with pytest.raises(InvalidParameter, match=rule):
        make()


def test_a_cost_that_is_no_number_ends_the_search():
    searcher = make_search("thompson", np.arange(3.0), 1)
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidParameter, match="the cost of a mask must be finite, got nan"):
        search(searcher, lambda _: float("nan"), 5, rng)
    with pytest.raises(InvalidParameter, match="n_pulls must be a whole number"):
        search(searcher, lambda _: 0.0, 0, rng)

"""Sampling from posteriors, and its controls."""

from __future__ import annotations

import numpy as np
import pytest

from plastic.bandits import SAMPLINGS, draw, standard_error
from plastic.errors import InvalidParameter

MEAN, STD = np.array([1.0, -2.0, 0.0, 5.0]), np.array([0.1, 3.0, 0.0, 1.0])


def test_thompson_draws_from_the_posterior():
    rng = np.random.default_rng(0)
    drawn = np.array([draw("thompson", MEAN, STD, rng) for _ in range(20_000)])
    np.testing.assert_allclose(drawn.mean(axis=0), MEAN, atol=0.08)
    np.testing.assert_allclose(drawn.std(axis=0), STD, rtol=0.03)
    correlation = np.corrcoef(drawn[:, [0, 1, 3]].T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(correlation, 0, atol=0.03)


def test_mean_is_the_mean_and_a_copy_of_it():
    rng = np.random.default_rng(0)
    drawn = draw("mean", MEAN, STD, rng)
    np.testing.assert_array_equal(drawn, MEAN)
    assert not np.shares_memory(drawn, MEAN)


def test_uniform_ignores_what_is_known():
    rng = np.random.default_rng(0)
    one, other = draw("uniform", MEAN, STD, rng), draw("uniform", -MEAN, 2 * STD, rng)
    np.testing.assert_array_equal(one, other)
    assert len(set(one.tolist())) == 1


@pytest.mark.parametrize(("sampling", "draws"), [("thompson", 4), ("mean", 0), ("uniform", 0)])
def test_only_sampling_takes_from_the_stream(sampling, draws):
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    draw(sampling, MEAN, STD, rng)
    other.standard_normal(draws)
    assert rng.bit_generator.state == other.bit_generator.state


def test_there_are_no_other_samplings():
    with pytest.raises(InvalidParameter, match="sampling must be one of 'thompson', 'mean'"):
        draw("median", MEAN, STD, np.random.default_rng(0))
    assert SAMPLINGS == ("thompson", "mean", "uniform")


def test_the_standard_error_is_the_spread_of_a_mean():
    rng = np.random.default_rng(1)
    means = rng.normal(2.0, 3.0, (4000, 25)).mean(axis=1)
    error = standard_error(np.array([25.0]), np.array([9.0]))
    assert error[0] == pytest.approx(means.std(), rel=0.05)


def test_the_less_is_known_the_larger_the_error():
    errors = standard_error(np.array([0.0, 1.0, 4.0, 100.0]), np.full(4, 2.0))
    assert np.isfinite(errors).all()
    assert (np.diff(errors) < 0).all()
    np.testing.assert_allclose(errors[1:], np.sqrt(2.0 / np.array([1, 4, 100])))

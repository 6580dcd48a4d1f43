"""Laws of the learning-rate schedules."""

from __future__ import annotations

import numpy as np
import pytest

from plastic.engine import SGD, Constant, Cosine, Network, Step
from plastic.errors import InvalidParameter
from plastic.topology.wiring import minimal

SCHEDULES = (Constant(), Cosine(), Cosine(0.0), Cosine(1.0), Step(), Step((0.1, 0.9), 0.5))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_factors_start_at_one_and_never_rise(schedule):
    factors = schedule.factors(np.arange(200), 200)
    assert factors.shape == (200,)
    assert factors.dtype == np.float64
    assert factors[0] == 1
    assert (np.diff(factors) <= 0).all()
    assert (factors >= 0).all()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_factors_do_not_depend_on_how_steps_are_cut(schedule):
    whole = schedule.factors(np.arange(100), 100)
    pieces = [schedule.factors(part, 100) for part in np.array_split(np.arange(100), 7)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert schedule.factors(np.arange(0), 100).shape == (0,)


def test_constant_is_one():
    assert Constant().factors(np.array([0, 5, 99]), 100).tolist() == [1, 1, 1]


@pytest.mark.parametrize("floor", [0.0, 0.01, 0.5, 1.0])
def test_cosine_is_its_formula(floor):
    steps = np.arange(101)
    factors = Cosine(floor).factors(steps, 100)
    expected = [floor + (1 - floor) * (1 + np.cos(np.pi * t / 100)) / 2 for t in steps]
    np.testing.assert_allclose(factors, expected, rtol=1e-14)
    assert factors[-1] == pytest.approx(floor)
    assert factors[50] == pytest.approx((1 + floor) / 2)


def test_step_multiplies_at_each_milestone():
    schedule = Step(milestones=(0.25, 0.5, 0.75), factor=0.1)
    factors = schedule.factors(np.array([0, 24, 25, 49, 50, 74, 75, 99]), 100)
    np.testing.assert_allclose(factors, [1, 1, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3], rtol=1e-14)


def test_step_without_milestones_is_constant():
    assert Step(milestones=()).factors(np.arange(3), 3).tolist() == [1, 1, 1]


@pytest.mark.parametrize("floor", [-0.1, 1.1, float("nan")])
def test_floor_is_checked(floor):
    with pytest.raises(InvalidParameter, match=rf"floor must lie in \[0, 1\], got {floor}"):
        Cosine(floor)


@pytest.mark.parametrize("factor", [0, -0.5, 1.5, float("nan")])
def test_factor_is_checked(factor):
    with pytest.raises(InvalidParameter, match=rf"factor must lie in \(0, 1\], got {factor}"):
        Step(factor=factor)


@pytest.mark.parametrize("mark", [0, 1, -0.5, 2.0, float("nan")])
def test_milestones_are_fractions(mark):
    with pytest.raises(InvalidParameter, match=rf"milestones must lie in \(0, 1\), got {mark}"):
        Step(milestones=(0.5, mark))


def test_milestones_ascend():
    with pytest.raises(InvalidParameter, match=r"milestones must ascend, got \[0.75, 0.5\]"):
        Step(milestones=(0.75, 0.5))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_every_factor_is_a_rate_that_learning_takes(schedule):
    rng = np.random.default_rng(0)
    network = Network(minimal(2, 2, 1.0, rng)).initialize(rng)
    rates = 0.1 * schedule.factors(np.arange(11), 10)
    losses = network.learn(np.eye(2), np.eye(2), np.zeros((11, 1), int), SGD(), rates=rates)
    assert losses[-1] < losses[0]

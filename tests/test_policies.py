"""The parts that policies are made of, their schedule, and the policy that does nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from views import EVERYTHING, learned, view_of

from plastic.engine import Statistics
from plastic.policies import (
    Outcome,
    Policy,
    Proposal,
    Rewiring,
    Static,
    sparse_evolution,
    thompson,
)
from plastic.policies.growth import RandomGrowth
from plastic.policies.parts import AnyOne, Magnitude, Saliency, UpdateSchedule, highest, lowest
from plastic.policies.thompson import PosteriorGrowth

# -------------------------------------------------------------------------- parts and schedule


def test_the_share_follows_the_cosine():
    schedule = UpdateSchedule(every=10, until=0.8, fraction=0.5)
    steps = schedule.steps(1000)
    shares = [schedule.share(int(step), 1000) for step in steps]
    expected = 0.25 * (1 + np.cos(np.pi * (steps - 1) / 800))
    np.testing.assert_allclose(shares, expected)
    assert schedule.share(1, 1000) == pytest.approx(0.5)
    assert schedule.share(401, 1000) == pytest.approx(0.25)
    assert shares[-1] < 1e-3
    constant = UpdateSchedule(every=10, until=0.8, fraction=0.5, anneal=False)
    assert {constant.share(int(step), 1000) for step in steps} == {0.5}


@pytest.mark.parametrize(
    ("every", "until", "n_steps", "expected"),
    [
        (40, 0.75, 1000, list(range(40, 751, 40))),
        (40, 1.0, 200, [40, 80, 120, 160]),
        (50, 1.0, 100, [50]),
        (1, 0.5, 6, [1, 2, 3]),
        (100, 0.75, 100, []),
    ],
)
def test_steps_are_every_so_often_until_then(every, until, n_steps, expected):
    schedule = UpdateSchedule(every, until, 0.3)
    assert schedule.steps(n_steps).tolist() == expected
    assert sparse_evolution(every, until).steps(n_steps).tolist() == expected


def test_ties_are_broken_at_random():
    scores = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 2.0])
    rng = np.random.default_rng(0)
    first = Counter(int(lowest(scores, 1, rng)[0]) for _ in range(2000))
    assert set(first) == {1, 2, 3, 4}
    assert all(430 < count < 570 for count in first.values())
    assert all(set(lowest(scores, 4, rng).tolist()) == {1, 2, 3, 4} for _ in range(50))
    assert all(highest(scores, 2, rng).tolist() == [5, 0] for _ in range(50))


def test_lowest_first():
    scores = np.random.default_rng(0).permutation(50).astype(float)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(scores[lowest(scores, 7, rng)], np.arange(7))
    np.testing.assert_array_equal(scores[highest(scores, 3, rng)], [49, 48, 47])
    assert len(lowest(scores, 0, rng)) == 0


def test_any_one_scores_all_alike():
    view = view_of(learned())
    assert set(AnyOne()(view, np.random.default_rng(0)).tolist()) == {0.0}


@pytest.mark.parametrize(
    ("prune", "grow", "expected"),
    [
        (Magnitude(), RandomGrowth(), Statistics()),
        (Saliency(EVERYTHING), RandomGrowth(), EVERYTHING),
        (
            Magnitude(),
            PosteriorGrowth(statistics=Statistics(moments=True, every=3, discount=0.5)),
            Statistics(moments=True, every=3, discount=0.5),
        ),
        (
            Saliency(Statistics(saliency=True, every=7, rate=0.3)),
            PosteriorGrowth(statistics=Statistics(moments=True, every=7, discount=0.5)),
            Statistics(saliency=True, moments=True, every=7, rate=0.3, discount=0.5),
        ),
    ],
)
def test_a_composition_keeps_what_its_parts_need(prune, grow, expected):
    assert Rewiring(prune, grow, UpdateSchedule()).statistics == expected


def test_thompson_passes_its_settings_on():
    policy = thompson(observe_every=3, saliency_rate=0.4, discount=0.7)
    expected = Statistics(saliency=True, moments=True, every=3, rate=0.4, discount=0.7)
    assert policy.statistics == expected


# --------------------------------------------------------------------- the least a policy does


def test_static_never_asks_for_anything():
    assert Static().steps(1000).tolist() == []
    assert Static().propose(view_of(learned()), np.random.default_rng(0)).edits == ()
    assert Static().begin(0.05) == 0.05
    assert not Static().statistics.wanted


def test_observing_is_optional():
    class Plain(Policy):
        def steps(self, n_steps):
            return np.arange(0)

        def propose(self, view, rng):
            return Proposal()

    assert Plain().observe(Outcome(Proposal(), "", 0.0)) is None
    with pytest.raises(TypeError, match="abstract"):
        Policy()

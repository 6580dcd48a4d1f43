"""Worlds do what they say, regret is what it is defined to be, and figures are reached."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plastic.bandits import UCB1, BetaThompson, Greedy, Uniform
from plastic.bandits.environments import Drifting, Retiring, Stationary
from plastic.bandits.simulation import simulate
from plastic.errors import InvalidParameter


def rng(seed=0):
    return np.random.default_rng(seed)


# --------------------------------------------------------------------------- figures to reach

TEN = [0.9] + [0.8] * 9
RARE = [0.1] + [0.05] * 3 + [0.02] * 3 + [0.01] * 3
FIVE = [0.5] + [0.45] * 4
TWO = [0.6, 0.5]


@pytest.mark.parametrize(
    ("means", "most", "slopes"),
    [(TEN, 90, (0.6, 1.2)), (RARE, 88, (0.6, 1.2)), (FIVE, 135, (0.6, 1.2)), (TWO, 25, None)],
    ids=["ten", "rare", "five", "two"],
)
def test_beta_thompson_is_near_the_lower_bound(means, most, slopes):
    environment = Stationary(means=means)
    early, late = simulate(BetaThompson(), environment, [1000, 10_000], 64, rng(11)).mean(
        axis=1
    )
    assert late <= most
    if slopes:
        slope = (late - early) / (environment.lai_robbins * np.log(10))
        assert slopes[0] <= slope <= slopes[1]


@pytest.mark.parametrize(("every", "delay"), [(1, 0), (10, 90), (50, 950)])
def test_thompson_loses_less_than_ucb1_whatever_the_delay(every, delay):
    environment = Retiring(feedback_every=every, delay=delay)
    horizon = 4000 if every == 1 else 20_000
    thompson, ucb1 = (
        simulate(bandit, environment, [horizon], 20, rng(12))[0]
        for bandit in (BetaThompson(), UCB1())
    )
    assert stats.ttest_rel(thompson, ucb1, alternative="less").pvalue < 0.001


# -------------------------------------------------------------------------------- lower bound


def test_the_constant_of_lai_and_robbins():
    def divergence(p, q):
        return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))

    expected = 0.05 * 3 / divergence(0.05, 0.1) + 0.08 * 3 / divergence(0.02, 0.1)
    expected += 0.09 * 3 / divergence(0.01, 0.1)
    assert Stationary(means=RARE).lai_robbins == pytest.approx(expected)
    assert Stationary(means=[0.0, 1.0, 1.0]).lai_robbins == 0.0
    assert np.isnan(Stationary(means=TWO, pulls=2).lai_robbins)
    assert np.isnan(Drifting().lai_robbins)


# ------------------------------------------------------------------------------- what is lost


def test_regret_of_chance_is_known():
    regret = simulate(Uniform(), Stationary(means=[1.0, 0.4, 0.4]), [1, 500], 200, rng())
    assert regret[1].mean() == pytest.approx(500 * 0.4, rel=0.02)
    pair = simulate(Uniform(), Stationary(means=[1.0, 0.4, 0.4], pulls=2), [500], 200, rng())
    assert pair.mean() == pytest.approx(500 * (1.4 - 1.2), rel=0.03)


def test_horizons_are_marks_on_one_way():
    marks = simulate(BetaThompson(), Stationary(means=TEN), [3, 40, 41], 7, rng())
    for row, horizon in enumerate((3, 40, 41)):
        alone = simulate(BetaThompson(), Stationary(means=TEN), [horizon], 7, rng())
        np.testing.assert_array_equal(marks[row], alone[0])
    assert (np.diff(marks, axis=0) >= 0).all()


@pytest.mark.parametrize("every", [3, 10])
def test_marks_may_lie_within_a_block(every):
    environment = Stationary(means=[1.0, 0.0], feedback_every=every)
    found = simulate(Greedy(), environment, [1, every, every + 1, 50], 40, rng())
    # all of the first block is a toss; afterwards it may still have to try the other arm
    assert found[0].mean() == pytest.approx(0.5, abs=0.25)
    assert ((found[1] >= 0) & (found[1] <= every)).all()
    assert (found[3] <= 2 * every).all()


class Diary(Uniform):
    """Notes when what it chose came back."""

    def __post_init__(self):
        super().__post_init__()
        self.round, self.chosen, self.ages = 0, [], []

    def select(self, arms, rng, count=1):
        chosen = super().select(arms, rng, count)
        n_rounds = len(chosen) // 2  # of two runs
        self.chosen += [(self.round + k // 2, arm) for k, arm in enumerate(chosen[:, 0])]
        self.round += n_rounds
        return chosen

    def update(self, arms, rewards):
        super().update(arms, rewards)
        for arm in np.ravel(arms):
            place = next(k for k, (_, chosen) in enumerate(self.chosen) if chosen == arm)
            self.ages.append(self.round - 1 - self.chosen.pop(place)[0])


@pytest.mark.parametrize(
    ("every", "delay", "ages"),
    [(1, 0, {0}), (1, 7, {7}), (5, 0, {0, 1, 2, 3, 4}), (5, 10, {10, 11, 12, 13, 14})],
)
def test_rewards_are_on_their_way_for_so_long(every, delay, ages):
    diary = Diary()
    environment = Stationary(means=[0.5, 0.5], feedback_every=every, delay=delay)
    simulate(diary, environment, [60], 2, rng())
    assert set(diary.ages) == ages
    assert len(diary.ages) == 2 * (60 - delay)


def test_the_luck_is_the_same_for_all():
    class Always(Uniform):
        def learn(self, positions, rewards):
            self.seen = [*getattr(self, "seen", []), *rewards.tolist()]

        def values(self, arms, rng):
            return np.broadcast_to([1.0, 0.0], arms.shape)

    class Sometimes(Always):
        def values(self, arms, rng):
            return rng.random(arms.shape)

    always, sometimes = Always(), Sometimes()
    for bandit in (always, sometimes):
        simulate(bandit, Stationary(means=[0.5, 0.0]), [200], 1, rng(5))
    pulled_first = np.array(sometimes.seen) == 1  # only the first arm ever earns
    assert 30 < pulled_first.sum() < 70
    assert (np.array(always.seen)[pulled_first] == 1).all()


# -------------------------------------------------------------------------------------- worlds


def test_a_retiring_arm_makes_room_for_a_newborn():
    world = Retiring(retire_probability=0.02).start(50, rng())
    before, seen, gone = world.arms, [world.arms], []
    for n_rounds in (1, 1, 400, 3, 600):
        rounds = world.advance(n_rounds)
        assert rounds.arms.shape == rounds.means.shape == (n_rounds, 50, 10)
        moves = np.diff(np.concatenate([seen[-1][None], rounds.arms]), axis=0) != 0
        assert (moves.sum(axis=2) <= 1).all()  # one at a time, and it stays where it is
        assert moves.sum() == len(rounds.retired)
        gone += rounds.retired.tolist()
        seen.append(rounds.arms[-1])
    assert len(set(gone)) == len(gone)
    now = set(world.arms.ravel().tolist())
    assert now.isdisjoint(gone)
    assert now | set(gone) == set(range(500 + len(gone)))
    assert len(gone) == pytest.approx(1005 * 50 * 0.02, rel=0.1)
    assert set(before.ravel().tolist()) == set(range(500))


def test_newborns_are_drawn_from_their_distribution():
    world = Retiring(retire_probability=1.0, n_arms=2, a=4.0, b=4.0).start(100, rng())
    rounds = world.advance(50)
    arms, first = np.unique(rounds.arms, return_index=True)
    assert len(arms) == 100 * (2 + 50) - 100  # the first round comes after a change
    means = rounds.means.ravel()[first]
    assert stats.kstest(means, stats.beta(4, 4).cdf).pvalue > 1e-3


def test_a_drift_changes_all_arms_of_a_run_at_once():
    world = Drifting(n_arms=4, segment=20.0).start(30, rng())
    rounds = world.advance(2000)
    moved = np.diff(rounds.means, axis=0) != 0
    assert (moved.all(axis=2) == moved.any(axis=2)).all()
    assert moved[:, :, 0].mean() == pytest.approx(1 / 20, rel=0.1)
    assert (rounds.arms == rounds.arms[0]).all()
    assert len(rounds.retired) == 0
    assert stats.kstest(np.unique(rounds.means), "uniform").pvalue > 1e-3


def test_arms_are_forgotten_when_they_retire():
    bandit = BetaThompson()
    simulate(bandit, Retiring(retire_probability=0.1, delay=5), [300], 4, rng())
    assert len(bandit.state()["arm"]) <= 40
    blocks = BetaThompson()
    environment = Retiring(retire_probability=0.1, feedback_every=50)
    simulate(blocks, environment, [300], 4, rng())
    assert len(blocks.state()["arm"]) <= 40


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stationary(means=[]), "means must name at least one arm, got none"),
        (lambda: Stationary(means=[0.5, 1.5]), r"means must lie in \[0, 1\], got 1.5"),
        (lambda: Stationary(means=TWO, pulls=0), "pulls must be a whole number of at least 1"),
        (lambda: Stationary(means=TWO, feedback_every=0), "feedback_every must be a whole"),
        (lambda: Stationary(means=TWO, delay=-1), "delay must be a whole number of at least 0"),
        (lambda: Drifting(n_arms=0), "n_arms must be a whole number of at least 1, got 0"),
        (lambda: Drifting(segment=0.5), r"segment must lie in \[1, inf\), got 0.5"),
        (lambda: Retiring(n_arms=0), "n_arms must be a whole number of at least 1, got 0"),
        (lambda: Retiring(retire_probability=2), r"retire_probability must lie in \[0, 1\]"),
        (lambda: Retiring(a=0.0), r"a must lie in \(0, inf\), got 0.0"),
    ],
)
def test_bad_worlds_are_refused(make, message):
    with pytest.raises(InvalidParameter, match=message):
        make()


@pytest.mark.parametrize(
    ("horizons", "n_runs", "message"),
    [
        ([], 3, r"horizons must ascend, got \[\]"),
        ([10, 10], 3, r"horizons must ascend, got \[10, 10\]"),
        ([0], 3, "horizons must be a whole number of at least 1, got 0"),
        ([10], 0, "n_runs must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_simulations_are_refused(horizons, n_runs, message):
    with pytest.raises(InvalidParameter, match=message):
        simulate(Uniform(), Stationary(means=TWO), horizons, n_runs, rng())


def test_no_more_arms_are_pulled_than_there_are():
    with pytest.raises(InvalidParameter, match="at most the number of arms offered, 2, got 3"):
        simulate(Uniform(), Stationary(means=TWO, pulls=3), [10], 2, rng())

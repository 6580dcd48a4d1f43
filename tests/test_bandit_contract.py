"""Arms, ties, rows, births and deaths; and that nothing is learned from nonsense."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from plastic.bandits import (
    EXP3,
    KLUCB,
    UCB1,
    Bandit,
    BetaThompson,
    EpsilonGreedy,
    GaussianThompson,
    Greedy,
    LinearThompson,
    NormalInverseGammaThompson,
    ResidualBootstrap,
    Uniform,
)
from plastic.bandits.arms import SPARSEST, ArmTable
from plastic.bandits.base import highest
from plastic.errors import InvalidParameter


def rng(seed=0):
    return np.random.default_rng(seed)


# -------------------------------------------------------------------------------- ties and rows


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ties_are_broken_at_random(count):
    chosen = Uniform().select(np.broadcast_to([5, 9, 2, 7], (12_000, 4)), rng(), count)
    assert all(len(set(row)) == count for row in chosen[:100].tolist())
    for column in chosen.T:  # any arm comes at any place equally often
        found = Counter(column.tolist())
        assert set(found) == {2, 5, 7, 9}
        assert all(2800 < n < 3200 for n in found.values())


def test_only_ties_are_left_to_chance():
    values = np.array([1.0, 3.0, 3.0, 0.0, 2.0, 3.0])
    tops = [highest(values, 4, rng(seed)).tolist() for seed in range(200)]
    assert {top[3] for top in tops} == {4}
    assert Counter(tuple(top[:3]) for top in tops).keys() == {
        (1, 2, 5), (1, 5, 2), (2, 1, 5), (2, 5, 1), (5, 1, 2), (5, 2, 1)
    }  # fmt: skip
    assert {highest(values, 1, rng(seed)).item() for seed in range(50)} == {1, 2, 5}


@given(
    st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, np.inf]), min_size=1, max_size=9),
    st.data(),
)
def test_the_highest_are_the_highest(values, data):
    count = data.draw(st.integers(1, len(values)))
    array = np.array(values)
    top = highest(array, count, rng())
    assert len(set(top.tolist())) == count
    np.testing.assert_array_equal(array[top], np.sort(array)[::-1][:count])


def test_a_batch_is_the_top_of_one_sample():
    bandit = BetaThompson()
    arms = np.arange(30)
    bandit.select(arms, rng())
    values = bandit.values(arms, rng(1))
    assert bandit.select(arms, rng(1), 30).tolist() == np.argsort(-values).tolist()


def test_rows_are_choices_of_their_own():
    bandit = Greedy()
    table = np.array([[0, 1], [2, 3], [1, 2]])
    bandit.select(table, rng(), 2)
    bandit.update([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4])
    assert bandit.select(table, rng()).tolist() == [[1], [3], [2]]
    assert bandit.select(table, rng(), 2).tolist() == [[1, 0], [3, 2], [2, 1]]


# ------------------------------------------------------------------------------ a table of arms


class TableMachine(RuleBasedStateMachine):
    """An `ArmTable` beside a dictionary."""

    ids = st.one_of(st.integers(0, 40), st.integers(0, 2**62))

    def __init__(self):
        super().__init__()
        self.table, self.model = ArmTable({"sum": np.zeros(()), "pair": np.ones(2)}), {}

    @rule(arms=st.lists(ids, max_size=8))
    def admit(self, arms):
        self.table.admit(np.array(arms, np.int64))
        for arm in arms:
            self.model.setdefault(arm, 0.0)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), amount=st.floats(-9, 9))
    def add(self, data, amount):
        arm = data.draw(st.sampled_from(sorted(self.model)))
        self.table["sum"][self.table.at(np.array([arm]))] += amount
        self.model[arm] += amount

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def drop(self, data):
        gone = data.draw(st.lists(st.sampled_from(sorted(self.model)), unique=True))
        self.table.drop(np.array(gone, np.int64))
        for arm in gone:
            del self.model[arm]

    @rule()
    def save_and_restore(self):
        state = self.table.state()
        self.table = ArmTable({"sum": np.zeros(()), "pair": np.ones(2)})
        self.table.check(state)
        self.table.restore(state)

    @invariant()
    def it_says_what_the_dictionary_says(self):
        assert self.table.ids.tolist() == sorted(self.model)
        assert self.table["sum"].tolist() == [self.model[arm] for arm in sorted(self.model)]
        assert self.table["pair"].shape == (len(self.model), 2)
        for arm in (0, 7, 41, 2**62):
            assert self.table.find(np.array([arm]))[1].tolist() == [arm in self.model]


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_memory_goes_with_arms_not_with_ids():
    table = ArmTable({"sum": np.zeros(())})
    table.admit(np.array([2**60, 3]))
    assert table._places is None
    table.drop(np.array([3]))
    table.admit(2**60 + np.arange(SPARSEST))
    assert table.at(np.array([2**60 + 5])).tolist() == [5]
    assert len(table._places) == SPARSEST


# ----------------------------------------------------------------- a bandit beside plain Python


class BanditMachine(RuleBasedStateMachine):
    """Counts of a bandit that forgets nothing, beside lists of rewards by arm."""

    arms = st.lists(st.integers(0, 12), min_size=1, max_size=5, unique=True)
    discount, window = 1.0, None

    def __init__(self):
        super().__init__()
        self.bandit = self.make()
        self.rewards, self.round = {}, 0

    def make(self):
        return GaussianThompson(discount=self.discount, window=self.window)

    @rule(arms=arms, seed=st.integers(0, 9), data=st.data())
    def select(self, arms, seed, data):
        count = data.draw(st.integers(1, len(arms)))
        chosen = self.bandit.select(arms, rng(seed), count)
        assert len(set(chosen.tolist())) == count
        assert set(chosen.tolist()) <= set(arms)
        for arm in arms:
            self.rewards.setdefault(arm, [])

    @precondition(lambda self: self.rewards)
    @rule(data=st.data())
    def update(self, data):
        pairs = st.tuples(st.sampled_from(sorted(self.rewards)), st.floats(-5, 5))
        told = data.draw(st.lists(pairs, max_size=6))
        self.bandit.update([arm for arm, _ in told], [reward for _, reward in told])
        self.round += 1
        for arm, reward in told:
            self.rewards[arm].append((self.round, reward))

    @rule(arm=st.integers(0, 12))
    def retire(self, arm):
        if arm in self.rewards:
            self.bandit.retire([arm])
            del self.rewards[arm]
        else:
            with pytest.raises(InvalidParameter, match=f"arm {arm} is unknown"):
                self.bandit.retire([arm])

    @rule()
    def save_and_restore(self):
        state = self.bandit.state()
        self.bandit = self.make()
        self.bandit.restore(state)

    @invariant()
    def it_counts_what_the_lists_hold(self):
        known = np.array(sorted(self.rewards), np.int64)
        assert self.bandit.knows(np.arange(13)).sum() == len(known)
        for arm, count, total, scatter in zip(
            known, *self.bandit.statistics(known), strict=True
        ):
            told = np.array(self.rewards[arm]).reshape(-1, 2)
            ages = self.round - told[:, 0]
            weights = self.discount**ages * (ages < (self.window or np.inf))
            mean = (weights * told[:, 1]).sum() / max(weights.sum(), 1e-9)
            expected = [weights.sum(), (weights * told[:, 1]).sum()]
            expected.append((weights * (told[:, 1] - mean) ** 2).sum())
            np.testing.assert_allclose([count, total, scatter], expected, atol=1e-9)


class DiscountedMachine(BanditMachine):
    discount = 0.8


class WindowedMachine(BanditMachine):
    window = 3


BRIEFLY = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestCounting, TestDiscounted, TestWindowed = (
    machine.TestCase for machine in (BanditMachine, DiscountedMachine, WindowedMachine)
)
TestCounting.settings = TestDiscounted.settings = TestWindowed.settings = BRIEFLY


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BetaThompson(discount=0.0), r"discount must lie in \(0, 1\], got 0.0"),
        (lambda: BetaThompson(discount=1.1), r"discount must lie in \(0, 1\], got 1.1"),
        (lambda: Greedy(window=0), "window must be a whole number of at least 1, got 0"),
        (lambda: UCB1(discount=0.9, window=5), "a discount or a window, got discount 0.9 and"),
        (lambda: BetaThompson(sampling="median"), "sampling must be one of 'thompson', 'mean'"),
        (lambda: BetaThompson(variance_scale=0.0), r"variance_scale must lie in \(0, inf\)"),
        (
            lambda: BetaThompson(leader_probability=2),
            r"leader_probability must lie in \[0, 1\]",
        ),
        (lambda: BetaThompson(prior_mean=1.0), r"prior_mean must lie in \(0.0, 1.0\), got 1.0"),
        (lambda: BetaThompson(prior_count=0.0), r"prior_count must lie in \(0, inf\), got 0.0"),
        (lambda: GaussianThompson(prior_mean=np.nan), r"prior_mean must lie in \(-inf, inf\)"),
        (lambda: GaussianThompson(variance=-1.0), r"variance must lie in \(0, inf\), got -1.0"),
        (
            lambda: NormalInverseGammaThompson(prior_variance=np.inf),
            r"prior_variance must lie in \(0, inf\), got inf",
        ),
        (
            lambda: NormalInverseGammaThompson(prior_shape=0),
            r"prior_shape must lie in \(0, inf",
        ),
        (lambda: ResidualBootstrap(pseudo_residual=0), r"pseudo_residual must lie in \(0, inf"),
        (lambda: EpsilonGreedy(epsilon=1.5), r"epsilon must lie in \[0, 1\], got 1.5"),
        (lambda: UCB1(exploration=-1), r"exploration must lie in \[0, inf\), got -1"),
        (lambda: KLUCB(correction=-1), r"correction must lie in \[0, inf\), got -1"),
        (lambda: EXP3(exploration=0), r"exploration must lie in \(0, 1\], got 0"),
        (lambda: LinearThompson(n_features=0), "n_features must be a whole number of at least"),
        (lambda: LinearThompson(prior_variance=0), r"prior_variance must lie in \(0, inf\)"),
        (lambda: LinearThompson(discount=0), r"discount must lie in \(0, 1\], got 0"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(InvalidParameter, match=message):
        make()


@pytest.mark.parametrize(
    ("arms", "count", "message"),
    [
        (
            [],
            1,
            r"shape \(n_arms,\) or \(n_choices, n_arms\) with at least one arm, got \(0,\)",
        ),
        (3, 1, r"with at least one arm, got \(\)"),
        ([[[1]]], 1, r"with at least one arm, got \(1, 1, 1\)"),
        ([1.0], 1, "arms must be whole numbers from 0, got kind float64"),
        ([True], 1, "arms must be whole numbers from 0, got kind bool"),
        ([1, -4], 1, "arms must be whole numbers from 0, got -4"),
        (np.array([2**63], np.uint64), 1, "arms must be whole numbers from 0, got -92233720"),
        ([4, 2, 4], 1, "arms must be distinct, got 4 twice in one choice"),
        ([[1, 2], [3, 3]], 1, "arms must be distinct, got 3 twice in one choice"),
        ([1, 2], 0, "count must be a whole number of at least 1, got 0"),
        ([1, 2], 3, "count must be at most the number of arms offered, 2, got 3"),
    ],
)
def test_bad_offers_are_refused(arms, count, message):
    bandit = BetaThompson()
    with pytest.raises(InvalidParameter, match=message):
        bandit.select(arms, rng(), count)
    assert len(bandit.state()["arm"]) == 0


@pytest.mark.parametrize(
    ("arms", "rewards", "message"),
    [
        ([1, 6], [0.5, 0.5], "arm 6 is unknown: it was never offered, or it has retired"),
        ([1], [1.5], r"rewards must be finite and lie in \[0.0, 1.0\], got 1.5"),
        ([1], [np.nan], "rewards must be finite and lie in .*, got nan"),
        ([1], ["a"], "rewards must be numbers, got kind <U1"),
        ([1, 2], [0.5], r"one reward for each of the arms of shape \(2,\), got shape \(1,\)"),
    ],
)
@pytest.mark.parametrize("make", [BetaThompson, KLUCB, EXP3])
def test_bad_rewards_are_refused(make, arms, rewards, message):
    bandit = make()
    bandit.select([0, 1, 2], rng())
    before = bandit.state()
    with pytest.raises(InvalidParameter, match=message):
        bandit.update(arms, rewards)
    for name, array in bandit.state().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("make", [GaussianThompson, Greedy, UCB1])
def test_rewards_of_any_size_are_taken_where_no_range_is_needed(make):
    bandit = make()
    bandit.select([0], rng())
    bandit.update([0, 0], [-1e6, 1e6])
    with pytest.raises(InvalidParameter, match="rewards must be finite, got -inf"):
        bandit.update([0], [-np.inf])


def test_bad_contexts_are_refused():
    bandit = LinearThompson(n_features=2)
    with pytest.raises(
        InvalidParameter, match=r"contexts must have shape \(3, 2\), got \(3,\)"
    ):
        bandit.select([0, 1, 2], rng(), contexts=[1.0, 2.0, 3.0])
    bandit.select([0, 1, 2], rng())
    with pytest.raises(InvalidParameter, match="contexts must be finite, got nan"):
        bandit.update([0], [1.0], contexts=[[1.0, np.nan]])
    assert not bandit.state()["precision"].any()


@pytest.mark.parametrize(
    ("mean", "count", "message"),
    [
        (1.2, 3.0, r"prior means must lie in \(0.0, 1.0\), got 1.2"),
        (0.5, [1.0, np.inf], "prior counts must be finite and above 0"),
    ],
)
def test_bad_priors_are_refused(mean, count, message):
    bandit = BetaThompson()
    with pytest.raises(InvalidParameter, match=message):
        bandit.inform([0, 1], mean, count)
    assert not bandit.knows([0, 1]).any()


def test_bad_states_are_refused():
    bandit = BetaThompson(window=5)
    bandit.select([0, 1], rng())
    state = bandit.state()
    changes = {
        "count": (state["count"][:1], r"a saved count must have shape \(2,\) and kind float64"),
        "total": (state["total"].astype("float32"), "got .2,. and float32"),
        "arm": (np.array([1, 0]), "in ascending order"),
        "round": (np.zeros(1, np.int64), "a saved round must have 0 axes and kind int64"),
    }
    for name, (array, message) in changes.items():
        other = BetaThompson(window=5)
        with pytest.raises(InvalidParameter, match=message):
            other.restore(state | {name: array})
        assert len(other.state()["arm"]) == 0
    with pytest.raises(InvalidParameter, match="state of a BetaThompson must hold arm, count"):
        BetaThompson().restore(state)


def test_values_must_be_one_for_each_arm():
    class Short(Uniform):
        def values(self, arms, rng):
            return np.zeros(1)

    with pytest.raises(InvalidParameter, match=r"Short.values must give .* got shape \(1,\)"):
        Short().select([0, 1], rng())


# ------------------------------------------------------------------------------------ late news


@pytest.mark.parametrize("make", [BetaThompson, EXP3, LinearThompson])
def test_rewards_of_the_retired_are_told_apart_by_knows(make):
    bandit = make()
    chosen = bandit.select([3, 4], rng(), 2)
    bandit.retire([4])
    rewards = np.array([1.0, 1.0])
    with pytest.raises(InvalidParameter, match="arm 4 is unknown"):
        bandit.update(chosen, rewards)
    known = bandit.knows(chosen)
    bandit.update(chosen[known], rewards[known])
    assert chosen[known].tolist() == [3]


def test_a_bandit_needs_two_hooks():
    class Bare(Bandit):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Bare()
    assert [field.name for field in dataclasses.fields(Uniform)] == []

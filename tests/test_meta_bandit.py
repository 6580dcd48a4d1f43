"""A bandit over policies: it credits whom it asked, and comes to ask who earns."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from views import learned, view_of

from plastic.errors import InvalidParameter
from plastic.policies import (
    MetaBandit,
    Outcome,
    Proposal,
    Static,
    gradual_magnitude,
    random_rewiring,
    rigl,
    sparse_evolution,
    taylor_gradient,
    thompson,
)
from plastic.policies.meta_bandit import TREND_RATE


def three_arms(**options):
    arms = {"nothing": Static(), "set": sparse_evolution(), "random": random_rewiring()}
    return MetaBandit(arms, **options)


def after(policy, reward_of, rounds, seed=0):
    """Names of the arms asked in each round, when they earn what they are said to earn."""
    view, rng, asked = view_of(learned()), np.random.default_rng(seed), []
    before = np.zeros(len(policy.arms))
    for _ in range(rounds):
        proposal = policy.propose(view, rng)
        pulls = proposal.arms["pulls"][: len(policy.arms)]
        (chosen,) = np.flatnonzero(pulls - before)
        before = pulls
        asked.append(list(policy.arms)[chosen])
        policy.observe(Outcome(proposal, "", reward_of(asked[-1])))
    return asked


# ------------------------------------------------------------------------------------ choosing


@pytest.mark.parametrize("best", ["nothing", "set", "random"])
@pytest.mark.parametrize("level", [0.0, 10.0])
def test_it_comes_to_ask_the_arm_that_earns_most(best, level):
    noise = np.random.default_rng(1)
    policy = three_arms(discount=1.0)
    asked = after(policy, lambda name: level + (name == best) + 0.3 * noise.normal(), 150)
    assert Counter(asked[75:])[best] > 45


def test_uniform_asks_all_alike_whatever_they_earn():
    asked = after(three_arms(sampling="uniform"), lambda name: float(name == "set"), 300)
    assert all(70 < count < 130 for count in Counter(asked).values())


def test_mean_asks_the_arm_with_the_highest_posterior_mean():
    policy = three_arms(sampling="mean")
    after(policy, lambda name: float(name == "set"), 20)
    rows = policy.propose(view_of(learned()), np.random.default_rng(0)).arms
    assert policy._chosen == rows["posterior_mean"].argmax()


def test_what_the_chosen_arm_proposes_is_proposed():
    view = view_of(learned())
    for arm in (sparse_evolution(), thompson()):
        policy = MetaBandit({"only": arm})
        proposal = policy.propose(view, np.random.default_rng(0))
        kinds = [edit.kind for edit in proposal.edits]
        assert kinds == ["disconnect", "connect"]
        assert proposal.arms["arm"][0] == "only"
    assert len(proposal.arms["arm"]) > 20  # those of thompson come below
    assert MetaBandit({"only": Static()}).propose(view, np.random.default_rng(0)).edits == ()


# -------------------------------------------------------------------------------------- credit


def test_an_arm_earns_by_how_much_better_it_was_than_of_late():
    policy, rewards = MetaBandit({"only": Static()}, discount=0.5), [2.0, 3.0, 1.0]
    view, rng = view_of(learned()), np.random.default_rng(0)
    level, spread, count, total = 2.0, 1.0, 0.0, 0.0
    for step, reward in enumerate(rewards):
        rows = policy.propose(view, rng).arms
        policy.observe(Outcome(Proposal(), "", reward))
        shift = reward - level
        if step:  # the first reward is all there is to compare with, and earns nothing
            spread += TREND_RATE * (abs(shift) - spread)
        earned = shift / spread
        level += TREND_RATE * shift
        count, total = 0.5 * count + 1, 0.5 * total + earned
        mean, std = policy._bandit.posterior(np.arange(1))
        assert mean[0] == pytest.approx(total / (count + 1))
        assert std[0] == pytest.approx(1 / np.sqrt(count + 1))
        assert rows["pulls"].tolist() == [step + 1]
    assert policy.propose(view, rng).arms["reward"] == pytest.approx([earned])


def test_the_arm_that_was_asked_is_told_the_outcome():
    told = []

    class Listens(Static):
        def observe(self, outcome):
            told.append(outcome)

    policy = MetaBandit({"only": Listens()})
    policy.propose(view_of(learned()), np.random.default_rng(0))
    policy.observe(Outcome(Proposal(), "a rule", 1.0))
    assert [(each.refusal, each.reward) for each in told] == [("a rule", 1.0)]


def test_a_restored_bandit_goes_on_as_the_first():
    policy, again = three_arms(), three_arms()
    after(policy, lambda name: float(name == "set"), 12)
    again.restore(policy.state())
    asked = []
    for each in (policy, again):
        rng = np.random.default_rng(5)
        proposal = each.propose(view_of(learned()), rng)
        asked.append({name: values.tolist() for name, values in proposal.arms.items()})
    assert repr(asked[0]) == repr(asked[1])
    assert policy.state().keys() == again.state().keys()


# -------------------------------------------------------------------------------- the contract


def test_it_keeps_what_its_arms_need():
    arms = {"one": Static(), "two": taylor_gradient(), "three": thompson()}
    statistics = MetaBandit(arms).statistics
    assert statistics.saliency
    assert statistics.moments
    assert MetaBandit.wants_reward


def test_it_is_asked_at_the_steps_of_its_schedule():
    assert three_arms().steps(200).tolist() == sparse_evolution().steps(200).tolist()


def test_arms_are_asked_at_the_same_steps():
    policy = MetaBandit({"nothing": Static(), "rigl": rigl(every=30)})
    with pytest.raises(InvalidParameter, match="arm 'rigl' must be asked at the steps of the"):
        policy.steps(200)


def test_arms_start_at_the_density_asked_for():
    policy = MetaBandit({"nothing": Static(), "dense": gradual_magnitude()})
    with pytest.raises(InvalidParameter, match=r"arm 'dense' starts at density 1\.0, not at"):
        policy.begin(0.1)
    assert three_arms().begin(0.1) == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": {}}, "arms must hold at least one policy"),
        ({"sampling": "median"}, "sampling must be one of .* got 'median'"),
        ({"discount": 1.1}, r"discount must lie in \(0, 1\], got 1.1"),
        ({"every": 0}, "every must be a whole number of at least 1, got 0"),
    ],
)
def test_choices_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        MetaBandit(**{"arms": {"nothing": Static()}} | options)

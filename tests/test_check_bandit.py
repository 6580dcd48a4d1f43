"""Every bandit in conf/bandit keeps the contract, and every way to break it is found."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from experiments import regret as regret_program
from experiments.choices import build
from experiments.config import config_folder
from plastic.bandits import Bandit, BetaThompson, Greedy, Uniform
from plastic.checks import check_bandit
from plastic.checks.bandits import PROMISES
from plastic.errors import ContractBroken, InvalidParameter

ROSTER = sorted(path.stem for path in (config_folder() / "bandit").glob("*.yaml"))


@pytest.mark.parametrize("name", ROSTER)
def test_every_bandit_of_the_configuration_keeps_the_contract(name):
    assert regret_program.RegretConfig.study == "regret"  # its schema is registered
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("regret", overrides=[f"bandit={name}"])
    assert config.bandit.name == name
    check_bandit(lambda: build(config, "bandit"))


def test_there_is_a_roster_with_every_family_and_the_controls():
    families = {"beta", "gaussian", "normal_inverse_gamma", "bootstrap", "linear", "greedy"}
    assert families | {"epsilon_greedy", "ucb1", "kl_ucb", "exp3", "uniform"} <= set(ROSTER)
    assert {"beta_mean", "beta_uniform", "beta_discounted", "beta_windowed"} <= set(ROSTER)


# ------------------------------------------------------------------------- breaking a promise


class Elsewhere(BetaThompson):
    def select(self, arms, rng, count=1):
        return super().select(arms, rng, count) + 1


class Twice(BetaThompson):
    def select(self, arms, rng, count=1):
        chosen = super().select(arms, rng, count)
        chosen[..., 1:] = chosen[..., :1]
        return chosen


class OneTooFew(BetaThompson):
    def select(self, arms, rng, count=1):
        return super().select(arms, rng, max(count - 1, 1))


class NotANumber(BetaThompson):
    def values(self, arms, rng):
        return np.full(arms.shape, np.nan)


class DrawsFromNowhere(BetaThompson):
    def values(self, arms, rng):
        return super().values(arms, np.random.default_rng())


class DrawsFromNumPy(BetaThompson):
    def values(self, arms, rng):
        np.random.rand()  # noqa: NPY002 - the breach to be caught
        return super().values(arms, rng)


class DrawsFromPython(BetaThompson):
    def values(self, arms, rng):
        random.random()
        return super().values(arms, rng)


class RemembersOnTheSide(BetaThompson):
    n = 0

    def learn(self, positions, rewards):
        super().learn(positions, rewards)
        self.n += len(positions)

    def values(self, arms, rng):
        return super().values(arms, rng) * (-1 if self.n > 50 else 1)


class SavesText(BetaThompson):
    def state(self):
        return super().state() | {"name": np.array("beta")}

    def restore(self, state):
        super().restore({name: array for name, array in state.items() if name != "name"})


class LastRewardCounts(Greedy):
    def columns(self):
        return super().columns() | {"last": np.zeros(())}

    def learn(self, positions, rewards):
        super().learn(positions, rewards)
        self._arms["last"][positions] = rewards

    def values(self, arms, rng):
        return self._arms["last"][self._arms.at(arms)]


class FearsTheNew(BetaThompson):
    def values(self, arms, rng):
        return np.where(self.statistics(arms)[0] > 0, super().values(arms, rng), -arms)


class KeepsTheDead(BetaThompson):
    def retire(self, arms):
        pass


class KeepsATrace(BetaThompson):
    def common(self):
        return super().common() | {"gone": np.zeros(0)}

    def forget(self, arms):
        self._common["gone"] = np.append(self._common["gone"], np.ones(100))


class KnowsItAgain(BetaThompson):
    def values(self, arms, rng):
        return super().values(arms, rng) + (arms == 21)


class Loops(BetaThompson):
    def learn(self, positions, rewards):
        for position in range(len(positions)):
            super().learn(positions[position : position + 1], rewards[position : position + 1])


class LoopsOnOneLine(Greedy):
    def values(self, arms, rng):
        mean = super().values(arms, rng)
        return np.array([1.0 * value for value in mean.ravel()]).reshape(mean.shape)


class Overwrites(BetaThompson):
    def update(self, arms, rewards):
        super().update(arms, rewards)
        np.asarray(rewards)[...] = 0.0


class SortsWhatItGets(BetaThompson):
    def update(self, arms, rewards):
        super().update(arms, rewards)
        if isinstance(arms, np.ndarray):
            arms[...] = arms[..., ::-1]


class SharesItsState(BetaThompson):
    def restore(self, state):
        super().restore(state)
        self._arms._columns["total"] = state["total"]


class TakesAnything(BetaThompson):
    reward_range = (-100.0, 100.0)

    def update(self, arms, rewards):
        super().update(arms, np.nan_to_num(rewards, posinf=1.0))


class LearnsBeforeItLooks(BetaThompson):
    def update(self, arms, rewards):
        self._common["round"] += 1
        super().update(arms, rewards)


class LikesTheWorst(Greedy):
    explores = False

    def values(self, arms, rng):
        return -super().values(arms, rng)


class NoPreferenceItSays(Greedy):
    has_preference = False


@dataclass(frozen=True)
class Breach:
    """A bandit that breaks a promise, and what the message must say."""

    make: Callable[[], Bandit]
    promise: str
    message: str


BREACHES = [
    Breach(Elsewhere, "chooses distinct arms", "of the arms [7] it chooses [8]"),
    Breach(Twice, "chooses distinct arms", "of the arms [4, 2, 9, 11] it chooses ["),
    Breach(OneTooFew, "chooses distinct arms", "of arms of shape (4,), 2 come as (1,)"),
    Breach(NotANumber, "chooses distinct arms", "got shape (1,), 1 of them NaN"),
    Breach(DrawsFromNowhere, "chooses the same under", "two runs of seed 0"),
    Breach(DrawsFromNumPy, "leaves the global random state", "state of numpy.random"),
    Breach(DrawsFromPython, "leaves the global random state", "state of random"),
    Breach(RemembersOnTheSide, "goes on from a saved state", "in another way"),
    Breach(SavesText, "goes on from a saved state", "name, which is not an array of numbers"),
    Breach(LastRewardCounts, "learns the same from late", "late and in parts"),
    Breach(FearsTheNew, "explores newborn arms", "in 100% of the runs"),
    Breach(KeepsTheDead, "forgets retired arms", "still knows an arm"),
    Breach(KeepsATrace, "forgets retired arms", "holds more than before"),
    Breach(KnowsItAgain, "forgets retired arms", "offered again it is worth"),
    Breach(Loops, "treats many arms in vectors", "10000 arms run"),
    Breach(LoopsOnOneLine, "treats many arms in vectors", "10000 arms run"),
    Breach(Overwrites, "leaves what it is given", "rewards are changed"),
    Breach(SortsWhatItGets, "leaves what it is given", "arms are changed"),
    Breach(SharesItsState, "leaves what it is given", "a state that was handed out changes"),
    Breach(TakesAnything, "refuses what makes no sense", "update takes NaN as a reward"),
    Breach(LearnsBeforeItLooks, "refuses what makes no sense", "refused, but something"),
    Breach(LikesTheWorst, "finds the best arm", "of its pulls go to the best of three"),
    Breach(NoPreferenceItSays, "finds the best arm", "it has no preference, but pulls"),
]


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.make.__name__)
def test_a_breach_is_found_and_named(breach):
    with pytest.raises(ContractBroken) as caught:
        check_bandit(breach.make, n_many=10_000)
    message = str(caught.value)
    assert message.startswith(f"a bandit {breach.promise}")
    assert "; this one does not: " in message
    assert breach.message in message


def test_every_promise_is_broken_by_one_of_them():
    broken = {
        name for name in PROMISES for breach in BREACHES if name.startswith(breach.promise)
    }
    assert broken == set(PROMISES)


def test_what_went_wrong_inside_is_the_cause():
    with pytest.raises(ContractBroken) as caught:
        check_bandit(NotANumber)
    assert isinstance(caught.value.__cause__, InvalidParameter)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_rounds": 29}, "n_rounds must be a whole number of at least 30"),
        ({"n_many": 999}, "n_many must be a whole number of at least 1000"),
    ],
)
def test_there_must_be_enough_to_see_anything(settings, message):
    with pytest.raises(InvalidParameter, match=message):
        check_bandit(Uniform, **settings)


def test_a_pessimist_does_not_keep_the_contract():
    with pytest.raises(ContractBroken, match="explores newborn arms"):
        check_bandit(lambda: BetaThompson(prior_mean=1 / 21, prior_count=21.0), n_many=1000)

"""A bandit whose arms are policies, the one that does nothing among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits import GaussianThompson
from plastic.engine import Statistics
from plastic.errors import InvalidParameter
from plastic.policies.base import Outcome, Policy, Proposal, checked, stack_arms
from plastic.policies.memory import Array, State, gather, hand_out, take_first
from plastic.policies.parts import UpdateSchedule, together
from plastic.signals import NetworkView

TREND_RATE = 0.3
"""Weight of the last reward in what is expected of the next one."""


@final
@dataclass
class MetaBandit(Policy):
    r"""Asks one of several policies at each update, by how the reward loss fell after each.

    The loss falls anyway, and less and less, so an arm earns by how much more it fell than of
    late, :math:`x = (r - b) / s`, with moving averages `b` of the rewards and `s` of how far
    they are from it.  Each arm has a Gaussian posterior with the prior :math:`N(0, 1)` and
    noise of variance 1; old rewards are discounted at each update.

    Parameters
    ----------
    arms : mapping of str to Policy
        By name; each is asked at the steps given here, or never.
    every, until
        When to choose, as for `plastic.policies.parts.UpdateSchedule`.
    sampling : {"thompson", "mean", "uniform"}
        Whether arms are sampled from their posteriors, taken at their posterior means, or
        drawn by lot; the last two are the controls.
    discount : float
        What is left of old rewards at each update, in (0, 1].

    Raises
    ------
    InvalidParameter
        If there is no arm, or one is asked at other steps or wants another start.
    """

    wants_reward: ClassVar[bool] = True
    arms: Mapping[str, Policy]
    every: int = 40
    until: float = 0.75
    sampling: str = "thompson"
    discount: float = 0.95
    _pulls: NDArray[np.int64] = field(init=False, repr=False)
    _chosen: int = field(default=-1, init=False, repr=False)
    _trend: Array = field(default_factory=lambda: np.zeros(3), init=False, repr=False)

    def __post_init__(self) -> None:
        self._schedule = UpdateSchedule(self.every, self.until)
        if not self.arms:
            raise InvalidParameter("arms must hold at least one policy")
        self._bandit = GaussianThompson(discount=self.discount, sampling=self.sampling)
        self._pulls = np.zeros(len(self.arms), np.int64)

    @property
    def statistics(self) -> Statistics:
        """What the arms need together."""
        return together(arm.statistics for arm in self.arms.values())

    def begin(self, density: float) -> float:
        """Where all the arms want to start."""
        starts = {name: arm.begin(density) for name, arm in self.arms.items()}
        for name, start in starts.items():
            if start != density:
                raise InvalidParameter(
                    f"arm {name!r} starts at density {start}, not at the {density} asked for"
                )
        return density

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """The steps of the schedule."""
        steps = self._schedule.steps(n_steps)
        for name, arm in self.arms.items():
            own = arm.steps(n_steps)
            if len(own) and not np.array_equal(own, steps):
                raise InvalidParameter(
                    f"arm {name!r} must be asked at the steps of the bandit, every "
                    f"{self.every} until {self.until} of training, or never"
                )
        return steps

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """What the chosen arm proposes."""
        n, last, names = len(self.arms), self._chosen, list(self.arms)
        (self._chosen,) = self._bandit.select(np.arange(n), rng).tolist()
        mean, std = self._bandit.posterior(np.arange(n))
        self._pulls[self._chosen] += 1
        arm = self.arms[names[self._chosen]]
        proposal = checked(arm.propose(view, rng), arm)
        rows = {
            "arm": np.array(names, object),
            "pulls": self._pulls.copy(),
            "posterior_mean": mean,
            "posterior_std": std,
            "sampled": np.full(n, np.nan),  # the bandit keeps its draws to itself
            "reward": np.where(np.arange(n) == last, self._trend[2], np.nan),
        }
        return Proposal(proposal.edits, stack_arms([rows, proposal.arms]))

    def observe(self, outcome: Outcome) -> None:
        """Credit the last choice, and tell the arm that was chosen."""
        level, spread, _ = self._trend
        first = self._pulls.sum() == 1
        shift = 0.0 if first else outcome.reward - level
        spread = spread + TREND_RATE * (abs(shift) - spread) if spread else abs(shift)
        earned = shift / max(spread, 1e-12)
        level = outcome.reward if first else level + TREND_RATE * shift
        self._trend = np.array([level, spread, earned])
        self._bandit.update([self._chosen], [earned])
        list(self.arms.values())[self._chosen].observe(outcome)

    def state(self) -> State:
        """Posteriors, trend, last choice, and what the arms remember."""
        own = {"pulls": self._pulls.copy(), "trend": self._trend.copy()}
        own["chosen"] = np.array(self._chosen)
        return own | gather(self._parts)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """All of it as it was."""
        (self._pulls, self._trend, chosen), of_parts = take_first(
            state, ["pulls", "trend", "chosen"]
        )
        self._chosen = int(chosen)
        hand_out(self._parts, of_parts)

    @property
    def _parts(self) -> dict[str, object]:
        return {"bandit": self._bandit} | {
            f"arm:{name}": arm for name, arm in self.arms.items()
        }

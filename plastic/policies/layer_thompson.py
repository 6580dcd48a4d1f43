"""Thompson sampling over blocks: which layers grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator

from plastic.bandits import SAMPLINGS, draw
from plastic.errors import check_count, check_in, check_range
from plastic.policies.allocation import Allotment, what_may_move
from plastic.policies.growth import GradientGrowth
from plastic.policies.memory import Array, State, take
from plastic.policies.parts import Magnitude, UpdateSchedule
from plastic.policies.rewiring import Rewiring
from plastic.signals import NetworkView


def layer_thompson(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    sampling: str = "thompson",
    pulls: int = 20,
    discount: float = 0.8,
) -> Rewiring:
    """RigL, but a bandit says in which blocks connections are grown.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    sampling : {"thompson", "mean", "uniform"}
        Whether blocks are sampled from their posteriors, taken at their posterior means, or
        all taken alike; the last two are the controls.
    pulls : int
        Parts that the connections of an update are handed out in.
    discount : float
        What is left of old successes at each update.

    See Also
    --------
    SampledBlocks : the allocation.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    blocks = SampledBlocks(sampling, pulls, discount)
    return Rewiring(Magnitude(), GradientGrowth(), schedule, blocks)


@dataclass
class SampledBlocks:
    """Every block loses the same share; what is grown goes to the block with the best draw.

    A connection that was grown succeeds if, at the next update, it is worth more than the
    median of all that were grown with it, whichever block they are in.  A block's success rate
    has the mean and variance of a Beta posterior with a flat prior; each update counts as so
    many trials as there are pulls.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
        With ``uniform``, blocks are drawn by lot.
    pulls : int
        Parts that the connections of an update are handed out in, each to the block whose draw
        is the highest of those with room.
    discount : float
        What is left of old successes and failures at each update, in [0, 1].
    """

    sampling: str = "thompson"
    pulls: int = 20
    discount: float = 0.8
    _wins: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _losses: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _pulled: Array = field(default_factory=lambda: np.zeros(0, int), init=False, repr=False)
    _next_id: int = field(default=-1, init=False, repr=False)

    def __post_init__(self) -> None:
        check_in("sampling", self.sampling, SAMPLINGS)
        check_count("pulls", self.pulls)
        check_range("discount", self.discount, 0, 1)

    def __call__(
        self, view: NetworkView, scores: Array, share: float, rng: Generator
    ) -> list[Allotment]:
        """The total of what is pruned, spread over the blocks by draws."""
        reward = self._learn(view, scores)
        prune, room = what_may_move(view, share)
        parts = [len(part) for part in np.array_split(np.arange(prune.sum()), self.pulls)]
        mean, std = beta_moments(1 + self._wins, 1 + self._losses)
        grow = np.zeros(len(prune), np.int64)
        for part in filter(None, parts):
            drawn = draw(self.sampling, mean, std, rng)
            for block in np.lexsort((rng.random(len(drawn)), -drawn)):
                taken = min(part, int(room[block] - grow[block]))
                grow[block] += taken
                self._pulled[block] += taken > 0
                part -= taken
        arms: dict[str, Any] = {
            "arm": [f"block:{block.name}" for block in view.blocks],
            "pulls": self._pulled.tolist(),
            "posterior_mean": mean.tolist(),
            "posterior_std": std.tolist(),
            "sampled": [np.nan] * len(grow),  # there is one draw a pull
            "reward": reward.tolist(),
        }
        rows = [dict(zip(arms, row, strict=True)) for row in zip(*arms.values(), strict=True)]
        return [
            Allotment(lost, gained, row)
            for lost, gained, row in zip(prune.tolist(), grow.tolist(), rows, strict=True)
        ]

    def _learn(self, view: NetworkView, scores: Array) -> Array:
        """Count the successes of what was grown at the last update; their share by block."""
        ids, blocks = view.structure.connection_ids, view.blocks
        if not len(self._wins):
            self._wins, self._losses = np.zeros(len(blocks)), np.zeros(len(blocks))
            self._pulled = np.zeros(len(blocks), np.int64)
        born = (ids >= self._next_id) & (self._next_id >= 0)
        self._next_id = int(ids.max(initial=-1)) + 1
        bar = np.median(scores[born]) if born.any() else 0.0
        rates = np.array(
            [
                np.mean(scores[at] > bar) if len(at) else np.nan
                for at in (block.positions[born[block.positions]] for block in blocks)
            ]
        )
        trials = np.where(np.isnan(rates), 0.0, self.pulls)
        won = np.where(np.isnan(rates), 0.0, rates) * trials
        self._wins = self.discount * self._wins + won
        self._losses = self.discount * self._losses + trials - won
        return rates

    def state(self) -> State:
        """Successes, failures and pulls by block, and which connections are newborn."""
        return {
            "wins": self._wins.copy(),
            "losses": self._losses.copy(),
            "pulled": self._pulled.copy(),
            "next_id": np.array(self._next_id),
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """All of it as it was."""
        names = ["wins", "losses", "pulled", "next_id"]
        self._wins, self._losses, self._pulled, next_id = take(state, names)
        self._next_id = int(next_id)


def beta_moments(a: Array, b: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of Beta distributions.

    Examples
    --------
    >>> beta_moments(np.array([1.0]), np.array([1.0]))[1].round(4)  # the root of 1 / 12
    array([0.2887])
    """
    n = a + b
    mean = a / n
    return mean, np.sqrt(mean * (1 - mean) / (n + 1))

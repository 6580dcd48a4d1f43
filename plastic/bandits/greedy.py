"""The best so far, with or without a share of chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from plastic.bandits.base import Array, Ids
from plastic.bandits.counting import Counting, mean_of
from plastic.errors import check_range


@dataclass(kw_only=True, eq=False)
class Greedy(Counting):
    r"""Pulls what has earned most on average; arms without rewards go first.

    .. math:: v = S / n

    Examples
    --------
    >>> bandit, rng = Greedy(), np.random.default_rng(0)
    >>> bandit.select([0, 1], rng, count=2)
    array([0, 1])
    >>> bandit.update([0, 1], [0.3, 0.7])
    >>> bandit.select([0, 1], rng)
    array([1])
    """

    def values(self, arms: Ids, rng: Generator) -> Array:
        """Mean rewards."""
        count, total, _ = self.statistics(arms)
        return mean_of(count, total, unseen=np.inf)


@dataclass(kw_only=True, eq=False)
class EpsilonGreedy(Greedy):
    r"""Greedy, but with probability :math:`\varepsilon` a whole choice is made at random.

    Parameters
    ----------
    epsilon : float
        In [0, 1].

    References
    ----------
    Sutton and Barto (2018), Reinforcement Learning, section 2.2.
    """

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, 1)
        super().__post_init__()

    @property
    def has_preference(self) -> bool:
        """Unless everything is left to chance."""
        return self.epsilon < 1

    def values(self, arms: Ids, rng: Generator) -> Array:
        """Mean rewards, or for some choices the same for all."""
        explore = rng.random((*arms.shape[:-1], 1)) < self.epsilon
        return np.where(explore, 0.0, super().values(arms, rng))

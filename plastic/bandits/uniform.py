"""No preference at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from plastic.bandits.base import Array, Bandit, Ids


@dataclass(kw_only=True, eq=False)
class Uniform(Bandit):
    r"""Chooses at random, and learns nothing: the control of every other bandit.

    .. math:: P(a) = 1 / K

    Examples
    --------
    >>> Uniform().select([2, 5, 9], np.random.default_rng(0), count=3)
    array([9, 2, 5])
    """

    @property
    def has_preference(self) -> bool:
        """None, ever."""
        return False

    def values(self, arms: Ids, rng: Generator) -> Array:
        """The same for all; ties are broken at random."""
        return np.zeros(arms.shape)

    def learn(self, positions: Ids, rewards: Array) -> None:
        """Nothing."""

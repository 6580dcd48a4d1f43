"""Optimism: upper confidence bounds from Hoeffding's and Chernoff's inequality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from plastic.bandits.base import Array, Ids
from plastic.bandits.counting import Counting, mean_of
from plastic.errors import check_range


@dataclass(kw_only=True, eq=False)
class UCB1(Counting):
    r"""Upper confidence bound of Hoeffding's inequality.

    .. math:: v_a = \bar r_a + \sqrt{\frac{\xi \ln t}{n_a}}, \quad t = \sum_b n_b

    The sum goes over the arms on offer in a choice, with discounted or windowed counts where
    there are such; so with a discount this is D-UCB, with a window SW-UCB.  An arm without
    rewards goes first.

    Parameters
    ----------
    exploration : float
        :math:`\xi`, at least 0; 2 is UCB1's.

    References
    ----------
    Auer, Cesa-Bianchi and Fischer (2002), Finite-time Analysis of the Multiarmed Bandit
    Problem, figure 1.

    Examples
    --------
    >>> bandit, rng = UCB1(), np.random.default_rng(0)
    >>> bandit.select([0, 1], rng, count=2)
    array([0, 1])
    >>> bandit.update([0, 1, 1], [0.5, 0.5, 0.5])
    >>> bandit.values(np.array([0, 1]), rng)
    array([1.98230381, 1.54814707])
    """

    exploration: float = 2.0

    def __post_init__(self) -> None:
        check_range("exploration", self.exploration, 0, np.inf, open_high=True)
        super().__post_init__()

    def values(self, arms: Ids, rng: Generator) -> Array:
        """Upper confidence bounds."""
        count, total, _ = self.statistics(arms)
        mean = mean_of(count, total, unseen=0.0)
        bound = self.bound(mean, np.where(count > 0, count, 1.0), log_rounds(count))
        return np.where(count > 0, bound, np.inf)

    def bound(self, mean: Array, count: Array, log_t: Array) -> Array:
        r"""The bound from mean, count and :math:`\ln t`; what variants differ in."""
        return mean + np.sqrt(self.exploration * log_t / count)


@dataclass(kw_only=True, eq=False)
class ChernoffUCB(UCB1):
    r"""Upper confidence bound of Chernoff's inequality, tighter where rewards are rare.

    .. math:: v_a = \bar r_a + \sqrt{\frac{2 \bar r_a L}{n_a}} + \frac{2 L}{n_a}, \quad
              L = \xi \ln t

    Parameters
    ----------
    exploration : float
        :math:`\xi`, at least 0; 1/2 is the source's :math:`\ln (1/\delta)` at
        :math:`\delta = \sqrt{1/t}`.

    References
    ----------
    Chapelle and Li (2011), An Empirical Evaluation of Thompson Sampling, section 3: the
    "UCB" of its figures and of its table 1.
    """

    exploration: float = 0.5

    def bound(self, mean: Array, count: Array, log_t: Array) -> Array:
        """Chernoff's bound."""
        level = self.exploration * log_t / count
        return mean + np.sqrt(2 * np.maximum(mean, 0.0) * level) + 2 * level


def log_rounds(count: Array) -> Array:
    r""":math:`\ln t` of each choice, at least 0; shape (..., 1)."""
    return np.log(np.maximum(count.sum(axis=-1, keepdims=True), 1.0))

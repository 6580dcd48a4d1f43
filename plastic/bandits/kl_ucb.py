"""Optimism with the divergence that the lower bound is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from scipy.special import rel_entr

from plastic.bandits.base import Array, Ids
from plastic.bandits.counting import Counting, mean_of
from plastic.bandits.ucb import log_rounds
from plastic.errors import check_range

MOST_STEPS = 50
"""Of Newton's method; it is seen to take up to 10."""


@dataclass(kw_only=True, eq=False)
class KLUCB(Counting):
    r"""Upper confidence bound of the Bernoulli divergence, for rewards in [0, 1].

    .. math:: v_a = \max \left\{ q : n_a\, d(\bar r_a, q) \le
              \ln t + c \ln \max(\ln t, 1) \right\}, \quad
              d(p, q) = p \ln \frac pq + (1 - p) \ln \frac{1 - p}{1 - q}

    with t as in `plastic.bandits.UCB1`.  An arm without rewards is worth 1.

    Parameters
    ----------
    correction : float
        c, at least 0: 3 in the source's theory, 0 as it recommends in practice.

    References
    ----------
    Garivier and Cappé (2011), The KL-UCB Algorithm for Bounded Stochastic Bandits and
    Beyond, arXiv:1102.2490, algorithm 1.

    Examples
    --------
    >>> bandit, rng = KLUCB(), np.random.default_rng(0)
    >>> bandit.select([0, 1], rng, count=2)
    array([0, 1])
    >>> bandit.update([0, 1, 1], [0.5, 0.5, 0.5])
    >>> bandit.values(np.array([0, 1]), rng).round(6)
    array([0.971405, 0.908248])
    """

    reward_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    correction: float = 0.0

    def __post_init__(self) -> None:
        check_range("correction", self.correction, 0, np.inf, open_high=True)
        super().__post_init__()

    def values(self, arms: Ids, rng: Generator) -> Array:
        """Upper confidence bounds."""
        count, total, _ = self.statistics(arms)
        log_t = log_rounds(count)
        budget = log_t + self.correction * np.log(np.maximum(log_t, 1.0))
        mean = np.clip(mean_of(count, total, unseen=1.0), 0.0, 1.0)
        return bernoulli_bound(mean, budget / np.where(count > 0, count, 1.0))


def bernoulli_bound(mean: Array, level: Array) -> Array:
    r"""The largest q with :math:`d(p, q)` up to a level, to about 1e-13.

    Newton's method in :math:`x = -\ln(1 - q)`, in which d is convex: from above the solution
    it stays above.  It starts from the lower of two bounds, Pinsker's
    :math:`q \le p + \sqrt{L/2}` and :math:`x \le (L + \ln 2) / (1 - p)`.

    Parameters
    ----------
    mean, level : float arrays of one shape
        p in [0, 1], and L from 0.

    Examples
    --------
    >>> bernoulli_bound(np.array([0.0, 0.5, 1.0]), np.array([np.log(2), 0.0, 3.0]))
    array([0.5, 0.5, 1. ])
    """
    bound = np.array(mean, float)
    left = np.flatnonzero((level > 0) & (mean < 1))
    flat, p, budget = bound.ravel(), mean.ravel()[left], level.ravel()[left]
    pinsker = np.minimum(p + np.sqrt(budget / 2), 1 - 2.0**-53)
    x = np.minimum(-np.log1p(-pinsker), (budget + np.log(2)) / (1 - p))
    for _ in range(MOST_STEPS):
        q = -np.expm1(-x)
        flat[left] = np.maximum(q, p)
        open_ = q > p
        divergence = rel_entr(p, q) + rel_entr(1 - p, np.exp(-x))
        step = (divergence - budget) * q / np.where(open_, q - p, 1.0)
        lower = -np.expm1(step - x)
        going = open_ & (q - lower > 1e-14)
        if not going.any():
            break
        left, p, budget = left[going], p[going], budget[going]
        x = (x - step)[going]
    return bound

"""Sampling from a posterior, and its two honest controls, switched by one value.

Whether sampling is what helps is a question that a comparison must answer, so whatever
samples in plastic does it through `draw`:

=========  ==============================================================================
sampling   value of each arm
=========  ==============================================================================
thompson   drawn from its posterior (Thompson, 1933)
mean       its posterior mean: the same statistics, no sampling
uniform    the same for every arm: no statistics either
=========  ==============================================================================
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from plastic.bandits.base import Bandit, Ids, check_arms, highest
from plastic.bandits.counting import Counting
from plastic.errors import InvalidParameter, check_in, check_range

SAMPLINGS = ("thompson", "mean", "uniform")

MOST_DRAWS = 20
"""Samples that top-two Thompson sampling draws in search of another leader."""

Array = NDArray[np.floating]


def draw(sampling: str, mean: Array, std: Array, rng: Generator) -> Array:
    """Value of each arm in this round.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
    mean, std : float arrays, shape (..., n_arms)
        Of a Gaussian posterior.
    rng : Generator

    Returns
    -------
    float array, shape (..., n_arms)

    Raises
    ------
    InvalidParameter
        If there is no such sampling.

    Examples
    --------
    >>> mean, std = np.array([1.0, 2.0]), np.array([0.1, 0.1])
    >>> draw("mean", mean, std, np.random.default_rng(0))
    array([1., 2.])
    """
    check_in("sampling", sampling, SAMPLINGS)
    if sampling == "thompson":
        return mean + std * rng.standard_normal(mean.shape)
    return mean.copy() if sampling == "mean" else np.ones(mean.shape)


def standard_error(count: Array, variance: Array) -> Array:
    r"""Standard deviation of the posterior of a mean, :math:`\sqrt{\sigma^2 / n}`.

    Parameters
    ----------
    count : float array, shape (n_arms,)
        Discounted number of observations; may be 0.
    variance : float array, shape (n_arms,)
        Of one observation.
    """
    return np.sqrt((variance + 1e-12) / np.maximum(count, 1e-3))


@dataclass(kw_only=True, eq=False)
class Posterior(Bandit):
    r"""Values arms by what is believed of their mean reward; families say what that is.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
        See the module; the two controls know as much as Thompson sampling does.
    variance_scale : float
        Above 0.  The variance of the posterior is multiplied by it: below 1 sharpens, and
        explores less (Chapelle and Li 2011, section 3, "posterior reshaping").
    leader_probability : float
        In [0, 1].  1 is Thompson sampling; below, top-two Thompson sampling: with this
        probability the arm that leads a sample is pulled, otherwise samples are drawn until
        another one leads.  1/2 finds out fast which arm is best, at the price of regret
        (Russo 2016, Simple Bayesian Algorithms for Best Arm Identification,
        arXiv:1602.08448, section 4.3).  After `MOST_DRAWS` samples the leader is left out of
        the last one instead.

    Raises
    ------
    InvalidParameter
        If they are not so.
    """

    sampling: str = "thompson"
    variance_scale: float = 1.0
    leader_probability: float = 1.0

    def __post_init__(self) -> None:
        check_in("sampling", self.sampling, SAMPLINGS)
        infinity = float("inf")
        check_range(
            "variance_scale", self.variance_scale, 0, infinity, open_low=True, open_high=True
        )
        check_range("leader_probability", self.leader_probability, 0, 1)
        super().__post_init__()

    @property
    def has_preference(self) -> bool:
        """Unless it is the uniform control."""
        return self.sampling != "uniform"

    @property
    def explores(self) -> bool:
        """Unless it is the control that takes the mean."""
        return self.sampling != "mean"

    @abstractmethod
    def posterior(self, arms: Ids) -> tuple[Array, Array]:
        """Mean and standard deviation of what is believed of known arms.

        Parameters
        ----------
        arms : int array, shape (..., n_arms)

        Returns
        -------
        two float arrays of the same shape
        """

    def sample(self, arms: Ids, rng: Generator) -> Array:
        """One joint sample of the posterior of known arms; Gaussian unless a family differs."""
        return draw("thompson", *self.posterior(arms), rng)

    def values(self, arms: Ids, rng: Generator) -> Array:
        """A sample, the mean, or the same for all."""
        if self.sampling == "uniform":
            return np.ones(arms.shape)
        values = self._draw(arms, rng)
        if self.leader_probability == 1:
            return values
        return self._challenge(np.atleast_2d(arms), np.atleast_2d(values), rng).reshape(
            arms.shape
        )

    def _draw(self, arms: Ids, rng: Generator) -> Array:
        return self.posterior(arms)[0] if self.sampling == "mean" else self.sample(arms, rng)

    def _draw_rows(self, arms: Ids, rows: Ids, rng: Generator) -> Array:
        return self._draw(arms[rows], rng)

    def _challenge(self, arms: Ids, values: Array, rng: Generator) -> Array:
        """Values in which, for some of the rows, not the first leader leads."""
        leader = highest(values, 1, rng)
        rows = np.flatnonzero(rng.random(len(arms)) >= self.leader_probability)
        for _ in range(MOST_DRAWS):
            if not len(rows):
                return values
            values[rows] = self._draw_rows(arms, rows, rng)
            rows = rows[highest(values[rows], 1, rng)[:, 0] == leader[rows, 0]]
        values[rows, leader[rows, 0]] = -np.inf
        return values


@dataclass(kw_only=True, eq=False)
class Conjugate(Posterior, Counting):
    r"""A posterior whose prior counts as :math:`n_0` rewards of mean :math:`m_0`.

    The prior neither fades with a discount nor leaves a window: what is forgotten makes room
    for it again.

    Parameters
    ----------
    prior_mean : float
        :math:`m_0`, of newborn arms.
    prior_count : float
        :math:`n_0`, above 0.
    """

    means: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    """Between which a prior mean must lie."""

    prior_mean: float = 0.0
    prior_count: float = 1.0

    def __post_init__(self) -> None:
        low, high = self.means
        check_range("prior_mean", self.prior_mean, low, high, open_low=True, open_high=True)
        check_range("prior_count", self.prior_count, 0, np.inf, open_low=True, open_high=True)
        super().__post_init__()

    def columns(self) -> dict[str, Array]:
        """The prior of each arm beside its statistics."""
        return super().columns() | {
            "prior_mean": np.array(float(self.prior_mean)),
            "prior_count": np.array(float(self.prior_count)),
        }

    def inform(self, arms: ArrayLike, mean: ArrayLike, count: ArrayLike) -> None:
        r"""Give arms priors of their own; those not seen before are born.

        Parameters
        ----------
        arms : int array, shape (n,)
        mean, count : float, or float arrays of shape (n,)
            :math:`m_0` and :math:`n_0` of each; what has been learned stays.

        Raises
        ------
        InvalidParameter
            If a mean or count is outside of its range; nothing is changed then.
        """
        told = check_arms(arms)
        means = np.broadcast_to(np.asarray(mean, float), told.shape)
        counts = np.broadcast_to(np.asarray(count, float), told.shape)
        low, high = self.means
        if not ((means > low) & (means < high)).all():
            raise InvalidParameter(f"prior means must lie in ({low}, {high}), got {mean!r}")
        if not ((counts > 0) & np.isfinite(counts)).all():
            raise InvalidParameter(f"prior counts must be finite and above 0, got {count!r}")
        self._arms.admit(told)
        at = self._arms.at(told)
        self._arms["prior_mean"][at], self._arms["prior_count"][at] = means, counts

    def prior(self, arms: Ids) -> tuple[Array, Array]:
        r""":math:`m_0` and :math:`n_0` of known arms."""
        at = self._arms.at(arms)
        return self._arms["prior_mean"][at], self._arms["prior_count"][at]

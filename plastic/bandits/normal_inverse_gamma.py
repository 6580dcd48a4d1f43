"""Thompson sampling for rewards with Gaussian noise of unknown variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from plastic.bandits.base import Array, Ids
from plastic.bandits.posterior import Conjugate
from plastic.errors import check_range


@dataclass(kw_only=True, eq=False)
class NormalInverseGammaThompson(Conjugate):
    r"""Thompson sampling that estimates mean and variance of each arm.

    .. math:: \sigma^2 \sim \mathrm{InvGamma}(a, b), \quad
              \mu \mid \sigma^2 \sim N(m, \sigma^2 / k)

    .. math:: k = n_0 + n, \quad m = \frac{n_0 m_0 + S}{k}, \quad a = a_0 + \frac n2, \quad
              b = a_0 \sigma_0^2 + \frac Q2 + \frac{n_0 n}{2 k} (S/n - m_0)^2

    where n rewards added up to S with scatter Q.  The mean alone follows Student's t
    distribution with 2a degrees of freedom, centre m and squared width b / (a k).

    Parameters
    ----------
    prior_mean : float
        :math:`m_0`.
    prior_count : float
        :math:`n_0`, above 0.
    prior_variance : float
        :math:`\sigma_0^2`, a guess at the variance of one reward, above 0.
    prior_shape : float
        :math:`a_0`, above 0: the guess counts as twice as many rewards.

    References
    ----------
    Murphy (2007), Conjugate Bayesian analysis of the Gaussian distribution, equations 85-89
    and 110.  Honda and Takemura (2014), arXiv:1311.1894, on how much the prior matters.

    Examples
    --------
    >>> bandit, rng = NormalInverseGammaThompson(), np.random.default_rng(0)
    >>> bandit.select([0, 1], rng)
    array([0])
    >>> bandit.update([0, 0], [1.0, 3.0])
    >>> [column.tolist() for column in bandit.parameters(np.array([0]))]
    [[1.3333333333333333], [3.0], [2.0], [3.333333333333333]]
    """

    prior_variance: float = 1.0
    prior_shape: float = 1.0

    def __post_init__(self) -> None:
        for name in ("prior_variance", "prior_shape"):
            check_range(name, getattr(self, name), 0, np.inf, open_low=True, open_high=True)
        super().__post_init__()

    def parameters(self, arms: Ids) -> tuple[Array, Array, Array, Array]:
        """m, k, a and b of known arms."""
        (mean, weight), (count, total, scatter) = self.prior(arms), self.statistics(arms)
        both = weight + count
        # n (S/n - m0)^2 without dividing by an n of 0
        shift = total - count * mean
        off = shift**2 / np.where(count > 0, count, 1.0)
        rate = self.prior_shape * self.prior_variance + (scatter + weight * off / both) / 2
        return (weight * mean + total) / both, both, self.prior_shape + count / 2, rate

    def posterior(self, arms: Ids) -> tuple[Array, Array]:
        """Mean and standard deviation of the mean reward; infinite up to a = 1."""
        mean, weight, shape, rate = self.parameters(arms)
        beyond = np.where(shape > 1, shape - 1, 1.0)
        variance = np.where(shape > 1, rate / (beyond * weight), np.inf)
        return mean, np.sqrt(self.variance_scale * variance)

    def sample(self, arms: Ids, rng: Generator) -> Array:
        """A variance, then a mean given the variance."""
        mean, weight, shape, rate = self.parameters(arms)
        variance = self.variance_scale * rate / (weight * rng.standard_gamma(shape))
        return mean + np.sqrt(variance) * rng.standard_normal(mean.shape)

"""Thompson sampling for rewards in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from plastic.bandits.base import Array, Ids
from plastic.bandits.posterior import Conjugate


@dataclass(kw_only=True, eq=False)
class BetaThompson(Conjugate):
    r"""Thompson sampling with a beta prior, exact for rewards that are 0 or 1.

    .. math:: \mu \sim \mathrm{Beta}(\alpha, \beta), \quad
              \alpha = n_0 m_0 + S, \quad \beta = n_0 (1 - m_0) + n - S

    where n rewards added up to S.  The default prior, mean 1/2 that counts as two rewards, is
    Beta(1, 1), the uniform distribution.  A reward between 0 and 1 counts as that much of a
    success.  A `variance_scale` of c draws from :math:`\mathrm{Beta}(\alpha/c, \beta/c)`.

    Parameters
    ----------
    prior_mean : float
        :math:`m_0` in (0, 1).
    prior_count : float
        :math:`n_0`, above 0.

    References
    ----------
    Thompson (1933), On the likelihood that one unknown probability exceeds another.
    Chapelle and Li (2011), An Empirical Evaluation of Thompson Sampling, algorithm 2.
    Raj and Kalyani (2017), Taming Non-stationary Bandits, arXiv:1707.09727 (discount).

    Examples
    --------
    >>> bandit, rng = BetaThompson(), np.random.default_rng(0)
    >>> bandit.select([0, 1], rng)
    array([1])
    >>> bandit.update([0, 1, 1, 1], [0, 1, 1, 0])
    >>> bandit.posterior(np.array([0, 1]))[0]
    array([0.33333333, 0.6       ])
    """

    reward_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    means: ClassVar[tuple[float, float]] = (0.0, 1.0)

    prior_mean: float = 0.5
    prior_count: float = 2.0

    def parameters(self, arms: Ids) -> tuple[Array, Array]:
        r""":math:`\alpha` and :math:`\beta` of known arms."""
        (mean, weight), (count, total, _) = self.prior(arms), self.statistics(arms)
        # a discounted total may exceed its count by a rounding error
        failures = np.maximum(count - total, 0.0)
        return weight * mean + total, weight * (1 - mean) + failures

    def posterior(self, arms: Ids) -> tuple[Array, Array]:
        """Mean and standard deviation; the scale of the variance is not in it."""
        successes, failures = self.parameters(arms)
        both = successes + failures
        return successes / both, np.sqrt(successes * failures / (both + 1)) / both

    def sample(self, arms: Ids, rng: Generator) -> Array:
        """From the beta distributions."""
        successes, failures = self.parameters(arms)
        return rng.beta(successes / self.variance_scale, failures / self.variance_scale)

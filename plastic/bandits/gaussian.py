"""Thompson sampling for rewards with Gaussian noise of known variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plastic.bandits.base import Array, Ids
from plastic.bandits.posterior import Conjugate
from plastic.errors import check_range


@dataclass(kw_only=True, eq=False)
class GaussianThompson(Conjugate):
    r"""Thompson sampling with a Gaussian posterior and a known variance of rewards.

    .. math:: \mu \sim N\!\left(\frac{n_0 m_0 + S}{n_0 + n},
              \frac{c\,\sigma^2}{n_0 + n}\right)

    where n rewards added up to S, and c is the `variance_scale`.

    Parameters
    ----------
    variance : float
        :math:`\sigma^2` of one reward, above 0; 1/4 is the most that rewards in [0, 1] have.
    prior_mean : float
        :math:`m_0`.
    prior_count : float
        :math:`n_0`, above 0: the prior has variance :math:`\sigma^2 / n_0`.

    References
    ----------
    Agrawal and Goyal (2013), Further Optimal Regret Bounds for Thompson Sampling,
    arXiv:1209.3353, algorithm 2 (:math:`m_0 = 0, n_0 = 1`).

    Examples
    --------
    >>> bandit, rng = GaussianThompson(variance=4.0), np.random.default_rng(0)
    >>> bandit.select([0, 1], rng)
    array([0])
    >>> bandit.update([0, 0, 0], [1.0, 2.0, 3.0])
    >>> bandit.posterior(np.array([0, 1]))
    (array([1.5, 0. ]), array([1., 2.]))
    """

    variance: float = 1.0

    def __post_init__(self) -> None:
        check_range("variance", self.variance, 0, np.inf, open_low=True, open_high=True)
        super().__post_init__()

    def posterior(self, arms: Ids) -> tuple[Array, Array]:
        """Mean and standard deviation, scale included."""
        (mean, weight), (count, total, _) = self.prior(arms), self.statistics(arms)
        both = weight + count
        variance = self.variance_scale * self.variance / both
        return (weight * mean + total) / both, np.sqrt(variance)

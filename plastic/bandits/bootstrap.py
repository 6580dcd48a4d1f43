"""Exploration by resampling residuals: no prior, no likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plastic.bandits.base import Array, Ids
from plastic.bandits.counting import Counting, mean_of
from plastic.bandits.posterior import Posterior
from plastic.errors import check_range


@dataclass(kw_only=True, eq=False)
class ResidualBootstrap(Posterior, Counting):
    r"""Residual bootstrap exploration (ReBoot) with Gaussian weights.

    Each arm's mean is perturbed by its own residuals under random weights, and by two
    pseudo-residuals that keep an arm with few rewards in play:

    .. math:: \tilde\mu = \bar r + \frac1n \sum_{i=1}^{n+2} w_i e_i, \quad
              e_i = r_i - \bar r, \quad e_{n+1} = -e_{n+2} = \sqrt n\, \sigma_a, \quad
              w_i \sim N(0, 1)

    The sum of Gaussian weights is Gaussian, so it is drawn at once from the scatter
    :math:`Q = \sum_i (r_i - \bar r)^2`:

    .. math:: \tilde\mu \sim N\!\left(\bar r, \frac{c\,(Q + 2 n \sigma_a^2)}{n^2}\right)

    with the `variance_scale` c.  An arm without rewards goes first.  With a discount, n is
    the discounted count.

    Parameters
    ----------
    pseudo_residual : float
        :math:`\sigma_a`, in units of reward, above 0; the source's theory asks for more than
        the standard deviation of a reward, practice for less.

    References
    ----------
    Wang, Yu, Hao and Cheng (2020), Residual Bootstrap Exploration for Bandit Algorithms,
    arXiv:2002.08436, algorithm 1.

    Examples
    --------
    >>> bandit, rng = ResidualBootstrap(pseudo_residual=0.5), np.random.default_rng(0)
    >>> bandit.select([0, 1], rng)
    array([0])
    >>> bandit.update([0, 0], [0.0, 1.0])
    >>> bandit.posterior(np.array([0]))
    (array([0.5]), array([0.61237244]))
    """

    pseudo_residual: float = 1.0

    def __post_init__(self) -> None:
        check_range(
            "pseudo_residual", self.pseudo_residual, 0, np.inf, open_low=True, open_high=True
        )
        super().__post_init__()

    def posterior(self, arms: Ids) -> tuple[Array, Array]:
        """Mean and standard deviation of what is drawn; infinite and 0 for unseen arms."""
        count, total, scatter = self.statistics(arms)
        some = np.where(count > 0, count, 1.0)
        spread = scatter + 2 * count * self.pseudo_residual**2
        std = np.sqrt(self.variance_scale * spread) / some
        return mean_of(count, total, unseen=np.inf), std

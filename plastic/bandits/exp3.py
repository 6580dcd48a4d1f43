"""Exponential weights, for rewards that no distribution stands behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from plastic.bandits.base import Array, Bandit, Ids, check_arms
from plastic.errors import check_range


@dataclass(kw_only=True, eq=False)
class EXP3(Bandit):
    r"""Exponential weights for exploration and exploitation; rewards in [0, 1].

    .. math:: p_a = (1 - \gamma) \frac{w_a}{\sum_b w_b} + \frac\gamma K, \qquad
              w_a \leftarrow w_a \exp\!\left(\frac{\gamma\, r}{K p_a}\right)

    Values are :math:`\ln p_a` plus Gumbel noise, so the highest is a draw from p, and the
    highest few are draws without replacement.  Then :math:`m p_a`, at most 1, stands for the
    chance to be among m.  A reward is weighed by the chance that its arm had when it was last
    chosen.  A newborn arm starts from the mean weight of the arms that it is offered with.

    Parameters
    ----------
    exploration : float
        :math:`\gamma` in (0, 1].

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), The Nonstochastic Multiarmed Bandit
    Problem, section 3.  Gumbel noise: Yellott (1977), The relationship between Luce's choice
    axiom, Thurstone's theory of comparative judgment, and the double exponential distribution.

    Examples
    --------
    >>> bandit, rng = EXP3(exploration=0.5), np.random.default_rng(0)
    >>> chosen = bandit.select([0, 1], rng)
    >>> bandit.update(chosen, [1.0])
    >>> bandit.probabilities(np.array([0, 1])).round(4)
    array([0.4388, 0.5612])
    """

    reward_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    exploration: float = 0.1

    def __post_init__(self) -> None:
        check_range("exploration", self.exploration, 0, 1, open_low=True)
        super().__post_init__()

    @property
    def order_matters(self) -> bool:
        """Chances change with every reward."""
        return True

    def columns(self) -> dict[str, Array]:
        """Log weight, NaN until the arm has been offered, and what a reward of 1 adds to it."""
        return {"log_weight": np.full((), np.nan), "gain": np.zeros(())}

    def select(self, arms: ArrayLike, rng: Generator, count: int = 1) -> Ids:
        """Choose, and take down the chances that the chosen arms had."""
        chosen = super().select(arms, rng, count)
        offered = check_arms(arms)
        log_weights = self._log_weights(offered)
        self._arms["log_weight"][self._arms.at(offered)] = log_weights
        at, n_arms = self._arms.at(chosen), offered.shape[-1]
        share = np.exp(
            self._arms["log_weight"][at] - logsumexp(log_weights, axis=-1, keepdims=True)
        )
        chance = np.minimum(count * self._mix(share, n_arms), 1.0)
        self._arms["gain"][at] = self.exploration / (n_arms * chance)
        return chosen

    def values(self, arms: Ids, rng: Generator) -> Array:
        """Log probabilities with Gumbel noise."""
        return np.log(self.probabilities(arms)) + rng.gumbel(size=arms.shape)

    def probabilities(self, arms: Ids) -> Array:
        """Chance of each known arm in its row to be chosen first."""
        log_weights = self._log_weights(arms)
        share = np.exp(log_weights - logsumexp(log_weights, axis=-1, keepdims=True))
        return self._mix(share, arms.shape[-1])

    def learn(self, positions: Ids, rewards: Array) -> None:
        """Raise the weights of arms by what they earned."""
        np.add.at(self._arms["log_weight"], positions, rewards * self._arms["gain"][positions])

    def _mix(self, share: Array, n_arms: int) -> Array:
        return (1 - self.exploration) * share + self.exploration / n_arms

    def _log_weights(self, arms: Ids) -> Array:
        """Log weights, those of newborns filled in."""
        found = self._arms["log_weight"][self._arms.at(arms)]
        born = np.isnan(found)
        if not born.any():
            return found
        held = np.where(born, -np.inf, found)
        n_held = np.maximum((~born).sum(axis=-1, keepdims=True), 1)
        mean = logsumexp(held, axis=-1, keepdims=True) - np.log(n_held)
        return np.where(born, np.where(np.isfinite(mean), mean, 0.0), found)

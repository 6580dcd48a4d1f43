"""Bandits over whole masks: which part of a network to do without, judged by pulls alone.

An arm is a set of `n_pruned` out of `n` units.  A pull says what the network costs without
them, on one mini-batch; no gradient is asked for, so units may be anything that can be
computed.  There are far too many arms to count, so what is learned is shared: a linear model
of what each unit is worth (`LinearMasks`), or a distribution over scores (`CrossEntropy`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import ndtri

from plastic.errors import InvalidParameter, check_count, check_in, check_range

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

RULES = ("thompson", "mean", "uniform", "epsilon", "isotropic", "cem")
"""How the next mask is chosen; only the first draws from the posterior."""


class MaskSearch(ABC):
    """What proposes masks and learns from what they cost."""

    @abstractmethod
    def propose(self, rng: Generator) -> Mask:
        """The next mask to pull, shape (n,): True where a unit is left out."""

    @abstractmethod
    def observe(self, pruned: Mask, cost: float) -> None:
        """Learn what a mask cost; lower is better."""

    @abstractmethod
    def best(self) -> Mask:
        """The mask to settle on, shape (n,)."""


@final
@dataclass(eq=False)
class LinearMasks(MaskSearch):
    r"""Bayesian linear regression on masks.

    With :math:`z_i = [\text{unit } i \text{ pruned}] - m/n` and cost :math:`y`, the model is
    :math:`y = c + z^\top \theta + \epsilon`, :math:`\epsilon \sim N(0, s^2)`, with the prior
    :math:`\theta \sim N(\mu_0, \sigma_0^2 I)`.  Sums of observations fade by `discount` at
    every refresh:

    .. math::
        P = I / \sigma_0^2 + A / s^2, \qquad
        \mu = \mu_0 + P^{-1} (b - A \mu_0) / s^2, \qquad
        A \mathrel{+}= z z^\top, \quad b \mathrel{+}= z (y - c)

    A pull of the rule ``thompson`` prunes the `m` lowest of
    :math:`\tilde\theta = \mu + \tau P^{-1/2} \xi`, :math:`\xi \sim N(0, I)`.  The
    controls keep the same model: ``mean`` takes :math:`\mu`, ``epsilon`` swaps a tenth of it at
    random, ``isotropic`` adds noise of the same average spread and no shape, ``uniform``
    ignores it.

    Parameters
    ----------
    prior_mean : float array, shape (n,)
        :math:`\mu_0`; the higher, the more a unit is thought to be worth.
    n_pruned : int
        :math:`m`, units that every mask leaves out.
    rule : {"thompson", "mean", "uniform", "epsilon", "isotropic"}
    prior_std : float
        :math:`\sigma_0`.
    spread : float
        :math:`\tau`.
    every : int
        Pulls from one refresh to the next; a refresh takes O(n^3).
    discount : float
        What is left of A and b at each refresh.
    noise_rate : float
        Weight of a new squared residual in :math:`s^2`.

    Raises
    ------
    InvalidParameter
        If a parameter is out of range.

    References
    ----------
    Russo et al. (2018), A Tutorial on Thompson Sampling, arXiv:1707.02038, section 7.1, for
    linear models of combinatorial arms.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> worth = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    >>> search = LinearMasks(np.zeros(6), 2, prior_std=1.0)
    >>> for _ in range(200):
    ...     mask = search.propose(rng)
    ...     search.observe(mask, worth[mask].sum() + 0.1 * rng.standard_normal())
    >>> search.best()
    array([ True, False,  True, False, False, False])
    """

    prior_mean: Array
    n_pruned: int
    rule: str = "thompson"
    prior_std: float = 0.05
    spread: float = 0.5
    every: int = 20
    discount: float = 0.97
    noise_rate: float = 0.02
    _A: Array = field(init=False, repr=False)
    _b: Array = field(init=False, repr=False)
    _mean: Array = field(init=False, repr=False)
    _factor: Array = field(init=False, repr=False)  # upper: its transpose times it is P
    _scale: float = field(default=0.0, init=False, repr=False)
    _intercept: float = field(default=0.0, init=False, repr=False)
    _noise: float = field(default=0.3, init=False, repr=False)
    _pulls: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_in("rule", self.rule, RULES[:-1])
        n = _checked_units(self.prior_mean, self.n_pruned)
        check_range("prior_std", self.prior_std, 0, open_low=True)
        check_range("spread", self.spread, 0)
        check_count("every", self.every)
        check_range("discount", self.discount, 0, 1, open_low=True)
        check_range("noise_rate", self.noise_rate, 0, 1)
        self._A, self._b = np.zeros((n, n)), np.zeros(n)
        self._refresh()

    def propose(self, rng: Generator) -> Mask:
        """The `m` lowest values by the rule."""
        n = len(self._mean)
        if self.rule == "uniform":
            return lowest_mask(rng.standard_normal(n), self.n_pruned)
        noise = rng.standard_normal(n)
        if self.rule == "thompson":
            return lowest_mask(
                self._mean + self.spread * solve_triangular(self._factor, noise), self.n_pruned
            )
        if self.rule == "isotropic":
            return lowest_mask(self._mean + self._scale * noise, self.n_pruned)
        values = self._mean + 1e-9 * noise  # ties are broken at random
        if self.rule == "epsilon":
            swapped = rng.random(n) < 0.1
            values[swapped] = rng.permutation(values)[swapped]
        return lowest_mask(values, self.n_pruned)

    def observe(self, pruned: Mask, cost: float) -> None:
        """Add to the sums; every so many pulls, refresh the posterior."""
        z = pruned - self.n_pruned / len(pruned)
        if not self._pulls:
            self._intercept = cost
        said = float(z @ self._mean)
        residual = cost - self._intercept - said
        self._noise += self.noise_rate * (min(residual**2, 4.0) - self._noise)
        self._noise = max(self._noise, 0.01)
        self._A += np.outer(z, z)
        self._b += z * (cost - self._intercept)
        self._pulls += 1
        self._intercept += max(0.02, 1 / self._pulls) * residual
        if self._pulls % self.every == 0:
            self._refresh()
            self._A *= self.discount
            self._b *= self.discount

    def best(self) -> Mask:
        """The `m` units of lowest posterior mean."""
        self._refresh()
        return lowest_mask(self._mean, self.n_pruned)

    @property
    def posterior_mean(self) -> Array:
        r""":math:`\mu` as of the last refresh, shape (n,)."""
        return self._mean.copy()

    @property
    def posterior_std(self) -> Array:
        r"""Square roots of the diagonal of :math:`P^{-1}`, shape (n,)."""
        inverse = solve_triangular(self._factor, np.eye(len(self._mean)))
        return np.sqrt(np.sum(inverse**2, axis=1))

    def _refresh(self) -> None:
        P = self._A / self._noise
        P[np.diag_indices_from(P)] += self.prior_std**-2
        factor = cho_factor(P, lower=False)
        gain = (self._b - self._A @ self.prior_mean) / self._noise
        self._mean = self.prior_mean + cho_solve(factor, gain)
        self._factor = np.triu(factor[0])
        if self.rule == "isotropic":
            self._scale = self.spread * float(np.sqrt(np.mean(self.posterior_std**2)))


@final
@dataclass(eq=False)
class CrossEntropy(MaskSearch):
    """The cross-entropy method on scores: a population of masks, refitted to its best fifth.

    Parameters
    ----------
    prior_mean : float array, shape (n,)
    n_pruned : int
    population : int
        Masks pulled from one refit to the next.
    elite : float
        Fraction that the scores are refitted to, in (0, 1].
    rate : float
        Weight of the new fit, in (0, 1].

    References
    ----------
    Rubinstein (1999), The Cross-Entropy Method for Combinatorial and Continuous Optimization,
    Methodology and Computing in Applied Probability 1.
    """

    prior_mean: Array
    n_pruned: int
    population: int = 50
    elite: float = 0.2
    rate: float = 0.3
    _std: Array = field(init=False, repr=False)
    _mean: Array = field(init=False, repr=False)
    _drawn: Array = field(init=False, repr=False)
    _scores: list[Array] = field(default_factory=list, init=False, repr=False)
    _costs: list[float] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        n = _checked_units(self.prior_mean, self.n_pruned)
        check_count("population", self.population, low=2)
        check_range("elite", self.elite, 0, 1, open_low=True)
        check_range("rate", self.rate, 0, 1, open_low=True)
        self._mean, self._std = self.prior_mean.astype(float), np.ones(n)
        self._drawn = self._mean

    def propose(self, rng: Generator) -> Mask:
        """The `m` lowest of scores drawn from the fit."""
        self._drawn = self._mean + self._std * rng.standard_normal(len(self._mean))
        return lowest_mask(self._drawn, self.n_pruned)

    def observe(self, pruned: Mask, cost: float) -> None:
        """Take the last scores into the population; refit when it is full."""
        self._scores.append(self._drawn)
        self._costs.append(cost)
        if len(self._costs) == self.population:
            first = np.argsort(self._costs)[: max(1, int(self.elite * self.population))]
            chosen = np.array(self._scores)[first]
            self._mean = (1 - self.rate) * self._mean + self.rate * chosen.mean(axis=0)
            self._std = (1 - self.rate) * self._std + self.rate * chosen.std(axis=0)
            self._scores, self._costs = [], []

    def best(self) -> Mask:
        """The `m` lowest means."""
        return lowest_mask(self._mean, self.n_pruned)


def make_search(rule: str, worth: Array, n_pruned: int, **options: Any) -> MaskSearch:
    """A search of this rule, with a prior that thinks of `worth` what its ranks say.

    Parameters
    ----------
    rule : one of `RULES`
    worth : float array, shape (n,)
        Any free guess of what units are worth, as the size of their weights.
    n_pruned : int
    **options
        As for `LinearMasks` or `CrossEntropy`.
    """
    check_in("rule", rule, RULES)
    if rule == "cem":
        return CrossEntropy(rank_normal(worth), n_pruned, **options)
    return LinearMasks(0.03 * rank_normal(worth), n_pruned, rule, **options)


@dataclass(frozen=True, eq=False)
class Found:
    """What a search came to.

    Parameters
    ----------
    pruned : bool array, shape (n,)
    pulls : int array, shape (n,)
        Masks that each unit was left out of.
    costs : float array, shape (n_pulls,)
    """

    pruned: Mask
    pulls: NDArray[np.int64]
    costs: Array


def search(
    searcher: MaskSearch, cost: Callable[[Mask], float], n_pulls: int, rng: Generator
) -> Found:
    """Pull so many masks, and settle on one.

    Parameters
    ----------
    searcher : MaskSearch
    cost : callable
        Of a mask, on data of its own choice; lower is better.
    n_pulls : int
    rng : Generator

    Raises
    ------
    InvalidParameter
        If a cost is not a finite number.
    """
    check_count("n_pulls", n_pulls)
    costs = np.zeros(n_pulls)
    counts: Any = 0
    for pull in range(n_pulls):
        mask = searcher.propose(rng)
        costs[pull] = cost(mask)
        if not np.isfinite(costs[pull]):
            raise InvalidParameter(f"the cost of a mask must be finite, got {costs[pull]}")
        searcher.observe(mask, float(costs[pull]))
        counts = counts + mask
    return Found(searcher.best(), np.asarray(counts, np.int64), costs)


def lowest_mask(values: Array, count: int) -> Mask:
    """True for so many of the lowest values.

    Examples
    --------
    >>> lowest_mask(np.array([3.0, 1.0, 2.0]), 2)
    array([False,  True,  True])
    """
    mask = np.zeros(len(values), bool)
    if count:
        mask[np.argpartition(values, count - 1)[:count]] = True
    return mask


def rank_normal(values: Array) -> Array:
    """Normal quantiles of the ranks, so that only the order of the values counts.

    Examples
    --------
    >>> rank_normal(np.array([10.0, -5.0, 2.0])).round(2)
    array([ 0.97, -0.97,  0.  ])
    """
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    quantiles: Array = ndtri((ranks + 0.5) / len(values))
    return quantiles


def _checked_units(prior_mean: Array, n_pruned: int) -> int:
    if prior_mean.ndim != 1 or not np.isfinite(prior_mean).all():
        raise InvalidParameter(
            f"prior_mean must be one finite number a unit, got shape {prior_mean.shape}"
        )
    check_count("n_pruned", n_pruned, low=0)
    if n_pruned > len(prior_mean):
        raise InvalidParameter(
            f"n_pruned must be at most the {len(prior_mean)} units, got {n_pruned}"
        )
    return len(prior_mean)

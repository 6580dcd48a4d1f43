"""Thompson sampling over connections that learn from their neighbours, source and target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from plastic.policies.connection_thompson import PRIOR_VARIANCE, SaliencyPosterior
from plastic.policies.memory import Array
from plastic.policies.parts import UpdateSchedule
from plastic.policies.rewiring import Rewiring
from plastic.policies.thompson import PosteriorGrowth
from plastic.signals import NetworkView

Effect = tuple[Array, Array]


def hierarchical_thompson(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    sampling: str = "thompson",
    candidates: int = 16,
    observe_every: int = 5,
    discount: float = 0.9,
) -> Rewiring:
    """Prune and suggest connections by posteriors that are pooled by source and by target.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    sampling : {"thompson", "mean", "uniform"}
        Whether arms are sampled from their posteriors, taken at their posterior means, or all
        taken alike; the last two are the controls.
    candidates : int
        Gradients computed for each connection grown.
    observe_every : int
        Steps from one observation of the saliency to the next.
    discount : float
        What is left of a connection's old observations at each new one.

    See Also
    --------
    PooledSaliency : the prune score.
    PooledGrowth : the growth rule.
    """
    pool = PooledSaliency(sampling, observe_every, discount)
    growth = PooledGrowth(sampling, candidates, pool=pool)
    return Rewiring(pool, growth, UpdateSchedule(every, until, fraction, anneal))


@dataclass(frozen=True)
class Pooled:
    """A two-way random-effects model of a number of each connection.

    Parameters
    ----------
    sources, targets : pair of float arrays, shape (n_neurons,)
        Posterior mean and standard deviation of the effect of each neuron, by slot.
    connections : pair of float arrays, shape (n_connections,)
        Posterior mean and standard deviation of each connection.
    """

    sources: Effect
    targets: Effect
    connections: Effect


@dataclass
class PooledSaliency(SaliencyPosterior):
    r"""Saliency of each connection, drawn towards what its source and its target are like.

    With `m` and `n` of `SaliencyPosterior`, :math:`m_{uv} \sim N(\mu + \alpha_u + \beta_v +
    \epsilon_{uv}, \sigma^2 / n_{uv})`, where :math:`\alpha`, :math:`\beta` and
    :math:`\epsilon` are normal about 0 and their variances are estimated (see `pool`).  What
    was seen often keeps its own mean; what was seen little leans on its neurons'.
    """

    name: ClassVar[str] = "pooled saliency"

    def posterior(self, view: NetworkView) -> Effect:
        """Mean and standard deviation of each connection's arm, by position."""
        return self.model(view).connections

    def model(self, view: NetworkView) -> Pooled:
        """The posteriors of neurons and connections."""
        structure = view.structure
        self._seen.align(structure.connection_ids)
        count, mean, square = (self._seen[name] for name in ("count", "mean", "square"))
        noise = (square.sum() + PRIOR_VARIANCE) / (count.sum() + 1)
        ends = structure.sources, structure.targets
        return pool(mean, count, noise, *ends, structure.n_neurons)


@dataclass
class PooledGrowth(PosteriorGrowth):
    """As `PosteriorGrowth`, but its arms are what salient connections have in common.

    The two arms of a neuron are its effects, as source and as target, on the logarithm of the
    saliency of the connections that it has.

    Parameters
    ----------
    sampling, candidates
        As for `PosteriorGrowth`.
    pool : PooledSaliency
        The prune score, which observes.
    """

    pool: PooledSaliency = field(default_factory=PooledSaliency)
    name: ClassVar[str] = "pooled posterior"
    arms: ClassVar[tuple[str, str]] = ("source", "target")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.statistics = self.pool.statistics

    def posteriors(self, view: NetworkView) -> list[Effect]:
        """Mean and standard deviation of each neuron's two effects, by slot."""
        model = self.pool.model(view)
        return [model.sources, model.targets]

    def weight(self, sampled: Array) -> Array:
        """Effects on the logarithm are factors, here kept within what floats can hold."""
        return np.exp(np.clip(sampled, -10, 10))


def pool(
    values: Array,
    count: Array,
    noise: float,
    sources: NDArray[np.integer],
    targets: NDArray[np.integer],
    n_neurons: int,
) -> Pooled:
    """Fit the model: the grand mean, then sources, then targets, then what is left.

    Parameters
    ----------
    values : float array, shape (n_connections,)
        Mean of the observations of each connection.
    count : float array, shape (n_connections,)
        Their number; a connection with 0 gets the prior that its neurons make.
    noise : float
        Variance of a single observation, above 0.
    sources, targets : int arrays, shape (n_connections,)
        Slots.
    n_neurons : int

    Examples
    --------
    >>> ends = np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3])
    >>> found = pool(np.array([3.0, 3, 1, 0]), np.array([9.0, 9, 9, 0]), 0.1, *ends, 4)
    >>> found.connections[0].round(1)  # the last was never observed
    array([3., 3., 1., 1.])
    """
    seen = count > 0
    mean = values[seen].mean() if seen.any() else 0.0
    left = np.where(seen, values - mean, 0.0)
    effects = []
    for ends in (sources, targets):
        effect = random_effect(left[seen], ends[seen], n_neurons)
        effects.append(effect)
        left = left - effect[0][ends]
    prior = mean + effects[0][0][sources] + effects[1][0][targets]
    spread = float(np.mean(left[seen] ** 2 - noise / count[seen])) if seen.any() else 0.0
    of_prior = 1 / max(spread, PRIOR_VARIANCE)
    precision = count / noise + of_prior
    posterior = (count / noise * values + of_prior * prior) / precision
    return Pooled(effects[0], effects[1], (posterior, 1 / np.sqrt(precision)))


def random_effect(values: Array, groups: NDArray[np.integer], n_groups: int) -> Effect:
    """Posterior mean and standard deviation of the effect of each group on values about 0.

    The variance between groups is that of a one-way analysis of variance; a group without
    values keeps the prior.

    References
    ----------
    Searle, Casella and McCulloch (1992), Variance Components, section 3.6.

    Examples
    --------
    >>> effect, std = random_effect(np.array([1.1, 0.9, -1.0]), np.array([0, 0, 1]), 3)
    >>> effect.round(2), std.round(2)
    (array([ 0.99, -0.99,  0.  ]), array([0.1 , 0.14, 1.41]))
    """
    size = np.bincount(groups, minlength=n_groups)
    total = np.bincount(groups, values, minlength=n_groups)
    n, n_held = len(values), int(np.sum(size > 0))
    means = total / np.maximum(size, 1)
    within = max(float(np.sum((values - means[groups]) ** 2)) / max(n - n_held, 1), 1e-9)
    between = 0.0
    if n_held > 1:
        among = float(np.sum(size * (means - values.mean()) ** 2)) / (n_held - 1)
        between = (among - within) / ((n - float(np.sum(size**2)) / n) / (n_held - 1))
    between = max(between, 1e-9)
    ratio = within / between
    return total / (size + ratio), np.sqrt(within / (size + ratio))

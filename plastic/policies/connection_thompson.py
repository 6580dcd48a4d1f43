"""Thompson sampling over connections, by saliency and by averaged gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits import SAMPLINGS, draw
from plastic.engine import Statistics
from plastic.errors import check_count, check_in, check_range
from plastic.policies.averaging import AveragedGrowth
from plastic.policies.memory import Array, ById, State
from plastic.policies.parts import UpdateSchedule
from plastic.policies.rewiring import Rewiring
from plastic.signals import NetworkView

LEAST = 1e-8
"""Added to saliencies, so that they have a logarithm."""

PRIOR_VARIANCE = 0.05
"""Of a logarithm of a saliency, before anything was observed."""


def connection_thompson(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    sampling: str = "thompson",
    n_batches: int = 8,
    observe_every: int = 5,
    discount: float = 0.9,
) -> Rewiring:
    """Every connection is an arm: prune the least salient, grow the steepest, both sampled.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    sampling : {"thompson", "mean", "uniform"}
        Whether connections are sampled from their posteriors, taken at their posterior means,
        or all taken alike, at the same cost; the last two are the controls.
    n_batches : int
        Mini-batches that gradients of missing connections are averaged over.
    observe_every : int
        Steps from one observation of the saliency to the next.
    discount : float
        What is left of a connection's old observations at each new one.

    See Also
    --------
    SaliencyPosterior : the prune score.
    plastic.policies.averaging.AveragedGrowth : the growth rule.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    prune = SaliencyPosterior(sampling, observe_every, discount)
    return Rewiring(prune, AveragedGrowth(n_batches, sampling), schedule)


@dataclass
class SaliencyPosterior:
    r"""The logarithm of ``|weight * gradient|``, drawn from each connection's posterior.

    With discounted observations :math:`x` of the logarithm, their count `n`, mean `m` and sum
    of squares about the mean `q`, an arm has the posterior

    .. math:: N\left(m, \frac{q + v_0}{n (n + 1)}\right)

    which is that of a normal-inverse-gamma model with its variance at the posterior's value.
    There are as many arms as connections, so they are not written into the table of arms; the
    value that a connection was pruned for is its score in the table of edits.  One that was
    never observed counts as highly salient.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
    every : int
        Steps from one observation to the next.
    discount : float
        What is left of old observations at each new one, in [0, 1].
    """

    sampling: str = "thompson"
    every: int = 5
    discount: float = 0.9
    name: ClassVar[str] = "sampled saliency"
    _seen: ById = field(
        default_factory=lambda: ById(["count", "mean", "square"]),
        init=False,
        repr=False,
    )

    def __post_init__(self) -> None:
        check_in("sampling", self.sampling, SAMPLINGS)
        check_count("every", self.every)
        check_range("discount", self.discount, 0, 1)

    @property
    def statistics(self) -> Statistics:
        """Single observations: a moving average that forgets at once."""
        return Statistics(saliency=True, every=self.every, rate=1.0)

    def looks(self, updates: NDArray[np.integer]) -> NDArray[np.integer]:
        """The steps at which the engine observes."""
        return np.arange(self.every, updates.max(initial=0) + 1, self.every)

    def look(self, view: NetworkView, rng: Generator) -> None:
        """Take an observation of every connection."""
        seen = self._seen
        seen.align(view.structure.connection_ids)
        observed = np.log(view.saliency.astype(np.float64) + LEAST)
        count = self.discount * seen["count"] + 1
        shift = observed - seen["mean"]
        seen["mean"] = seen["mean"] + shift / count
        seen["square"] = self.discount * seen["square"] + shift * (observed - seen["mean"])
        seen["count"] = count

    def posterior(self, view: NetworkView) -> tuple[Array, Array]:
        """Mean and standard deviation of each connection's arm, by position."""
        self._seen.align(view.structure.connection_ids)
        count, mean, square = (self._seen[name] for name in ("count", "mean", "square"))
        variance = (square + PRIOR_VARIANCE) / (count + 1)
        return mean, np.sqrt(variance / np.maximum(count, 1e-3))

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,)."""
        return draw(self.sampling, *self.posterior(view), rng)

    def state(self) -> State:
        """What was observed of every connection."""
        return self._seen.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Observations as they were."""
        self._seen.restore(state)

"""The parts that connection policies are composed of: prune scores and the update schedule.

A part that looks at the network between updates, too, or whose choices depend on what it saw
before, offers the methods of `Watches` and `Remembers` (`plastic.policies.memory`); whatever
it is composed into calls them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine import Statistics
from plastic.engine.ranking import Keys, order_of, sort_keys, split_lowest
from plastic.errors import check_count, check_range
from plastic.signals import NetworkView

Array = NDArray[Any]


NOTHING = Statistics()
KEEP_SALIENCY = Statistics(saliency=True)


class Part(Protocol):
    """What prune scores and growth rules have in common."""

    @property
    def name(self) -> str:
        """For the reasons in the table of edits."""

    @property
    def statistics(self) -> Statistics:
        """What the engine is to keep for it."""


class PruneScore(Part, Protocol):
    """How much each connection is worth; the lowest are pruned."""

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,)."""


@dataclass(frozen=True)
class Magnitude:
    """The weight's magnitude, as in SET and RigL."""

    name: ClassVar[str] = "magnitude"
    statistics: ClassVar[Statistics] = NOTHING

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,)."""
        return np.abs(view.weights)


@dataclass(frozen=True)
class Saliency:
    """The moving average of ``|weight * gradient|``.

    To first order, the loss change of removing the connection (Molchanov et al., 2019,
    arXiv:1906.10771).

    Parameters
    ----------
    statistics : Statistics
        Must keep the saliency.
    """

    name: ClassVar[str] = "saliency"
    statistics: Statistics = KEEP_SALIENCY

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,)."""
        return view.saliency


@dataclass(frozen=True)
class AnyOne:
    """The same for all: which ones go is left to chance."""

    name: ClassVar[str] = "random"
    statistics: ClassVar[Statistics] = NOTHING

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,)."""
        return np.zeros(len(view.weights))


def together(wanted: Iterable[Statistics]) -> Statistics:
    """The statistics that several parts need, kept once; the first to need one says how.

    Examples
    --------
    >>> both = together([Statistics(saliency=True, rate=0.5), Statistics(moments=True)])
    >>> both.saliency, both.moments, both.rate
    (True, True, 0.5)
    """
    wanted = [each for each in wanted if each.wanted] or [NOTHING]
    of_saliency = next((each for each in wanted if each.saliency), wanted[0])
    of_moments = next((each for each in wanted if each.moments), wanted[0])
    return Statistics(
        saliency=of_saliency.saliency,
        moments=of_moments.moments,
        every=wanted[0].every,
        rate=of_saliency.rate,
        discount=of_moments.discount,
    )


@dataclass(frozen=True)
class UpdateSchedule:
    r"""When to rewire, and how much.

    Every `every` steps, up to a fraction of training, a share

    .. math:: \alpha(t) = \tfrac{\alpha}{2} \left(1 + \cos(\pi t / T_{end})\right)

    Parameters
    ----------
    every : int
        Steps from one update to the next.
    until : float
        Fraction of training after which nothing changes any more, in (0, 1].
    fraction : float
        :math:`\alpha`, share of the connections of each block that is renewed at first, in
        (0, 1].
    anneal : bool
        Whether the share falls along the cosine, or stays.

    References
    ----------
    Evci et al. (2020), Rigging the Lottery, arXiv:1911.11134, section 3, "update schedule".

    Examples
    --------
    >>> schedule = UpdateSchedule(every=40, until=0.75, fraction=0.3)
    >>> schedule.steps(200)
    array([ 40,  80, 120])
    >>> round(schedule.share(80, 200), 3)
    0.137
    """

    every: int = 40
    until: float = 0.75
    fraction: float = 0.3
    anneal: bool = True

    def __post_init__(self) -> None:
        check_count("every", self.every)
        check_range("until", self.until, 0, 1, open_low=True)
        check_range("fraction", self.fraction, 0, 1, open_low=True)

    def steps(self, n_steps: int) -> NDArray[np.int64]:
        """Steps after which to rewire; not the last one, after which nothing is learned."""
        steps = np.arange(self.every, n_steps, self.every)
        return steps[steps - 1 < self.until * n_steps]

    def share(self, step: int, n_steps: int) -> float:
        """Share of connections to renew after this step."""
        if not self.anneal:
            return self.fraction
        return (
            self.fraction
            * 0.5
            * (1 + float(np.cos(np.pi * (step - 1) / (self.until * n_steps))))
        )


def lowest(scores: Array, count: int, rng: Generator) -> NDArray[np.int64]:
    """Indices of the lowest scores, lowest first; ties are broken at random.

    Parameters
    ----------
    scores : float array, shape (n,)
    count : int
        All are returned if they are fewer.
    rng : Generator

    Examples
    --------
    >>> lowest(np.array([3.0, 1.0, 2.0]), 2, np.random.default_rng(0))
    array([1, 2])
    """
    return _first(sort_keys(scores), count, rng)


def highest(scores: Array, count: int, rng: Generator) -> NDArray[np.int64]:
    """Indices of the highest scores, highest first; ties are broken at random."""
    return _first(sort_keys(scores, falling=True), count, rng)


def _first(keys: Keys, count: int, rng: Generator) -> NDArray[np.int64]:
    count = min(count, len(keys))
    if count == 0:
        return np.zeros(0, np.int64)
    below, equal = split_lowest(keys, count)  # sorting all of them would cost more
    if len(equal) > 1:  # one alone draws nothing
        equal = rng.permutation(equal)[: count - len(below)]
    chosen = np.concatenate([below, equal])
    return chosen[order_of(keys[chosen])]

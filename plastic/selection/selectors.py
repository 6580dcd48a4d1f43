"""Selectors: a timing and a ranking each; what conf/selection/ chooses from.

Two families with the same rankings: *elimination* starts with all neurons and drops them bit
by bit; *resampling* computes a few at each step, chosen anew.  The second is the literal
reading of "use Thompson sampling to choose the most relevant neurons and so save
computation"; the first is what came out ahead of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from plastic.errors import check_in, check_range
from plastic.selection.rankings import (
    EpsilonGreedy,
    Magnitude,
    Random,
    Ranking,
    Relevance,
    UpperConfidence,
)
from plastic.selection.relevance import MEASURES
from plastic.selection.timetables import Always, Elimination, Resampling, Timing
from plastic.topology import Structure

Array = NDArray[Any]


@dataclass(frozen=True)
class Selector:
    """Which hidden neurons are computed at which step.

    Parameters
    ----------
    timing : Timing
        How many, and when they are chosen.
    ranking : Ranking
        Which.
    by : {"saliency", "taylor"}
        How relevance is measured.
    discount : float
        What is left of old observations of a neuron at each new one, in (0, 1].
    rescale : bool
        Whether initial weights are those of the network that is left at the end: see
        `Selected.initialize`.
    """

    timing: Timing
    ranking: Ranking
    by: str = "saliency"
    discount: float = 0.99
    rescale: bool = True

    def __post_init__(self) -> None:
        check_in("by", self.by, MEASURES)
        check_range("discount", self.discount, 0, 1, open_low=True)

    def measure(self, structure: Structure, weights: Array, gradients: Array) -> Array:
        """Relevance of each neuron, shape (n_neurons,); see `plastic.selection.relevance`."""
        return MEASURES[self.by](structure, weights, gradients)

    @property
    def selects(self) -> bool:
        """Whether there is any selection."""
        return not isinstance(self.timing, Always)


def full() -> Selector:
    """All neurons, always: no selection."""
    return Selector(Always(), Random(), rescale=False)


def successive_elimination(
    keep: float = 0.0625,
    every: int = 10,
    explore: float = 0.5,
    equal: str = "evaluations",
    by: str = "saliency",
    sampling: str = "thompson",
    discount: float = 0.99,
    rescale: bool = True,
) -> Selector:
    """Drop the least relevant neurons bit by bit, and go on with the last ones.

    Parameters
    ----------
    keep, every, explore, equal
        See `Elimination`.
    sampling : {"thompson", "mean", "uniform"}
        What becomes of the posterior of the relevance; see `plastic.bandits.draw`.
    by, discount, rescale
        See `Selector`.
    """
    timing = Elimination(keep, every, explore, equal)
    return Selector(timing, Relevance(sampling), by, discount, rescale)


def magnitude_elimination(
    keep: float = 0.0625,
    every: int = 10,
    explore: float = 0.5,
    equal: str = "evaluations",
    rescale: bool = True,
) -> Selector:
    """Drop the neurons with the smallest weights bit by bit: a control that measures nothing.

    Parameters are those of `successive_elimination`.
    """
    timing = Elimination(keep, every, explore, equal)
    return Selector(timing, Magnitude(), rescale=rescale)


def resampling(
    keep: float = 0.0625,
    every: int = 1,
    until: float = 0.7,
    by: str = "saliency",
    sampling: str = "thompson",
    discount: float = 0.99,
    rescale: bool = True,
) -> Selector:
    """Choose the neurons of each step by a draw from the posterior of their relevance.

    Parameters
    ----------
    keep, every, until
        See `Resampling`.
    sampling : {"thompson", "mean", "uniform"}
        What becomes of the posterior; see `plastic.bandits.draw`.
    by, discount, rescale
        See `Selector`.
    """
    timing = Resampling(keep, every, until)
    return Selector(timing, Relevance(sampling), by, discount, rescale)


def epsilon_greedy(
    keep: float = 0.0625,
    every: int = 1,
    until: float = 0.7,
    epsilon: float = 0.1,
    by: str = "saliency",
    discount: float = 0.99,
    rescale: bool = True,
) -> Selector:
    """The most relevant neurons of each step, some exchanged for random others.

    Parameters are those of `resampling` and `EpsilonGreedy`.
    """
    timing = Resampling(keep, every, until)
    return Selector(timing, EpsilonGreedy(epsilon), by, discount, rescale)


def ucb(
    keep: float = 0.0625,
    every: int = 1,
    until: float = 0.7,
    width: float = 1.0,
    by: str = "saliency",
    discount: float = 0.99,
    rescale: bool = True,
) -> Selector:
    """The neurons of each step with the highest upper bound of their relevance.

    Parameters are those of `resampling` and `UpperConfidence`.
    """
    timing = Resampling(keep, every, until)
    return Selector(timing, UpperConfidence(width), by, discount, rescale)


def magnitude(
    keep: float = 0.0625, every: int = 1, until: float = 0.7, rescale: bool = True
) -> Selector:
    """The neurons of each step with the largest weights: a control that measures nothing.

    Parameters are those of `resampling`.
    """
    return Selector(Resampling(keep, every, until), Magnitude(), rescale=rescale)


def random_resampling(
    keep: float = 0.0625, every: int = 1, until: float = 0.7, rescale: bool = True
) -> Selector:
    """Any neurons at each step, and any at the end: the control that knows nothing.

    Parameters are those of `resampling`.
    """
    return Selector(Resampling(keep, every, until), Random(), rescale=rescale)

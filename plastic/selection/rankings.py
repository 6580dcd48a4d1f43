"""Rankings: which of some hidden neurons are worth computing, given what is known of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits import SAMPLINGS, draw
from plastic.errors import check_in, check_range

Array = NDArray[Any]

UNSEEN_MEAN, UNSEEN_STD = 3.0, 1.0
"""What is hoped of the log relevance of a neuron that was never looked at: well above the
median, so that all are tried early."""

FAR = 100.0
"""A log relevance above any that is ever seen."""


@dataclass(frozen=True)
class Candidates:
    """What a ranking may look at: some hidden neurons of one group.

    Parameters
    ----------
    mean, std : float arrays, shape (n,)
        Posterior of each one's log relevance; std is infinite where nothing is known.
    pulls : int array, shape (n,)
        How often each was looked at.
    magnitude : float array, shape (n,)
        Norm of the weights into each times norm of those out of it; empty unless the ranking
        weighs them.
    step : int
        Training steps done.
    """

    mean: Array
    std: Array
    pulls: NDArray[np.int64]
    magnitude: Array
    step: int


class Ranking(ABC):
    """Chooses among candidates; concrete ones are frozen and hold their configuration."""

    observes: ClassVar[bool] = True
    """Whether relevance is to be measured for it."""
    weighs: ClassVar[bool] = False
    """Whether it looks at magnitudes, which costs a pass over the weights."""

    @abstractmethod
    def values(self, candidates: Candidates, rng: Generator) -> Array:
        """Worth of each candidate in this round, shape (n,)."""

    def choose(self, candidates: Candidates, count: int, rng: Generator) -> NDArray[np.int64]:
        """Indices, ascending, of the candidates to be computed next; ties fall at random."""
        return top(self.values(candidates, rng), count, rng)

    def settle(self, candidates: Candidates, count: int, rng: Generator) -> NDArray[np.int64]:
        """As `choose`, when there is no more to be learned from trying: the highest means."""
        unseen = np.isinf(candidates.std)
        return top(np.where(unseen, -FAR, candidates.mean), count, rng)


@final
@dataclass(frozen=True)
class Relevance(Ranking):
    """By a draw from each posterior, or by its mean, or by nothing at all.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
        See `plastic.bandits.draw`.
    """

    sampling: str = "thompson"

    def __post_init__(self) -> None:
        check_in("sampling", self.sampling, SAMPLINGS)

    def values(self, candidates: Candidates, rng: Generator) -> Array:
        """A draw for each candidate."""
        unseen = np.isinf(candidates.std)
        mean = np.where(unseen, UNSEEN_MEAN, candidates.mean)
        return draw(self.sampling, mean, np.where(unseen, UNSEEN_STD, candidates.std), rng)

    def settle(self, candidates: Candidates, count: int, rng: Generator) -> NDArray[np.int64]:
        """The highest means; any of them if nothing is to be made of the statistics."""
        if self.sampling == "uniform":
            return self.choose(candidates, count, rng)
        return super().settle(candidates, count, rng)


@final
@dataclass(frozen=True)
class EpsilonGreedy(Ranking):
    """By posterior mean, but each one chosen gives way to a random other with some probability.

    Parameters
    ----------
    epsilon : float
        That probability, in [0, 1].
    """

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, 1)

    def values(self, candidates: Candidates, rng: Generator) -> Array:
        """Posterior means; whoever was never tried comes first."""
        return np.where(np.isinf(candidates.std), FAR, candidates.mean)

    def choose(self, candidates: Candidates, count: int, rng: Generator) -> NDArray[np.int64]:
        """The highest means, some exchanged."""
        best = super().choose(candidates, count, rng)
        others = np.setdiff1d(np.arange(len(candidates.mean)), best, assume_unique=True)
        gone = rng.random(count) < self.epsilon
        gone[np.flatnonzero(gone)[len(others) :]] = False
        best[gone] = rng.choice(others, int(gone.sum()), replace=False)
        return np.sort(best)


@final
@dataclass(frozen=True)
class UpperConfidence(Ranking):
    r"""By an upper bound of the mean, :math:`m + c \sqrt{2 \ln t / N}`.

    Parameters
    ----------
    width : float
        :math:`c`, at least 0.

    References
    ----------
    Auer, Cesa-Bianchi and Fischer (2002), Finite-time analysis of the multiarmed bandit
    problem, UCB1.
    """

    width: float = 1.0

    def __post_init__(self) -> None:
        check_range("width", self.width, 0, open_high=True)

    def values(self, candidates: Candidates, rng: Generator) -> Array:
        """The bound of each candidate; whoever was never tried comes first."""
        pulls = np.maximum(candidates.pulls, 1)
        bound = candidates.mean + self.width * np.sqrt(2 * np.log(candidates.step + 2) / pulls)
        return np.where(np.isinf(candidates.std), FAR, bound)


@final
@dataclass(frozen=True)
class Magnitude(Ranking):
    """By the norm of the weights into a neuron times the norm of those out of it."""

    observes: ClassVar[bool] = False
    weighs: ClassVar[bool] = True

    def values(self, candidates: Candidates, rng: Generator) -> Array:
        """The magnitudes."""
        return candidates.magnitude

    def settle(self, candidates: Candidates, count: int, rng: Generator) -> NDArray[np.int64]:
        """The highest magnitudes."""
        return self.choose(candidates, count, rng)


@final
@dataclass(frozen=True)
class Random(Ranking):
    """Any of them, each time anew."""

    observes: ClassVar[bool] = False

    def values(self, candidates: Candidates, rng: Generator) -> Array:
        """The same for all, so that ties decide."""
        return np.zeros(len(candidates.mean))

    def settle(self, candidates: Candidates, count: int, rng: Generator) -> NDArray[np.int64]:
        """Any of them."""
        return self.choose(candidates, count, rng)


def top(values: Array, count: int, rng: Generator) -> NDArray[np.int64]:
    """Indices, ascending, of the highest values; ties fall at random.

    Examples
    --------
    >>> top(np.array([1.0, 3.0, 0.0, 2.0]), 2, np.random.default_rng(0))
    array([1, 3])
    """
    order = rng.permutation(len(values))
    return np.sort(order[np.argsort(-values[order], kind="stable")[:count]])

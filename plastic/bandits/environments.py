"""Worlds that bandits are tried in: rewards of 0 or 1, arms that change, feedback that waits.

An `Environment` is a configuration; `Environment.start` makes a `World` of many independent
runs, which moves on in blocks of rounds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import rel_entr

from plastic.errors import InvalidParameter, check_count, check_range

Array = NDArray[np.floating]
Ids = NDArray[np.int64]


class Rounds(NamedTuple):
    """What is on offer in a block of rounds."""

    arms: Ids
    """Shape (n_rounds, n_runs, n_arms); runs share no arm."""
    means: Array
    """Probability that each of them earns 1, same shape."""
    retired: Ids
    """Arms that went during the block."""


@dataclass(frozen=True, kw_only=True)
class Environment(ABC):
    """What all environments have in common: how arms are pulled, and when rewards arrive.

    Parameters
    ----------
    pulls : int
        Arms to pull in each round, together.
    feedback_every : int
        Rounds from one delivery of rewards to the next; all rounds in between are played on
        what was known before them.
    delay : int
        Rounds that a reward is on its way; 0 is there before the next round.
    """

    pulls: int = 1
    feedback_every: int = 1
    delay: int = 0

    def __post_init__(self) -> None:
        check_count("pulls", self.pulls)
        check_count("feedback_every", self.feedback_every)
        check_count("delay", self.delay, low=0)

    @abstractmethod
    def start(self, n_runs: int, rng: Generator) -> World:
        """A world of `n_runs` independent runs, before the first round."""

    @property
    def lai_robbins(self) -> float:
        """Least regret per unit of log time of a bandit good everywhere; NaN if unknown."""
        return float("nan")


class World(ABC):
    """Independent runs side by side; every now and then something changes in one of them.

    Parameters
    ----------
    arms : int array, shape (n_runs, n_arms)
        On offer at first.
    means : float array, same shape
    change_probability : float
        That `change` is called for a run before a round.
    rng : Generator
    """

    def __init__(
        self, arms: Ids, means: Array, change_probability: float, rng: Generator
    ) -> None:
        self.arms, self.means = arms, means
        self._probability, self._rng = change_probability, rng

    @abstractmethod
    def change(self, runs: Ids, rng: Generator) -> Ids:
        """Change something in these runs, by writing new arrays; returns the arms that go."""

    def advance(self, n_rounds: int) -> Rounds:
        """The next rounds."""
        shape = (n_rounds, *self.arms.shape)
        if self._probability == 0:
            return _still(self.arms, self.means, shape)
        changes = self._rng.random(shape[:2]) < self._probability
        if not changes.any():
            return _still(self.arms, self.means, shape)
        arms, means, gone = np.empty(shape, np.int64), np.empty(shape), [self.arms[:0, 0]]
        start = 0
        for moment in [*np.flatnonzero(changes.any(axis=1)).tolist(), n_rounds]:
            arms[start:moment], means[start:moment] = self.arms, self.means
            if moment < n_rounds:
                gone.append(self.change(np.flatnonzero(changes[moment]), self._rng))
            start = moment
        return Rounds(arms, means, np.concatenate(gone))


def _still(arms: Ids, means: Array, shape: tuple[int, ...]) -> Rounds:
    return Rounds(np.broadcast_to(arms, shape), np.broadcast_to(means, shape), arms[:0, 0])


@dataclass(frozen=True, kw_only=True)
class Stationary(Environment):
    r"""Arms that stay as they are.

    Lai and Robbins (1985), Asymptotically efficient adaptive allocation rules: for one pull a
    round, the regret of a bandit that is good everywhere grows at least as

    .. math:: R(T) \sim C \ln T, \quad
              C = \sum_{a: \mu_a < \mu^*} \frac{\mu^* - \mu_a}{d(\mu_a, \mu^*)}

    Parameters
    ----------
    means : sequence of float
        Probability that each arm earns 1, in [0, 1].

    Examples
    --------
    >>> round(Stationary(means=[0.6, 0.5]).lai_robbins, 2)
    4.9
    """

    means: Sequence[float]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.means):
            raise InvalidParameter("means must name at least one arm, got none")
        for mean in self.means:
            check_range("means", mean, 0, 1)

    def start(self, n_runs: int, rng: Generator) -> World:
        """The same arms in every run."""
        means = np.broadcast_to(np.asarray(self.means, float), (n_runs, len(self.means)))
        return _Unchanging(_numbered(means.shape), means, 0.0, rng)

    @property
    def lai_robbins(self) -> float:
        """C; NaN for several pulls a round."""
        means = np.asarray(self.means, float)
        best = means.max()
        worse = means[means < best]
        if self.pulls > 1:
            return float("nan")
        divergence = rel_entr(worse, best) + rel_entr(1 - worse, 1 - best)
        return float(((best - worse) / divergence).sum())


@dataclass(frozen=True, kw_only=True)
class Drifting(Environment):
    """All arms of a run change at once, at random moments; in between they stay.

    Parameters
    ----------
    n_arms : int
    segment : float
        Mean number of rounds from change to change, at least 1; new means are uniform on
        [0, 1].

    References
    ----------
    Garivier and Moulines (2011), On Upper-Confidence Bound Policies for Switching Bandit
    Problems, arXiv:0805.3415: abrupt changes, with the moments fixed there.
    """

    n_arms: int = 10
    segment: float = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("n_arms", self.n_arms)
        check_range("segment", self.segment, 1, np.inf, open_high=True)

    def start(self, n_runs: int, rng: Generator) -> World:
        """Means of its own for every run."""
        shape = (n_runs, self.n_arms)
        return _Redrawn(_numbered(shape), rng.random(shape), 1 / self.segment, rng)


class _Unchanging(World):
    def change(self, runs: Ids, rng: Generator) -> Ids:
        return runs[:0]


class _Redrawn(World):
    def change(self, runs: Ids, rng: Generator) -> Ids:
        self.means = self.means.copy()
        self.means[runs] = rng.random((len(runs), self.means.shape[1]))
        return runs[:0]


@dataclass(frozen=True, kw_only=True)
class Retiring(Environment):
    """Now and then an arm of a run retires, and a newborn takes its place.

    Chapelle and Li (2011), An Empirical Evaluation of Thompson Sampling, section 5, mimic
    news articles so: 10 arms, a change with probability 1/1000 in a round, means from
    Beta(4, 4), rewards 1 to 1000 rounds late, a million rounds.

    Parameters
    ----------
    n_arms : int
    retire_probability : float
        That one arm, any of them, is replaced before a round; in [0, 1].
    a, b : float
        Means of newborns are drawn from Beta(a, b); both above 0.
    """

    n_arms: int = 10
    retire_probability: float = 0.001
    a: float = 4.0
    b: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("n_arms", self.n_arms)
        check_range("retire_probability", self.retire_probability, 0, 1)
        for name in ("a", "b"):
            check_range(name, getattr(self, name), 0, np.inf, open_low=True, open_high=True)

    def start(self, n_runs: int, rng: Generator) -> World:
        """Arms of its own for every run."""
        shape = (n_runs, self.n_arms)
        means = rng.beta(self.a, self.b, shape)
        return _Replaced(_numbered(shape), means, self, rng)


class _Replaced(World):
    def __init__(self, arms: Ids, means: Array, of: Retiring, rng: Generator) -> None:
        super().__init__(arms, means, of.retire_probability, rng)
        self._of, self._next = of, arms.size

    def change(self, runs: Ids, rng: Generator) -> Ids:
        self.arms, self.means = self.arms.copy(), self.means.copy()
        place = rng.integers(0, self.arms.shape[1], len(runs))
        gone = self.arms[runs, place]
        self.arms[runs, place] = np.arange(self._next, self._next + len(runs))
        self.means[runs, place] = rng.beta(self._of.a, self._of.b, len(runs))
        self._next += len(runs)
        return gone


def _numbered(shape: tuple[int, ...]) -> Ids:
    return np.arange(np.prod(shape, dtype=np.int64)).reshape(shape)

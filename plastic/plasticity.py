"""Critical periods: how open each neuron is to rewiring, by step, group and age.

A rule gives every neuron an openness in [0, 1].  Before each proposal of a policy, a neuron
is drawn open with that probability; only the connections into open neurons may be pruned or
grown, and only open neurons may be pruned.  So any policy can be used with any rule: an
openness of a half renews half as much, and 0 closes a neuron for good or for a while.

References
----------
Hensch (2005), Critical period plasticity in local cortical circuits, Nature Reviews
Neuroscience 6, for the idea; Achille et al. (2019), Critical Learning Periods in Deep
Networks, arXiv:1711.08856, for what becomes of networks that miss theirs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_count, check_range

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Moment:
    """When, and whom, a rule is asked about.

    Parameters
    ----------
    step, n_steps : int
        Training steps done, and in all.
    groups : int array, shape (n_neurons,)
    ages : int array, shape (n_neurons,)
        Steps since each neuron was born.
    """

    step: int
    n_steps: int
    groups: NDArray[np.integer]
    ages: NDArray[np.integer]

    @property
    def done(self) -> float:
        """Fraction of training that is done."""
        return self.step / self.n_steps


class Plasticity(ABC):
    """A rule; concrete ones are dataclasses whose fields are their configuration."""

    @abstractmethod
    def openness(self, moment: Moment) -> Array:
        """How open each neuron is, in [0, 1], shape (n_neurons,)."""

    def observe(self, moment: Moment, loss: float) -> None:
        """Take note of the mean training loss since the last proposal."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that it remembers."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state."""


def draw_open(openness: Array, rng: Generator) -> NDArray[np.bool_]:
    """Which neurons are open now, each with the probability of its openness.

    One number is drawn for each neuron whatever its openness, so that rules can be compared
    on the same draws.

    Examples
    --------
    >>> draw_open(np.array([1.0, 0.0]), np.random.default_rng(0))
    array([ True, False])
    """
    return rng.random(len(openness)) < openness


@final
@dataclass(frozen=True)
class Constant(Plasticity):
    """The same openness all along.

    Parameters
    ----------
    level : float
        In [0, 1].
    """

    level: float = 1.0

    def __post_init__(self) -> None:
        check_range("level", self.level, 0, 1)

    def openness(self, moment: Moment) -> Array:
        """The level, for every neuron."""
        return np.full(len(moment.groups), float(self.level))


@final
@dataclass(frozen=True)
class CosineFall(Plasticity):
    r"""From 1 down to 0 along half a cosine, :math:`\tfrac12 (1 + \cos(\pi t / (u T)))`.

    Parameters
    ----------
    until : float
        :math:`u`, fraction of training after which all is closed, in (0, 1].

    Examples
    --------
    >>> rule, group, age = CosineFall(until=0.5), np.zeros(1, int), np.zeros(1, int)
    >>> [float(rule.openness(Moment(t, 100, group, age)).round(2)[0]) for t in (0, 25, 60)]
    [1.0, 0.5, 0.0]
    """

    until: float = 1.0

    def __post_init__(self) -> None:
        check_range("until", self.until, 0, 1, open_low=True)

    def openness(self, moment: Moment) -> Array:
        """The same for every neuron."""
        level = 0.5 * (1 + np.cos(np.pi * min(moment.done / self.until, 1.0)))
        return np.full(len(moment.groups), level)


@final
@dataclass(frozen=True)
class CriticalPeriod(Plasticity):
    """Open up to a fraction of training, then closed; each group may have its own.

    Parameters
    ----------
    closes : float
        Fraction of training, in [0, 1].
    by_group : sequence of (group, fraction)
        Other fractions for some groups, as first layers that settle first: ``[(1, 0.3)]``.

    Examples
    --------
    >>> rule = CriticalPeriod(closes=0.8, by_group=[(1, 0.3)])
    >>> rule.openness(Moment(50, 100, np.array([1, 2]), np.zeros(2, int)))
    array([0., 1.])
    """

    closes: float = 0.5
    by_group: Sequence[tuple[int, float]] = ()

    def __post_init__(self) -> None:
        check_range("closes", self.closes, 0, 1)
        for pair in self.by_group:
            if not isinstance(pair, Sequence) or len(pair) != 2:
                raise InvalidParameter(
                    f"by_group must hold pairs (group, fraction), got {pair!r}"
                )
            check_range(f"by_group of {pair[0]}", pair[1], 0, 1)

    def openness(self, moment: Moment) -> Array:
        """1 or 0, by group."""
        closes = np.full(len(moment.groups), float(self.closes))
        for group, fraction in self.by_group:
            closes[moment.groups == group] = fraction
        return (moment.done < closes).astype(float)


@final
@dataclass(frozen=True)
class Juvenile(Plasticity):
    r"""Young neurons are open, old ones close: :math:`2^{-a / h}` at age `a`.

    Parameters
    ----------
    half_life : int
        :math:`h`, steps in which the openness halves.
    floor : float
        Openness that is never fallen below, in [0, 1].

    Examples
    --------
    >>> rule = Juvenile(half_life=100)
    >>> rule.openness(Moment(300, 1000, np.zeros(3, int), np.array([0, 100, 200])))
    array([1.  , 0.5 , 0.25])
    """

    half_life: int = 200
    floor: float = 0.0

    def __post_init__(self) -> None:
        check_count("half_life", self.half_life)
        check_range("floor", self.floor, 0, 1)

    def openness(self, moment: Moment) -> Array:
        """By age."""
        return np.maximum(0.5 ** (moment.ages / self.half_life), self.floor)


@final
@dataclass
class ReopensOnPlateau(Plasticity):
    """Open at first; closed after a fraction of training; open again when the loss stalls.

    The loss stalls when, over `patience` observations, no mean loss fell below the best one
    before by more than `tolerance` of it.  It then stays open for `window` of training.

    Parameters
    ----------
    closes : float
        Fraction of training after which it first closes, in [0, 1].
    patience : int
        Observations without progress; there is one at each step that the policy is asked.
    tolerance : float
        Relative progress that counts, in [0, 1).
    window : float
        Fraction of training for which it reopens, in (0, 1].
    """

    closes: float = 0.3
    patience: int = 3
    tolerance: float = 0.01
    window: float = 0.1
    _best: float = field(default=float("inf"), init=False, repr=False)
    _stalled: int = field(default=0, init=False, repr=False)
    _open_until: float = field(default=-1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_range("closes", self.closes, 0, 1)
        check_count("patience", self.patience)
        check_range("tolerance", self.tolerance, 0, 1, open_high=True)
        check_range("window", self.window, 0, 1, open_low=True)

    def observe(self, moment: Moment, loss: float) -> None:
        """Count observations without progress."""
        if loss < self._best * (1 - self.tolerance):
            self._best, self._stalled = loss, 0
            return
        self._stalled += 1
        if self._stalled >= self.patience and moment.done >= self.closes:
            self._open_until, self._stalled = moment.done + self.window, 0

    def openness(self, moment: Moment) -> Array:
        """1 or 0, for all alike."""
        is_open = moment.done < max(self.closes, self._open_until)
        return np.full(len(moment.groups), float(is_open))

    def state(self) -> dict[str, NDArray[Any]]:
        """The best loss, the count, and until when it is open."""
        return {"memory": np.array([self._best, self._stalled, self._open_until])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state."""
        memory = state["memory"]
        if memory.shape != (3,):
            raise InvalidParameter(f"memory must have shape (3,), got {memory.shape}")
        self._best, self._stalled, self._open_until = (
            float(memory[0]),
            int(memory[1]),
            float(memory[2]),
        )

"""Timetables: how many neurons are computed at which step, within a budget.

The budget of a run of `n_steps` steps that ends with `k` hidden neurons is what training
those `k` alone would take: ``n_steps * k`` neuron evaluations, an evaluation being one hidden
neuron in one training step, forward and back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from plastic.errors import check_count, check_in, check_range

Counts = NDArray[np.int64]

LOOKS_FIRST = 2
"""How often every neuron is looked at before the first is dropped."""


@dataclass(frozen=True)
class Timetable:
    """When the selection changes, and how many neurons it holds from then on.

    Parameters
    ----------
    steps : int array, shape (n_events,)
        Training steps done when neurons are chosen, ascending, from 0 on.
    counts : int array, shape (n_events, n_groups)
        Neurons of each group that are computed from each event on; the last ones stay.
    shrinks : bool
        Whether those that were dropped are out for good.
    n_steps : int
        Steps that the budget pays for.
    """

    steps: Counts
    counts: Counts
    shrinks: bool
    n_steps: int

    @property
    def evaluations(self) -> int:
        """Neuron evaluations of the whole run."""
        lengths = np.diff(np.append(np.minimum(self.steps, self.n_steps), self.n_steps))
        return int(lengths @ self.counts.sum(axis=1))


class Timing(ABC):
    """Makes timetables; concrete ones are frozen and hold their configuration."""

    keep: float

    @abstractmethod
    def timetable(self, sizes: Counts, n_steps: int) -> Timetable:
        """The timetable for groups of these sizes, shape (n_groups,), and so many steps."""

    def kept(self, sizes: Counts) -> Counts:
        """Neurons of each group that are computed at the end; one at least."""
        return np.maximum(1, np.rint(self.keep * sizes)).astype(np.int64)


@final
@dataclass(frozen=True)
class Always(Timing):
    """All neurons at every step: no selection."""

    keep: float = 1.0

    def timetable(self, sizes: Counts, n_steps: int) -> Timetable:
        """No event at all."""
        return Timetable(np.zeros(0, int), np.zeros((0, len(sizes)), int), False, n_steps)


@final
@dataclass(frozen=True)
class Elimination(Timing):
    r"""From all neurons to the last ones, many dropped at first, ever fewer later.

    .. math:: n(t) = k + (n - k) (1 - t / T_d)^3

    Parameters
    ----------
    keep : float
        Fraction of each group that is computed at the end, in (0, 1].
    every : int
        Steps from one cut to the next.
    explore : float
        Share of the budget that may be spent until the last cut, in (0, 1]; :math:`T_d`
        follows from it.
    equal : {"evaluations", "steps"}
        What the run has in common with one of the last neurons alone: the budget, so that it
        takes fewer steps, or the steps, so that it costs more.

    References
    ----------
    Audibert, Bubeck and Munos (2010), Best arm identification in multi-armed bandits: arms
    are dropped one after the other within a fixed budget.  The cubic law is that of Zhu and
    Gupta (2017), arXiv:1710.01878, equation 1.

    Examples
    --------
    >>> table = Elimination(keep=0.25, every=2).timetable(np.array([16]), 100)
    >>> table.counts.ravel()
    array([16, 16, 11,  9,  8,  7,  6,  5,  5,  4,  4,  4,  4,  4])
    >>> table.steps[-1], table.n_steps, table.evaluations  # of 100 steps, and 400 evaluations
    (np.int64(26), 76, 398)
    """

    keep: float = 0.0625
    every: int = 10
    explore: float = 0.5
    equal: str = "evaluations"

    def __post_init__(self) -> None:
        check_range("keep", self.keep, 0, 1, open_low=True)
        check_count("every", self.every)
        check_range("explore", self.explore, 0, 1, open_low=True)
        check_in("equal", self.equal, ("evaluations", "steps"))

    def timetable(self, sizes: Counts, n_steps: int) -> Timetable:
        """As long an elimination as the budget allows; where it allows none, one cut at 0."""
        kept = self.kept(sizes)
        k = int(kept.sum())
        share = self.explore * n_steps * k

        def spent(cuts: int) -> int:
            return self.every * int(self._counts(sizes, kept, cuts)[:-1].sum())

        cuts = bisect_right(range(1, n_steps // self.every), share, key=spent)
        counts = self._counts(sizes, kept, cuts)
        steps = self.every * np.arange(len(counts))
        if self.equal == "steps":
            return Timetable(steps, counts, True, n_steps)
        paid = int(steps[-1]) + (n_steps * k - spent(cuts)) // k
        return Timetable(steps, counts, True, paid)

    def _counts(self, sizes: Counts, kept: Counts, cuts: int) -> Counts:
        """Neurons from each of ``cuts + 1`` events on, shape (cuts + 1, n_groups)."""
        left = (1 - np.arange(cuts + 1) / max(cuts, 1)) ** 3
        left[: min(LOOKS_FIRST, cuts)] = 1
        left[cuts:] = 0
        counts: Any = kept + np.rint(np.outer(left, sizes - kept)).astype(np.int64)
        return counts


@final
@dataclass(frozen=True)
class Resampling(Timing):
    """As few neurons at every step as at the end, but chosen anew, until they settle.

    Parameters
    ----------
    keep : float
        Fraction of each group that is computed, in (0, 1].
    every : int
        Steps from one choice to the next; 1 is a choice for every step.
    until : float
        Fraction of training after which the choice stays, in [0, 1].
    """

    keep: float = 0.0625
    every: int = 1
    until: float = 0.7

    def __post_init__(self) -> None:
        check_range("keep", self.keep, 0, 1, open_low=True)
        check_count("every", self.every)
        check_range("until", self.until, 0, 1)

    def timetable(self, sizes: Counts, n_steps: int) -> Timetable:
        """Every so often, and once where the choice settles."""
        last = min(int(self.until * n_steps), n_steps - 1)
        steps = np.append(np.arange(0, last, self.every), last)
        return Timetable(steps, np.tile(self.kept(sizes), (len(steps), 1)), False, n_steps)

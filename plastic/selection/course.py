"""A selection under way: what is believed of each hidden neuron, and which are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.selection.beliefs import Beliefs, taken
from plastic.selection.rankings import Candidates
from plastic.selection.selectors import Selector

Array = NDArray[Any]
Indices = NDArray[np.int64]


class Course:
    """Chooses neurons as a timetable asks; knows nothing of networks.

    Parameters
    ----------
    selector : Selector
    groups : int array, shape (n_hidden,)
        Group of each hidden neuron.  Each group is selected from by itself, so no layer is
        left empty.
    n_steps : int
        Training steps that the budget is reckoned by.
    rng : Generator

    Attributes
    ----------
    timetable : Timetable
    beliefs : Beliefs
    active : int array, shape (n_active,)
        Which of the hidden neurons are computed, ascending; at first all.

    Examples
    --------
    >>> from plastic.selection import successive_elimination
    >>> selector, groups = successive_elimination(keep=0.25, sampling="mean"), np.ones(8, int)
    >>> course = Course(selector, groups, 400, np.random.default_rng(0))
    >>> for event, step in enumerate(course.timetable.steps):
    ...     course.choose(event, int(step))
    ...     course.observe(0.1 + course.active)
    >>> course.active
    array([6, 7])
    """

    def __init__(
        self, selector: Selector, groups: NDArray[np.integer], n_steps: int, rng: Generator
    ) -> None:
        self._selector, self._rng = selector, rng
        _, self._group = np.unique(groups, return_inverse=True)
        self._sizes = np.bincount(self._group)
        self.timetable = selector.timing.timetable(self._sizes, n_steps)
        self.beliefs = Beliefs.none(len(groups), selector.discount)
        self.active: Indices = np.arange(len(groups))

    def kept_fraction(self) -> Array:
        """Share of each hidden neuron's group that is computed at the end."""
        return (self._selector.timing.kept(self._sizes) / self._sizes)[self._group]

    def stretches(self, at: int, n: int) -> Iterator[tuple[slice, int | None]]:
        """The `n` steps after step `at`, cut at each event, and after each observed step.

        Yields
        ------
        stretch : slice
            Of the `n` steps.
        event : int, optional
            Which event comes before the stretch, if one does.
        """
        steps = self.timetable.steps
        k = 0
        while k < n:
            event = int(np.searchsorted(steps, at + k))
            here = event < len(steps) and int(steps[event]) == at + k
            following = event + here
            end = min(n, int(steps[following]) - at) if following < len(steps) else n
            if here and self.observes(event):
                end = k + 1
            yield slice(k, end), event if here else None
            k = end

    def observes(self, event: int) -> bool:
        """Whether relevance is measured at an event; after the last one it is of no use."""
        return self._selector.ranking.observes and event < len(self.timetable.steps) - 1

    def choose(
        self, event: int, step: int, magnitudes: Callable[[], Array] | None = None
    ) -> None:
        """Choose the neurons that are active from now on.

        Parameters
        ----------
        event : int
            Which event of the timetable.
        step : int
            Training steps done.
        magnitudes : callable, optional
            Gives the magnitude of each hidden neuron; called if the ranking weighs them.
        """
        table, ranking = self.timetable, self._selector.ranking
        settles = event == len(table.steps) - 1 and not table.shrinks
        choose = ranking.settle if settles else ranking.choose
        among = self.active if table.shrinks else np.arange(len(self._group))
        std, pulls = self.beliefs.std(), self.beliefs.pulls
        size = magnitudes() if ranking.weighs and magnitudes else np.zeros(len(self._group))
        chosen = []
        for group, count in enumerate(table.counts[event].tolist()):
            peers = among[self._group[among] == group]
            if count < len(peers):
                mean = self.beliefs.mean[peers]
                seen = Candidates(mean, std[peers], pulls[peers], size[peers], step)
                peers = peers[choose(seen, count, self._rng)]
            chosen.append(peers)
        self.active = np.sort(np.concatenate(chosen))

    def observe(self, relevance: Array) -> None:
        """Take note of how relevant each active neuron was, shape (n_active,)."""
        group = self._group[self.active]
        for one in range(len(self._sizes)):
            of = group == one
            self.beliefs.observe(self.active[of], relevance[of])

    def arms(self) -> dict[str, Array]:
        """What is believed of the active neurons, as columns of the table of arms."""
        known = self.beliefs.pulls[self.active] > 0
        return {
            "pulls": self.beliefs.pulls[self.active],
            "posterior_mean": np.where(known, self.beliefs.mean[self.active], np.nan),
            "posterior_std": np.where(known, self.beliefs.std()[self.active], np.nan),
        }

    def state(self) -> dict[str, Array]:
        """All but the random stream, as arrays by name."""
        active = np.isin(np.arange(len(self._group)), self.active)
        return {"active": active, **self.beliefs.state()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a `state`.

        Raises
        ------
        InvalidParameter
            If an array is missing or of another shape; nothing is changed then.
        """
        active = taken(state, "active", self._group.shape)
        self.beliefs.restore(state)
        self.active = np.flatnonzero(active)

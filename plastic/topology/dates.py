"""When ids were given out."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray


@final
class Dates:
    """Training steps at which ids were given out: in order, so the id alone tells the step.

    Parameters
    ----------
    table : int64 array, shape (2, n_dates), optional
        The first id given out at each date, ascending from 0, and the date; by default all are
        given out at step 0.

    Examples
    --------
    >>> dates = Dates()
    >>> dates.add(5, step=100)
    >>> dates.of([0, 4, 5, 6])
    array([  0,   0, 100, 100])
    """

    def __init__(self, table: NDArray[np.int64] | None = None) -> None:
        rows = [[0], [0]] if table is None else table.tolist()
        self._firsts: list[int] = rows[0]
        self._steps: list[int] = rows[1]

    def add(self, first: int, step: int) -> None:
        """Ids from `first` on, which is above all that were added, are given out at a step."""
        if self._steps[-1] != step:
            self._firsts.append(first)
            self._steps.append(step)

    def of(self, ids: ArrayLike) -> NDArray[np.int64]:
        """The step at which each id was given out."""
        firsts, steps = self.table
        return steps[np.searchsorted(firsts, ids, side="right") - 1]

    @property
    def table(self) -> NDArray[np.int64]:
        """First ids and dates, shape (2, n_dates)."""
        return np.array([self._firsts, self._steps], np.int64)

    def copy(self) -> Dates:
        """The same dates, to be added to by somebody else."""
        return Dates(self.table)

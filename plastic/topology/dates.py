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
        self._rows = np.zeros((2, 1), np.int64) if table is None else np.array(table, np.int64)
        self._n = self._rows.shape[1]  # in use; there may be room for more

    def add(self, first: int, step: int) -> None:
        """Ids from `first` on, which is above all that were added, are given out at a step."""
        if self._rows[1, self._n - 1] == step:
            return
        if self._n == self._rows.shape[1]:
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)], axis=1)
        self._rows[0, self._n], self._rows[1, self._n] = first, step
        self._n += 1

    def of(self, ids: ArrayLike) -> NDArray[np.int64]:
        """The step at which each id was given out."""
        firsts, steps = self.table
        return steps[np.searchsorted(firsts, ids, side="right") - 1]

    @property
    def table(self) -> NDArray[np.int64]:
        """First ids and dates, shape (2, n_dates)."""
        return self._rows[:, : self._n]

    def copy(self) -> Dates:
        """The same dates, to be added to by somebody else."""
        return Dates(self.table)

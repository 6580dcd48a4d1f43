"""Columns: arrays aligned with the neurons or with the connections, carried through edits.

Weights, optimizer state, moving averages: whatever belongs to a connection (or a neuron) is a
column of it.  Survivors of an edit keep their values bit for bit, newborns get the column's
fill value unless the edit brings its own, and an undo brings back what was there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidEdit, InvalidParameter

Values = NDArray[Any]


class Columns(Mapping[str, Values]):
    """Named arrays of one length; the arrays may be written to, their shape is fixed.

    Parameters
    ----------
    length : int
        How many neurons or connections there are.

    Examples
    --------
    >>> columns = Columns(2)
    >>> columns.add("weight", np.float32)[:] = [0.5, -1.0]
    >>> columns.inserted(np.array([0, 1, 2]), np.array([True]), {})["weight"]
    array([ 0.5, -1. ,  0. ], dtype=float32)
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._arrays: dict[str, Values] = {}
        self._fills: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Values:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def add(self, name: str, dtype: Any, fill: Any = 0) -> Values:
        """Add a column, or return the one of this name if it is there already.

        Raises
        ------
        InvalidParameter
            If it is there with another dtype.
        """
        if name not in self._arrays:
            self._arrays[name] = np.full(self._length, fill, dtype)
            self._fills[name] = fill
        if self._arrays[name].dtype != dtype:
            held = self._arrays[name].dtype
            raise InvalidParameter(f"column {name!r} holds {held}, not {np.dtype(dtype)}")
        return self._arrays[name]

    def replace(self, name: str, values: Values) -> Values:
        """Put other values, perhaps of another dtype, into a column; return its array.

        Raises
        ------
        InvalidParameter
            If their number is not that of the column.
        """
        if len(values) != self._length:
            raise InvalidParameter(
                f"column {name!r} must hold {self._length} values, got {len(values)}"
            )
        self._arrays[name] = np.array(values)
        self._fills.setdefault(name, 0)
        return self._arrays[name]

    def copy(self) -> Columns:
        """The same columns in arrays of their own."""
        arrays = {name: array.copy() for name, array in self._arrays.items()}
        return self._with(arrays, self._length)

    def take(self, index: NDArray[np.integer]) -> dict[str, Values]:
        """Copy some rows of every column."""
        return {name: array[index] for name, array in self._arrays.items()}

    def removed(self, gather: NDArray[np.integer]) -> Columns:
        """The columns after a removal: ``new = old[gather]``."""
        return self._with(self.take(gather), len(gather))

    def inserted(
        self,
        gather: NDArray[np.integer],
        newborn: NDArray[np.bool_],
        given: Mapping[str, Values],
    ) -> Columns:
        """The columns after an insertion: ``new = concatenate([old, fresh])[gather]``.

        Parameters
        ----------
        gather : int array, shape (n_old + n_new,)
        newborn : bool array, shape (n_new,)
            Which of the new ones were never there; the others come back as they were.
        given : mapping of str to array, each of shape (n_new, ...)

        Raises
        ------
        InvalidEdit
            If `given` names a column that is not there, holds values of another shape, or
            holds values for a newborn that are not finite.
        """
        for name in given:
            if name not in self._arrays:
                known = ", ".join(self._arrays) or "none"
                raise InvalidEdit(f"there is no column {name!r}; there are: {known}")
        arrays = {}
        for name, array in self._arrays.items():
            shape = (len(newborn), *array.shape[1:])
            fresh = np.full(shape, self._fills[name], array.dtype)
            if name in given:
                fresh[:] = _fitting(name, given[name], fresh, newborn)
            arrays[name] = np.concatenate([array, fresh])[gather]
        return self._with(arrays, len(gather))

    def _with(self, arrays: dict[str, Values], length: int) -> Columns:
        columns = Columns(length)
        columns._arrays, columns._fills = arrays, dict(self._fills)
        return columns


def _fitting(name: str, values: Values, fresh: Values, newborn: NDArray[np.bool_]) -> Values:
    """The values as the column holds them, checked."""
    if values.shape != fresh.shape:
        raise InvalidEdit(
            f"column {name!r} must be given values of shape {fresh.shape}, got {values.shape}"
        )
    if values.dtype.kind not in "biuf":
        raise InvalidEdit(f"column {name!r} must be given numbers, got {values.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):  # both are caught below
        held = values.astype(fresh.dtype)
    finite = np.isfinite(values) & np.isfinite(held)
    bad = values[newborn][~finite[newborn]]  # what comes back may be as it was
    if len(bad):
        raise InvalidEdit(f"column {name!r} must be given finite values, got {bad[0]}")
    return held

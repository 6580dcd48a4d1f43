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
    >>> columns.inserted(np.array([0, 1, 2]), 1, {})["weight"]
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

    def take(self, index: NDArray[np.integer]) -> dict[str, Values]:
        """Copy some rows of every column."""
        return {name: array[index] for name, array in self._arrays.items()}

    def removed(self, gather: NDArray[np.integer]) -> Columns:
        """The columns after a removal: ``new = old[gather]``."""
        return self._with(self.take(gather), len(gather))

    def inserted(
        self, gather: NDArray[np.integer], n_new: int, given: Mapping[str, Values]
    ) -> Columns:
        """The columns after an insertion: ``new = concatenate([old, fresh])[gather]``.

        Raises
        ------
        InvalidEdit
            If `given` names a column that is not there, or holds values that are not finite.
        """
        self._check(given)
        arrays = {}
        for name, array in self._arrays.items():
            fresh = given.get(name)
            if fresh is None:
                fresh = np.full(n_new, self._fills[name], array.dtype)
            arrays[name] = np.concatenate([array, fresh.astype(array.dtype)])[gather]
        return self._with(arrays, len(gather))

    def _check(self, given: Mapping[str, Values]) -> None:
        for name, values in given.items():
            if name not in self._arrays:
                known = ", ".join(self._arrays) or "none"
                raise InvalidEdit(f"there is no column {name!r}; there are: {known}")
            if not np.isfinite(values).all():
                bad = values[~np.isfinite(values)][0]
                raise InvalidEdit(f"column {name!r} must be given finite values, got {bad}")

    def _with(self, arrays: dict[str, Values], length: int) -> Columns:
        columns = Columns(length)
        columns._arrays, columns._fills = arrays, dict(self._fills)
        return columns

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
        self._fresh: dict[str, Values] = {}  # one item of each: what newborns get

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
            self._fresh[name] = np.full(1, fill, dtype)
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
        array = self._arrays[name] = np.array(values, order="C")
        fill = self._fresh[name].flat[0] if name in self._fresh else 0
        self._fresh[name] = np.full((1, *array.shape[1:]), fill, array.dtype)
        return array

    def put(self, name: str, values: Values, fill: Any = 0) -> Values:
        """Put a copy of a whole column in, whether it was there or not; return its array.

        Raises
        ------
        InvalidParameter
            If the number of values is not that of the column.
        """
        self._fresh[name] = np.full(1, fill, values.dtype)
        return self.replace(name, values)

    def fill_of(self, name: str) -> float:
        """What newborns start with in a column."""
        return self._fresh[name].flat[0].item()

    def copy(self) -> Columns:
        """The same columns in arrays of their own."""
        arrays = {name: array.copy() for name, array in self._arrays.items()}
        return self._with(arrays, self._length)

    def take(self, index: NDArray[np.integer]) -> dict[str, Values]:
        """Copy some rows of every column."""
        gather = np.asarray(index, np.int32)
        return {
            name: _gathered(array, self._fresh[name], gather)
            for name, array in self._arrays.items()
        }

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
        index = np.asarray(gather, np.int32)
        arrays = {}
        for name, array in self._arrays.items():
            fresh = self._fresh[name]
            if name in given:
                shape = (len(newborn), *array.shape[1:])
                values = _fitting(name, given[name], shape, array.dtype, newborn)
                fresh = values if len(values) else fresh
            arrays[name] = _gathered(array, fresh, index)
        return self._with(arrays, len(gather))

    def _with(self, arrays: dict[str, Values], length: int) -> Columns:
        columns = Columns(length)
        columns._arrays, columns._fresh = arrays, dict(self._fresh)
        return columns


UNITS = {size: np.dtype(f"u{size}") for size in (8, 4, 2, 1)}
"""Numbers of so many bytes: as such, values of any kind are carried without being read."""


def _gathered(array: Values, fresh: Values, gather: NDArray[np.int32]) -> Values:
    """``concatenate([array, fresh])[gather]``, where a single fresh item stands for any."""
    from plastic.topology import compiled

    new = np.empty((len(gather), *array.shape[1:]), array.dtype)
    width, unit = 1, UNITS.get(array.itemsize)
    if array.ndim == 1 and unit:
        old, filled, fresh = array.view(unit), new.view(unit), fresh.view(unit)
        every = int(len(fresh) > 1)
    else:
        item = new.itemsize * int(np.prod(new.shape[1:]))
        size = next(size for size in UNITS if item % size == 0)
        every, width = int(len(fresh) > 1), item // size
        old, filled, fresh = (a.reshape(-1).view(UNITS[size]) for a in (array, new, fresh))
    compiled.gather_values(old, fresh, every, width, gather, filled)
    return new


def _fitting(
    name: str,
    values: Values,
    shape: tuple[int, ...],
    dtype: np.dtype,
    newborn: NDArray[np.bool_],
) -> Values:
    """The values as the column holds them, checked."""
    if values.shape != shape:
        raise InvalidEdit(
            f"column {name!r} must be given values of shape {shape}, got {values.shape}"
        )
    if values.dtype.kind not in "biuf":
        raise InvalidEdit(f"column {name!r} must be given numbers, got {values.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):  # both are caught below
        held = np.require(values, dtype, ["C", "W"])
    if newborn.any():  # what comes back may be as it was
        finite = np.isfinite(values) & np.isfinite(held)
        bad = values[newborn][~finite[newborn]]
        if len(bad):
            raise InvalidEdit(f"column {name!r} must be given finite values, got {bad[0]}")
    return held

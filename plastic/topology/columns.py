"""Columns: arrays aligned with the neurons or with the connections, carried through edits.

Weights, optimizer state, moving averages: whatever belongs to a connection (or a neuron) is a
column of it.  Survivors of an edit keep their values bit for bit, newborns get the column's
fill value unless the edit brings its own, and an undo brings back what was there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidEdit, InvalidParameter
from plastic.topology.loops import gathers

Values = NDArray[Any]

NOBODY = np.zeros(0, np.bool_)


UNITS = {size: np.dtype(f"u{size}") for size in (8, 4, 2, 1)}
"""Numbers of so many bytes: as such, values of any kind are carried without being read."""


@dataclass(eq=False, slots=True)
class Column:
    """One column, and the same as plain numbers.

    Parameters
    ----------
    values : array, shape (n, ...)
    fresh : array, shape (1, ...)
        What newborns get.
    words, fresh_words : arrays of `UNITS`, shapes (n * width,) and (width,)
        The same memory.
    width : int
        Words of one item.
    """

    values: Values
    fresh: Values
    words: NDArray[np.unsignedinteger]
    fresh_words: NDArray[np.unsignedinteger]
    width: int

    @classmethod
    def of(cls, values: Values, fill: Any) -> Column:
        """A column that holds this array itself, which must be contiguous."""
        fresh = np.full((1, *values.shape[1:]), fill, values.dtype)
        size = next(size for size in UNITS if fresh.nbytes % size == 0)
        words, fresh_words = (a.reshape(-1).view(UNITS[size]) for a in (values, fresh))
        return cls(values, fresh, words, fresh_words, len(fresh_words))

    def gathered(self, gather: NDArray[np.int32], came: Values | None = None) -> Column:
        """``concatenate([values, came])[gather]``; what came is fresh if it is not given."""
        new, every = self.fresh_words, 0
        if came is not None and len(came):
            new, every = came.reshape(-1).view(self.words.dtype), int(len(came) > 1)
        words = np.empty(len(gather) * self.width, self.words.dtype)
        gathers().gather_values(self.words, new, every, self.width, gather, words)
        return self._of_words(words)

    def fits(self, other: Column) -> bool:
        """Whether it holds items of the same kind and shape."""
        mine, others = self.values, other.values
        return mine.dtype == others.dtype and mine.shape[1:] == others.shape[1:]

    def carried(
        self, there: Column | None, gather: NDArray[np.int32], to_earlier: bool, n: int
    ) -> Column:
        """As `Columns.carried`, to `n` items; without `there`, what is not here is fresh."""
        held = np.tile(self.fresh_words, n) if there is None else there.words
        words = np.empty((n + 1) * self.width, self.words.dtype)
        gathers().carry_values(self.words, held, gather, to_earlier, self.width, words)
        return self._of_words(words[: n * self.width])

    def _of_words(self, words: NDArray[np.unsignedinteger]) -> Column:
        """The same column, holding these."""
        values = words.view(self.values.dtype)
        if self.values.ndim > 1:
            values = values.reshape(-1, *self.values.shape[1:])
        return Column(values, self.fresh, words, self.fresh_words, self.width)


class Columns(Mapping[str, Values]):
    """Named arrays of one length; the arrays may be written to, their shape is fixed.

    An edit makes other ones, and those of before can only be read from then on.

    Parameters
    ----------
    length : int
        How many neurons or connections there are.
    held : dict of str to Column, optional
        What they are at first.

    Examples
    --------
    >>> columns = Columns(2)
    >>> columns.add("weight", np.float32)[:] = [0.5, -1.0]
    >>> columns.inserted(np.array([0, 1, 2]), np.array([True]), {})["weight"]
    array([ 0.5, -1. ,  0. ], dtype=float32)
    """

    def __init__(self, length: int, held: dict[str, Column] | None = None) -> None:
        self._length = length
        self._held: dict[str, Column] = {} if held is None else held

    def __getitem__(self, name: str) -> Values:
        return self._held[name].values

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, name: str, dtype: Any, fill: Any = 0) -> Values:
        """Add a column, or return the one of this name if it is there already.

        Raises
        ------
        InvalidParameter
            If it is there with another dtype.
        """
        if name not in self._held:
            self._held[name] = Column.of(np.full(self._length, fill, dtype), fill)
        values = self._held[name].values
        if values.dtype != dtype:
            raise InvalidParameter(
                f"column {name!r} holds {values.dtype}, not {np.dtype(dtype)}"
            )
        return values

    def replace(self, name: str, values: Values) -> Values:
        """Put other values, perhaps of another dtype, into a column; return its array.

        Raises
        ------
        InvalidParameter
            If their number is not that of the column.
        """
        fill = self._held[name].fresh.flat[0] if name in self._held else 0
        return self.put(name, values, fill)

    def put(self, name: str, values: Values, fill: Any = 0) -> Values:
        """Put a copy of a whole column in, whether it was there or not; return its array.

        Raises
        ------
        InvalidParameter
            If the number of values is not that of the column.
        """
        if len(values) != self._length:
            raise InvalidParameter(
                f"column {name!r} must hold {self._length} values, got {len(values)}"
            )
        column = self._held[name] = Column.of(np.array(values, order="C"), fill)
        return column.values

    def fill_of(self, name: str) -> float:
        """What newborns start with in a column."""
        return self._held[name].fresh.flat[0].item()

    def copy(self) -> Columns:
        """The same columns in arrays of their own."""
        held = {
            name: Column.of(column.values.copy(), column.fresh.flat[0])
            for name, column in self._held.items()
        }
        return Columns(self._length, held)

    def take(self, index: NDArray[np.integer]) -> dict[str, Values]:
        """Copy some rows of every column."""
        positions = np.asarray(index, np.int32)
        return {name: column.gathered(positions).values for name, column in self._held.items()}

    def removed(self, gather: NDArray[np.integer]) -> Columns:
        """The columns after a removal: ``new = old[gather]``."""
        return self.inserted(gather, NOBODY, {})

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
            Which of the new ones were never there; the others come back as they were.  It is
            not looked at if nothing is given.
        given : mapping of str to array, each of shape (n_new, ...)

        Raises
        ------
        InvalidEdit
            If `given` names a column that is not there, holds values of another shape, or
            holds values for a newborn that are not finite.
        """
        origins, came, held = np.asarray(gather, np.int32), {}, {}
        for name, values in given.items():
            came[name] = self._fitting(name, values, newborn)
        for name, column in self._held.items():
            held[name] = column.gathered(origins, came.get(name))
        return Columns(len(origins), held)

    def fit(self, others: Columns) -> bool:
        """Whether each of these columns is among the others, with items of the same kind."""
        held = others._held
        for name, column in self._held.items():
            if name not in held or not column.fits(held[name]):
                return False
        return True

    def carried(self, there: Columns, gather: NDArray[np.int32], to_earlier: bool) -> Columns:
        """The columns where a way back leads, see `WayBack`.

        Parameters
        ----------
        there : Columns
            Those that were there, of which what is not here is taken; what they do not have is
            fresh.
        gather : int32 array, shape (n_later,)
        to_earlier : bool
            Whether that is the earlier of both.
        """
        n, old = there._length, there._held
        held = {
            name: column.carried(old.get(name), gather, to_earlier, n)
            for name, column in self._held.items()
        }
        return Columns(n, held)

    def lock(self) -> None:
        """Let nobody write to these arrays any more."""
        for column in self._held.values():
            column.values.flags.writeable = False

    def _fitting(self, name: str, values: Values, newborn: NDArray[np.bool_]) -> Values:
        """Given values as the column holds them, checked."""
        if name not in self._held:
            known = ", ".join(self._held) or "none"
            raise InvalidEdit(f"there is no column {name!r}; there are: {known}")
        column = self._held[name].values
        shape, dtype = (len(newborn), *column.shape[1:]), column.dtype
        if values.shape != shape:
            raise InvalidEdit(
                f"column {name!r} must be given values of shape {shape}, got {values.shape}"
            )
        if values.dtype.kind not in "biuf":
            raise InvalidEdit(f"column {name!r} must be given numbers, got {values.dtype}")
        fits = values.dtype == dtype and values.flags.carray  # else it takes a while
        held = values if fits else _converted(values, dtype)
        if newborn.any():  # what comes back may be as it was
            finite = np.isfinite(values) & np.isfinite(held)
            bad = values[newborn][~finite[newborn]]
            if len(bad):
                raise InvalidEdit(f"column {name!r} must be given finite values, got {bad[0]}")
        return held


def _converted(values: Values, dtype: np.dtype) -> Values:
    with np.errstate(over="ignore", invalid="ignore"):  # who asks looks for what was lost
        return np.require(values, dtype, ["C", "W"])

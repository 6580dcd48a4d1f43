"""A table of arms: ids in ascending order, and columns of plain arrays beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.errors import InvalidParameter

Array = NDArray[Any]
Ids = NDArray[np.int64]

IDS = "arm"
"""What the column of ids is called in a saved state."""

SPARSEST = 20
"""Ids in the span of the table for each that is there, up to which they are looked up in an
array as long as the span; beyond, by bisection."""


class ArmTable:
    """What is known of each arm; memory in proportion to the arms that live, not to their ids.

    Parameters
    ----------
    newborn : mapping of str to array
        For each column what a newborn arm has there; an array makes a column of arrays.

    Examples
    --------
    >>> table = ArmTable({"count": np.zeros(())})
    >>> table.admit(np.array([7, 3]))
    >>> table["count"][table.at(np.array([7]))] += 2
    >>> table.ids, table["count"]
    (array([3, 7]), array([0., 2.]))
    """

    def __init__(self, newborn: Mapping[str, ArrayLike]) -> None:
        self._newborn = {name: np.asarray(value) for name, value in newborn.items()}
        self.ids: Ids = np.zeros(0, np.int64)
        self._columns = {
            name: np.zeros((0, *value.shape), value.dtype)
            for name, value in self._newborn.items()
        }
        self._places: Ids | None = None

    def __getitem__(self, name: str) -> Array:
        """A column, by position; writing to it changes the table."""
        return self._columns[name]

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, arms: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """Position of each arm, and whether it is there at all."""
        if not len(self.ids):
            return np.zeros(arms.shape, np.int64), np.zeros(arms.shape, bool)
        if self._places is not None:
            offsets = arms - self.ids[0]
            within = (offsets >= 0) & (offsets < len(self._places))
            positions = self._places[offsets if within.all() else np.where(within, offsets, 0)]
            return positions, within & (positions >= 0)
        positions = np.minimum(np.searchsorted(self.ids, arms), len(self.ids) - 1)
        return positions, self.ids[positions] == arms

    def at(self, arms: Ids) -> Ids:
        """Position of each arm.

        Raises
        ------
        InvalidParameter
            Naming the first arm that is not in the table.
        """
        positions, there = self.find(arms)
        if not there.all():
            raise InvalidParameter(
                f"arm {arms[~there][0]} is unknown: it was never offered, or it has retired"
            )
        return positions

    def admit(self, arms: Ids) -> None:
        """Take in the arms that are not there yet, as newborns."""
        _, there = self.find(arms)
        if there.all():
            return
        born = arms[~there]
        if not (born[1:] > born[:-1]).all():
            born = np.unique(born)
        ids = np.concatenate([self.ids, born])
        in_order = len(self.ids) == 0 or born[0] > self.ids[-1]
        order = slice(None) if in_order else np.argsort(ids)
        for name, value in self._newborn.items():
            fresh = np.broadcast_to(value, (len(born), *value.shape))
            self._columns[name] = np.concatenate([self._columns[name], fresh])[order]
        self._set_ids(ids[order])

    def drop(self, arms: Ids) -> None:
        """Forget arms; raises `InvalidParameter` for one that is not there."""
        keep = np.ones(len(self.ids), bool)
        keep[self.at(arms)] = False
        for name, column in self._columns.items():
            self._columns[name] = column[keep]
        self._set_ids(self.ids[keep])

    def state(self) -> dict[str, Array]:
        """Copies of the ids and of every column."""
        return {IDS: self.ids.copy()} | {
            name: column.copy() for name, column in self._columns.items()
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take the table from `state`, which has been checked."""
        for name in self._columns:
            self._columns[name] = state[name].copy()
        self._set_ids(state[IDS].copy())

    def check(self, state: Mapping[str, Array]) -> None:
        """Raise `InvalidParameter` unless `restore` can take every column from `state`."""
        ids = state[IDS]
        if ids.dtype != np.int64 or ids.ndim != 1 or not (np.diff(ids, prepend=-1) > 0).all():
            raise InvalidParameter(
                f"a saved {IDS} must hold whole numbers from 0 in ascending order, got {ids!r}"
            )
        for name, value in self._newborn.items():
            expected = (len(ids), *value.shape)
            if state[name].shape != expected or state[name].dtype != value.dtype:
                raise InvalidParameter(
                    f"a saved {name} must have shape {expected} and kind {value.dtype}, "
                    f"got {state[name].shape} and {state[name].dtype}"
                )

    def _set_ids(self, ids: Ids) -> None:
        """Take new ids, and where they lie close together a table that finds them at once."""
        self.ids, self._places = ids, None
        span = int(ids[-1] - ids[0]) + 1 if len(ids) else 0
        if 0 < span <= SPARSEST * len(ids):
            self._places = np.full(span, -1)
            self._places[ids - ids[0]] = np.arange(len(ids))

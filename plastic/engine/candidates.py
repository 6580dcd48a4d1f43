"""Connections that are not there: how many, and what their gradients would be.

In a `Missing` the sources stand in topological order, so those that may lead to a target are
the first of them: its pairs are a row, and a range of columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plastic.topology import Structure

Array = NDArray[Any]
Slots = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Missing:
    """The connections between two groups of neurons that are not there and respect the order.

    Parameters
    ----------
    sources, targets : int arrays
        Slots, in topological order.
    limits : int array, shape (n_targets,)
        How many of the sources come before each target.
    columns : int array, shape (n_neurons,)
        Place of a slot among the sources, -1 where it is none of them.
    indptr, held : int arrays
        The connections that are there: sources of each slot, as in `Structure`.
    count : int
        How many are missing.
    """

    sources: Slots
    targets: Slots
    limits: Slots
    columns: Slots
    indptr: Array
    held: Array
    count: int


def missing_between(
    structure: Structure, sources: Slots, targets: Slots, n_held: int | None = None
) -> Missing:
    """What is missing between two groups of slots.

    Parameters
    ----------
    structure : Structure
    sources, targets : int arrays
    n_held : int, optional
        How many connections there are between them; counted if it is not told.
    """
    rank = structure.rank
    (sources, ranks), (targets, of_targets) = _in_order(sources, rank), _in_order(targets, rank)
    columns = np.full(structure.n_neurons, -1)
    columns[sources] = np.arange(len(sources))
    if n_held is None:
        n_held = _count_held(locked(targets), columns, structure.indptr, structure.sources)
    if len(ranks) and len(of_targets) and ranks[-1] < of_targets[0]:
        limits = np.full(len(targets), len(sources))
    else:
        limits = np.searchsorted(ranks, of_targets)
    count = int(limits.sum()) - n_held
    return Missing(
        sources, targets, limits, columns, structure.indptr, structure.sources, count
    )


def _in_order(slots: Slots, rank: Array) -> tuple[Slots, Array]:
    """Slots by rank, as those of layers lie already; and their ranks."""
    ranks = rank[slots]
    if (ranks[1:] < ranks[:-1]).any():
        order = np.argsort(ranks)
        slots, ranks = slots[order], ranks[order]
    return slots, ranks


@njit(cache=True, nogil=True, error_model="numpy")
def _count_held(targets: Slots, columns: Slots, indptr: Array, held: Array) -> int:
    """How many of the connections into some targets are there; arrays as in `Missing`."""
    count = 0
    for target in targets:
        for e in range(indptr[target], indptr[target + 1]):
            count += columns[held[e]] >= 0
    return count


def first_held(structure: Structure, sources: Slots, targets: Slots) -> int:
    """The first of some pairs that is connected already, -1 if none is."""
    stamps = np.full(structure.n_neurons, -1)
    order = np.zeros(0, np.int64)
    if np.count_nonzero(targets[1:] != targets[:-1]) > 2 * structure.n_neurons:
        order = np.argsort(targets, kind="stable")
    at = _find_held(
        structure.indptr, structure.sources, locked(sources), locked(targets), order, stamps
    )
    return int(at)


@njit(cache=True, nogil=True, error_model="numpy")
def _find_held(
    indptr: Array, held: Array, sources: Slots, targets: Slots, order: Slots, stamps: Slots
) -> int:
    """Marks the sources of a target once for all of its pairs."""
    marked, first = -1, -1
    for k in range(len(sources)):
        pair = order[k] if len(order) else k
        target = targets[pair]
        if target != marked:
            marked = target
            for e in range(indptr[target], indptr[target + 1]):
                stamps[held[e]] = target
        if stamps[sources[pair]] == target and (first < 0 or pair < first):
            first = pair
    return first


def tally(
    pieces: Iterable[tuple[Slots, Array]], n_neurons: int
) -> tuple[Slots, NDArray[np.float64]]:
    """How often each slot occurs, and the sum of its values; shape (n_neurons,) each.

    Parameters
    ----------
    pieces : iterable of pairs of arrays
        Slots and their values, one piece after the other.
    n_neurons : int

    Examples
    --------
    >>> tally([(np.array([2, 0]), np.array([1.0, 5.0])), (np.array([2]), np.array([3.0]))], 3)
    (array([1, 0, 2]), array([5., 0., 4.]))
    """
    counts, sums = np.zeros(n_neurons, np.int64), np.zeros(n_neurons)
    run = 0, 0, 0.0
    for slots, values in pieces:
        run = _add_up(locked(slots), locked(values), counts, sums, *run)
    last, count, total = run
    counts[last] += count
    sums[last] += total
    return counts, sums


@njit(cache=True, nogil=True, error_model="numpy")
def _add_up(
    slots: Slots, values: Array, counts: Slots, sums: Array, last: int, count: int, total: float
) -> tuple[int, int, float]:
    """A slot that comes several times in a row is written once; returns the run at the end."""
    for k in range(len(slots)):
        if slots[k] != last:
            counts[last] += count
            sums[last] += total
            last, count, total = slots[k], 0, 0.0
        count += 1
        total += values[k]
    return last, count, total


def locked(array: Array) -> Array:
    """One kind of array for the kernels, so that each is compiled once a precision."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view

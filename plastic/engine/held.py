"""Neurons and connections by block of groups, each sorted in two passes.

Most groups lie in one stretch of slots, and most of their connections come from one other:
the lowest and the highest source tell that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plastic.engine.candidates import locked
from plastic.topology import Structure

Array = NDArray[Any]
Slots = NDArray[np.int64]

MIXED = -1
"""Stands for the group of sources that are not of one stretch, or are none."""


def slots_by_group(group_of: Array, n_groups: int, wanted: Array) -> list[Slots]:
    """The slots that are wanted, ascending, by group.

    Parameters
    ----------
    group_of : int array, shape (n_neurons,)
    n_groups : int
    wanted : bool array, shape (n_neurons,)

    Examples
    --------
    >>> slots_by_group(np.array([1, 0, 1]), 2, np.array([True, True, True]))
    [array([1]), array([0, 2])]
    """
    ends, slots = np.zeros(n_groups, np.int64), np.empty(len(group_of), np.int64)
    _lay_slots(locked(group_of), locked(wanted), ends, slots)
    starts = [0, *ends[:-1].tolist()]
    return [slots[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]


def held_by_block(
    structure: Structure, group_of: Array, block_of: Array, n_blocks: int, is_open: Array
) -> tuple[list[Slots], Slots, Slots]:
    """Positions of the connections of each block that lead to open neurons.

    Parameters
    ----------
    structure : Structure
    group_of : int array, shape (n_neurons,)
        Group of each slot.
    block_of : int array, shape (n_groups, n_groups)
        Number of a block by the groups of target and source; `n_blocks` where there is none.
    n_blocks : int
    is_open : bool array, shape (n_neurons,)

    Returns
    -------
    positions : list of int arrays
        Ascending, by block.
    n_held, n_open : int arrays, shape (n_blocks,)
        Connections that are there, those to other neurons included; and without them.
    """
    n_held, n_open = np.zeros((2, n_blocks + 1), np.int64)
    group_of, block_of, is_open = (locked(array) for array in (group_of, block_of, is_open))
    indptr, sources = structure.indptr, structure.sources
    only = np.empty(len(group_of), np.int64)
    _count(indptr, sources, group_of, block_of, is_open, only, n_held, n_open)
    ends = np.cumsum(n_open)
    starts = ends - n_open
    positions = np.empty(ends[-1], np.int64)
    _lay(indptr, sources, group_of, block_of, is_open, only, starts.copy(), positions)
    each = [positions[start:end] for start, end in zip(starts, ends, strict=True)]
    return each[:n_blocks], n_held[:n_blocks], n_open[:n_blocks]


@njit(cache=True, nogil=True, error_model="numpy")
def _lay_slots(group_of, wanted, ends, slots):
    for slot in range(len(group_of)):
        ends[group_of[slot]] += wanted[slot]
    before = 0
    for group in range(len(ends)):
        before, ends[group] = before + ends[group], before
    for slot in range(len(group_of)):
        if wanted[slot]:
            slots[ends[group_of[slot]]] = slot
            ends[group_of[slot]] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _end(group_of, is_open, first):
    """Where the stretch of slots of one group ends, all open or none."""
    last = first + 1
    while (
        last < len(group_of)
        and group_of[last] == group_of[first]
        and is_open[last] == is_open[first]
    ):
        last += 1
    return last


@njit(cache=True, nogil=True, error_model="numpy")
def _only_group(group_of, changes, sources):
    """Group of all sources if they lie in one stretch of it, else `MIXED`."""
    if not len(sources):
        return MIXED
    lowest = highest = sources[0]
    for source in sources:
        lowest, highest = min(lowest, source), max(highest, source)
    one = changes[lowest] == changes[highest]
    return group_of[lowest] if one else MIXED


@njit(cache=True, nogil=True, error_model="numpy")
def _count(indptr, sources, group_of, block_of, is_open, only, n_held, n_open):
    """Count connections by block; `only` is filled with the group of all sources, if it is one.

    It is written where a stretch of targets begins.
    """
    changes = np.zeros(len(group_of), np.int32)  # of the group, from the first slot to each
    for slot in range(1, len(group_of)):
        changes[slot] = changes[slot - 1] + (group_of[slot] != group_of[slot - 1])
    first = 0
    while first < len(group_of):
        last, row = _end(group_of, is_open, first), block_of[group_of[first]]
        those = sources[indptr[first] : indptr[last]]
        only[first] = _only_group(group_of, changes, those)
        if only[first] != MIXED:
            n_held[row[only[first]]] += len(those)
            n_open[row[only[first]]] += len(those) * is_open[first]
        else:
            for source in those:
                n_held[row[group_of[source]]] += 1
                n_open[row[group_of[source]]] += is_open[first]
        first = last


@njit(cache=True, nogil=True, error_model="numpy")
def _lay(indptr, sources, group_of, block_of, is_open, only, starts, positions):
    last = 0
    while last < len(group_of):
        first, last = last, _end(group_of, is_open, last)
        if not is_open[first]:
            continue
        row, begin, end = block_of[group_of[first]], indptr[first], indptr[last]
        if only[first] != MIXED:
            at = starts[row[only[first]]]
            for k in range(end - begin):
                positions[at + k] = begin + k
            starts[row[only[first]]] += end - begin
        else:
            for e in range(begin, end):
                block = row[group_of[sources[e]]]
                positions[starts[block]] = e
                starts[block] += 1

"""Connections that are there, sorted into blocks of groups in two passes over the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plastic.engine.candidates import locked
from plastic.topology import Structure

Array = NDArray[Any]


def held_by_block(
    structure: Structure, group_of: Array, block_of: Array, n_blocks: int, is_open: Array
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
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
    n_held : int array, shape (n_blocks,)
        Connections that are there, those to other neurons included.
    """
    n_held, n_open = np.zeros((2, n_blocks + 1), np.int64)
    group_of, block_of, is_open = (locked(array) for array in (group_of, block_of, is_open))
    indptr, sources = structure.indptr, structure.sources
    _count(indptr, sources, group_of, block_of, is_open, n_held, n_open)
    ends = np.cumsum(n_open)
    starts = ends - n_open
    positions = np.empty(ends[-1], np.int64)
    _lay(indptr, sources, group_of, block_of, is_open, starts.copy(), positions)
    each = [positions[start:end] for start, end in zip(starts, ends, strict=True)]
    return each[:n_blocks], n_held[:n_blocks]


@njit(cache=True, nogil=True, error_model="numpy")
def _count(indptr, sources, group_of, block_of, is_open, n_held, n_open):
    """Most sources of a row are of one block, whose count stays in a register meanwhile."""
    for target in range(len(is_open)):
        row, last, count = block_of[group_of[target]], 0, 0
        for e in range(indptr[target], indptr[target + 1]):
            block = row[group_of[sources[e]]]
            if block != last:
                n_held[last] += count
                n_open[last] += count * is_open[target]
                last, count = block, 0
            count += 1
        n_held[last] += count
        n_open[last] += count * is_open[target]


@njit(cache=True, nogil=True, error_model="numpy")
def _lay(indptr, sources, group_of, block_of, is_open, starts, positions):
    for target in range(len(is_open)):
        if not is_open[target]:
            continue
        row, last = block_of[group_of[target]], 0
        at = starts[last]
        for e in range(indptr[target], indptr[target + 1]):
            block = row[group_of[sources[e]]]
            if block != last:
                starts[last] = at
                last, at = block, starts[block]
            positions[at] = e
            at += 1
        starts[last] = at

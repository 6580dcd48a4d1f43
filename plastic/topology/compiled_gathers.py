"""The compiled loops that carry columns along, and index connections.

As in `plastic.topology.compiled`, nothing here knows of topologies, edits or rules.  Import
from it where it is used, inside the function, as it brings numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def gather_values(old, fresh, every, width, gather, new):
    """``new = concatenate([old, fresh])[gather]``, in items of `width` numbers.

    Parameters
    ----------
    old, fresh : arrays, shapes (n_old * width,) and (n_new * width,), which is not empty
    every : int
        1, or 0 if one item of `fresh` stands for all.
    width : int
    gather : int32 array, shape (n,)
    new : array, shape (n * width,)
        Will be filled.
    """
    n_old = len(old) // width
    if width == 1 and n_old > 0:
        last, alike = np.int32(n_old - 1), fresh[0]
        for q in range(len(gather) if every == 0 else 0):
            # read anyhow, and chosen after: a branch would be mispredicted
            held = old[np.uint32(min(gather[q], last))]
            new[q] = held if gather[q] <= last else alike
        n = np.uint32(n_old)
        for q in range(len(gather) if every == 1 else 0):
            at = np.uint32(gather[q])
            new[q] = old[at] if at < n else fresh[np.uint32(at - n)]
        return
    for q in range(len(gather)):
        came, at = (gather[q] - n_old) * every * width, gather[q] * width
        for c in range(width):
            new[q * width + c] = old[at + c] if gather[q] < n_old else fresh[came + c]


@njit(cache=True, nogil=True, error_model="numpy")
def turn_gather(gather, n_before, lost, back, born):
    """The `gather` of `merge_rows` that leads back.

    Parameters
    ----------
    gather : int32 array, shape (n_after,)
        Where each connection comes from: its position before, or `n_before` and more.
    n_before : int
    lost : int32 array, shape (n_lost,)
        Positions before of those that went.
    back : int32 array, shape (n_before + 1,)
        Will begin with where each of before is after, or ``n_after`` and its number among those
        that went.
    born : int32 array, shape (n_after - n_before + n_lost + 1,)
        Will begin with the positions after of those that came, ascending.
    """
    count, last = 0, np.int32(n_before)
    for p in range(len(gather)):
        back[min(gather[p], last)] = p  # a newborn's into the place behind all
        born[count] = p
        count += gather[p] >= last
    for k in range(len(lost)):
        back[lost[k]] = len(gather) + k


@njit(cache=True, nogil=True, error_model="numpy")
def index_by_source(indptr, sources, starts, targets):
    """The connections by source, and by target within: a counting sort.

    `starts` and `targets` will be those of `OutIndex`.
    """
    starts[:] = 0
    for p in range(len(sources)):
        starts[np.uint32(sources[p]) + 1] += 1
    for source in range(len(starts) - 1):
        starts[source + 1] += starts[source]
    cursors = starts.astype(np.uint32)
    targets[:] = 0  # in a row, as memory is fetched faster than here and there
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            source = np.uint32(sources[p])
            targets[cursors[source]] = row
            cursors[source] += np.uint32(1)


@njit(cache=True, nogil=True, error_model="numpy")
def positions_by_source(sources, starts, positions):
    """``argsort(sources, kind="stable")``, where `starts` says where each source begins."""
    cursors = starts.astype(np.uint32)
    for p in range(len(sources)):
        source = np.uint32(sources[p])
        positions[cursors[source]] = p
        cursors[source] += np.uint32(1)


@njit(cache=True, nogil=True, error_model="numpy")
def find_pairs(indptr, sources, starts, order, wanted, found):
    """Position of the connection between each pair of slots, -1 where there is none.

    `starts`, `order` and `wanted`, the sources, are as `sort_by_row` lays the pairs; `found`,
    int64 array of shape (k,), will be filled.
    """
    last = np.zeros(len(indptr), np.int32)  # position of a source, right for the row at hand
    for row in range(len(indptr) - 1):
        if starts[row] == starts[row + 1]:
            continue
        start, stop = indptr[row], indptr[row + 1]
        for p in range(start, stop):
            last[sources[p]] = p
        for k in range(starts[row], starts[row + 1]):
            source = wanted[k]
            p = last[source]
            there = start <= p and p < stop and sources[p] == source
            found[order[k]] = p if there else -1


# The C library gives memory back to the system as soon as an array of some size is freed, and
# the pages of the next one have to be zeroed again, which takes longer than to fill them.
# Once it has seen a large one come and go, touched or not, it keeps 64 MiB for the next ones.
_large = np.empty(2**25 - 2**16, np.uint8)
del _large

"""The compiled loops that carry columns along, and name and index connections.

As in `plastic.topology.compiled`, nothing here knows of topologies, edits or rules.
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
        n, alike = np.uint32(n_old), fresh[0]
        for q in range(len(gather) if every == 0 else 0):  # what comes lies together in its row
            at = np.uint32(gather[q])
            new[q] = old[at] if at < n else alike
        for q in range(len(gather) if every == 1 else 0):
            at = np.uint32(gather[q])
            new[q] = old[at] if at < n else fresh[np.uint32(at - n)]
        return
    for q in range(len(gather)):
        came, at = (gather[q] - n_old) * every * width, gather[q] * width
        for c in range(width):
            new[q * width + c] = old[at + c] if gather[q] < n_old else fresh[came + c]


@njit(cache=True, nogil=True, error_model="numpy")
def carry_values(old, there, gather, to_earlier, width, new):
    """Carry items over between two places, of which one was made of the other.

    Parameters
    ----------
    old, there : arrays, shapes (n_old * width,) and (n * width,)
        What is carried, and what was there before.
    gather : int32 array, shape (n_later,)
        Where each item of the later one is in the earlier one, ascending where it is.
    to_earlier : bool
        Whether `old` is of the later one.
    width : int
    new : array, shape ((n + 1) * width,)
        Will begin with the items, each from `old` if it is in it, and from `there` if not.
    """
    n, n_old = np.uint32(len(new) // width - 1), np.uint32(len(old) // width)
    if to_earlier:
        new[: len(there)] = there
    if to_earlier and width == 1:
        for q in range(len(gather)):  # what is not there, behind all: a branch would cost more
            new[min(np.uint32(gather[q]), n)] = old[q]
    elif to_earlier:
        for q in range(len(gather)):
            at = min(np.uint32(gather[q]), n) * width
            for c in range(width):
                new[at + c] = old[q * width + c]
    elif width == 1:
        for q in range(len(gather)):
            at = np.uint32(gather[q])
            new[q] = old[at] if at < n_old else there[q]
    else:
        for q in range(len(gather)):
            at = np.uint32(gather[q])
            for c in range(width):
                here = q * width + c
                new[here] = old[at * width + c] if at < n_old else there[here]


@njit(cache=True, nogil=True, error_model="numpy")
def name_rows(indptr, sources, ids, neuron_ids, positions, from_ids, to_ids, named):
    """Ends and ids of the connections at some positions, by id of the neurons.

    Parameters
    ----------
    indptr, sources, ids, neuron_ids
        As in `Structure`.
    positions : int32 array, shape (k,)
        Ascending.
    from_ids, to_ids, named : int64 arrays, shape (k,)
        Will be source, target and id of each.
    """
    row, to_id, stop = -1, np.int64(0), np.int64(0)
    for k in range(len(positions)):
        p = positions[k]
        while stop <= p:
            row += 1
            stop, to_id = indptr[row + 1], neuron_ids[row]
        from_ids[k], to_ids[k], named[k] = neuron_ids[np.uint32(sources[p])], to_id, ids[p]


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
def any_twice(starts, targets):
    """Whether a source leads to the same target twice, given `OutIndex`."""
    alike = 0
    for k in range(1, len(targets)):  # without a way out, so as vectors
        alike += targets[k] == targets[k - 1]
    for source in range(1, len(starts) - 1):  # where another source begins, it does not count
        start = starts[source]
        if starts[source - 1] < start and start < len(targets):
            alike -= targets[start] == targets[start - 1]
    return alike > 0


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

"""The compiled look-ups of the topology manager: ids, the ends of connections, pairs.

As in `plastic.topology.compiled`, nothing here knows of topologies, edits or rules.  Import
from it where it is used, inside the function, as it brings numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from plastic.topology.structure import SPREAD


@njit(cache=True, nogil=True, error_model="numpy")
def find_ids(held, ids, found, positions):
    """Find which of `held` (n,) are among `ids` (k,), of which there is one at least.

    Parameters
    ----------
    held : int array, shape (n,)
        Each at least 0, none twice.
    ids : int64 array, shape (k,)
        In any order.
    found : uint8 array, shape (n,)
        Will be 1 where one of `ids` is held, 0 elsewhere.
    positions : int32 array, shape (k + 1,)
        Will begin with the positions of those, ascending.

    Returns
    -------
    int, bool
        How many were found, and whether one of `ids` is there twice.
    """
    low = high = ids[0]
    for k in range(1, len(ids)):
        low, high = min(low, ids[k]), max(high, ids[k])
    if high - low < SPREAD * (len(held) + len(ids)):
        return find_near_ids(held, ids, low, high, found, positions)
    return find_far_ids(held, ids, found, positions)


@njit(cache=True, nogil=True, error_model="numpy")
def find_near_ids(held, ids, low, high, found, positions):
    """Find ids by a bit for every number from the lowest to the highest, and one more."""
    marks, one, twice = np.zeros((high - low + 1) // 64 + 1, np.uint64), np.uint64(1), False
    for k in range(len(ids)):
        bit = np.uint64(ids[k] - low)
        twice |= (marks[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & one != 0
        marks[bit >> np.uint64(6)] |= one << (bit & np.uint64(63))
    last, count = np.uint64(64 * len(marks) - 1), 0  # the last is no id's
    for p in range(len(held)):
        bit = min(np.uint64(np.int64(held[p]) - low), last)
        hit = (marks[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & one
        found[p] = hit
        positions[count] = p
        count += np.int64(hit)
    return count, twice


@njit(cache=True, nogil=True, error_model="numpy")
def find_far_ids(held, ids, found, positions):
    """Find ids that lie far from each other, by a table of their hashes."""
    bits, n, twice, count = 2, len(ids), False, 0
    while n > 0:
        n, bits = n >> 1, bits + 1
    owners = np.zeros(1 << (bits - 1), np.int32)  # two places an id at least
    shift, last = np.uint64(65 - bits), np.uint64(len(owners) - 1)
    scatter, one = np.uint64(0x9E3779B97F4A7C15), np.uint64(1)
    for k in range(len(ids)):
        place = (np.uint64(ids[k]) * scatter) >> shift
        while owners[place] != 0 and ids[owners[place] - 1] != ids[k]:
            place = (place + one) & last
        twice |= owners[place] != 0
        owners[place] = k + 1
    for p in range(len(held)):
        place = (np.uint64(held[p]) * scatter) >> shift
        while owners[place] != 0 and ids[owners[place] - 1] != held[p]:
            place = (place + one) & last
        hit = owners[place] != 0
        found[p] = hit
        positions[count] = p
        count += np.int64(hit)
    return count, twice


@njit(cache=True, nogil=True, error_model="numpy")
def name_rows(indptr, sources, ids, neuron_ids, positions, from_ids, to_ids, named, ends):
    """Ends and ids of the connections at some positions, by id of the neurons.

    Parameters
    ----------
    indptr, sources, ids, neuron_ids
        As in `Structure`.
    positions : int32 array, shape (k,)
        Ascending.
    from_ids, to_ids, named : int64 arrays, shape (k,)
        Will be source, target and id of each.
    ends : bool array, shape (n_neurons,) or (0,)
        Will be set where a neuron is at one end, unless it is empty.
    """
    row, to_id = -1, np.int64(0)
    stop, marked = np.int64(0), len(ends) > 0
    for k in range(len(positions)):
        p = positions[k]
        while stop <= p:
            row += 1
            stop, to_id = indptr[row + 1], neuron_ids[row]
        source = np.uint32(sources[p])
        from_ids[k], to_ids[k], named[k] = neuron_ids[source], to_id, ids[p]
        if marked:
            ends[source] = ends[row] = True


UNKNOWN_SOURCE, UNKNOWN_TARGET, BROKEN, AGAINST, GIVEN = 1, 2, 4, 8, 16
"""What `check_pairs` may find, as bits."""


@njit(cache=True, nogil=True, error_model="numpy")
def check_pairs(
    neuron_ids, table, traits, may_join, from_ids, to_ids, ids, next_id, sources, targets
):  # fmt: skip
    """Slots of pairs of neurons, and whether a rule for single pairs is broken.

    Parameters
    ----------
    neuron_ids, table, traits
        As in `Structure`, where `table` is its `slot_by_id`.
    may_join : bool array, shape (n_numbers, n_numbers)
        What may connect, by the numbers in `traits`.
    from_ids, to_ids, ids : int64 arrays, shape (k,)
        Ids of the neurons, and of the connections.
    next_id : int
        The lowest id that no connection ever had.
    sources, targets : int32 arrays, shape (k,)
        Will be the slots, -1 where there is no such neuron.

    Returns
    -------
    int
        0, or the sum of `UNKNOWN_SOURCE`, `UNKNOWN_TARGET` (there is no such neuron),
        `BROKEN` (a rule) and `AGAINST` (the order), each if any pair is so, and `GIVEN` if
        the ids are not as the topology gives them out: ascending, and never used before.
        What is not known is looked for first, and alone.
    """
    low, span = neuron_ids[0], np.uint64(neuron_ids[-1] - neuron_ids[0] + 1)
    unknown_source = unknown_target = given = broken = against = False
    for k in range(len(from_ids)):  # without a way out or a table, so as vectors
        s, t = from_ids[k] - low, to_ids[k] - low
        unknown_source |= np.uint64(s) >= span
        unknown_target |= np.uint64(t) >= span
        sources[k], targets[k] = s, t
    if len(table) and not (unknown_source or unknown_target):
        for k in range(len(from_ids)):
            sources[k], targets[k] = table[sources[k]], table[targets[k]]
            unknown_source |= sources[k] < 0
            unknown_target |= targets[k] < 0
    if unknown_source or unknown_target:
        return UNKNOWN_SOURCE * unknown_source + UNKNOWN_TARGET * unknown_target
    if len(ids):
        given = ids[0] < next_id
    for k in range(1, len(ids)):
        given |= ids[k] <= ids[k - 1]
    for k in range(len(sources)):
        s, t = np.uint32(sources[k]), np.uint32(targets[k])
        against |= traits[s, 0] >= traits[t, 0]
        broken |= not may_join[np.uint32(traits[s, 1]), np.uint32(traits[t, 2])]
    return BROKEN * broken + AGAINST * against + GIVEN * given


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

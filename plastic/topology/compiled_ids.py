"""The compiled loops that find which ids are held.

As in `plastic.topology.compiled`, nothing here knows of topologies, edits or rules.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from plastic.topology.structure import SPREAD

FEW = 8
"""Up to so many ids are looked for one by one."""


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
    if len(ids) <= FEW:
        return find_few_ids(held, ids, found, positions)
    low = high = ids[0]
    for k in range(1, len(ids)):
        low, high = min(low, ids[k]), max(high, ids[k])
    if high - low < SPREAD * (len(held) + len(ids)):
        return find_near_ids(held, ids, low, high, found, positions)
    return find_far_ids(held, ids, found, positions)


@njit(cache=True, nogil=True, error_model="numpy")
def find_few_ids(held, ids, found, positions):
    """Find ids one by one."""
    found[:] = 0
    count, twice = 0, False
    for k in range(len(ids)):
        at = np.int32(-1)
        for p in range(len(held)):  # without a way out, so as vectors
            at = max(at, np.int32(p) if held[p] == ids[k] else np.int32(-1))
        for other in range(k):
            twice |= ids[other] == ids[k]
        if at >= 0 and found[at] == 0:
            found[at], place = 1, count
            while place > 0 and positions[place - 1] > at:
                positions[place] = positions[place - 1]
                place -= 1
            positions[place], count = at, count + 1
    return count, twice


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
def all_free(held, ids, gone):
    """Whether all ids differ, and none is negative, or held and not `gone` (empty: none is)."""
    n, any_gone, taken = len(held), len(gone) > 0, False
    found, positions = np.empty(n, np.uint8), np.empty(len(ids) + 1, np.int32)
    count, twice = find_ids(held, ids, found, positions)
    for k in range(count):
        taken |= gone[positions[k]] == 0 if any_gone else True
    for k in range(len(ids)):
        taken |= ids[k] < 0
    return not (taken or twice)

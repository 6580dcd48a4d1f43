"""The compiled loops of the topology manager: plain arrays of numbers in, arrays filled.

An edit finds ids, merges rows, carries columns along and sorts by source, each in one loop.
Nothing in this file knows of topologies, edits or rules: a loop says that something is wrong,
and `draft` finds out what, in NumPy, to name it.

Import this module where it is used, inside the function: it brings numba, which nobody who
asks for help should wait for.  All arrays must be as they come from `Structure` and the edits
(memory layout, read-only or not), since every other kind is compiled once more.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numba import njit

log = logging.getLogger(__name__)


@njit(cache=True, nogil=True, error_model="numpy")
def span_of(ids):
    """The lowest and the highest of some int64 ids, of which there is one at least."""
    low = high = ids[0]
    for k in range(1, len(ids)):
        low, high = min(low, ids[k]), max(high, ids[k])
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def find_ids(held, ids, low, marks, found, positions):
    """Find which of `held` (n,) are among `ids` (k,), by a bit for every number of their span.

    Parameters
    ----------
    low : int
        The lowest of `ids`.
    marks : uint64 array
        Zeros: 64 numbers in each, from `low` to the highest id and one more at least.
    found : uint8 array, shape (n,)
        Will be 1 where one of `ids` is held, 0 elsewhere.
    positions : int32 array, shape (k + 1,)
        Will begin with the positions of those, ascending.

    Returns
    -------
    int, bool
        How many were found, and whether one of `ids` is there twice.
    """
    one, twice = np.uint64(1), np.uint64(0)
    for k in range(len(ids)):
        bit = np.uint64(ids[k] - low)
        twice |= (marks[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & one
        marks[bit >> np.uint64(6)] |= one << (bit & np.uint64(63))
    last = np.uint64(64 * len(marks) - 1)  # is no id's
    count = 0
    for p in range(len(held)):
        bit = min(np.uint64(np.int64(held[p]) - low), last)
        hit = (marks[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & one
        found[p] = hit
        positions[count] = p
        count += np.int64(hit)
    return count, twice != 0


@njit(cache=True, nogil=True, error_model="numpy")
def find_sparse_ids(held, ids, shift, owners, found, positions):
    """As `find_ids`, for ids that lie far from each other, by a table of their hashes.

    `owners`, int32 array of shape ``(2 ** (64 - shift),)``, are zeros, two an id at least.
    """
    scatter, one, last = np.uint64(0x9E3779B97F4A7C15), np.uint64(1), np.uint64(len(owners) - 1)
    twice = False
    for k in range(len(ids)):
        place = (np.uint64(ids[k]) * scatter) >> np.uint64(shift)
        while owners[place] != 0 and ids[owners[place] - 1] != ids[k]:
            place = (place + one) & last
        twice |= owners[place] != 0
        owners[place] = k + 1
    count = 0
    for p in range(len(held)):
        place = (np.uint64(held[p]) * scatter) >> np.uint64(shift)
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
    ends : bool array, shape (n_neurons,)
        Will be set where a neuron is at one end.
    """
    row = 0
    for k in range(len(positions)):
        p = positions[k]
        while indptr[row + 1] <= p:
            row += 1
        source = sources[p]
        from_ids[k], to_ids[k], named[k] = neuron_ids[source], neuron_ids[row], ids[p]
        ends[source] = ends[row] = True


UNKNOWN_SOURCE, UNKNOWN_TARGET, BROKEN, AGAINST, GIVEN = 1, 2, 4, 8, 16
"""What `check_pairs` may find, as bits."""


@njit(cache=True, nogil=True, error_model="numpy")
def check_pairs(
    neuron_ids, table, kinds, bars, groups, rank, may_join, from_ids, to_ids, ids, next_id,
    sources, targets,
):  # fmt: skip
    """Slots of pairs of neurons, and whether a rule for single pairs is broken.

    Parameters
    ----------
    neuron_ids, table, kinds, bars, groups, rank
        As in `Structure`, where `table` is its `slot_by_id`, and `bars` its `of_softmax`.
    may_join : bool array, shape (n_groups, n_groups)
        Which groups may connect, source by target; empty if any may.
    from_ids, to_ids, ids : int64 arrays, shape (k,)
        Ids of the neurons, and of the connections.
    next_id : int
        The lowest id that no connection ever had.
    sources, targets : int32 arrays, shape (k,)
        Will be the slots.

    Returns
    -------
    int
        0, or the sum of `UNKNOWN_SOURCE`, `UNKNOWN_TARGET` (there is no such neuron),
        `BROKEN` (a rule) and `AGAINST` (the order), each if any pair is so, and `GIVEN` if
        the ids are not as the topology gives them out: ascending, and never used before.
    """
    low, span = neuron_ids[0], neuron_ids[-1] - neuron_ids[0] + 1
    any_groups, gaps = may_join.size == 0, len(table) > 0
    state, last = 0, next_id - 1
    for k in range(len(from_ids)):
        if ids[k] <= last:
            state |= GIVEN
        last = ids[k]
        s, t = from_ids[k] - low, to_ids[k] - low
        known_source, known_target = 0 <= s < span, 0 <= t < span
        if gaps:
            s = table[s] if known_source else -1
            t = table[t] if known_target else -1
            known_source, known_target = s >= 0, t >= 0
        if not (known_source and known_target):
            state |= 0 if known_source else UNKNOWN_SOURCE
            state |= 0 if known_target else UNKNOWN_TARGET
            continue
        sources[k], targets[k] = s, t
        broken = (s == t) | (kinds[t] == 0) | bars[s]
        if not any_groups:
            broken |= not may_join[groups[s], groups[t]]
        state |= (BROKEN if broken else 0) | (AGAINST if rank[s] >= rank[t] else 0)
    return state


@njit(cache=True, nogil=True, error_model="numpy")
def sort_by_row(targets, sources, ids, ascending, by_id, starts, order, to_sources, to_ids):
    """Counting sort of pairs by target, stable.

    Parameters
    ----------
    targets, sources : int32 arrays, shape (k,)
        Slots that each pair joins.
    ids : int64 array, shape (k,)
    ascending : bool
        Whether they are known to ascend.
    by_id : int64 array, shape (k,) or (0,)
        The order before: ``argsort(ids)``, or empty for that of the pairs themselves.
    starts : int64 array, shape (n_neurons + 1,)
        Will be where each row begins.
    order, to_sources : int32 arrays, shape (k,)
    to_ids : int64 array, shape (k,)
        Will be the numbers of the pairs, their sources and their ids, row by row.

    Returns
    -------
    bool
        Whether ids ascend within each row.
    """
    starts[:] = 0
    for k in range(len(targets)):
        starts[np.uint32(targets[k]) + 1] += 1
    for row in range(len(starts) - 1):
        starts[row + 1] += starts[row]
    cursors = starts.astype(np.uint32)  # half the memory: they should stay in the cache
    for k in range(len(targets)):
        pair = by_id[k] if len(by_id) > 0 else k
        row = np.uint32(targets[pair])
        place = cursors[row]
        order[place] = pair
        cursors[row] = place + np.uint32(1)
    for place in range(len(order)):
        to_sources[place] = sources[np.uint32(order[place])]
    # newborns' ids follow each other: to count is faster than to look them up
    counted = ascending and len(ids) > 0 and ids[-1] - ids[0] == len(ids) - 1
    for place in range(len(order)):
        pair = np.uint32(order[place])
        to_ids[place] = ids[0] + np.int64(pair) if counted else ids[pair]
    if not ascending:
        ascending = True
        for row in range(len(starts) - 1):
            for place in range(starts[row] + 1, starts[row + 1]):
                ascending &= to_ids[place - 1] < to_ids[place]
    return ascending


@njit(cache=True, nogil=True, error_model="numpy")
def copy_rows(sources, ids, start, stop, to_sources, to_ids, gather, q):
    """Copy what lies from `start` to `stop`, to `q`; returns where it ends."""
    n = stop - start
    from_sources, from_ids = sources[start:stop], ids[start:stop]
    new_sources, new_ids, origins = to_sources[q : q + n], to_ids[q : q + n], gather[q : q + n]
    for k in range(n):
        new_sources[k], new_ids[k], origins[k] = from_sources[k], from_ids[k], start + k
    return q + n


@njit(cache=True, nogil=True, error_model="numpy")
def keep_rest(sources, ids, gone, start, stop, stamp, stamps, to_sources, to_ids, gather, q):
    """As `copy_rows` but for what is gone, stamping the sources; `q` may be written, too."""
    place, one = np.uint64(q), np.uint64(1)
    for p in range(np.uint64(start), np.uint64(stop)):
        source, stays = sources[p], one - gone[p]
        to_sources[place] = source
        to_ids[place] = ids[p]
        gather[place] = p
        stamps[np.uint32(source)] = stamp * np.int32(stays)
        place += stays  # without a branch, which would be mispredicted
    return np.int64(place)


@njit(cache=True, nogil=True, error_model="numpy")
def merge_row(
    sources, ids, gone, start, stop, order, new_sources, new_ids, low, high,
    to_sources, to_ids, gather, q,
):  # fmt: skip
    """What stays of a row, to `q`, and between it what comes, by id.

    Where nothing goes in any row, `gone` is empty.  Returns where it ends, and the first of
    those that come behind all.
    """
    place, old, new, one = np.uint64(q), np.uint64(start), np.uint64(low), np.uint64(1)
    any_gone = len(gone) > 0
    while old < np.uint64(stop) and new < np.uint64(high):
        # both sides are read, and one is chosen: a branch would be mispredicted
        held, came = np.int64(ids[old]), new_ids[new]
        held_source, came_source = sources[old], new_sources[new]
        held_origin, came_origin = np.int64(old), len(sources) + np.int64(order[new])
        mask = -np.int64(held < came)
        to_ids[place] = came ^ ((held ^ came) & mask)
        to_sources[place] = came_source ^ ((held_source ^ came_source) & mask)
        gather[place] = came_origin ^ ((held_origin ^ came_origin) & mask)
        taken = np.uint64(-mask)
        # what goes is written over by the next one
        place += one - (gone[old] & taken) if any_gone else one
        old, new = old + taken, new + one - taken
    while old < np.uint64(stop):
        to_sources[place], to_ids[place], gather[place] = sources[old], ids[old], old
        place += one - gone[old] if any_gone else one
        old += one
    return np.int64(place), np.int64(new)


@njit(cache=True, nogil=True, error_model="numpy")
def merge_rows(
    indptr, sources, ids, gone, lost, starts, order, new_sources, new_ids,
    to_indptr, to_sources, to_ids, gather,
):  # fmt: skip
    """Rows without what goes and with what comes, each sorted by id.

    Parameters
    ----------
    indptr, sources, ids
        The rows as they are, as in `Structure`.
    gone, lost
        Those that go, as in `Cut`.
    starts, order, new_sources, new_ids
        Those that come, as `sort_by_row` lays them.
    to_indptr : int64 array, shape (n_neurons + 1,)
    to_sources, to_ids : int arrays, shape (n + 1,)
        Will be the new rows, ``n = n_connections - n_lost + n_new``, and one number more.
    gather : int32 array, shape (n + 1,)
        Will be where each comes from: its old position, or n_connections + its number among
        those that come.

    Returns
    -------
    bool
        Whether all pairs differ; if not, what has been filled is of no use.
    """
    n_old, differ = len(sources), True
    stamps = np.zeros(len(indptr), np.int32)  # the last row, plus 1, that a source was seen in
    q = j = waiting = 0  # rows that stay as they are wait, to be copied together
    for row in range(len(indptr) - 1):
        start, stop, stamp = indptr[row], indptr[row + 1], np.int32(row + 1)
        low, high = starts[row], starts[row + 1]
        whole = j == len(lost) or lost[j] >= stop
        if whole and low == high:
            to_indptr[row] = q + start - waiting
            continue
        if waiting < start:
            q = copy_rows(sources, ids, waiting, start, to_sources, to_ids, gather, q)
        to_indptr[row] = top = q
        waiting = stop
        between = stop > start and low < high and new_ids[low] < ids[stop - 1]
        if between:
            q, behind = merge_row(
                sources, ids, gone, start, stop, order, new_sources, new_ids, low, high,
                to_sources, to_ids, gather, q,
            )  # fmt: skip
            j += stop - start - (q - top - (behind - low))
            low = behind
        elif whole:
            q = copy_rows(sources, ids, start, stop, to_sources, to_ids, gather, q)
        else:
            q = keep_rest(
                sources, ids, gone, start, stop, stamp, stamps, to_sources, to_ids, gather, q
            )
            j += stop - start - (q - top)
        for p in range(top, q if between or whole else top):
            source = np.uint32(to_sources[p])
            differ &= stamps[source] != stamp
            stamps[source] = stamp
        for k in range(low, high):  # behind all, as newborns are, whose ids are highest
            source, place = np.uint32(new_sources[k]), np.uint64(q + k - low)
            differ &= stamps[source] != stamp
            stamps[source] = stamp
            to_sources[place], to_ids[place] = new_sources[k], new_ids[k]
            gather[place] = n_old + order[k]
        q += high - low
    q = copy_rows(sources, ids, waiting, n_old, to_sources, to_ids, gather, q)
    to_indptr[-1] = q
    return differ


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


def say_compiling(kernel, what, seconds):
    """Say so where a kernel is about to be compiled, not loaded, which takes a while."""
    cached = Path(kernel.stats.cache_path or ".").glob(f"*{kernel.__qualname__}-*.nbi")
    if not kernel.signatures and not any(cached):
        log.warning("compiling the %s, once per machine: this takes about %s", what, seconds)


say_compiling(merge_rows, "loops of edits", "three seconds")

# The C library gives memory back to the system as soon as an array of some size is freed, and
# the pages of the next one have to be zeroed again, which takes longer than to fill them.
# Once it has seen a large one come and go, touched or not, it keeps 64 MiB for the next ones.
_large = np.empty(2**25 - 2**16, np.uint8)
del _large

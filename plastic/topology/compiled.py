"""The compiled loops of the topology manager: plain arrays of numbers in, arrays filled.

Connections go and come by `move`, in one call: ids are found, pairs checked and rows merged,
each in one loop.  What finds ids is in `plastic.topology.compiled_ids`, and what carries
columns along in `plastic.topology.compiled_gathers`.
Nothing in these files knows of topologies, edits or rules: a loop says that something is
wrong, and `plastic.topology.moves` finds out what, in NumPy, to name it.

Call them through `plastic.topology.loops`, as they bring numba.  All arrays must be as they
come from `Structure` and the edits (memory layout, read-only or not), since every other kind is
compiled once more.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numba import njit

from plastic.topology.compiled_gathers import any_twice, index_by_source
from plastic.topology.compiled_ids import all_free, find_ids
from plastic.topology.structure import CLOSED_SOURCE, CLOSED_TARGET

log = logging.getLogger(__name__)


@njit(cache=True, nogil=True, error_model="numpy")
def mark_ends(indptr, sources, positions, ends):
    """Set `ends`, bool array (n_neurons,), where a neuron is at an end of these connections."""
    row, stop = -1, np.int64(0)
    for k in range(len(positions)):
        p = positions[k]
        while stop <= p:
            row += 1
            stop = indptr[row + 1]
        ends[np.uint32(sources[p])] = ends[row] = True


UNKNOWN_SOURCE, UNKNOWN_TARGET, BROKEN, AGAINST, GIVEN = 1, 2, 4, 8, 16
MISSING, TAKEN, UNSORTED, TWICE = 32, 64, 128, 256
"""What `check_pairs` may find, as bits, and what else `move` may."""


@njit(cache=True, nogil=True, error_model="numpy")
def check_pairs(
    neuron_ids, table, rank, traits, may_join, from_ids, to_ids, ids, next_id, sources, targets
):  # fmt: skip
    """Slots of pairs of neurons, and whether a rule for single pairs is broken.

    Parameters
    ----------
    neuron_ids, table, rank, traits
        As in `Structure`, where `table` is its `slot_by_id`.
    may_join : bool array, shape (n_groups, n_groups), by the numbers in `traits`
    from_ids, to_ids : int64 arrays, shape (k,)
        Ids of the neurons.
    ids : int64 array, shape (k,) or (0,)
        Ids of the connections.
    next_id : int, above that of any connection that ever was
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
    closed, two = np.uint32(0), np.uint32(2)
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
        source, target = np.uint32(traits[s]), np.uint32(traits[t])
        against |= rank[s] >= rank[t]
        broken |= not may_join[source >> two, target >> two]
        closed |= (source & np.uint32(CLOSED_SOURCE)) | (target & np.uint32(CLOSED_TARGET))
    return BROKEN * (broken or closed != 0) + AGAINST * against + GIVEN * given


@njit(cache=True, nogil=True, error_model="numpy")
def sort_by_row(targets, sources, ids, ascending, by_id, starts, order, to_sources, to_ids):
    """Counting sort of pairs by target, stable.

    Parameters
    ----------
    targets, sources : int32 arrays, shape (k,)
        Slots that each pair joins.
    ids : int64 array, shape (k,) or (0,)
        Empty if they are counted from some number on.
    ascending : bool
        Whether they are known to ascend.
    by_id : int64 array, shape (k,) or (0,)
        The order before: ``argsort(ids)``, or empty for that of the pairs themselves.
    starts : int64 array, shape (n_neurons + 1,)
        Will be where each row begins.
    order, to_sources : int32 arrays, shape (k,)
    to_ids : int64 array, shape of `ids`
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
    for place in range(len(to_ids)):
        to_ids[place] = ids[np.uint32(order[place])]
    if not ascending:
        ascending = True
        for row in range(len(starts) - 1):
            for place in range(starts[row] + 1, starts[row + 1]):
                ascending &= to_ids[place - 1] < to_ids[place]
    return ascending


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def copy_rows(sources, ids, start, stop, to_sources, to_ids, gather, q):
    """Copy what lies from `start` to `stop`, to `q`; returns where it ends."""
    n = stop - start
    from_sources, from_ids = sources[start:stop], ids[start:stop]
    new_sources, new_ids, origins = to_sources[q : q + n], to_ids[q : q + n], gather[q : q + n]
    for k in range(n):
        new_sources[k], new_ids[k], origins[k] = from_sources[k], from_ids[k], start + k
    return q + n


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def keep_rest(sources, ids, gone, start, stop, to_sources, to_ids, gather, q):
    """As `copy_rows` but for what is gone; the place where it ends may be written, too."""
    place, one = np.uint64(q), np.uint64(1)
    for p in range(np.uint64(start), np.uint64(stop)):
        to_sources[place] = sources[p]
        to_ids[place] = ids[p]
        gather[place] = p
        place += one - gone[p]  # without a branch, which would be mispredicted
    return np.int64(place)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
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
    indptr, sources, ids, gone, lost, starts, order, new_sources, new_ids, first_id,
    to_indptr, to_sources, to_ids, gather,
):  # fmt: skip
    """Rows without what goes and with what comes, each sorted by id.

    Parameters
    ----------
    indptr, sources, ids
        The rows as they are, as in `Structure`.
    gone, lost
        Those that go, as in `Cut`.
    starts, order, new_sources, new_ids, first_id
        Those that come, as `sort_by_row` lays them; if there are no ids, they are counted from
        the first on, and higher than all that are there.
    to_indptr : int64 array, shape (n_neurons + 1,)
    to_sources, to_ids : int arrays, shape (n + 1,)
        Will be the new rows, ``n = n_connections - n_lost + n_new``, and one number more.
    gather : int32 array, shape (n + 1,)
        Will be where each comes from: its old position, or n_connections + its number among
        those that come.
    """
    n_old, counted = len(sources), len(new_ids) == 0
    q = j = waiting = 0  # rows that stay as they are wait, to be copied together
    for row in range(len(indptr) - 1):
        start, stop, low, high = indptr[row], indptr[row + 1], starts[row], starts[row + 1]
        whole = j == len(lost) or lost[j] >= stop
        if whole and low == high:
            to_indptr[row] = q + start - waiting
            continue
        if waiting < start:
            q = copy_rows(sources, ids, waiting, start, to_sources, to_ids, gather, q)
        to_indptr[row] = top = q
        waiting = stop
        between = not counted and stop > start and low < high and new_ids[low] < ids[stop - 1]
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
            q = keep_rest(sources, ids, gone, start, stop, to_sources, to_ids, gather, q)
            j += stop - start - (q - top)
        for k in range(low, high):  # behind all, as newborns are, whose ids are highest
            place = np.uint64(q + k - low)
            to_sources[place], gather[place] = new_sources[k], n_old + order[k]
            to_ids[place] = first_id + np.int64(order[k]) if counted else new_ids[k]
        q += high - low
    q = copy_rows(sources, ids, waiting, n_old, to_sources, to_ids, gather, q)
    to_indptr[-1] = q


@njit(cache=True, nogil=True, error_model="numpy")
def move(
    indptr, sources, held, neuron_ids, table, rank, traits, may_join,
    cut_ids, from_ids, to_ids, ids, next_id, ends,
    positions, to_indptr, to_sources, to_named, gather, out_indptr, out_targets, by_id,
):  # fmt: skip
    """Some connections go, and others come.

    Parameters
    ----------
    indptr, sources, held, neuron_ids, table, rank, traits, may_join
        What there is: see `Structure` and `check_pairs`; `held` are the ids of connections.
    cut_ids : int64 array, shape (n_cut,)
        Ids of those that go.
    from_ids, to_ids, ids, next_id
        Those that come, as `check_pairs` takes them; without ids, they get the next ones.
    ends : bool array, shape (n_neurons,) or (0,)
        As in `mark_ends`, of those that go, unless it is empty.
    positions
        Will be those of what goes, as in `find_ids`.
    to_indptr, to_sources, to_named, gather, out_indptr, out_targets
        The new rows, as in `merge_rows`, and the same by source, as in `index_by_source`; of
        no use after flags other than `AGAINST`, `GIVEN`.
    by_id
        As in `sort_by_row`; must be given where it says so by `UNSORTED`.

    Returns
    -------
    int
        What `check_pairs` returns, and `MISSING` if one that goes is not there or is named
        twice, `TAKEN` if an id that comes is not free, `UNSORTED` if `by_id` is needed, `TWICE`
        if two pairs are the same.
    """
    n_cut, k = len(cut_ids), len(from_ids)
    found = np.empty(len(held) if n_cut else 0, np.uint8)
    if n_cut:
        count, _ = find_ids(held, cut_ids, found, positions)
        if count < n_cut:
            return MISSING
        if len(ends):
            mark_ends(indptr, sources, positions[:count], ends)
    slots = np.empty((2, k), np.int32)
    state = check_pairs(
        neuron_ids, table, rank, traits, may_join, from_ids, to_ids, ids, next_id,
        slots[0], slots[1],
    )  # fmt: skip
    if state & (UNKNOWN_SOURCE | UNKNOWN_TARGET | BROKEN):
        return state
    given = state & GIVEN != 0  # other ids are new, and differ
    if given and not all_free(held, ids, found):
        return state | TAKEN
    first = ids[0] if len(ids) else next_id
    if len(ids) and not given and ids[-1] - first == k - 1:
        ids = ids[:0]  # to count them is faster than to look them up
    starts, order = np.empty(len(indptr), np.int64), np.empty(k, np.int32)
    new_sources, new_ids = np.empty(k, np.int32), np.empty(len(ids), np.int64)
    in_order = sort_by_row(
        slots[1], slots[0], ids, not given, by_id, starts, order, new_sources, new_ids
    )
    if not in_order:
        return state | UNSORTED
    merge_rows(
        indptr, sources, held, found, positions[:n_cut],
        starts, order, new_sources, new_ids, first, to_indptr, to_sources, to_named, gather,
    )  # fmt: skip
    index_by_source(to_indptr, to_sources[:-1], out_indptr, out_targets)
    return state | TWICE if k and any_twice(out_indptr, out_targets) else state


def say_compiling(kernel, what, seconds):
    """Say so where a kernel is about to be compiled, not loaded, which takes a while."""
    cached = Path(kernel.stats.cache_path or ".").glob(f"*{kernel.__qualname__}-*.nbi")
    if not kernel.signatures and not any(cached):
        log.warning("compiling the %s, once per machine: this takes about %s", what, seconds)


say_compiling(move, "loops of edits", "five seconds")

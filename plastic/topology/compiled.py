"""The compiled loops of the topology manager: plain arrays of numbers in, arrays filled.

An edit merges rows, carries columns along and sorts by source, each in one loop; what it
looks up is in `plastic.topology.compiled_lookups`.  Nothing in these files knows of
topologies, edits or rules: a loop says that something is wrong, and `draft` finds out what,
in NumPy, to name it.

Import from them where it is used, inside the function: they bring numba, which nobody who
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


MERGED, UNSORTED, TWICE = 0, 1, 2
"""What `merge_pairs` may return."""


@njit(cache=True, nogil=True, error_model="numpy")
def merge_pairs(
    indptr, sources, ids, gone, lost, from_slots, to_slots, named, ascending, by_id,
    to_indptr, to_sources, to_ids, gather,
):  # fmt: skip
    """Sort pairs by `sort_by_row`, and merge them by `merge_rows`.

    Parameters
    ----------
    indptr, sources, ids, gone, lost, to_indptr, to_sources, to_ids, gather
        As in `merge_rows`.
    from_slots, to_slots, named
        The pairs: `sources`, `targets` and `ids` of `sort_by_row`.
    ascending, by_id
        As in `sort_by_row`.

    Returns
    -------
    int
        `MERGED`; or `UNSORTED` if `by_id` is needed, `TWICE` if two pairs are the same: then
        what has been filled is of no use.
    """
    k = len(named)
    starts, order = np.empty(len(indptr), np.int64), np.empty(k, np.int32)
    new_sources, new_ids = np.empty(k, np.int32), np.empty(k, np.int64)
    in_order = sort_by_row(
        to_slots, from_slots, named, ascending, by_id, starts, order, new_sources, new_ids
    )
    if not in_order:
        return UNSORTED
    differ = merge_rows(
        indptr, sources, ids, gone, lost, starts, order, new_sources, new_ids,
        to_indptr, to_sources, to_ids, gather,
    )  # fmt: skip
    return MERGED if differ else TWICE


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

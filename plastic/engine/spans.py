"""Runs of neurons whose sums can share what they load.

A row of a sparse network loads the vector of each of its sources from the second-level cache,
and that is what bounds it.  Where many rows have the same sources, or nearly, one load can
serve several rows; see `plastic.engine.rows`.
"""

from __future__ import annotations

from numba import njit

from plastic.engine.simd import get

PLAIN, BANDED, FULL = 0, 1, 2
"""Row by row; band by band of sources; four rows of the same sources at a time."""

FULL_ROWS = 4
FULL_SOURCES = 16
"""Rows of the same sources make a full span from so many rows and sources on.

Only where registers are wide: compiled for AVX2, whose sixteen registers do not hold the sums
of four rows, a dense step took 1.2 times as long in full spans as in plain ones.
"""

BANDED_ROWS = 64
BANDED_SHARE = 0.17
"""Rows make a banded span from so many rows on, where each is connected to such a share of
the slots from its first to its last source.  Measured with AVX-512 on layers of 1000, batch
128: the time of a forward pass in plain rows over that in banded ones is 1.23 at a share of
0.5, 1.21 at 0.3, 1.05 at 0.2, 0.94 at 0.15 and 0.81 at 0.1."""


@njit(cache=True, nogil=True, error_model="numpy")
def same_sources(indptr, sources, one, other, sorted_rows):
    """Whether two rows have the same sources."""
    start, begin = get(indptr, one), get(indptr, other)
    length = get(indptr, one + 1) - start
    if get(indptr, other + 1) - begin != length:
        return False
    if sorted_rows and length > 0:
        low, high = get(sources, start), get(sources, start + length - 1)
        if high - low == length - 1:  # all from the lowest to the highest
            return get(sources, begin) == low and get(sources, begin + length - 1) == high
    for top in range(0, length, 64):  # without a way out in between, so as vectors
        differ = 0
        for k in range(top, min(top + 64, length)):
            differ |= get(sources, start + k) ^ get(sources, begin + k)
        if differ:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def ascending(values, start, stop):
    """Whether each value is larger than the last."""
    descents = 0
    for k in range(start + 1, stop):  # without a way out, so as vectors
        descents += get(values, k) <= get(values, k - 1)
    return descents == 0


@njit(cache=True, nogil=True, error_model="numpy")
def banded_stop(order, indptr, sources, first):
    """Where a banded span that begins at a place in `order` ends, and its range of sources.

    Its rows are dense within one common range of sources that holds none of the rows.
    """
    low, high = len(indptr), -1
    lowest, highest = len(indptr), -1
    for k in range(first, len(order)):
        slot = get(order, k)
        start, stop = get(indptr, slot), get(indptr, slot + 1)
        if stop == start:
            return k, low, high
        below, above = min(low, get(sources, start)), max(high, get(sources, stop - 1))
        lowest, highest = min(lowest, slot), max(highest, slot)
        apart = highest < below or above < lowest
        dense = stop - start >= BANDED_SHARE * (above - below + 1)
        if not (apart and dense and ascending(sources, start, stop)):
            return k, low, high
        low, high = below, above
    return len(order), low, high


@njit(cache=True, nogil=True, error_model="numpy")
def full_stop(order, indptr, sources, kinds, apart, first, sorted_rows):
    """Where the run of rows ends that have the same sources as the first."""
    slot, stop = get(order, first), first
    while (
        stop < len(order)
        and get(kinds, get(order, stop)) != apart
        and same_sources(indptr, sources, slot, get(order, stop), sorted_rows)
    ):
        stop += 1
    return stop


@njit(cache=True, nogil=True, error_model="numpy")
def find_spans(order, indptr, sources, kinds, apart, wide, bands, spans):
    """Spans of rows in the order that they are computed in; returns how many there are.

    They are filled into `spans`, shape (`most_spans`, 5): each has its kind, the first of its
    places in `order` and the one after its last, and the same of its range of sources; they
    follow each other without a gap.  Neurons of the kind `apart` are not in full spans, and
    none is unless registers are `wide`.  Without `bands`, none is banded, and the rows must be
    sorted, as those by source are.
    """
    n_spans, stop, n = 0, 0, len(order)
    tried = 0 if bands else n  # no banded span begins before this place
    while stop < n:
        k, kind, low, high = stop, PLAIN, 0, -1
        stop, ahead = k + 1, k + FULL_ROWS - 1
        if wide and ahead < n:  # most rows are short, or their neighbours of other lengths
            slot, fourth = get(order, k), get(order, ahead)
            length = get(indptr, slot + 1) - get(indptr, slot)
            if (
                length >= FULL_SOURCES
                and get(indptr, fourth + 1) - get(indptr, fourth) == length
            ):
                end = full_stop(order, indptr, sources, kinds, apart, k, not bands)
                kind, stop = (FULL, end) if end > ahead else (PLAIN, k + 1)
        if kind == PLAIN and k >= tried:
            tried = k + BANDED_ROWS  # the last row of a span is in all that begin before it
            if tried <= n and is_dense(indptr, sources, get(order, tried - 1)):
                tried, below, above = banded_stop(order, indptr, sources, k)
                if tried - k >= BANDED_ROWS:
                    kind, stop, low, high = BANDED, tried, below, above
                tried = max(tried, k + 1)
        if kind == PLAIN and n_spans and spans[n_spans - 1, 0] == PLAIN:
            spans[n_spans - 1, 2] = stop
            continue
        spans[n_spans, 0], spans[n_spans, 1], spans[n_spans, 2] = kind, k, stop
        spans[n_spans, 3], spans[n_spans, 4] = low, high + 1
        n_spans += 1
    return n_spans


@njit(cache=True, nogil=True, error_model="numpy")
def is_dense(indptr, sources, slot):
    """Whether a sorted row is dense within its own range of sources."""
    start, stop = get(indptr, slot), get(indptr, slot + 1)
    if stop == start:
        return False
    return stop - start >= BANDED_SHARE * (get(sources, stop - 1) - get(sources, start) + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def find_alike(order, spans, alike):
    """For each neuron in a full span, how many from it on have neighbouring slots; else 0."""
    alike[:] = 0
    for span in range(len(spans)):
        first, last = spans[span, 1], spans[span, 2]
        if spans[span, 0] == FULL:
            for k in range(last - 1, first - 1, -1):
                slot = get(order, k)
                follows = k + 1 < last and get(order, k + 1) == slot + 1
                alike[slot] = 1 + (alike[slot + 1] if follows else 0)


@njit(cache=True, nogil=True, error_model="numpy")
def find_swept(out_indptr, out_targets, alike, swept):
    """Whether a neuron leads to one that is not alike others, by slot."""
    any_alike = 0
    for slot in range(len(alike)):
        any_alike |= alike[slot]
        swept[slot] = get(out_indptr, slot) < get(out_indptr, slot + 1)
    for slot in range(len(alike) if any_alike else 0):  # else targets need not be fetched
        swept[slot] = 0
        for e in range(get(out_indptr, slot), get(out_indptr, slot + 1)):
            if get(alike, get(out_targets, e)) == 0:
                swept[slot] = 1
                break


@njit(cache=True, nogil=True, error_model="numpy")
def find_all_spans(
    order, backwards, kinds, indptr, sources, out_indptr, out_targets, output, wide,
    spans, out_spans, alike, swept,
):  # fmt: skip
    """What `Graph` holds from `spans` to `swept`, in one call.

    Parameters
    ----------
    order, backwards, kinds, indptr, sources, out_indptr, out_targets : arrays
        As in `Structure`, where `order` is `computed`.
    output : int
        The kind of outputs: their deltas are there from the start, so they are not summed.
    wide : bool
        Whether registers are wide.
    spans, out_spans, alike, swept : arrays
        Will be filled; those of spans have the shape (`most_spans`, 5).

    Returns
    -------
    int, int
        How many spans there are, and how many by source.
    """
    n = len(order)
    n_spans = find_spans(order, indptr, sources, kinds, -1, wide, True, spans)
    learned, others = backwards[:n], backwards[n:]
    n_out = find_spans(learned, out_indptr, out_targets, kinds, output, wide, False, out_spans)
    rest = out_spans[n_out:]
    n_rest = find_spans(others, out_indptr, out_targets, kinds, output, wide, False, rest)
    rest[:n_rest, 1:3] += n
    find_alike(order, spans[:n_spans], alike)
    find_swept(out_indptr, out_targets, alike, swept)
    return n_spans, n_out + n_rest


def most_spans(n_neurons: int) -> int:
    """As many as there can be at most, as two plain ones are never next to each other."""
    return n_neurons // 2 + 4

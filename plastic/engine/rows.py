"""Weighted sums of rows, and of many rows that share what they load.

Each neuron's sum is formed alike in all ways, in the order of its row, so which way is taken
changes no bit.  What full and banded rows leave among the vectors are the sums alone, before
any activation.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from plastic.engine import blocks, simd
from plastic.engine.simd import LANES, fma, get, load_tiles, put

BAND_BYTES = 32 * 1024
"""Vectors of the sources of a band: they share a first-level cache of 48 KB, or a part of one
of 32, with the sums and weights that stream by."""


ROWS_AHEAD = 2
"""How many rows ahead `prefetch_row` is called for."""


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def prefetch_row(indptr, ends, weights, slot):
    """Ask for the connections of a row, where rows do not follow each other in memory.

    No hardware foresees that: of a step that had to fetch them from main memory, the way back
    took 0.39 ms with it and 0.94 ms without, at density 0.05.
    """
    for e in range(get(indptr, slot), get(indptr, slot + 1), 16):  # a cache line
        blocks.prefetch(ends, e)
        blocks.prefetch(weights, e)


@njit(cache=True, nogil=True, error_model="numpy")
def row_sum(indptr, ends, weights, vectors, slot, base, stride, x):
    """Sum of one row, on top of `x`."""
    for e in range(get(indptr, slot), get(indptr, slot + 1)):
        vector = load_tiles(vectors, base + get(ends, e) * LANES, stride, x)
        x = fma(get(weights, e), vector, x)
    return x


@njit(cache=True, nogil=True, error_model="numpy")
def bias_or_zero(biases, slot, zero):
    """What a sum begins with."""
    if biases is None:
        return zero
    return simd.splat_like(get(biases, slot), zero)


@njit(cache=True, nogil=True, error_model="numpy")
def full_rows(order, indptr, ends, weights, biases, vectors, first, last, tile, zero):
    """Rows of the same ends, four at a time: each vector is loaded once for four rows."""
    stride = vectors.shape[1] * LANES
    base = tile * stride
    fours = last - (last - first) % 4
    for k in range(first, fours, 4):
        slot0, slot1 = get(order, k), get(order, k + 1)
        slot2, slot3 = get(order, k + 2), get(order, k + 3)
        start0, start1 = get(indptr, slot0), get(indptr, slot1)
        start2, start3 = get(indptr, slot2), get(indptr, slot3)
        x = blocks.join4(
            bias_or_zero(biases, slot0, zero),
            bias_or_zero(biases, slot1, zero),
            bias_or_zero(biases, slot2, zero),
            bias_or_zero(biases, slot3, zero),
        )
        for e in range(get(indptr, slot0 + 1) - start0):
            x = blocks.fma4(
                get(weights, start0 + e),
                get(weights, start1 + e),
                get(weights, start2 + e),
                get(weights, start3 + e),
                load_tiles(vectors, base + get(ends, start0 + e) * LANES, stride, zero),
                x,
            )
        x0, x1, x2, x3 = blocks.split4(x)
        simd.store_tiles(vectors, base + slot0 * LANES, stride, x0)
        simd.store_tiles(vectors, base + slot1 * LANES, stride, x1)
        simd.store_tiles(vectors, base + slot2 * LANES, stride, x2)
        simd.store_tiles(vectors, base + slot3 * LANES, stride, x3)
    for k in range(fours, last):
        slot = get(order, k)
        x = bias_or_zero(biases, slot, zero)
        x = row_sum(indptr, ends, weights, vectors, slot, base, stride, x)
        simd.store_tiles(vectors, base + slot * LANES, stride, x)


@njit(cache=True, nogil=True, error_model="numpy")
def banded_rows(graph, outputs, weights, biases, first, last, low, high, tile, zero):
    """Dense rows, band by band of their sources, whose vectors stay in the first-level cache.

    A row goes on where it was left, until its next source lies beyond the band.
    """
    stride = outputs.shape[1] * LANES
    base = tile * stride
    band = BAND_BYTES // (simd.n_tiles(zero) * LANES * outputs.itemsize)
    place = np.empty(last - first, np.int64)
    for k in range(first, last):
        slot = get(graph.order, k)
        place[k - first] = get(graph.indptr, slot)
        x = simd.splat_like(get(biases, slot), zero)
        simd.store_tiles(outputs, base + slot * LANES, stride, x)
    for limit in range(low + band, high + band, band):
        for k in range(first, last):
            ahead = get(place, min(k + 4, last - 1) - first)  # too short a piece to be foreseen
            blocks.prefetch(graph.sources, ahead)
            blocks.prefetch(weights, ahead)
            blocks.prefetch(graph.sources, ahead + 16)
            blocks.prefetch(weights, ahead + 16)
            slot, e = get(graph.order, k), get(place, k - first)
            at, stop = base + slot * LANES, get(graph.indptr, slot + 1)
            x = load_tiles(outputs, at, stride, zero)
            while e < stop:
                source = get(graph.sources, e)
                if source >= limit:
                    break
                vector = load_tiles(outputs, base + source * LANES, stride, zero)
                x = fma(get(weights, e), vector, x)
                e += 1
            put(place, k - first, e)
            simd.store_tiles(outputs, at, stride, x)

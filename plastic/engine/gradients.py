"""Gradients of the connections out of neurons, summed over the samples of some tiles.

The gradient of a connection is the dot product of its source's outputs and its target's
deltas.  It is kept in `PARTIAL` sums until all tiles have been added, and folded at the end,
four connections at once; however it is computed, it is summed alike.
"""

from __future__ import annotations

from numba import njit

from plastic.engine import blocks, simd
from plastic.engine.blocks import load_piece, prefetch_tiles, products
from plastic.engine.simd import LANES, PARTIAL, fma, get, load_tiles, put

AHEAD = 8
LONG = 32
"""Out of a neuron of so many connections, deltas are asked for so many connections ahead.

As many as wait for their turn anyway do not fill the way to the second-level cache: at density
0.1 the way back took 0.65 ms without, 0.59 with.  Shorter rows would ask for their own end.
"""


@njit(cache=True, nogil=True, error_model="numpy")
def put_sums(exchange, e, sums, fresh):
    """Lay down four gradients, or add them to what is there."""
    if not fresh:
        sums = simd.add(blocks.load4(exchange, e), sums)
    blocks.store4(exchange, e, sums)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sweep_row(graph, deltas, exchange, weighted, start, stop, base, stride, y, fresh, ahead):
    """As `sweep`, with deltas fetched so many connections ahead, unless that is None."""
    x, ends = simd.splat_like(exchange.dtype.type(0), y), graph.out_targets
    for e in range(start, stop - 3, 4):
        if ahead is not None:
            far = min(e + ahead, stop - 4)
            prefetch_tiles(deltas, base + get(ends, far) * LANES, stride, y)
            prefetch_tiles(deltas, base + get(ends, far + 1) * LANES, stride, y)
            prefetch_tiles(deltas, base + get(ends, far + 2) * LANES, stride, y)
            prefetch_tiles(deltas, base + get(ends, far + 3) * LANES, stride, y)
        d = load_tiles(deltas, base + get(ends, e) * LANES, stride, y)
        if weighted is not None:
            x = fma(get(exchange, e), d, x)
        p0 = products(y, d)
        d = load_tiles(deltas, base + get(ends, e + 1) * LANES, stride, y)
        if weighted is not None:
            x = fma(get(exchange, e + 1), d, x)
        p1 = products(y, d)
        d = load_tiles(deltas, base + get(ends, e + 2) * LANES, stride, y)
        if weighted is not None:
            x = fma(get(exchange, e + 2), d, x)
        p2 = products(y, d)
        d = load_tiles(deltas, base + get(ends, e + 3) * LANES, stride, y)
        if weighted is not None:
            x = fma(get(exchange, e + 3), d, x)
        p3 = products(y, d)
        put_sums(exchange, e, blocks.fold4(p0, p1, p2, p3), fresh)
    for e in range(stop - (stop - start) % 4, stop):
        d = load_tiles(deltas, base + get(ends, e) * LANES, stride, y)
        if weighted is not None:
            x = fma(get(exchange, e), d, x)
        gradient = blocks.fold(products(y, d))
        put(exchange, e, gradient if fresh else get(exchange, e) + gradient)
    return x


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sweep(graph, deltas, exchange, weighted, start, stop, base, stride, y, fresh):
    """Gradients of connections ``start .. stop-1`` out of a neuron of outputs `y`.

    They take the place of the weights in `exchange`, or are added to what is there unless
    `fresh`.  The deltas are loaded once for them and for the neuron's own delta, which is
    returned; it is left out if `weighted` is None.
    """
    given = graph, deltas, exchange, weighted, start, stop, base, stride, y, fresh
    if stop - start < LONG:
        return sweep_row(*given, None)
    return sweep_row(*given, AHEAD)


@njit(cache=True, nogil=True, error_model="numpy")
def load4_pieces(vectors, at, slot0, slot1, slot2, slot3):
    """A piece of a tile of four neurons, joined."""
    return blocks.join4(
        load_piece(vectors, at + slot0 * LANES),
        load_piece(vectors, at + slot1 * LANES),
        load_piece(vectors, at + slot2 * LANES),
        load_piece(vectors, at + slot3 * LANES),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def alike_gradients(graph, buffers, slot, n_rows, gradient):
    """Gradients into up to four neurons of the same sources: four rows by four sources.

    The rows are those from `slot` on; they come one after the other in `gradient`, which
    must have room for four.  All tiles must make one group.
    """
    outputs, deltas, sources = buffers.outputs, buffers.deltas, graph.sources
    stride = outputs.shape[1] * LANES
    slot1, slot2 = slot + min(1, n_rows - 1), slot + min(2, n_rows - 1)
    slot3 = slot + min(3, n_rows - 1)  # what is missing is filled up with the last
    start = get(graph.indptr, slot)
    length = get(graph.indptr, slot + 1) - start
    nothing = blocks.no_products(gradient.dtype.type(0))
    for left in range(length, 0, -4):
        e = max(left - 4, 0)  # the last four may overlap others, which come out the same
        source0, source1 = get(sources, start + e), get(sources, start + e + 1)
        source2, source3 = get(sources, start + e + 2), get(sources, start + e + 3)
        sums = nothing
        for tile in range(outputs.shape[0]):
            for at in range(tile * stride, tile * stride + LANES, PARTIAL):
                y = load4_pieces(outputs, at, source0, source1, source2, source3)
                d = load4_pieces(deltas, at, slot, slot1, slot2, slot3)
                sums = blocks.outer_products(d, y, sums)
        sums0, sums1, sums2, sums3 = blocks.split4(sums)
        blocks.store4(gradient, e, blocks.fold4_joined(sums0))
        blocks.store4(gradient, length + e, blocks.fold4_joined(sums1))
        blocks.store4(gradient, 2 * length + e, blocks.fold4_joined(sums2))
        blocks.store4(gradient, 3 * length + e, blocks.fold4_joined(sums3))

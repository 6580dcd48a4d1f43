"""Samples are rows of features, tiles rows of samples: a mini-batch is turned as it is laid.

Eight samples of eight features are loaded, turned in registers, and stored as vectors; what is
left over is copied one by one.
"""

from __future__ import annotations

from numba import njit

from plastic.engine import simd
from plastic.engine.blocks import SIDE, prefetch_tiles, transpose
from plastic.engine.simd import LANES, get, load, load_like, put, splat, store

AHEAD = 16
"""Neurons of several tiles are asked for so far ahead: no hardware foresees so many streams."""


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def load_turned(values, rows, first, width, column):
    """Eight rows of an array of this width, from `first` on, and eight columns, turned."""
    like = simd.splat8(values.dtype.type(0))
    return transpose(
        (
            load_like(values, get(rows, first) * width + column, like),
            load_like(values, get(rows, first + 1) * width + column, like),
            load_like(values, get(rows, first + 2) * width + column, like),
            load_like(values, get(rows, first + 3) * width + column, like),
            load_like(values, get(rows, first + 4) * width + column, like),
            load_like(values, get(rows, first + 5) * width + column, like),
            load_like(values, get(rows, first + 6) * width + column, like),
            load_like(values, get(rows, first + 7) * width + column, like),
        )
    )


@njit(cache=True, nogil=True, error_model="numpy")
def load_block(outputs, base, inputs, X, rows, sample, feature):
    """Lay a block of samples and features; its first lane is `base` of each neuron."""
    columns = load_turned(X, rows, sample, len(inputs), feature)
    store(outputs, base + get(inputs, feature) * LANES, columns[0])
    store(outputs, base + get(inputs, feature + 1) * LANES, columns[1])
    store(outputs, base + get(inputs, feature + 2) * LANES, columns[2])
    store(outputs, base + get(inputs, feature + 3) * LANES, columns[3])
    store(outputs, base + get(inputs, feature + 4) * LANES, columns[4])
    store(outputs, base + get(inputs, feature + 5) * LANES, columns[5])
    store(outputs, base + get(inputs, feature + 6) * LANES, columns[6])
    store(outputs, base + get(inputs, feature + 7) * LANES, columns[7])


@njit(cache=True, nogil=True, error_model="numpy")
def load_tile(outputs, tile, inputs, X, rows):
    """Lay up to `LANES` samples into the input neurons of a tile; missing ones are 0."""
    first, n_features = tile * LANES, len(inputs)
    count, base = min(LANES, len(rows) - first), tile * outputs.shape[1] * LANES
    turned, blocks = n_features - n_features % SIDE, count - count % SIDE
    for feature in range(0, turned, SIDE):
        for lane in range(0, blocks, SIDE):
            load_block(outputs, base + lane, inputs, X, rows, first + lane, feature)
    for lane in range(count):
        begin = get(rows, first + lane) * n_features
        for feature in range(turned if lane < blocks else 0, n_features):
            at = base + get(inputs, feature) * LANES + lane
            put(outputs, at, get(X, begin + feature))
    for feature in range(n_features if count < LANES else 0):
        at = base + get(inputs, feature) * LANES
        for lane in range(count, LANES):
            put(outputs, at + lane, outputs.dtype.type(0))
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def unload_tiles(tiles, values):
    """Lay tiles (n_tiles, n_rows, LANES) one after the other into (n_neurons, n_samples)."""
    n_tiles, n_rows, _ = tiles.shape
    n_neurons, n_samples = values.shape
    one = splat(tiles.dtype.type(0))
    for neuron in range(n_neurons):
        for tile in range(n_tiles):
            at, first = (tile * n_rows + neuron) * LANES, tile * LANES
            prefetch_tiles(tiles, at + min(AHEAD, n_rows - 1 - neuron) * LANES, 0, one)
            if first + LANES <= n_samples:
                store(values, neuron * n_samples + first, load(tiles, at))
            else:
                for sample in range(first, n_samples):
                    put(values, neuron * n_samples + sample, get(tiles, at + sample - first))

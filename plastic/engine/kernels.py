"""The compiled kernels: forward, backward, and the stretch of steps that they make.

How data lies in memory
-----------------------
A mini-batch is cut into tiles of `LANES` samples, and each tile passes through the whole
network on its own::

    outputs[tile, slot, lane]          deltas[tile, slot, lane]

    tile 0   slot 0 |s0 s1 s2 ... s31|   one row = one vector of samples: it is loaded into
             slot 1 |s0 s1 s2 ... s31|   registers at once, whichever neuron it belongs to
             ...
    tile 1   slot 0 |s32 s33 ... s63 |

A sparse row of connections is then a chain of ``accumulator += weight * vector``: one scalar
and one vector load a connection, no gather across samples, no wasted lane but in the last
tile, whose missing samples have delta zero.  A chain waits for its own last addition, so a
*group* of four tiles (or two, where no four are left, or one) goes together: independent
chains hide each other's waiting.  However many go together, each sample is added up alike, in
the order of the row.

Connections lie in rows by target (``indptr``, ``sources``; see `topology.structure`), and so
do weights and the optimizer's state.  The backward pass goes by source::

    by target   weights   |row of target 0|row of target 1| ...
    by source   exchange  |out of source 0|out of source 1| ...

``exchange`` holds a copy of each weight until the backward pass has used it, and from then on
the gradient of that connection; the update takes the gradient and lays the new weight into
its place.  So there is one array for both, and each of its cache lines is fetched once for
both.  Nothing tells where a connection lies by source: whoever goes through the rows in order
meets the connections out of each source in order, too, so a cursor for each source knows.

What bounds a sparse step is loading vectors from the second-level cache.  Hence:

* A neuron's delta and the gradients of the connections out of it need the same vectors, and
  are computed together (`gradients.sweep`), where all tiles make one group.
* Rows that share sources share loads (`rows`); a plan says which do (`spans`).
* Gradients into rows of the same sources are computed four by four at the update
  (`gradients.alike_gradients`), and do not pass through ``exchange``.
* The way back meets rows in an order that no hardware foresees, and waits for many loads at
  once; so rows (`rows.prefetch_row`) and deltas (`gradients.AHEAD`) are asked for ahead.

Three passes make a step:

1. per tile: forward, loss, backward;
2. per neuron: gradients of the connections out of it, unless pass 1 brought them along;
3. per row: update, and new weights by source (`updates`).

Each works on ranges of rows, so threads can share them, level by level (`sharing`).  A sum is
formed in one fixed order whichever way it is computed, so the result is the same bit for bit
at any number of threads.

numba caches functions of a module only when they are not closures; so everything a kernel
needs comes in as an argument, grouped into the named tuples of `plastic.engine.layout`.  It
does not look into the files of the functions that a cached one calls:
`plastic.engine.compiling` makes up for that.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from plastic.activations import relu, sigmoid, softmax, straight_through, tanh, threshold
from plastic.engine import blocks, simd, vector_math
from plastic.engine.gradients import sweep
from plastic.engine.hits import count_hits
from plastic.engine.loading import load_tile
from plastic.engine.rows import ROWS_AHEAD, banded_rows, full_rows, prefetch_row, row_sum
from plastic.engine.simd import LANES, PARTIAL, get, load_tiles, put, splat
from plastic.engine.spans import BANDED, FULL, PLAIN
from plastic.engine.updates import bias_gradient, fill_exchange, update_rows
from plastic.losses import LOSSES
from plastic.topology import Kind

SIGMOID, TANH, RELU = sigmoid.code, tanh.code, relu.code
THRESHOLDS = threshold.code, straight_through.code
SOFTMAX = softmax.code
INPUT, OUTPUT = int(Kind.INPUT), int(Kind.OUTPUT)
CROSS_ENTROPY = LOSSES["cross_entropy"]


@njit(cache=True, nogil=True, error_model="numpy")
def squash(values, code):
    """Sigmoid or tanh of a tile's samples of one neuron, in place."""
    like = simd.splat_partial(values.dtype.type(0))
    for lane in range(0, LANES, PARTIAL):
        x = simd.load_like(values, lane, like)
        x = vector_math.tanh(x) if code == TANH else vector_math.sigmoid(x)
        simd.store(values, lane, x)


@njit(cache=True, nogil=True, error_model="numpy")
def softmax_tile(graph, outputs, tile):
    """Softmax over the output neurons, in place, if that is what they do."""
    slots = graph.outputs
    if graph.activations[slots[0]] != SOFTMAX:
        return
    nothing = simd.splat_partial(outputs.dtype.type(0))
    base = tile * outputs.shape[1] * LANES
    for lane in range(base, base + LANES, PARTIAL):
        vector_math.softmax(outputs, lane, LANES, slots, len(slots), nothing)


@njit(cache=True, nogil=True, error_model="numpy")
def forward_tiles(graph, outputs, weights, biases, X, rows, tile, zero):
    """Outputs of every neuron, in as many tiles as `zero` has lanes for."""
    tiles = range(tile, tile + simd.n_tiles(zero))
    for t in tiles:
        load_tile(outputs, t, graph.inputs, X, rows)
    begin = graph.spans[0, 1]  # 0, but no literal, as in `learn`
    forward_places(graph, outputs, weights, biases, tile, zero, begin, len(graph.order))
    for t in tiles:
        softmax_tile(graph, outputs, t)


@njit(cache=True, nogil=True, error_model="numpy")
def forward_places(graph, outputs, weights, biases, tile, zero, begin, end):
    """Outputs of the neurons at places ``begin .. end-1`` of the order, before any softmax."""
    tiles = range(tile, tile + simd.n_tiles(zero))
    stride = outputs.shape[1] * LANES
    base = tile * stride
    for span in range(len(graph.spans)):
        kind, first, last = graph.spans[span, 0], graph.spans[span, 1], graph.spans[span, 2]
        first, last = max(first, begin), min(last, end)
        if first >= last:
            continue
        if kind == BANDED:
            low, high = graph.spans[span, 3], graph.spans[span, 4]
            banded_rows(graph, outputs, weights, biases, first, last, low, high, tile, zero)
        elif kind == FULL:  # sixteen registers of sums are enough
            pair = blocks.at_most_pair(zero)
            for t in range(tile, tile + simd.n_tiles(zero), simd.n_tiles(pair)):
                full_rows(
                    graph.order, graph.indptr, graph.sources, weights, biases, outputs,
                    first, last, t, pair,
                )  # fmt: skip
        for k in range(first, last):
            slot = get(graph.order, k)
            at, code = base + slot * LANES, get(graph.activations, slot)
            if kind == PLAIN:
                x = simd.splat_like(get(biases, slot), zero)
                x = row_sum(
                    graph.indptr, graph.sources, weights, outputs, slot, base, stride, x
                )
            else:
                x = load_tiles(outputs, at, stride, zero)
            if code == RELU:
                x = simd.relu(x)
            elif code in THRESHOLDS:
                x = simd.threshold(x)
            simd.store_tiles(outputs, at, stride, x)
            if code in (SIGMOID, TANH):
                for t in tiles:
                    squash(outputs[t, slot], code)


@njit(cache=True, nogil=True, error_model="numpy")
def slope(y, code):
    """Derivative of an activation, written in its output."""
    if code == SIGMOID:
        return y * (1.0 - y)
    if code == TANH:
        return 1.0 - y * y
    if code == RELU:
        return 1.0 if y > 0 else 0.0
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def cost(y, target, code, limits):
    """What one output of one sample adds to the loss."""
    tiny, eps = limits
    if code == -1:
        return 0.5 * (y - target) ** 2
    value = -target * math.log(max(y, tiny))
    if code == SIGMOID:
        value -= (1.0 - target) * math.log(max(1.0 - y, eps))
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def loss_tile(graph, outputs, deltas, tile, Y, rows, loss, limits):
    """Loss summed over the samples of a tile; lays down the direct deltas of the outputs."""
    first, total = tile * LANES, 0.0
    count = min(LANES, len(rows) - first)
    jacobian = loss != CROSS_ENTROPY and graph.activations[graph.outputs[0]] == SOFTMAX
    for lane in range(count):
        row, mean_error = rows[first + lane], 0.0
        if jacobian:
            for o in range(len(graph.outputs)):
                y = outputs[tile, graph.outputs[o], lane]
                mean_error += (y - Y[row, o]) * y
        for o in range(len(graph.outputs)):
            slot = graph.outputs[o]
            y, target, code = outputs[tile, slot, lane], Y[row, o], graph.activations[slot]
            if loss == CROSS_ENTROPY:
                total += cost(y, target, code, limits)
                deltas[tile, slot, lane] = y - target
            else:
                total += cost(y, target, -1, limits)
                error = (y - target - mean_error) * y if jacobian else y - target
                deltas[tile, slot, lane] = error * slope(y, code)
    for o in range(len(graph.outputs)):
        for lane in range(count, LANES):
            deltas[tile, graph.outputs[o], lane] = 0
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def put_delta(graph, buffers, slot, at, stride, x, y, fresh):
    """Lay down a neuron's delta, from `x`, its loss gradient, and its outputs `y`.

    And the gradient of its bias, or add to what is there unless `fresh`.
    """
    deltas, of_biases = buffers.deltas, buffers.of_biases
    code = get(graph.activations, slot)
    if code == RELU:
        x = simd.gate(x, y)
    elif code == SIGMOID:
        x = simd.times_sigmoid_slope(x, y)
    elif code == TANH:
        x = simd.times_tanh_slope(x, y)
    if get(graph.kinds, slot) == OUTPUT:
        x = simd.add(x, load_tiles(deltas, at, stride, x))
    simd.store_tiles(deltas, at, stride, x)
    before = of_biases.dtype.type(0) if fresh else get(of_biases, slot)
    put(of_biases, slot, blocks.add_totals(before, x))


@njit(cache=True, nogil=True, error_model="numpy")
def backward_tiles(graph, buffers, tile, zero, with_gradients):
    """Deltas of every neuron but the inputs, in as many tiles as `zero` has lanes for.

    And gradients, if they are wanted; then the tiles must be all that there are.
    """
    n_learned, last = len(graph.order), len(graph.out_order)
    begin = graph.spans[0, 1]  # as in `forward_tiles`
    backward_places(graph, buffers, tile, zero, with_gradients, begin, n_learned)
    if with_gradients:
        gradients_of_tiles(graph, buffers, tile, zero, with_gradients, n_learned, last)


@njit(cache=True, nogil=True, error_model="numpy")
def backward_places(graph, buffers, tile, zero, with_gradients, begin, end):
    """The same of the neurons at places ``begin .. end-1`` of ``out_order``, none an input."""
    outputs, deltas, exchange = buffers.outputs, buffers.deltas, buffers.exchange
    stride = outputs.shape[1] * LANES
    base = tile * stride
    for span in range(len(graph.out_spans)):
        kind, first = graph.out_spans[span, 0], max(graph.out_spans[span, 1], begin)
        last = min(graph.out_spans[span, 2], end)
        if first >= last:
            continue
        if kind == FULL:
            pair = blocks.at_most_pair(zero)
            for t in range(tile, tile + simd.n_tiles(zero), simd.n_tiles(pair)):
                full_rows(
                    graph.out_order, graph.out_indptr, graph.out_targets, exchange, None,
                    deltas, first, last, t, pair,
                )  # fmt: skip
        for k in range(first, last):
            slot = get(graph.out_order, k)
            start, stop = get(graph.out_indptr, slot), get(graph.out_indptr, slot + 1)
            if start == stop and get(graph.kinds, slot) == OUTPUT:
                continue  # its direct delta is all there is
            at = base + slot * LANES
            y = load_tiles(outputs, at, stride, zero)
            ahead = get(graph.out_order, min(k + ROWS_AHEAD, last - 1))
            prefetch_row(graph.out_indptr, graph.out_targets, exchange, ahead)
            if kind == FULL:
                x = load_tiles(deltas, at, stride, zero)
            elif with_gradients and get(graph.swept, slot):
                x = sweep(
                    graph, deltas, exchange, True, start, stop, base, stride, y, with_gradients
                )
            else:
                x = row_sum(
                    graph.out_indptr, graph.out_targets, exchange, deltas, slot, base, stride,
                    zero,
                )  # fmt: skip
            put_delta(graph, buffers, slot, at, stride, x, y, tile == 0)
        if kind == FULL and with_gradients:
            gradients_of_tiles(graph, buffers, tile, zero, with_gradients, first, last)


@njit(cache=True, nogil=True, error_model="numpy")
def gradients_of_tiles(graph, buffers, tile, zero, one_group, first, last):
    """Pass 2 in as many tiles as `zero` has lanes for."""
    outputs, deltas, exchange = buffers.outputs, buffers.deltas, buffers.exchange
    stride = outputs.shape[1] * LANES
    base = tile * stride
    for k in range(first, last):
        slot = get(graph.out_order, k)
        if one_group and not get(graph.swept, slot):
            continue
        start, stop = get(graph.out_indptr, slot), get(graph.out_indptr, slot + 1)
        y = load_tiles(outputs, base + slot * LANES, stride, zero)
        sweep(graph, deltas, exchange, None, start, stop, base, stride, y, tile == 0)


@njit(cache=True, nogil=True, error_model="numpy")
def pass_gradients(graph, buffers, one_group, first, last):
    """Pass 2 for connections by source: places ``first .. last-1`` in ``out_order``."""
    zero, n_tiles = buffers.exchange.dtype.type(0), buffers.outputs.shape[0]
    one, pair, four = splat(zero), simd.splat_pair(zero), simd.splat_four(zero)
    fours = n_tiles - n_tiles % 4
    for tile in range(0, fours, 4):
        gradients_of_tiles(graph, buffers, tile, four, one_group, first, last)
    if n_tiles - fours >= 2:
        gradients_of_tiles(graph, buffers, fours, pair, one_group, first, last)
    if n_tiles % 2:
        gradients_of_tiles(graph, buffers, n_tiles - 1, one, one_group, first, last)


@njit(cache=True, nogil=True, error_model="numpy")
def is_group(n_tiles):
    """Whether all tiles go together."""
    return n_tiles in (1, 2, 4)


@njit(cache=True, nogil=True, error_model="numpy")
def train_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, tile, zero, at_once):
    """Forward, loss and backward, in as many tiles as `zero` has lanes for."""
    outputs, deltas = buffers.outputs, buffers.deltas
    weights, biases = parameters.weights, parameters.biases
    forward_tiles(graph, outputs, weights, biases, X, rows, tile, zero)
    for t in range(tile, tile + simd.n_tiles(zero)):
        buffers.losses[t] = loss_tile(graph, outputs, deltas, t, Y, rows, loss, limits)
    backward_tiles(graph, buffers, tile, zero, at_once)


@njit(cache=True, nogil=True, error_model="numpy")
def pass_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, at_once, first, last):
    """Pass 1 for tiles ``first .. last-1``, four, two or one at a time.

    With pass 2, if `at_once`; then the tiles must be all that there are: four, two or one.
    """
    zero = parameters.weights.dtype.type(0)
    one, pair, four = splat(zero), simd.splat_pair(zero), simd.splat_four(zero)
    given = graph, buffers, parameters, X, Y, rows, loss, limits
    while first + 4 <= last:
        train_tiles(*given, first, four, at_once)
        first += 4
    if first + 2 <= last:
        train_tiles(*given, first, pair, at_once)
        first += 2
    if first < last:
        train_tiles(*given, first, one, at_once)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_loss(losses, batch):
    """Loss of a batch after `pass_tiles`; NumPy's own sum adds up in another order."""
    total = 0.0
    for tile in range(len(losses)):
        total += losses[tile]
    return total / batch


@njit(cache=True, nogil=True, error_model="numpy")
def learn(
    graph, buffers, parameters, rule, watch, batches, rates, step, loss, limits, bound, losses,
    hits,
):  # fmt: skip
    """Train on every row of ``batches.rows``; returns the number of steps done.

    Stops early, before the update, where the loss is not a number up to `bound`.  Counts right
    answers unless `hits` is empty.
    """
    n_steps, batch = batches.rows.shape
    n_neurons, n_tiles = buffers.outputs.shape[1], buffers.outputs.shape[0]
    starts = graph.out_indptr[:-1].astype(np.int32)
    first = n_neurons - n_neurons  # no literal, which would be compiled as a type of its own
    fill_exchange(graph, buffers.exchange, parameters.weights, starts, first, n_neurons)
    one_group = is_group(n_tiles)
    for k in range(n_steps):
        rows = batches.rows[k]
        pass_tiles(
            graph, buffers, parameters, batches.X, batches.Y, rows, loss, limits, one_group,
            first, n_tiles,
        )  # fmt: skip
        losses[k] = mean_loss(buffers.losses, batch)
        if not losses[k] <= bound:
            return k
        if len(hits):
            hits[k] = count_hits(buffers.outputs, graph.outputs, batches.Y, rows, first, batch)
        if not one_group:
            pass_gradients(graph, buffers, one_group, first, n_neurons)
        watching = watch.every > 0 and (step + k + 1) % watch.every == 0
        update_rows(
            graph, buffers, parameters, rule, watch, watching, rates[k], batch, one_group,
            starts, first, n_neurons,
        )  # fmt: skip
    return n_steps


@njit(cache=True, nogil=True, error_model="numpy")
def predict(graph, outputs, parameters, X, rows, answers):
    """Outputs of the network for some rows, into ``answers`` (n_rows, n_outputs)."""
    weights, biases, zero = parameters.weights, parameters.biases, outputs.dtype.type(0)
    one, pair, four = splat(zero), simd.splat_pair(zero), simd.splat_four(zero)
    room = outputs.shape[0] * LANES
    for first in range(0, len(rows), room):
        part = rows[first : first + room]
        tiles = left = (len(part) + LANES - 1) // LANES
        while left >= 4:
            forward_tiles(graph, outputs, weights, biases, X, part, tiles - left, four)
            left -= 4
        if left >= 2:
            forward_tiles(graph, outputs, weights, biases, X, part, tiles - left, pair)
            left -= 2
        if left > 0:
            forward_tiles(graph, outputs, weights, biases, X, part, tiles - left, one)
        n_outputs = len(graph.outputs)
        for sample in range(len(part)):
            at = sample // LANES * outputs.shape[1] * LANES + sample % LANES
            for o in range(n_outputs):
                y = get(outputs, at + get(graph.outputs, o) * LANES)
                put(answers, (first + sample) * n_outputs + o, y)


@njit(cache=True, nogil=True, error_model="numpy")
def gradients(graph, buffers, batch, of_weights, of_biases):
    """Gradients of all parameters after `pass_tiles`, averaged over the batch."""
    dtype, (first, n_neurons) = of_weights.dtype.type, (graph.indptr[0], len(graph.kinds))
    pass_gradients(graph, buffers, False, first, n_neurons)
    cursor = graph.out_indptr[:-1].copy()
    for e in range(len(of_weights)):
        source = get(graph.sources, e)
        of_weights[e] = get(buffers.exchange, get(cursor, source)) / dtype(batch)
        cursor[source] += 1
    for slot in range(n_neurons):
        if get(graph.kinds, slot) != INPUT:
            of_biases[slot] = bias_gradient(buffers.deltas, slot) / dtype(batch)

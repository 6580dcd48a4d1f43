"""The compiled kernels: forward, backward, update.

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
tile, whose missing samples have delta zero.  A chain waits for its own last addition, so four
tiles (or two, where no four are left) go together: independent chains hide each other's
waiting.  However many go together, each sample is added up alike, in the order of the row.

Connections lie in rows by target (``indptr``, ``sources``; see `topology.structure`).  The
backward pass takes them by source: it looks up each weight at its position in the rows, once
for four tiles, which costs less than to keep a second copy of the weights in that order, and
no memory.  Two passes make a step:

1. per tile: forward, loss, backward (deltas only);
2. per neuron: gradient of its row, eight connections at a time with their partial sums in
   registers while all tiles pass by; the update follows after every `CHUNK` connections, so
   no array of all gradients is ever stored.

Both work on ranges, so threads can share them; since every tile and every row is
summed in one fixed order, the result is the same bit for bit at any number of threads.

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
from plastic.engine import simd, vector_math
from plastic.engine.simd import LANES, PARTIAL, dot, fma, get, load, load_tiles, put, splat
from plastic.losses import LOSSES

SIGMOID, TANH, RELU = sigmoid.code, tanh.code, relu.code
THRESHOLDS = threshold.code, straight_through.code
SOFTMAX = softmax.code
CROSS_ENTROPY = LOSSES["cross_entropy"]
SGD = 0  # as `optimizers.SGD.code`; any other rule is Adam

CHUNK = 2048
"""Connections, or neurons, whose gradients wait in the first-level cache for their update."""


@njit(cache=True, nogil=True, error_model="numpy")
def load_tile(outputs, tile, inputs, X, rows):
    """Lay up to `LANES` samples into the input neurons of a tile."""
    first = tile * LANES
    count = min(LANES, len(rows) - first)
    for start in range(0, len(inputs), 16):  # a cache line of a sample's features at a time
        stop = min(start + 16, len(inputs))
        for lane in range(count):
            row = get(rows, first + lane)
            for feature in range(start, stop):
                outputs[tile, get(inputs, feature), lane] = X[row, feature]
        for feature in range(start, stop):
            for lane in range(count, LANES):
                outputs[tile, get(inputs, feature), lane] = 0
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def squash(values, code):
    """Sigmoid or tanh of a tile's samples of one neuron, in place."""
    like = simd.splat_partial(values.dtype.type(0))
    for lane in range(0, LANES, PARTIAL):
        x = simd.load_like(values, lane, like)
        x = vector_math.tanh(x) if code == TANH else vector_math.sigmoid(x)
        simd.store(values, lane, x)


@njit(cache=True, nogil=True, error_model="numpy")
def softmax_tile(outputs, tile, slots):
    """Softmax over the output neurons, in place."""
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
    stride = outputs.shape[1] * LANES
    base = tile * stride
    for k in range(len(graph.order)):
        slot = get(graph.order, k)
        x = simd.splat_like(get(biases, slot), zero)
        for e in range(get(graph.indptr, slot), get(graph.indptr, slot + 1)):
            at = base + get(graph.sources, e) * LANES
            x = fma(get(weights, e), load_tiles(outputs, at, stride, zero), x)
        code = get(graph.activations, slot)
        if code == RELU:
            x = simd.relu(x)
        elif code in THRESHOLDS:
            x = simd.threshold(x)
        simd.store_tiles(outputs, base + slot * LANES, stride, x)
        if code in (SIGMOID, TANH):
            for t in tiles:
                squash(outputs[t, slot], code)
    if graph.activations[graph.outputs[0]] == SOFTMAX:
        for t in tiles:
            softmax_tile(outputs, t, graph.outputs)


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
def backward_tiles(graph, outputs, deltas, weights, tile, zero):
    """Deltas of every neuron but the inputs, in as many tiles as `zero` has lanes for."""
    stride = outputs.shape[1] * LANES
    base = tile * stride
    for k in range(len(graph.order) - 1, -1, -1):
        slot = get(graph.order, k)
        start, stop = get(graph.out_indptr, slot), get(graph.out_indptr, slot + 1)
        is_output = get(graph.kinds, slot) == 2
        if is_output and start == stop:
            continue  # its direct delta is all there is
        x = zero
        for e in range(start, stop):
            at = base + get(graph.out_targets, e) * LANES
            weight = get(weights, get(graph.out_positions, e))
            x = fma(weight, load_tiles(deltas, at, stride, zero), x)
        code, at = get(graph.activations, slot), base + slot * LANES
        y = load_tiles(outputs, at, stride, zero)
        if code == RELU:
            x = simd.gate(x, y)
        elif code == SIGMOID:
            x = simd.times_sigmoid_slope(x, y)
        elif code == TANH:
            x = simd.times_tanh_slope(x, y)
        if is_output:
            x = simd.add(x, load_tiles(deltas, at, stride, zero))
        simd.store_tiles(deltas, at, stride, x)


@njit(cache=True, nogil=True, error_model="numpy")
def train_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, tile, zero):
    """Forward, loss and backward, in as many tiles as `zero` has lanes for."""
    outputs, deltas = buffers.outputs, buffers.deltas
    weights, biases = parameters.weights, parameters.biases
    forward_tiles(graph, outputs, weights, biases, X, rows, tile, zero)
    for t in range(tile, tile + simd.n_tiles(zero)):
        buffers.losses[t] = loss_tile(graph, outputs, deltas, t, Y, rows, loss, limits)
    backward_tiles(graph, outputs, deltas, weights, tile, zero)


@njit(cache=True, nogil=True, error_model="numpy")
def pass_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, first, last):
    """Pass 1 for tiles ``first .. last-1``, four, two or one at a time."""
    zero = parameters.weights.dtype.type(0)
    one, pair, four = splat(zero), simd.splat_pair(zero), simd.splat_four(zero)
    while first + 4 <= last:
        train_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, first, four)
        first += 4
    if first + 2 <= last:
        train_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, first, pair)
        first += 2
    if first < last:
        train_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, first, one)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_loss(losses, batch):
    """Loss of a batch after `pass_tiles`; NumPy's own sum adds up in another order."""
    total = 0.0
    for tile in range(len(losses)):
        total += losses[tile]
    return total / batch


@njit(cache=True, nogil=True, error_model="numpy")
def row_gradient(outputs, deltas, sources, slot, start, stop, gradient, place):
    """Gradient of the connections into a neuron, summed over the batch, into `gradient`.

    Eight connections at a time, from `place` on; the last ones are filled up with copies of
    the very last, so `gradient` must have room for seven more.
    """
    stride, last = outputs.shape[1] * LANES, stop - 1
    nothing = simd.splat_partial(outputs.dtype.type(0))
    for e in range(start, stop, 8):
        at0 = get(sources, e) * LANES
        at1 = get(sources, min(e + 1, last)) * LANES
        at2 = get(sources, min(e + 2, last)) * LANES
        at3 = get(sources, min(e + 3, last)) * LANES
        at4 = get(sources, min(e + 4, last)) * LANES
        at5 = get(sources, min(e + 5, last)) * LANES
        at6 = get(sources, min(e + 6, last)) * LANES
        at7 = get(sources, min(e + 7, last)) * LANES
        p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = nothing
        for tile in range(outputs.shape[0]):
            base = tile * stride
            x = load(deltas, base + slot * LANES)
            p0 = dot(x, load(outputs, base + at0), p0)
            p1 = dot(x, load(outputs, base + at1), p1)
            p2 = dot(x, load(outputs, base + at2), p2)
            p3 = dot(x, load(outputs, base + at3), p3)
            p4 = dot(x, load(outputs, base + at4), p4)
            p5 = dot(x, load(outputs, base + at5), p5)
            p6 = dot(x, load(outputs, base + at6), p6)
            p7 = dot(x, load(outputs, base + at7), p7)
        simd.store8(gradient, place + e - start, simd.fold8(p0, p1, p2, p3, p4, p5, p6, p7))


@njit(cache=True, nogil=True, error_model="numpy")
def bias_gradient(deltas, slot):
    """Gradient of a bias, summed over the batch."""
    width = deltas.shape[1] * LANES
    total = simd.total(load(deltas, slot * LANES))
    for tile in range(1, deltas.shape[0]):
        total += simd.total(load(deltas, tile * width + slot * LANES))
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def update(rule, rate, values, first, second, age, start, gradient, count, scale, decay):
    """One optimizer step on ``values[start : start + count]``."""
    numbers = rule.numbers
    if rule.code == SGD:
        momentum = numbers[0]
        for k in range(count):
            e = start + k
            g = get(gradient, k) * scale + decay * get(values, e)
            put(first, e, momentum * get(first, e) + g)
            put(values, e, get(values, e) - rate * get(first, e))
        return
    beta1, beta2, epsilon = numbers[0], numbers[1], numbers[2]
    one = numbers.dtype.type(1)
    coupled, decoupled = decay * numbers[4], decay * (one - numbers[4])
    oldest = len(rule.first_correction) - 1
    for k in range(count):
        e = start + k
        put(age, e, get(age, e) + 1)
        g = get(gradient, k) * scale + coupled * get(values, e)
        put(first, e, beta1 * get(first, e) + (one - beta1) * g)
        put(second, e, beta2 * get(second, e) + (one - beta2) * g * g)
        a = min(get(age, e), oldest)
        mean = get(first, e) * get(rule.first_correction, a)
        spread = math.sqrt(get(second, e) * get(rule.second_correction, a)) + epsilon
        put(values, e, get(values, e) - rate * (mean / spread + decoupled * get(values, e)))


@njit(cache=True, nogil=True, error_model="numpy")
def watch_neuron(watch, buffers, slot, batch):
    """Discounted moments of a neuron's activity and sensitivity."""
    active, sensed = 0.0, 0.0
    for sample in range(batch):
        tile, lane = sample // LANES, sample % LANES
        active += abs(buffers.outputs[tile, slot, lane])
        sensed += abs(buffers.deltas[tile, slot, lane])
    active, sensed, kept = active / batch, sensed / batch, watch.discount
    watch.activity[slot] = kept * watch.activity[slot] + active
    watch.activity_square[slot] = kept * watch.activity_square[slot] + active * active
    watch.sensitivity[slot] = kept * watch.sensitivity[slot] + sensed
    watch.sensitivity_square[slot] = kept * watch.sensitivity_square[slot] + sensed * sensed
    watch.observations[slot] = kept * watch.observations[slot] + 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def update_rows(graph, buffers, parameters, rule, watch, watching, rate, batch, first, last):
    """Pass 2 for neurons ``first .. last-1``: gradient of the row, statistics, update."""
    longest = CHUNK
    for slot in range(first, last):
        longest = max(longest, graph.indptr[slot + 1] - graph.indptr[slot])
        if watching and len(watch.activity) > 0:
            watch_neuron(watch, buffers, slot, batch)
    dtype = parameters.weights.dtype.type
    gradient = np.empty(longest + 7, parameters.weights.dtype)
    bias_gradients = np.empty(CHUNK, parameters.weights.dtype)
    scale, decay = dtype(1) / dtype(batch), rule.numbers[3]
    slot = first
    while slot < last:
        if graph.kinds[slot] == 0:
            slot += 1
            continue
        top, start = slot, graph.indptr[slot]
        while slot < last and graph.kinds[slot] != 0 and slot - top < CHUNK:
            if slot > top and graph.indptr[slot + 1] - start > CHUNK:
                break
            begin, end = graph.indptr[slot], graph.indptr[slot + 1]
            row_gradient(
                buffers.outputs, buffers.deltas, graph.sources, slot, begin, end,
                gradient, begin - start,
            )  # fmt: skip
            bias_gradients[slot - top] = bias_gradient(buffers.deltas, slot)
            slot += 1
        count = graph.indptr[slot] - start
        if watching and len(watch.saliency) > 0:
            for k in range(count):
                effect = abs(parameters.weights[start + k] * (gradient[k] * scale))
                held = watch.saliency[start + k]
                watch.saliency[start + k] = held + watch.rate * (effect - held)
        update(
            rule, rate, parameters.weights, parameters.weight_first, parameters.weight_second,
            parameters.weight_age, start, gradient, count, scale, decay,
        )  # fmt: skip
        if parameters.use_biases:
            update(
                rule, rate, parameters.biases, parameters.bias_first, parameters.bias_second,
                parameters.bias_age, top, bias_gradients, slot - top, scale, dtype(0),
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def learn(
    graph, buffers, parameters, rule, watch, batches, rates, step, loss, limits, bound, losses
):
    """Train on every row of ``batches.rows``; returns the number of steps done.

    Stops early, before the update, where the loss is not a number up to `bound`.
    """
    n_steps, batch = batches.rows.shape
    n_neurons, n_tiles = buffers.outputs.shape[1], buffers.outputs.shape[0]
    for k in range(n_steps):
        rows = batches.rows[k]
        pass_tiles(
            graph, buffers, parameters, batches.X, batches.Y, rows, loss, limits, 0, n_tiles
        )
        losses[k] = mean_loss(buffers.losses, batch)
        if not losses[k] <= bound:
            return k
        watching = watch.every > 0 and (step + k + 1) % watch.every == 0
        update_rows(
            graph, buffers, parameters, rule, watch, watching, rates[k], batch, 0, n_neurons
        )
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
        for sample in range(len(part)):
            for o in range(len(graph.outputs)):
                y = outputs[sample // LANES, graph.outputs[o], sample % LANES]
                answers[first + sample, o] = y


@njit(cache=True, nogil=True, error_model="numpy")
def gradients(graph, buffers, batch, of_weights, of_biases):
    """Gradients of all parameters after `pass_tiles`, averaged over the batch."""
    dtype = of_weights.dtype.type
    row = np.empty(len(graph.kinds) + 7, of_weights.dtype)
    for slot in range(len(graph.kinds)):
        if get(graph.kinds, slot) == 0:
            continue
        start, stop = graph.indptr[slot], graph.indptr[slot + 1]
        row_gradient(buffers.outputs, buffers.deltas, graph.sources, slot, start, stop, row, 0)
        for e in range(start, stop):
            of_weights[e] = row[e - start] / dtype(batch)
        of_biases[slot] = bias_gradient(buffers.deltas, slot) / dtype(batch)

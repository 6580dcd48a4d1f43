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
tile, whose missing samples have delta zero.

Connections lie in rows by target (``indptr``, ``sources``; see `topology.structure`).  The
backward pass needs them by source: ``out_weights`` is a copy of the weights in that order,
refreshed after every update.  Three passes make a step:

1. per tile: forward, loss, backward (deltas only);
2. per neuron: gradient of its row (sum over tiles in order), update right away: no array of
   gradients is ever stored;
3. refresh ``out_weights``.

Passes 1 to 3 work on ranges, so threads can share them; since every tile and every row is
summed in one fixed order, the result is the same bit for bit at any number of threads.

numba caches functions of a module only when they are not closures; so everything a kernel
needs comes in as an argument, grouped into the named tuples of `plastic.engine.layout`.  All
kernels stay in this one file: numba compiles again when the file of a cached function
changes, but does not look into the files of the functions that it calls.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from plastic.activations import identity, relu, sigmoid, softmax, tanh
from plastic.engine import simd
from plastic.engine.simd import LANES, fma, fold, fold8, get, load, load8, splat, store, store8
from plastic.losses import LOSSES

SIGMOID, TANH, RELU = sigmoid.code, tanh.code, relu.code
IDENTITY, SOFTMAX = identity.code, softmax.code
CROSS_ENTROPY = LOSSES["cross_entropy"]
SGD, ADAM = 0, 1


@njit(cache=True, nogil=True, error_model="numpy")
def load_tile(outputs, tile, inputs, X, rows):
    """Lay up to `LANES` samples into the input neurons of a tile."""
    first = tile * LANES
    count = min(LANES, len(rows) - first)
    for lane in range(LANES):
        if lane < count:
            row = rows[first + lane]
            for feature in range(len(inputs)):
                outputs[tile, inputs[feature], lane] = X[row, feature]
        else:
            for feature in range(len(inputs)):
                outputs[tile, inputs[feature], lane] = 0
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def squash(values, code):
    """Sigmoid or tanh of a few values, in place."""
    for lane in range(len(values)):
        x = values[lane]
        if code == TANH:
            values[lane] = math.tanh(x)
        else:
            tail = math.exp(-abs(x))
            values[lane] = (1.0 if x >= 0 else tail) / (1.0 + tail)


@njit(cache=True, nogil=True, error_model="numpy")
def softmax_tile(outputs, tile, slots):
    """Softmax over the output neurons, in place."""
    for lane in range(LANES):
        top = outputs[tile, slots[0], lane]
        for slot in slots:
            top = max(top, outputs[tile, slot, lane])
        norm = 0.0
        for slot in slots:
            value = math.exp(outputs[tile, slot, lane] - top)
            outputs[tile, slot, lane] = value
            norm += value
        for slot in slots:
            outputs[tile, slot, lane] /= norm


@njit(cache=True, nogil=True, error_model="numpy")
def forward_tile(graph, outputs, weights, biases, tile):
    """Outputs of every neuron for the samples of a tile."""
    base = tile * outputs.shape[1] * LANES
    for k in range(len(graph.order)):
        slot = get(graph.order, k)
        x = splat(biases[slot])
        for e in range(graph.indptr[slot], graph.indptr[slot + 1]):
            x = fma(get(weights, e), load(outputs, base + get(graph.sources, e) * LANES), x)
        code = graph.activations[slot]
        if code == RELU:
            x = simd.relu(x)
        store(outputs, base + slot * LANES, x)
        if code in (SIGMOID, TANH):
            squash(outputs[tile, slot], code)
    if graph.activations[graph.outputs[0]] == SOFTMAX:
        softmax_tile(outputs, tile, graph.outputs)


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
def loss_tile(graph, outputs, deltas, tile, Y, rows, count, loss, limits):
    """Loss summed over the samples of a tile; lays down the direct deltas of the outputs."""
    first, total = tile * LANES, 0.0
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
def backward_tile(graph, outputs, deltas, out_weights, tile):
    """Deltas of every neuron but the inputs for the samples of a tile."""
    base = tile * outputs.shape[1] * LANES
    zero = splat(out_weights.dtype.type(0))
    for k in range(len(graph.order) - 1, -1, -1):
        slot = get(graph.order, k)
        start, stop = graph.out_indptr[slot], graph.out_indptr[slot + 1]
        is_output = graph.kinds[slot] == 2
        if is_output and start == stop:
            continue  # its direct delta is all there is
        x = zero
        for e in range(start, stop):
            vector = load(deltas, base + get(graph.out_targets, e) * LANES)
            x = fma(get(out_weights, e), vector, x)
        code, at = graph.activations[slot], base + slot * LANES
        y = load(outputs, at)
        if code == RELU:
            x = simd.gate(x, y)
        elif code == SIGMOID:
            x = simd.times_sigmoid_slope(x, y)
        elif code == TANH:
            x = simd.times_tanh_slope(x, y)
        if is_output:
            x = simd.add(x, load(deltas, at))
        store(deltas, at, x)


@njit(cache=True, nogil=True, error_model="numpy")
def pass_tiles(graph, buffers, parameters, X, Y, rows, loss, limits, first, last):
    """Pass 1 for tiles ``first .. last-1``: forward, loss, backward."""
    for tile in range(first, last):
        count = load_tile(buffers.outputs, tile, graph.inputs, X, rows)
        forward_tile(graph, buffers.outputs, parameters.weights, parameters.biases, tile)
        buffers.losses[tile] = loss_tile(
            graph, buffers.outputs, buffers.deltas, tile, Y, rows, count, loss, limits
        )
        backward_tile(graph, buffers.outputs, buffers.deltas, buffers.out_weights, tile)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_loss(losses, batch):
    """Loss of a batch after `pass_tiles`; NumPy's own sum adds up in another order."""
    total = 0.0
    for tile in range(len(losses)):
        total += losses[tile]
    return total / batch


@njit(cache=True, nogil=True, error_model="numpy")
def row_gradient(graph, buffers, slot, gradient):
    """Gradient of the connections into a neuron, summed over the batch, into `gradient`."""
    outputs, deltas, sources = buffers.outputs, buffers.deltas, graph.sources
    start, stop = graph.indptr[slot], graph.indptr[slot + 1]
    width = outputs.shape[1] * LANES
    for tile in range(outputs.shape[0]):
        base = tile * width
        x = load(deltas, base + slot * LANES)
        e, k = start, 0
        while e + 8 <= stop:
            sums = fold8(
                fold(x, load(outputs, base + get(sources, e) * LANES)),
                fold(x, load(outputs, base + get(sources, e + 1) * LANES)),
                fold(x, load(outputs, base + get(sources, e + 2) * LANES)),
                fold(x, load(outputs, base + get(sources, e + 3) * LANES)),
                fold(x, load(outputs, base + get(sources, e + 4) * LANES)),
                fold(x, load(outputs, base + get(sources, e + 5) * LANES)),
                fold(x, load(outputs, base + get(sources, e + 6) * LANES)),
                fold(x, load(outputs, base + get(sources, e + 7) * LANES)),
            )
            if tile > 0:
                sums = simd.add(sums, load8(gradient, k))
            store8(gradient, k, sums)
            e, k = e + 8, k + 8
        while e < stop:
            y = load(outputs, base + get(sources, e) * LANES)
            single = simd.total(fold(x, y))
            gradient[k] = single if tile == 0 else gradient[k] + single
            e, k = e + 1, k + 1


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
            g = gradient[k] * scale + decay * values[e]
            first[e] = momentum * first[e] + g
            values[e] -= rate * first[e]
        return
    beta1, beta2, epsilon = numbers[0], numbers[1], numbers[2]
    one = numbers.dtype.type(1)
    coupled = decay * numbers[4]
    decoupled = decay * (one - numbers[4])
    oldest = len(rule.first_correction) - 1
    for k in range(count):
        e = start + k
        age[e] += 1
        g = gradient[k] * scale + coupled * values[e]
        first[e] = beta1 * first[e] + (one - beta1) * g
        second[e] = beta2 * second[e] + (one - beta2) * g * g
        a = min(age[e], oldest)
        mean = first[e] * rule.first_correction[a]
        spread = math.sqrt(second[e] * rule.second_correction[a]) + epsilon
        values[e] -= rate * (mean / spread + decoupled * values[e])


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
    longest = 1
    for slot in range(first, last):
        longest = max(longest, graph.indptr[slot + 1] - graph.indptr[slot])
    dtype = parameters.weights.dtype.type
    gradient = np.empty(longest, parameters.weights.dtype)
    one = np.empty(1, parameters.weights.dtype)
    scale = dtype(1) / dtype(batch)
    decay = rule.numbers[3]
    for slot in range(first, last):
        if watching and len(watch.activity) > 0:
            watch_neuron(watch, buffers, slot, batch)
        if graph.kinds[slot] == 0:
            continue
        start = graph.indptr[slot]
        count = graph.indptr[slot + 1] - start
        row_gradient(graph, buffers, slot, gradient)
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
            one[0] = bias_gradient(buffers.deltas, slot)
            update(
                rule, rate, parameters.biases, parameters.bias_first, parameters.bias_second,
                parameters.bias_age, slot, one, 1, scale, dtype(0),
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def refresh(graph, out_weights, weights, first, last):
    """Pass 3 for connections ``first .. last-1`` by source: copy the weights."""
    for e in range(first, last):
        out_weights[e] = weights[get(graph.out_positions, e)]


@njit(cache=True, nogil=True, error_model="numpy")
def learn(
    graph, buffers, parameters, rule, watch, batches, rates, step, loss, limits, bound, losses
):
    """Train on every row of ``batches.rows``; returns the number of steps done.

    Stops early, before the update, where the loss is not a number up to `bound`.
    """
    n_steps, batch = batches.rows.shape
    n_neurons, n_tiles = buffers.outputs.shape[1], buffers.outputs.shape[0]
    n_connections = len(parameters.weights)
    refresh(graph, buffers.out_weights, parameters.weights, 0, n_connections)
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
        refresh(graph, buffers.out_weights, parameters.weights, 0, n_connections)
    return n_steps


@njit(cache=True, nogil=True, error_model="numpy")
def predict(graph, outputs, parameters, X, rows, answers):
    """Outputs of the network for some rows, into ``answers`` (n_rows, n_outputs)."""
    for first in range(0, len(rows), LANES):
        count = load_tile(outputs, 0, graph.inputs, X, rows[first : first + LANES])
        forward_tile(graph, outputs, parameters.weights, parameters.biases, 0)
        for o in range(len(graph.outputs)):
            for lane in range(count):
                answers[first + lane, o] = outputs[0, graph.outputs[o], lane]


@njit(cache=True, nogil=True, error_model="numpy")
def gradients(graph, buffers, batch, of_weights, of_biases):
    """Gradients of all parameters after `pass_tiles`, averaged over the batch."""
    dtype = of_weights.dtype.type
    for slot in range(buffers.outputs.shape[1]):
        if graph.kinds[slot] == 0:
            continue
        row = of_weights[graph.indptr[slot] : graph.indptr[slot + 1]]
        row_gradient(graph, buffers, slot, row)
        row /= dtype(batch)
        of_biases[slot] = bias_gradient(buffers.deltas, slot) / dtype(batch)

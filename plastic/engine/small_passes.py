"""The passes of small networks: lay down a mini-batch, forward, loss, backward, gradients.

Why they are as they are is told at the top of `plastic.engine.small`.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from plastic.engine import simd, vector_math
from plastic.engine.blocks import totals8
from plastic.engine.kernels import CROSS_ENTROPY, RELU, SIGMOID, SOFTMAX, TANH, THRESHOLDS, cost
from plastic.engine.simd import (
    add,
    dot,
    fma,
    get,
    load_like,
    moved,
    multiply,
    n_lanes,
    pointer,
    put,
    splat_like,
    store,
    subtract,
)

AT, FIRST, LAST, OUT_FIRST, OUT_LAST, CODE, IS_OUTPUT = range(7)
"""Columns of `layout.SmallBuffers.neurons`."""

LINE = 8
"""How far apart its lines are."""


class Forward(NamedTuple):
    """What a pass forward needs of `layout.Graph` and `layout.SmallBuffers`."""

    neurons: int  # a pointer, as all that follow up to the sizes
    sources: int
    activations: int
    inputs: int
    slots: int  # of the outputs
    outputs: int
    values: int
    n_computed: int  # neurons but the inputs
    n_inputs: int
    n_outputs: int
    n_rows: int
    n_weights: int
    softmax: bool


class Backward(NamedTuple):
    """What the way back needs besides."""

    out_targets: int  # pointers again
    positions: int
    deltas: int
    targets: int
    present: int
    targets_of: int
    gradient: int
    momentum: int
    n_tiles: int
    n_flat: int


@njit(cache=True, nogil=True, error_model="numpy")
def forward_of(neurons, sources, activations, inputs, slots, outputs, values):
    """The pointers and sizes of a pass forward."""
    return Forward(
        pointer(neurons),
        pointer(sources),
        pointer(activations),
        pointer(inputs),
        pointer(slots),
        pointer(outputs),
        pointer(values),
        len(neurons),
        len(inputs),
        len(slots),
        outputs.shape[1],
        len(sources),
        get(activations, get(slots, 0)) == SOFTMAX,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def ways_of(graph, buffers):
    """The pointers and sizes of both ways."""
    ahead = forward_of(
        buffers.neurons, buffers.sources, graph.activations, graph.inputs, graph.outputs,
        buffers.outputs, buffers.values,
    )  # fmt: skip
    back = Backward(
        pointer(buffers.out_targets),
        pointer(graph.out_positions),
        pointer(buffers.deltas),
        pointer(buffers.targets),
        pointer(buffers.present),
        pointer(buffers.targets_of),
        pointer(buffers.gradient),
        pointer(buffers.first),
        buffers.outputs.shape[0],
        len(buffers.values),
    )
    return ahead, back


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def lay_inputs(ahead, tile, X, rows, first, count, width):
    """Lay `count` samples into the input neurons of a tile; lanes too many repeat the last."""
    for lane in range(width):
        row = get(rows, first + min(lane, count - 1))
        for feature in range(ahead.n_inputs):
            at = (tile * ahead.n_rows + get(ahead.inputs, feature)) * width + lane
            put(ahead.outputs, at, get(X, row * ahead.n_inputs + feature))


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def lay_targets(ahead, back, tile, Y, rows, first, count, width):
    """Lay the targets of the same samples."""
    for lane in range(width):
        row = get(rows, first + min(lane, count - 1))
        for o in range(ahead.n_outputs):
            at = (tile * ahead.n_outputs + o) * width + lane
            put(back.targets, at, get(Y, row * ahead.n_outputs + o))


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def lay_batch(ahead, back, X, Y, rows, first, batch, width):
    """Lay the mini-batch that ``rows[first : first + batch]`` names."""
    for tile in range(back.n_tiles):
        done = tile * width
        lay_inputs(ahead, tile, X, rows, first + done, batch - done, width)
        lay_targets(ahead, back, tile, Y, rows, first + done, batch - done, width)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def forward(ahead, tile, zero):
    """Outputs of every neuron in a tile."""
    width, neurons = n_lanes(zero), ahead.neurons
    outputs = moved(ahead.outputs, tile * ahead.n_rows * width)
    for k in range(ahead.n_computed):
        x = splat_like(get(ahead.values, ahead.n_weights + k), zero)
        for e in range(get(neurons, FIRST), get(neurons, LAST)):
            x = fma(get(ahead.values, e), load_like(outputs, get(ahead.sources, e), zero), x)
        code = get(neurons, CODE)
        if code == RELU:
            x = simd.relu(x)
        elif code == SIGMOID:
            x = vector_math.sigmoid(x)
        elif code == TANH:
            x = vector_math.tanh(x)
        elif code in THRESHOLDS:
            x = simd.threshold(x)
        store(outputs, get(neurons, AT), x)
        neurons = moved(neurons, LINE)
    if ahead.softmax:
        slots, n_slots = ahead.slots, ahead.n_outputs
        vector_math.softmax(outputs, 0, width, slots, n_slots, zero)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def times_slope(x, y, code):
    """``x * f'``, where `y` is the output of the activation `f`."""
    if code == RELU:
        x = simd.gate(x, y)
    elif code == SIGMOID:
        x = simd.times_sigmoid_slope(x, y)
    elif code == TANH:
        x = simd.times_tanh_slope(x, y)
    return x


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def set_output_deltas(ahead, back, loss, tile, zero):
    """Direct deltas of the outputs in a tile."""
    width = n_lanes(zero)
    base, base_targets = tile * ahead.n_rows * width, tile * ahead.n_outputs * width
    present = load_like(back.present, tile * width, zero)
    jacobian = loss != CROSS_ENTROPY and ahead.softmax
    mean_error = zero
    if jacobian:
        for o in range(ahead.n_outputs):
            y = load_like(ahead.outputs, base + get(ahead.slots, o) * width, zero)
            error = subtract(y, load_like(back.targets, base_targets + o * width, zero))
            mean_error = add(mean_error, multiply(error, y))
    for o in range(ahead.n_outputs):
        slot = get(ahead.slots, o)
        y = load_like(ahead.outputs, base + slot * width, zero)
        x = subtract(y, load_like(back.targets, base_targets + o * width, zero))
        if jacobian:
            x = multiply(subtract(x, mean_error), y)
        elif loss != CROSS_ENTROPY:
            x = times_slope(x, y, get(ahead.activations, slot))
        store(back.deltas, base + slot * width, multiply(x, present))


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def loss_of_tile(ahead, back, loss, limits, tile, count, width):
    """Loss summed over `count` samples of a tile."""
    total, n_outputs = 0.0, ahead.n_outputs
    outputs = moved(ahead.outputs, tile * ahead.n_rows * width)
    targets = moved(back.targets, tile * n_outputs * width)
    if loss != CROSS_ENTROPY:
        for lane in range(count):
            for o in range(n_outputs):
                y = get(outputs, get(ahead.slots, o) * width + lane)
                total += cost(y, get(targets, o * width + lane), -1, limits)
        return total
    for lane in range(count):
        for o in range(n_outputs):
            slot = get(ahead.slots, o)
            y, target = get(outputs, slot * width + lane), get(targets, o * width + lane)
            total += cost(y, target, get(ahead.activations, slot), limits)
    return total


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def backward(ahead, back, tile, zero):
    """Deltas of every neuron but the inputs in a tile."""
    base = tile * ahead.n_rows * n_lanes(zero)
    outputs, deltas = moved(ahead.outputs, base), moved(back.deltas, base)
    neurons = moved(ahead.neurons, ahead.n_computed * LINE)
    for _ in range(ahead.n_computed):
        neurons = moved(neurons, -LINE)
        start, stop = get(neurons, OUT_FIRST), get(neurons, OUT_LAST)
        if start == stop and get(neurons, IS_OUTPUT):
            continue  # its direct delta is all there is
        x = zero
        for e in range(start, stop):
            weight = get(ahead.values, get(back.positions, e))
            x = fma(weight, load_like(deltas, get(back.out_targets, e), zero), x)
        at = get(neurons, AT)
        x = times_slope(x, load_like(outputs, at, zero), get(neurons, CODE))
        if get(neurons, IS_OUTPUT):
            x = add(x, load_like(deltas, at, zero))
        store(deltas, at, x)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def pass_batch(ahead, back, batch, loss, limits, zero):
    """Forward, loss and backward, in all tiles; returns the loss of the mini-batch."""
    total, width = 0.0, n_lanes(zero)
    for tile in range(back.n_tiles):
        forward(ahead, tile, zero)
        set_output_deltas(ahead, back, loss, tile, zero)
        total += loss_of_tile(
            ahead, back, loss, limits, tile, min(width, batch - tile * width), width
        )
        backward(ahead, back, tile, zero)
    return total / batch


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def multiply_ends(ahead, back, outputs, deltas, e, partial, zero):
    """What a tile adds to the gradient of a connection, in partial sums."""
    x = load_like(deltas, get(back.targets_of, e), zero)
    return dot(x, load_like(outputs, get(ahead.sources, e), zero), partial)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def totals_of_deltas(back, deltas, e, zero):
    """What a tile adds to the gradients of eight biases."""
    return totals8(
        load_like(deltas, get(back.targets_of, e), zero),
        load_like(deltas, get(back.targets_of, e + 1), zero),
        load_like(deltas, get(back.targets_of, e + 2), zero),
        load_like(deltas, get(back.targets_of, e + 3), zero),
        load_like(deltas, get(back.targets_of, e + 4), zero),
        load_like(deltas, get(back.targets_of, e + 5), zero),
        load_like(deltas, get(back.targets_of, e + 6), zero),
        load_like(deltas, get(back.targets_of, e + 7), zero),
    )


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sum_gradients(ahead, back, zero):
    """Gradients of all parameters, summed over the batch."""
    stride = ahead.n_rows * n_lanes(zero)
    for e in range(0, ahead.n_weights, 8):
        p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = simd.no_sums(zero)
        outputs, deltas = ahead.outputs, back.deltas
        for _ in range(back.n_tiles):
            p0 = multiply_ends(ahead, back, outputs, deltas, e, p0, zero)
            p1 = multiply_ends(ahead, back, outputs, deltas, e + 1, p1, zero)
            p2 = multiply_ends(ahead, back, outputs, deltas, e + 2, p2, zero)
            p3 = multiply_ends(ahead, back, outputs, deltas, e + 3, p3, zero)
            p4 = multiply_ends(ahead, back, outputs, deltas, e + 4, p4, zero)
            p5 = multiply_ends(ahead, back, outputs, deltas, e + 5, p5, zero)
            p6 = multiply_ends(ahead, back, outputs, deltas, e + 6, p6, zero)
            p7 = multiply_ends(ahead, back, outputs, deltas, e + 7, p7, zero)
            outputs, deltas = moved(outputs, stride), moved(deltas, stride)
        store(back.gradient, e, simd.fold8(p0, p1, p2, p3, p4, p5, p6, p7))
    for e in range(ahead.n_weights, back.n_flat, 8):
        sums, deltas = totals_of_deltas(back, back.deltas, e, zero), back.deltas
        for _ in range(1, back.n_tiles):
            deltas = moved(deltas, stride)
            sums = add(sums, totals_of_deltas(back, deltas, e, zero))
        store(back.gradient, e, sums)

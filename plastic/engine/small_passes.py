"""The passes of small networks: lay down a mini-batch, forward, loss, backward, gradients.

Why they are as they are is told at the top of `plastic.engine.small`.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from plastic.engine import simd, vector_math
from plastic.engine.kernels import CROSS_ENTROPY, RELU, SIGMOID, SOFTMAX, TANH, THRESHOLDS, cost
from plastic.engine.simd import (
    add,
    dot,
    fma,
    get,
    load_like,
    multiply,
    n_lanes,
    pointer,
    put,
    splat_like,
    store,
    subtract,
)


class Forward(NamedTuple):
    """What a pass forward needs of `layout.Graph` and `layout.SmallBuffers`."""

    indptr: int  # a pointer, as all that follow up to the sizes
    sources: int
    order: int
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

    indptr: int  # pointers again; the connections here are by source
    out_targets: int
    positions: int
    kinds: int
    deltas: int
    targets: int
    present: int
    row_sources: int
    row_targets: int
    gradient: int
    momentum: int
    n_tiles: int
    n_flat: int


@njit(cache=True, nogil=True, error_model="numpy")
def forward_of(indptr, sources, order, activations, inputs, slots, outputs, values, n_weights):
    """The pointers and sizes of a pass forward."""
    return Forward(
        pointer(indptr),
        pointer(sources),
        pointer(order),
        pointer(activations),
        pointer(inputs),
        pointer(slots),
        pointer(outputs),
        pointer(values),
        len(order),
        len(inputs),
        len(slots),
        outputs.shape[1],
        n_weights,
        get(activations, get(slots, 0)) == SOFTMAX,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def ways_of(graph, buffers):
    """The pointers and sizes of both ways."""
    ahead = forward_of(
        graph.indptr, graph.sources, graph.order, graph.activations, graph.inputs,
        graph.outputs, buffers.outputs, buffers.values, len(buffers.row_sources),
    )  # fmt: skip
    back = Backward(
        pointer(graph.out_indptr),
        pointer(graph.out_targets),
        pointer(graph.out_positions),
        pointer(graph.kinds),
        pointer(buffers.deltas),
        pointer(buffers.targets),
        pointer(buffers.present),
        pointer(buffers.row_sources),
        pointer(buffers.row_targets),
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
    width = n_lanes(zero)
    base = tile * ahead.n_rows * width
    for k in range(ahead.n_computed):
        slot = get(ahead.order, k)
        x = splat_like(get(ahead.values, ahead.n_weights + k), zero)
        for e in range(get(ahead.indptr, slot), get(ahead.indptr, slot + 1)):
            at = base + get(ahead.sources, e) * width
            x = fma(get(ahead.values, e), load_like(ahead.outputs, at, zero), x)
        code = get(ahead.activations, slot)
        if code == RELU:
            x = simd.relu(x)
        elif code == SIGMOID:
            x = vector_math.sigmoid(x)
        elif code == TANH:
            x = vector_math.tanh(x)
        elif code in THRESHOLDS:
            x = simd.threshold(x)
        store(ahead.outputs, base + slot * width, x)
    if ahead.softmax:
        slots, n_slots = ahead.slots, ahead.n_outputs
        vector_math.softmax(ahead.outputs, base, width, slots, n_slots, zero)


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
    total = 0.0
    for lane in range(count):
        for o in range(ahead.n_outputs):
            slot, code = get(ahead.slots, o), -1
            if loss == CROSS_ENTROPY:
                code = get(ahead.activations, slot)
            y = get(ahead.outputs, (tile * ahead.n_rows + slot) * width + lane)
            target = get(back.targets, (tile * ahead.n_outputs + o) * width + lane)
            total += cost(y, target, code, limits)
    return total


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def backward(ahead, back, tile, zero):
    """Deltas of every neuron but the inputs in a tile."""
    width = n_lanes(zero)
    base = tile * ahead.n_rows * width
    for k in range(ahead.n_computed - 1, -1, -1):
        slot = get(ahead.order, k)
        start, stop = get(back.indptr, slot), get(back.indptr, slot + 1)
        is_output = get(back.kinds, slot) == 2
        if is_output and start == stop:
            continue  # its direct delta is all there is
        x = zero
        for e in range(start, stop):
            weight = get(ahead.values, get(back.positions, e))
            at = base + get(back.out_targets, e) * width
            x = fma(weight, load_like(back.deltas, at, zero), x)
        at = base + slot * width
        x = times_slope(x, load_like(ahead.outputs, at, zero), get(ahead.activations, slot))
        if is_output:
            x = add(x, load_like(back.deltas, at, zero))
        store(back.deltas, at, x)


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
def multiply_ends(ahead, back, e, base, partial, zero):
    """What a tile adds to the gradient of a connection, in partial sums."""
    width = n_lanes(zero)
    x = load_like(back.deltas, base + get(back.row_targets, e) * width, zero)
    return dot(
        x, load_like(ahead.outputs, base + get(back.row_sources, e) * width, zero), partial
    )


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sum_gradients(ahead, back, zero):
    """Gradients of all parameters, summed over the batch."""
    stride = ahead.n_rows * n_lanes(zero)
    for e in range(0, ahead.n_weights, 8):
        p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = simd.no_sums(zero)
        for tile in range(back.n_tiles):
            base = tile * stride
            p0 = multiply_ends(ahead, back, e, base, p0, zero)
            p1 = multiply_ends(ahead, back, e + 1, base, p1, zero)
            p2 = multiply_ends(ahead, back, e + 2, base, p2, zero)
            p3 = multiply_ends(ahead, back, e + 3, base, p3, zero)
            p4 = multiply_ends(ahead, back, e + 4, base, p4, zero)
            p5 = multiply_ends(ahead, back, e + 5, base, p5, zero)
            p6 = multiply_ends(ahead, back, e + 6, base, p6, zero)
            p7 = multiply_ends(ahead, back, e + 7, base, p7, zero)
        store(back.gradient, e, simd.fold8(p0, p1, p2, p3, p4, p5, p6, p7))
    for k in range(ahead.n_computed):
        at = get(ahead.order, k) * n_lanes(zero)
        total = simd.total(load_like(back.deltas, at, zero))
        for tile in range(1, back.n_tiles):
            total += simd.total(load_like(back.deltas, at + tile * stride, zero))
        put(back.gradient, ahead.n_weights + k, total)

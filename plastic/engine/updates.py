"""The update: what an optimizer does with the gradients, and what is watched on the way."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from plastic.engine import blocks, simd
from plastic.engine.gradients import alike_gradients
from plastic.engine.simd import LANES, get, load, put
from plastic.topology import Kind

INPUT = int(Kind.INPUT)
SGD = 0  # as `optimizers.SGD.code`; any other rule is Adam

CHUNK = 256
"""Connections that are updated together; what they touch stays in the first-level cache."""

CACHED_BYTES = 2**21
"""A larger `Buffers.exchange` is fetched ahead, as no second-level cache keeps it."""


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
def watch_saliency(watch, weights, gradient, start, count, scale):
    """Moving averages of how much each connection matters."""
    for k in range(count):
        effect = abs(weights[start + k] * (gradient[k] * scale))
        held = watch.saliency[start + k]
        watch.saliency[start + k] = held + watch.rate * (effect - held)


@njit(cache=True, nogil=True, error_model="numpy")
def collect(graph, exchange, cursor, places, gradient, start, count):
    """Gradients of connections from `start` on, and where by source they lie."""
    for k in range(count):
        source = get(graph.sources, start + k)
        place = get(cursor, source)
        put(cursor, source, place + 1)
        put(places, k, place)
        put(gradient, k, get(exchange, place))


@njit(cache=True, nogil=True, error_model="numpy")
def collect_ahead(graph, exchange, cursor, places, gradient, start, count):
    """As `collect`, where `exchange` is too large for the cache."""
    for k in range(count):
        source = get(graph.sources, start + k)
        place = get(cursor, source)
        put(cursor, source, place + 1)
        blocks.prefetch(exchange, place + 16)
        put(places, k, place)
        put(gradient, k, get(exchange, place))


@njit(cache=True, nogil=True, error_model="numpy")
def lay_back(exchange, weights, places, start, count):
    """Weights of connections from `start` on, to where they lie by source."""
    for k in range(count):
        put(exchange, get(places, k), get(weights, start + k))


@njit(cache=True, nogil=True, error_model="numpy")
def lay_back_alike(graph, exchange, weights, cursor, start, length, n_rows):
    """As `lay_back`, of up to four rows of the same sources."""
    for e in range(start, start + length):
        source = get(graph.sources, e)
        place = get(cursor, source)
        put(cursor, source, place + n_rows)
        blocks.prefetch(exchange, place + 16)
        if n_rows == 4:
            put(exchange, place, get(weights, e))
            put(exchange, place + 1, get(weights, e + length))
            put(exchange, place + 2, get(weights, e + 2 * length))
            put(exchange, place + 3, get(weights, e + 3 * length))
        else:
            for row in range(n_rows):
                put(exchange, place + row, get(weights, e + row * length))


@njit(cache=True, nogil=True, error_model="numpy")
def fill_exchange(graph, exchange, weights, bounds, starts):
    """Lay the weights down by source.

    On the way, notes in ``starts[part, slot]`` where the connections out of a neuron into the
    neurons from ``bounds[part]`` on begin.
    """
    cursor = graph.out_indptr[:-1].astype(np.int32)
    for part in range(len(starts)):
        starts[part] = cursor
        slot, last = bounds[part], bounds[part + 1]
        while slot < last:
            start, stop = get(graph.indptr, slot), get(graph.indptr, slot + 1)
            n_rows = min(get(graph.alike, slot), 4, last - slot)
            if n_rows > 1:
                lay_back_alike(graph, exchange, weights, cursor, start, stop - start, n_rows)
                slot += n_rows
                continue
            for e in range(start, stop):
                source = get(graph.sources, e)
                place = get(cursor, source)
                put(cursor, source, place + 1)
                put(exchange, place, get(weights, e))
            slot += 1


@njit(cache=True, nogil=True, error_model="numpy")
def update_rows(
    graph,
    buffers,
    parameters,
    rule,
    watch,
    watching,
    rate,
    batch,
    one_group,
    cursor,
    first,
    last,
):
    """Pass 3 for neurons ``first .. last-1``: statistics, update, new weights by source.

    In `cursor`, as `fill_exchange` notes them, are the starts for neurons from `first` on.
    """
    exchange, weights = buffers.exchange, parameters.weights
    scale, room = weights.dtype.type(1) / weights.dtype.type(batch), CHUNK
    for slot in range(first, last):
        if one_group and get(graph.alike, slot) > 0:
            room = max(room, 4 * (get(graph.indptr, slot + 1) - get(graph.indptr, slot)))
    gradient, cursor = np.empty(room, weights.dtype), cursor.copy()
    places, large = np.empty(CHUNK, cursor.dtype), exchange.nbytes > CACHED_BYTES
    first_moments, second_moments = parameters.weight_first, parameters.weight_second
    ages, decay = parameters.weight_age, rule.numbers[3]
    watching_saliency = watching and len(watch.saliency) > 0
    slot = first
    while slot < last:
        top, begin = slot, get(graph.indptr, slot)
        while slot < last and not (one_group and get(graph.alike, slot) > 0):
            slot += 1
        for start in range(begin, get(graph.indptr, slot), CHUNK):
            count = min(CHUNK, get(graph.indptr, slot) - start)
            if large:
                collect_ahead(graph, exchange, cursor, places, gradient, start, count)
            else:
                collect(graph, exchange, cursor, places, gradient, start, count)
            if watching_saliency:
                watch_saliency(watch, weights, gradient, start, count, scale)
            update(
                rule, rate, weights, first_moments, second_moments, ages, start, gradient,
                count, scale, decay,
            )  # fmt: skip
            lay_back(exchange, weights, places, start, count)
        if slot == top:
            n_rows = min(get(graph.alike, slot), 4, last - slot)
            length = get(graph.indptr, slot + 1) - begin
            alike_gradients(graph, buffers, slot, n_rows, gradient)
            if watching_saliency:
                watch_saliency(watch, weights, gradient, begin, n_rows * length, scale)
            update(
                rule, rate, weights, first_moments, second_moments, ages, begin, gradient,
                n_rows * length, scale, decay,
            )  # fmt: skip
            lay_back_alike(graph, exchange, weights, cursor, begin, length, n_rows)
            slot += n_rows
    update_biases(graph, buffers, parameters, rule, rate, gradient, scale, first, last)
    if watching and len(watch.activity) > 0:
        for slot in range(first, last):
            watch_neuron(watch, buffers, slot, batch)


@njit(cache=True, nogil=True, error_model="numpy")
def update_biases(graph, buffers, parameters, rule, rate, gradient, scale, first, last):
    """Update the biases of neurons ``first .. last-1``, which inputs do not have."""
    if not parameters.use_biases:
        return
    slot, none = first, rule.numbers.dtype.type(0)
    while slot < last:
        count = 0
        while slot < last and count < CHUNK and get(graph.kinds, slot) != INPUT:
            put(gradient, count, bias_gradient(buffers.deltas, slot))
            slot, count = slot + 1, count + 1
        update(
            rule, rate, parameters.biases, parameters.bias_first, parameters.bias_second,
            parameters.bias_age, slot - count, gradient, count, scale, none,
        )  # fmt: skip
        while slot < last and get(graph.kinds, slot) == INPUT:
            slot += 1

"""The update: what an optimizer does with the gradients, and what is watched on the way."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from plastic.engine import blocks, simd
from plastic.engine.gradients import alike_gradients
from plastic.engine.simd import (
    LANES,
    PARTIAL,
    add,
    divide,
    get,
    load,
    load_like,
    moved,
    multiply,
    pointer,
    put,
    splat_like,
    store,
    subtract,
)
from plastic.engine.vector_math import square_root
from plastic.topology import Kind

INPUT, OUTPUT = int(Kind.INPUT), int(Kind.OUTPUT)
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


class Terms(NamedTuple):
    """A `layout.Rule` whose arrays are bare pointers.

    numba counts references whenever an array is handed on, at a cost of a dozen connections
    each; so what is called for every `CHUNK` of connections takes pointers.
    """

    code: int
    one: float
    beta1: float  # or the momentum
    beta2: float
    epsilon: float
    coupled: float  # what of the decay goes through the moments
    first_correction: int  # a pointer, by age, up to the oldest
    second_correction: int
    oldest: int


@njit(cache=True, nogil=True, error_model="numpy")
def terms_of(rule):
    """The `Terms` of a rule, which must outlive them."""
    numbers = rule.numbers
    return Terms(
        rule.code,
        numbers.dtype.type(1),
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[4],
        pointer(rule.first_correction),
        pointer(rule.second_correction),
        len(rule.first_correction) - 1,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def update(terms, rate, values, first, second, age, start, gradient, count, scale, decay):
    """One optimizer step on ``values[start : start + count]``; all arrays are pointers."""
    if terms.code == SGD:
        descend(values, first, start, gradient, count, rate, terms.beta1, scale, decay)
        return
    whole = count - count % PARTIAL
    given = terms, rate, values, first, second, age, start, gradient, scale, decay
    for k in range(0, whole, PARTIAL):
        now, differ = get(age, start + k), 0
        for e in range(start + k, start + k + PARTIAL):
            differ |= get(age, e) ^ now
        if differ:
            adapt_each(*given, k, k + PARTIAL)
        else:
            adapt_piece(*given, k)
    adapt_each(*given, whole, count)


@njit(cache=True, nogil=True, error_model="numpy")
def descend(values, velocity, start, gradient, count, rate, momentum, scale, decay):
    """A step of `SGD`: `PARTIAL` at a time, and what is left over one by one."""
    like, whole = simd.splat_partial(scale), count - count % PARTIAL
    rates, memory = splat_like(rate, like), splat_like(momentum, like)
    scales, decays = splat_like(scale, like), splat_like(decay, like)
    for k in range(0, whole, PARTIAL):
        e = start + k
        w = load_like(values, e, like)
        g = add(multiply(load_like(gradient, k, like), scales), multiply(decays, w))
        v = add(multiply(memory, load_like(velocity, e, like)), g)
        store(velocity, e, v)
        store(values, e, subtract(w, multiply(rates, v)))
    for k in range(whole, count):
        e = start + k
        g = get(gradient, k) * scale + decay * get(values, e)
        put(velocity, e, momentum * get(velocity, e) + g)
        put(values, e, get(values, e) - rate * get(velocity, e))


@njit(cache=True, nogil=True, error_model="numpy")
def adapt_piece(terms, rate, values, first, second, age, start, gradient, scale, decay, k):
    """A step of Adam on `PARTIAL` parameters of one age, from the one at `k` on."""
    like, one, e = simd.splat_partial(scale), terms.one, start + k
    coupled, decoupled = decay * terms.coupled, decay * (one - terms.coupled)
    now = get(age, e) + 1
    for other in range(e, e + PARTIAL):
        put(age, other, now)
    a, w = min(now, terms.oldest), load_like(values, e, like)
    g = multiply(load_like(gradient, k, like), splat_like(scale, like))
    g = add(g, multiply(splat_like(coupled, like), w))
    mean = multiply(splat_like(terms.beta1, like), load_like(first, e, like))
    mean = add(mean, multiply(splat_like(one - terms.beta1, like), g))
    store(first, e, mean)
    square = multiply(splat_like(terms.beta2, like), load_like(second, e, like))
    square = add(square, multiply(multiply(splat_like(one - terms.beta2, like), g), g))
    store(second, e, square)
    mean = multiply(mean, splat_like(get(terms.first_correction, a), like))
    square = multiply(square, splat_like(get(terms.second_correction, a), like))
    spread = add(square_root(square), splat_like(terms.epsilon, like))
    change = add(divide(mean, spread), multiply(splat_like(decoupled, like), w))
    store(values, e, subtract(w, multiply(splat_like(rate, like), change)))


@njit(cache=True, nogil=True, error_model="numpy")
def adapt_each(
    terms, rate, values, first, second, age, start, gradient, scale, decay, begin, end
):
    """The same on parameters of any age, one by one."""
    one, beta1, beta2 = terms.one, terms.beta1, terms.beta2
    coupled, decoupled = decay * terms.coupled, decay * (one - terms.coupled)
    for k in range(begin, end):
        e = start + k
        put(age, e, get(age, e) + 1)
        g = get(gradient, k) * scale + coupled * get(values, e)
        put(first, e, beta1 * get(first, e) + (one - beta1) * g)
        put(second, e, beta2 * get(second, e) + (one - beta2) * g * g)
        a = min(get(age, e), terms.oldest)
        mean = get(first, e) * get(terms.first_correction, a)
        spread = math.sqrt(get(second, e) * get(terms.second_correction, a)) + terms.epsilon
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
def collect(sources, exchange, cursor, places, gradient, start, count):
    """Gradients of connections from `start` on, and where by source they lie."""
    for k in range(count):
        source = get(sources, start + k)
        place = get(cursor, source)
        put(cursor, source, place + 1)
        put(places, k, place)
        put(gradient, k, get(exchange, place))


@njit(cache=True, nogil=True, error_model="numpy")
def collect_ahead(sources, exchange, cursor, places, gradient, start, count):
    """As `collect`, where `exchange` is too large for the cache."""
    for k in range(count):
        source = get(sources, start + k)
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
def find_starts(graph, bounds):
    """Where, by source, the connections into neurons from each bound on begin.

    Shape (n_parts, n_neurons): a row for each bound but the last, a place for each source.
    """
    cursor = graph.out_indptr[:-1].astype(np.int32)
    starts = np.empty((len(bounds) - 1, len(cursor)), np.int32)
    for part in range(len(starts)):
        starts[part] = cursor
        for e in range(get(graph.indptr, bounds[part]), get(graph.indptr, bounds[part + 1])):
            source = get(graph.sources, e)
            put(cursor, source, get(cursor, source) + 1)
    return starts


@njit(cache=True, nogil=True, error_model="numpy")
def fill_exchange(graph, exchange, weights, starts, first, last):
    """Lay the weights of connections into neurons ``first .. last-1`` down by source.

    `starts` (n_neurons,) says where they begin, as `find_starts` does.
    """
    cursor, slot = starts.copy(), first
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

    In `cursor` are the starts for neurons from `first` on, as `find_starts` finds them.
    """
    exchange, weights, one = buffers.exchange, parameters.weights, rule.numbers.dtype.type(1)
    scale, room, decay = one / weights.dtype.type(batch), CHUNK, rule.numbers[3]
    for slot in range(first, last):
        if one_group and get(graph.alike, slot) > 0:
            room = max(room, 4 * (get(graph.indptr, slot + 1) - get(graph.indptr, slot)))
    gradient, cursor = np.empty(room, weights.dtype), cursor.copy()
    places, large = np.empty(CHUNK, cursor.dtype), exchange.nbytes > CACHED_BYTES
    terms, columns = terms_of(rule), columns_of(parameters)
    sources, by_source, by_target = (
        pointer(graph.sources),
        pointer(exchange),
        pointer(weights),
    )
    watching_saliency = watching and len(watch.saliency) > 0
    slot = first
    while slot < last:
        top, begin = slot, get(graph.indptr, slot)
        while slot < last and not (one_group and get(graph.alike, slot) > 0):
            slot += 1
        for start in range(begin, get(graph.indptr, slot), CHUNK):
            count = min(CHUNK, get(graph.indptr, slot) - start)
            given = pointer(cursor), pointer(places), pointer(gradient), start, count
            if large:
                collect_ahead(sources, by_source, *given)
            else:
                collect(sources, by_source, *given)
            if watching_saliency:
                watch_saliency(watch, weights, gradient, start, count, scale)
            update(terms, rate, *columns, start, pointer(gradient), count, scale, decay)
            lay_back(by_source, by_target, pointer(places), start, count)
        if slot == top:
            n_rows = min(get(graph.alike, slot), 4, last - slot)
            length = get(graph.indptr, slot + 1) - begin
            count = n_rows * length
            alike_gradients(graph, buffers, slot, n_rows, gradient)
            if watching_saliency:
                watch_saliency(watch, weights, gradient, begin, count, scale)
            update(terms, rate, *columns, begin, pointer(gradient), count, scale, decay)
            lay_back_alike(graph, exchange, weights, cursor, begin, length, n_rows)
            slot += n_rows
    if parameters.use_biases:
        update_biases(graph, buffers, parameters, terms, rate, scale, first, last)
    if watching and len(watch.activity) > 0:
        for slot in range(first, last):
            watch_neuron(watch, buffers, slot, batch)


@njit(cache=True, nogil=True, error_model="numpy")
def columns_of(p):
    """Pointers to the weights and the optimizer's state of them."""
    return (
        pointer(p.weights),
        pointer(p.weight_first),
        pointer(p.weight_second),
        pointer(p.weight_age),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def update_biases(graph, buffers, p, terms, rate, scale, first, last):
    """Update the biases of neurons ``first .. last-1``, which inputs do not have."""
    kinds, of_biases = pointer(graph.kinds), pointer(buffers.of_biases)
    columns = (
        pointer(p.biases),
        pointer(p.bias_first),
        pointer(p.bias_second),
        pointer(p.bias_age),
    )
    for slot in range(first, last):
        if get(kinds, slot) == OUTPUT:
            put(of_biases, slot, bias_gradient(buffers.deltas, slot))
    slot = first
    while slot < last:
        start = slot
        while slot < last and get(kinds, slot) != INPUT:
            slot += 1
        given = moved(of_biases, start), slot - start, scale, scale - scale
        update(terms, rate, *columns, start, *given)
        while slot < last and get(kinds, slot) == INPUT:
            slot += 1

"""The kernels of small networks: learn, gradients, predict.

A network of a few connections spends its time on what surrounds them.  So here, other than
in `plastic.engine.kernels`,

- a mini-batch passes in tiles of eight lanes where it is that small, else of `LANES`;
- all parameters lie in one flat array, weights first, then the biases by topological order,
  each part filled up to whole eights; so gradients and updates go through it eight at a time,
  with no row to look up and no rest to treat apart.  They are copied in and out once a
  stretch;
- the backward pass reads weights by source where they are, and no copy is refreshed;
- all there is to know of a neuron is one line of a table, and connections name no neurons but
  the places in a tile where these begin, so that next to nothing is computed around a sum;
- samples and targets are laid down only if a mini-batch is not that of the step before.

Every sum is taken in the order in which the large kernels take it.  Which of the two is used
follows from the sizes of network and mini-batch alone (`plastic.engine.fast`), and one thread
computes all.  The passes themselves are in `plastic.engine.small_passes`.

The number of lanes is given as a tuple of so many zeros, or as a vector of them: its type says
it, so each width is compiled by itself, when it is first used.  Within a stretch, arrays are
bare pointers: numba would count references whenever one is handed on, which takes longer
than the step itself.
"""

from __future__ import annotations

from numba import njit

from plastic.engine import simd
from plastic.engine.hits import count_hits
from plastic.engine.simd import (
    LANES,
    add,
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
from plastic.engine.small_passes import (
    forward,
    forward_of,
    lay_batch,
    lay_inputs,
    pass_batch,
    sum_gradients,
    ways_of,
)
from plastic.engine.updates import SGD, terms_of, update, watch_neuron


@njit(cache=True, nogil=True, error_model="numpy")
def flatten(flat, of_weights, of_biases, order, first_bias):
    """Copy weights (n_connections,) and biases (n_neurons,), or their state, into `flat`."""
    if len(of_biases) == 0:  # the optimizer has no such state
        return
    for e in range(len(of_weights)):
        put(flat, e, get(of_weights, e))
    for k in range(len(order)):
        put(flat, first_bias + k, get(of_biases, get(order, k)))


@njit(cache=True, nogil=True, error_model="numpy")
def unflatten(flat, of_weights, of_biases, order, first_bias):
    """The way back from `flatten`."""
    if len(of_biases) == 0:
        return
    for e in range(len(of_weights)):
        put(of_weights, e, get(flat, e))
    for k in range(len(order)):
        put(of_biases, get(order, k), get(flat, first_bias + k))


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def is_repeated(rows, first, batch):
    """Whether the mini-batch that begins at `first` names the rows of the one before."""
    at, repeated = first, first > 0
    while repeated and at < first + batch:
        repeated = get(rows, at) == get(rows, at - batch)
        at += 1
    return repeated


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def descend(ahead, back, start, stop, rate, momentum, scale, decay):
    """A step of `SGD` on a range of whole eights of the flat parameters."""
    zero = simd.splat8(scale)
    rates, memory = splat_like(rate, zero), splat_like(momentum, zero)
    scales, decays = splat_like(scale, zero), splat_like(decay, zero)
    for e in range(start, stop, 8):
        w = load_like(ahead.values, e, zero)
        g = add(multiply(load_like(back.gradient, e, zero), scales), multiply(decays, w))
        # momentum of what gets no gradient shrinks until it is not normal, and stays so
        v = simd.flush(add(multiply(memory, load_like(back.momentum, e, zero)), g))
        store(back.momentum, e, v)
        store(ahead.values, e, subtract(w, multiply(rates, v)))


@njit(cache=True, nogil=True, error_model="numpy")
def update_flat(buffers, start, stop, terms, rate, scale, decay):
    """A step of any other rule on the same."""
    update(
        terms, rate, pointer(buffers.values), pointer(buffers.first), pointer(buffers.second),
        pointer(buffers.age), start, pointer(buffers.gradient[start:]), stop - start, scale,
        decay,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def observe(buffers, watch, batch, scale):
    """Take one observation of what is watched, before the update."""
    for e in range(len(watch.saliency)):
        effect = abs(buffers.values[e] * (buffers.gradient[e] * scale))
        held = watch.saliency[e]
        watch.saliency[e] = held + watch.rate * (effect - held)
    for slot in range(len(watch.activity)):
        watch_neuron(watch, buffers, slot, batch)


@njit(cache=True, nogil=True, error_model="numpy")
def learn(
    graph, buffers, parameters, rule, watch, batches, rates, step, loss, limits, bound, losses,
    hits, lanes,
):  # fmt: skip
    """As `kernels.learn`, in tiles of as many lanes as the tuple `lanes` has items."""
    load_parameters(graph, buffers, parameters)
    dtype = buffers.values.dtype.type
    n_steps, batch = batches.rows.shape
    done, zero, scale = n_steps, simd.splat_lanes(dtype(0), lanes), dtype(1) / dtype(batch)
    (ahead, back), use_biases = ways_of(graph, buffers), parameters.use_biases
    rows, X, Y = pointer(batches.rows), pointer(batches.X), pointer(batches.Y)
    momentum, decay, sgd = rule.numbers[0], rule.numbers[3], rule.code == SGD
    terms = terms_of(rule)
    for k in range(n_steps):
        first, rate = k * batch, get(rates, k)
        if not is_repeated(rows, first, batch):
            lay_batch(ahead, back, X, Y, rows, first, batch, n_lanes(zero))
        value = pass_batch(ahead, back, batch, loss, limits, zero)
        losses[k] = value
        if not value <= bound:
            done = k
            break
        if len(hits):
            hits[k] = count_hits(
                buffers.outputs, graph.outputs, batches.Y, batches.rows, first, batch
            )
        sum_gradients(ahead, back, zero)
        if watch.every > 0 and (step + k + 1) % watch.every == 0:
            observe(buffers, watch, batch, scale)
        if sgd:
            descend(ahead, back, 0, ahead.n_weights, rate, momentum, scale, decay)
            if use_biases:
                descend(
                    ahead, back, ahead.n_weights, back.n_flat, rate, momentum, scale, dtype(0)
                )
        else:
            update_flat(buffers, 0, ahead.n_weights, terms, rate, scale, decay)
            if use_biases:
                update_flat(buffers, ahead.n_weights, back.n_flat, terms, rate, scale, dtype(0))
    store_parameters(graph, buffers, parameters)
    return done


@njit(cache=True, nogil=True, error_model="numpy")
def load_parameters(graph, buffers, p):
    """Copy parameters and the optimizer's state into the flat arrays."""
    n_weights = len(buffers.sources)
    flatten(buffers.values, p.weights, p.biases, graph.order, n_weights)
    flatten(buffers.first, p.weight_first, p.bias_first, graph.order, n_weights)
    flatten(buffers.second, p.weight_second, p.bias_second, graph.order, n_weights)
    flatten(buffers.age, p.weight_age, p.bias_age, graph.order, n_weights)


@njit(cache=True, nogil=True, error_model="numpy")
def store_parameters(graph, buffers, p):
    """The way back from `load_parameters`."""
    n_weights = len(buffers.sources)
    unflatten(buffers.values, p.weights, p.biases, graph.order, n_weights)
    unflatten(buffers.first, p.weight_first, p.bias_first, graph.order, n_weights)
    unflatten(buffers.second, p.weight_second, p.bias_second, graph.order, n_weights)
    unflatten(buffers.age, p.weight_age, p.bias_age, graph.order, n_weights)


@njit(cache=True, nogil=True, error_model="numpy")
def gradients(graph, buffers, weights, biases, X, Y, rows, loss, limits, of_weights, of_biases):
    """Gradients of all parameters for some rows, averaged; returns the loss."""
    dtype, batch, n_weights = buffers.values.dtype.type, len(rows), len(buffers.sources)
    zero = simd.splat(dtype(0))
    ahead, back = ways_of(graph, buffers)
    flatten(buffers.values, weights, biases, graph.order, n_weights)
    lay_batch(ahead, back, pointer(X), pointer(Y), pointer(rows), 0, batch, LANES)
    value = pass_batch(ahead, back, batch, loss, limits, zero)
    sum_gradients(ahead, back, zero)
    for e in range(len(buffers.gradient)):
        buffers.gradient[e] /= dtype(batch)
    unflatten(buffers.gradient, of_weights, of_biases, graph.order, n_weights)
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def predict(
    neurons, sources, order, activations, inputs, slots, outputs, values, weights, biases,
    X, rows, answers,
):  # fmt: skip
    """Outputs of the network for some rows, into ``answers`` (n_rows, n_outputs).

    Every array is an argument of its own: numba takes a tuple of them apart in as much time as
    the whole pass takes for a few samples.
    """
    zero = simd.splat(values.dtype.type(0))
    ahead = forward_of(neurons, sources, activations, inputs, slots, outputs, values)
    flatten(values, weights, biases, order, ahead.n_weights)
    for first in range(0, len(rows), LANES):
        count = min(LANES, len(rows) - first)
        lay_inputs(ahead, 0, pointer(X), pointer(rows), first, count, LANES)
        forward(ahead, 0, zero)
        for lane in range(count):
            for o in range(len(slots)):
                y = get(outputs, get(slots, o) * LANES + lane)
                put(answers, (first + lane) * len(slots) + o, y)

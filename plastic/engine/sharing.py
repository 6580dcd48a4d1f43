"""One network, several threads: each level of neurons is shared, and nothing is computed twice.

A *level* is a run of places in the order none of which needs another one of the run.  Every
thread takes a part of each level, with about the same number of connections, and waits at a
barrier before the next.  So a thread goes through its rows as one alone would, all tiles
together, and each sum is formed as it always is: how many threads there are changes no bit.

The threads run the whole stretch of steps in native code and meet at a counter in memory.  A
thread that waits looks at the counter again and again, and after a while lets others use its
core meanwhile, so more threads than cores are slow, but not lost.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from plastic.engine import simd
from plastic.engine.hits import count_hits
from plastic.engine.kernels import (
    backward_places,
    forward_places,
    gradients_of_tiles,
    is_group,
    loss_tile,
    mean_loss,
    pass_gradients,
    softmax_tile,
)
from plastic.engine.layout import Graph
from plastic.engine.loading import load_tile
from plastic.engine.simd import get, splat
from plastic.engine.updates import fill_exchange, find_starts, update_rows

PATIENCE = 2**17
"""Looks at the counter before a thread lets go of its core: about a tenth of a millisecond."""

Parts = NDArray[np.int64]


class Shares(NamedTuple):
    """Who does what: bounds, so that thread `i` takes ``[..., i]`` to ``[..., i + 1]``."""

    forward: Parts  # (n_levels, n_threads + 1), places in `Graph.order`
    backward: Parts  # (n_levels, n_threads + 1), places in `Graph.out_order`
    inputs: Parts  # (n_threads + 1,), places in `Graph.out_order`: the inputs, at its end
    out_of: Parts  # (n_threads + 1,), places in `Graph.out_order`: all of it
    into: Parts  # (n_threads + 1,), slots
    starts: NDArray[np.int32]  # (n_threads, n_neurons), see `updates.find_starts`


def plan_shares(graph: Graph, n_threads: int) -> Shares:
    """Levels of a graph, and what each thread does of them.

    Parameters
    ----------
    graph : Graph
    n_threads : int
    """
    n_learned, out_order = len(graph.order), graph.out_order
    levels = find_levels(graph.order, graph.indptr, graph.sources)
    work_in = _running_total(np.diff(graph.indptr)[graph.order])
    work_out = _running_total(np.diff(graph.out_indptr)[out_order])
    backward = n_learned - levels[::-1]
    ends = np.array([n_learned, len(out_order)])
    into = _split(_running_total(np.diff(graph.indptr)), ends * [0, 1], n_threads)[0]
    return Shares(
        forward=_split(work_in, levels, n_threads),
        backward=_split(work_out, backward, n_threads),
        inputs=_split(work_out, ends, n_threads)[0],
        out_of=_split(work_out, np.array([0, len(out_order)]), n_threads)[0],
        into=into,
        starts=find_starts(graph, into),
    )


def _running_total(counts: NDArray[np.integer]) -> Parts:
    """Work before each place; a place is some work, even without a connection."""
    return np.append(0, np.cumsum(counts + 1, dtype=np.int64))


def _split(work: Parts, bounds: Parts, n_threads: int) -> Parts:
    """Bounds of parts of about the same work between neighbouring bounds."""
    low, high = work[bounds[:-1], None], work[bounds[1:], None]
    wanted = low + (high - low) * np.arange(n_threads + 1) // n_threads
    parts = np.searchsorted(work, wanted)
    parts[:, 0], parts[:, -1] = bounds[:-1], bounds[1:]
    return np.ascontiguousarray(np.maximum.accumulate(parts, axis=1))


@njit(cache=True, nogil=True, error_model="numpy")
def find_levels(order, indptr, sources):
    """Where levels begin in the order, and where the last one ends, shape (n_levels + 1,)."""
    place = np.full(len(indptr) - 1, -1)
    begins, n_levels, begin = np.empty(len(order) + 1, np.int64), 0, 0
    for k in range(len(order)):
        place[get(order, k)] = k
    for k in range(len(order)):
        slot, needed = get(order, k), -1
        for e in range(get(indptr, slot), get(indptr, slot + 1)):
            needed = max(needed, get(place, get(sources, e)))
        if k == 0 or needed >= begin:
            begins[n_levels], begin = k, k
            n_levels += 1
    begins[n_levels] = len(order)
    return begins[: n_levels + 1].copy()


# ------------------------------------------------------------------------------- the barrier


@intrinsic
def arrive(typing_context, counter):
    """Add one to the first number of an array, at once for all threads."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        builder.atomic_rmw("add", data, one, ordering="seq_cst")
        return context.get_dummy_value()

    return types.void(counter), generate


@intrinsic
def arrived(typing_context, counter):
    """The first number of an array, as it is in memory now."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.load_atomic(data, ordering="seq_cst", align=8)

    return types.int64(counter), generate


@intrinsic
def let_go(typing_context):
    """Let the operating system give this core to somebody else."""

    def generate(context, builder, sig, args):
        signature = ir.FunctionType(ir.IntType(32), [])
        function = cgutils.get_or_insert_function(builder.module, signature, "sched_yield")
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), generate


@njit(cache=True, nogil=True, error_model="numpy")
def meet(counter, meeting, n_threads):
    """Wait until all threads have come to this meeting; returns the number of the next."""
    arrive(counter)
    looks = 0
    while arrived(counter) < meeting * n_threads:
        looks += 1
        if looks > PATIENCE:
            let_go()
    return meeting + 1


# -------------------------------------------------------------------------------- the kernels


@njit(cache=True, nogil=True, error_model="numpy")
def train_group(
    me, n_threads, counter, meeting, shares, graph, buffers, parameters, X, Y, rows, loss,
    limits, tile, zero, at_once,
):  # fmt: skip
    """A thread's part of `kernels.train_tiles`; returns the number of the next meeting."""
    outputs, deltas = buffers.outputs, buffers.deltas
    n_tiles = simd.n_tiles(zero)
    for t in range(tile + me, tile + n_tiles, n_threads):
        load_tile(outputs, t, graph.inputs, X, rows)
    meeting = meet(counter, meeting, n_threads)
    for level in range(len(shares.forward)):
        forward_places(
            graph, outputs, parameters.weights, parameters.biases, tile, zero,
            shares.forward[level, me], shares.forward[level, me + 1],
        )  # fmt: skip
        meeting = meet(counter, meeting, n_threads)
    for t in range(tile + me, tile + n_tiles, n_threads):
        softmax_tile(graph, outputs, t)
        buffers.losses[t] = loss_tile(graph, outputs, deltas, t, Y, rows, loss, limits)
    meeting = meet(counter, meeting, n_threads)
    for level in range(len(shares.backward)):
        backward_places(
            graph, buffers, tile, zero, at_once,
            shares.backward[level, me], shares.backward[level, me + 1],
        )  # fmt: skip
        meeting = meet(counter, meeting, n_threads)
    if at_once:
        first, last = shares.inputs[me], shares.inputs[me + 1]
        gradients_of_tiles(graph, buffers, tile, zero, at_once, first, last)
    return meeting


@njit(cache=True, nogil=True, error_model="numpy")
def learn_together(
    me, n_threads, counter, shares, graph, buffers, parameters, rule, watch, batches, rates,
    step, loss, limits, bound, losses, hits,
):  # fmt: skip
    """A thread's part of `kernels.learn`; all of them return the number of steps done."""
    n_steps, batch = batches.rows.shape
    zero, n_tiles = parameters.weights.dtype.type(0), buffers.outputs.shape[0]
    one, pair, four = splat(zero), simd.splat_pair(zero), simd.splat_four(zero)
    meeting, one_group = 1, is_group(n_tiles)
    starts, first, last = shares.starts[me], shares.into[me], shares.into[me + 1]
    # nobody takes any of it before all have met
    fill_exchange(graph, buffers.exchange, parameters.weights, starts, first, last)
    for k in range(n_steps):
        given = (
            shares, graph, buffers, parameters, batches.X, batches.Y, batches.rows[k],
            loss, limits,
        )  # fmt: skip
        tile = 0
        while tile + 4 <= n_tiles:
            meeting = train_group(
                me, n_threads, counter, meeting, *given, tile, four, one_group
            )
            tile += 4
        if tile + 2 <= n_tiles:
            meeting = train_group(
                me, n_threads, counter, meeting, *given, tile, pair, one_group
            )
            tile += 2
        if tile < n_tiles:
            meeting = train_group(me, n_threads, counter, meeting, *given, tile, one, one_group)
        mean = mean_loss(buffers.losses, batch)
        if me == 0:
            losses[k] = mean
        if not mean <= bound:
            return k
        if me == 0 and len(hits):  # outputs stay as they are until all have met again
            hits[k] = count_hits(
                buffers.outputs, graph.outputs, batches.Y, batches.rows[k], 0, batch
            )
        if not one_group:
            pass_gradients(graph, buffers, one_group, shares.out_of[me], shares.out_of[me + 1])
        meeting = meet(counter, meeting, n_threads)
        watching = watch.every > 0 and (step + k + 1) % watch.every == 0
        update_rows(
            graph, buffers, parameters, rule, watch, watching, rates[k], batch, one_group,
            starts, first, last,
        )  # fmt: skip
        meeting = meet(counter, meeting, n_threads)
    return n_steps


def learn(
    n_threads: int, shares: Shares, graph: Graph, buffers: Any, parameters: Any, *given: Any
) -> int:
    """As `kernels.learn`, by several threads, which hold no lock meanwhile."""
    counter = np.zeros(1, np.int64)
    return _all_at_once(
        n_threads,
        lambda me: learn_together(
            me, n_threads, counter, shares, graph, buffers, parameters, *given
        ),
    )


def _all_at_once(n_threads: int, part: Callable[[int], int]) -> int:
    """Run the parts in threads that wait for each other; what they return.

    None begins before all are there, as it would wait for ever for one that never comes.
    """
    gate = Barrier(n_threads)

    def begin(me: int) -> int:
        gate.wait()
        return part(me)

    with ThreadPoolExecutor(n_threads) as pool:
        try:
            jobs = [pool.submit(begin, me) for me in range(n_threads)]
        except RuntimeError:  # no more threads are to be had
            gate.abort()
            raise
        return min([job.result() for job in jobs])

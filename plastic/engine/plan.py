"""From a topology to what the compiled kernels work on."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.engine.blocks import wide_registers
from plastic.engine.layout import Buffers, Graph, SmallBuffers
from plastic.engine.simd import LANES
from plastic.engine.spans import find_all_spans, most_spans
from plastic.topology import Kind, Structure

ALIGNMENT = 64
"""Bytes of a cache line; a vector that lies across two lines is loaded twice."""

NOTHING = np.zeros(0, np.int32)
NO_SPANS = np.zeros((0, 5), np.int32)


def plan_graph(structure: Structure) -> Graph:
    """The structure's own arrays, and its order both ways; connections are not copied."""
    out, order, backwards = structure.out, structure.computed, structure.backwards
    n = len(backwards)
    spans, out_spans = (
        np.empty((most_spans(n), 5), np.int64),
        np.empty((most_spans(n), 5), np.int64),
    )
    alike, swept = np.empty(n, np.int32), np.empty(n, np.int8)
    n_spans, n_out_spans = find_all_spans(
        order, backwards, structure.kinds, structure.indptr, structure.sources,
        out.indptr, out.targets, int(Kind.OUTPUT), wide_registers(),
        spans, out_spans, alike, swept,
    )  # fmt: skip
    return Graph(
        indptr=structure.indptr,
        sources=structure.sources,
        out_indptr=out.indptr,
        out_targets=out.targets,
        out_positions=NOTHING,
        order=order,
        spans=spans[:n_spans],
        out_order=backwards,
        out_spans=out_spans[:n_out_spans],
        alike=alike,
        swept=swept,
        activations=structure.activations,
        kinds=structure.kinds,
        inputs=structure.inputs,
        outputs=structure.outputs,
    )


def plan_small_graph(structure: Structure) -> Graph:
    """What small networks need of it: positions by source, and no spans."""
    return Graph(
        indptr=structure.indptr,
        sources=structure.sources,
        out_indptr=structure.out.indptr,
        out_targets=structure.out.targets,
        out_positions=structure.out.positions,
        order=structure.computed,
        spans=NO_SPANS,
        out_order=NOTHING,
        out_spans=NO_SPANS,
        alike=NOTHING,
        swept=NOTHING,
        activations=structure.activations,
        kinds=structure.kinds,
        inputs=structure.inputs,
        outputs=structure.outputs,
    )


def plan_buffers(structure: Structure, batch_size: int, dtype: np.dtype) -> Buffers:
    """Working memory for batches of this size."""
    n_tiles = -(-batch_size // LANES)
    shape = (n_tiles, structure.n_neurons, LANES)
    return Buffers(
        outputs=aligned_zeros(shape, dtype),
        deltas=aligned_zeros(shape, dtype),
        exchange=aligned_zeros((structure.n_connections,), dtype),
        of_biases=aligned_zeros((structure.n_neurons,), dtype),
        losses=np.zeros(n_tiles),
    )


def plan_exchange(structure: Structure, buffers: Buffers, dtype: np.dtype) -> Buffers:
    """The same working memory for another number of connections."""
    return buffers._replace(exchange=aligned_zeros((structure.n_connections,), dtype))


def plan_small_buffers(
    structure: Structure, batch_size: int, n_lanes: int, dtype: np.dtype
) -> SmallBuffers:
    """Working memory of a small network, in tiles of so many lanes.

    A line of `neurons` has where a neuron begins in a tile, its range of connections by target
    and of those by source, its activation, whether it is an output, and nothing.
    """
    n_tiles, n_neurons = -(-batch_size // n_lanes), structure.n_neurons
    n_weights = whole_eights(structure.n_connections)
    n_flat = n_weights + whole_eights(n_neurons - len(structure.inputs))
    nowhere, order = n_neurons * n_lanes, structure.computed  # the row that stays 0
    sources, targets = (np.full(n, nowhere, np.int32) for n in (n_weights, n_flat))
    sources[: structure.n_connections] = structure.sources * n_lanes
    targets[: structure.n_connections] = structure.targets * n_lanes
    targets[n_weights : n_weights + len(order)] = order * n_lanes
    columns = (
        order * n_lanes,
        structure.indptr[order],
        structure.indptr[order + 1],
        structure.out.indptr[order],
        structure.out.indptr[order + 1],
        structure.activations[order],
        structure.kinds[order] == Kind.OUTPUT,
        np.zeros_like(order),  # up to a cache line
    )
    present = aligned_zeros((n_tiles, n_lanes), dtype)
    present.reshape(-1)[:batch_size] = 1
    return SmallBuffers(
        outputs=aligned_zeros((n_tiles, n_neurons + 1, n_lanes), dtype),
        deltas=aligned_zeros((n_tiles, n_neurons + 1, n_lanes), dtype),
        targets=aligned_zeros((n_tiles, len(structure.outputs), n_lanes), dtype),
        present=present,
        neurons=np.stack(columns, axis=1).astype(np.int64),
        sources=sources,
        targets_of=targets,
        out_targets=structure.out.targets * np.int32(n_lanes),
        gradient=aligned_zeros((n_flat,), dtype),
        values=aligned_zeros((n_flat,), dtype),
        first=aligned_zeros((n_flat,), dtype),
        second=aligned_zeros((n_flat,), dtype),
        age=np.zeros(n_flat, np.int32),
    )


def whole_eights(n: int) -> int:
    """`n`, or the next number above that eight divides."""
    return -(-n // 8) * 8


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.floating]:
    """Zeros that begin at a cache line."""
    return _aligned(np.zeros, shape, np.dtype(dtype))


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.floating]:
    """An array to be filled that begins at a cache line."""
    return _aligned(np.empty, shape, np.dtype(dtype))


def _aligned(make: Any, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.floating]:
    size = prod(shape) * dtype.itemsize
    memory = make(size + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    held: NDArray[np.floating] = memory[start : start + size].view(dtype).reshape(shape)
    return held

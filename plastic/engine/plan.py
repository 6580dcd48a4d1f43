"""From a topology to what the compiled kernels work on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.engine.layout import Buffers, Graph
from plastic.engine.simd import LANES
from plastic.topology import Structure

ALIGNMENT = 64
"""Bytes of a cache line; a vector that lies across two lines is loaded twice."""


def plan_graph(structure: Structure) -> Graph:
    """The structure's own arrays, and its order without the inputs; nothing is copied."""
    return Graph(
        indptr=structure.indptr,
        sources=structure.sources,
        out_indptr=structure.out.indptr,
        out_targets=structure.out.targets,
        out_positions=structure.out.positions,
        order=structure.computed,
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
        losses=np.zeros(n_tiles),
    )


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.floating]:
    """Zeros that begin at a cache line."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)

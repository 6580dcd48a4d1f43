"""What the machine could do at most, measured by small kernels, and how near a step comes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.bench.measure import Contender, timed
from experiments.bench.peaks import multiply_add_3, multiply_add_4, read_all
from experiments.bench.problems import Problem
from plastic.engine.plan import aligned_zeros
from plastic.engine.simd import LANES

Array = NDArray[Any]

KERNELS = ((multiply_add_3, 3), (multiply_add_4, 4))
"""With the number of vectors of each."""

PEAK_ROUNDS = 200_000
CACHE_BYTES = 2**20
"""Read again and again by `read_all`: more than a first-level cache, less than a second."""

CACHE_ROUNDS = 100
MATRIX = 1024


def bounds(problem: Problem) -> list[Contender]:
    """Contenders whose unit is one training step of `problem`, were it limited by this alone.

    ``FMA peak``: its floating-point operations at the rate of the faster of `multiply_add_3`
    and `multiply_add_4`.  ``sgemm``: at that of NumPy's matrix product.  ``cache bandwidth``:
    its reads of activations and deltas at the rate of `read_all`.
    """
    uses = vector_uses(problem)
    operations = 2.0 * uses * problem.batch
    data = aligned_zeros((CACHE_BYTES // 4,), np.dtype(np.float32))
    sums = aligned_zeros((2 * LANES,), np.dtype(np.float32))
    left, right, product = np.ones((3, MATRIX, MATRIX), np.float32)
    return [
        min((_peak(kernel, n, operations) for kernel, n in KERNELS), key=_warm),
        Contender(
            "sgemm",
            lambda: np.matmul(left, right, out=product),
            per=2.0 * MATRIX**3 / operations,
        ),
        Contender(
            "cache bandwidth",
            lambda: read_all(data, sums, CACHE_ROUNDS),
            per=CACHE_ROUNDS * CACHE_BYTES / (4.0 * uses * problem.batch),
        ),
    ]


def _peak(kernel: Any, n_vectors: int, operations: float) -> Contender:
    values = aligned_zeros((n_vectors * LANES,), np.dtype(np.float32))
    values[1] = 0.5
    done = 2.0 * PEAK_ROUNDS * n_vectors * LANES
    return Contender("FMA peak", lambda: kernel(values, PEAK_ROUNDS), per=done / operations)


def _warm(contender: Contender) -> float:
    return min(timed(contender) for _ in range(5))


def vector_uses(problem: Problem) -> int:
    """How often a step uses a connection; each use is a multiply-add and 4 bytes a sample.

    All are used in the forward pass and for the gradient; in the backward pass those are that
    do not come from an input.
    """
    structure = problem.structure
    from_inputs = np.isin(structure.sources, structure.inputs).sum()
    return int(3 * structure.n_connections - from_inputs)

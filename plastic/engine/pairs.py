"""The gradients of given pairs: dot products of a source's outputs and a target's deltas.

Where samples come in whole vectors, four pairs go together, which is how many sums fit into
wide registers, and the deltas of their target are loaded once for all four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.extending import intrinsic
from numpy.typing import NDArray

from plastic.engine.blocks import wide_registers
from plastic.engine.candidates import locked
from plastic.engine.simd import (
    LANES,
    Vector,
    _fused,
    _pick,
    load_like,
    put,
    splat_pair,
    store,
    total,
)

Array = NDArray[Any]
Slots = NDArray[np.int64]

WIDTH = 2 * LANES
"""Samples of a vector."""


def pair_gradients(outputs: Array, deltas: Array, sources: Slots, targets: Slots) -> Array:
    """Mean over the samples of ``output[source] * delta[target]``, shape (n_pairs,).

    Parameters
    ----------
    outputs, deltas : float arrays, shape (n_neurons, n_samples)
    sources, targets : int arrays, shape (n_pairs,)
        Slots; pairs that come target by target are faster.

    Examples
    --------
    >>> signals = np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> pair_gradients(signals, signals, np.array([0, 1]), np.array([1, 1]))
    array([ 6.5, 17. ])
    """
    gradients = np.empty(len(sources), outputs.dtype)
    outputs, deltas = locked(outputs), locked(deltas)
    sources, targets = locked(sources), locked(targets)
    if outputs.shape[1] % WIDTH:
        _multiply(outputs, deltas, sources, targets, gradients)
    else:
        _multiply_whole(outputs, deltas, sources, targets, wide_registers(), gradients)
    return gradients


@intrinsic
def multiply_add(typing_context, a, b, sums):
    """``a * b + sums``, lane by lane."""

    def generate(context, builder, sig, args):
        return _fused(builder, *args)

    return sums(a, b, sums), generate


def _halved_alike(builder, vectors, lanes):
    """The upper half of each group of `lanes` added to its lower half, of one vector or two."""
    count = len(vectors) * vectors[0].type.count
    low = [at for group in range(0, count, lanes) for at in range(group, group + lanes // 2)]
    ends = vectors[0], vectors[-1]
    return builder.fadd(
        _pick(builder, *ends, low), _pick(builder, *ends, [at + lanes // 2 for at in low])
    )


@intrinsic
def add_quarters(typing_context, vector):
    """The four quarters of a vector, added one after the other."""
    quarter = Vector(vector.element, vector.lanes // 4)

    def generate(context, builder, sig, args):
        lanes = sig.return_type.lanes
        total, *others = (
            _pick(builder, args[0], args[0], range(at, at + lanes))
            for at in range(0, 4 * lanes, lanes)
        )
        for other in others:
            total = builder.fadd(total, other)
        return total

    return quarter(vector), generate


@intrinsic
def fold_halves(typing_context, v0, v1, v2, v3):
    """The sums of four vectors, to the bit as `simd.total` forms them."""

    def generate(context, builder, sig, args):
        rows, lanes = list(args), sig.args[0].lanes
        while lanes > 1:
            joined = zip(rows[::2], rows[1::2], strict=True) if len(rows) > 1 else [rows]
            rows = [_halved_alike(builder, pair, lanes) for pair in joined]
            lanes //= 2
        return rows[0]

    return Vector(v0.element, 4)(v0, v1, v2, v3), generate


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _multiply(outputs, deltas, sources, targets, gradients):
    n_samples = outputs.shape[1]
    for pair in range(len(sources)):
        output, delta = outputs[sources[pair]], deltas[targets[pair]]
        result = gradients.dtype.type(0)
        for sample in range(n_samples):
            result += output[sample] * delta[sample]
        gradients[pair] = result / n_samples


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply_whole(outputs, deltas, sources, targets, wide, gradients):
    """As `_multiply`, for whole vectors of samples."""
    n_samples, n_pairs = outputs.shape[1], len(sources)
    four = np.empty(4, gradients.dtype)
    for first in range(0, n_pairs, 4):
        pair = max(min(first, n_pairs - 4), 0)  # the last four may overlap others
        pair1, pair2 = min(pair + 1, n_pairs - 1), min(pair + 2, n_pairs - 1)
        pair3 = min(pair + 3, n_pairs - 1)
        of0, of1 = sources[pair] * n_samples, sources[pair1] * n_samples
        of2, of3 = sources[pair2] * n_samples, sources[pair3] * n_samples
        target = targets[pair]
        if wide and target == targets[pair1] == targets[pair2] == targets[pair3]:
            sums = _four_sums(outputs, deltas, of0, of1, of2, of3, target * n_samples)
            store(four, 0, sums)
        else:
            put(four, 0, _sum(outputs, deltas, of0, target * n_samples))
            put(four, 1, _sum(outputs, deltas, of1, targets[pair1] * n_samples))
            put(four, 2, _sum(outputs, deltas, of2, targets[pair2] * n_samples))
            put(four, 3, _sum(outputs, deltas, of3, targets[pair3] * n_samples))
        for k in range(min(4, n_pairs)):
            gradients[pair + k] = four[k] / n_samples


@njit(cache=True, nogil=True, error_model="numpy")
def _four_sums(outputs, deltas, of0, of1, of2, of3, of_target):
    """Products of four sources and one target."""
    zero = splat_pair(outputs.dtype.type(0))
    sums0 = sums1 = sums2 = sums3 = zero
    for at in range(0, outputs.shape[1], WIDTH):
        delta = load_like(deltas, of_target + at, zero)
        sums0 = multiply_add(load_like(outputs, of0 + at, zero), delta, sums0)
        sums1 = multiply_add(load_like(outputs, of1 + at, zero), delta, sums1)
        sums2 = multiply_add(load_like(outputs, of2 + at, zero), delta, sums2)
        sums3 = multiply_add(load_like(outputs, of3 + at, zero), delta, sums3)
    return fold_halves(
        add_quarters(sums0), add_quarters(sums1), add_quarters(sums2), add_quarters(sums3)
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _sum(outputs, deltas, of_source, of_target):
    """The product of one pair, to the bit as `_four_sums` forms it."""
    sums = zero = splat_pair(outputs.dtype.type(0))
    for at in range(0, outputs.shape[1], WIDTH):
        output = load_like(outputs, of_source + at, zero)
        sums = multiply_add(output, load_like(deltas, of_target + at, zero), sums)
    return total(add_quarters(sums))

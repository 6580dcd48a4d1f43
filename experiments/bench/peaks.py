"""Small kernels that show what one core can do: arithmetic alone, and reading alone."""

from __future__ import annotations

from numba import njit

from plastic.engine import simd
from plastic.engine.simd import LANES, fma, load, store


@njit(cache=True, error_model="numpy")
def multiply_add_3(values, n_rounds):
    """Multiply-adds of three vectors that stay in registers: enough for 16 registers."""
    a, b, c = load(values, 0), load(values, LANES), load(values, 2 * LANES)
    step, factor = simd.splat(values[0]), values[1]
    for _ in range(n_rounds):
        a = fma(factor, a, step)
        b = fma(factor, b, step)
        c = fma(factor, c, step)
    store(values, 0, a)
    store(values, LANES, b)
    store(values, 2 * LANES, c)


@njit(cache=True, error_model="numpy")
def multiply_add_4(values, n_rounds):
    """The same of four vectors: what keeps wider registers busy."""
    a, b = load(values, 0), load(values, LANES)
    c, d = load(values, 2 * LANES), load(values, 3 * LANES)
    step, factor = simd.splat(values[0]), values[1]
    for _ in range(n_rounds):
        a = fma(factor, a, step)
        b = fma(factor, b, step)
        c = fma(factor, c, step)
        d = fma(factor, d, step)
    store(values, 0, a)
    store(values, LANES, b)
    store(values, 2 * LANES, c)
    store(values, 3 * LANES, d)


@njit(cache=True, error_model="numpy")
def read_all(values, sums, n_rounds):
    """Sum an array of vectors, again and again; its length is a multiple of ``2 * LANES``."""
    a, b = load(sums, 0), load(sums, LANES)
    for _ in range(n_rounds):
        for at in range(0, len(values), 2 * LANES):
            a = simd.add(a, load(values, at))
            b = simd.add(b, load(values, at + LANES))
    store(sums, 0, a)
    store(sums, LANES, b)

"""Bits that tell of lanes."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from plastic.engine import bits, simd
from plastic.engine.simd import LANES


@njit
def lanes_of(values, bound):
    one, pair = simd.splat(values.dtype.type(0)), simd.splat_pair(values.dtype.type(0))
    return (
        bits.reaching(simd.load_like(values, 0, one), bound),
        bits.reaching(simd.load_like(values, 0, pair), bound),
    )


@njit
def lowest(number):
    return bits.lowest_bit(number)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_of_a_size_are_bits(dtype):
    values = np.random.default_rng(0).standard_normal(2 * LANES).astype(dtype)
    values[5], values[40] = np.nan, -0.5
    found = lanes_of(values, values.dtype.type(0.5))
    for number, n in zip(found, (LANES, 2 * LANES), strict=True):
        expected = sum(1 << lane for lane in range(n) if abs(values[lane]) >= 0.5)
        assert number == expected
    assert found[1] >> 40 & 1
    assert not found[1] >> 5 & 1


def test_the_lowest_bit_is_told_by_number():
    assert [lowest(np.uint64(1 << k | 1 << 63)) for k in range(64)] == list(range(64))


@njit
def those_below(numbers, scales, factor, most):
    return bits.below(numbers, scales, 1, factor, most)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_below_bounds_are_bits(dtype):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 100, 65).astype(np.int32)
    scales = rng.uniform(0, 1, 65).astype(dtype)
    factor, most = dtype(150), dtype(80)
    expected = (numbers[1:] < scales[1:] * factor) & (numbers[1:] < most)
    assert 0 < expected.sum() < 64
    found = those_below(numbers, scales, factor, most)
    assert found == sum(1 << lane for lane in np.flatnonzero(expected).tolist())


@njit
def those_less(numbers, bound):
    return bits.less(numbers, 1, bound)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_numbers_less_than_a_bound_are_bits(dtype):
    numbers = np.random.default_rng(1).integers(-50, 50, 65).astype(dtype)
    expected = np.flatnonzero(numbers[1:] < 7).tolist()
    assert those_less(numbers, dtype(7)) == sum(1 << lane for lane in expected)


@njit
def counted(number):
    return bits.count_bits(number)


def test_bits_are_counted_and_no_bit_is_the_lowest_of_none():
    assert [counted(np.uint64(n)) for n in (0, 1, 2**64 - 1, 5 << 60)] == [0, 1, 64, 2]
    assert lowest(np.uint64(0)) == 64

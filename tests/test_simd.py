"""Laws of the vector operations that the kernels are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from plastic.engine import simd
from plastic.engine.simd import LANES

DTYPES = ("float32", "float64")


@njit
def copied(source, start, target, at):
    simd.store(target, at, simd.load(source, start))


@njit
def combined(scalar, a, b, results):
    x, y = simd.load(a, 0), simd.load(b, 0)
    simd.store(results, 0, simd.splat(scalar))
    simd.store(results, LANES, simd.fma(scalar, x, y))
    simd.store(results, 2 * LANES, simd.add(x, y))
    simd.store(results, 3 * LANES, simd.multiply(x, y))


@njit
def bent(a, b, results):
    x, y = simd.load(a, 0), simd.load(b, 0)
    simd.store(results, 0, simd.relu(x))
    simd.store(results, LANES, simd.gate(x, y))
    simd.store(results, 2 * LANES, simd.times_sigmoid_slope(x, y))
    simd.store(results, 3 * LANES, simd.times_tanh_slope(x, y))


@njit
def copied_tiles(source, target, at, stride, scalar):
    kind = source.dtype.type
    pair, four = simd.splat_pair(kind(scalar)), simd.splat_four(kind(scalar))
    simd.store_tiles(target, at, stride, simd.load_tiles(source, at, stride, four))
    simd.store_tiles(target, at + LANES, stride, simd.load_tiles(source, at, stride, pair))
    simd.store_tiles(target, at + 2 * LANES, stride, simd.splat_like(kind(scalar), pair))


@njit
def dotted(a, b, start):
    partial = simd.splat_partial(start)
    for at in range(0, len(a), LANES):
        partial = simd.dot(simd.load(a, at), simd.load(b, at), partial)
    return simd.total(partial), simd.total(simd.load(a, 0))


@njit
def folded8(rows, sums):
    nothing, one = simd.splat_partial(rows.dtype.type(0)), simd.splat(rows.dtype.type(1))
    simd.store8(
        sums,
        0,
        simd.fold8(
            simd.dot(simd.load(rows, 0 * LANES), one, nothing),
            simd.dot(simd.load(rows, 1 * LANES), one, nothing),
            simd.dot(simd.load(rows, 2 * LANES), one, nothing),
            simd.dot(simd.load(rows, 3 * LANES), one, nothing),
            simd.dot(simd.load(rows, 4 * LANES), one, nothing),
            simd.dot(simd.load(rows, 5 * LANES), one, nothing),
            simd.dot(simd.load(rows, 6 * LANES), one, nothing),
            simd.dot(simd.load(rows, 7 * LANES), one, nothing),
        ),
    )


@njit
def got(array, index):
    return simd.get(array, index)


@njit
def changed(array, index, value):
    simd.put(array, index, value)


@njit
def compared(a, b, results):
    x, y = simd.load(a, 0), simd.load(b, 0)
    simd.store(results, 0, simd.subtract(x, y))
    simd.store(results, LANES, simd.divide(x, y))
    simd.store(results, 2 * LANES, simd.larger(x, y))
    simd.store(results, 3 * LANES, simd.flush(x))


@njit
def pointed_at(source, target, lanes):
    start, end = simd.pointer(source), simd.pointer(target)
    like = simd.splat_lanes(simd.get(start, 0), lanes)
    for at in range(0, len(source), simd.n_lanes(like)):
        simd.store(end, at, simd.load_like(start, at, like))
    simd.put(end, 1, simd.get(start, 0))
    simd.store(end, len(source), like)


@njit
def summed_alike(a, lanes):
    like = simd.splat_lanes(a.dtype.type(0), lanes)
    x = simd.load_like(a, 0, like)
    sums = simd.dot(x, x, simd.no_sums(like))
    return simd.n_lanes(sums), simd.total(sums)


def draw(seed, n, dtype):
    return np.random.default_rng(seed).normal(size=n).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [0, 1, 5])
def test_what_is_loaded_is_stored(start, dtype):
    source, target = draw(0, 64, dtype), np.zeros(64, dtype)
    copied(source, start, target, 3)
    n = LANES
    assert np.array_equal(target[3 : 3 + n], source[start : start + n])
    assert not target[:3].any()
    assert not target[3 + n :].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic_is_that_of_every_lane(dtype):
    a, b, results = draw(1, LANES, dtype), draw(2, LANES, dtype), np.empty((4, LANES), dtype)
    scalar = np.dtype(dtype).type(0.3)
    combined(scalar, a, b, results.reshape(-1))
    assert set(results[0]) == {scalar}
    np.testing.assert_allclose(results[1], scalar * a + b, rtol=1e-5, atol=1e-7)
    assert np.array_equal(results[2], a + b)
    assert np.array_equal(results[3], a * b)


def test_multiply_and_add_rounds_once():
    a, b = draw(3, LANES, "float32"), draw(4, LANES, "float32")
    b[:4] = -np.float32(0.3) * a[:4]  # what is left here is the rounding alone
    results = np.empty((4, LANES), np.float32)
    combined(np.float32(0.3), a, b, results.reshape(-1))
    exact = np.float64(np.float32(0.3)) * a.astype(np.float64) + b.astype(np.float64)
    assert np.array_equal(results[1], exact.astype(np.float32))
    assert results[1][:4].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_are_those_of_every_lane(dtype):
    a, b, results = draw(5, LANES, dtype), draw(6, LANES, dtype), np.empty((4, LANES), dtype)
    a[0], a[1], b[2], b[3] = 0.0, -0.0, 0.0, -1.0
    bent(a, b, results.reshape(-1))
    assert np.array_equal(results[0], np.maximum(a, 0))
    assert np.array_equal(results[1], np.where(b > 0, a, 0))
    np.testing.assert_allclose(results[2], a * (b * (1 - b)), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(results[3], a * (1 - b * b), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_no_number_stays_none(dtype):
    a, b, results = draw(7, LANES, dtype), draw(8, LANES, dtype), np.empty((4, LANES), dtype)
    a[5], a[6], a[7], b[8] = np.nan, np.inf, -np.inf, np.nan
    bent(a, b, results.reshape(-1))
    assert np.isnan(results[0][5])
    assert results[0][6:8].tolist() == [np.inf, 0]
    assert results[1][8] == 0
    assert np.isnan(results[2:, [5, 8]]).all()
    assert np.isfinite(results[0][9:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_lie_a_stride_apart(dtype):
    stride, at = 5 * LANES, LANES
    source, target = draw(13, 4 * stride, dtype), np.zeros(4 * stride, dtype)
    copied_tiles(source, target, at, stride, 0.5)
    tiles, copies = source.reshape(4, 5, LANES), target.reshape(4, 5, LANES)
    assert np.array_equal(copies[:, 1], tiles[:, 1])
    assert np.array_equal(copies[:2, 2], tiles[:2, 1])
    assert set(copies[:2, 3].ravel()) == {0.5}
    assert not copies[2:, 2:4].any()
    assert not copies[:, [0, 4]].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_tiles", [1, 3])
def test_dot_is_the_dot_product(n_tiles, dtype):
    a, b = draw(9, n_tiles * LANES, dtype), draw(10, n_tiles * LANES, dtype)
    product, total = dotted(a, b, np.dtype(dtype).type(0))
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    assert product == pytest.approx(math.fsum(a.astype(float) * b), abs=tolerance)
    assert total == pytest.approx(math.fsum(a[:LANES]), abs=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fold8_keeps_its_eight_sums_in_order(dtype):
    rows, sums = draw(11, 8 * LANES, dtype).reshape(8, LANES), np.empty(8, dtype)
    folded8(rows.reshape(-1), sums)
    np.testing.assert_allclose(sums, rows.sum(axis=1), atol=1e-5)
    for row in range(8):
        for lane in range(LANES):
            one = np.zeros((8, LANES), dtype)
            one[row, lane] = 1
            folded8(one.reshape(-1), sums)
            assert np.array_equal(sums, np.eye(8)[row])


@pytest.mark.parametrize("dtype", [*DTYPES, "int32", "int64"])
def test_get_reads_one_item(dtype):
    array = np.arange(10, 20).astype(dtype)
    assert [got(array, k) for k in range(10)] == array.tolist()


@pytest.mark.parametrize("dtype", [*DTYPES, "int32"])
def test_put_writes_one_item(dtype):
    array = np.zeros(5, dtype)
    changed(array, 3, array.dtype.type(7))
    assert array.tolist() == [0, 0, 0, 7, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_comparisons_are_those_of_every_lane(dtype):
    a, b, results = draw(14, LANES, dtype), draw(15, LANES, dtype), np.empty((4, LANES), dtype)
    compared(a, b, results.reshape(-1))
    assert np.array_equal(results[0], a - b)
    assert np.array_equal(results[1], a / b)
    assert np.array_equal(results[2], np.maximum(a, b))
    assert np.array_equal(results[3], a)


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_what_is_not_normal_is_flushed(dtype):
    limits = np.finfo(dtype)
    below = limits.tiny - limits.smallest_subnormal
    a, results = np.ones(LANES, dtype), np.empty((4, LANES), dtype)
    a[:7] = limits.tiny, -limits.tiny, below, -below, limits.smallest_subnormal, 0, np.nan
    compared(a, np.ones(LANES, dtype), results.reshape(-1))
    expected = np.where(np.arange(LANES) < 2, a, np.where(np.arange(LANES) < 6, 0, a))
    assert np.array_equal(results[3], expected, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_lanes", [4, 8, 16, 32])
def test_a_pointer_stands_for_its_array(n_lanes, dtype):
    source, target = draw(16, 64, dtype), np.zeros(64 + n_lanes + 1, dtype)
    pointed_at(source, target, (0,) * n_lanes)
    assert np.array_equal(target[:64], [source[0], source[0], *source[2:]])
    assert target[64:-1].tolist() == [source[0]] * n_lanes
    assert target[-1] == 0


@pytest.mark.parametrize(("n_lanes", "n_sums"), [(8, 8), (16, 16), (32, 16)])
def test_partial_sums_are_no_more_than_the_lanes(n_lanes, n_sums):
    a = draw(17, 32, "float64")
    count, total = summed_alike(a, (0,) * n_lanes)
    assert count == n_sums
    assert total == pytest.approx(math.fsum(a[:n_lanes] ** 2), rel=1e-13)

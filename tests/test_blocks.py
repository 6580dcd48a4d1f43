"""Laws of the vector operations for many connections at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit
from numba.core import config

from plastic.engine import blocks, simd
from plastic.engine.simd import LANES, PARTIAL

DTYPES = ("float32", "float64")


@njit
def dotted(a, b, results):
    x, y = simd.load(a, 0), simd.load(b, 0)
    results[0] = blocks.fold(blocks.products(x, y))
    results[1] = simd.total(x)


@njit
def dotted_in_tiles(a, b, stride, results):
    pair, four = simd.splat_pair(a.dtype.type(0)), simd.splat_four(a.dtype.type(0))
    x, y = simd.load_tiles(a, 0, stride, pair), simd.load_tiles(b, 0, stride, pair)
    results[0] = blocks.fold(blocks.products(x, y))
    x, y = simd.load_tiles(a, 0, stride, four), simd.load_tiles(b, 0, stride, four)
    results[1] = blocks.fold(blocks.products(x, y))


@njit
def added_totals(before, tiles, stride):
    pair = simd.splat_pair(before)
    return blocks.add_totals(before, simd.load_tiles(tiles, 0, stride, pair))


@njit
def totalled8(rows, totals):
    for k in range(8):
        totals[k] = simd.total(simd.load(rows, k * LANES))
    simd.store(
        totals,
        8,
        blocks.totals8(
            simd.load(rows, 0),
            simd.load(rows, LANES),
            simd.load(rows, 2 * LANES),
            simd.load(rows, 3 * LANES),
            simd.load(rows, 4 * LANES),
            simd.load(rows, 5 * LANES),
            simd.load(rows, 6 * LANES),
            simd.load(rows, 7 * LANES),
        ),
    )


@njit
def transposed(block, columns):
    like = simd.splat8(block.dtype.type(0))
    v0, v1, v2, v3, v4, v5, v6, v7 = blocks.transpose(
        (
            simd.load_like(block, 0, like),
            simd.load_like(block, 8, like),
            simd.load_like(block, 16, like),
            simd.load_like(block, 24, like),
            simd.load_like(block, 32, like),
            simd.load_like(block, 40, like),
            simd.load_like(block, 48, like),
            simd.load_like(block, 56, like),
        )
    )
    simd.store(columns, 0, v0)
    simd.store(columns, 8, v1)
    simd.store(columns, 16, v2)
    simd.store(columns, 24, v3)
    simd.store(columns, 32, v4)
    simd.store(columns, 40, v5)
    simd.store(columns, 48, v6)
    simd.store(columns, 56, v7)


@njit
def folded4(a, rows, sums):
    x = simd.load(a, 0)
    p0 = blocks.products(x, simd.load(rows, 0 * LANES))
    p1 = blocks.products(x, simd.load(rows, 1 * LANES))
    p2 = blocks.products(x, simd.load(rows, 2 * LANES))
    p3 = blocks.products(x, simd.load(rows, 3 * LANES))
    blocks.store4(sums, 1, blocks.fold4(p0, p1, p2, p3))
    sums[6], sums[7], sums[8], sums[9] = (
        blocks.fold(p0), blocks.fold(p1), blocks.fold(p2), blocks.fold(p3)
    )  # fmt: skip


@njit
def multiplied(scalars, vectors, results):
    zero = simd.splat(vectors.dtype.type(0))
    start = blocks.join4(
        simd.load(results, 0),
        simd.load(results, LANES),
        simd.load(results, 2 * LANES),
        simd.load(results, 3 * LANES),
    )
    s0, s1, s2, s3 = scalars
    sums = blocks.fma4(s0, s1, s2, s3, simd.load(vectors, 0), start)
    x0, x1, x2, x3 = blocks.split4(sums)
    simd.store(results, 0, x0)
    simd.store(results, LANES, x1)
    simd.store(results, 2 * LANES, x2)
    simd.store(results, 3 * LANES, simd.add(x3, blocks.at_most_pair(zero)))


@njit
def crossed(a, b, results):
    sums = blocks.no_products(a.dtype.type(0))
    for at in range(0, LANES, PARTIAL):
        x = blocks.join4(
            blocks.load_piece(a, at),
            blocks.load_piece(a, at + LANES),
            blocks.load_piece(a, at + 2 * LANES),
            blocks.load_piece(a, at + 3 * LANES),
        )
        y = blocks.join4(
            blocks.load_piece(b, at),
            blocks.load_piece(b, at + LANES),
            blocks.load_piece(b, at + 2 * LANES),
            blocks.load_piece(b, at + 3 * LANES),
        )
        sums = blocks.outer_products(x, y, sums)
    s0, s1, s2, s3 = blocks.split4(sums)
    blocks.store4(results, 0, blocks.fold4_joined(s0))
    blocks.store4(results, 4, blocks.fold4_joined(s1))
    blocks.store4(results, 8, blocks.fold4_joined(s2))
    blocks.store4(results, 12, simd.add(blocks.load4(results, 12), blocks.fold4_joined(s3)))


@njit
def one_product(a, b):
    return blocks.fold(blocks.products(simd.load(a, 0), simd.load(b, 0)))


@njit
def fetched(array, index):
    blocks.prefetch(array, index)


def draw(seed, n, dtype):
    return np.random.default_rng(seed).normal(size=n).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dot_product_adds_up_all_lanes(dtype):
    a, b, results = draw(9, LANES, dtype), draw(10, LANES, dtype), np.empty(2, dtype)
    dotted(a, b, results)
    tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]
    assert results[0] == pytest.approx(math.fsum(a.astype(float) * b), abs=tolerance)
    assert results[1] == pytest.approx(math.fsum(a), abs=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dot_product_goes_over_all_tiles(dtype):
    stride, results = 3 * LANES, np.empty(2, dtype)
    a, b = draw(9, 4 * stride, dtype), draw(10, 4 * stride, dtype)
    dotted_in_tiles(a, b, stride, results)
    tiles = (a.astype(float) * b).reshape(4, stride)[:, :LANES]
    tolerance = {"float32": 1e-4, "float64": 1e-12}[dtype]
    assert results[0] == pytest.approx(tiles[:2].sum(), abs=tolerance)
    assert results[1] == pytest.approx(tiles.sum(), abs=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fold4_keeps_its_four_sums_in_order(dtype):
    a, rows = np.ones(LANES, dtype), draw(11, 4 * LANES, dtype)
    sums = np.zeros(10, dtype)
    folded4(a, rows, sums)
    np.testing.assert_allclose(sums[1:5], rows.reshape(4, LANES).sum(axis=1), atol=1e-5)
    assert sums[[0, 5]].tolist() == [0, 0]
    for row in range(4):
        for lane in range(LANES):
            one = np.zeros((4, LANES), dtype)
            one[row, lane] = 1
            folded4(a, one.reshape(-1), sums)
            assert np.array_equal(sums[1:5], np.eye(4)[row])


@pytest.mark.parametrize("dtype", DTYPES)
def test_folded_alone_or_by_four_a_sum_is_the_same_to_the_bit(dtype):
    for seed in range(20):
        sums = np.empty(10, dtype)
        folded4(draw(seed, LANES, dtype), draw(100 + seed, 4 * LANES, dtype), sums)
        assert np.array_equal(sums[1:5], sums[6:10])


@pytest.mark.parametrize("dtype", DTYPES)
def test_four_rows_take_one_vector_each_with_its_own_scalar(dtype):
    scalars, vector = draw(12, 4, dtype), draw(13, LANES, dtype)
    results = draw(14, 4 * LANES, dtype)
    start = results.reshape(4, LANES).copy()
    multiplied(tuple(scalars), vector, results)
    expected = start + scalars[:, None] * vector
    np.testing.assert_allclose(results.reshape(4, LANES), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_four_by_four_products_are_those_one_by_one_to_the_bit(dtype):
    a, b = draw(15, 4 * LANES, dtype), draw(16, 4 * LANES, dtype)
    results = np.zeros(16, dtype)
    crossed(a, b, results)
    rows, columns = a.reshape(4, LANES), b.reshape(4, LANES)
    single = [[one_product(row, column) for column in columns] for row in rows]
    assert np.array_equal(results.reshape(4, 4), np.array(single, dtype))


def test_what_is_fetched_ahead_need_not_exist():
    array = np.arange(5.0)
    fetched(array, 0)
    fetched(array, 10**9)
    assert array.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("features", "wide"), [("+avx2,+fma", False), ("+avx2,+avx512f", True)]
)
def test_registers_are_those_that_numba_compiles_for(monkeypatch, features, wide):
    monkeypatch.setattr(config, "CPU_FEATURES", features)
    assert blocks.wide_registers.__wrapped__() is wide


@pytest.mark.parametrize("dtype", DTYPES)
def test_transpose_turns_rows_into_columns(dtype):
    block = np.arange(blocks.SIDE**2, dtype=dtype)
    columns = np.zeros_like(block)
    transposed(block, columns)
    np.testing.assert_array_equal(columns.reshape(8, 8), block.reshape(8, 8).T)


@pytest.mark.parametrize("dtype", DTYPES)
def test_totals8_adds_up_as_total_does(dtype):
    rows = np.random.default_rng(1).standard_normal(8 * LANES).astype(dtype)
    totals = np.zeros(16, dtype)
    totalled8(rows, totals)
    assert totals[8:].tolist() == totals[:8].tolist()
    np.testing.assert_allclose(totals[8:], rows.reshape(8, LANES).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_add_totals_adds_one_tile_after_the_other(dtype):
    tiles = np.random.default_rng(1).standard_normal(3 * LANES).astype(dtype)
    before = np.dtype(dtype).type(0.3)
    totals = np.zeros(16, dtype)
    totalled8(np.resize(tiles, 8 * LANES), totals)
    assert added_totals(before, tiles, 2 * LANES) == before + totals[0] + totals[2]

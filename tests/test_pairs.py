"""Gradients of given pairs: what NumPy's products say, however many go together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from plastic.engine import simd
from plastic.engine.candidates import locked
from plastic.engine.pairs import (
    WIDTH,
    _multiply_whole,
    add_quarters,
    fold_halves,
    pair_gradients,
)
from plastic.engine.simd import LANES


def drawn(seed, n_pairs, n_samples, dtype="float32", grouped=True):
    """Signals of 20 neurons, and pairs of them."""
    rng = np.random.default_rng(seed)
    sources, targets = rng.integers(0, 20, (2, n_pairs))
    outputs, deltas = rng.standard_normal((2, 20, n_samples)).astype(dtype)
    return outputs, deltas, sources, np.sort(targets) if grouped else targets


@given(
    st.integers(0, 2**31),
    st.integers(0, 90),
    st.sampled_from([1, 11, WIDTH, WIDTH + 8, 2 * WIDTH, 5 * WIDTH]),
    st.booleans(),
)
@settings(deadline=None)
def test_gradients_are_means_of_products(seed, n_pairs, n_samples, grouped):
    outputs, deltas, sources, targets = drawn(seed, n_pairs, n_samples, "float64", grouped)
    expected = (outputs[sources] * deltas[targets]).mean(axis=1)
    found = pair_gradients(outputs, deltas, sources, targets)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(st.integers(0, 2**31), st.integers(1, 90), st.booleans())
@settings(deadline=None)
def test_no_bit_depends_on_who_goes_together(seed, n_pairs, grouped):
    outputs, deltas, sources, targets = drawn(seed, n_pairs, 2 * WIDTH, grouped=grouped)
    given = locked(outputs), locked(deltas), locked(sources), locked(targets)
    wide, narrow = np.empty((2, n_pairs), np.float32)
    _multiply_whole(*given, True, wide)
    _multiply_whole(*given, False, narrow)
    np.testing.assert_array_equal(wide, narrow)
    alone = [
        pair_gradients(outputs, deltas, sources[k : k + 1], targets[k : k + 1])[0]
        for k in range(n_pairs)
    ]
    np.testing.assert_array_equal(wide, alone)


@njit
def folded(rows, sums):
    v0, v1 = simd.load(rows, 0), simd.load(rows, LANES)
    v2, v3 = simd.load(rows, 2 * LANES), simd.load(rows, 3 * LANES)
    simd.store(sums, 0, fold_halves(v0, v1, v2, v3))
    sums[4], sums[5] = simd.total(v0), simd.total(v3)
    sums[6], sums[7] = simd.total(add_quarters(v0)), simd.total(add_quarters(v3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_vectors_are_folded_in_one_order(dtype):
    rows = np.random.default_rng(0).standard_normal((4, LANES)).astype(dtype)
    sums = np.empty(8, dtype)
    folded(rows, sums)
    np.testing.assert_allclose(sums[:4], rows.sum(axis=1), rtol=1e-5)
    assert sums[0] == sums[4]
    assert sums[3] == sums[5]
    np.testing.assert_allclose(sums[6:], rows.sum(axis=1)[[0, 3]], rtol=1e-5)

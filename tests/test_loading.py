"""Law of laying samples into tiles: each feature of each sample is where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from plastic.engine.loading import load_tile
from plastic.engine.simd import LANES

SLOTS = 40


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_features", [1, 7, 8, 9, 16, 29])
@pytest.mark.parametrize("batch", [1, 7, 8, 9, LANES - 1, LANES, LANES + 3, 2 * LANES])
def test_every_feature_is_laid_into_its_neuron(batch, n_features, dtype):
    rng = np.random.default_rng(batch * n_features)
    X = rng.standard_normal((50, n_features)).astype(dtype)
    rows, inputs = rng.integers(0, 50, batch), rng.permutation(SLOTS)[:n_features]
    tiles = np.full((2, SLOTS, LANES), 7, dtype)
    X.flags.writeable = rows.flags.writeable = False
    counts = [load_tile(tiles, t, inputs, X, rows) for t in range(-(-batch // LANES))]
    assert sum(counts) == batch
    expected = np.full((2, SLOTS, LANES), 7, dtype)
    expected[: len(counts), inputs] = 0
    for sample, row in enumerate(rows):
        expected[sample // LANES, inputs, sample % LANES] = X[row]
    np.testing.assert_array_equal(tiles, expected)

"""Gradients of panels: what a bound leaves out is below it, to the last bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.engine.candidates import locked, missing_between
from plastic.engine.panels import WIDTH, Kept, search
from plastic.engine.strongest import _field
from plastic.topology.wiring import erdos_renyi

N_SAMPLES = 70


def fields(seed, dtype):
    """A field in which every other product is all that the norms allow, and its pairs."""
    rng = np.random.default_rng(seed)
    structure = erdos_renyi(2 * WIDTH, 30, 0.2, rng, hidden=[]).structure
    missing = missing_between(structure, structure.inputs, structure.outputs)
    outputs, deltas = rng.standard_normal((2, structure.n_neurons, N_SAMPLES)).astype(dtype)
    deltas[rng.random(deltas.shape) < 0.3] = 0
    deltas[missing.targets[::2]] = -3 * outputs[rng.choice(missing.sources, 15)]
    return _field(missing, locked(outputs), locked(deltas)), missing


def reaching(field, bound):
    """Sizes of the pairs that reach a bound, by place."""
    room = len(field.targets) * (len(field.panels) + 1) * WIDTH
    kept = Kept(
        np.empty(room, field.panels.dtype), np.empty(room, np.int32), np.empty(room, np.int32)
    )
    panel, found = search(field, 0, len(field.targets), 0, bound, kept, 0)
    assert panel == len(field.panels)
    sizes, rows, columns = (array[:found].tolist() for array in kept)
    return dict(zip(zip(rows, columns, strict=True), sizes, strict=True))


@given(st.integers(0, 2**31), st.sampled_from(["float32", "float64"]), st.data())
@settings(max_examples=40, deadline=None)
def test_a_bound_leaves_out_what_is_below_it_and_nothing_else(seed, dtype, data):
    field, missing = fields(seed, dtype)
    every = reaching(field, -1.0)
    assert len(every) == missing.count
    ranked = sorted(every.values(), reverse=True)
    bound = ranked[data.draw(st.integers(0, 40) | st.integers(0, len(ranked) - 1))]
    assert reaching(field, bound) == {
        pair: size for pair, size in every.items() if size >= bound
    }


def test_products_are_those_of_the_signals():
    field, missing = fields(0, "float64")
    sources = field.panels.transpose(0, 2, 1).reshape(-1, N_SAMPLES)
    places = field.lanes[missing.sources]
    products = np.abs(field.deltas[missing.targets] @ sources[places].T)
    for (row, column), size in reaching(field, -1.0).items():
        np.testing.assert_allclose(size, products[row, column], rtol=1e-12, atol=1e-12)

"""Search among what is missing: the choice of brute force, with fair ties and chances."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from views import SHAPES, learned, missing_pairs, view_of

from plastic.blocks import Block
from plastic.engine import Network
from plastic.engine.candidates import first_held, missing_between, pair_gradients, tally
from plastic.engine.race import draw_by_race
from plastic.engine.strongest import MOST_ROWS, _numbers, strongest_missing
from plastic.signals import NetworkView
from plastic.topology.wiring import erdos_renyi, random_dag


def wide(shape="layers", dtype="float32", seed=0):
    """A view of a network that needs several panels, and several rounds of rows."""
    rng = np.random.default_rng(seed)
    if shape == "layers":
        topology = erdos_renyi(70, 5, 0.2, rng, hidden=[150, 3 * MOST_ROWS])
    else:
        topology = random_dag(40, 5, 0.2, rng, n_hidden=2 * MOST_ROWS)
    network = Network(topology, dtype=dtype).initialize(rng)
    X = rng.standard_normal((37, topology.n_inputs))  # no whole tile
    return NetworkView(network, X, np.eye(5)[rng.integers(0, 5, 37)], 100)


def by_brute_force(view, block):
    """Absolute gradient of each missing pair, in double precision."""
    outputs, deltas = (
        np.asarray(s, float) for s in (view.signals.outputs, view.signals.deltas)
    )
    products = np.abs(outputs @ deltas.T) / outputs.shape[1]
    return {pair: products[pair] for pair in missing_pairs(view, block)}


def pairs_of(sources, targets):
    return list(zip(sources.tolist(), targets.tolist(), strict=True))


# ------------------------------------------------------------------------------ the strongest


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 40, 3000, 10**6])
def test_the_strongest_are_those_of_brute_force(shape, dtype, count):
    view = wide(shape, dtype)
    for block in view.blocks:
        sources, targets, sizes = view.strongest_missing(block, count, np.random.default_rng(0))
        expected = by_brute_force(view, block)
        found = pairs_of(sources, targets)
        assert len(set(found)) == len(found) == min(count, len(expected))
        best = sorted(expected.values(), reverse=True)[:count]
        close = {"rtol": 1e-4, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-9}
        np.testing.assert_allclose(sizes, best, **close)
        np.testing.assert_allclose(sizes, [expected[pair] for pair in found], **close)
        assert (np.diff(sizes) <= 0).all()


def test_both_engines_choose_the_same():
    chosen = []
    for engine in ("fast", "nodes"):
        view = view_of(learned("graph", engine=engine))
        pieces = [
            view.strongest_missing(block, 20, np.random.default_rng(0)) for block in view.blocks
        ]
        chosen.append([pairs_of(*piece[:2]) for piece in pieces])
    assert chosen[0] == chosen[1]


def silenced(view, share=1.0):
    """Signals of which only those of some neurons are not zero."""
    rng = np.random.default_rng(3)
    outputs, deltas = view.signals.outputs.copy(), view.signals.deltas.copy()
    outputs[rng.random(len(outputs)) < share] = 0
    return outputs, deltas


def test_ties_are_broken_at_random_and_the_same_under_one_seed():
    view = view_of(learned("layers", density=0.6))
    block = view.blocks[0]
    missing, signals = view.missing_of(block), silenced(view)
    pairs = sorted(missing_pairs(view, block))
    rng, counts = np.random.default_rng(0), Counter()
    for _ in range(2000):
        sources, targets, sizes = strongest_missing(missing, *signals, 3, rng)
        assert not sizes.any()
        counts.update(pairs_of(sources, targets))
    assert sum(counts.values()) == 6000
    # three of n pairs, none twice, so counts vary less than independent ones
    assert chisquare([counts[pair] for pair in pairs]).pvalue > 1e-3
    again = [
        strongest_missing(missing, *signals, 3, np.random.default_rng(7)) for _ in range(2)
    ]
    assert pairs_of(*again[0][:2]) == pairs_of(*again[1][:2])


def test_what_is_not_zero_goes_before_what_is():
    view = wide()
    block = view.blocks[2]
    missing, signals = view.missing_of(block), silenced(view, 0.99)
    sources, targets, sizes = strongest_missing(
        missing, *signals, missing.count, np.random.default_rng(0)
    )
    n_loud = int(np.count_nonzero(sizes))
    assert 0 < n_loud < missing.count
    few = strongest_missing(missing, *signals, n_loud + 50, np.random.default_rng(1))
    assert set(pairs_of(sources[:n_loud], targets[:n_loud])) == set(
        pairs_of(few[0][:n_loud], few[1][:n_loud])
    )
    assert set(pairs_of(*few[:2])) <= missing_pairs(view, block)
    assert len(set(pairs_of(*few[:2]))) == n_loud + 50


def test_numbers_of_pairs_are_spread_evenly():
    numbers = _numbers(np.arange(100_000), np.uint64(5))
    assert len(np.unique(numbers)) == 100_000
    counts = np.bincount((numbers >> np.uint64(60)).astype(int), minlength=16)
    assert chisquare(counts).pvalue > 1e-3


def test_the_strongest_are_billed_as_all_that_are_missing():
    view = view_of(learned(), n_samples=16)
    block = view.blocks[0]
    n = view.count_missing(block)
    _ = view.signals
    before = view.bill.flops
    view.strongest_missing(block, 2, np.random.default_rng(0))
    assert view.bill.candidate_gradients == n == len(missing_pairs(view, block))
    assert view.bill.flops - before == 2 * 16 * n
    assert len(view.strongest_missing(block, 0, np.random.default_rng(0))[0]) == 0
    assert view.bill.candidate_gradients == n


def test_where_outputs_lead_on_they_are_not_counted():
    view = view_of(learned("graph"))
    structure = view.structure
    every = np.arange(structure.n_connections)
    slots = np.arange(structure.n_neurons)
    missing = missing_between(structure, slots, slots)
    block = Block(-1, -1, every, slots, slots, len(every), (len(slots), len(slots)))
    assert missing.count == len(missing_pairs(view, block))


# ---------------------------------------------------------------------------- any given pairs


@settings(deadline=None)  # the first one compiles
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 300))
def test_gradients_and_the_first_that_is_held_of_any_pairs(seed, grouped, n_pairs):
    rng = np.random.default_rng(seed)
    structure = random_dag(6, 3, 0.3, rng, n_hidden=16).structure
    sources, targets = rng.integers(0, structure.n_neurons, (2, n_pairs))
    if grouped:
        targets = np.sort(targets)
    outputs, deltas = rng.standard_normal((2, structure.n_neurons, 11))
    expected = (outputs[sources] * deltas[targets]).mean(axis=1)
    np.testing.assert_allclose(
        pair_gradients(outputs, deltas, sources, targets), expected, atol=1e-12
    )
    held = set(pairs_of(structure.sources, structure.targets))
    at = [k for k, pair in enumerate(pairs_of(sources, targets)) if pair in held]
    assert first_held(structure, sources, targets) == (at[0] if at else -1)
    counts, sums = tally(sources, expected, structure.n_neurons)
    np.testing.assert_array_equal(counts, np.bincount(sources, minlength=len(counts)))
    np.testing.assert_allclose(
        sums, np.bincount(sources, expected, minlength=len(sums)), atol=1e-12
    )


# ----------------------------------------------------------------------------------- the race


@pytest.mark.parametrize("share", [0.001, 0.1, 0.7, 0.999, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_race_draws_as_many_as_it_should_whatever_the_weights(shape, share):
    view = wide(shape)
    rng = np.random.default_rng(0)
    for block in view.blocks:
        missing = view.missing_of(block)
        pairs, count = missing_pairs(view, block), max(1, int(share * missing.count))
        assert len(pairs) == missing.count
        alike = np.ones(view.structure.n_neurons)
        uneven = 10.0 ** rng.uniform(-18, 2, view.structure.n_neurons)
        for weights in (alike, uneven):
            sources, targets = draw_by_race(missing, count, weights, weights, rng)
            found = pairs_of(sources, targets)
            assert len(set(found)) == len(found) == count
            assert set(found) <= pairs


def test_in_a_race_the_likely_ones_come_first():
    view = wide()
    block = view.blocks[1]
    missing = view.missing_of(block)
    rng = np.random.default_rng(0)
    weights = np.ones(view.structure.n_neurons)
    weights[block.sources[:10]] = 1e6
    n_likely = sum(pair[0] in set(block.sources[:10]) for pair in missing_pairs(view, block))
    sources, _ = draw_by_race(missing, n_likely, weights, weights, rng)
    assert np.isin(sources, block.sources[:10]).mean() > 0.99


def test_one_seed_one_race():
    view = wide("graph")
    missing = view.missing_of(view.blocks[0])
    weights = np.ones(view.structure.n_neurons)
    drawn = [
        pairs_of(*draw_by_race(missing, 50, weights, weights, np.random.default_rng(seed)))
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]

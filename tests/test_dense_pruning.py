"""Gradual magnitude pruning takes the smallest, along the cubic, to the counts asked for."""

from __future__ import annotations

import numpy as np
import pytest
from views import view_of, wired

from plastic.engine import Network
from plastic.errors import InvalidParameter
from plastic.policies import dense_then_prune, gradual_magnitude
from plastic.topology.wiring import erk, erk_counts, random_dag


def pruned_all_along(policy, density, wire, n_steps=100):
    """Number of connections of each block after each pruning, and the network."""
    network = Network(wire(policy.begin(density)), dtype="float64")
    network.initialize(np.random.default_rng(0))
    rng, counts = np.random.default_rng(0), []
    for step in policy.steps(n_steps):
        network.topology.step = int(step)
        view = view_of(network, n_steps)
        weights = np.abs(view.weights)
        proposal = policy.propose(view, rng)
        (edit,) = proposal.edits
        assert edit.reason == "low magnitude"
        gone = view.structure.positions_of(edit.ids)
        for block in view.blocks:
            pruned = np.isin(block.positions, gone)
            kept = weights[block.positions[~pruned]].min()
            assert weights[block.positions[pruned]].max(initial=0) <= kept
        network.apply(*proposal.edits)
        counts.append([len(block.positions) for block in view_of(network).blocks])
    return np.array(counts), network


def layered(density):
    return erk(20, 5, density, np.random.default_rng(0), hidden=[30, 25])


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_gradual_magnitude_ends_at_the_counts_of_erk(density):
    policy = gradual_magnitude(every=10, until=0.7)
    counts, network = pruned_all_along(policy, density, layered)
    expected = erk_counts(np.array([20, 30, 25]), np.array([30, 25, 5]), density)
    assert counts[-1].tolist() == expected.tolist()
    assert network.topology.n_connections == layered(density).n_connections


def test_gradual_magnitude_follows_the_cubic():
    policy = gradual_magnitude(every=10, until=0.7)
    assert policy.begin(0.1) == 1.0
    steps = policy.steps(100)
    assert steps.tolist() == [10, 20, 30, 40, 50, 60, 70]
    counts, _ = pruned_all_along(policy, 0.1, layered)
    first = np.array([600, 750, 125])
    final = erk_counts(np.array([20, 30, 25]), np.array([30, 25, 5]), 0.1)
    expected = final + (first - final) * (1 - steps[:, None] / 70) ** 3
    np.testing.assert_allclose(counts, expected, atol=0.5)


def test_gradual_magnitude_on_a_graph_keeps_to_the_density_asked_for():
    counts, network = pruned_all_along(
        gradual_magnitude(every=10),
        0.2,
        lambda density: random_dag(8, 3, density, np.random.default_rng(0), n_hidden=15),
    )
    assert counts[-1].sum() == pytest.approx(0.2 * network.topology.n_possible, abs=2)


@pytest.mark.parametrize(
    ("every", "until", "n_steps", "expected"),
    [
        (20, 0.7, 100, [20, 40, 60, 70]),
        (20, 1.0, 60, [20, 40, 59]),
        (50, 0.5, 60, [30]),
        (1, 0.01, 10, [1]),
    ],
)
def test_gradual_magnitude_prunes_every_so_often_and_at_last(every, until, n_steps, expected):
    assert gradual_magnitude(every, until).steps(n_steps).tolist() == expected


def test_gradual_magnitude_may_begin_again_on_another_network():
    policy = gradual_magnitude(every=10)
    pruned_all_along(policy, 0.05, layered)
    counts, _ = pruned_all_along(policy, 0.3, lambda density: wired("layers", 0, density))
    expected = erk_counts(np.array([6, 14, 11]), np.array([14, 11, 3]), 0.3)
    assert counts[-1].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"every": 0}, "every must be a whole"), ({"until": 2.0}, "until must lie in")],
)
def test_gradual_magnitude_is_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        gradual_magnitude(**options)


@pytest.mark.parametrize(("at", "expected"), [(0.5, [50]), (0.01, [1]), (1.0, [99])])
def test_dense_then_prune_prunes_once(at, expected):
    policy = dense_then_prune(at)
    assert policy.begin(0.1) == 1.0
    assert policy.steps(100).tolist() == expected
    counts, _ = pruned_all_along(policy, 0.1, layered)
    final = erk_counts(np.array([20, 30, 25]), np.array([30, 25, 5]), 0.1)
    assert counts.tolist() == [final.tolist()]

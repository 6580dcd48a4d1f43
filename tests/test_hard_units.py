"""Units without a gradient: they predict on both engines, learn on none, and can be made."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.hardening import harden
from plastic.activations import straight_through, threshold
from plastic.engine import SGD, Network
from plastic.errors import InvalidNetwork
from plastic.topology.wiring import dense, random_dag


def network_of(activation, dtype="float64", engine="fast", seed=0):
    rng = np.random.default_rng(seed)
    topology = random_dag(5, 3, 0.5, rng, n_hidden=9, activation=activation)
    return Network(topology, "mse", dtype=dtype, engine=engine).initialize(rng)


@pytest.mark.parametrize("activation", ["threshold", "straight_through"])
@pytest.mark.parametrize("n_samples", [1, 4, 40, 150])
def test_both_engines_compute_the_same(activation, n_samples):
    X = np.random.default_rng(1).normal(size=(n_samples, 5))
    fast = network_of(activation).predict(X)
    assert np.abs(fast - network_of(activation, engine="nodes").predict(X)).max() < 1e-12


def test_a_threshold_is_one_above_zero_alone():
    assert threshold(np.array([-1.0, -0.0, 0.0, 1e-300, 2.0])).tolist() == [0, 0, 0, 1, 1]
    assert np.isnan(threshold(np.nan))


@pytest.mark.parametrize("engine", ["fast", "nodes"])
def test_a_hard_network_does_not_learn(engine):
    network = network_of("threshold", engine=engine)
    X, Y = np.zeros((2, 5)), np.zeros((2, 3))
    rule = "neuron 8 is a hard threshold, which has no gradient"
    for call in (
        lambda: network.learn(X, Y, np.zeros((1, 2), int), SGD(0.1)),
        lambda: network.gradients(X, Y),
        lambda: network.signals(X, Y),
    ):
        with pytest.raises(InvalidNetwork, match=rule):
            call()
    with pytest.raises(InvalidNetwork, match="a hard threshold has no derivative"):
        threshold.derivative(1.0)


def test_straight_through_units_learn_alike_on_both_engines():
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(30, 5)), rng.normal(size=(30, 3))
    rows = rng.integers(0, 30, (40, 10))
    fast, nodes = (network_of("straight_through", engine=e) for e in ("fast", "nodes"))
    one, other = (n.learn(X, Y, rows, SGD(0.02)) for n in (fast, nodes))
    assert np.abs(one - other).max() < 1e-9
    assert one[-1] < one[0]
    assert straight_through.derivative(np.array([0.0, 1.0])).tolist() == [1, 1]


def test_hardening_takes_the_sign_of_every_tanh():
    rng = np.random.default_rng(3)
    topology = dense(
        4, 2, 1.0, rng, hidden=[5, 3], activation="tanh", output_activation="identity"
    )
    network = Network(topology, "mse", dtype="float64").initialize(rng)
    network.biases[:] = rng.normal(size=len(network.biases))
    structure, X = topology.structure, rng.normal(size=(20, 4))
    outputs = np.zeros((structure.n_neurons, 20))
    outputs[structure.inputs] = X.T
    for slot in structure.order:
        row = slice(structure.indptr[slot], structure.indptr[slot + 1])
        if row.start < row.stop:
            total = network.weights[row] @ outputs[structure.sources[row]]
            total += network.biases[slot]
            is_output = slot in structure.outputs
            outputs[slot] = total if is_output else np.where(total > 0, 1.0, -1.0)
    hard = harden(network)
    assert np.abs(hard.predict(X).T - outputs[structure.outputs]).max() < 1e-12
    assert (hard.topology.structure.connection_ids == structure.connection_ids).all()
    assert (hard.topology.structure.neuron_ids == structure.neuron_ids).all()


def test_only_tanh_can_be_hardened():
    with pytest.raises(InvalidNetwork, match=r"neuron \d+ is not tanh, so it has no sign"):
        harden(network_of("relu"))

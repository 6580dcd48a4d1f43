"""Stages hold every computed neuron once, after all that leads into it."""

import numpy as np
import pytest
from networks import EVERY, PAIRS, random_network, random_topology

from plastic.activations import ACTIVATIONS
from plastic.engine import SGD
from plastic.errors import InvalidNetwork
from plastic.interop.stages import check_whole, stages_of
from plastic.selection import Selected, magnitude
from plastic.topology.wiring import dense


def test_every_activation_is_among_those_that_the_neighbours_are_tried_with():
    assert {*EVERY, "softmax"} == set(ACTIVATIONS)
    assert {output for output, _ in PAIRS} >= {*EVERY, "softmax"} - {
        "threshold", "straight_through"
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_values_computed_by_stages_are_those_of_the_network(seed, output):
    network = random_network(seed, "every", output, "mse", engine="nodes")
    structure, X = network.topology.structure, np.random.default_rng(seed).normal(size=(6, 4))
    stages, outputs = stages_of(structure)
    values = X.T
    for stage in stages:
        sums = np.zeros((len(stage.slots), len(X))) + network.biases[stage.slots, None]
        rows = np.repeat(np.arange(len(stage.slots)), np.diff(stage.starts))
        np.add.at(sums, rows, network.weights[stage.positions, None] * values[stage.sources])
        values = np.concatenate([values, stage.activation(sums)])
    np.testing.assert_allclose(values[outputs].T, network.predict(X), atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_every_neuron_and_connection_is_in_one_stage(seed):
    structure = random_topology(seed, "every").structure
    stages, _ = stages_of(structure)
    slots = np.concatenate([stage.slots for stage in stages])
    assert sorted([*slots, *structure.inputs]) == list(range(structure.n_neurons))
    positions = np.concatenate([stage.positions for stage in stages])
    assert sorted(positions) == list(range(structure.n_connections))


def test_layers_are_as_many_stages():
    wired = dense(4, 3, 1.0, np.random.default_rng(0), hidden=[5, 6])
    stages, _ = stages_of(wired.structure)
    assert [len(stage.slots) for stage in stages] == [5, 6, 3]


def test_a_selection_is_committed_first():
    rng = np.random.default_rng(0)
    topology = dense(4, 2, 1.0, rng, hidden=[8])
    network = Selected(topology, selector=magnitude(0.5), n_steps=40, rng=rng).initialize(rng)
    X, Y = rng.normal(size=(9, 4)), np.eye(2)[np.arange(9) % 2]
    rows = rng.integers(0, 9, (network.timetable.n_steps, 3))
    network.learn(X, Y, rows, SGD(0.1))
    with pytest.raises(InvalidNetwork, match=r"4 neurons are not selected, .* commit"):
        check_whole(network)
    network.commit()
    check_whole(network)

"""Random networks and data that the tests of the engines share."""

from __future__ import annotations

import numpy as np

from plastic.activations import ACTIVATIONS, relu
from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.engine import SGD, Adam, Network, Statistics
from plastic.topology import Topology

HIDDEN = ("sigmoid", "tanh", "relu", "identity")
EVERY = (*HIDDEN, "threshold", "straight_through")
"""Every activation that a hidden neuron may have."""
PAIRS = (
    ("sigmoid", "mse"),
    ("tanh", "mse"),
    ("relu", "mse"),
    ("identity", "mse"),
    ("softmax", "mse"),
    ("softmax", "cross_entropy"),
    ("sigmoid", "cross_entropy"),
)
ENGINES = ("fast", "nodes")
OPTIMIZERS = (SGD(0.05, momentum=0.9, weight_decay=1e-3), Adam(0.01, weight_decay=0.01))
WATCHED = Statistics(saliency=True, moments=True, every=2)


def random_topology(seed, hidden="mixed", output="softmax", n_inputs=4, n_hidden=10):
    """A random graph with skip connections, and every oddity that is allowed.

    Input 0 leads nowhere; one hidden neuron has no way in, another no way out; unless softmax
    forbids it, the first output feeds other neurons.  Edits have left gaps in the ids.
    """
    rng = np.random.default_rng(seed)
    names = {"mixed": HIDDEN, "every": EVERY}.get(hidden, [hidden])
    codes = [ACTIVATIONS[name].code for name in rng.choice(names, n_hidden + 1)]
    topology = Topology(n_inputs, 3, output)
    topology.apply(AddNeurons(len(codes), codes, keep_stranded=True))
    outputs, neurons = np.arange(n_inputs, n_inputs + 3), n_inputs + 3 + np.arange(len(codes))
    line = rng.permutation(neurons)
    feeding = "softmax" not in output
    last = outputs[feeding:]
    if feeding:
        line = np.insert(line, n_hidden // 2, outputs[0])
    line = [*range(1, n_inputs), *line, *last]
    no_way_in, no_way_out = neurons[:2]
    pairs = np.array(
        [
            (source, target)
            for place, target in enumerate(line)
            for source in line[:place]
            if target >= n_inputs and target != no_way_in
            and source != no_way_out and source not in last
            and rng.random() < 0.5
        ]
    )  # fmt: skip
    rng.shuffle(pairs)
    half = len(pairs) // 2
    for part in (pairs[:half], pairs[half:]):
        topology.apply(Connect(*part.T))
    gone = rng.choice(topology.structure.connection_ids, 4, replace=False)
    topology.apply(Disconnect(gone, keep_stranded=True))
    topology.apply(PruneNeurons(neurons[2:3], keep_stranded=True))
    return topology


def drawn(network, seed):
    """The network with random weights and biases that keep its signals of order 1."""
    rng = np.random.default_rng(seed)
    structure = network.topology.structure
    fan_in = np.maximum(np.diff(structure.indptr), 1)[structure.targets]
    network.weights[:] = rng.normal(size=structure.n_connections) * np.sqrt(1.5 / fan_in)
    network.biases[:] = rng.normal(size=structure.n_neurons) * 0.4
    network.biases[structure.inputs] = 0
    network.biases[structure.outputs] += 1  # or relu might silence all outputs at once
    return network


def random_network(seed, hidden="mixed", output="softmax", loss="cross_entropy", **options):
    """A random network; of the same seed, the same one in either engine and dtype."""
    topology = random_topology(seed, hidden, output)
    return drawn(Network(topology, loss, **({"dtype": "float64"} | options)), seed)


def random_data(seed, n_samples, n_inputs=4, n_outputs=3):
    """Samples, and targets that are a distribution, which every loss can take."""
    rng = np.random.default_rng(seed)
    Y = rng.uniform(0.05, 1, (n_samples, n_outputs))
    return rng.normal(size=(n_samples, n_inputs)), Y / Y.sum(axis=1, keepdims=True)


def random_rows(seed, n_steps, batch_size, n_samples):
    return np.random.default_rng(seed).integers(0, n_samples, (n_steps, batch_size))


def smooth_data(network, seed, n_samples):
    """Random data for which nothing enters a relu within 1e-4 of its kink."""
    X, Y = random_data(seed, 2 * n_samples + 20)
    structure = network.topology.structure
    outputs = network.signals(X, Y).outputs
    entering = np.repeat(network.biases[:, None].astype(float), len(X), axis=1)
    flowing = network.weights[:, None] * outputs[structure.sources]
    np.add.at(entering, structure.targets, flowing)
    bent = (structure.activations == relu.code) & (structure.kinds != 0)
    clear = np.flatnonzero((np.abs(entering[bent]) > 1e-4).all(axis=0))[:n_samples]
    assert len(clear) == n_samples
    return X[clear], Y[clear]


def columns_by_id(topology):
    """Every column as a dict of values by id, bit for bit."""
    structure = topology.structure
    return {
        (what, name): dict(zip(ids.tolist(), map(bytes, column), strict=True))
        for what, columns, ids in (
            ("neuron", topology.neuron_columns, structure.neuron_ids),
            ("connection", topology.connection_columns, structure.connection_ids),
        )
        for name, column in columns.items()
    }


def assert_same_columns(one, other, tolerance=0.0):
    """All columns of two topologies are equal, but for the Adam age of inputs.

    Inputs have no bias to learn, and the compiled engine does not visit them.
    """
    assert np.array_equal(one.structure.connection_ids, other.structure.connection_ids)
    for mine, theirs in (
        (one.connection_columns, other.connection_columns),
        (one.neuron_columns, other.neuron_columns),
    ):
        assert set(mine) == set(theirs)
        for name, column in mine.items():
            keep = np.ones(len(column), bool)
            if name == "adam_age" and mine is one.neuron_columns:
                keep[one.structure.inputs] = False
            difference = np.abs(column[keep].astype(float) - theirs[name][keep])
            assert difference.max(initial=0) <= tolerance, name

"""Grow neurons into a network that learns, take them back, and look at it with NetworkX.

Three things to see: a neuron grown with outgoing weights at zero changes no prediction; what
was there keeps its weights and momentum; and undo brings everything back, bit for bit.
"""

import networkx as nx
import numpy as np

from plastic import Network
from plastic.datasets import two_moons
from plastic.edits import AddNeurons, Connect
from plastic.engine import SGD
from plastic.topology.wiring import dense

rng = np.random.default_rng(0)
dataset = two_moons(rng)
topology = dense(2, 2, 1.0, rng, hidden=[2])  # too small for the moons
network = Network(topology).initialize(rng)
optimizer = SGD(learning_rate=0.1, momentum=0.9)


def learn(n_steps: int) -> None:
    rows = rng.integers(0, len(dataset.train), (n_steps, 32))
    network.learn(dataset.train.X, dataset.train.y, rows, optimizer)


def test_score() -> float:
    return dataset.score(network.predict(dataset.test.X), dataset.test.y)


def grow(n: int) -> tuple:
    """Add neurons: random weights in, zero weights out, so that nothing changes at first."""
    inputs, outputs = (topology.structure.neuron_ids[s] for s in
                       (topology.structure.inputs, topology.structure.outputs))  # fmt: skip
    new = np.arange(n) + topology.next_neuron_id
    into = Connect(
        np.tile(inputs, n),
        np.repeat(new, len(inputs)),
        columns={"weight": rng.normal(size=n * len(inputs))},
        reason="grown",
    )
    out_of = Connect(np.repeat(new, len(outputs)), np.tile(outputs, n), reason="grown")
    return network.apply(AddNeurons(n, "relu", group=1, reason="grown"), into, out_of)


learn(1000)
small = test_score()
print(f"two hidden neurons:   test accuracy {small:.3f}, {topology}")

before = network.predict(dataset.test.X)
momentum = topology.connection_columns["momentum"].copy()
undo = grow(14)
after = network.predict(dataset.test.X)
print(f"grown by 14 neurons:  largest change of a prediction {np.abs(after - before).max()}")
assert np.array_equal(before, after)

network.apply(*undo)
back = network.predict(dataset.test.X)
assert np.array_equal(before, back)
assert np.array_equal(momentum, topology.connection_columns["momentum"])
print("undone:               predictions and momentum are as before, bit for bit")

grow(14)
learn(1000)
large = test_score()
print(f"grown again, trained: test accuracy {large:.3f}, {topology}")
assert large > small

graph = topology.graph  # live and read-only
births = nx.get_node_attributes(graph, "birth_step")
print(
    f"born at step 1000:    neurons {sorted(n for n, step in births.items() if step == 1000)}"
)
print(f"longest path:         {nx.dag_longest_path_length(graph, weight=None)} connections")

"""A network made of node objects, and node objects made of a network, answer the same."""

from __future__ import annotations

import numpy as np
import pytest
from networks import ENGINES, random_data, random_network

from plastic.engine import SGD, Network
from plastic.errors import InvalidNetwork, InvalidParameter
from plastic.nodes import (
    Neuron,
    OnlyValueNode,
    connect_layer_forward,
    identity,
    sigmoid,
    softmax,
    softmax_layer,
)


def random_nodes(seed, output=identity, biases=True):
    """A random graph of node objects with skip connections, made without a topology."""
    rng = np.random.default_rng(seed)
    values = [OnlyValueNode(0.0) for _ in range(3)]
    kinds = rng.choice(["sigmoid", "tanh", "relu", "identity"], 7)
    hidden = [Neuron(kind, rng.normal() if biases else None, rng) for kind in kinds]
    outputs = [Neuron(output, rng.normal() if biases else None, rng) for _ in range(2)]
    nodes = [*values, *hidden]
    for position, neuron in enumerate(hidden, start=3):
        for source in rng.choice(position, size=rng.integers(1, position), replace=False):
            nodes[source].connect_forward(neuron)
    for neuron in outputs:
        for source in rng.permutation(len(nodes))[:6]:
            nodes[source].connect_forward(neuron)
    for node in values:
        if not node.output_nodes:
            node.connect_forward(outputs[0])
    if output is softmax:
        softmax_layer(outputs)
    elif seed % 2:
        outputs[1].connect_forward(outputs[0])
    return values, outputs


def answers_of(values, outputs, X):
    for node, column in zip(values, X.T, strict=True):
        node.input_value = column
    answers = [np.broadcast_to(neuron.get_output(), len(X)) for neuron in outputs]
    return np.stack(answers, axis=1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("output", [identity, sigmoid, softmax])
def test_round_trip_of_random_nodes(output, biases, engine):
    X, _ = random_data(21, 40, n_inputs=3)
    for seed in range(6):
        values, outputs = random_nodes(seed, output, biases)
        expected = answers_of(values, outputs, X)
        network = Network.from_nodes(outputs, inputs=values, engine=engine)
        assert network.use_biases == biases
        np.testing.assert_allclose(network.predict(X), expected, atol=1e-12)
        back = network.to_nodes()
        np.testing.assert_allclose(answers_of(*back, X), expected, atol=1e-12)
        assert all((neuron.bias is not None) == biases for neuron in back[1])
        again = Network.from_nodes(back[1], inputs=back[0])
        np.testing.assert_allclose(again.predict(X), expected, atol=1e-12)
        assert again.topology.n_connections == network.topology.n_connections


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_to_nodes_answers_as_the_network(output):
    X, _ = random_data(22, 40)
    for seed in range(30, 34):
        network = random_network(seed, output=output)
        values, outputs = network.to_nodes()
        assert len(values) == 4
        np.testing.assert_allclose(
            answers_of(values, outputs, X), network.predict(X), atol=1e-12
        )


def test_to_nodes_is_a_copy():
    network = random_network(23)
    X, _ = random_data(24, 5)
    before = network.predict(X)
    _, outputs = network.to_nodes()
    outputs[0].weights[0] += 1
    outputs[0].bias = 9.0
    assert np.array_equal(network.predict(X), before)


def test_inputs_by_default_are_those_depended_on():
    values, outputs = random_nodes(1)
    network = Network.from_nodes(outputs)
    assert network.topology.n_inputs == 3
    idle = OnlyValueNode(0.0)
    wider = Network.from_nodes(outputs, inputs=[idle, *values])
    X, _ = random_data(25, 4, n_inputs=4)
    np.testing.assert_allclose(
        wider.predict(X), answers_of(values, outputs, X[:, 1:]), atol=1e-12
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_network_of_the_post_trains_the_same(engine):
    values = [OnlyValueNode(0), OnlyValueNode(1)]
    rng = np.random.default_rng(26)
    hidden, (last,) = [Neuron(rng=rng), Neuron(rng=rng)], [Neuron(rng=rng)]
    connect_layer_forward(values, hidden)
    connect_layer_forward(hidden, [last])
    network = Network.from_nodes([last], inputs=values, engine=engine)
    X = np.array([[0.0, 1.0]])
    np.testing.assert_allclose(network.predict(X), last.get_output(), atol=1e-12)
    for _ in range(100):
        last.output_delta_function(1)
        last.backpropagate(1)
    network.learn(X, [[1.0]], np.zeros((100, 1), int), SGD(1.0, momentum=0.0))
    assert last.get_output() > 0.8
    np.testing.assert_allclose(network.predict(X), last.get_output(), atol=1e-12)
    _, (trained_last,) = network.to_nodes()
    np.testing.assert_allclose(trained_last.weights, last.weights, atol=1e-12)


def test_some_biases_are_refused():
    values, outputs = random_nodes(2)
    outputs[0].bias = None
    with pytest.raises(InvalidNetwork, match=r"1 of \d neurons have no bias; give all one"):
        Network.from_nodes(outputs, inputs=values)


def test_a_missing_or_doubled_input_is_refused():
    values, outputs = random_nodes(3)
    with pytest.raises(InvalidNetwork, match="an input that is not among the inputs"):
        Network.from_nodes(outputs, inputs=values[1:])
    with pytest.raises(InvalidNetwork, match="an input is named twice"):
        Network.from_nodes(outputs, inputs=[*values, values[0]])


def test_outputs_that_make_no_network_are_refused():
    values, outputs = random_nodes(4)
    with pytest.raises(InvalidNetwork, match="one or more different neurons"):
        Network.from_nodes([])
    with pytest.raises(InvalidNetwork, match="one or more different neurons"):
        Network.from_nodes([outputs[0], outputs[0]])
    with pytest.raises(InvalidNetwork, match="an output must be a neuron"):
        Network.from_nodes([*outputs, values[0]])


def test_softmax_outputs_are_one_layer():
    value, bias = OnlyValueNode(1.0), 0.0
    neurons = [Neuron(softmax, bias) for _ in range(5)]
    connect_layer_forward([value], neurons)
    softmax_layer(neurons[:2])
    softmax_layer(neurons[2:4])
    plain = Neuron(identity, bias)
    value.connect_forward(plain)
    assert Network.from_nodes(neurons[1::-1]).predict([[1.0]]).sum() == pytest.approx(1)
    for outputs in (neurons[:4], neurons[:1], neurons[4:], [*neurons[:2], plain]):
        with pytest.raises(InvalidNetwork, match="all neurons of one softmax_layer"):
            Network.from_nodes(outputs)


def test_from_nodes_checks_loss_and_options():
    values, outputs = random_nodes(5)
    with pytest.raises(InvalidNetwork, match="cross_entropy needs"):
        Network.from_nodes(outputs, inputs=values, loss="cross_entropy")
    with pytest.raises(InvalidParameter, match="engine must be"):
        Network.from_nodes(outputs, inputs=values, engine="slow")
    single = Network.from_nodes(outputs, inputs=values, dtype="float32")
    assert single.weights.dtype == np.float32

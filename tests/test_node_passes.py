"""Laws of the passes over the nodes: gradients, learning, cost and what they refuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from node_networks import SmallNetwork, snapshot

from plastic.errors import CycleError, InvalidNetwork, InvalidParameter
from plastic.nodes import (
    Neuron,
    OnlyValueNode,
    backpropagate,
    connect_layer_forward,
    feed_forward,
    identity,
    mean_loss,
    propagate_deltas,
    relu,
    set_output_deltas,
    sigmoid,
    softmax,
    softmax_layer,
    structure,
    tanh,
    topological_order,
)

OUTPUTS_AND_LOSSES = [
    (sigmoid, "mse"),
    (tanh, "mse"),
    (relu, "mse"),
    (identity, "mse"),
    (softmax, "mse"),
    (softmax, "cross_entropy"),
    (sigmoid, "cross_entropy"),
]


def random_network(seed, hidden_activation, output_activation, n_samples=None):
    """A random graph with skip connections; without softmax, one output feeds the other."""
    rng = np.random.default_rng(seed)
    values = [OnlyValueNode(rng.normal(size=n_samples)) for _ in range(3)]
    hidden = [Neuron(hidden_activation, bias=rng.uniform(0.1, 0.5), rng=rng) for _ in range(6)]
    outputs = [Neuron(output_activation, bias=0.5, rng=rng) for _ in range(3)]
    nodes = [*values, *hidden]
    for position, neuron in enumerate(hidden, start=len(values)):
        chosen = rng.choice(position, size=rng.integers(1, position), replace=False)
        for source in chosen:
            nodes[source].connect_forward(neuron)
    for output in outputs:
        for source in rng.choice(len(nodes), size=6, replace=False):
            nodes[source].connect_forward(output)
    if output_activation is softmax:
        softmax_layer(outputs)
    else:
        outputs[0].connect_forward(outputs[1])
    return values, hidden + outputs, outputs


def random_targets(seed, output_activation, n_samples=None):
    shape = (3,) if n_samples is None else (3, n_samples)
    targets = np.random.default_rng(seed).uniform(0.1, 0.9, shape)
    return targets / targets.sum(axis=0) if output_activation is softmax else targets


def gradients(neurons, outputs, targets, loss):
    order = topological_order(outputs)
    feed_forward(order)
    set_output_deltas(outputs, targets, loss)
    propagate_deltas(order, outputs)
    members = [neuron for neuron in neurons if neuron in order]
    return np.concatenate(
        [np.append(neuron.weight_gradients(), neuron.bias_gradient()) for neuron in members]
    )


def finite_differences(neurons, outputs, targets, loss, step=1e-5):
    order = topological_order(outputs)

    def loss_at(place, index, value):
        before = place[index]
        place[index] = value
        feed_forward(order)
        place[index] = before
        return mean_loss(outputs, targets, loss)

    slopes = []
    for neuron in (neuron for neuron in neurons if neuron in order):
        places = [(neuron.weights, index) for index in range(len(neuron.weights))]
        for place, index in [*places, (vars(neuron), "bias")]:
            ahead = loss_at(place, index, place[index] + step)
            behind = loss_at(place, index, place[index] - step)
            slopes.append((ahead - behind) / (2 * step))
    return np.array(slopes)


# Gradients


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("hidden_activation", [sigmoid, tanh, relu, identity], ids=repr)
@pytest.mark.parametrize(("output_activation", "loss"), OUTPUTS_AND_LOSSES)
def test_gradients_equal_finite_differences(seed, hidden_activation, output_activation, loss):
    n_samples = 4 if seed else None
    _, neurons, outputs = random_network(seed, hidden_activation, output_activation, n_samples)
    targets = random_targets(seed, output_activation, n_samples)
    ours = gradients(neurons, outputs, targets, loss)
    theirs = finite_differences(neurons, outputs, targets, loss)
    assert np.linalg.norm(theirs) > 1e-3
    assert np.linalg.norm(ours - theirs) < 1e-6 * np.linalg.norm(theirs)


@pytest.mark.parametrize(("output_activation", "loss"), OUTPUTS_AND_LOSSES)
def test_a_batch_has_the_mean_gradient_of_its_samples(output_activation, loss):
    values, neurons, outputs = random_network(3, tanh, output_activation, n_samples=5)
    targets = random_targets(3, output_activation, n_samples=5)
    batch = np.array([value.input_value for value in values])
    whole = gradients(neurons, outputs, targets, loss)
    whole_loss, singles, losses = mean_loss(outputs, targets, loss), [], []
    for sample, target in zip(batch.T, targets.T, strict=True):
        for value, number in zip(values, sample, strict=True):
            value.input_value = number
        singles.append(gradients(neurons, outputs, target, loss))
        losses.append(mean_loss(outputs, target, loss))
    np.testing.assert_allclose(whole, np.mean(singles, axis=0), rtol=1e-10, atol=1e-14)
    assert whole_loss == pytest.approx(np.mean(losses))


def test_backpropagate_moves_weights_and_biases_by_gradients_from_before_any_move():
    _, neurons, outputs = random_network(5, tanh, sigmoid, n_samples=3)
    targets = random_targets(5, sigmoid, n_samples=3)

    def parameters():
        return np.concatenate([[*neuron.weights, neuron.bias] for neuron in neurons])

    neurons = [neuron for neuron in topological_order(outputs) if isinstance(neuron, Neuron)]
    before, slopes = parameters(), gradients(neurons, outputs, targets, "mse")
    backpropagate(outputs, 0.5)
    np.testing.assert_allclose(parameters(), before - 0.5 * slopes, rtol=1e-12, atol=1e-15)


def test_a_given_order_changes_nothing():
    results = []
    for given in (True, False):
        _, neurons, outputs = random_network(8, tanh, softmax, n_samples=3)
        order = topological_order(outputs)
        for _ in range(3):
            feed_forward(order)
            set_output_deltas(outputs, [0.2, 0.3, 0.5], "cross_entropy")
            backpropagate(outputs, 0.5, order if given else None)
        results.append([neuron.weights for neuron in neurons])
    assert results[0] == results[1]


def test_deltas_left_by_another_pass_do_not_leak_in():
    value, hidden, one, other = OnlyValueNode(1), Neuron(identity), Neuron(identity), Neuron()
    value.connect_forward(hidden, 1.0)
    hidden.connect_forward(one, 2.0)
    hidden.connect_forward(other, 5.0)
    other.output_delta_function(0)
    other.backpropagate(0.0)
    leftover = other.delta
    one.output_delta_function(1)
    one.backpropagate(0.0)
    assert hidden.delta == 2.0 * one.delta
    assert other.delta == leftover != 0


def test_an_output_that_feeds_another_has_both_parts_however_often_it_is_sent_back():
    value, first, last = OnlyValueNode(1), Neuron(identity), Neuron(identity)
    value.connect_forward(first, 2.0)
    first.connect_forward(last, 3.0)
    feed_forward(topological_order([last]))
    set_output_deltas([first, last], [1.0, 4.0])
    for _ in range(2):
        backpropagate([first, last], learning_rate=0.0)
        assert (last.delta, first.delta) == (2.0, 1.0 + 3.0 * 2.0)


def test_what_is_in_the_order_but_not_behind_an_output_stays_as_it_is():
    value, one, other = OnlyValueNode(1), Neuron(), Neuron()
    connect_layer_forward([value], [one, other])
    order, weights = topological_order([one, other]), list(other.weights)
    feed_forward(order)
    set_output_deltas([one, other], [0, 0])
    backpropagate([one], 1.0, order)
    assert other.weights == weights


def test_a_number_among_arrays_is_the_same_in_every_sample():
    net = SmallNetwork()
    order = topological_order(net.outputs)
    feed_forward(order)
    mixed = [node.output for node in order]
    net.number.input_value = [2.0, 2.0]
    feed_forward(order)
    np.testing.assert_array_equal(mixed, [node.output for node in order])


def test_softmax_outputs_are_one_distribution_whichever_is_asked():
    first, second = SmallNetwork().outputs
    first.get_output()
    np.testing.assert_allclose(first.output + second.output, [1, 1], rtol=1e-15)
    second.prune()
    assert first.get_output().tolist() == [1, 1]


# Learning


@pytest.mark.parametrize("seed", range(5))
def test_xor_is_learned(seed):
    rng = np.random.default_rng(seed)
    values = [OnlyValueNode([0, 0, 1, 1]), OnlyValueNode([0, 1, 0, 1])]
    hidden = [Neuron(tanh, bias=0.0, rng=rng) for _ in range(8)]
    last = Neuron(bias=0.0, rng=rng)
    connect_layer_forward(values, hidden)
    connect_layer_forward(hidden, [last])
    for _ in range(400):
        last.output_delta_function([0, 1, 1, 0], "cross_entropy")
        last.backpropagate(1.0)
    assert (last.get_output() > 0.5).tolist() == [False, True, True, False]
    assert mean_loss([last], [[0, 1, 1, 0]], "cross_entropy") < 0.05


def test_a_bias_learns_and_no_bias_stays_none():
    learned, without = Neuron(identity, bias=0.0), Neuron(identity)
    for neuron in (learned, without):
        for _ in range(60):
            neuron.output_delta_function(3.0)
            neuron.backpropagate(0.5)
    assert learned.bias == pytest.approx(3.0)
    assert without.bias is None
    assert without.get_output() == 0


# Cost


class Counting(Neuron):
    calls = 0

    def compute_output(self):
        type(self).calls += 1
        return super().compute_output()


def test_a_ladder_is_visited_once_a_rung():
    rng = np.random.default_rng(0)
    layers = [[OnlyValueNode(1), OnlyValueNode(2)]]
    layers += [[Counting(tanh, rng=rng), Counting(tanh, rng=rng)] for _ in range(60)]
    layers += [[Counting(rng=rng)]]
    for lower, upper in pairwise(layers):
        connect_layer_forward(lower, upper)
    Counting.calls = 0
    layers[-1][0].output_delta_function(1)
    layers[-1][0].backpropagate(0.1)
    assert Counting.calls == 121


@pytest.mark.parametrize("built", ["front to back", "back to front", "anyhow"])
def test_a_chain_of_ten_thousand_neurons_passes_both_ways(built):
    rng = np.random.default_rng(0)
    value, neurons = OnlyValueNode(1.0), [Neuron(identity, bias=0.0) for _ in range(10_000)]
    links = list(pairwise([value, *neurons]))
    if built == "back to front":
        links.reverse()
    elif built == "anyhow":
        links = [links[i] for i in rng.permutation(len(links))]
    for source, target in links:
        source.connect_forward(target, 1.0)
    last = neurons[-1]
    assert topological_order([last]) == [value, *neurons]
    assert last.output_delta_function(0.0) == 1.0
    last.backpropagate(0.001)
    assert {neuron.delta for neuron in neurons} == {1.0}
    assert {neuron.bias for neuron in neurons} == {-0.001}
    with pytest.raises(CycleError, match="would close a cycle"):
        last.connect_forward(neurons[0])
    assert len(structure([last]).splitlines()) == 10_001


# Refusals: the message names the rule, and no weight has moved

REFUSED_PASSES = {
    "number of samples, got 2, 3": lambda net: (
        setattr(net.number, "input_value", [1, 2, 3]),
        net.late.get_output(),
    ),
    "holds no direct_delta": lambda net: net.late.backpropagate(),
    "<OnlyV.* holds no direct_delta": lambda net: backpropagate([net.batch]),
    "> holds no output": lambda net: set_output_deltas([net.spare], [1.0]),
    "0 in, 1 out> holds no output": lambda net: (
        net.spare.connect_forward(net.spare_too),
        net.spare_too.weighted_sum(),
    ),
    "holds no delta": lambda net: net.spare.update_weights(),
    r"deltas of different passes, of shapes .*\(2,\)": lambda net: (
        net.spare.get_output(),
        set_output_deltas([net.spare, net.late], [0, 0]),
    ),
    r"deltas of different passes, of shapes .*\(3,\)": lambda net: (
        net.late.output_delta_function(0.0),
        setattr(net.batch, "input_value", [1, 2, 3]),
        net.late.get_output(),
        net.late.backpropagate(),
    ),
    "lacks one of the outputs": lambda net: propagate_deltas(
        topological_order([net.early]), [net.late]
    ),
    "compute it again after an edit": lambda net: feed_forward(
        [topological_order(net.outputs), net.spare.connect_forward(net.early)][0]
    ),
    "is not that of topological_order": lambda net: feed_forward(
        topological_order(net.outputs)[::-1]
    ),
    "of all its neurons at once": lambda net: net.outputs[0].output_delta_function(1.0),
    "sends back the deltas of all": lambda net: (
        set_output_deltas(net.outputs, [0.5, 0.5]),
        net.outputs[0].backpropagate(),
    ),
    r"of shape \(1,\) or \(1, 2\)": lambda net: net.late.output_delta_function([1, 2, 3]),
    "targets must be finite": lambda net: set_output_deltas(net.outputs, [1.0, np.nan]),
    "one or more different neurons": lambda net: mean_loss([net.late, net.late], [1, 1]),
    "different neurons, got .*OnlyV": lambda net: set_output_deltas([net.batch], [1]),
    "got tanh": lambda net: net.early.output_delta_function(1, "cross_entropy"),
    "them, got nan": lambda net: setattr(net.batch, "input_value", np.nan),
    r"them, got \[\[1": lambda net: setattr(net.batch, "input_value", [[1.0]]),
}


@pytest.mark.parametrize("message", REFUSED_PASSES)
def test_a_refused_pass_moves_no_weight(message):
    net = SmallNetwork()
    feed_forward(topological_order(net.outputs))
    weights = [(list(neuron.weights), neuron.bias) for neuron in net.neurons]
    with pytest.raises(InvalidNetwork, match=message):
        REFUSED_PASSES[message](net)
    for neuron, (before, bias) in zip(net.neurons, weights, strict=True):
        # a case may add a connection on the way to its refusal
        assert (neuron.weights[: len(before)], neuron.bias) == (before, bias)


@pytest.mark.parametrize("target", [[1, 2, 3], float("nan"), "one", [[0.5, 0.5]]])
def test_a_refused_target_leaves_even_the_last_pass_alone(target):
    net = SmallNetwork()
    net.late.output_delta_function(0.0)
    net.batch.input_value = [0.25, 0.75]
    before = snapshot(net.nodes)
    with pytest.raises(InvalidNetwork, match="targets must be finite"):
        net.late.output_delta_function(target)
    assert snapshot(net.nodes) == before


@pytest.mark.parametrize("learning_rate", [-0.1, float("nan"), float("inf")])
def test_a_learning_rate_that_cannot_be_is_refused_and_nothing_moves(learning_rate):
    net = SmallNetwork()
    net.late.output_delta_function(0.0)
    before = snapshot(net.nodes)
    with pytest.raises(InvalidParameter, match="learning_rate must lie in"):
        net.late.backpropagate(learning_rate)
    assert snapshot(net.nodes) == before


def test_unknown_activations_and_losses_are_refused():
    with pytest.raises(InvalidParameter, match="activation must be one of"):
        Neuron("step")
    with pytest.raises(InvalidParameter, match="loss must be one of"):
        Neuron().output_delta_function(1, "hinge")

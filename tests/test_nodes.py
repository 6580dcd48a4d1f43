"""Laws of the readable engine."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from plastic.errors import CycleError, InvalidEdit, InvalidNetwork, InvalidParameter
from plastic.nodes import (
    Neuron,
    Node,
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

# The post's text letter for letter, but for the import line.
FEEDFORWARD_SCRIPT = """
from plastic.nodes import *

input_nodes = [OnlyValueNode(0),OnlyValueNode(1)]
# Correct result
output_dataset = [1]

# -----------FeedForward---------------
# Create a layer and connect it with inputs
layer_1 =  [Neuron(),Neuron()]
connect_layer_forward(input_nodes,layer_1)

# Create 2nd layer and connect with the previous one
layer_2 = [Neuron()]
connect_layer_forward(layer_1,layer_2)

# Result of the neuron in the last layer
print(layer_2[0].get_output())
"""

TRAINING_SCRIPT = """
from plastic.nodes import *

input_nodes = [OnlyValueNode(0),OnlyValueNode(1)]
output_dataset = [1]

# -----------FeedForward---------------
# Creamos capa y la conectamos con inputs
layer_1 =  [Neuron(),Neuron()]
connect_layer_forward(input_nodes,layer_1)

# Creamos 2 capa y conectamos con la anterior
layer_2 = [Neuron()]
connect_layer_forward(layer_1,layer_2)

# Resultado

print(f"Prediction: {layer_2[0].get_output()}, Real:{output_dataset[0]}")
last_neuron = layer_2[0]

# ----------Backpropagating------------

for i in range(100):
  delta = last_neuron.output_delta_function(output_dataset[0])
  last_neuron.backpropagate(1)
  if i%10==0:
    print(f"it:{i} Prediction: {last_neuron.get_output()}, \
Real:{output_dataset[0]}, Delta: {last_neuron.delta}, Output: {last_neuron.get_output()}")
"""

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


def snapshot(nodes):
    """Everything that the nodes hold, down to the state of their random generators."""

    def plain(name, held):
        if name == "rng":
            return held and held.bit_generator.state
        if name == "softmax_group":
            return held and list(held.neurons)
        if isinstance(held, list | dict):
            return held.copy()
        return np.asarray(held).tolist()

    return [{name: plain(name, held) for name, held in vars(node).items()} for node in nodes]


class SmallNetwork:
    """Two values, two hidden neurons of which one feeds the other, softmax; two to spare."""

    def __init__(self):
        rng = np.random.default_rng(7)
        self.batch, self.number = OnlyValueNode([0.5, -1.0]), OnlyValueNode(2.0)
        self.early, self.late = Neuron(tanh, bias=0.1, rng=rng), Neuron(rng=rng)
        self.outputs = softmax_layer(
            [Neuron(softmax, bias=bias, rng=rng) for bias in (None, 0)]
        )
        self.spare, self.spare_too = Neuron(rng=rng), Neuron(rng=rng)
        connect_layer_forward([self.batch, self.number], [self.early, self.late])
        self.early.connect_forward(self.late)
        connect_layer_forward([self.early, self.late], self.outputs)
        self.neurons = [self.early, self.late, *self.outputs, self.spare, self.spare_too]
        self.nodes = [self.batch, self.number, *self.neurons]


# The post


def test_the_posts_first_script_runs_as_it_is(capsys):
    exec(FEEDFORWARD_SCRIPT, {})
    assert 0 < float(capsys.readouterr().out) < 1


def test_the_posts_training_script_runs_as_it_is_and_learns(capsys):
    names = {}
    exec(TRAINING_SCRIPT, names)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[1].startswith("it:0 Prediction: 0.")
    first = float(lines[0].split()[1].rstrip(","))
    assert first < names["last_neuron"].get_output() < 1


def test_the_posts_methods_answer_one_by_one():
    value, hidden, last = OnlyValueNode(2), Neuron(identity), Neuron(identity)
    assert value.connect_forward(hidden, 3) is value
    assert last.add_input_node(hidden, 0.5) is last
    assert hidden.output_nodes == [last]
    assert (last.dot_product(), last.get_output()) == (3, 3)
    assert last.get_weight_of_node(hidden) == 0.5
    assert last.get_weight_of_node(value) is None
    assert last.output_delta_function(1) == last.get_delta() == 2
    assert hidden.hidden_delta_function() == 1
    assert (value.hidden_delta_function(), value.backpropagate()) == (None, None)
    last.update_weights(0.1)
    assert last.weights == [pytest.approx(0.5 - 0.1 * 6 * 2)]
    assert hidden.deriv_activation_function(6.0) == 1


def test_print_structure_writes_one_equation_a_node(capsys):
    value, hidden, last = OnlyValueNode([1, 2]), Neuron(relu), Neuron(bias=-1)
    value.connect_forward(hidden, 0.5).connect_forward(last, -2)
    hidden.connect_forward(last, 1)
    last.print_structure(1)
    lines = ["x1 = (2 samples)", "n1 = relu(+0.5*x1)", "n2 = sigmoid(-2*x1 +1*n1 -1)"]
    assert capsys.readouterr().out == "".join(f"\t{line}\n" for line in lines)
    assert structure([Neuron()]) == "n1 = sigmoid(0)"


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


def test_a_subclass_may_replace_the_rules():
    class Frozen(Neuron):
        def update_weights(self, learning_rate=0.1):
            pass

    class Doubled(Neuron):
        def weighted_sum(self):
            return 2 * super().weighted_sum()

    value, frozen, doubled = OnlyValueNode(1.0), Frozen(identity), Doubled(identity)
    value.connect_forward(frozen, 1.0)
    frozen.connect_forward(doubled, 1.0)
    assert doubled.get_output() == 2.0
    doubled.output_delta_function(0.0)
    doubled.backpropagate(0.25)
    assert (frozen.weights, doubled.weights) == ([1.0], [0.5])


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


@pytest.mark.parametrize("first", [0, 1, 2])
def test_wide_layers_may_be_joined_in_any_order(first):
    rng = np.random.default_rng(0)
    layers = [[OnlyValueNode(1.0) for _ in range(200)]]
    layers += [[Neuron(rng=rng) for _ in range(200)] for _ in range(3)]
    for i in (first, *{0, 1, 2}.difference({first})):
        connect_layer_forward(layers[i], layers[i + 1])
    assert len(topological_order(layers[-1])) == 800


def test_a_neuron_may_have_ten_thousand_inputs():
    values, neuron = [OnlyValueNode(1.0) for _ in range(10_000)], Neuron(identity)
    for value in values:
        value.connect_forward(neuron, 0.5)
    assert neuron.get_output() == 5000
    assert neuron.get_weight_of_node(values[9_999]) == 0.5
    neuron.output_delta_function(4990)
    neuron.backpropagate(0.01)
    assert set(neuron.weights) == {0.4}
    assert neuron.prune().get_output() == 0


# Edits


def test_a_new_connection_keeps_the_weights_and_draws_only_its_own():
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    neuron = Neuron(rng=rng)
    drawn = []
    for _ in range(5):
        OnlyValueNode(1).connect_forward(neuron)
        drawn.append(twin.standard_normal())
        assert neuron.weights == drawn
    OnlyValueNode(1).connect_forward(neuron, 0.25)
    assert neuron.weights == [*drawn, 0.25]
    assert rng.bit_generator.state == twin.bit_generator.state


def test_the_global_random_state_is_left_alone():
    program = """
import numpy as np
from plastic.nodes import *
np.random.seed(1)
before = np.random.get_state()[1:3]
connect_layer_forward([OnlyValueNode(0)], [Neuron(), Neuron()])
after = np.random.get_state()[1:3]
assert before[0].tolist() == after[0].tolist() and before[1] == after[1]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_disconnecting_removes_one_connection_and_keeps_the_others():
    values, neuron = [OnlyValueNode(i) for i in range(4)], Neuron(identity)
    for weight, value in enumerate(values):
        value.connect_forward(neuron, weight)
    assert values[1].disconnect_forward(neuron) is values[1]
    assert neuron.input_nodes == [values[0], values[2], values[3]]
    assert neuron.weights == [0, 2, 3]
    assert [neuron.get_weight_of_node(value) for value in values] == [0, None, 2, 3]
    assert values[1].output_nodes == []
    assert neuron.get_output() == 13
    values[1].connect_forward(neuron, 7)
    assert [neuron.get_weight_of_node(value) for value in values] == [0, 7, 2, 3]


def test_pruning_removes_every_connection_both_ways():
    net = SmallNetwork()
    assert net.early.prune() is net.early
    assert (net.early.input_nodes, net.early.output_nodes, net.early.weights) == ([], [], [])
    assert net.late.input_nodes == [net.batch, net.number]
    assert [output.input_nodes for output in net.outputs] == [[net.late], [net.late]]
    assert net.batch.output_nodes == net.number.output_nodes == [net.late]
    assert net.early not in topological_order(net.outputs)
    net.batch.prune()
    assert net.late.input_nodes == [net.number]
    net.late.connect_forward(net.early).connect_forward(net.spare)  # the other way round now
    assert topological_order([net.early]) == [net.number, net.late, net.early]


def reaches(source, target):
    return source is target or any(reaches(node, target) for node in source.output_nodes)


@pytest.mark.parametrize("seed", range(10))
def test_any_sequence_of_edits_is_refused_exactly_where_it_must_be(seed):
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [OnlyValueNode(1.0), *(Neuron(tanh) for _ in range(9))]
    expected: dict[tuple[Node, Node], float] = {}
    refusals = 0
    for _ in range(250):
        source, target = (nodes[i] for i in rng.integers(0, len(nodes), 2))
        kind = rng.choice(["connect", "disconnect", "prune"], p=[0.8, 0.17, 0.03])
        known = (source, target) in expected
        if kind == "connect":
            wrong = known or target is nodes[0] or reaches(target, source)
            attempt, wanted = source.connect_forward, {**expected, (source, target): 0.5}
        else:
            wrong = not known
            attempt = source.disconnect_forward
            wanted = {ends: 0.5 for ends in expected if ends != (source, target)}
        if kind == "prune":
            source.prune()
            expected = {ends: 0.5 for ends in expected if source not in ends}
        elif wrong:
            before, refusals = snapshot(nodes), refusals + 1
            with pytest.raises(InvalidEdit):
                attempt(target, 0.5) if kind == "connect" else attempt(target)
            assert snapshot(nodes) == before
        else:
            attempt(target, 0.5) if kind == "connect" else attempt(target)
            expected = wanted
        held = {
            (node, neuron): neuron.get_weight_of_node(node)
            for neuron in nodes[1:]
            for node in neuron.input_nodes
        }
        assert held == expected
        order = topological_order(nodes)
        assert sorted(map(id, order)) == sorted(map(id, nodes))
        assert all(order.index(u) < order.index(v) for u, v in expected)
    assert 20 < refusals < 230


# Refusals: the message names the rule, and nothing has changed

REFUSED_EDITS = {
    "to <Neuron tanh, .*> would close a cycle": lambda net: net.late.connect_forward(net.early),
    "cannot be connected to itself": lambda net: net.early.connect_forward(net.early),
    "already connected": lambda net: net.batch.connect_forward(net.early),
    "takes no inputs": lambda net: net.early.connect_forward(net.batch),
    "3 is no neuron": lambda net: net.early.connect_forward(3),
    "starts from a node, got 3": lambda net: net.early.add_input_node(3),
    "weight must .*, got nan": lambda net: net.batch.connect_forward(net.outputs[0], np.nan),
    "weight must .*, got 'one'": lambda net: net.batch.connect_forward(net.outputs[0], "one"),
    "output and cannot feed": lambda net: net.outputs[0].connect_forward(net.early),
    "is not connected to": lambda net: net.batch.disconnect_forward(net.outputs[0]),
    "is not connected to <OnlyV": lambda net: net.early.disconnect_forward(net.batch),
    "takes 3 weights, got 1": lambda net: setattr(net.late, "weights", [1.0]),
    "number, got inf": lambda net: setattr(net.late, "weights", [1, 2, float("inf")]),
    "already belongs to a softmax layer": lambda net: softmax_layer([net.outputs[0]]),
    r"joins Neuron\(softmax\) only": lambda net: softmax_layer([net.early]),
    "to the layer would close a cycle": lambda net: connect_layer_forward(
        [net.spare, net.late], [net.spare_too, net.early]
    ),
    "each node once": lambda net: connect_layer_forward([net.number] * 2, [net.spare]),
    "<OnlyValueNode .* already connected": lambda net: connect_layer_forward(
        [net.batch, net.number], [net.spare, net.early]
    ),
    "0 out> cannot be connected to itself": lambda net: connect_layer_forward(
        [net.spare], [net.spare_too, net.spare]
    ),
}


@pytest.mark.parametrize("message", REFUSED_EDITS)
def test_a_refused_edit_changes_nothing(message):
    net = SmallNetwork()
    feed_forward(topological_order(net.outputs))
    before = snapshot(net.nodes)
    closes = "cycle" in message or "itself" in message
    with pytest.raises(CycleError if closes else InvalidEdit, match=message):
        REFUSED_EDITS[message](net)
    assert snapshot(net.nodes) == before


REFUSED_PASSES = {
    "number of samples, got 2, 3": lambda net: (
        setattr(net.number, "input_value", [1, 2, 3]),
        net.late.get_output(),
    ),
    "holds no direct_delta": lambda net: net.late.backpropagate(),
    "<OnlyV.* holds no direct_delta": lambda net: backpropagate([net.batch]),
    "> holds no output": lambda net: set_output_deltas([net.spare], [1.0]),
    "an input of .* holds no output": lambda net: (
        net.spare.connect_forward(net.spare_too),
        net.spare_too.weighted_sum(),
    ),
    "holds no delta": lambda net: net.spare.update_weights(),
    "outputs of different passes": lambda net: (
        net.spare.get_output(),
        set_output_deltas([net.spare, net.late], [0, 0]),
    ),
    "outputs and deltas of different passes": lambda net: (
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
    "sends its deltas back as a whole": lambda net: (
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


def test_what_cannot_be_made_is_refused():
    with pytest.raises(InvalidEdit, match="bias must be a finite number, got inf"):
        Neuron(bias=float("inf"))
    with pytest.raises(InvalidEdit, match="one or more different neurons"):
        softmax_layer([])
    with pytest.raises(InvalidEdit, match="one or more different neurons"):
        softmax_layer([Neuron(softmax)] * 2)
    with pytest.raises(InvalidNetwork, match="join it with softmax_layer"):
        Neuron(softmax).get_output()
    with pytest.raises(InvalidNetwork, match="one or more different neurons"):
        set_output_deltas([], [])
    for nothing in ([], "one", [1.0, None], np.inf):
        with pytest.raises(InvalidNetwork, match="flat array of them, got"):
            OnlyValueNode(nothing)


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

"""Laws of the nodes: the post's vocabulary, connections, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from node_networks import SmallNetwork, snapshot

from plastic.errors import CycleError, InvalidEdit, InvalidNetwork
from plastic.nodes import (
    Neuron,
    Node,
    OnlyValueNode,
    connect_layer_forward,
    feed_forward,
    identity,
    relu,
    set_output_deltas,
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


# Rules and size


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
    "a node, got <class": lambda net: net.early.add_input_node(OnlyValueNode),
    "is no neuron .* got <Neuron tanh": lambda net: net.early.connect_forward(Neuron),
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

"""The passes over the nodes of `plastic.nodes`: forward, backward, and over their weights.

A pass takes the nodes in the order of `topological_order`, or the other way round, and leaves
a number or an array on each.  All that can be refused is refused before the first is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.activations import softmax
from plastic.errors import InvalidEdit, InvalidNetwork, check_range
from plastic.losses import check_pair, loss_value, output_delta
from plastic.node_order import check_order, is_neuron, softmax_groups, topological_order
from plastic.node_values import Values, common_shape, floats, held, summary

if TYPE_CHECKING:
    from plastic.nodes import Neuron, Node


class SoftmaxGroup:
    """Output neurons whose outputs are one softmax; made by `softmax_layer`."""

    def __init__(self, neurons: Sequence[Neuron]) -> None:
        self.neurons = list(neurons)

    def normalise(self) -> None:
        """Turn the weighted sums that the neurons hold into outputs that add up to 1."""
        sums = np.array([neuron.output for neuron in self.neurons])
        for neuron, output in zip(self.neurons, softmax(sums), strict=True):
            neuron.output = output


def softmax_layer(neurons: Iterable[Neuron]) -> list[Neuron]:
    """Join output neurons into one softmax.

    Parameters
    ----------
    neurons : iterable of Neuron
        Made with ``softmax``.  They feed no other neuron, before or after.

    Returns
    -------
    list of Neuron
        The same neurons.

    Raises
    ------
    InvalidEdit
        If there are none, one is named twice, has another activation or is already joined.

    Examples
    --------
    >>> from plastic.nodes import Neuron
    >>> layer = softmax_layer(Neuron(softmax, bias=bias) for bias in (0.0, 0.0))
    >>> [float(neuron.get_output()) for neuron in layer]
    [0.5, 0.5]
    """
    neurons = list(neurons)
    if not neurons or len(set(neurons)) < len(neurons):
        raise InvalidEdit(f"a softmax layer takes one or more different neurons, got {neurons}")
    for neuron in neurons:
        if neuron.activation_function is not softmax:
            raise InvalidEdit(f"a softmax layer joins Neuron(softmax) only, got {neuron!r}")
        if neuron.softmax_group:
            raise InvalidEdit(f"{neuron!r} already belongs to a softmax layer")
    group = SoftmaxGroup(neurons)
    for neuron in neurons:
        neuron.softmax_group = group
    return neurons


def feed_forward(order: Sequence[Node]) -> None:
    """Forward pass: leave an output on every node.

    Parameters
    ----------
    order : sequence of Node
        From `topological_order`; it stays good until the next edit.

    Raises
    ------
    InvalidNetwork
        If `order` is no longer good, the values disagree about the number of samples, or a
        softmax neuron belongs to no layer.
    """
    check_order(order)
    shape = sample_shape(order)
    for node in order:
        output = node.compute_output()
        # a number among arrays is the same number in every sample
        node.output = output if np.shape(output) == shape else np.full(shape, output)
    for group in softmax_groups(order):
        group.normalise()


def mean_loss(outputs: Sequence[Neuron], targets: ArrayLike, loss: str = "mse") -> float:
    """Loss of the outputs that the last forward pass left, averaged over the samples.

    Parameters and errors are those of `set_output_deltas`.

    Examples
    --------
    >>> from plastic.nodes import Neuron, identity
    >>> neuron = Neuron(identity, bias=3.0)
    >>> _ = neuron.get_output()
    >>> mean_loss([neuron], [1.0])
    2.0
    """
    rows = checked_targets(outputs, targets, loss)
    return sum(
        loss_value(loss, neuron.activation_function, neuron.output, row)
        for neuron, row in zip(outputs, rows, strict=True)
    )


def set_output_deltas(outputs: Sequence[Neuron], targets: ArrayLike, loss: str = "mse") -> None:
    """Give output neurons their deltas, from the outputs that the last forward pass left.

    Parameters
    ----------
    outputs : sequence of Neuron
        With a softmax neuron, its whole layer.
    targets : array-like, shape (n_outputs,) or (n_outputs, n_samples)
        A number stands for the same target in every sample.
    loss : str
        One of `plastic.losses.LOSSES`.

    Raises
    ------
    InvalidNetwork
        If there is no forward pass to start from, the targets do not fit, the loss does not
        go with an activation, or part of a softmax layer is missing.
    """
    rows = checked_targets(outputs, targets, loss)
    row_of = dict(zip(outputs, rows, strict=True))
    for neuron, row in row_of.items():
        if not neuron.softmax_group:
            delta = output_delta(loss, neuron.activation_function, neuron.output, row)
            neuron.delta = neuron.direct_delta = delta
    for group in softmax_groups(outputs):  # the one activation that couples its neurons
        said = np.array([neuron.output for neuron in group.neurons])
        wanted = np.array([row_of[neuron] for neuron in group.neurons])
        deltas = output_delta(loss, softmax, said, wanted)
        for neuron, delta in zip(group.neurons, deltas, strict=True):
            neuron.delta = neuron.direct_delta = delta


def propagate_deltas(order: Sequence[Node], outputs: Sequence[Neuron]) -> None:
    """Backward pass: leave a delta on every neuron, and move no weight.

    Only what is in `order` sends deltas back, so none left by another pass gets in.  An
    output that feeds other neurons has both parts.

    Parameters
    ----------
    order : sequence of Node
        From `topological_order(outputs)`.
    outputs : sequence of Neuron
        Those with a delta from `set_output_deltas` or `Neuron.output_delta_function`.

    Raises
    ------
    InvalidNetwork
        If an output has no delta, a node no output of the pass, or `order` is not good.
    """
    members, direct = check_order(order), set(outputs)
    if not direct <= members:
        raise InvalidNetwork(f"order of {len(order)} nodes lacks one of the outputs {outputs}")
    _check_layers_are_whole(outputs, order)
    direct_deltas = [held(neuron, "direct_delta") for neuron in outputs]
    common_shape([*direct_deltas, *(held(node, "output") for node in order)])
    for node in reversed(order):
        if is_neuron(node):
            node.hidden_delta_function([n for n in node.output_nodes if n in members])
            if node in direct:
                node.delta = node.delta + node.direct_delta


def backpropagate(
    outputs: Sequence[Neuron], learning_rate: float = 0.1, order: Sequence[Node] | None = None
) -> None:
    """Send the outputs' deltas back over all that they depend on, then move every weight.

    Parameters
    ----------
    outputs : sequence of Neuron
        Those with a delta from `set_output_deltas` or `Neuron.output_delta_function`.
    learning_rate : float
        At least 0; the same for every neuron.
    order : sequence of Node, optional
        From `topological_order(outputs)`, if it is at hand.

    Raises
    ------
    InvalidParameter
        If the learning rate is negative or not finite.
    InvalidNetwork
        As `propagate_deltas`.

    Examples
    --------
    >>> from plastic.nodes import Neuron, OnlyValueNode, identity
    >>> value, neuron = OnlyValueNode(2.0), Neuron(identity)
    >>> _ = value.connect_forward(neuron, weight=0.0)
    >>> _ = neuron.output_delta_function(1.0)
    >>> backpropagate([neuron], learning_rate=0.25)
    >>> neuron.weights
    [0.5]
    """
    check_range("learning_rate", learning_rate, 0.0, open_high=True)
    order = topological_order(outputs) if order is None else order
    propagate_deltas(order, outputs)
    for node in order:
        if is_neuron(node):
            node.update_weights(learning_rate)


def structure(outputs: Iterable[Node]) -> str:
    """All that these nodes depend on, written as one equation a line.

    Examples
    --------
    >>> from plastic.nodes import Neuron, OnlyValueNode
    >>> value, hidden, last = OnlyValueNode(1), Neuron("relu"), Neuron(bias=0.25)
    >>> _ = value.connect_forward(hidden, 2.0), hidden.connect_forward(last, -1.0)
    >>> print(structure([last]))
    x1 = 1
    n1 = relu(+2*x1)
    n2 = sigmoid(-1*n1 +0.25)
    """
    order = topological_order(outputs)
    n_values = sum(not is_neuron(node) for node in order)  # they come first
    names = {
        node: f"x{i + 1}" if i < n_values else f"n{i + 1 - n_values}"
        for i, node in enumerate(order)
    }
    return "\n".join(f"{names[node]} = {_right_hand_side(node, names)}" for node in order)


def _right_hand_side(node: Node, names: dict[Node, str]) -> str:
    if not is_neuron(node):
        return summary(node.compute_output())
    terms = [
        f"{weight:+.3g}*{names[source]}"
        for source, weight in zip(node.input_nodes, node.weights, strict=True)
    ]
    terms += [] if node.bias is None else [f"{node.bias:+.3g}"]
    return f"{node.activation_function!r}({' '.join(terms) or '0'})"


def sample_shape(order: Iterable[Node]) -> tuple[int, ...]:
    """Shape of every output of a forward pass; raises InvalidNetwork if the values disagree."""
    shapes = dict.fromkeys(np.shape(getattr(node, "input_value", 0.0)) for node in order)
    shapes.pop((), None)
    if len(shapes) > 1:
        lengths = ", ".join(str(length) for (length,) in shapes)
        raise InvalidNetwork(f"values must agree about the number of samples, got {lengths}")
    return next(iter(shapes), ())


def checked_targets(
    outputs: Sequence[Neuron],
    targets: Values,
    loss: str,
    shape: tuple[int, ...] | None = None,
) -> NDArray[np.float64]:
    """The targets, one row an output; each row has the shape of an output.

    Parameters
    ----------
    outputs, targets, loss
        As in `set_output_deltas`.
    shape : tuple of int, optional
        What the outputs will have; left out, that of those that they hold.

    Raises
    ------
    InvalidNetwork
        As `set_output_deltas`.
    """
    if not outputs or len(set(outputs)) < len(outputs) or not all(map(is_neuron, outputs)):
        raise InvalidNetwork(f"outputs must be one or more different neurons, got {outputs}")
    if shape is None:
        shape = common_shape([held(neuron, "output") for neuron in outputs])
    rows, full = floats(targets), (len(outputs), *shape)
    if rows.shape not in (full, full[:1]) or not np.all(np.isfinite(rows)):
        raise InvalidNetwork(
            f"targets must be finite numbers of shape {full[:1]} or {full}, got {targets!r}"
        )
    for neuron in outputs:
        check_pair(loss, neuron.activation_function)
    _check_layers_are_whole(outputs, outputs)
    return np.broadcast_to(rows if rows.shape == full else rows[:, None], full)


def _check_layers_are_whole(outputs: Sequence[Neuron], nodes: Iterable[Node]) -> None:
    for group in softmax_groups(nodes):
        if not set(outputs).issuperset(group.neurons):
            raise InvalidNetwork(
                f"a softmax layer of {len(group.neurons)} takes the targets and sends back the "
                f"deltas of all its neurons at once, got outputs {list(outputs)}"
            )

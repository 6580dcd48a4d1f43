r"""The readable engine: a network is nodes that know their inputs and their outputs.

The vocabulary is that of the post "Cómo hacer una Red Neuronal desde Cero usando Python", and
its scripts run here as they are.  This engine runs any experiment at its own pace, and it is
what the compiled engine is checked against.

A *pass* visits every node once, in topological order and without recursion:

.. math::

    x_v = b_v + \sum_u w_{uv} y_u, \quad y_v = f(x_v), \quad
    \delta_v = f'(x_v) \sum_t w_{vt} \delta_t, \quad
    w_{uv} \leftarrow w_{uv} - \eta \, \overline{y_u \delta_v}

What a node holds is a number, or an array with one entry a sample; weights move by the mean
over the samples.  All deltas are there before the first weight moves.

Examples
--------
>>> values, hidden, last = [OnlyValueNode(0), OnlyValueNode(1)], [Neuron(), Neuron()], Neuron()
>>> connect_layer_forward(values, hidden)
>>> connect_layer_forward(hidden, [last])
>>> for _ in range(1000):
...     delta = last.output_delta_function(1)
...     last.backpropagate(1)
>>> bool(last.get_output() > 0.95)
True
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.activations import (
    Activation,
    get_activation,
    identity,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from plastic.errors import InvalidEdit, InvalidNetwork
from plastic.node_order import check_ends, connect_layer_forward, ranks_for, topological_order
from plastic.node_passes import (
    SoftmaxGroup,
    backpropagate,
    checked_targets,
    feed_forward,
    mean_loss,
    propagate_deltas,
    sample_shape,
    set_output_deltas,
    softmax_layer,
    structure,
)
from plastic.node_values import Values, finite, floats, held, summary

__all__ = [
    "Neuron",
    "Node",
    "OnlyValueNode",
    "SoftmaxGroup",
    "backpropagate",
    "connect_layer_forward",
    "feed_forward",
    "identity",
    "mean_loss",
    "propagate_deltas",
    "relu",
    "set_output_deltas",
    "sigmoid",
    "softmax",
    "softmax_layer",
    "structure",
    "tanh",
    "topological_order",
]


class Node(ABC):
    """What values and neurons have in common: an output, and connections that lead on.

    Attributes
    ----------
    input_nodes, output_nodes : sequence of Node
        Where its connections come from and lead to.
    rank : float
        Grows along every connection.  All three are to be read, not written.
    output : float or float array of shape (n_samples,)
        What the last forward pass left here; None before the first.
    """

    input_nodes: Sequence[Node] = ()
    softmax_group: SoftmaxGroup | None = None
    rank: float = float("-inf")

    def __init__(self) -> None:
        self.output_nodes: list[Neuron] = []
        self.output: Values = None

    @abstractmethod
    def compute_output(self) -> Values:
        """The output that follows from the outputs that the input nodes hold."""

    @abstractmethod
    def backpropagate(self, learning_rate: float = 0.1) -> None:
        """Correct the weights that this node's output depends on."""

    def get_output(self) -> Values:
        """The output after a forward pass over all that this node depends on."""
        feed_forward(topological_order([self]))
        return self.output

    def connect_forward(self, output_node: Neuron, weight: float | None = None) -> Node:
        """Connect this node to `output_node`, whose other weights stay as they are.

        Parameters
        ----------
        output_node : Neuron
            Where the connection leads.
        weight : float, optional
            Drawn from a standard normal distribution by `output_node` if left out.

        Returns
        -------
        Node
            This node.

        Raises
        ------
        CycleError
            If this node depends on `output_node`.
        InvalidEdit
            If the two are connected or the same, `output_node` takes no inputs, this is a
            softmax neuron, or the weight is not finite.

        Examples
        --------
        >>> value, neuron = OnlyValueNode(2.0), Neuron(identity)
        >>> _ = value.connect_forward(neuron, weight=0.5)
        >>> float(neuron.get_output())
        1.0
        """
        _connect(self, output_node, weight)
        return self

    def disconnect_forward(self, output_node: Neuron) -> Node:
        """Remove the connection from this node to `output_node`; returns this node.

        Raises
        ------
        InvalidEdit
            If there is none.
        """
        if not isinstance(output_node, Neuron) or self not in output_node._position:
            raise InvalidEdit(f"{self!r} is not connected to {output_node!r}")
        output_node._forget_input(self)
        self.output_nodes.remove(output_node)
        return self

    def prune(self) -> Node:
        """Remove every connection of this node; returns this node."""
        for target in self.output_nodes:
            target._forget_input(self)
        self.output_nodes.clear()
        return self

    def print_structure(self, iteration: int = 0) -> None:
        """Print `structure`, indented by `iteration` tabs."""
        for line in structure([self]).splitlines():
            sys.stdout.write("\t" * iteration + line + "\n")


class OnlyValueNode(Node):
    """A node that brings a value into the network.

    Parameters
    ----------
    input_value : float or array-like of shape (n_samples,)
        May be set again at any time; a number stands for the same value in every sample.

    Raises
    ------
    InvalidNetwork
        If it is neither a finite number nor a flat array of them.

    Examples
    --------
    >>> OnlyValueNode([0.0, 1.0]).get_output()
    array([0., 1.])
    """

    def __init__(self, input_value: ArrayLike) -> None:
        super().__init__()
        self.input_value = input_value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {summary(self.input_value)}>"

    @property
    def input_value(self) -> Values:
        """What this node brings into the network."""
        return self._input_value

    @input_value.setter
    def input_value(self, value: ArrayLike) -> None:
        array = floats(value)
        if array.ndim > 1 or array.size == 0 or not np.all(np.isfinite(array)):
            raise InvalidNetwork(
                f"a value must be a finite number or a flat array of them, got {value!r}"
            )
        self._input_value = array if array.ndim else float(array)

    def compute_output(self) -> Values:
        """The value itself."""
        return self.input_value

    def hidden_delta_function(self) -> None:
        """Nothing: no delta goes further back than here."""

    def backpropagate(self, learning_rate: float = 0.1) -> None:
        """Nothing: a value depends on no weight."""


class Neuron(Node):
    """A neuron: the activation of a weighted sum.

    Its rules are small methods that a subclass may replace: `weighted_sum`, `compute_output`,
    `hidden_delta_function`, `weight_gradients`, `bias_gradient` and `update_weights`.

    Parameters
    ----------
    activation_function : Activation or str
        ``sigmoid``, ``tanh``, ``relu``, ``identity``, or ``softmax`` (see `softmax_layer`).
    bias : float, optional
        Where the learned bias starts; no bias if left out, as in the post.
    rng : numpy.random.Generator, optional
        Draws the weights of new connections; one of its own if left out.

    Attributes
    ----------
    weights : list of float, aligned with `input_nodes`
        Items may be set; a whole new sequence is checked for its length.
    delta : float or float array of shape (n_samples,)
        Derivative of each sample's loss with respect to `weighted_sum`, as the last backward
        pass left it; None before the first.
    direct_delta : float or float array of shape (n_samples,)
        The part of it that `set_output_deltas` left here, for output neurons.

    Examples
    --------
    >>> neuron = Neuron(tanh, bias=0.5, rng=np.random.default_rng(1))
    >>> _ = OnlyValueNode(1.0).connect_forward(neuron)
    >>> neuron.print_structure()
    x1 = 1
    n1 = tanh(+0.346*x1 +0.5)
    """

    def __init__(
        self,
        activation_function: Activation | str = sigmoid,
        bias: float | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.activation_function = get_activation(activation_function)
        self.bias = None if bias is None else finite("bias", bias)
        self.rng = rng
        self.input_nodes: list[Node] = []
        self.delta: Values = None
        self.direct_delta: Values = None
        self._weights: list[float] = []
        self._position: dict[Node, int] = {}  # of each input node in `input_nodes`
        self.rank = 0.0

    def __repr__(self) -> str:
        kind = f"{type(self).__name__} {self.activation_function!r}"
        return f"<{kind}, {len(self.input_nodes)} in, {len(self.output_nodes)} out>"

    @property
    def weights(self) -> list[float]:
        """One weight an input node, in the same order."""
        return self._weights

    @weights.setter
    def weights(self, weights: Iterable[float]) -> None:
        weights, n_inputs = [finite("weight", weight) for weight in weights], len(self._weights)
        if len(weights) != n_inputs:
            raise InvalidEdit(f"{self!r} takes {n_inputs} weights, got {len(weights)}")
        self._weights = weights

    @property
    def deriv_activation_function(self) -> Any:
        """The derivative of the activation, written in its output."""
        return self.activation_function.derivative

    def weighted_sum(self) -> Values:
        """Bias and weighted outputs, as the input nodes hold them, added up."""
        inputs = zip(self._weights, self.input_nodes, strict=True)
        # one after the other, so that a last connection of weight zero changes not one bit
        total = sum((weight * held(node, "output") for weight, node in inputs), start=0.0)
        return total if self.bias is None else total + self.bias

    def dot_product(self) -> Values:
        """`weighted_sum` after a forward pass over the input nodes."""
        feed_forward(topological_order(self.input_nodes))
        return self.weighted_sum()

    def compute_output(self) -> Values:
        """The activation of `weighted_sum`; for softmax the sum, which its group finishes."""
        total = self.weighted_sum()
        return total if self.softmax_group else self.activation_function(total)

    def add_input_node(self, node: Node, weight: float | None = None) -> Node:
        """Connect `node` to this neuron: see `Node.connect_forward`; returns this neuron."""
        _connect(node, self, weight)
        return self

    def prune(self) -> Node:
        """Remove every connection of this neuron, which leaves its softmax layer, too."""
        super().prune()
        for source in self.input_nodes:
            source.output_nodes.remove(self)
        for of_inputs in (self.input_nodes, self._weights, self._position):
            of_inputs.clear()
        if self.softmax_group:
            self.softmax_group.neurons.remove(self)
            self.softmax_group = None
        return self

    def get_weight_of_node(self, node: Node) -> float | None:
        """The weight of the connection from `node`; None if there is no such connection."""
        position = self._position.get(node)
        return None if position is None else self._weights[position]

    def get_delta(self) -> Values:
        """The delta that the last backward pass left here."""
        return self.delta

    def output_delta_function(self, value: Values, loss: str = "mse") -> Values:
        """Renew the forward pass, then set and return this output neuron's delta.

        Parameters
        ----------
        value : float or array-like of shape (n_samples,)
            What the output should have been.
        loss : str
            One of `plastic.losses.LOSSES`.

        Raises
        ------
        InvalidNetwork
            As `set_output_deltas`; a softmax neuron needs the targets of its whole layer.
        """
        order = topological_order([self])
        checked_targets([self], [value], loss, sample_shape(order))
        feed_forward(order)
        set_output_deltas([self], [value], loss)
        return self.delta

    def hidden_delta_function(self, output_nodes: Sequence[Neuron] | None = None) -> Values:
        """Set the delta to what these output nodes (all, if left out) send back.

        Raises
        ------
        InvalidNetwork
            If one of them has no delta yet, or this neuron no output.
        """
        followers = self.output_nodes if output_nodes is None else output_nodes
        deltas = [held(node, "delta") for node in followers]
        weights: list[Any] = [node.get_weight_of_node(self) for node in followers]
        slope = self.deriv_activation_function(held(self, "output"))
        self.delta = np.dot(weights, deltas) * slope
        return self.delta

    def weight_gradients(self) -> NDArray[np.float64]:
        """Loss gradient of each weight, averaged over the samples; shape (n_inputs,)."""
        delta = np.asarray(held(self, "delta"))
        outputs = np.array([held(node, "output") for node in self.input_nodes])
        return np.dot(outputs.reshape(len(outputs), *delta.shape), delta) / delta.size

    def bias_gradient(self) -> float:
        """Loss gradient that a bias has, or would have, averaged over the samples."""
        delta = np.asarray(held(self, "delta"))
        return float(delta.sum() / delta.size)

    def update_weights(self, learning_rate: float = 0.1) -> None:
        """Move weights and bias against their gradients, as the last pass left them."""
        moved = np.array(self._weights) - learning_rate * self.weight_gradients()
        self._weights[:] = moved.tolist()
        if self.bias is not None:
            self.bias -= learning_rate * self.bias_gradient()

    def backpropagate(self, learning_rate: float = 0.1) -> None:
        """The module's `backpropagate` with this neuron as the one output."""
        backpropagate([self], learning_rate)

    def _forget_input(self, node: Node) -> None:
        position = self._position.pop(node)
        del self.input_nodes[position], self._weights[position]
        for later in self.input_nodes[position:]:
            self._position[later] -= 1


def _connect(source: Node, target: Neuron, weight: float | None) -> None:
    check_ends(source, target)
    known = None if weight is None else finite("weight", weight)
    for node, rank in ranks_for(source, target).items():
        node.rank = rank
    if known is None:
        target.rng = target.rng or np.random.default_rng()
        known = float(target.rng.standard_normal())
    target._position[source] = len(target.input_nodes)
    target.input_nodes.append(source)
    target.weights.append(known)
    source.output_nodes.append(target)

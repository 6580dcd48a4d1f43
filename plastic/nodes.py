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
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain, cycle
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
from plastic.errors import CycleError, InvalidEdit, InvalidNetwork, check_range
from plastic.losses import check_pair, loss_value, output_delta

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

Values = Any  # a number, or a float array of shape (n_samples,)


class Node(ABC):
    """What values and neurons have in common: an output, and connections that lead on.

    Attributes
    ----------
    input_nodes, output_nodes : sequence of Node
        Where its connections come from and lead to; to be read, not written.
    output : float or float array of shape (n_samples,)
        What the last forward pass left here; None before the first.
    """

    input_nodes: Sequence[Node] = ()
    softmax_group: SoftmaxGroup | None = None
    # Grows along every connection, so a connection that respects it cannot close a cycle,
    # and sorting by it is a topological order.
    _rank: float = float("-inf")

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
        return f"<{type(self).__name__} {_summary(self.input_value)}>"

    @property
    def input_value(self) -> Values:
        """What this node brings into the network."""
        return self._input_value

    @input_value.setter
    def input_value(self, value: ArrayLike) -> None:
        array = _floats(value)
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
        self.bias = None if bias is None else _finite("bias", bias)
        self.rng = rng
        self.input_nodes: list[Node] = []
        self.delta: Values = None
        self.direct_delta: Values = None
        self._weights: list[float] = []
        self._position: dict[Node, int] = {}  # of each input node in `input_nodes`
        self._rank = 0

    def __repr__(self) -> str:
        kind = f"{type(self).__name__} {self.activation_function!r}"
        return f"<{kind}, {len(self.input_nodes)} in, {len(self.output_nodes)} out>"

    @property
    def weights(self) -> list[float]:
        """One weight an input node, in the same order."""
        return self._weights

    @weights.setter
    def weights(self, weights: Iterable[float]) -> None:
        weights = [_finite("weight", weight) for weight in weights]
        if len(weights) != len(self.input_nodes):
            raise InvalidEdit(
                f"{self!r} takes {len(self.input_nodes)} weights, got {len(weights)}"
            )
        self._weights = weights

    @property
    def deriv_activation_function(self) -> Any:
        """The derivative of the activation, written in its output."""
        return self.activation_function.derivative

    def weighted_sum(self) -> Values:
        """Bias and weighted outputs, as the input nodes hold them, added up."""
        total = np.dot(self._weights, self._input_outputs())
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
        for held in (self.input_nodes, self._weights, self._position):
            held.clear()
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
        """Renew the forward pass and set this output neuron's delta.

        Parameters
        ----------
        value : float or array-like of shape (n_samples,)
            What the output should have been.
        loss : str
            One of `plastic.losses.LOSSES`.

        Returns
        -------
        float or float array of shape (n_samples,)
            The delta.

        Raises
        ------
        InvalidNetwork
            As `set_output_deltas`; a softmax neuron needs the targets of its whole layer.
        """
        order = topological_order([self])
        _checked_targets([self], [value], loss, _sample_shape(order))
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
        deltas = [_held(node, "delta") for node in followers]
        weights: list[Any] = [node.get_weight_of_node(self) for node in followers]
        slope = self.deriv_activation_function(_held(self, "output"))
        self.delta = np.dot(weights, deltas) * slope
        return self.delta

    def weight_gradients(self) -> NDArray[np.float64]:
        """Loss gradient of each weight, averaged over the samples; shape (n_inputs,)."""
        delta = np.asarray(_held(self, "delta"))
        outputs = np.array(self._input_outputs()).reshape(len(self.input_nodes), *delta.shape)
        products = outputs * delta
        return products.mean(axis=1) if products.ndim == 2 else products

    def bias_gradient(self) -> float:
        """Loss gradient that a bias has, or would have, averaged over the samples."""
        return float(np.mean(_held(self, "delta")))

    def update_weights(self, learning_rate: float = 0.1) -> None:
        """Move weights and bias against their gradients, as the last pass left them."""
        moved = np.array(self._weights) - learning_rate * self.weight_gradients()
        self._weights[:] = moved.tolist()
        if self.bias is not None:
            self.bias -= learning_rate * self.bias_gradient()

    def backpropagate(self, learning_rate: float = 0.1) -> None:
        """The module's `backpropagate` with this neuron as the one output."""
        backpropagate([self], learning_rate)

    def _input_outputs(self) -> list[Values]:
        outputs = [node.output for node in self.input_nodes]
        if any(output is None for output in outputs):
            raise InvalidNetwork(f"an input of {self!r} holds no output yet: run a pass first")
        return outputs

    def _forget_input(self, node: Node) -> None:
        position = self._position.pop(node)
        del self.input_nodes[position], self._weights[position]
        for later in self.input_nodes[position:]:
            self._position[later] -= 1


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


def connect_layer_forward(input_nodes: Iterable[Node], neurons: Iterable[Neuron]) -> None:
    """Connect every input node with every neuron, or none if one connection is refused.

    Raises
    ------
    InvalidEdit, CycleError
        As `Node.connect_forward`.
    """
    sources, targets = list(input_nodes), list(neurons)
    for layer in (sources, targets):
        if len(set(layer)) < len(layer):
            raise InvalidEdit(f"a layer names each node once, got {layer}")
    for target in targets:
        for source in sources:
            _check_ends(source, target)
    later = _reachable(targets, forward=True)
    for source in sources:
        if source in later:
            raise CycleError(f"connecting {source!r} to the layer would close a cycle")
    for source in sources:
        for target in targets:
            source.connect_forward(target)


def topological_order(outputs: Iterable[Node]) -> list[Node]:
    """Every node that these depend on and these themselves, each once, inputs first.

    Softmax neurons bring the rest of their layer along.

    Examples
    --------
    >>> value, hidden, last = OnlyValueNode(1), Neuron(), Neuron()
    >>> _ = value.connect_forward(hidden).connect_forward(last), hidden.connect_forward(last)
    >>> topological_order([last]) == [value, hidden, last]
    True
    """
    outputs = list(outputs)
    peers = (group.neurons for group in _softmax_groups(outputs))
    found = _reachable(chain(outputs, *peers), forward=False)
    return sorted(found, key=lambda node: node._rank)


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
    _check_order(order)
    shape = _sample_shape(order)
    for node in order:
        output = node.compute_output()
        # a number among arrays is the same number in every sample
        node.output = output if np.shape(output) == shape else np.full(shape, output)
    for group in _softmax_groups(order):
        group.normalise()


def mean_loss(outputs: Sequence[Neuron], targets: ArrayLike, loss: str = "mse") -> float:
    """Loss of the outputs that the last forward pass left, averaged over the samples.

    Parameters and errors are those of `set_output_deltas`.

    Examples
    --------
    >>> neuron = Neuron(identity, bias=3.0)
    >>> _ = neuron.get_output()
    >>> mean_loss([neuron], [1.0])
    2.0
    """
    rows = _checked_targets(outputs, targets, loss)
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
    rows = _checked_targets(outputs, targets, loss)
    row_of = dict(zip(outputs, rows, strict=True))
    for neuron, row in row_of.items():
        if not neuron.softmax_group:
            delta = output_delta(loss, neuron.activation_function, neuron.output, row)
            neuron.delta = neuron.direct_delta = delta
    for group in _softmax_groups(outputs):  # the one activation that couples its neurons
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
    members = _check_order(order)
    _check_passed(order, outputs)
    direct = set(outputs)
    for neuron in reversed(order):
        if isinstance(neuron, Neuron):
            neuron.hidden_delta_function([n for n in neuron.output_nodes if n in members])
            if neuron in direct:
                neuron.delta = neuron.delta + neuron.direct_delta


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
        if isinstance(node, Neuron):
            node.update_weights(learning_rate)


def structure(outputs: Iterable[Node]) -> str:
    """All that these nodes depend on, written as one equation a line.

    Examples
    --------
    >>> value, hidden, last = OnlyValueNode(1), Neuron(relu), Neuron(bias=0.25)
    >>> _ = value.connect_forward(hidden, 2.0), hidden.connect_forward(last, -1.0)
    >>> print(structure([last]))
    x1 = 1
    n1 = relu(+2*x1)
    n2 = sigmoid(-1*n1 +0.25)
    """
    order = topological_order(outputs)
    n_values = sum(not isinstance(node, Neuron) for node in order)  # they come first
    names = {
        node: f"x{i + 1}" if i < n_values else f"n{i + 1 - n_values}"
        for i, node in enumerate(order)
    }
    return "\n".join(f"{names[node]} = {_right_hand_side(node, names)}" for node in order)


def _right_hand_side(node: Node, names: dict[Node, str]) -> str:
    if not isinstance(node, Neuron):
        return _summary(node.compute_output())
    terms = [
        f"{weight:+.3g}*{names[source]}"
        for source, weight in zip(node.input_nodes, node.weights, strict=True)
    ]
    terms += [] if node.bias is None else [f"{node.bias:+.3g}"]
    return f"{node.activation_function!r}({' '.join(terms) or '0'})"


def _summary(value: Values) -> str:
    return f"{value:g}" if np.ndim(value) == 0 else f"({len(value)} samples)"


def _floats(value: Values) -> NDArray[np.float64]:
    try:
        return np.array(value, dtype=float)
    except (TypeError, ValueError):
        return np.array(np.nan)  # refused along with all that is not finite


def _finite(name: str, value: float) -> float:
    number = _floats(value)
    if number.ndim or not np.isfinite(number):
        raise InvalidEdit(f"{name} must be a finite number, got {value!r}")
    return float(number)


def _held(node: Any, name: str) -> Values:
    value = getattr(node, name, None)
    if value is None:
        raise InvalidNetwork(f"{node!r} holds no {name} yet: run a pass first")
    return value


def _softmax_groups(nodes: Iterable[Node]) -> list[SoftmaxGroup]:
    return list(dict.fromkeys(node.softmax_group for node in nodes if node.softmax_group))


def _reachable(nodes: Iterable[Node], *, forward: bool) -> dict[Node, None]:
    found = dict.fromkeys(nodes)  # a dict, so that the order is the same in every process
    queue = list(found)
    for node in queue:  # grows while it is read
        for neighbour in node.output_nodes if forward else node.input_nodes:
            if neighbour not in found:
                found[neighbour] = None
                queue.append(neighbour)
    return found


def _connect(source: Node, target: Neuron, weight: float | None) -> None:
    _check_ends(source, target)
    known = None if weight is None else _finite("weight", weight)
    for node, rank in _ranks_for(source, target).items():
        node._rank = rank
    if known is None:
        target.rng = target.rng or np.random.default_rng()
        known = float(target.rng.standard_normal())
    target._position[source] = len(target.input_nodes)
    target.input_nodes.append(source)
    target.weights.append(known)
    source.output_nodes.append(target)


def _check_ends(source: Node, target: Node) -> None:
    """Raise if the two cannot be connected, whatever lies between them."""
    if not isinstance(source, Node):
        raise InvalidEdit(f"a connection starts from a node, got {source!r}")
    if not isinstance(target, Neuron):
        raise InvalidEdit(f"{target!r} is no neuron and takes no inputs, got {source!r}")
    if source is target:
        raise CycleError(f"{source!r} cannot be connected to itself")
    if source in target._position:
        raise InvalidEdit(f"{source!r} is already connected to {target!r}")
    if isinstance(source, Neuron) and source.activation_function is softmax:
        raise InvalidEdit(f"{source!r} is a softmax output and cannot feed {target!r}")


def _ranks_for(source: Node, target: Node) -> dict[Node, float]:
    """New ranks that put `target` behind `source`; raises CycleError if there are none."""
    if source._rank < target._rank:
        return {}
    # Raise what follows the target or lower what leads to the source, whichever is less:
    # taking turns costs at most twice the smaller of the two.
    searches = [_shifted_ranks(source, target, 1), _shifted_ranks(source, target, -1)]
    return next(ranks for ranks in map(next, cycle(searches)) if ranks is not None)


def _shifted_ranks(source: Node, target: Node, step: int) -> Iterator[dict[Node, float] | None]:
    """Search from one end of a new connection; yields None after each node, then the ranks."""
    start, goal = (target, source) if step > 0 else (source, target)
    ranks: dict[Node, float] = {start: goal._rank + step}
    # by old rank, so that a node comes after all that shift it and is visited once
    pending = [(step * start._rank, 0, start)]
    while pending:
        node = heappop(pending)[-1]
        for neighbour in node.output_nodes if step > 0 else node.input_nodes:
            if neighbour is goal:
                raise CycleError(f"connecting {source!r} to {target!r} would close a cycle")
            behind = ranks[node] + step
            if step * ranks.get(neighbour, neighbour._rank) < step * behind:
                if neighbour not in ranks:
                    heappush(pending, (step * neighbour._rank, len(ranks), neighbour))
                ranks[neighbour] = behind
        yield None
    yield ranks


def _check_order(order: Sequence[Node]) -> set[Node]:
    members = set(order)
    ranks = [node._rank for node in order]
    groups = _softmax_groups(order)
    whole = all(members.issuperset(node.input_nodes) for node in order) and all(
        members.issuperset(group.neurons) for group in groups
    )
    if not whole or len(members) < len(order) or ranks != sorted(ranks):
        raise InvalidNetwork(
            f"order of {len(order)} nodes is not that of topological_order: "
            "compute it again after an edit"
        )
    for node in order:
        alone = node.softmax_group is None
        if alone and isinstance(node, Neuron) and node.activation_function is softmax:
            raise InvalidNetwork(f"{node!r} belongs to no layer: join it with softmax_layer")
    return members


def _check_passed(order: Sequence[Node], outputs: Sequence[Neuron]) -> None:
    direct = set(outputs)
    if not direct.issubset(order):
        raise InvalidNetwork(f"order of {len(order)} nodes lacks one of the outputs {outputs}")
    shapes = {np.shape(_held(node, "output")) for node in order}
    shapes |= {np.shape(_held(neuron, "direct_delta")) for neuron in outputs}
    if len(shapes) > 1:
        raise InvalidNetwork(f"outputs and deltas of different passes, of shapes {shapes}")
    for group in _softmax_groups(order):
        if not direct.issuperset(group.neurons):
            raise InvalidNetwork(
                f"a softmax layer of {len(group.neurons)} sends its deltas back as a whole, "
                f"got outputs {list(outputs)}"
            )


def _sample_shape(order: Iterable[Node]) -> tuple[int, ...]:
    values = (node.input_value for node in order if isinstance(node, OnlyValueNode))
    shapes = dict.fromkeys(value.shape for value in values if np.ndim(value))
    if len(shapes) > 1:
        lengths = ", ".join(str(length) for (length,) in shapes)
        raise InvalidNetwork(f"values must agree about the number of samples, got {lengths}")
    return next(iter(shapes), ())


def _checked_targets(
    outputs: Sequence[Neuron],
    targets: Values,
    loss: str,
    shape: tuple[int, ...] | None = None,
) -> NDArray[np.float64]:
    """The targets, one row an output; each row has the shape of an output."""
    chosen = set(outputs)
    neurons = all(isinstance(neuron, Neuron) for neuron in outputs)
    if not outputs or len(chosen) < len(outputs) or not neurons:
        raise InvalidNetwork(f"outputs must be one or more different neurons, got {outputs}")
    if shape is None:
        shapes = {np.shape(_held(neuron, "output")) for neuron in outputs}
        if len(shapes) > 1:
            raise InvalidNetwork(f"outputs of different passes, of shapes {shapes}")
        (shape,) = shapes
    rows, full = _floats(targets), (len(outputs), *shape)
    if rows.shape not in (full, full[:1]) or not np.all(np.isfinite(rows)):
        raise InvalidNetwork(
            f"targets must be finite numbers of shape {full[:1]} or {full}, got {targets!r}"
        )
    for neuron in outputs:
        check_pair(loss, neuron.activation_function)
    for group in _softmax_groups(outputs):
        if not chosen.issuperset(group.neurons):
            raise InvalidNetwork(
                f"a softmax layer of {len(group.neurons)} needs the targets of all its neurons "
                f"at once, got outputs {list(outputs)}"
            )
    return np.broadcast_to(rows if rows.shape == full else rows[:, None], full)

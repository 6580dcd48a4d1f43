"""The readable engine as an engine: the same face, computed by `plastic.nodes` objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.activations import BY_CODE, softmax
from plastic.engine.optimizers import Optimizer
from plastic.engine.results import LOSS_BOUND, Gradients, Signals
from plastic.engine.statistics import Statistics
from plastic.nodes import (
    Neuron,
    Node,
    OnlyValueNode,
    feed_forward,
    mean_loss,
    propagate_deltas,
    set_output_deltas,
    softmax_layer,
    topological_order,
)
from plastic.topology import Kind, Topology

Array = NDArray[Any]


class NodeEngine:
    """Runs a topology as node objects, a mini-batch at a time.

    Parameters
    ----------
    topology : Topology
        Its columns ``weight`` and ``bias`` are the parameters; they are changed in place.
    loss : str
    dtype : dtype
        Of the columns; node objects compute in double precision.
    use_biases : bool
        Whether biases are learned.
    """

    def __init__(
        self, topology: Topology, loss: str, dtype: np.dtype, *, use_biases: bool
    ) -> None:
        self._topology, self._loss, self._dtype = topology, loss, dtype
        self._use_biases = use_biases
        self._planned: Any = None
        self._nodes: list[Node] = []
        self._order: list[Node] = []

    def prepare(self, batch_size: int) -> None:
        """Nothing: node objects need no preparation."""

    def predict(self, X: Array) -> Array:
        """Answers (n_samples, n_outputs) to X (n_samples, n_inputs)."""
        nodes = self._plan()
        self._forward(X)
        return np.stack([nodes[slot].output for slot in self._topology.structure.outputs], 1)

    def signals(self, X: Array, Y: Array) -> Signals:
        """One pass forward and back."""
        self._plan()
        return self._signals(X, Y)

    def gradients(self, X: Array, Y: Array) -> Gradients:
        """Gradients of all parameters."""
        self._plan()
        signals = self._signals(X, Y)
        return Gradients(signals.loss, *self._gradients())

    def learn(
        self,
        X: Array,
        Y: Array,
        rows: NDArray[np.int64],
        rates: Array,
        optimizer: Optimizer,
        statistics: Statistics,
        hits: NDArray[np.int64],
    ) -> Array:
        """One step for each of `rows` (n_steps, batch_size); see `Engine.learn`."""
        topology = self._topology
        statistics.attach(topology, self._dtype)
        states = [self._state(columns, optimizer) for columns in self._columns()]
        weights, biases = topology.connection_columns["weight"], topology.neuron_columns["bias"]
        nodes = self._plan()
        losses = []
        for k, batch in enumerate(rows):
            signals = self._signals(X[batch], Y[batch])
            losses.append(signals.loss)
            if not signals.loss <= LOSS_BOUND:
                break
            if len(hits):
                said = signals.outputs[topology.structure.outputs].argmax(axis=0)
                hits[k] = np.sum(said == Y[batch].argmax(axis=1))
            gradient, bias_gradient = self._gradients()
            if statistics.wanted and (topology.step + k + 1) % statistics.every == 0:
                statistics.observe(topology, gradient, signals.outputs, signals.deltas)
            optimizer.step(weights, gradient, states[0], rates[k], decay=True)
            if self._use_biases:  # that of an input has gradient 0 and stays 0
                optimizer.step(biases, bias_gradient, states[1], rates[k], decay=False)
            set_parameters(nodes, topology, use_biases=self._use_biases)
        return np.array(losses)

    def _plan(self) -> list[Node]:
        """Nodes for the structure as it is now, with the weights as they are now."""
        structure = self._topology.structure
        if structure is not self._planned:
            self._planned = structure
            self._nodes = build_nodes(self._topology, use_biases=self._use_biases)
            self._order = topological_order(self._nodes)
        set_parameters(self._nodes, self._topology, use_biases=self._use_biases)
        return self._nodes

    def _columns(self) -> tuple[Any, Any]:
        return self._topology.connection_columns, self._topology.neuron_columns

    def _state(self, columns: Any, optimizer: Optimizer) -> dict[str, Array]:
        kinds = (self._dtype, self._dtype, np.dtype(np.int32))
        slots = zip(optimizer.slots, kinds, strict=True)
        return {name: columns.add(name, kind) for name, kind in slots if name}

    def _forward(self, X: Array) -> None:
        for feature, slot in enumerate(self._topology.structure.inputs):
            node = self._nodes[slot]
            assert isinstance(node, OnlyValueNode)
            node.input_value = X[:, feature].astype(np.float64)
        feed_forward(self._order)

    def _signals(self, X: Array, Y: Array) -> Signals:
        self._forward(X)
        nodes, structure = self._nodes, self._topology.structure
        outputs = [_neuron(nodes[slot]) for slot in structure.outputs]
        targets = Y.T.astype(np.float64)
        loss = mean_loss(outputs, targets, self._loss)
        set_output_deltas(outputs, targets, self._loss)
        propagate_deltas(self._order, outputs)
        none = np.zeros(len(X))
        deltas = [node.delta if isinstance(node, Neuron) else none for node in nodes]
        return Signals(loss, np.array([node.output for node in nodes]), np.array(deltas))

    def _gradients(self) -> tuple[Array, Array]:
        nodes = self._nodes
        of_weights = [n.weight_gradients() for n in nodes if isinstance(n, Neuron)]
        of_biases = [n.bias_gradient() if isinstance(n, Neuron) else 0.0 for n in nodes]
        return np.concatenate(of_weights), np.array(of_biases)


def build_nodes(topology: Topology, *, use_biases: bool) -> list[Node]:
    """Node objects of a topology, one a slot, with its weights."""
    structure = topology.structure
    nodes = [_make_node(structure, slot) for slot in range(structure.n_neurons)]
    outputs = [_neuron(nodes[slot]) for slot in structure.outputs]
    if structure.activations[structure.outputs[0]] == softmax.code:
        softmax_layer(outputs)
    for slot in structure.order:  # sources before targets, so no connection needs a search
        start, stop = structure.indptr[slot : slot + 2]
        for source in structure.sources[start:stop]:
            nodes[source].connect_forward(_neuron(nodes[slot]), 0.0)
    slot_of = {node: slot for slot, node in enumerate(nodes)}
    for node in nodes:  # deltas add up by slot, whichever order the edits have led to
        node.output_nodes.sort(key=slot_of.__getitem__)
    set_parameters(nodes, topology, use_biases=use_biases)
    return nodes


def set_parameters(nodes: list[Node], topology: Topology, *, use_biases: bool) -> None:
    """Copy weights and biases from the topology's columns into the nodes."""
    indptr = topology.structure.indptr
    weights = topology.connection_columns["weight"].astype(np.float64).tolist()
    biases = topology.neuron_columns["bias"]
    for slot, node in enumerate(nodes):
        if isinstance(node, Neuron):
            node.weights = weights[indptr[slot] : indptr[slot + 1]]
            node.bias = float(biases[slot]) if use_biases else None


def _make_node(structure: Any, slot: int) -> Node:
    if structure.kinds[slot] == Kind.INPUT:
        return OnlyValueNode(0.0)
    return Neuron(BY_CODE[int(structure.activations[slot])])


def _neuron(node: Node) -> Neuron:
    assert isinstance(node, Neuron)
    return node

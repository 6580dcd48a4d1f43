"""Network: a topology that computes and learns; the same face whichever engine computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray

from plastic.activations import BY_CODE, Activation, identity, relu
from plastic.edits import AddNeurons, Connect, Edit
from plastic.engine.checking import (
    check_learnable,
    check_output_nodes,
    checked_dtype,
    checked_hits,
    checked_rates,
    checked_rows,
    checked_samples,
)
from plastic.engine.fast import FastEngine
from plastic.engine.node import NodeEngine, build_nodes
from plastic.engine.optimizers import Optimizer, check_optimizer
from plastic.engine.results import LOSS_BOUND, NO_HITS, Engine, Gradients, Signals
from plastic.engine.statistics import Statistics
from plastic.errors import Diverged, InvalidNetwork, check_count, check_in, check_rng
from plastic.losses import check_pair, loss_value
from plastic.nodes import Neuron, Node, OnlyValueNode, topological_order
from plastic.topology import Snapshot, Structure, Topology

Array = NDArray[Any]

NO_STATISTICS = Statistics()


class Network:
    """A topology with parameters, a loss and an engine.

    Weights and biases are the topology's columns ``weight`` and ``bias``: added at 0 where
    they are not there yet, and carried through every edit.

    Parameters
    ----------
    topology : Topology
        Edited through this network or by itself, as you like: both see the same.
    loss : {"cross_entropy", "mse"}
    engine : {"fast", "nodes"}
        The compiled engine, or the readable one on node objects.
    dtype : {"float32", "float64"}
        For work, or for proof.
    biases : bool
        Whether neurons have a learned bias.
    threads : int
        Threads of the fast engine; they change nothing but the time it takes.

    Raises
    ------
    InvalidParameter, InvalidNetwork
        If a choice is none, or loss and output activation do not go together.

    Examples
    --------
    >>> from plastic.engine import SGD
    >>> from plastic.topology.wiring import dense
    >>> rng = np.random.default_rng(0)
    >>> topology = dense(2, 2, 1.0, rng, hidden=[8], activation="tanh")
    >>> network = Network(topology, "cross_entropy", engine="nodes").initialize(rng)
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> Y = np.eye(2)[[0, 1, 1, 0]]
    >>> losses = network.learn(X, Y, np.tile(np.arange(4), (300, 1)), SGD(0.3))
    >>> network.predict(X).argmax(axis=1)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        topology: Topology,
        loss: str = "cross_entropy",
        *,
        engine: str = "fast",
        dtype: DTypeLike = "float32",
        biases: bool = True,
        threads: int = 1,
    ) -> None:
        check_in("engine", engine, ("fast", "nodes"))
        check_count("threads", threads)
        if not isinstance(topology, Topology):
            raise InvalidNetwork(
                f"a network is made of a Topology, got {type(topology).__name__}; a graph "
                "becomes one by plastic.topology.from_networkx"
            )
        structure = topology.structure
        for code in np.unique(structure.activations[structure.outputs]):
            check_pair(loss, BY_CODE[int(code)])
        self.topology, self.loss, self.dtype = topology, loss, checked_dtype(dtype)
        self.use_biases = biases
        for columns, name in (
            (topology.connection_columns, "weight"),
            (topology.neuron_columns, "bias"),
        ):
            held = columns.get(name)
            if held is not None and held.dtype != self.dtype:
                columns.replace(name, held.astype(self.dtype))
            columns.add(name, self.dtype)
        self._engine: Engine
        if engine == "fast":
            self._engine = FastEngine(
                topology, loss, self.dtype, use_biases=biases, threads=threads
            )
        else:
            self._engine = NodeEngine(topology, loss, self.dtype, use_biases=biases)

    def __repr__(self) -> str:
        return f"Network({self.topology!r}, {self.loss}, {self.dtype})"

    @property
    def weights(self) -> Array:
        """Weight of each connection, shape (n_connections,); writable until the next edit."""
        return self.topology.connection_columns["weight"]

    @property
    def biases(self) -> Array:
        """Bias of each neuron, shape (n_neurons,); may be written to."""
        return self.topology.neuron_columns["bias"]

    @property
    def computed(self) -> Structure:
        """The neurons and connections that are computed: all of them."""
        return self.topology.structure

    def initialize(self, rng: Generator) -> Network:
        r"""Draw the weights; biases become 0.

        A weight comes from :math:`N(0, g / k)`, where `k` is the number of connections that
        its target really has, and `g` is 2 for relu and 1 for the others.

        References
        ----------
        He et al. (2015), Delving Deep into Rectifiers, arXiv:1502.01852, equation 10; with the
        true fan-in of sparse rows as in Evci et al. (2022), arXiv:2010.03533, section 3.
        """
        check_rng(rng)
        structure = self.topology.structure
        fan_in = np.diff(structure.indptr)
        gain = np.where(structure.activations == relu.code, 2.0, 1.0)
        spread = np.repeat(np.sqrt(gain / np.maximum(fan_in, 1)), fan_in)
        spread *= rng.standard_normal(structure.n_connections)
        self.weights[:] = spread
        self.biases[:] = 0
        return self

    def prepare(self, batch_size: int = 32) -> None:
        """Compile the engine's kernels, or load them, so that no later timing includes it.

        Parameters
        ----------
        batch_size : int
            Of the mini-batches to come: small networks and batches have kernels of their own.

        Raises
        ------
        InvalidParameter
            If it is below 1.
        """
        check_count("batch_size", batch_size)
        self._engine.prepare(batch_size)

    def predict(self, X: Array) -> Array:
        """Answers to samples.

        Parameters
        ----------
        X : float array, shape (n_samples, n_inputs)

        Returns
        -------
        float array, shape (n_samples, n_outputs)

        Raises
        ------
        InvalidData
            If the shape does not fit or a value is not finite.
        """
        return self._engine.predict(self._inputs(X))

    def evaluate(self, X: Array, Y: Array) -> tuple[float, Array]:
        """Loss on samples, and the answers (n_samples, n_outputs)."""
        X, Y = self._samples(X, Y)
        answers = self._engine.predict(X)
        structure = self.topology.structure
        outputs = np.asarray(answers, np.float64).T
        targets = np.asarray(Y, np.float64).T
        codes = structure.activations[structure.outputs]
        loss = 0.0
        for code in np.unique(codes):
            of = codes == code
            activation: Activation = BY_CODE[int(code)]
            loss += loss_value(self.loss, activation, outputs[of], targets[of])
        return loss, answers

    def signals(self, X: Array, Y: Array) -> Signals:
        """Outputs and deltas of every neuron for a batch."""
        check_learnable(self.topology.structure)
        return self._engine.signals(*self._samples(X, Y))

    def gradients(self, X: Array, Y: Array) -> Gradients:
        """Loss gradients of all weights and biases, averaged over a batch.

        Parameters
        ----------
        X : float array, shape (n_samples, n_inputs)
        Y : float array, shape (n_samples, n_outputs)
            Targets; one-hot rows for classes.
        """
        check_learnable(self.topology.structure)
        return self._engine.gradients(*self._samples(X, Y))

    def learn(
        self,
        X: Array,
        Y: Array,
        rows: Array,
        optimizer: Optimizer,
        *,
        rates: Array | None = None,
        statistics: Statistics = NO_STATISTICS,
        hits: NDArray[np.int64] | None = None,
    ) -> Array:
        """Take one optimizer step for each mini-batch, in one stretch.

        Parameters
        ----------
        X, Y : float arrays, shapes (n_samples, n_inputs) and (n_samples, n_outputs)
        rows : int array, shape (n_steps, batch_size)
            Samples of each mini-batch.
        optimizer : Optimizer
        rates : float array, shape (n_steps,), optional
            Learning rate of each step; by default the optimizer's own.
        statistics : Statistics
            Moving averages to be kept on the way.
        hits : int array, shape (n_steps,), optional
            Filled with the number of samples of each mini-batch that were answered right
            before its update: whose largest output is that of their largest target.

        Returns
        -------
        float array, shape (n_steps,)
            Loss of each mini-batch before its update.

        Raises
        ------
        InvalidNetwork
            If a neuron is a hard threshold, which has no gradient.
        InvalidData
            If a shape does not fit, a value is not finite or a sample is not there.
        InvalidParameter
            If `optimizer` is none, there is not one rate a step, in [0, 1e6], or `hits` has
            no room for each step.
        Diverged
            At a loss that is not a number or is above `LOSS_BOUND`; steps before it are done.
        """
        check_learnable(self.topology.structure)
        check_optimizer(optimizer)
        X, Y = self._samples(X, Y)
        rows = checked_rows(rows, len(X))
        rates = checked_rates(optimizer.learning_rate if rates is None else rates, len(rows))
        hits = NO_HITS if hits is None else checked_hits(hits, len(rows))
        losses = self._engine.learn(X, Y, rows, rates, optimizer, statistics, hits)
        bad = not losses[-1] <= LOSS_BOUND
        self.topology.step += len(losses) - bad
        if bad:
            raise Diverged(
                f"the loss is {losses[-1]:g} at step {self.topology.step}; "
                "a lower learning rate may help"
            )
        return losses

    def apply(self, *edits: Edit) -> tuple[Edit, ...]:
        """Apply edits, all or none: see `Topology.apply`."""
        return self.topology.apply(*edits)

    def snapshot(self) -> Snapshot:
        """The network as it is now: structure, parameters, optimizer state, statistics, step.

        Examples
        --------
        >>> from plastic.topology.wiring import minimal
        >>> network = Network(minimal(2, 1, 1.0, np.random.default_rng(0)))
        >>> before = network.snapshot()
        >>> network.weights[:] = 5
        >>> network.restore(before)
        >>> network.weights
        array([0., 0.], dtype=float32)
        """
        return self.topology.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a snapshot back, bit for bit: see `Topology.restore`."""
        self.topology.restore(snapshot)

    @classmethod
    def from_nodes(
        cls,
        outputs: Sequence[Node],
        *,
        inputs: Sequence[Node] | None = None,
        loss: str = "mse",
        **options: Any,
    ) -> Network:
        """Make a network of node objects.

        Parameters
        ----------
        outputs : sequence of Neuron
        inputs : sequence of OnlyValueNode, optional
            In the order of the data's columns; by default those that the outputs depend on,
            in topological order.
        loss : str
        **options
            As for `Network`; ``biases`` follows from the nodes.

        Raises
        ------
        InvalidNetwork
            If some neurons have a bias and others do not, an input is left out, a node is
            named twice, or the outputs are not neurons, or not all of their softmax layer.
        """
        check_output_nodes(outputs)
        order = topological_order(outputs)
        values = [node for node in order if isinstance(node, OnlyValueNode)]
        given = values if inputs is None else list(inputs)
        if not set(values) <= set(given):
            raise InvalidNetwork("the outputs depend on an input that is not among the inputs")
        if len(set(given)) < len(given):
            raise InvalidNetwork(f"an input is named twice in {given}")
        hidden: list[Any] = [n for n in order if isinstance(n, Neuron) and n not in outputs]
        neurons: list[Any] = [*outputs, *hidden]
        without = sum(neuron.bias is None for neuron in neurons)
        if 0 < without < len(neurons):
            raise InvalidNetwork(
                f"{without} of {len(neurons)} neurons have no bias; give all one"
            )
        topology = _topology_of(given, neurons, len(outputs))
        return cls(topology, loss, biases=without == 0, **{"dtype": "float64", **options})

    def to_nodes(self) -> tuple[list[Node], list[Node]]:
        """Node objects of this network: its inputs and its outputs."""
        nodes = build_nodes(self.topology, use_biases=self.use_biases)
        structure = self.topology.structure
        return [nodes[s] for s in structure.inputs], [nodes[s] for s in structure.outputs]

    def _samples(self, X: Array, Y: Array) -> tuple[Array, Array]:
        X = self._inputs(X)
        return X, checked_samples("Y", Y, self.topology.n_outputs, self.dtype, len(X))

    def _inputs(self, X: Array) -> Array:
        return checked_samples("X", X, self.topology.n_inputs, self.dtype)


def _topology_of(values: list[Any], neurons: list[Any], n_outputs: int) -> Topology:
    """Topology of node objects: values, then outputs, then hidden neurons."""
    ids = {node: i for i, node in enumerate([*values, *neurons])}
    names = [neuron.activation_function.name for neuron in neurons]
    topology = Topology(len(values), n_outputs, names[:n_outputs])
    codes = [neuron.activation_function.code for neuron in neurons[n_outputs:]]
    topology.connection_columns.add("weight", np.float64)
    topology.neuron_columns.add("bias", np.float64)
    sources = [ids[node] for neuron in neurons for node in neuron.input_nodes]
    targets = [ids[neuron] for neuron in neurons for _ in neuron.input_nodes]
    weights = np.array([weight for neuron in neurons for weight in neuron.weights], float)
    topology.apply(
        AddNeurons(len(codes), codes or identity, 1, keep_stranded=True),
        Connect(sources, targets, columns={"weight": weights}),
    )
    biases = [0.0] * len(values) + [neuron.bias or 0.0 for neuron in neurons]
    topology.neuron_columns["bias"][:] = biases
    return topology

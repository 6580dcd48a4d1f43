"""ONNX: a network as a model that any ONNX runtime computes.

Each stage of neurons becomes one matrix product over the neurons that it reads, so layers
become the usual chain of MatMul, Add and activation, and any other graph a longer one.
Sparse matrices are kept sparse in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import plastic
from plastic.engine import Network
from plastic.errors import require_extra
from plastic.files import write_whole
from plastic.interop.stages import Stage, check_whole, stages_of

if TYPE_CHECKING:
    import onnx
    from onnx import helper, numpy_helper
else:
    onnx = require_extra("onnx", "onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper

OPSET, IR_VERSION = 17, 8
"""Of 2022, so that runtimes of today and of some years ago read it."""

SPARSE_BELOW = 0.25
"""Density below which a matrix is stored as its entries: each costs a value and its place."""

OPERATORS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "identity": "Identity"}


def to_onnx(network: Network) -> onnx.ModelProto:
    """An ONNX model that computes what the network computes.

    Parameters
    ----------
    network : Network
        Of either engine.  Hard thresholds, `straight_through` ones too, become comparisons.

    Returns
    -------
    onnx.ModelProto
        From ``X``, shape (n_samples, n_inputs), to ``Y``, shape (n_samples, n_outputs), both of
        the network's dtype; the number of samples is free.

    Raises
    ------
    InvalidNetwork
        If the network is a selection that was not committed.

    Examples
    --------
    >>> from plastic.topology.wiring import dense
    >>> rng = np.random.default_rng(0)
    >>> model = to_onnx(Network(dense(4, 3, 1.0, rng, hidden=[8])).initialize(rng))
    >>> [node.op_type for node in model.graph.node]
    ['MatMul', 'Add', 'Relu', 'MatMul', 'Add', 'Softmax']
    """
    check_whole(network)
    structure = network.topology.structure
    draft = _Draft(network)
    stages, outputs = stages_of(structure)
    draft.hold(draft.input_name, len(structure.inputs))
    for number, stage in enumerate(stages):
        draft.add_stage(number, stage)
    draft.take(outputs, draft.output_name)
    return draft.model()


def save_onnx(network: Network, path: str | Path) -> Path:
    """Write `to_onnx` of a network to a file, whole or not at all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultsError
        If it cannot be written.
    """
    write_whole(Path(path), to_onnx(network).SerializeToString())
    return Path(path)


@dataclass
class _Draft:
    """A model in the making."""

    network: Network
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of what is computed, part by part
    starts: list[int] = field(default_factory=lambda: [0])  # where each part begins
    input_name: str = "X"
    output_name: str = "Y"

    def hold(self, name: str, width: int) -> None:
        """Note a part of the values: the inputs, or the answers of a stage."""
        self.names.append(name)
        self.starts.append(self.starts[-1] + width)

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; the name of what it gives."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Keep an array in the model; its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add_stage(self, number: int, stage: Stage) -> None:
        """Append what computes a stage."""
        rows, columns = np.unique(stage.sources, return_inverse=True)
        if not len(rows):  # neurons without a way in still answer once a sample
            rows = np.zeros(1, np.int64)
        targets = np.repeat(np.arange(len(stage.slots)), np.diff(stage.starts))
        weights = np.zeros((len(rows), len(stage.slots)), self.network.dtype)
        weights[columns, targets] = self.network.weights[stage.positions]
        product = [self.take(rows, f"read_{number}"), self.matrix(f"weights_{number}", weights)]
        sums = self.add("MatMul", product, f"product_{number}")
        if self.network.use_biases:
            bias = self.constant(f"biases_{number}", self.network.biases[stage.slots])
            sums = self.add("Add", [sums, bias], f"sums_{number}")
        self.hold(self.activate(stage.activation.name, sums, number), len(stage.slots))

    def activate(self, activation: str, sums: str, number: int) -> str:
        """Append an activation; the name of the answers."""
        name = f"answers_{number}"
        if activation in OPERATORS:
            return self.add(OPERATORS[activation], [sums], name)
        if activation == "softmax":
            return self.add("Softmax", [sums], name, axis=1)
        zero = self.constant(f"zero_{number}", np.zeros((), self.network.dtype))
        above = self.add("Greater", [sums, zero], f"above_{number}")
        return self.add("Cast", [above], name, to=self.element)

    def matrix(self, name: str, weights: NDArray[Any]) -> str:
        """Keep a matrix, sparse where that is smaller; its name.

        A sparse one is put together by operators of constants, which a runtime carries out
        once, when it loads the model: products with sparse tensors are not in the standard.
        """
        flat = np.flatnonzero(weights)
        if len(flat) >= SPARSE_BELOW * weights.size:
            return self.constant(name, weights)
        size = self.constant(f"{name}_size", np.array([weights.size]))
        zero = numpy_helper.from_array(np.zeros(1, self.network.dtype))
        empty = self.add("ConstantOfShape", [size], f"{name}_empty", value=zero)
        places = self.constant(f"{name}_places", flat)
        values = self.constant(f"{name}_values", weights.reshape(-1)[flat])
        filled = self.add("ScatterElements", [empty, places, values], f"{name}_flat", axis=0)
        shape = self.constant(f"{name}_shape", np.array(weights.shape))
        return self.add("Reshape", [filled, shape], name)

    def take(self, places: NDArray[np.int64], name: str) -> str:
        """Bring values together; the name of what holds them."""
        part = np.searchsorted(self.starts, places, side="right") - 1
        parts = np.unique(part)
        base, local = 0, np.empty(len(places), np.int64)
        for p in parts.tolist():  # places among the parts that are needed
            here = part == p
            local[here] = places[here] - self.starts[p] + base
            base += self.starts[p + 1] - self.starts[p]
        final = name == self.output_name
        whole = np.array_equal(local, np.arange(base))
        names = [self.names[p] for p in parts.tolist()]
        if len(names) == 1 and whole and not final:
            return names[0]
        if len(names) > 1:
            joined = name if whole else f"{name}_of"
            names = [self.add("Concat", names, joined, axis=1)]
        elif whole:
            self.rename(names[0], name)
            return name
        if whole:
            return name
        index = self.constant(f"{name}_places", local)
        return self.add("Gather", [names[0], index], name, axis=1)

    def rename(self, old: str, new: str) -> None:
        """Let the answers of the last stage be called as the model's."""
        for node in self.nodes:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]

    @property
    def element(self) -> int:
        """The element type of values."""
        return helper.np_dtype_to_tensor_dtype(self.network.dtype)

    def model(self) -> onnx.ModelProto:
        """The model of all that was added."""
        topology = self.network.topology
        ends = [
            helper.make_tensor_value_info(name, self.element, ["n_samples", width])
            for name, width in (
                (self.input_name, topology.n_inputs),
                (self.output_name, topology.n_outputs),
            )
        ]
        graph = helper.make_graph(
            self.nodes,
            "plastic",
            ends[:1],
            ends[1:],
            self.constants,
        )
        model = helper.make_model(
            graph,
            producer_name="plastic",
            producer_version=plastic.__version__,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        helper.set_model_props(model, dict(_told(self.network)))
        return model


def _told(network: Network) -> Iterator[tuple[str, str]]:
    topology = network.topology
    yield "loss", network.loss
    yield "n_connections", str(topology.n_connections)
    for name, slots in (
        ("input_ids", topology.structure.inputs),
        ("output_ids", topology.structure.outputs),
    ):
        yield name, " ".join(map(str, topology.structure.neuron_ids[slots].tolist()))

"""PyTorch: a network as an nn.Module, and a Sequential as a network.

`to_torch` gives a module that computes only the connections that exist, on any device, and
learns them with any PyTorch optimizer; `from_torch` brings trained weights back, or reads a
Sequential of Linear layers, sparse ones as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import numpy as np

from plastic.engine import Network
from plastic.errors import InvalidData, require_extra
from plastic.interop.stages import Stage, check_whole, stages_of
from plastic.interop.torch_layers import as_array, read_layers, topology_of_layers
from plastic.topology import Topology, decode, encode

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = require_extra("torch", "torch")
    Tensor, nn = torch.Tensor, torch.nn


def to_torch(network: Network) -> SparseNetwork:
    """A PyTorch module that computes what the network computes.

    Parameters
    ----------
    network : Network
        Of either engine; not changed, now or by training the module.

    Returns
    -------
    SparseNetwork
        With parameters of the network's dtype, on the CPU.

    Examples
    --------
    >>> from plastic.topology.wiring import random_dag
    >>> rng = np.random.default_rng(0)
    >>> network = Network(random_dag(4, 2, 0.4, rng, n_hidden=9)).initialize(rng)
    >>> module = to_torch(network)
    >>> [tuple(p.shape) for p in module.parameters()]
    [(39,), (11,)]
    >>> X = rng.normal(size=(5, 4)).astype("float32")
    >>> bool(np.allclose(module(torch.as_tensor(X)).detach(), network.predict(X), atol=1e-6))
    True
    """
    return SparseNetwork(network)


def from_torch(
    module: nn.Module,
    *,
    loss: str | None = None,
    output_activation: str | None = None,
    **options: Any,
) -> Network:
    """The network that a PyTorch module computes.

    A `SparseNetwork` comes back with its weights of now, and with the ids, groups, limits and
    birth dates of the network that it was made of.  Otherwise the module must be a Linear
    layer, or a Sequential of Linear layers and activations (ReLU, Sigmoid, Tanh, Identity, at
    the end Softmax), nested or not; Dropout and leading Flatten are passed over.

    Where ``torch.nn.utils.prune`` has put a mask on a layer, the mask says which connections
    there are; otherwise a weight of exactly 0 is no connection.

    Parameters
    ----------
    module : nn.Module
        Not changed.
    loss : {"cross_entropy", "mse"}, optional
        By default that of the `SparseNetwork`; otherwise cross_entropy where the outputs are
        softmax or sigmoid, mse where they are not.
    output_activation : str, optional
        Activation of outputs that have none: a model trained with ``nn.CrossEntropyLoss`` ends
        in a Linear layer and needs "softmax" here to predict probabilities.
    **options
        As for `Network`; the dtype is that of the weights, and ``biases`` follows from the
        layers.

    Returns
    -------
    Network
        Inputs are group 0, the neurons of each layer one group more.

    Raises
    ------
    InvalidNetwork
        If a part of the module is none of these, or widths do not fit.
    InvalidParameter
        If there is no such loss or activation.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    >>> from_torch(model, output_activation="softmax")
    Network(Topology(15 neurons: 4 inputs, 8 hidden, 3 outputs; 56 connections),
    cross_entropy, float32)
    """
    if isinstance(module, SparseNetwork):
        return module.to_network(loss, **options)
    layers = read_layers(module, output_activation)
    last = layers[-1].activation
    topology = topology_of_layers(layers)
    if loss is None:
        loss = "cross_entropy" if last in ("softmax", "sigmoid") else "mse"
    biases = any(layer.bias is not None for layer in layers)
    kept: dict[str, Any] = {"dtype": layers[0].weight.dtype, "biases": biases}
    return Network(topology, loss, **kept | options)


@final
class SparseNetwork(nn.Module):
    """A network as a PyTorch module: sparse, trainable, movable to any device.

    Neurons that need nothing of each other are computed together, each from the connections
    that it really has, so a pass takes time and memory in proportion to them.  Gradients are
    of first order.  A hard threshold passes none on; `straight_through` units pass the
    identity's, as in the engine.

    Parameters
    ----------
    network : Network

    Attributes
    ----------
    weight : Parameter, shape (n_connections,)
        In the order of ``network.topology.structure.connection_ids``.
    bias : Parameter, shape (n_neurons - n_inputs,), or None
        Of the neurons that are computed, by id.

    Raises
    ------
    InvalidNetwork
        If the network is a selection that was not committed.
    InvalidData
        When it is called, if the samples are not of shape (n_samples, n_inputs).
    """

    bias: nn.Parameter | None
    _outputs: Tensor

    def __init__(self, network: Network) -> None:
        check_whole(network)
        super().__init__()
        structure = network.topology.structure
        self._topology, self._loss = _alone(network.topology), network.loss
        self.n_inputs, self.n_outputs = len(structure.inputs), len(structure.outputs)
        self.weight = nn.Parameter(torch.tensor(network.weights))
        computed = np.sort(structure.computed)
        bias = nn.Parameter(torch.tensor(network.biases[computed]))
        self.register_parameter("bias", bias if network.use_biases else None)
        stages, outputs = stages_of(structure)
        self._activations = [stage.activation for stage in stages]
        for number, stage in enumerate(stages):
            for name, values in _indices(stage, computed).items():
                self._keep(f"{name}{number}", values)
        self._keep("outputs", outputs)

    def _keep(self, name: str, values: Any) -> None:
        """Hold indices that move with the module and are not part of its state."""
        held = torch.tensor(np.asarray(values, np.int64))
        self.register_buffer(f"_{name}", held, persistent=False)

    def extra_repr(self) -> str:
        """What the module's repr says of it."""
        return f"{self._topology!r}, bias={self.bias is not None}"

    def forward(self, X: Tensor) -> Tensor:
        """Answers to samples.

        Parameters
        ----------
        X : tensor, shape (n_samples, n_inputs)
            Of the dtype and on the device of the parameters.

        Returns
        -------
        tensor, shape (n_samples, n_outputs)
        """
        if X.ndim != 2 or X.shape[1] != self.n_inputs:
            raise InvalidData(
                f"X must be of shape (n_samples, {self.n_inputs}), got {tuple(X.shape)}"
            )
        values = X.T
        for number, activation in enumerate(self._activations):
            positions, sources, starts, rows = (
                getattr(self, f"_{name}{number}")
                for name in ("positions", "sources", "starts", "rows")
            )
            sums = nn.functional.embedding_bag(
                sources, values, starts, mode="sum", per_sample_weights=self.weight[positions]
            )
            if self.bias is not None:
                sums = sums + self.bias[rows, None]
            values = torch.cat([values, _FUNCTIONS[activation.name](sums)])
        return values[self._outputs].T

    def to_network(self, loss: str | None = None, **options: Any) -> Network:
        """The network with the weights and biases of now: see `from_torch`."""
        topology, weights = _alone(self._topology), as_array(self.weight)
        kept: dict[str, Any] = {"dtype": weights.dtype, "biases": self.bias is not None}
        network = Network(topology, loss or self._loss, **kept | options)
        network.weights[:] = weights
        if self.bias is not None:
            network.biases[np.sort(topology.structure.computed)] = as_array(self.bias)
        return network


def _alone(topology: Topology) -> Topology:
    """A copy without optimizer state and statistics, which training elsewhere outdates."""
    arrays, described = encode(topology)
    kept = {
        name: values
        for name, values in arrays.items()
        if not name.startswith(("neuron.", "connection."))
    }
    return decode(kept, described | {"fills": {}})


def _indices(stage: Stage, computed: Any) -> dict[str, Any]:
    return {
        "positions": stage.positions,
        "sources": stage.sources,
        "starts": stage.starts[:-1],
        "rows": np.searchsorted(computed, stage.slots),
    }


class _StraightThrough(torch.autograd.Function):
    """A hard threshold that passes gradients on as if it were not there."""

    @staticmethod
    def forward(_: Any, sums: Tensor) -> Tensor:
        """1 where the sum is above 0, else 0."""
        return _threshold(sums)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """The gradient as it comes."""
        return gradient


def _threshold(sums: Tensor) -> Tensor:
    return torch.where(sums.isnan(), sums, (sums > 0).to(sums.dtype))


_FUNCTIONS: dict[str, Any] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda sums: sums,
    "softmax": lambda sums: torch.softmax(sums, dim=0),
    "threshold": lambda sums: _threshold(sums.detach()),
    "straight_through": _StraightThrough.apply,
}

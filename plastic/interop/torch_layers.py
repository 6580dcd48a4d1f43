"""Reading the Linear layers and activations of a PyTorch module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plastic.activations import get_activation
from plastic.edits import AddNeurons, Connect
from plastic.errors import InvalidNetwork, require_extra
from plastic.topology import Topology

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = require_extra("torch", "torch")
    Tensor, nn = torch.Tensor, torch.nn

Array = NDArray[Any]

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.Identity: "identity",
    nn.Softmax: "softmax",
}
PASSED_OVER = (nn.Dropout, nn.AlphaDropout)
"""What changes no prediction."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A Linear layer, and what follows it.

    Parameters
    ----------
    name : str
        As the module calls it, for messages.
    weight : float array, shape (n_out, n_in)
    there : bool array, shape (n_out, n_in)
        Which connections there are.
    bias : float array, shape (n_out,), or None
    activation : str, optional
        None while no module has said it.
    """

    name: str
    weight: Array
    there: NDArray[np.bool_]
    bias: Array | None
    activation: str | None = None


def as_array(tensor: Tensor) -> Array:
    """A copy of a tensor of any layout on any device: float64 as it is, others as float32."""
    held = tensor.detach().to_dense().cpu()
    return np.array((held if held.dtype == torch.float64 else held.float()).numpy())


def read_layers(module: nn.Module, output_activation: str | None = None) -> list[Layer]:
    """The layers of a module, in order.

    Raises
    ------
    InvalidNetwork
        If a part is neither a Linear layer nor an activation, an activation is in the wrong
        place, or the widths of two layers do not fit.
    """
    layers: list[Layer] = []
    for name, part in _parts(module, ""):
        if isinstance(part, nn.Linear):
            layers.append(_linear(name, part))
        elif type(part) in ACTIVATIONS:
            _activate(layers, name, part)
        elif not isinstance(part, PASSED_OVER) and not (
            isinstance(part, nn.Flatten) and not layers
        ):
            known = ", ".join(kind.__name__ for kind in ACTIVATIONS)
            raise InvalidNetwork(
                f"{name} is a {type(part).__name__}, but only Linear layers and {known} "
                "can be read"
            )
    if not layers:
        raise InvalidNetwork(f"there is no Linear layer in {type(module).__name__}")
    if output_activation is not None:
        get_activation(output_activation)
        if layers[-1].activation not in (None, "identity", output_activation):
            raise InvalidNetwork(
                f"the outputs are {layers[-1].activation} already, not {output_activation}"
            )
        layers[-1] = replace(layers[-1], activation=output_activation)
    _check(layers)
    return layers


def topology_of_layers(layers: list[Layer]) -> Topology:
    """A topology with columns ``weight`` and ``bias``: inputs, then outputs, then the rest."""
    n_inputs, n_outputs = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    last = len(layers)
    topology = Topology(
        n_inputs,
        n_outputs,
        layers[-1].activation or "identity",
        output_group=last,
        blocks=pairwise(range(last + 1)),
    )
    first = n_inputs + n_outputs
    ids = [np.arange(n_inputs)]
    for layer in layers[:-1]:
        ids.append(first + np.arange(len(layer.weight)))
        first += len(layer.weight)
    ids.append(n_inputs + np.arange(n_outputs))
    dtype = layers[0].weight.dtype
    topology.connection_columns.add("weight", dtype)
    topology.neuron_columns.add("bias", dtype)
    edits: list[Any] = [
        AddNeurons(len(layer.weight), layer.activation or "identity", group, keep_stranded=True)
        for group, layer in enumerate(layers[:-1], start=1)
    ]
    for layer, (sources, targets) in zip(layers, pairwise(ids), strict=True):
        to, of = np.nonzero(layer.there)
        weights = {"weight": layer.weight[to, of]}
        edits.append(Connect(sources[of], targets[to], columns=weights))
    topology.apply(*edits)
    for layer, targets in zip(layers, ids[1:], strict=True):
        if layer.bias is not None:
            slots = topology.structure.slots_of(targets)
            topology.neuron_columns["bias"][slots] = layer.bias
    return topology


def _parts(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    if not isinstance(module, nn.Sequential):
        yield name or "the module", module
        return
    for child_name, child in module.named_children():
        yield from _parts(child, f"{name}.{child_name}".lstrip("."))


def _linear(name: str, part: nn.Linear) -> Layer:
    """A layer with the weights that its next pass will compute with.

    Masks of ``torch.nn.utils.prune`` lie beside the weights and are multiplied in by a hook
    before each pass, so ``part.weight`` itself may be that of the pass before.
    """
    weight, there = _masked(part, "weight")
    bias, _ = (None, None) if part.bias is None else _masked(part, "bias")
    return Layer(name, weight, weight != 0 if there is None else there, bias)


def _masked(part: nn.Linear, name: str) -> tuple[Array, NDArray[np.bool_] | None]:
    mask = getattr(part, f"{name}_mask", None)
    if mask is None:
        return as_array(getattr(part, name)), None
    there = as_array(mask) != 0
    return as_array(getattr(part, f"{name}_orig")) * there, there


def _activate(layers: list[Layer], name: str, part: nn.Module) -> None:
    activation = ACTIVATIONS[type(part)]
    if not layers:
        if activation == "identity":
            return
        raise InvalidNetwork(f"{name} is a {type(part).__name__} before any Linear layer")
    held = layers[-1].activation
    if activation == "identity" and held is not None:
        return
    if held not in (None, "identity"):
        raise InvalidNetwork(f"{name} is a {type(part).__name__} after {held}")
    if isinstance(part, nn.Softmax) and part.dim not in (1, -1):
        raise InvalidNetwork(f"{name} is a softmax over dimension {part.dim}; it must be 1")
    layers[-1] = replace(layers[-1], activation=activation)


def _check(layers: list[Layer]) -> None:
    for before, after in pairwise(layers):
        if len(before.weight) != after.weight.shape[1]:
            raise InvalidNetwork(
                f"{before.name} gives {len(before.weight)} values, "
                f"but {after.name} takes {after.weight.shape[1]}"
            )
        if before.activation == "softmax":
            raise InvalidNetwork(f"softmax must be last, but {after.name} follows")
    for layer in layers:
        for what, values in (("weight", layer.weight), ("bias", layer.bias)):
            if values is not None and not np.isfinite(values).all():
                raise InvalidNetwork(f"{layer.name} has a {what} that is not finite")

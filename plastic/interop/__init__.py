"""Ways to the neighbours: a network goes to another library or file format, and comes back.

One file a neighbour, each imported when its functions are first used.  Where a library is not
installed, the error names the extra that brings it.

==================  ==================================================  ====================
neighbour           functions                                           extra
==================  ==================================================  ====================
safetensors         `save_network`, `load_network`, `load_parameters`   none: always there
graph files         `save_graph`, `load_graph`: GraphML, GEXF, JSON     none: always there
PyTorch             `to_torch`, `from_torch`                            ``plastic[torch]``
ONNX                `to_onnx`, `save_onnx`                              ``plastic[onnx]``
neat-python         `from_neat`                                         ``plastic[neat]``
==================  ==================================================  ====================
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plastic.interop.graphs import load_graph, save_graph
    from plastic.interop.neat import from_neat
    from plastic.interop.onnx import save_onnx, to_onnx
    from plastic.interop.safetensors import load_network, load_parameters, save_network
    from plastic.interop.torch import from_torch, to_torch

__all__ = [
    "from_neat",
    "from_torch",
    "load_graph",
    "load_network",
    "load_parameters",
    "save_graph",
    "save_network",
    "save_onnx",
    "to_onnx",
    "to_torch",
]

_HOMES = {
    "from_neat": "neat",
    "from_torch": "torch",
    "load_graph": "graphs",
    "load_network": "safetensors",
    "load_parameters": "safetensors",
    "save_graph": "graphs",
    "save_network": "safetensors",
    "save_onnx": "onnx",
    "to_onnx": "onnx",
    "to_torch": "torch",
}


def __getattr__(name: str) -> Any:
    """Import a neighbour's file when one of its functions is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'plastic.interop' has no attribute {name!r}")
    return getattr(import_module(f"plastic.interop.{_HOMES[name]}"), name)

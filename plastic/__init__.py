"""plastic: neural networks that change their own wiring while they learn.

The parts, from the ground up: `plastic.topology` (who is connected to whom), `plastic.engine`
(what computes and learns), `plastic.policies` (where it grows and shrinks), `plastic.training`
(the loop), `plastic.records` and `plastic.analysis` (tables, and what they say).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plastic.analysis import load_results
    from plastic.engine import Network
    from plastic.estimators import PlasticClassifier, PlasticRegressor
    from plastic.topology import Topology
    from plastic.training import train

__version__ = "0.1.0"

__all__ = [
    "Network",
    "PlasticClassifier",
    "PlasticRegressor",
    "Topology",
    "load_results",
    "train",
]

_HOMES = {
    "Network": "plastic.engine",
    "PlasticClassifier": "plastic.estimators",
    "PlasticRegressor": "plastic.estimators",
    "Topology": "plastic.topology",
    "load_results": "plastic.analysis",
    "train": "plastic.training",
}


def __getattr__(name: str) -> Any:
    """Import the heavy parts when they are first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'plastic' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

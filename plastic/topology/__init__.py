"""The topology manager: structure in arrays, edited all or none, faced by NetworkX."""

from plastic.topology.constraints import Constraints
from plastic.topology.convert import from_networkx
from plastic.topology.encoding import decode, encode
from plastic.topology.graph import TopologyGraph
from plastic.topology.journal import Journal, replay
from plastic.topology.structure import Kind, Structure
from plastic.topology.topology import Snapshot, Topology

__all__ = [
    "Constraints",
    "Journal",
    "Kind",
    "Snapshot",
    "Structure",
    "Topology",
    "TopologyGraph",
    "decode",
    "encode",
    "from_networkx",
    "replay",
]

"""The NetworkX face of a topology: live, read-only, and never a second copy.

`TopologyGraph` is a `networkx.DiGraph` whose dictionaries are mapping views on the
topology's arrays.  NetworkX's algorithms run on it unchanged.  What they build themselves
(copies, subgraphs, reversals) are ordinary graphs, free to be changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import networkx as nx
import numpy as np

from plastic.activations import BY_CODE
from plastic.errors import ReadOnly
from plastic.topology.structure import Kind

if TYPE_CHECKING:
    from plastic.topology.structure import Structure
    from plastic.topology.topology import Topology

MUTATORS = (
    "add_node", "add_nodes_from", "remove_node", "remove_nodes_from",
    "add_edge", "add_edges_from", "add_weighted_edges_from",
    "remove_edge", "remove_edges_from", "update", "clear", "clear_edges",
)  # fmt: skip


class TopologyGraph(nx.DiGraph):
    """A live `networkx.DiGraph` on a topology.

    Nodes are neuron ids, edges are connections.  Nodes carry ``kind``, ``activation``,
    ``group``, ``birth_step`` (and ``bias`` in a network); edges carry ``id``, ``birth_step``
    (and ``weight`` in a network).

    Parameters
    ----------
    topology : Topology, optional
        Without one, this is an ordinary empty graph: NetworkX makes such ones to build in.

    Raises
    ------
    ReadOnly
        When anything is written to it.

    Examples
    --------
    >>> from plastic.edits import Connect
    >>> from plastic.topology import Topology
    >>> topology = Topology(2, 1)
    >>> graph = topology.graph
    >>> _ = topology.apply(Connect([0, 1], [2, 2]))
    >>> sorted(graph.edges), graph.nodes[2]["kind"]
    ([(0, 2), (1, 2)], 'output')
    >>> graph.remove_edge(0, 2)
    Traceback (most recent call last):
        ...
    plastic.errors.ReadOnly: this graph is a face on a topology; edit it by Topology.apply
    """

    def __init__(self, topology: Topology | None = None, **attributes: Any) -> None:
        super().__init__(**attributes)
        if topology is not None:
            self._node = _Neurons(topology)
            self._adj = _Adjacency(topology, _Successors)
            self._pred = _Adjacency(topology, _Predecessors)
            for name in MUTATORS:
                setattr(self, name, _refuse)

    def to_directed_class(self) -> type[nx.DiGraph]:
        """The class of directed copies."""
        return nx.DiGraph

    def to_undirected_class(self) -> type[nx.Graph]:
        """The class of undirected copies."""
        return nx.Graph

    def copy(self, as_view: bool = False) -> nx.DiGraph:
        """An ordinary `networkx.DiGraph` of the same nodes, edges and attributes."""
        return super().copy(as_view=True) if as_view else nx.DiGraph(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> nx.DiGraph:
        return self.copy()

    def reverse(self, copy: bool = True) -> nx.DiGraph:
        """The graph with every edge turned round; a live view of it if not a copy."""
        turned = super().reverse(copy=False)
        return nx.DiGraph(turned) if copy else turned


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise ReadOnly("this graph is a face on a topology; edit it by Topology.apply")


class _View(Mapping[Any, Any]):
    """A mapping that says how to edit when it is written to."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def copy(self) -> dict[Any, Any]:
        return {key: dict(value) for key, value in self.items()}

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return self.copy()

    def __repr__(self) -> str:
        return repr(dict(self))


class _Neurons(_View):
    """Neuron id -> attributes."""

    __slots__ = ("_topology",)

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def __len__(self) -> int:
        return self._topology.n_neurons

    def __iter__(self) -> Iterator[int]:
        return iter(self._topology.structure.neuron_ids.tolist())

    def __contains__(self, neuron: object) -> bool:
        return _slot(self._topology.structure, neuron) is not None

    def __getitem__(self, neuron: Any) -> _NeuronAttributes:
        if neuron not in self:
            raise KeyError(neuron)
        return _NeuronAttributes(self._topology, int(neuron))


class _Adjacency(_Neurons):
    """Neuron id -> neighbours on one side."""

    __slots__ = ("_side",)

    def __init__(self, topology: Topology, side: type[_Neighbours]) -> None:
        super().__init__(topology)
        self._side = side

    def __getitem__(self, neuron: Any) -> Any:
        if neuron not in self:
            raise KeyError(neuron)
        return self._side(self._topology, int(neuron))


class _Neighbours(_View):
    """Neighbour id -> attributes of the connection."""

    __slots__ = ("_neuron", "_topology")

    def __init__(self, topology: Topology, neuron: int) -> None:
        self._topology, self._neuron = topology, neuron

    def _slots_and_positions(self) -> tuple[Any, Any]:
        raise KeyError(self._neuron)

    def _pair(self, slot: int, other: int) -> tuple[int, int]:
        """Source and target slot of the connection with another neuron."""
        raise KeyError(slot, other)

    def __len__(self) -> int:
        return len(self._slots_and_positions()[0])

    def __iter__(self) -> Iterator[int]:
        slots, _ = self._slots_and_positions()
        return iter(self._topology.structure.neuron_ids[slots].tolist())

    def __contains__(self, neuron: object) -> bool:
        return self._position(neuron) is not None

    def __getitem__(self, neuron: Any) -> _ConnectionAttributes:
        position = self._position(neuron)
        if position is None:
            raise KeyError(neuron)
        return _ConnectionAttributes(self._topology, position)

    def items(self) -> Any:
        slots, positions = self._slots_and_positions()
        ids = self._topology.structure.neuron_ids[slots].tolist()
        attributes = (_ConnectionAttributes(self._topology, p) for p in positions.tolist())
        return list(zip(ids, attributes, strict=True))

    def _position(self, neuron: object) -> int | None:
        structure = self._topology.structure
        slot, other = _slot(structure, self._neuron), _slot(structure, neuron)
        if slot is None or other is None:
            return None
        source, target = self._pair(slot, other)
        start, stop = structure.out.indptr[source : source + 2]
        row = structure.out.targets[start:stop]  # ascending
        at = int(np.searchsorted(row, target))
        if at == len(row) or row[at] != target:
            return None
        return int(structure.out.positions[start + at])


class _Successors(_Neighbours):
    __slots__ = ()

    def _pair(self, slot: int, other: int) -> tuple[int, int]:
        return slot, other

    def _slots_and_positions(self) -> tuple[Any, Any]:
        structure = self._topology.structure
        slot = _slot(structure, self._neuron)
        out = structure.out
        row = slice(0, 0) if slot is None else slice(out.indptr[slot], out.indptr[slot + 1])
        return out.targets[row], out.positions[row]


class _Predecessors(_Neighbours):
    __slots__ = ()

    def _pair(self, slot: int, other: int) -> tuple[int, int]:
        return other, slot

    def _slots_and_positions(self) -> tuple[Any, Any]:
        structure = self._topology.structure
        slot = _slot(structure, self._neuron)
        start, stop = (0, 0) if slot is None else structure.indptr[slot : slot + 2]
        return structure.sources[start:stop], np.arange(start, stop)


class _Attributes(_View):
    """Attribute name -> value, as plain Python values."""

    __slots__ = ()

    def copy(self) -> dict[str, Any]:
        return self._values()

    def items(self) -> Any:
        return self._values().items()

    def _values(self) -> dict[str, Any]:
        raise KeyError

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())


class _NeuronAttributes(_Attributes):
    __slots__ = ("_neuron", "_topology")

    def __init__(self, topology: Topology, neuron: int) -> None:
        self._topology, self._neuron = topology, neuron

    def _values(self) -> dict[str, Any]:
        structure = self._topology.structure
        slot = _slot(structure, self._neuron)
        if slot is None:
            raise KeyError(self._neuron)
        values = {
            "kind": Kind(structure.kinds[slot]).name.lower(),
            "activation": BY_CODE[int(structure.activations[slot])].name,
            "group": int(structure.groups[slot]),
            "birth_step": int(self._topology.birth_steps("neuron", self._neuron)),
        }
        bias = self._topology.neuron_columns.get("bias")
        return values if bias is None else {**values, "bias": float(bias[slot])}


class _ConnectionAttributes(_Attributes):
    __slots__ = ("_id", "_position", "_structure", "_topology")

    def __init__(self, topology: Topology, position: int) -> None:
        self._topology, self._structure = topology, topology.structure
        self._position = position
        self._id = int(self._structure.connection_ids[position])

    def _values(self) -> dict[str, Any]:
        topology, position = self._topology, self._position
        if topology.structure is not self._structure:  # edited since: find it again
            found = np.flatnonzero(topology.structure.connection_ids == self._id)
            if not len(found):
                raise KeyError(f"connection {self._id}")
            position = int(found[0])
        step = int(topology.birth_steps("connection", self._id))
        values: dict[str, Any] = {"id": self._id, "birth_step": step}
        weight = topology.connection_columns.get("weight")
        return values if weight is None else {**values, "weight": float(weight[position])}


def _slot(structure: Structure, neuron: object) -> int | None:
    if not isinstance(neuron, int | np.integer) or isinstance(neuron, bool):
        return None
    slot = int(np.searchsorted(structure.neuron_ids, neuron))
    found = slot < structure.n_neurons and structure.neuron_ids[slot] == neuron
    return slot if found else None

"""Rewiring: `Topology.apply` beside the same edits on a `networkx.DiGraph`."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from experiments.bench.measure import Contender, Disagreement, Effort, Row, compare
from experiments.bench.memory import held_bytes
from experiments.bench.problems import dag_topology
from plastic.edits import Connect, Disconnect
from plastic.topology import Topology
from plastic.topology.structure import Structure

Array = NDArray[Any]

FRACTION = 0.3
"""Of the connections, that each rewiring moves."""


class Rewiring:
    """30% of the connections, to and fro between the pairs that they have and others.

    The arguments of each call (edits of arrays, lists of pairs) are made off the clock.

    Parameters
    ----------
    topology : Topology
        Is edited.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        rng = np.random.default_rng(3)
        keys, n = pair_keys(topology.structure), topology.n_neurons
        moved = round(FRACTION * len(keys))
        gone = np.sort(rng.choice(keys, moved, replace=False))  # sorted is kind to both
        self._sides = [gone, missing_keys(topology.structure, moved, rng)]
        self._edits: list[Any] = []
        self._lists: list[Any] = []
        self.graph = nx.DiGraph()
        self.graph.add_nodes_from(range(n))
        self.graph.add_edges_from(_pairs(keys, n), weight=0.0)

    def prepare_edits(self) -> None:
        """Make the edits of the next rewiring."""
        structure = self.topology.structure
        keys = pair_keys(structure)
        here, there = self._sides_of(bool(np.any(keys == self._sides[0][0])))
        at = np.flatnonzero(np.isin(keys, here))
        n, ids = structure.n_neurons, structure.neuron_ids
        self._edits = [
            Disconnect(structure.connection_ids[at], keep_stranded=True),
            Connect(ids[there // n], ids[there % n]),
        ]

    def apply(self) -> None:
        """Rewire the topology: checked for cycles, duplicates and unknown ids, with an undo."""
        self.topology.apply(*self._edits)

    def prepare_lists(self) -> None:
        """Make the lists of pairs of the next rewiring."""
        n = self.topology.n_neurons
        first = divmod(int(self._sides[0][0]), n)
        here, there = self._sides_of(self.graph.has_edge(*first))
        self._lists = [_pairs(here, n), _pairs(there, n)]

    def edit_graph(self) -> None:
        """Rewire the graph, with no check at all."""
        self.graph.remove_edges_from(self._lists[0])
        self.graph.add_edges_from(self._lists[1], weight=0.0)

    def edit_graph_checked(self) -> None:
        """Rewire the graph and make sure, once for all edits, that it is acyclic."""
        self.edit_graph()
        if not nx.is_directed_acyclic_graph(self.graph):
            raise Disagreement("networkx finds a cycle where Topology.apply found none")

    def check(self) -> None:
        """Raise unless both have the same connections after one rewiring.

        Raises
        ------
        Disagreement
        """
        for call in (self.prepare_edits, self.apply, self.prepare_lists, self.edit_graph):
            call()
        n = self.topology.n_neurons
        ours = np.sort(pair_keys(self.topology.structure))
        theirs = np.sort(np.array(self.graph.edges, np.int64) @ [n, 1])
        if not np.array_equal(ours, theirs):
            raise Disagreement("after the same rewiring networkx has other connections")

    def _sides_of(self, forward: bool) -> tuple[Array, Array]:
        first, second = self._sides
        return (first, second) if forward else (second, first)


def rewire_rows(n_neurons: int, n_connections: int, effort: Effort) -> list[Row]:
    """Time of a rewiring, and memory a connection, beside networkx."""
    topology = dag_topology(n_neurons, n_connections)
    rewiring = Rewiring(topology)
    rewiring.check()
    rows = compare(
        "rewire 30%",
        topology.density,
        Contender("plastic", rewiring.apply, rewiring.prepare_edits),
        [
            Contender("networkx", rewiring.edit_graph, rewiring.prepare_lists),
            Contender("networkx, acyclic", rewiring.edit_graph_checked, rewiring.prepare_lists),
        ],
        effort,
    )
    density = topology.density
    del rewiring, topology
    return [*rows, _memory_row(n_neurons, n_connections, density)]


def pair_keys(structure: Structure) -> NDArray[np.int64]:
    """One number for each connection: ``source * n_neurons + target``, by position."""
    return structure.sources.astype(np.int64) * structure.n_neurons + structure.targets


def missing_keys(
    structure: Structure, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Keys of pairs that are not connected, none into an input or out of an output."""
    held, n = pair_keys(structure), structure.n_neurons
    found = np.zeros(0, np.int64)
    is_input, is_output = (
        np.isin(np.arange(n), s) for s in (structure.inputs, structure.outputs)
    )
    while len(found) < count:
        a, b = rng.integers(0, n, (2, 2 * count))
        forward = structure.rank[a] < structure.rank[b]
        sources, targets = np.where(forward, a, b), np.where(forward, b, a)
        fits = (a != b) & ~is_input[targets] & ~is_output[sources]
        drawn = (sources * n + targets)[fits]
        found = np.union1d(found, drawn[~np.isin(drawn, held)])
    return np.sort(rng.choice(found, count, replace=False))


def _memory_row(n_neurons: int, n_connections: int, density: float) -> Row:
    """Bytes a connection, in the columns that hold milliseconds elsewhere."""

    def ours() -> Topology:
        topology = dag_topology(n_neurons, n_connections)
        topology.connection_columns.add("weight", np.float32)
        return topology

    made = ours()
    pairs = _pairs(pair_keys(made.structure), n_neurons)
    n = made.n_connections
    del made

    def theirs() -> nx.DiGraph:
        graph = nx.DiGraph()
        graph.add_nodes_from(range(n_neurons))
        graph.add_edges_from(pairs, weight=0.0)
        return graph

    held = held_bytes(ours) / n, held_bytes(theirs) / n
    ratio = held[1] / held[0]
    return Row("bytes a connection", density, 1, "networkx", *held, ratio, ratio, ratio)


def _pairs(keys: Array, n: int) -> list[tuple[int, int]]:
    return list(zip((keys // n).tolist(), (keys % n).tolist(), strict=True))

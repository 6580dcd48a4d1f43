"""From a NetworkX graph to a topology."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from math import isfinite
from numbers import Real
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from plastic.activations import get_activation
from plastic.edits import AddNeurons, Connect
from plastic.errors import CycleError, InvalidNetwork
from plastic.topology.topology import Topology


def from_networkx(
    graph: nx.DiGraph,
    *,
    inputs: Iterable[Hashable] | None = None,
    outputs: Iterable[Hashable] | None = None,
    keep_stranded: bool = False,
) -> Topology:
    """Make a topology of a directed acyclic graph.

    Nodes that are whole numbers keep them as ids; otherwise ids are given in the order inputs,
    outputs, rest.  Node attributes ``activation``, ``group`` and ``bias``, and the edge
    attribute ``weight``, are taken over where they are there; so is ``id``, where all edges
    have one of their own.

    Parameters
    ----------
    graph : networkx.DiGraph
        Not changed.
    inputs, outputs : iterable of nodes, optional
        By default the nodes of attribute ``kind`` "input" or "output"; where no node has it,
        those that nothing leads into, and those that nothing leads out of.
    keep_stranded : bool
        Whether hidden nodes may lack a way in or out.

    Returns
    -------
    Topology

    Raises
    ------
    InvalidNetwork
        If the graph is undirected, a multigraph or empty, an input or output is not one,
        a hidden node has no way in or out, or a weight or bias is not a number.
    CycleError
        If it has a cycle; one is named.

    Examples
    --------
    >>> topology = from_networkx(nx.DiGraph([("x", "h"), ("h", "y"), ("x", "y")]))
    >>> topology
    Topology(3 neurons: 1 inputs, 1 hidden, 1 outputs; 3 connections)
    """
    _check_graph(graph)
    ends = _ends(graph, "input", inputs), _ends(graph, "output", outputs)
    _check_ends(graph, *ends)
    hidden = [node for node in graph if node not in {*ends[0], *ends[1]}]
    if not keep_stranded:
        _check_hidden(graph, hidden)
    nodes = [*ends[0], *ends[1], *hidden]
    ids = _ids_of(nodes)
    n_ends = len(nodes) - len(hidden)
    topology = Topology(
        len(ends[0]),
        len(ends[1]),
        [str(graph.nodes[node].get("activation", "identity")) for node in ends[1]],
        output_group=int(graph.nodes[ends[1][0]].get("group", 2)),
        ids=[ids[node] for node in nodes[:n_ends]],
    )
    columns = _columns(topology, graph)
    neurons = AddNeurons(
        len(hidden),
        [get_activation(graph.nodes[n].get("activation", "sigmoid")).code for n in hidden],
        [int(graph.nodes[node].get("group", 1)) for node in hidden],
        ids=np.array([ids[node] for node in hidden], np.int64),
        keep_stranded=keep_stranded,
    )
    sources, targets = ([ids[edge[side]] for edge in graph.edges] for side in (0, 1))
    connections = Connect(sources, targets, ids=_edge_ids(graph), columns=columns)
    topology.apply(neurons, connections)
    _take_biases(topology, graph, ids)
    return topology


def _check_graph(graph: Any) -> None:
    if not isinstance(graph, nx.Graph):
        raise InvalidNetwork(f"a networkx.DiGraph is needed, got {type(graph).__name__}")
    if not graph.is_directed():
        raise InvalidNetwork("the graph is undirected; a network needs a networkx.DiGraph")
    if graph.is_multigraph():
        raise InvalidNetwork("a multigraph may hold an edge twice; use a networkx.DiGraph")
    if not graph:
        raise InvalidNetwork("the graph has no nodes")
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(str(edge[0]) for edge in nx.find_cycle(graph))
        raise CycleError(f"the graph has a cycle through {cycle}")


def _ends(graph: nx.DiGraph, kind: str, given: Iterable[Hashable] | None) -> list[Any]:
    if given is not None:
        nodes = list(given)
        for node in nodes:
            if node not in graph:
                raise InvalidNetwork(f"{kind} {node!r} is not a node of the graph")
        return nodes
    marked = [node for node, held in graph.nodes(data="kind") if held == kind]
    degree = graph.in_degree if kind == "input" else graph.out_degree
    return marked or [node for node in graph if degree(node) == 0]


def _check_ends(graph: nx.DiGraph, inputs: list[Any], outputs: list[Any]) -> None:
    both = set(inputs) & set(outputs)
    if both:
        raise InvalidNetwork(f"node {sorted(map(str, both))[0]} is input and output at once")
    if not inputs or not outputs:
        raise InvalidNetwork(f"the graph has no {'inputs' if not inputs else 'outputs'}")
    for node in inputs:
        if graph.in_degree(node):
            raise InvalidNetwork(f"input {node!r} has edges that lead into it")


def _check_hidden(graph: nx.DiGraph, hidden: list[Any]) -> None:
    for degree, missing in ((graph.in_degree, "in"), (graph.out_degree, "out")):
        for node in hidden:
            if degree(node) == 0:
                raise InvalidNetwork(f"hidden node {node!r} has no way {missing}")


def _ids_of(nodes: list[Any]) -> dict[Any, int]:
    if _are_ids(nodes):
        return {node: int(node) for node in nodes}
    return {node: i for i, node in enumerate(nodes)}


def _edge_ids(graph: nx.DiGraph) -> list[int] | None:
    ids = [number for *_, number in graph.edges(data="id")]
    return ids if _are_ids(ids) and len(set(ids)) == len(ids) else None


def _are_ids(values: list[Any]) -> bool:
    return all(
        isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
        for value in values
    )


def _columns(topology: Topology, graph: nx.DiGraph) -> dict[str, Any]:
    weights = [weight for *_, weight in graph.edges(data="weight")]
    if all(weight is None for weight in weights):
        return {}
    topology.connection_columns.add("weight", np.float64)
    return {"weight": _numbers("edge weights", [0.0 if w is None else w for w in weights])}


def _take_biases(topology: Topology, graph: nx.DiGraph, ids: dict[Any, int]) -> None:
    biases = {ids[node]: bias for node, bias in graph.nodes(data="bias") if bias is not None}
    if biases:
        column = topology.neuron_columns.add("bias", np.float64)
        values = _numbers("node biases", list(biases.values()))
        column[topology.structure.slots_of(list(biases))] = values


def _numbers(what: str, values: list[Any]) -> NDArray[np.float64]:
    for value in values:
        if not isinstance(value, Real) or not isfinite(value):
            raise InvalidNetwork(f"{what} must be finite numbers, got {value!r}")
    return np.array(values, np.float64)

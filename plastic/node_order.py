"""The order of the nodes of `plastic.nodes`: each one behind all that it depends on.

Every node has a *rank* that grows along every connection.  Sorting by it is a topological
order, and a new connection that goes up in rank cannot close a cycle and needs no search.
One that goes down moves the ranks of as few nodes as either side of it allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain, cycle
from typing import TYPE_CHECKING, TypeGuard

from plastic.activations import softmax
from plastic.errors import CycleError, InvalidEdit, InvalidNetwork

if TYPE_CHECKING:
    from plastic.nodes import Neuron, Node, SoftmaxGroup


def is_neuron(node: object) -> TypeGuard[Neuron]:
    """Whether this is a neuron: it has an activation, and weights that learn."""
    return hasattr(node, "activation_function")


def softmax_groups(nodes: Iterable[Node]) -> list[SoftmaxGroup]:
    """The softmax layers that these nodes belong to, each once."""
    return list(dict.fromkeys(node.softmax_group for node in nodes if node.softmax_group))


def topological_order(outputs: Iterable[Node]) -> list[Node]:
    """Every node that these depend on and these themselves, each once, inputs first.

    Softmax neurons bring the rest of their layer along.

    Examples
    --------
    >>> from plastic.nodes import Neuron, OnlyValueNode
    >>> value, hidden, last = OnlyValueNode(1), Neuron(), Neuron()
    >>> _ = value.connect_forward(hidden).connect_forward(last), hidden.connect_forward(last)
    >>> topological_order([last]) == [value, hidden, last]
    True
    """
    outputs = list(outputs)
    peers = (group.neurons for group in softmax_groups(outputs))
    return sorted(reachable(chain(outputs, *peers), forward=False), key=lambda node: node.rank)


def reachable(nodes: Iterable[Node], *, forward: bool) -> list[Node]:
    """These nodes and all that follow them, or all that lead to them, nearest first."""
    found = list(dict.fromkeys(nodes))  # no set, so that the order is the same in every process
    seen = set(found)
    for node in found:  # grows while it is read
        for neighbour in node.output_nodes if forward else node.input_nodes:
            if neighbour not in seen:
                seen.add(neighbour)
                found.append(neighbour)
    return found


def check_order(order: Sequence[Node]) -> set[Node]:
    """The nodes of an order on which a pass may run.

    Raises
    ------
    InvalidNetwork
        If it is not, or no longer, one of `topological_order`, or a softmax neuron belongs to
        no layer.
    """
    members = set(order)
    ranks = [node.rank for node in order]
    needed = chain(
        (node.input_nodes for node in order),
        (group.neurons for group in softmax_groups(order)),
    )
    whole = all(map(members.issuperset, needed))
    if not whole or len(members) < len(order) or ranks != sorted(ranks):
        raise InvalidNetwork(
            f"order of {len(order)} nodes is not that of topological_order: "
            "compute it again after an edit"
        )
    for node in order:
        if is_neuron(node) and node.activation_function is softmax and not node.softmax_group:
            raise InvalidNetwork(f"{node!r} belongs to no layer: join it with softmax_layer")
    return members


def connect_layer_forward(input_nodes: Iterable[Node], neurons: Iterable[Neuron]) -> None:
    """Connect every input node with every neuron, or none if one connection is refused.

    Raises
    ------
    InvalidEdit, CycleError
        As `Node.connect_forward`.
    """
    sources, targets = list(input_nodes), list(neurons)
    for layer in (sources, targets):
        if len(set(layer)) < len(layer):
            raise InvalidEdit(f"a layer names each node once, got {layer}")
    for target in targets:
        for source in sources:
            check_ends(source, target)
    later = set(reachable(targets, forward=True))
    for source in sources:
        if source in later:
            raise CycleError(f"connecting {source!r} to the layer would close a cycle")
    for source in sources:
        for target in targets:
            source.connect_forward(target)


def check_ends(source: Node, target: Node) -> None:
    """Refuse a connection for what its ends are, whatever lies between them.

    Raises
    ------
    InvalidEdit
        If they are connected or the same, one is no node, `target` takes no inputs, or
        `source` is a softmax neuron.
    """
    if not hasattr(source, "output_nodes"):
        raise InvalidEdit(f"a connection starts from a node, got {source!r}")
    if not is_neuron(target):
        raise InvalidEdit(f"{target!r} is no neuron and takes no inputs, got {source!r}")
    if source is target:
        raise CycleError(f"{source!r} cannot be connected to itself")
    if target.get_weight_of_node(source) is not None:
        raise InvalidEdit(f"{source!r} is already connected to {target!r}")
    if is_neuron(source) and source.activation_function is softmax:
        raise InvalidEdit(f"{source!r} is a softmax output and cannot feed {target!r}")


def ranks_for(source: Node, target: Node) -> dict[Node, float]:
    """New ranks of the nodes that must move for `target` to come behind `source`.

    Raises
    ------
    CycleError
        If there are none, since `source` depends on `target`.
    """
    if source.rank < target.rank:
        return {}
    # Raise what follows the target or lower what leads to the source, whichever is less:
    # taking turns costs at most twice the smaller of the two.
    searches = [_shifted_ranks(source, target, 1), _shifted_ranks(source, target, -1)]
    return next(ranks for ranks in map(next, cycle(searches)) if ranks is not None)


def _shifted_ranks(source: Node, target: Node, step: int) -> Iterator[dict[Node, float] | None]:
    """Search from one end of a new connection; yields None after each node, then the ranks."""
    start, goal = (target, source) if step > 0 else (source, target)
    ranks: dict[Node, float] = {start: goal.rank + step}
    # by old rank, so that a node comes after all that shift it and is visited once
    pending = [(step * start.rank, 0, start)]
    while pending:
        node = heappop(pending)[-1]
        for neighbour in node.output_nodes if step > 0 else node.input_nodes:
            if neighbour is goal:
                raise CycleError(f"connecting {source!r} to {target!r} would close a cycle")
            behind = ranks[node] + step
            if step * ranks.get(neighbour, neighbour.rank) < step * behind:
                if neighbour not in ranks:
                    heappush(pending, (step * neighbour.rank, len(ranks), neighbour))
                ranks[neighbour] = behind
        yield None
    yield ranks

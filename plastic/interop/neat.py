"""neat-python: a genome becomes a network, so that what evolved can be trained by gradient.

A genome's node computes ``activation(bias + response * sum(weight * value))``.  Its response
goes into the weights, and so do the slopes that neat-python builds into its sigmoid (5) and
tanh (2.5); a network of sums and the usual activations is left, with the same predictions.

What cannot be told that way is refused by name: links that close a cycle, aggregations other
than ``sum``, and activations other than sigmoid, tanh, relu and identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from plastic.activations import get_activation
from plastic.edits import AddNeurons, Connect
from plastic.engine import Network
from plastic.errors import CycleError, InvalidNetwork, require_extra
from plastic.topology import Topology

if TYPE_CHECKING:
    from neat import activations, aggregations
else:
    activations = require_extra("neat.activations", "neat")
    aggregations = require_extra("neat.aggregations", "neat")

STEEPNESS = {"sigmoid": 5.0, "tanh": 2.5, "relu": 1.0, "identity": 1.0}
"""What neat-python multiplies a sum with before the function of that name.

It also cuts sums off at 60, where a sigmoid is 1 less 1e-26.
"""

Links = list[tuple[int, int, float]]  # source key, target key, weight


def from_neat(genome: Any, config: Any, *, loss: str = "mse", **options: Any) -> Network:
    """The network of a genome, as ``neat.nn.FeedForwardNetwork`` computes it.

    Disabled links are left out, and so are nodes that no output depends on.  An input of key
    -1, -2, ... gets the id 0, 1, ...; a node of key k the id ``n_inputs + k``.

    Parameters
    ----------
    genome : neat.DefaultGenome
        Not changed.
    config : neat.Config
        That it evolved under.
    loss : {"mse", "cross_entropy"}
        Cross-entropy needs sigmoid outputs.
    **options
        As for `Network`.

    Returns
    -------
    Network
        Inputs are group 0, hidden neurons 1, outputs 2; any two groups may connect.

    Raises
    ------
    CycleError
        If enabled links close a cycle: a recurrent network has no such translation.
    InvalidNetwork
        If a node has another aggregation than sum, an activation that plastic has not, or one
        whose function the configuration has replaced.
    """
    genes = config.genome_config
    inputs, outputs = list(genes.input_keys), list(genes.output_keys)
    links = [
        (*gene.key, float(gene.weight)) for gene in genome.connections.values() if gene.enabled
    ]
    needed = _needed(outputs, links) - set(inputs)
    hidden = sorted(needed - set(outputs))
    ids = {key: i for i, key in enumerate(inputs)} | {key: len(inputs) + key for key in needed}
    names = {key: _activation(genome.nodes[key], genes) for key in needed}
    topology = Topology(
        len(inputs),
        len(outputs),
        [names[key] for key in outputs],
        ids=[ids[key] for key in [*inputs, *outputs]],
    )
    topology.connection_columns.add("weight", np.float64)
    topology.neuron_columns.add("bias", np.float64)
    slope = {key: STEEPNESS[name] for key, name in names.items()}
    links = [
        (source, target, weight * genome.nodes[target].response * slope[target])
        for source, target, weight in links
        if target in needed
    ]
    cycle = _cycle(links)
    if cycle:
        raise CycleError(f"the genome is recurrent: {'->'.join(map(str, cycle))} is a cycle")
    topology.apply(
        AddNeurons(
            len(hidden),
            np.array([get_activation(names[key]).code for key in hidden], np.int8),
            ids=np.array([ids[key] for key in hidden], np.int64),
            keep_stranded=True,
        ),
        Connect(
            [ids[source] for source, *_ in links],
            [ids[target] for _, target, _ in links],
            columns={"weight": np.array([weight for *_, weight in links], float)},
        ),
    )
    slots = topology.structure.slots_of([ids[key] for key in needed])
    biases = [genome.nodes[key].bias * slope[key] for key in needed]
    topology.neuron_columns["bias"][slots] = biases
    return Network(topology, loss, **options)


def _needed(outputs: list[int], links: Links) -> set[int]:
    """Keys that the outputs depend on, theirs included."""
    sources: dict[int, list[int]] = {}
    for source, target, _ in links:
        sources.setdefault(target, []).append(source)
    needed, pending = set(outputs), list(outputs)
    while pending:
        for source in sources.get(pending.pop(), ()):
            if source not in needed:
                needed.add(source)
                pending.append(source)
    return needed


def _activation(node: Any, genes: Any) -> str:
    """The name of a node's activation, if node and function are what plastic can tell."""
    name = node.activation
    if node.aggregation != "sum" or (
        genes.aggregation_function_defs.get("sum") is not aggregations.sum_aggregation
    ):
        raise InvalidNetwork(
            f"node {node.key} aggregates by {node.aggregation!r}; only neat-python's 'sum' "
            "can be translated"
        )
    if name not in STEEPNESS:
        known = ", ".join(STEEPNESS)
        raise InvalidNetwork(
            f"node {node.key} has the activation {name!r}; only {known} can be translated"
        )
    if genes.activation_defs.get(name) is not getattr(activations, f"{name}_activation"):
        raise InvalidNetwork(
            f"node {node.key} has the activation {name!r}, which is not neat-python's own"
        )
    return str(name)


def _cycle(links: Links) -> list[int]:
    """A cycle among the links, as ``[3, 5, 3]``; nothing if there is none."""
    following: dict[int, list[int]] = {}
    for source, target, _ in links:
        following.setdefault(source, []).append(target)
    done: set[int] = set()
    for start in list(following):
        path, ways = [start], [iter(following[start])]
        while path:
            key = next(ways[-1], None)
            if key is None:
                done.add(path.pop())
                ways.pop()
            elif key in path:
                return [*path[path.index(key) :], key]
            elif key not in done:
                path.append(key)
                ways.append(iter(following.get(key, ())))
    return []

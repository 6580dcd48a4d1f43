"""A network cut into stages that other libraries compute with one operation each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.activations import BY_CODE, Activation
from plastic.engine import Network
from plastic.errors import InvalidNetwork
from plastic.topology import Structure
from plastic.topology.structure import concatenated_ranges

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Stage:
    """Neurons of one activation, none of which leads into another of them.

    Parameters
    ----------
    slots : int array, shape (n_here,)
        The neurons, ascending.
    activation : Activation
    starts : int array, shape (n_here + 1,)
        Where the connections into each begin, among those of the stage.
    positions : int array, shape (n_in,)
        The connections into them, neuron by neuron.
    sources : int array, shape (n_in,)
        Where the source of each lies among the values computed so far: inputs first, then the
        neurons of one stage after the other.
    """

    slots: IntArray
    activation: Activation
    starts: IntArray
    positions: IntArray
    sources: IntArray


def stages_of(structure: Structure) -> tuple[list[Stage], IntArray]:
    """Stages in an order in which they can be computed.

    Softmax outputs are one stage, the last, since each needs the sums of all.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    stages : list of Stage
        Every neuron but the inputs is in one of them.
    outputs : int array, shape (n_outputs,)
        Where the outputs lie among the values when all are computed.

    Examples
    --------
    >>> from plastic.edits import AddNeurons, Connect
    >>> from plastic.topology import Topology
    >>> topology = Topology(1, 1)
    >>> _ = topology.apply(AddNeurons(1, "tanh"), Connect([0, 0, 2], [1, 2, 1]))
    >>> stages, outputs = stages_of(topology.structure)
    >>> [(stage.activation, stage.slots.tolist(), stage.sources.tolist()) for stage in stages]
    [(tanh, [2], [0]), (identity, [1], [0, 1])]
    >>> outputs
    array([2])
    """
    level = _levels(structure)
    level[structure.of_softmax] = level.max() + 1
    computed = np.sort(structure.computed).astype(np.int64)
    keys = level[computed] << 8 | structure.activations[computed]
    place = np.empty(structure.n_neurons, np.int64)
    place[structure.inputs] = np.arange(len(structure.inputs))
    stages, n_done = [], len(structure.inputs)
    for key in np.unique(keys):
        slots = computed[keys == key]
        place[slots] = n_done + np.arange(len(slots))
        n_done += len(slots)
        first, lengths = structure.indptr[slots], np.diff(structure.indptr)[slots]
        positions = concatenated_ranges(first, lengths)
        stages.append(
            Stage(
                slots,
                BY_CODE[int(key & 255)],
                np.concatenate([[0], np.cumsum(lengths)]),
                positions,
                place[structure.sources[positions]],
            )
        )
    return stages, place[structure.outputs]


def _levels(structure: Structure) -> NDArray[Any]:
    """Connections on the longest way into each neuron, shape (n_neurons,)."""
    level = np.zeros(structure.n_neurons, np.int64)
    starts = structure.indptr.tolist()
    for slot in structure.order.tolist():
        sources = structure.sources[starts[slot] : starts[slot + 1]]
        if len(sources):
            level[slot] = level[sources].max() + 1
    return level


def check_whole(network: Network) -> None:
    """Refuse a network that computes other neurons than its topology holds.

    Raises
    ------
    InvalidNetwork
        If it is a `plastic.selection.Selected` before its `commit`.
    """
    n_left_out = network.topology.n_neurons - network.computed.n_neurons
    if n_left_out:
        raise InvalidNetwork(
            f"{n_left_out} neurons are not selected, but would be computed elsewhere; "
            "call the network's commit() first"
        )

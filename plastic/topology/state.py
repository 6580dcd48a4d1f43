"""The state of a topology: its arrays, and what is aligned with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plastic.edits import Connect
from plastic.topology.columns import Columns
from plastic.topology.structure import Structure, locked

NOBODY = np.zeros(0, np.bool_)


@dataclass(frozen=True)
class State:
    """All of a topology that an edit changes.

    Parameters
    ----------
    structure : Structure
    neurons, connections : Columns
        What is aligned with its neurons and with its connections.
    next_neuron, next_connection : int
        The lowest ids never used so far.
    """

    structure: Structure
    neurons: Columns
    connections: Columns
    next_neuron: int
    next_connection: int


def revival(
    state: State, positions: NDArray[np.int32], ends: NDArray[np.bool_] = NOBODY
) -> Connect:
    """What brings connections back as they are now.

    Parameters
    ----------
    state : State
    positions : int32 array, shape (k,)
        Ascending.
    ends : bool array, shape (n_neurons,), optional
        Will be set where a neuron is at one end.
    """
    from plastic.topology.compiled import name_rows

    structure, k = state.structure, len(positions)
    sources, targets, ids = np.empty(k, np.int64), np.empty(k, np.int64), np.empty(k, np.int64)
    name_rows(
        structure.indptr, structure.sources, structure.connection_ids, structure.neuron_ids,
        positions, sources, targets, ids, ends,
    )  # fmt: skip
    return bringing_back(state, positions, sources, targets, ids)


def bringing_back(
    state: State,
    positions: NDArray[np.int32],
    sources: NDArray[np.int64],
    targets: NDArray[np.int64],
    ids: NDArray[np.int64],
) -> Connect:
    """The same, of ends and ids that are known."""
    return Connect.of(
        sources=locked(sources),
        targets=locked(targets),
        ids=locked(ids),
        columns=state.connections.take(positions),
        reason="undo",
    )

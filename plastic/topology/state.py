"""The state of a topology: its arrays, and what is aligned with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.edits import Connect, Disconnect
from plastic.topology.columns import Columns
from plastic.topology.loops import gathers
from plastic.topology.structure import Structure, locked, read_only

Find = Callable[[], NDArray[np.int32]]


@dataclass(eq=False, slots=True)
class State:
    """All of a topology that an edit changes; never changed itself, but replaced.

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


def revival(state: State, find: Find) -> Connect:
    """What brings connections back as they are now; it is worked out when it is asked for.

    Parameters
    ----------
    state : State
        Its columns must not be written to any more.
    find : function
        Gives their positions, ascending.
    """

    def named() -> dict[str, NDArray[np.int64]]:
        structure, positions = state.structure, read_only(find())
        sources, targets, ids = (np.empty(len(positions), np.int64) for _ in range(3))
        gathers().name_rows(
            structure.indptr, structure.sources, structure.connection_ids,
            structure.neuron_ids, positions, sources, targets, ids,
        )  # fmt: skip
        return {"sources": locked(sources), "targets": locked(targets), "ids": locked(ids)}

    def columns() -> dict[str, Any]:
        return {"columns": state.connections.take(find())}

    finds = {"sources": named, "targets": named, "ids": named, "columns": columns}
    return Connect.of(finds, reason="undo")


def leaving(structure: Structure, find: Find) -> Disconnect:
    """What takes connections away; it, too, is worked out when it is asked for."""

    def named() -> dict[str, NDArray[np.int64]]:
        ids = structure.connection_ids[find()]
        return {"ids": locked(ids.astype(np.int64, copy=False))}

    return Disconnect.of({"ids": named}, keep_stranded=True, reason="undo")

"""Going back: undoing the last edits without looking anything up again.

The edits that undo others say what comes and goes, as all edits do, and lead back from
wherever they are applied.  Where nothing else has been done since, there is no need to find
and to merge: the structure that they lead to is still there, as structures never change, and
only the columns have to be carried over.  So an undo remembers the way for as long as it is
kept itself, which costs 16 bytes a connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.edits import Connect, Disconnect, Edit
from plastic.topology.moves import Blocks
from plastic.topology.state import State, revival
from plastic.topology.structure import Structure

ATTRIBUTE = "_way_back"


@dataclass(frozen=True, eq=False)
class WayBack:
    """What leads from one structure to another one of the same neurons.

    Parameters
    ----------
    start, end : Structure
    blocks : frozenset of (source group, target group), optional
        The groups that might connect then.
    gather : int32 array, shape (n_start,)
        Where each connection of `start` is in `end`, or ``n_end`` and more if it is not there.
    missing : int32 array, shape (n_missing,)
        Positions in `end` of those that are not in `start`, ascending: they come back in the
        order of the edit that connects them.
    kinds : tuple of types
        Of the edits that say the same.
    """

    start: Structure
    end: Structure
    blocks: Blocks | None
    gather: NDArray[np.int32]
    missing: NDArray[np.int32]
    kinds: tuple[type[Edit], ...]

    def remember(self, edits: Sequence[Edit]) -> None:
        """Let the edits that say the same know of this way."""
        for edit in edits:
            vars(edit)[ATTRIBUTE] = self


def find_way(
    edits: Sequence[Edit], structure: Structure, blocks: Blocks | None
) -> WayBack | None:
    """The way that these edits say, if it starts here."""
    way: Any = getattr(edits[0], ATTRIBUTE, None) if edits else None
    if way is None or way.start is not structure or way.blocks is not blocks:
        return None
    alike = all(getattr(edit, ATTRIBUTE, None) is way for edit in edits)
    return way if alike and tuple(map(type, edits)) == way.kinds else None


def forget_way(edits: Sequence[Edit]) -> None:
    """Let these edits keep no structure alive any more."""
    for edit in edits:
        vars(edit).pop(ATTRIBUTE, None)


def go_back(state: State, way: WayBack, edits: Sequence[Edit]) -> tuple[State, list[Edit]]:
    """Follow a way from its start, with what the edits bring back.

    Returns
    -------
    state : State
    undo : list of Edit
        What leads to where one was, and knows the way.
    """
    from plastic.topology.compiled_gathers import turn_gather

    n_start, n_end = len(way.gather), way.end.n_connections
    back = np.empty(n_end + 1, np.int32)
    left = np.empty(n_start - n_end + len(way.missing) + 1, np.int32)
    turn_gather(way.gather, n_end, way.missing, back, left)
    back, left = back[:-1], left[:-1]
    undo: list[Edit] = []
    columns: dict[str, NDArray[Any]] = {}
    for edit in edits:
        if isinstance(edit, Connect):
            columns = dict(edit.columns)
            gone = Disconnect.of(ids=edit.ids, keep_stranded=True, reason="undo")
            undo.insert(0, gone)
        elif len(edit):
            undo.insert(0, revival(state, left))
    known = np.zeros(len(way.missing), np.bool_)  # none of them is a newborn
    then = State(
        way.end,
        state.neurons,
        state.connections.inserted(back, known, columns),
        state.next_neuron,
        state.next_connection,
    )
    kinds = tuple(map(type, undo))
    WayBack(way.end, way.start, way.blocks, back, left, kinds).remember(undo)
    return then, undo

"""Going back: undoing the last edits without looking anything up again.

The edits that undo others say what comes and goes, as all edits do, and lead back from
wherever they are applied.  Where nothing else has been done since, there is no need to find
and to merge: what they lead to is still there, as structures never change, and only the values
of those connections that have stayed are to be carried over.  So an undo remembers the way for
as long as it is kept itself, and with it the structure and the columns that it leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.edits import Connect, Edit
from plastic.topology.moves import Blocks
from plastic.topology.state import Find, State, leaving, revival
from plastic.topology.structure import Structure

ATTRIBUTE = "_way_back"


@dataclass(eq=False, slots=True)
class WayBack:
    """What leads from a structure to another one of the same neurons.

    Parameters
    ----------
    here : Structure
        Where it begins.
    there : State
        Where it ends, as it was when that was left.
    blocks : frozenset of (source group, target group), optional
        The groups that might connect then.
    gather : int32 array, shape (n_later,)
        Where each connection of the later one is in the earlier one, or ``n_earlier`` and more
        if it is not there.
    gone : int32 array, shape (n_gone,)
        Positions in the earlier one of those that are not in the later one, ascending.
    to_earlier : bool
        Whether it ends at the earlier one.
    kinds : tuple of types
        Of the edits that say the same.
    """

    here: Structure
    there: State
    blocks: Blocks | None
    gather: NDArray[np.int32]
    gone: NDArray[np.int32]
    to_earlier: bool = True
    kinds: tuple[type[Edit], ...] = ()

    def remember(self, edits: Sequence[Edit]) -> None:
        """Let the edits that say the same know of this way."""
        self.kinds = tuple(map(type, edits))
        for edit in edits:
            vars(edit)[ATTRIBUTE] = self

    def came(self) -> NDArray[np.int32]:
        """Positions in the later one of those that are not in the earlier one, ascending."""
        earlier = self.there.structure if self.to_earlier else self.here
        return np.flatnonzero(self.gather >= earlier.n_connections).astype(np.int32)


def find_way(edits: Sequence[Edit], state: State, blocks: Blocks | None) -> WayBack | None:
    """The way that these edits say, if it starts here and leads through the same columns."""
    way: Any = getattr(edits[0], ATTRIBUTE, None) if edits else None
    if way is None or way.here is not state.structure or way.blocks is not blocks:
        return None
    alike = tuple(map(type, edits)) == way.kinds
    for edit in edits:
        alike = alike and getattr(edit, ATTRIBUTE, None) is way
    return way if alike and way.there.connections.fit(state.connections) else None


def forget_way(edits: Sequence[Edit]) -> None:
    """Let these edits keep no structure alive any more."""
    for edit in edits:
        edit.complete()
        vars(edit).pop(ATTRIBUTE, None)


def go_back(state: State, way: WayBack) -> tuple[State, list[Edit]]:
    """Follow a way from its start.

    Returns
    -------
    state : State
    undo : list of Edit
        What leads to where one was, and knows the way.
    """
    there = way.there
    columns = state.connections.carried(there.connections, way.gather, way.to_earlier)
    then = State(
        there.structure, state.neurons, columns, state.next_neuron, state.next_connection
    )
    pair: list[Find] = [lambda: way.gone, way.came]
    only_there, only_here = pair if way.to_earlier else reversed(pair)
    none_came = len(way.gather) + len(way.gone) == there.structure.n_connections
    undo: list[Edit] = []
    for kind in reversed(way.kinds):
        if kind is Connect:
            undo.append(leaving(there.structure, only_there))
        elif not (way.to_earlier and none_came):
            undo.append(revival(state, only_here))
    back = WayBack(there.structure, state, way.blocks, way.gather, way.gone, not way.to_earlier)
    back.remember(undo)
    return then, undo

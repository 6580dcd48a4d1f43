"""One batch of edits, as a pure function from state to state.

Nothing here changes what it is given: an edit that breaks a rule raises `InvalidEdit` while
the caller still holds the old state, which is what makes a batch all or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.activations import softmax
from plastic.edits import AddNeurons, Connect, Disconnect, Edit, Ids, PruneNeurons
from plastic.errors import CycleError, InvalidEdit
from plastic.topology.order import Cycle, restore_order
from plastic.topology.pairs import Blocks, find_slots
from plastic.topology.rebuild import (
    NOTHING,
    Duplicate,
    insert_connections,
    insert_neurons,
    remove_connections,
    remove_neurons,
)
from plastic.topology.state import State, revival
from plastic.topology.structure import Cut, Kind, Structure, find, locked
from plastic.topology.way_back import WayBack, find_way, go_back

MOST_CONNECTIONS = 2**31 - 1
"""Positions are held in 32 bits."""


@dataclass
class Draft:
    """A state in the making.

    Parameters
    ----------
    state : State
        What the edits so far have led to.
    blocks : frozenset of (source group, target group), optional
        The groups that may connect; None for all.
    lost : Cut
        Connections that are still in the state but disconnected: they go when the next ones
        come, so that both cost one pass over the arrays.
    undo : list of Edit
        What leads back, last edit first.
    touched : list of int arrays
        Ids of neurons that may have lost a way in or out and may not stay so.
    moves : list
        For each time that the structure was made anew: where its connections come from, and
        which went, as `WayBack` has it; None if it has other neurons.
    """

    state: State
    blocks: Blocks | None
    lost: Cut = NOTHING
    undo: list[Edit] = field(default_factory=list)
    touched: list[Ids] = field(default_factory=list)
    moves: list[tuple[Any, NDArray[np.int32]] | None] = field(default_factory=list)


def number_edits(state: State, edits: Iterable[Edit]) -> list[Edit]:
    """The same edits, with the ids that newborns will get written into them."""
    neuron, connection = state.next_neuron, state.next_connection
    numbered: list[Edit] = []
    for edit in edits:
        _check_edit(edit)
        if type(edit) is AddNeurons:
            ids, neuron = _numbered(edit.ids, neuron, len(edit))
            # the codes say what the name said, neuron by neuron
            codes, groups = edit.activations, edit.groups
            edit = replace(edit, ids=ids, activation=codes, group=groups)
        elif type(edit) is Connect:
            ids, connection = _numbered(edit.ids, connection, len(edit))
            if edit.ids is None:
                edit = edit.with_ids(ids)
        numbered.append(edit)
    return numbered


def _check_edit(edit: Edit) -> None:
    if type(edit) not in _APPLY:
        raise InvalidEdit(f"not an edit: {edit!r}")


def _numbered(ids: Ids, following: int, n: int) -> tuple[Ids, int]:
    """The ids of an edit, and the lowest one never used after it."""
    if ids is None:
        return locked(np.arange(following, following + n)), following + n
    return ids, max(following, int(ids.max(initial=-1)) + 1)


def apply_edits(state: State, blocks: Blocks | None, edits: Sequence[Edit]) -> Draft:
    """Apply edits in turn.

    Returns
    -------
    Draft
        With the new state and the edits that undo it.

    Raises
    ------
    InvalidEdit
        If one of them breaks a rule.
    """
    draft = Draft(state, blocks)
    way = find_way(edits, state.structure, blocks)
    if way is not None:
        draft.state, draft.undo = go_back(state, way, edits)
        return draft
    for edit in edits:
        _check_edit(edit)
        _APPLY[type(edit)](draft, edit)
    _settle(draft)
    _check_stranded(draft)
    draft.undo.reverse()
    _remember_way(draft, state.structure)
    return draft


def _remember_way(draft: Draft, before: Structure) -> None:
    """Let the undo know the way, if it is that of one move and the order is as it was."""
    after = draft.state.structure
    if len(draft.moves) == 1 and draft.moves[0] and after.rank is before.rank:
        kinds = tuple(map(type, draft.undo))
        WayBack(after, before, draft.blocks, *draft.moves[0], kinds).remember(draft.undo)


def _disconnect(draft: Draft, edit: Disconnect) -> None:
    _settle(draft)
    structure = draft.state.structure
    cut = find(structure.connection_ids, edit.ids)
    if len(cut) < len(edit):  # one is not there, or is named twice
        _check_unique("connection", edit.ids)
        structure.positions_of(edit.ids)
    if not len(cut):
        return
    if edit.keep_stranded:
        draft.undo.append(revival(draft.state, cut.positions))
    else:
        ends = np.zeros(structure.n_neurons, np.bool_)
        draft.undo.append(revival(draft.state, cut.positions, ends))
        draft.touched.append(structure.neuron_ids[ends])
    draft.lost = cut


def _settle(draft: Draft) -> None:
    """Take out of the state what is disconnected."""
    if not len(draft.lost):
        return
    state = draft.state
    structure, positions = remove_connections(state.structure, draft.lost)
    draft.state = replace(
        state, structure=structure, connections=state.connections.removed(positions)
    )
    draft.moves.append((positions, draft.lost.positions))
    draft.lost = NOTHING


def _prune(draft: Draft, edit: PruneNeurons) -> None:
    _settle(draft)
    old, structure = draft.state, draft.state.structure
    _check_unique("neuron", edit.ids)
    slots = structure.slots_of(edit.ids)
    fixed = structure.kinds[slots] != Kind.HIDDEN
    if fixed.any():
        kind = Kind(structure.kinds[slots[fixed][0]]).name.lower()
        raise InvalidEdit(f"neuron {edit.ids[fixed][0]} is an {kind}, which is never pruned")
    if not len(edit):
        return
    drop = np.zeros(structure.n_neurons, bool)
    drop[slots] = True
    slimmer, left, positions, cut = remove_neurons(structure, drop)
    if len(cut):
        ends = np.zeros(structure.n_neurons, np.bool_)
        draft.undo.append(revival(old, cut.positions, ends))
        if not edit.keep_stranded:
            draft.touched.append(structure.neuron_ids[ends])
    slots = np.flatnonzero(drop)
    draft.undo.append(
        AddNeurons(
            len(slots),
            structure.activations[slots],
            structure.groups[slots],
            ids=structure.neuron_ids[slots],
            columns=old.neurons.take(slots),
            keep_stranded=True,
            reason="undo",
        )
    )
    draft.state = replace(
        old,
        structure=slimmer,
        neurons=old.neurons.removed(left),
        connections=old.connections.removed(positions),
    )
    draft.moves.append(None)


def _add_neurons(draft: Draft, edit: AddNeurons) -> None:
    _settle(draft)
    state = draft.state
    ids, following = _numbered(edit.ids, state.next_neuron, len(edit))
    _check_free("neuron", ids, state.structure.neuron_ids)
    if (edit.activations == softmax.code).any():
        raise InvalidEdit("softmax joins the output neurons; a hidden neuron cannot have it")
    kinds = np.full(len(edit), Kind.HIDDEN, np.int8)
    structure, gather = insert_neurons(
        state.structure, ids, kinds, edit.activations, edit.groups
    )
    draft.state = replace(
        state,
        structure=structure,
        neurons=state.neurons.inserted(gather, ids >= state.next_neuron, edit.columns),
        next_neuron=following,
    )
    draft.moves.append(None)
    if not edit.keep_stranded:
        draft.touched.append(ids)
    draft.undo.append(PruneNeurons(ids, keep_stranded=True, reason="undo"))


def _connect(draft: Draft, edit: Connect) -> None:
    state, lost = draft.state, draft.lost
    structure = state.structure
    ids, following = _numbered(edit.ids, state.next_connection, len(edit))
    pairs = find_slots(structure, edit, ids, state.next_connection, lost, draft.blocks)
    if pairs.given:  # others are new, and differ
        try:
            _check_free("connection", ids, structure.connection_ids, lost)
        except InvalidEdit:
            pairs.refuse()  # a broken rule of pairs is named first
            raise
    n = structure.n_connections + len(ids)
    if n > MOST_CONNECTIONS:
        raise InvalidEdit(f"there is room for {MOST_CONNECTIONS} connections, not for {n}")
    try:
        structure, gather = insert_connections(
            structure, ids, pairs.sources, pairs.targets, lost, ascending=not pairs.given
        )
    except Duplicate:
        pairs.refuse()
        raise
    if pairs.against:
        structure = _reordered(structure, pairs.sources, pairs.targets)
    newborn = ids >= state.next_connection
    columns = state.connections.inserted(gather, newborn, edit.columns)
    draft.state = State(structure, state.neurons, columns, state.next_neuron, following)
    draft.moves.append((gather, lost.positions))
    draft.lost = NOTHING
    draft.undo.append(Disconnect.of(ids=ids, keep_stranded=True, reason="undo"))


def _reordered(
    structure: Structure, sources: NDArray[np.int32], targets: NDArray[np.int32]
) -> Structure:
    try:
        return replace(structure, rank=restore_order(structure, sources, targets))
    except Cycle as cycle:
        pair = structure.neuron_ids[[cycle.source, cycle.target]]
        raise CycleError(f"connection {pair[0]}->{pair[1]} would close a cycle") from None


def _check_unique(what: str, ids: Ids) -> None:
    in_order = np.sort(ids)
    twice = in_order[1:] == in_order[:-1]
    if twice.any():
        raise InvalidEdit(f"{what} {in_order[1:][twice][0]} is named twice in one edit")


def _check_free(what: str, ids: Ids, held: NDArray[np.integer], lost: Cut = NOTHING) -> None:
    """Refuse ids that are named twice, negative, or held and not lost."""
    named = find(held, ids)
    if named.twice:
        _check_unique(what, ids)
    if (ids < 0).any():
        raise InvalidEdit(f"a {what} id must not be negative, got {ids.min()}")
    clash = named.positions
    if len(lost):
        clash = clash[lost.gone[clash] == 0]
    if len(clash):
        alive = np.isin(ids, held[clash])
        raise InvalidEdit(f"{what} {ids[alive][0]} is alive already; ids are for life")


def _check_stranded(draft: Draft) -> None:
    """Refuse hidden neurons that were left without a way in or a way out."""
    if not draft.touched:
        return
    structure = draft.state.structure
    touched = find(structure.neuron_ids, np.concatenate(draft.touched)).gone != 0
    touched &= structure.kinds == Kind.HIDDEN
    for index, missing in ((structure, "in"), (structure.out, "out")):
        stranded = touched & (index.indptr[1:] == index.indptr[:-1])
        if stranded.any():
            neuron = structure.neuron_ids[stranded][0]
            raise InvalidEdit(
                f"neuron {neuron} would be left without a way {missing}; "
                "prune it, too, or set keep_stranded"
            )


_APPLY: dict[type[Edit], Callable[[Draft, Any], None]] = {
    Disconnect: _disconnect,
    PruneNeurons: _prune,
    AddNeurons: _add_neurons,
    Connect: _connect,
}

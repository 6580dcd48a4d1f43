"""One batch of edits, as a pure function from state to state.

Nothing here changes what it is given: an edit that breaks a rule raises `InvalidEdit` while
the caller still holds the old state, which is what makes a batch all or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from plastic.activations import softmax
from plastic.edits import AddNeurons, Connect, Disconnect, Edit, Ids, PruneNeurons
from plastic.errors import InvalidEdit
from plastic.topology.columns import NOBODY
from plastic.topology.loops import loops
from plastic.topology.moves import (
    NO_IDS,
    Blocks,
    check_free,
    check_unique,
    move_connections,
)
from plastic.topology.rebuild import insert_neurons, remove_neurons
from plastic.topology.state import State, revival
from plastic.topology.structure import Kind, find, locked, read_only
from plastic.topology.way_back import WayBack, find_way, go_back

NOTHING = Connect([], [])


@dataclass
class Draft:
    """A state in the making.

    Parameters
    ----------
    before : State
        What there was.
    state : State
        What the edits so far have led to.
    blocks : frozenset of (source group, target group), optional
        The groups that may connect; None for all.
    cut : Disconnect, optional
        Its connections are still in the state: they go when the next ones come, so that both
        cost one pass over the arrays.
    way : WayBack, optional
        What leads back from the state, if one move has led to it.
    undo : list of Edit
        What leads back, last edit first.
    touched : list of int arrays
        Ids of neurons that may have lost a way in or out and may not stay so.
    """

    before: State
    state: State
    blocks: Blocks | None
    cut: Disconnect | None = None
    way: WayBack | None = None
    undo: list[Edit] = field(default_factory=list)
    touched: list[Ids] = field(default_factory=list)


def number_edits(state: State, edits: Iterable[Edit]) -> list[Edit]:
    """The same edits, with the ids that newborns will get written into them."""
    neuron, connection = state.next_neuron, state.next_connection
    numbered: list[Edit] = []
    for edit in edits:
        if type(edit) not in _APPLY:
            raise InvalidEdit(f"not an edit: {edit!r}")
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


def _numbered(ids: Ids, following: int, n: int) -> tuple[Ids, int]:
    """The ids of an edit, and the lowest one never used after it."""
    if ids is None:
        return locked(np.arange(following, following + n)), following + n
    return ids, _following(ids, following)


def _following(ids: Ids, following: int) -> int:
    """The lowest id that was never used, once these are."""
    return max(following, int(ids.max(initial=-1)) + 1)


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
    draft = Draft(state, state, blocks)
    way = find_way(edits, state, blocks)
    if way is not None:
        draft.state, draft.undo = go_back(state, way)
        return draft
    for edit in edits:
        apply = _APPLY.get(type(edit))
        if apply is None:
            raise InvalidEdit(f"not an edit: {edit!r}")
        apply(draft, edit)
    if draft.cut is not None:
        _settle(draft)
    if draft.touched:
        _check_stranded(draft)
    draft.undo.reverse()
    if draft.way is not None:
        draft.way.remember(draft.undo)
    return draft


def _disconnect(draft: Draft, edit: Disconnect) -> None:
    if draft.cut is not None:
        _settle(draft)
    if len(edit):
        draft.cut = edit


def _settle(draft: Draft) -> None:
    """Take out of the state what is disconnected, if anything is."""
    if draft.cut is not None:
        _move(draft, NOTHING, draft.state.next_connection)


def _connect(draft: Draft, edit: Connect) -> None:
    first, n, ids = draft.state.next_connection, len(edit.sources), edit.ids
    _move(draft, edit, first + n if ids is None else _following(ids, first))
    if ids is None:
        finds = {"ids": lambda: {"ids": locked(np.arange(first, first + n))}}
        undo = Disconnect.of(finds, keep_stranded=True, reason="undo")
    else:
        undo = Disconnect.of(ids=ids, keep_stranded=True, reason="undo")
    draft.undo.append(undo)


def _move(draft: Draft, edit: Connect, following: int) -> None:
    """Let go what is disconnected, and let come what is connected."""
    state, cut, ends, newborn = draft.state, draft.cut, NOBODY, NOBODY
    if cut is not None and not cut.keep_stranded:
        ends = np.zeros(state.structure.n_neurons, np.bool_)
    cut_ids = NO_IDS if cut is None else cut.ids
    structure, gather, gone = move_connections(
        state, cut_ids, edit, following, draft.blocks, ends
    )
    if edit.columns:
        fresh = edit.ids is None
        newborn = np.full(len(edit), fresh) if fresh else edit.ids >= state.next_connection
    connections = state.connections.inserted(gather, newborn, edit.columns)
    draft.state = State(structure, state.neurons, connections, state.next_neuron, following)
    draft.way = None
    if state is draft.before and structure.rank is state.structure.rank:
        draft.way = WayBack(structure, state, draft.blocks, gather, gone)
    if cut is None:
        return
    draft.cut = None
    draft.undo.append(revival(state, lambda: gone))
    if len(ends):
        draft.touched.append(state.structure.neuron_ids[ends])


def _prune(draft: Draft, edit: PruneNeurons) -> None:
    _settle(draft)
    old, structure = draft.state, draft.state.structure
    check_unique("neuron", edit.ids)
    slots = structure.slots_of(edit.ids)
    fixed = structure.kinds[slots] != Kind.HIDDEN
    if fixed.any():
        kind = Kind(structure.kinds[slots[fixed][0]]).name.lower()
        raise InvalidEdit(f"neuron {edit.ids[fixed][0]} is an {kind}, which is never pruned")
    if not len(edit):
        return
    drop = np.zeros(structure.n_neurons, bool)
    drop[slots] = True
    slimmer, left, kept, cut = remove_neurons(structure, drop)
    if len(cut):
        draft.undo.append(revival(old, lambda: cut.positions))
        if not edit.keep_stranded:
            ends = np.zeros(structure.n_neurons, np.bool_)
            positions = read_only(cut.positions)
            loops().mark_ends(structure.indptr, structure.sources, positions, ends)
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
        connections=old.connections.removed(kept),
    )
    draft.way = None


def _add_neurons(draft: Draft, edit: AddNeurons) -> None:
    _settle(draft)
    state = draft.state
    ids, following = _numbered(edit.ids, state.next_neuron, len(edit))
    check_free("neuron", ids, state.structure.neuron_ids)
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
    draft.way = None
    if not edit.keep_stranded:
        draft.touched.append(ids)
    draft.undo.append(PruneNeurons(ids, keep_stranded=True, reason="undo"))


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

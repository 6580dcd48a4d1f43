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
from plastic.topology.columns import Columns
from plastic.topology.order import Cycle, restore_order
from plastic.topology.rebuild import insert_connections, insert_neurons, remove
from plastic.topology.structure import Kind, Structure

Blocks = frozenset[tuple[int, int]]


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


@dataclass
class Draft:
    """A state in the making.

    Parameters
    ----------
    state : State
        What the edits so far have led to.
    blocks : frozenset of (source group, target group), optional
        The groups that may connect; None for all.
    undo : list of Edit
        What leads back, last edit first.
    touched : list of int arrays
        Ids of neurons that may have lost a way in or out and may not stay so.
    """

    state: State
    blocks: Blocks | None
    undo: list[Edit] = field(default_factory=list)
    touched: list[Ids] = field(default_factory=list)


def number_edits(state: State, edits: Iterable[Edit]) -> list[Edit]:
    """The same edits, with the ids that newborns will get written into them."""
    neuron, connection = state.next_neuron, state.next_connection
    numbered: list[Edit] = []
    for edit in edits:
        if type(edit) not in _APPLY:
            raise InvalidEdit(f"not an edit: {edit!r}")
        if isinstance(edit, AddNeurons):
            fresh = np.arange(neuron, neuron + len(edit))
            ids = fresh if edit.ids is None else edit.ids
            neuron = max(neuron, int(ids.max(initial=-1)) + 1)
            # the codes say what the name said, neuron by neuron
            codes, groups = edit.activations, edit.groups
            edit = replace(edit, ids=ids, activation=codes, group=groups)
        elif isinstance(edit, Connect):
            ids = (
                np.arange(connection, connection + len(edit)) if edit.ids is None else edit.ids
            )
            connection = max(connection, int(ids.max(initial=-1)) + 1)
            edit = replace(edit, ids=ids)
        numbered.append(edit)
    return numbered


def apply_edits(state: State, blocks: Blocks | None, edits: Sequence[Edit]) -> Draft:
    """Apply numbered edits in turn.

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
    for edit in edits:
        _APPLY[type(edit)](draft, edit)
    _check_stranded(draft)
    draft.undo.reverse()
    return draft


def _disconnect(draft: Draft, edit: Disconnect) -> None:
    structure = draft.state.structure
    _check_unique("connection", edit.ids)
    positions = structure.positions_of(edit.ids)
    drop = np.zeros(structure.n_connections, bool)
    drop[positions] = True
    if not edit.keep_stranded:
        draft.touched.append(structure.neuron_ids[structure.sources[positions]])
        draft.touched.append(structure.neuron_ids[structure.targets[positions]])
    _remove(draft, np.zeros(structure.n_neurons, bool), drop)


def _prune(draft: Draft, edit: PruneNeurons) -> None:
    structure = draft.state.structure
    _check_unique("neuron", edit.ids)
    slots = structure.slots_of(edit.ids)
    fixed = structure.kinds[slots] != Kind.HIDDEN
    if fixed.any():
        kind = Kind(structure.kinds[slots[fixed][0]]).name.lower()
        raise InvalidEdit(f"neuron {edit.ids[fixed][0]} is an {kind}, which is never pruned")
    drop = np.zeros(structure.n_neurons, bool)
    drop[slots] = True
    if not edit.keep_stranded:
        into, out_of = drop[structure.targets], drop[structure.sources]
        draft.touched.append(structure.neuron_ids[structure.sources[into]])
        draft.touched.append(structure.neuron_ids[structure.targets[out_of]])
    _remove(draft, drop, np.zeros(structure.n_connections, bool))


def _remove(
    draft: Draft, drop_neurons: NDArray[np.bool_], drop_connections: NDArray[np.bool_]
) -> None:
    old = draft.state
    structure, slots, positions = remove(old.structure, drop_neurons, drop_connections)
    _remember_removal(draft, slots, positions)
    draft.state = replace(
        old,
        structure=structure,
        neurons=old.neurons.removed(slots),
        connections=old.connections.removed(positions),
    )


def _remember_removal(
    draft: Draft, slots: NDArray[np.integer], positions: NDArray[np.integer]
) -> None:
    """Put what brings back all but these slots and positions into the undo."""
    state, structure = draft.state, draft.state.structure
    gone = np.ones(structure.n_connections, bool)
    gone[positions] = False
    lost = np.flatnonzero(gone)
    if len(lost):
        back = Connect(
            structure.neuron_ids[structure.sources[lost]],
            structure.neuron_ids[structure.targets[lost]],
            ids=structure.connection_ids[lost],
            columns=state.connections.take(lost),
            reason="undo",
        )
        draft.undo.append(back)
    if len(slots) < structure.n_neurons:
        pruned = np.setdiff1d(np.arange(structure.n_neurons), slots)
        draft.undo.append(
            AddNeurons(
                len(pruned),
                structure.activations[pruned],
                structure.groups[pruned],
                ids=structure.neuron_ids[pruned],
                columns=state.neurons.take(pruned),
                keep_stranded=True,
                reason="undo",
            )
        )


def _add_neurons(draft: Draft, edit: AddNeurons) -> None:
    state, ids = draft.state, edit.ids
    _check_unique("neuron", ids)
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
        next_neuron=max(state.next_neuron, int(ids.max(initial=-1)) + 1),
    )
    if not edit.keep_stranded:
        draft.touched.append(ids)
    draft.undo.append(PruneNeurons(ids, keep_stranded=True, reason="undo"))


def _connect(draft: Draft, edit: Connect) -> None:
    state, ids = draft.state, edit.ids
    sources = state.structure.slots_of(edit.sources)
    targets = state.structure.slots_of(edit.targets)
    _check_pairs(state.structure, sources, targets, draft.blocks)
    _check_unique("connection", ids)
    _check_free("connection", ids, state.structure.connection_ids)
    structure, gather = insert_connections(state.structure, ids, sources, targets)
    try:
        structure = _reordered(structure, sources, targets)
    except Cycle as cycle:
        pair = structure.neuron_ids[[cycle.source, cycle.target]]
        raise CycleError(f"connection {pair[0]}->{pair[1]} would close a cycle") from None
    draft.state = replace(
        state,
        structure=structure,
        connections=state.connections.inserted(
            gather, ids >= state.next_connection, edit.columns
        ),
        next_connection=max(state.next_connection, int(ids.max(initial=-1)) + 1),
    )
    draft.undo.append(Disconnect(ids, keep_stranded=True, reason="undo"))


def _reordered(
    structure: Structure, sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> Structure:
    rank = restore_order(structure, sources, targets)
    return structure if rank is structure.rank else replace(structure, rank=rank)


def _check_pairs(
    structure: Structure,
    sources: NDArray[np.int64],
    targets: NDArray[np.int64],
    blocks: Blocks | None,
) -> None:
    """Refuse the first pair of slots that may not be joined, naming the rule."""

    def refuse(broken: NDArray[np.bool_], rule: str) -> None:
        if broken.any():
            at = int(np.flatnonzero(broken)[0])
            pair = [int(structure.neuron_ids[slots[at]]) for slots in (sources, targets)]
            raise InvalidEdit(f"connection {pair[0]}->{pair[1]} {rule}")

    refuse(sources == targets, "would join a neuron to itself, which closes a cycle")
    refuse(structure.kinds[targets] == Kind.INPUT, "would lead into an input neuron")
    of_softmax = structure.activations[sources] == softmax.code
    refuse(of_softmax, "would lead out of a softmax output, which must be last")
    refuse(structure.positions_between(sources, targets) >= 0, "already exists")
    keys = targets * structure.n_neurons + sources
    _, first = np.unique(keys, return_index=True)
    again = np.ones(len(keys), bool)
    again[first] = False
    refuse(again, "is asked for twice")
    if blocks is not None:
        refuse(~_may_connect(structure, sources, targets, blocks), "joins groups that may not")


def _may_connect(
    structure: Structure,
    sources: NDArray[np.int64],
    targets: NDArray[np.int64],
    blocks: Blocks,
) -> NDArray[np.bool_]:
    allowed = np.array(sorted(blocks), np.int64).reshape(-1, 2)
    groups, place = np.unique(structure.groups, return_inverse=True)
    allowed = allowed[np.isin(allowed, groups).all(axis=1)]
    table = np.zeros((len(groups), len(groups)), bool)
    table[tuple(np.searchsorted(groups, allowed).T)] = True
    return table[place[sources], place[targets]]


def _check_unique(what: str, ids: Ids) -> None:
    values, counts = np.unique(ids, return_counts=True)
    if len(values) < len(ids):
        raise InvalidEdit(f"{what} {values[counts > 1][0]} is named twice in one edit")


def _check_free(what: str, ids: Ids, taken: Ids) -> None:
    if (ids < 0).any():
        raise InvalidEdit(f"a {what} id must not be negative, got {ids.min()}")
    clash = np.isin(ids, taken)
    if clash.any():
        raise InvalidEdit(f"{what} {ids[clash][0]} is alive already; ids are for life")


def _check_stranded(draft: Draft) -> None:
    """Refuse hidden neurons that were left without a way in or a way out."""
    if not draft.touched:
        return
    structure = draft.state.structure
    touched = np.isin(structure.neuron_ids, np.unique(np.concatenate(draft.touched)))
    touched &= structure.kinds == Kind.HIDDEN
    ways_out = np.bincount(structure.sources, minlength=structure.n_neurons)
    for ways, missing in ((np.diff(structure.indptr), "in"), (ways_out, "out")):
        stranded = touched & (ways == 0)
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

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
from plastic.topology.rebuild import (
    NOTHING,
    Gather,
    all_but,
    insert_connections,
    insert_neurons,
    remove_connections,
    remove_neurons,
)
from plastic.topology.structure import Kind, Structure, among, pair_keys

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
    lost : int array
        Positions, ascending, of connections that are still in the state but disconnected:
        they go when the next ones come, so that both cost one pass over the arrays.
    undo : list of Edit
        What leads back, last edit first.
    touched : list of int arrays
        Ids of neurons that may have lost a way in or out and may not stay so.
    """

    state: State
    blocks: Blocks | None
    lost: Gather = field(default_factory=lambda: NOTHING)
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
    _settle(draft)
    _check_stranded(draft)
    draft.undo.reverse()
    return draft


def _disconnect(draft: Draft, edit: Disconnect) -> None:
    _settle(draft)
    structure = draft.state.structure
    gone = np.flatnonzero(among(structure.connection_ids, edit.ids))
    if len(gone) < len(edit):  # one is not there, or is named twice
        _check_unique("connection", edit.ids)
        structure.positions_of(edit.ids)
    if not len(gone):
        return
    lengths = np.diff(np.searchsorted(gone, structure.indptr))
    if not edit.keep_stranded:
        ends = lengths > 0
        ends[structure.sources[gone]] = True
        draft.touched.append(structure.neuron_ids[ends])
    draft.undo.append(_revival(draft.state, gone, lengths))
    draft.lost = gone


def _settle(draft: Draft) -> None:
    """Take out of the state what is disconnected."""
    if not len(draft.lost):
        return
    state = draft.state
    structure, positions = remove_connections(state.structure, draft.lost)
    draft.state = replace(
        state, structure=structure, connections=state.connections.removed(positions)
    )
    draft.lost = NOTHING


def _revival(state: State, lost: Gather, lengths: NDArray[np.integer]) -> Connect:
    """What brings back the connections at these positions, so many of each row."""
    structure = state.structure
    return Connect(
        structure.neuron_ids[structure.sources[lost]],
        np.repeat(structure.neuron_ids, lengths),
        ids=structure.connection_ids[lost],
        columns=state.connections.take(lost),
        reason="undo",
    )


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
    slimmer, left, positions = remove_neurons(structure, drop)
    lost = all_but(structure.n_connections, positions)
    lengths = np.diff(np.searchsorted(lost, structure.indptr))
    if not edit.keep_stranded:
        ends = lengths > 0
        ends[structure.sources[lost]] = True
        draft.touched.append(structure.neuron_ids[ends])
    if len(lost):
        draft.undo.append(_revival(old, lost, lengths))
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


def _add_neurons(draft: Draft, edit: AddNeurons) -> None:
    _settle(draft)
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
    _check_pairs(state.structure, draft.lost, sources, targets, draft.blocks)
    newborn = ids >= state.next_connection
    if not (newborn.all() and (ids[1:] > ids[:-1]).all()):
        _check_unique("connection", ids)
        _check_free("connection", ids, np.delete(state.structure.connection_ids, draft.lost))
    structure, gather = insert_connections(state.structure, ids, sources, targets, draft.lost)
    try:
        structure = _reordered(structure, sources, targets)
    except Cycle as cycle:
        pair = structure.neuron_ids[[cycle.source, cycle.target]]
        raise CycleError(f"connection {pair[0]}->{pair[1]} would close a cycle") from None
    draft.state = replace(
        state,
        structure=structure,
        connections=state.connections.inserted(gather, newborn, edit.columns),
        next_connection=max(state.next_connection, int(ids.max(initial=-1)) + 1),
    )
    draft.lost = NOTHING
    draft.undo.append(Disconnect(ids, keep_stranded=True, reason="undo"))


def _reordered(
    structure: Structure, sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> Structure:
    rank = restore_order(structure, sources, targets)
    return structure if rank is structure.rank else replace(structure, rank=rank)


def _check_pairs(
    structure: Structure,
    lost: Gather,
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
    keys = pair_keys(sources, targets)
    in_order = np.sort(keys)
    held = structure.positions_joining(in_order)
    if len(held) and not among(held, lost).all():
        there = structure.positions_between(sources, targets)
        refuse((there >= 0) & ~among(there, lost), "already exists")
    if (in_order[1:] == in_order[:-1]).any():
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
    groups, place = np.unique(structure.groups, return_inverse=True)
    number = {group: i for i, group in enumerate(groups.tolist())}
    table = np.zeros((len(groups), len(groups)), bool)
    for source, target in blocks:
        if source in number and target in number:
            table[number[source], number[target]] = True
    return table.ravel()[(place * len(groups))[sources] + place[targets]]


def _check_unique(what: str, ids: Ids) -> None:
    in_order = np.sort(ids)
    twice = in_order[1:] == in_order[:-1]
    if twice.any():
        raise InvalidEdit(f"{what} {in_order[1:][twice][0]} is named twice in one edit")


def _check_free(what: str, ids: Ids, taken: Ids) -> None:
    if (ids < 0).any():
        raise InvalidEdit(f"a {what} id must not be negative, got {ids.min()}")
    clash = among(taken, ids)
    if clash.any():
        alive = np.isin(ids, taken[clash])
        raise InvalidEdit(f"{what} {ids[alive][0]} is alive already; ids are for life")


def _check_stranded(draft: Draft) -> None:
    """Refuse hidden neurons that were left without a way in or a way out."""
    if not draft.touched:
        return
    structure = draft.state.structure
    touched = among(structure.neuron_ids, np.concatenate(draft.touched))
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

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
    Duplicate,
    insert_connections,
    insert_neurons,
    remove_connections,
    remove_neurons,
)
from plastic.topology.structure import Cut, Kind, Structure, find, locked

Blocks = frozenset[tuple[int, int]]

MOST_CONNECTIONS = 2**31 - 1
"""Positions are held in 32 bits."""

MOST_GROUPS = 256
"""Up to this number, a group is its own row in the table of groups that may connect."""


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
    lost : Cut
        Connections that are still in the state but disconnected: they go when the next ones
        come, so that both cost one pass over the arrays.
    undo : list of Edit
        What leads back, last edit first.
    touched : list of int arrays
        Ids of neurons that may have lost a way in or out and may not stay so.
    """

    state: State
    blocks: Blocks | None
    lost: Cut = NOTHING
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
            ids, neuron = _numbered(edit.ids, neuron, len(edit))
            # the codes say what the name said, neuron by neuron
            codes, groups = edit.activations, edit.groups
            edit = replace(edit, ids=ids, activation=codes, group=groups)
        elif isinstance(edit, Connect):
            ids, connection = _numbered(edit.ids, connection, len(edit))
            edit = edit.with_ids(ids)
        numbered.append(edit)
    return numbered


def _numbered(ids: Ids, following: int, n: int) -> tuple[Ids, int]:
    """The ids of an edit, and the lowest one never used after it."""
    if ids is None:
        return locked(np.arange(following, following + n)), following + n
    return ids, max(following, int(ids.max(initial=-1)) + 1)


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
    cut = find(structure.connection_ids, edit.ids)
    if len(cut) < len(edit):  # one is not there, or is named twice
        _check_unique("connection", edit.ids)
        structure.positions_of(edit.ids)
    if not len(cut):
        return
    revival, ends = _revival(draft.state, cut)
    if not edit.keep_stranded:
        draft.touched.append(structure.neuron_ids[ends])
    draft.undo.append(revival)
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
    draft.lost = NOTHING


def _revival(state: State, cut: Cut) -> tuple[Connect, NDArray[np.bool_]]:
    """What brings back the connections that go, and which neurons are at their ends."""
    from plastic.topology import compiled

    structure = state.structure
    sources, targets, ids = (np.empty(len(cut), np.int64) for _ in range(3))
    ends = np.zeros(structure.n_neurons, np.bool_)
    compiled.name_rows(
        structure.indptr, structure.sources, structure.connection_ids, structure.neuron_ids,
        cut.positions, sources, targets, ids, ends,
    )  # fmt: skip
    revival = Connect.of(
        sources=locked(sources),
        targets=locked(targets),
        ids=locked(ids),
        columns=state.connections.take(cut.positions),
        reason="undo",
    )
    return revival, ends


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
        revival, ends = _revival(old, cut)
        if not edit.keep_stranded:
            draft.touched.append(structure.neuron_ids[ends])
        draft.undo.append(revival)
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
    state, ids, lost = draft.state, edit.ids, draft.lost
    pairs = _pairs(state, edit, lost, draft.blocks)
    if pairs.given:  # others are new, and differ
        try:
            _check_free("connection", ids, state.structure.connection_ids, lost)
        except InvalidEdit:
            pairs.refuse()  # a broken rule of pairs is named first
            raise
    following = state.next_connection
    if len(ids):
        following = max(following, int(ids.max() if pairs.given else ids[-1]) + 1)
    n = state.structure.n_connections + len(edit)
    if n > MOST_CONNECTIONS:
        raise InvalidEdit(f"there is room for {MOST_CONNECTIONS} connections, not for {n}")
    try:
        structure, gather = insert_connections(
            state.structure, ids, pairs.sources, pairs.targets, lost,
            ascending=not pairs.given,
        )  # fmt: skip
    except Duplicate:
        pairs.refuse()
        raise
    if pairs.against:
        structure = _reordered(structure, pairs.sources, pairs.targets)
    draft.state = replace(
        state,
        structure=structure,
        connections=state.connections.inserted(
            gather, ids >= state.next_connection, edit.columns
        ),
        next_connection=following,
    )
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


@dataclass(frozen=True)
class _Pairs:
    """Pairs of slots that are to be joined, none of which breaks a rule of its own."""

    structure: Structure
    lost: Cut
    blocks: Blocks | None
    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    against: bool  # whether one goes against the order
    given: bool  # whether ids are not as the topology gives them out

    def refuse(self) -> None:
        """Refuse the first pair that may not be joined, naming the rule, if there is one."""
        structure, sources, targets = self.structure, self.sources, self.targets

        def refuse(broken: NDArray[np.bool_], rule: str) -> None:
            if broken.any():
                at = int(np.flatnonzero(broken)[0])
                pair = [int(structure.neuron_ids[slots[at]]) for slots in (sources, targets)]
                raise InvalidEdit(f"connection {pair[0]}->{pair[1]} {rule}")

        refuse(sources == targets, "would join a neuron to itself, which closes a cycle")
        refuse(structure.kinds[targets] == Kind.INPUT, "would lead into an input neuron")
        of_softmax = structure.of_softmax[sources]
        refuse(of_softmax, "would lead out of a softmax output, which must be last")
        there = structure.positions_between(sources, targets)
        refuse((there >= 0) & ~np.isin(there, self.lost.positions), "already exists")
        keys = targets.astype(np.int64) << 32 | sources
        _, first = np.unique(keys, return_index=True)
        again = np.ones(len(keys), bool)
        again[first] = False
        refuse(again, "is asked for twice")
        if self.blocks is not None:
            groups, may_join = _may_join(structure, self.blocks)
            refuse(~may_join[groups[sources], groups[targets]], "joins groups that may not")


def _pairs(state: State, edit: Connect, lost: Cut, blocks: Blocks | None) -> _Pairs:
    """The slots that an edit joins, checked but for pairs that are joined already.

    Raises
    ------
    InvalidEdit
        If there is no such neuron, or a rule is broken.
    """
    from plastic.topology import compiled

    structure, from_ids, to_ids = state.structure, edit.sources, edit.targets
    neuron_ids, table = structure.neuron_ids, structure.slot_by_id
    if table is None:
        neuron_ids, table = locked(np.arange(structure.n_neurons)), np.zeros(0, np.int32)
        from_ids, to_ids = (locked(structure.slots_of(ids)) for ids in (from_ids, to_ids))
    groups, may_join = structure.groups, np.zeros((0, 0), np.bool_)
    if blocks is not None:
        groups, may_join = _may_join(structure, blocks)
    sources, targets = np.empty(len(edit), np.int32), np.empty(len(edit), np.int32)
    found = compiled.check_pairs(
        neuron_ids, table, structure.kinds, structure.of_softmax, groups,
        structure.rank, may_join, from_ids, to_ids, edit.ids, state.next_connection,
        sources, targets,
    )  # fmt: skip
    if found & (compiled.UNKNOWN_SOURCE | compiled.UNKNOWN_TARGET):
        structure.slots_of(from_ids)
        structure.slots_of(to_ids)
    against, given = bool(found & compiled.AGAINST), bool(found & compiled.GIVEN)
    pairs = _Pairs(structure, lost, blocks, locked(sources), locked(targets), against, given)
    if found & compiled.BROKEN:
        pairs.refuse()
    return pairs


def _may_join(
    structure: Structure, blocks: Blocks
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """A number for the group of each neuron, and a table of who may connect, by number."""
    groups, n_groups = structure.groups, structure.highest_group + 1
    number: Any = range(n_groups)
    if n_groups > MOST_GROUPS:
        present, place = np.unique(groups, return_inverse=True)
        groups, n_groups = locked(place.astype(np.int32)), len(present)
        number = {group: i for i, group in enumerate(present.tolist())}
    table = np.zeros((n_groups, n_groups), np.bool_)
    for source, target in blocks:
        if source in number and target in number:
            table[number[source], number[target]] = True
    return groups, table


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

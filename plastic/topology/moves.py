"""Connections that go and come, all at once, and the rules that those which come must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from plastic.edits import Connect
from plastic.errors import CycleError, InvalidEdit
from plastic.topology.loops import loops
from plastic.topology.order import Cycle, restore_order
from plastic.topology.state import State
from plastic.topology.structure import NO_TABLE, Kind, OutIndex, Structure, find, locked

Blocks = frozenset[tuple[int, int]]
Ids = NDArray[np.int64]

MOST_CONNECTIONS = 2**31 - 1
"""Positions are held in 32 bits."""

NO_IDS: Ids = locked(np.zeros(0, np.int64))


def move_connections(
    state: State,
    cut_ids: Ids,
    edit: Connect,
    following: int,
    blocks: Blocks | None,
    ends: NDArray[np.bool_],
) -> tuple[Structure, NDArray[np.int32], NDArray[np.int32]]:
    """Let connections go, and others come.

    Parameters
    ----------
    state : State
    cut_ids : int64 array, shape (n_gone,)
        Ids of connections that go.
    edit : Connect
        What comes.
    following : int
        Higher than the ids of all that comes, and than any that a connection ever had.
    blocks : frozenset of (source group, target group), optional
        The groups that may connect; None for all.
    ends : bool array, shape (n_neurons,) or (0,)
        Will be set where one goes from or to a neuron, unless it is empty.

    Returns
    -------
    structure : Structure
    gather : int32 array, shape (n_after,)
        Where each connection comes from: its position before, or ``n_before`` and its number
        among those that came.
    gone : int32 array, shape (n_gone,)
        Positions before of those that went, ascending.

    Raises
    ------
    InvalidEdit
        If a connection or a neuron is not there, or a rule is broken.
    """
    structure, neurons = state.structure, state.structure.neuron_ids
    from_ids, to_ids, table = edit.sources, edit.targets, structure.slot_by_id
    ids = NO_IDS if edit.ids is None else edit.ids
    n, k = len(structure.sources) + len(from_ids), len(cut_ids)
    if n > MOST_CONNECTIONS:
        raise InvalidEdit(f"there is room for {MOST_CONNECTIONS} connections, not for {n}")
    if table is None:  # too far from each other for one: named by their slots instead
        from_ids, to_ids = locked(structure.slots_of(from_ids)), structure.slots_of(to_ids)
        neurons, table, to_ids = locked(np.arange(len(neurons))), NO_TABLE, locked(to_ids)
    held = structure.connection_ids
    if following > 2**31 and held.dtype == np.int32:  # as `id_dtype` says
        held = locked(held.astype(np.int64))
    n_after, n_neurons = max(n - k, 0), len(neurons)
    indptr, out_indptr = np.empty(n_neurons + 1, np.int64), np.empty(n_neurons + 1, np.int32)
    sources, out_targets = np.empty(n_after + 1, np.int32), np.empty(n_after, np.int32)
    new_ids, gather = np.empty(n_after + 1, held.dtype), np.empty(n_after + 1, np.int32)
    gone = np.empty(k + 1, np.int32)
    arguments = (
        structure.indptr, structure.sources, held, neurons, table, structure.rank,
        structure.traits, may_join(blocks, structure.numbered_groups[0]),
        cut_ids, from_ids, to_ids, ids, state.next_connection, ends,
        gone, indptr, sources, new_ids, gather, out_indptr, out_targets,
    )  # fmt: skip
    # what comes back at an undo ascends in its rows already: nothing has to be sorted first
    compiled = loops()
    flags = compiled.move(*arguments, NO_IDS)
    if flags & compiled.UNSORTED:
        flags = compiled.move(*arguments, locked(np.argsort(ids)))
    if flags:
        _refuse(structure, cut_ids, edit, blocks, flags)
    sources = locked(sources[:n_after])
    out = OutIndex(locked(out_indptr), locked(out_targets), sources)
    moved = structure.with_connections(indptr, sources, new_ids[:n_after], out)
    if flags & compiled.AGAINST:
        moved = _reordered(moved, edit)
    return moved, gather[:n_after], gone[:k]


def _refuse(
    structure: Structure, cut_ids: Ids, edit: Connect, blocks: Blocks | None, flags: int
) -> None:
    """Refuse what is wrong, naming it, if anything is."""
    compiled = loops()
    if flags & compiled.MISSING:
        check_unique("connection", cut_ids)
        structure.positions_of(cut_ids)
    broken = compiled.UNKNOWN_SOURCE | compiled.UNKNOWN_TARGET | compiled.BROKEN
    itself = flags & compiled.AGAINST and (edit.sources == edit.targets).any()
    if itself or flags & (broken | compiled.TAKEN | compiled.TWICE):
        refuse_pairs(structure, cut_ids, edit, blocks)
    if flags & compiled.TAKEN:
        check_free("connection", edit.ids, structure.connection_ids, cut_ids)


def refuse_pairs(
    structure: Structure, cut_ids: Ids, edit: Connect, blocks: Blocks | None
) -> None:
    """Refuse the first pair that may not be joined, naming the rule, if there is one."""
    sources, targets = structure.slots_of(edit.sources), structure.slots_of(edit.targets)

    def refuse(broken: NDArray[np.bool_], rule: str) -> None:
        if broken.any():
            at = int(np.flatnonzero(broken)[0])
            raise InvalidEdit(f"connection {edit.sources[at]}->{edit.targets[at]} {rule}")

    refuse(sources == targets, "would join a neuron to itself, which closes a cycle")
    refuse(structure.kinds[targets] == Kind.INPUT, "would lead into an input neuron")
    of_softmax = structure.of_softmax[sources]
    refuse(of_softmax, "would lead out of a softmax output, which must be last")
    there = structure.positions_between(sources, targets)
    lost = find(structure.connection_ids, cut_ids).positions
    refuse((there >= 0) & ~np.isin(there, lost), "already exists")
    keys = targets << 32 | sources
    _, first = np.unique(keys, return_index=True)
    again = np.ones(len(keys), bool)
    again[first] = False
    refuse(again, "is asked for twice")
    groups, number = structure.numbered_groups
    joinable = may_join(blocks, groups)
    refuse(~joinable[number[sources], number[targets]], "joins groups that may not")


@lru_cache(maxsize=64)
def may_join(blocks: Blocks | None, groups: Sequence[int]) -> NDArray[np.bool_]:
    """Which groups may connect, source by target, by their places in `groups`.

    Examples
    --------
    >>> may_join(frozenset([(0, 5)]), (0, 5))
    array([[False,  True],
           [False, False]])
    """
    table = np.full((len(groups), len(groups)), blocks is None)
    if blocks is None:
        return locked(table)
    number = {group: place for place, group in enumerate(groups)}
    for source, target in blocks:
        if source in number and target in number:
            table[number[source], number[target]] = True
    return locked(table)


def check_unique(what: str, ids: Ids) -> None:
    """Refuse ids of which one is named twice."""
    in_order = np.sort(ids)
    twice = in_order[1:] == in_order[:-1]
    if twice.any():
        raise InvalidEdit(f"{what} {in_order[1:][twice][0]} is named twice in one edit")


def check_free(what: str, ids: Ids, held: NDArray[np.integer], cut_ids: Ids = NO_IDS) -> None:
    """Refuse ids that are named twice, negative, or held and not cut."""
    named = find(held, ids)
    if named.twice:
        check_unique(what, ids)
    if (ids < 0).any():
        raise InvalidEdit(f"a {what} id must not be negative, got {ids.min()}")
    clash = held[named.positions]
    if len(clash):
        clash = clash[~np.isin(clash, cut_ids)]
    if len(clash):
        alive = np.isin(ids, clash)
        raise InvalidEdit(f"{what} {ids[alive][0]} is alive already; ids are for life")


def _reordered(structure: Structure, edit: Connect) -> Structure:
    sources, targets = structure.slots_of(edit.sources), structure.slots_of(edit.targets)
    try:
        return replace(structure, rank=restore_order(structure, sources, targets))
    except Cycle as cycle:
        pair = structure.neuron_ids[[cycle.source, cycle.target]]
        raise CycleError(f"connection {pair[0]}->{pair[1]} would close a cycle") from None

"""Connections that go and come, all at once, and the rules that those which come must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from plastic.errors import CycleError, InvalidEdit
from plastic.topology.order import Cycle, restore_order
from plastic.topology.state import State
from plastic.topology.structure import NO_TABLE, Kind, Structure, find, id_dtype, locked

Blocks = frozenset[tuple[int, int]]
Ids = NDArray[np.int64]

MOST_CONNECTIONS = 2**31 - 1
"""Positions are held in 32 bits."""

NO_IDS: Ids = locked(np.zeros(0, np.int64))


@dataclass(eq=False, slots=True)
class Wanted:
    """What is to go and to come.

    Parameters
    ----------
    cut_ids : int64 array, shape (n_gone,)
        Ids of connections that go.
    sources, targets : int64 arrays, shape (n_new,)
        Ids of neurons that are to be joined.
    ids : int64 array, shape (n_new,) or (0,)
        Ids of the connections that do so; the next ones if it is empty.
    following : int
        Higher than all of these, and than any that a connection ever had.
    blocks : frozenset of (source group, target group), optional
        The groups that may connect; None for all.
    """

    cut_ids: Ids
    sources: Ids
    targets: Ids
    ids: Ids
    following: int
    blocks: Blocks | None


@dataclass(eq=False, slots=True)
class Move:
    """What became of a structure when some connections went and others came.

    Parameters
    ----------
    structure : Structure
    gather : int32 array, shape (n_after,)
        Where each connection comes from: its position before, or ``n_before`` and its number
        among those that came.
    gone : int32 array, shape (n_gone,)
        Positions before of those that went, ascending.
    """

    structure: Structure
    gather: NDArray[np.int32]
    gone: NDArray[np.int32]


def move_connections(state: State, wanted: Wanted, ends: NDArray[np.bool_]) -> Move:
    """Let connections go, and others come.

    Parameters
    ----------
    state : State
    wanted : Wanted
    ends : bool array, shape (n_neurons,) or (0,)
        Will be set where one goes from or to a neuron, unless it is empty.

    Raises
    ------
    InvalidEdit
        If a connection or a neuron is not there, or a rule is broken.
    """
    from plastic.topology.compiled import AGAINST, UNSORTED, move

    structure = state.structure
    n, k = structure.n_connections + len(wanted.sources), len(wanted.cut_ids)
    if n > MOST_CONNECTIONS:
        raise InvalidEdit(f"there is room for {MOST_CONNECTIONS} connections, not for {n}")
    n = max(n - k, 0)
    neuron_ids, table, from_ids, to_ids = _named_neurons(structure, wanted)
    joinable = may_join(wanted.blocks, structure.numbered_groups[0])
    held = structure.connection_ids
    if held.dtype == np.int32 and id_dtype(wanted.following - 1) == np.int64:
        held = locked(held.astype(np.int64))
    gone, indptr = np.empty(k + 1, np.int32), np.empty(structure.n_neurons + 1, np.int64)
    sources, gather = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32)
    new_ids = np.empty(n + 1, held.dtype)
    arguments = (
        structure.indptr, structure.sources, held, neuron_ids, table, structure.rank,
        structure.traits, joinable, wanted.cut_ids, from_ids, to_ids, wanted.ids,
        state.next_connection, ends, gone, indptr, sources, new_ids, gather,
    )  # fmt: skip
    # what comes back at an undo ascends in its rows already: nothing has to be sorted first
    flags = move(*arguments, NO_IDS)
    if flags & UNSORTED:
        flags = move(*arguments, locked(np.argsort(wanted.ids)))
    if flags:
        _refuse(structure, wanted, flags)
    moved = structure.with_connections(indptr, sources[:n], new_ids[:n])
    if flags & AGAINST:
        moved = _reordered(moved, wanted)
    return Move(moved, gather[:n], gone[:k])


def _named_neurons(
    structure: Structure, wanted: Wanted
) -> tuple[Ids, NDArray[np.int32], Ids, Ids]:
    """Ids of neurons, their slots by id, and the pairs, as the loops look them up."""
    table = structure.slot_by_id
    if table is not None:
        return structure.neuron_ids, table, wanted.sources, wanted.targets
    # too far from each other for a table: named by their slots instead
    sources, targets = structure.slots_of(wanted.sources), structure.slots_of(wanted.targets)
    return locked(np.arange(structure.n_neurons)), NO_TABLE, locked(sources), locked(targets)


def _refuse(structure: Structure, wanted: Wanted, flags: int) -> None:
    """Refuse what is wrong, naming it, if anything is."""
    from plastic.topology import compiled

    if flags & compiled.MISSING:
        check_unique("connection", wanted.cut_ids)
        structure.positions_of(wanted.cut_ids)
    broken = compiled.UNKNOWN_SOURCE | compiled.UNKNOWN_TARGET | compiled.BROKEN
    itself = flags & compiled.AGAINST and (wanted.sources == wanted.targets).any()
    if itself or flags & (broken | compiled.TAKEN | compiled.TWICE):
        refuse_pairs(structure, wanted)
        check_free("connection", wanted.ids, structure.connection_ids, wanted.cut_ids)


def refuse_pairs(structure: Structure, wanted: Wanted) -> None:
    """Refuse the first pair that may not be joined, naming the rule, if there is one."""
    sources, targets = structure.slots_of(wanted.sources), structure.slots_of(wanted.targets)

    def refuse(broken: NDArray[np.bool_], rule: str) -> None:
        if broken.any():
            at = int(np.flatnonzero(broken)[0])
            raise InvalidEdit(f"connection {wanted.sources[at]}->{wanted.targets[at]} {rule}")

    refuse(sources == targets, "would join a neuron to itself, which closes a cycle")
    refuse(structure.kinds[targets] == Kind.INPUT, "would lead into an input neuron")
    of_softmax = structure.of_softmax[sources]
    refuse(of_softmax, "would lead out of a softmax output, which must be last")
    there = structure.positions_between(sources, targets)
    lost = find(structure.connection_ids, wanted.cut_ids).positions
    refuse((there >= 0) & ~np.isin(there, lost), "already exists")
    keys = targets << 32 | sources
    _, first = np.unique(keys, return_index=True)
    again = np.ones(len(keys), bool)
    again[first] = False
    refuse(again, "is asked for twice")
    groups, number = structure.numbered_groups
    joinable = may_join(wanted.blocks, groups)
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


def _reordered(structure: Structure, wanted: Wanted) -> Structure:
    sources, targets = structure.slots_of(wanted.sources), structure.slots_of(wanted.targets)
    try:
        return replace(structure, rank=restore_order(structure, sources, targets))
    except Cycle as cycle:
        pair = structure.neuron_ids[[cycle.source, cycle.target]]
        raise CycleError(f"connection {pair[0]}->{pair[1]} would close a cycle") from None

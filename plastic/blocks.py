"""Blocks: the connections from one group of neurons to another, and which may change now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plastic.topology import Constraints, Kind, Structure, Topology
from plastic.topology.constraints import fan, place_in_line

Flags = NDArray[np.bool_]
Slots = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Block:
    """The connections, there or not, from one group of neurons to another.

    Parameters
    ----------
    source_group, target_group : int
        -1 where the topology lets any groups connect: then all connections are one block.
    positions : int array, shape (n_prunable,)
        The connections that are there and may be pruned.
    sources, targets : int arrays
        Slots that a connection of this block may join.
    n_held : int
        The connections that are there, prunable or not.
    shape : pair of int
        Neurons that may lead and that may follow, whether open now or not.
    """

    source_group: int
    target_group: int
    positions: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    n_held: int
    shape: tuple[int, int]

    @property
    def name(self) -> str:
        """For tables and messages."""
        return f"{self.source_group}->{self.target_group}"


def blocks_of(topology: Topology, is_open: Flags) -> list[Block]:
    """The blocks that may hold connections, by groups.

    Parameters
    ----------
    topology : Topology
    is_open : bool array, shape (n_neurons,)
        Neurons whose connections may come and go now.
    """
    structure, limits = topology.structure, topology.constraints
    groups = structure.groups
    may_go = is_open[structure.targets]
    if limits is not None and len(limits.protected_connections):
        may_go &= ~np.isin(structure.connection_ids, limits.protected_connections)
    if topology.blocks is None and not (limits and limits.forbidden):
        every, whole = np.ones_like(may_go), np.ones(structure.n_neurons, bool)
        return [_block(structure, (-1, -1), every, whole, whole, may_go, is_open)]
    own = np.unique(groups).tolist()
    pairs = [(s, t) for s in own for t in own] if topology.blocks is None else ()
    source_groups, target_groups = groups[structure.sources], groups[structure.targets]
    return [
        _block(
            structure,
            (source, target),
            (source_groups == source) & (target_groups == target),
            groups == source,
            groups == target,
            may_go,
            is_open,
        )
        for source, target in sorted(pairs or topology.blocks or ())
        if topology.may_join(source, target)
    ]


def _block(
    structure: Structure,
    groups: tuple[int, int],
    held: Flags,
    leads: Flags,
    follows: Flags,
    may_go: Flags,
    is_open: Flags,
) -> Block:
    leads = leads & (structure.kinds != Kind.OUTPUT)
    follows = follows & (structure.kinds != Kind.INPUT)
    return Block(
        *groups,
        positions=np.flatnonzero(held & may_go),
        sources=np.flatnonzero(leads),
        targets=np.flatnonzero(follows & is_open),
        n_held=int(held.sum()),
        shape=(int(leads.sum()), int(follows.sum())),
    )


def fitting(
    structure: Structure, limits: Constraints, sources: Slots, targets: Slots, pruned: Slots
) -> Flags:
    """Which of some new connections the fan limits have room for, first come first served.

    Parameters
    ----------
    structure : Structure
    limits : Constraints
    sources, targets : int arrays, shape (n_new,)
        Slots, the best first.
    pruned : int array
        Positions of connections that go at the same time, and make room.

    Returns
    -------
    bool array, shape (n_new,)
    """
    fits = np.ones(len(sources), bool)
    for way, ends, of_all, limit in (
        ("in", targets, structure.targets, limits.max_fan_in),
        ("out", sources, structure.sources, limits.max_fan_out),
    ):
        if limit is not None:
            freed = np.bincount(of_all[pruned], minlength=structure.n_neurons)
            room = limit - fan(structure, way) + freed
            # only those that fit so far take up room
            fits[fits] = place_in_line(ends[fits]) < room[ends[fits]]
    return fits

"""Blocks: the connections from one group of neurons to another, and which may change now."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product

import numpy as np
from numpy.typing import NDArray

from plastic.engine.held import held_by_block, slots_by_group
from plastic.topology import Constraints, Kind, Structure, Topology
from plastic.topology.constraints import fan, place_in_line

Flags = NDArray[np.bool_]
Slots = NDArray[np.int64]

ANY = (-1, -1)
"""The groups of the one block of a topology that lets any groups connect."""


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
    n_between : int, optional
        The connections that are there from `sources` to `targets`, prunable or not; None where
        outputs lead on, as those that leave one are held but not between them.
    """

    source_group: int
    target_group: int
    positions: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    n_held: int
    shape: tuple[int, int]
    n_between: int | None

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
    groups, group_of = structure.numbered_groups
    if topology.blocks is not None:
        pairs = sorted(topology.blocks)
    elif limits and limits.forbidden:
        present = np.unique(structure.groups).tolist()
        pairs = list(product(present, present))
    else:
        pairs, groups, group_of = [ANY], ANY[:1], np.zeros(structure.n_neurons, np.int32)
    if pairs != [ANY]:
        pairs = [pair for pair in pairs if topology.may_join(*pair)]
    place = {group: k for k, group in enumerate(groups)}
    for group in chain.from_iterable(pairs):  # some may be empty now
        place.setdefault(group, len(place))
    block_of = np.full((len(place), len(place)), len(pairs))
    for number, (source, target) in enumerate(pairs):
        block_of[place[target], place[source]] = number
    held, n_held, n_open = held_by_block(structure, group_of, block_of, len(pairs), is_open)
    if limits is not None and len(limits.protected_connections):
        kept = np.isin(structure.connection_ids, limits.protected_connections)
        held = [at[~kept[at]] for at in held]
    leads, follows = structure.kinds != Kind.OUTPUT, structure.kinds != Kind.INPUT
    sources, targets, open_targets = (
        slots_by_group(group_of, len(place), of) for of in (leads, follows, follows & is_open)
    )
    starts, outputs = structure.out.indptr, structure.outputs
    outputs_lead_on = (starts[outputs] < starts[outputs + 1]).any()
    return [
        Block(
            source,
            target,
            positions=held[number],
            sources=sources[place[source]],
            targets=open_targets[place[target]],
            n_held=int(n_held[number]),
            shape=(len(sources[place[source]]), len(targets[place[target]])),
            n_between=None if outputs_lead_on else int(n_open[number]),
        )
        for number, (source, target) in enumerate(pairs)
    ]


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
    for way, ends, limit in (
        ("in", targets, limits.max_fan_in),
        ("out", sources, limits.max_fan_out),
    ):
        if limit is not None:
            of_all = structure.targets if way == "in" else structure.sources
            freed = np.bincount(of_all[pruned], minlength=structure.n_neurons)
            room = limit - fan(structure, way) + freed
            # only those that fit so far take up room
            fits[fits] = place_in_line(ends[fits]) < room[ends[fits]]
    return fits

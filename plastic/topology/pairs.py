"""Pairs of neurons that are to be joined, and the rules that each of them must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from plastic.edits import Connect
from plastic.errors import InvalidEdit
from plastic.topology.structure import Cut, Kind, Structure, locked

Blocks = frozenset[tuple[int, int]]

NO_TABLE = locked(np.zeros(0, np.int32))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of slots that are to be joined, none of which breaks a rule of its own.

    Parameters
    ----------
    structure : Structure
        Where they are to be joined.
    lost : Cut
        Connections of it that go at the same time.
    blocks : frozenset of (source group, target group), optional
        The groups that may connect; None for all.
    sources, targets : int32 arrays, shape (k,)
    against : bool
        Whether one goes against the order.
    given : bool
        Whether ids are not as the topology gives them out.
    """

    structure: Structure
    lost: Cut
    blocks: Blocks | None
    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    against: bool
    given: bool

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
        groups, number = structure.numbered_groups
        joinable = may_join(self.blocks, groups)
        refuse(~joinable[number[sources], number[targets]], "joins groups that may not")


def find_slots(
    structure: Structure,
    edit: Connect,
    ids: NDArray[np.int64],
    next_id: int,
    lost: Cut,
    blocks: Blocks | None,
) -> Pairs:
    """The slots that an edit joins, checked but for pairs that are joined already.

    Parameters
    ----------
    structure : Structure
    edit : Connect
    ids : int64 array, shape (k,)
        Of its connections.
    next_id : int
        The lowest id that no connection ever had.
    lost, blocks
        As in `Pairs`.

    Raises
    ------
    InvalidEdit
        If there is no such neuron, or a rule is broken.
    """
    from plastic.topology import compiled_lookups as compiled

    from_ids, to_ids = edit.sources, edit.targets
    neuron_ids, table = structure.neuron_ids, structure.slot_by_id
    if table is None:
        neuron_ids, table = locked(np.arange(structure.n_neurons)), NO_TABLE
        from_ids, to_ids = (locked(structure.slots_of(ids)) for ids in (from_ids, to_ids))
    joinable = may_join(blocks, structure.numbered_groups[0])
    sources, targets = np.empty(len(edit), np.int32), np.empty(len(edit), np.int32)
    found = compiled.check_pairs(
        neuron_ids, table, structure.traits, joinable, from_ids, to_ids, ids, next_id,
        sources, targets,
    )  # fmt: skip
    if found & (compiled.UNKNOWN_SOURCE | compiled.UNKNOWN_TARGET):
        structure.slots_of(from_ids)
        structure.slots_of(to_ids)
    against, given = bool(found & compiled.AGAINST), bool(found & compiled.GIVEN)
    pairs = Pairs(structure, lost, blocks, locked(sources), locked(targets), against, given)
    if found & compiled.BROKEN or (against and (sources == targets).any()):
        pairs.refuse()
    return pairs


@lru_cache(maxsize=64)
def may_join(blocks: Blocks | None, groups: Sequence[int]) -> NDArray[np.bool_]:
    """Which groups may connect, source by target, by their places in `groups`.

    One row and one column more are for neurons that nothing leads out of, or into.

    Examples
    --------
    >>> may_join(frozenset([(0, 5)]), (0, 5))
    array([[False,  True, False],
           [False, False, False],
           [False, False, False]])
    """
    n_groups = len(groups)
    table = np.zeros((n_groups + 1, n_groups + 1), np.bool_)
    if blocks is None:
        table[:n_groups, :n_groups] = True
        return locked(table)
    number = {group: place for place, group in enumerate(groups)}
    for source, target in blocks:
        if source in number and target in number:
            table[number[source], number[target]] = True
    return locked(table)

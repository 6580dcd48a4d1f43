"""Keeping neurons in a topological order while connections come.

A connection that respects the order needs no search at all: its source ranks before its
target.  One that goes against it is settled by the algorithm of Pearce and Kelly (2007),
*A dynamic topological sort algorithm for directed acyclic graphs*, ACM JEA 11, which looks
only at neurons ranked between the two ends.  Where a batch holds many of them, sorting all
neurons once (Kahn, 1962) is cheaper.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.topology.structure import Kind, Structure, concatenated_ranges

ONE_BY_ONE = 64
"""Up to so many connections against the order are settled one at a time."""

Rank = NDArray[np.int32]


class Cycle(Exception):
    """Connection ``source -> target`` (slots) closes a cycle."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        super().__init__(f"{source}->{target}")


def restore_order(
    structure: Structure, sources: NDArray[np.integer], targets: NDArray[np.integer]
) -> Rank:
    """Rank of each neuron in a topological order of the structure.

    Parameters
    ----------
    structure : Structure
        Holds the new connections already; its rank is right for all others.
    sources, targets : int arrays, shape (n_new,)
        Slots that the new connections join.

    Raises
    ------
    Cycle
        If there is none; it names the first new connection found on a cycle.
    """
    against = structure.rank[sources] >= structure.rank[targets]
    if not against.any():
        return structure.rank
    if against.sum() > ONE_BY_ONE:
        return sort_all(structure, sources, targets)
    pairs = list(zip(sources[against].tolist(), targets[against].tolist(), strict=True))
    return _pearce_kelly(structure, pairs)


def _pearce_kelly(structure: Structure, pairs: list[tuple[int, int]]) -> Rank:
    rank = structure.rank.copy()
    pending = set(pairs)  # not yet part of the graph that is searched
    for source, target in pairs:
        pending.discard((source, target))
        low, high = int(rank[target]), int(rank[source])
        if low > high:  # an earlier move has put them right
            continue
        after = _reach(structure, target, pending, rank, high, forward=True)
        if source in after:
            raise Cycle(source, target)
        before = _reach(structure, source, pending, rank, low, forward=False)
        moved = sorted(before, key=rank.__getitem__) + sorted(after, key=rank.__getitem__)
        rank[moved] = np.sort(rank[moved])
    return rank


def _reach(
    structure: Structure,
    start: int,
    pending: set[tuple[int, int]],
    rank: Rank,
    limit: int,
    *,
    forward: bool,
) -> set[int]:
    """Slots reached from `start` without leaving the ranks up to (or down to) `limit`."""
    seen, stack = {start}, [start]
    while stack:
        slot = stack.pop()
        if forward:
            index = structure.out
            near = index.targets[index.indptr[slot] : index.indptr[slot + 1]]
            near = near[rank[near] <= limit]
        else:
            near = structure.sources[structure.indptr[slot] : structure.indptr[slot + 1]]
            near = near[rank[near] >= limit]
        for other in near.tolist():
            pair = (slot, other) if forward else (other, slot)
            if other not in seen and pair not in pending:
                seen.add(other)
                stack.append(other)
    return seen


def sort_all(
    structure: Structure, sources: NDArray[np.integer], targets: NDArray[np.integer]
) -> Rank:
    """Rank of each neuron in an order made from scratch, one generation at a time.

    Parameters and errors are those of `restore_order`.
    """
    waiting = np.diff(structure.indptr)
    rank = np.full(structure.n_neurons, -1, np.int32)
    ready, ranked = np.flatnonzero(waiting == 0), 0
    index = structure.out
    while len(ready):
        rank[ready] = np.arange(ranked, ranked + len(ready), dtype=np.int32)
        ranked += len(ready)
        lengths = index.indptr[ready + 1] - index.indptr[ready]
        reached = index.targets[concatenated_ranges(index.indptr[ready], lengths)]
        followers, arrivals = np.unique(reached, return_counts=True)
        waiting[followers] -= arrivals
        ready = followers[waiting[followers] == 0]
    if ranked < structure.n_neurons:
        raise Cycle(*_on_cycle(structure, rank < 0, sources, targets))
    # an output that leads nowhere goes last, so that any neuron may still come to feed it
    last = (structure.kinds == Kind.OUTPUT) & (np.diff(index.indptr) == 0)
    rank[np.lexsort((rank, last))] = np.arange(structure.n_neurons, dtype=np.int32)
    return rank


def _on_cycle(
    structure: Structure,
    left: NDArray[np.bool_],
    sources: NDArray[np.integer],
    targets: NDArray[np.integer],
) -> tuple[int, int]:
    """Find a new connection on a cycle among the neurons that are left."""
    new = set(zip(sources.tolist(), targets.tolist(), strict=True))
    # each neuron left waits for another one left: going back must come round
    path: dict[int, None] = {}
    slot = int(np.flatnonzero(left)[0])
    while slot not in path:
        path[slot] = None
        row = structure.sources[structure.indptr[slot] : structure.indptr[slot + 1]]
        slot = int(row[left[row]][0])
    steps = list(path)
    cycle = [*steps[steps.index(slot) :], slot]
    pairs = [(cycle[k + 1], cycle[k]) for k in range(len(cycle) - 1)]
    return next(pair for pair in pairs if pair in new)

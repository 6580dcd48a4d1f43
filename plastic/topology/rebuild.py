"""Making the next `Structure` from the last one: a few linear passes over the arrays.

Each function returns the new structure and a *gather* index that carries whatever is
aligned with the old neurons or connections: ``new = old[gather]`` after a removal,
``new = concatenate([old, fresh])[gather]`` after an insertion.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.topology.structure import Kind, Structure

Gather = NDArray[np.int64]


def remove(
    structure: Structure, drop_neurons: NDArray[np.bool_], drop_connections: NDArray[np.bool_]
) -> tuple[Structure, Gather, Gather]:
    """Drop neurons, every connection from and to them, and other connections.

    Parameters
    ----------
    drop_neurons : bool array, shape (n_neurons,)
    drop_connections : bool array, shape (n_connections,)

    Returns
    -------
    structure : Structure
    neurons, connections : int arrays
        Old slots and old positions of what is left, in the new order.
    """
    keep = ~drop_connections
    if drop_neurons.any():
        keep &= ~(drop_neurons[structure.sources] | drop_neurons[structure.targets])
    slots = np.flatnonzero(~drop_neurons)
    positions = np.flatnonzero(keep)
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    row_lengths = np.diff(kept_before[structure.indptr])[slots]
    new_slot = np.cumsum(~drop_neurons) - 1
    rank = np.empty(len(slots), np.int32)
    rank[np.argsort(structure.rank[slots])] = np.arange(len(slots), dtype=np.int32)
    slimmer = Structure(
        neuron_ids=structure.neuron_ids[slots],
        kinds=structure.kinds[slots],
        activations=structure.activations[slots],
        groups=structure.groups[slots],
        rank=rank,
        indptr=np.concatenate([[0], np.cumsum(row_lengths)]),
        sources=new_slot[structure.sources[positions]].astype(np.int32),
        connection_ids=structure.connection_ids[positions],
    )
    return slimmer, slots, positions


def insert_neurons(
    structure: Structure,
    ids: NDArray[np.int64],
    kinds: NDArray[np.int8],
    activations: NDArray[np.int8],
    groups: NDArray[np.int32],
) -> tuple[Structure, Gather]:
    """Add neurons without connections.

    A hidden neuron is placed in the order right behind the last one of its group, so that
    connecting it as its group is connected never goes against the order.
    """
    all_ids = np.concatenate([structure.neuron_ids, ids])
    all_groups = np.concatenate([structure.groups, groups])
    all_kinds = np.concatenate([structure.kinds, kinds])
    place = np.concatenate([structure.rank, _places(structure, kinds, groups)])
    gather = np.argsort(all_ids, kind="stable")
    new_slot = np.argsort(gather)[: structure.n_neurons]
    row_lengths = np.concatenate([np.diff(structure.indptr), np.zeros(len(ids), np.int64)])
    # by place, then newborns after those who were there, then by id
    newborn = np.arange(len(all_ids)) >= structure.n_neurons
    rank = np.empty(len(all_ids), np.int32)
    rank[np.lexsort((all_ids, newborn, place))] = np.arange(len(all_ids), dtype=np.int32)
    larger = Structure(
        neuron_ids=all_ids[gather],
        kinds=all_kinds[gather],
        activations=np.concatenate([structure.activations, activations])[gather],
        groups=all_groups[gather],
        rank=rank[gather],
        indptr=np.concatenate([[0], np.cumsum(row_lengths[gather])]),
        sources=new_slot[structure.sources].astype(np.int32),
        connection_ids=structure.connection_ids.copy(),
    )
    return larger, gather


def _places(
    structure: Structure, kinds: NDArray[np.int8], groups: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Rank behind which each new neuron goes, shape (n_new,)."""
    last = np.full(len(groups), structure.n_neurons, np.int32)
    outputs = structure.rank[structure.outputs]
    for group in np.unique(groups):
        peers = structure.rank[(structure.groups == group) & (structure.kinds == Kind.HIDDEN)]
        before_outputs = outputs.min() - 1 if len(outputs) else structure.n_neurons
        last[groups == group] = peers.max() if len(peers) else before_outputs
    last[kinds == Kind.INPUT] = -1
    last[kinds == Kind.OUTPUT] = structure.n_neurons
    return last


def insert_connections(
    structure: Structure,
    ids: NDArray[np.int64],
    sources: NDArray[np.integer],
    targets: NDArray[np.integer],
) -> tuple[Structure, Gather]:
    """Add connections between slots; the rank is left as it is."""
    n_old, n_new = structure.n_connections, len(ids)
    born = np.bincount(targets, minlength=structure.n_neurons)
    shift = np.concatenate([[0], np.cumsum(born)])
    indptr = structure.indptr + shift
    row_lengths = np.diff(structure.indptr)
    by_row = np.lexsort((ids, targets))
    rows = np.asarray(targets)[by_row]
    # newborns go to the end of their rows, where their ids (the highest so far) belong
    within = np.arange(n_new) - shift[rows]
    gather = np.empty(n_old + n_new, np.int64)
    gather[np.arange(n_old) + np.repeat(shift[:-1], row_lengths)] = np.arange(n_old)
    gather[indptr[rows] + row_lengths[rows] + within] = n_old + by_row
    all_ids = np.concatenate([structure.connection_ids, ids])
    revived = n_old > 0 and n_new > 0 and ids.min() <= structure.connection_ids.max()
    if revived:
        _sort_rows(gather, indptr, all_ids, np.unique(rows))
    larger = replace(
        structure,
        indptr=indptr,
        sources=np.concatenate([structure.sources, np.asarray(sources, np.int32)])[gather],
        connection_ids=all_ids[gather],
    )
    return larger, gather


def _sort_rows(
    gather: Gather, indptr: NDArray[np.int64], ids: NDArray[np.int64], rows: NDArray[np.integer]
) -> None:
    """Sort `gather` by id within some rows, in place."""
    lengths = indptr[rows + 1] - indptr[rows]
    inside = concatenated_ranges(indptr[rows], lengths)
    content = gather[inside]
    gather[inside] = content[np.lexsort((ids[content], np.repeat(rows, lengths)))]


def concatenated_ranges(starts: NDArray[Any], lengths: NDArray[Any]) -> NDArray[np.int64]:
    """``concatenate([arange(s, s + n) for s, n in zip(starts, lengths)])``, without the loop.

    Examples
    --------
    >>> concatenated_ranges(np.array([10, 20]), np.array([2, 3]))
    array([10, 11, 20, 21, 22])
    """
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(
        starts - (ends - lengths), lengths
    )

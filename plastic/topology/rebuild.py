"""Making the next `Structure` from the last one: a few linear passes over the arrays.

Each function returns the new structure and a *gather* index that carries whatever is
aligned with the old neurons or connections: ``new = old[gather]`` after a removal,
``new = concatenate([old, fresh])[gather]`` after an insertion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.topology.loops import loops
from plastic.topology.structure import (
    Cut,
    Kind,
    Structure,
    concatenated_ranges,
)

Gather = NDArray[np.integer]


def remove_neurons(
    structure: Structure, drop: NDArray[np.bool_]
) -> tuple[Structure, Gather, Gather, Cut]:
    """Drop neurons and every connection from and to them.

    Parameters
    ----------
    drop : bool array, shape (n_neurons,)

    Returns
    -------
    structure : Structure
    neurons, connections : int arrays
        Old slots and old positions of what is left, in the new order.
    cut : Cut
        The connections that went.
    """
    gone = np.repeat(drop, np.diff(structure.indptr))
    gone |= drop[structure.sources]
    cut = Cut(np.flatnonzero(gone).astype(np.int32), gone.view(np.uint8))
    slimmer, positions = remove_connections(structure, cut)
    slots = np.flatnonzero(~drop)
    new_slot = (np.cumsum(~drop) - 1).astype(np.int32)
    rank = np.empty(len(slots), np.int32)
    rank[np.argsort(structure.rank[slots])] = np.arange(len(slots), dtype=np.int32)
    slimmer = Structure(
        neuron_ids=structure.neuron_ids[slots],
        kinds=structure.kinds[slots],
        activations=structure.activations[slots],
        groups=structure.groups[slots],
        rank=rank,
        indptr=slimmer.indptr[np.append(slots, structure.n_neurons)],  # others hold no more
        sources=new_slot[slimmer.sources],
        connection_ids=slimmer.connection_ids,
    )
    return slimmer, slots, positions, cut


def keep_neurons(
    structure: Structure, keep: NDArray[np.bool_]
) -> tuple[Structure, Gather, Gather]:
    """Keep some neurons, and the connections among them.

    As `remove_neurons` of the others, but where few are kept out of many, the time it takes
    goes with their rows alone.

    Parameters
    ----------
    keep : bool array, shape (n_neurons,)

    Returns
    -------
    structure : Structure
    neurons, connections : int arrays
        Old slots and old positions of what is kept, in the new order.
    """
    slots = np.flatnonzero(keep)
    starts = structure.indptr[slots]
    lengths = structure.indptr[slots + 1] - starts
    if 2 * lengths.sum() > structure.n_connections:  # most rows stay: drop the others
        return remove_neurons(structure, ~keep)[:3]
    positions = concatenated_ranges(starts, lengths)
    sources = structure.sources[positions]
    held = keep[sources]
    kept_before = np.concatenate([[0], np.cumsum(held)])
    new_slot = np.empty(structure.n_neurons, np.int32)
    new_slot[slots] = np.arange(len(slots), dtype=np.int32)
    rank = np.empty(len(slots), np.int32)
    rank[np.argsort(structure.rank[slots])] = np.arange(len(slots), dtype=np.int32)
    positions = positions[held]
    slimmer = Structure(
        neuron_ids=structure.neuron_ids[slots],
        kinds=structure.kinds[slots],
        activations=structure.activations[slots],
        groups=structure.groups[slots],
        rank=rank,
        indptr=kept_before[np.concatenate([[0], np.cumsum(lengths)])],
        sources=new_slot[sources[held]],
        connection_ids=structure.connection_ids[positions],
    )
    return slimmer, slots, positions


def remove_connections(structure: Structure, cut: Cut) -> tuple[Structure, Gather]:
    """Drop some connections."""
    n, held = structure.n_connections - len(cut), structure.connection_ids
    indptr, sources = np.empty(structure.n_neurons + 1, np.int64), np.empty(n + 1, np.int32)
    ids, gather = np.empty(n + 1, held.dtype), np.empty(n + 1, np.int32)
    loops().merge_rows(
        structure.indptr, structure.sources, held, cut.gone, cut.positions,
        np.zeros_like(indptr), np.empty(0, np.int32), np.empty(0, np.int32),
        np.empty(0, np.int64), 0, indptr, sources, ids, gather,
    )  # fmt: skip
    return structure.with_connections(indptr, sources[:n], ids[:n]), gather[:n]


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
        connection_ids=structure.connection_ids,
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

"""Making the next `Structure` from the last one: a few linear passes over the arrays.

Each function returns the new structure and a *gather* index that carries whatever is
aligned with the old neurons or connections: ``new = old[gather]`` after a removal,
``new = concatenate([old, fresh])[gather]`` after an insertion.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from plastic.topology.structure import LOW, Kind, Structure, concatenated_ranges

Gather = NDArray[np.int64]

NOTHING: Gather = np.zeros(0, np.int64)


def remove_neurons(
    structure: Structure, drop: NDArray[np.bool_]
) -> tuple[Structure, Gather, Gather]:
    """Drop neurons and every connection from and to them.

    Parameters
    ----------
    drop : bool array, shape (n_neurons,)

    Returns
    -------
    structure : Structure
    neurons, connections : int arrays
        Old slots and old positions of what is left, in the new order.
    """
    gone = np.repeat(drop, np.diff(structure.indptr))
    gone |= drop[structure.sources]
    slimmer, positions = remove_connections(structure, np.flatnonzero(gone))
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
    return slimmer, slots, positions


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
        return remove_neurons(structure, ~keep)
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


def remove_connections(structure: Structure, lost: Gather) -> tuple[Structure, Gather]:
    """Drop the connections at some positions, given in ascending order."""
    gather = all_but(structure.n_connections, lost)
    slimmer = replace(
        structure,
        indptr=structure.indptr - np.searchsorted(lost, structure.indptr),
        sources=structure.sources[gather],
        connection_ids=structure.connection_ids[gather],
    )
    return slimmer, gather


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
    lost: Gather = NOTHING,
) -> tuple[Structure, Gather]:
    """Add connections between slots; the rank is left as it is.

    Those at the positions `lost` (ascending) are dropped on the way, which costs no more
    than to keep them.
    """
    n_old, n_new = structure.n_connections, len(ids)
    kept = structure.indptr - np.searchsorted(lost, structure.indptr)
    by_row = _by_row(ids, targets)
    # newborns go to the end of their rows, where their ids (the highest so far) belong
    places = kept[targets[by_row] + 1] + np.arange(n_new)
    gather = np.empty(n_old - len(lost) + n_new, np.int64)
    gather[all_but(len(gather), places)] = all_but(n_old, lost)
    gather[places] = n_old + by_row
    born = np.bincount(targets, minlength=structure.n_neurons)
    indptr = kept + np.concatenate([[0], np.cumsum(born)])
    all_ids = np.concatenate([structure.connection_ids, ids])
    revived = n_old > 0 and n_new > 0 and ids.min() <= structure.connection_ids.max()
    if revived:
        _sort_rows(gather, indptr, all_ids, np.flatnonzero(born))
    larger = replace(
        structure,
        indptr=indptr,
        sources=np.concatenate([structure.sources, sources], dtype=np.int32)[gather],
        connection_ids=all_ids[gather],
    )
    return larger, gather


def _by_row(ids: NDArray[np.int64], targets: NDArray[np.integer]) -> Gather:
    """As ``lexsort((ids, targets))``, several times as fast: one flat sort of plain numbers."""
    if (ids[1:] > ids[:-1]).all():  # as newborns' do
        return np.sort(targets.astype(np.int64) << 32 | np.arange(len(ids))) & LOW
    by_id = np.argsort(ids)
    return by_id[_by_row(np.arange(len(ids)), targets[by_id])]


def all_but(n: int, places: Gather) -> Gather:
    """All of ``0 .. n-1`` but some."""
    if not len(places):
        return np.arange(n)
    left = np.ones(n, bool)
    left[places] = False
    return np.flatnonzero(left)


def _sort_rows(
    gather: Gather, indptr: NDArray[np.int64], ids: NDArray[np.int64], rows: NDArray[np.integer]
) -> None:
    """Sort `gather` by id within some rows, in place."""
    lengths = indptr[rows + 1] - indptr[rows]
    inside = concatenated_ranges(indptr[rows], lengths)
    content = gather[inside]
    low = ids.min()
    span = int(ids.max()) - int(low) + 1
    if span < 2**62 // max(len(rows), 1):  # one number for row and id: much faster to sort
        keys = np.repeat(np.arange(len(rows)) * span, lengths) + (ids[content] - low)
        gather[inside] = content[np.argsort(keys)]
    else:
        gather[inside] = content[np.lexsort((ids[content], np.repeat(rows, lengths)))]

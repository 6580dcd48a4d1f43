"""The arrays that hold a topology, and the look-ups on them.

Neurons lie in *slots* ``0 .. n_neurons-1``, sorted by id.  Connections lie at *positions*
``0 .. n_connections-1`` in compressed rows: the connections into slot ``t`` are at
``indptr[t] : indptr[t+1]``, sorted by id.  Ids are for life; slots and positions are valid
for one `Structure` only.  Since the order within a row depends on nothing but ids, the same
structure always sums in the same order, whatever edits led to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from plastic.errors import InvalidEdit

IntArray = NDArray[np.integer]

LOW = 2**32 - 1
"""The half of a 64-bit number that holds a source; its target is in the other half."""

SPREAD = 16
"""Places in a table for each item that is looked up: more memory, fewer that share one."""


class Kind(IntEnum):
    """What a neuron is to the outside."""

    INPUT = 0
    HIDDEN = 1
    OUTPUT = 2


@dataclass(frozen=True, eq=False)
class OutIndex:
    """The same connections by source: those out of slot ``s`` are ``indptr[s] : indptr[s+1]``.

    Parameters
    ----------
    indptr : int array, shape (n_neurons + 1,)
    targets : int32 array, shape (n_connections,)
        Target slot of each.
    positions : int32 array, shape (n_connections,)
        Position of each in the rows by target.
    """

    indptr: IntArray
    targets: IntArray
    positions: IntArray


@dataclass(frozen=True, eq=False)
class Structure:
    """Neurons and connections in arrays; never changed once made.

    Parameters
    ----------
    neuron_ids : int64 array, shape (n_neurons,)
        Ascending.
    kinds, activations : int8 arrays, shape (n_neurons,)
        `Kind` and `Activation.code` of each neuron.
    groups : int32 array, shape (n_neurons,)
        Group (layer) of each neuron.
    rank : int32 array, shape (n_neurons,)
        Place of each neuron in a topological order.
    indptr : int64 array, shape (n_neurons + 1,)
        Where each row begins.
    sources : int32 array, shape (n_connections,)
        Source slot of each connection.
    connection_ids : int64 array, shape (n_connections,)
        Ascending within each row.
    """

    neuron_ids: NDArray[np.int64]
    kinds: NDArray[np.int8]
    activations: NDArray[np.int8]
    groups: NDArray[np.int32]
    rank: NDArray[np.int32]
    indptr: NDArray[np.int64]
    sources: NDArray[np.int32]
    connection_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        for array in vars(self).values():
            array.flags.writeable = False

    @property
    def n_neurons(self) -> int:
        """Number of neurons, inputs and outputs included."""
        return len(self.neuron_ids)

    @property
    def n_connections(self) -> int:
        """Number of connections."""
        return len(self.sources)

    @cached_property
    def targets(self) -> NDArray[np.int32]:
        """Target slot of each connection, shape (n_connections,)."""
        rows = np.arange(self.n_neurons, dtype=np.int32)
        return _locked(np.repeat(rows, np.diff(self.indptr)))

    @cached_property
    def out(self) -> OutIndex:
        """The connections by source."""
        # SciPy's conversion is a counting sort: linear, compiled, and stable
        positions = np.arange(self.n_connections, dtype=np.int32)
        shape = (self.n_neurons, self.n_neurons)
        indptr = self.indptr.astype(np.int32)  # else SciPy widens the indices to its dtype
        by_source = csr_array((positions, self.sources, indptr), shape=shape).tocsc()
        arrays = by_source.indptr.astype(np.int64), by_source.indices, by_source.data
        return OutIndex(*(_locked(array) for array in arrays))

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """Slots in topological order, shape (n_neurons,)."""
        return _locked(np.argsort(self.rank).astype(np.int32))

    @cached_property
    def inputs(self) -> NDArray[np.int32]:
        """Slots of the input neurons, by id; feature ``f`` of the data enters ``inputs[f]``."""
        return _locked(np.flatnonzero(self.kinds == Kind.INPUT).astype(np.int32))

    @cached_property
    def outputs(self) -> NDArray[np.int32]:
        """Slots of the output neurons, by id."""
        return _locked(np.flatnonzero(self.kinds == Kind.OUTPUT).astype(np.int32))

    def slots_of(self, ids: Any) -> NDArray[np.int64]:
        """Slots of neurons.

        Raises
        ------
        InvalidEdit
            If there is no neuron of one of these ids.
        """
        ids = np.asarray(ids, np.int64)
        if not ids.size:
            return np.zeros(ids.shape, np.int64)
        first, last = int(self.neuron_ids[0]), int(self.neuron_ids[-1])
        span = last - first + 1
        within = first <= ids.min() and ids.max() <= last
        if within and span == self.n_neurons:  # there are no gaps
            return ids - first
        if within and span < SPREAD * (self.n_neurons + ids.size):
            table = np.zeros(span, np.int64)
            table[self.neuron_ids - first] = np.arange(self.n_neurons)
            slots = table[ids - first]
        else:
            slots = np.minimum(np.searchsorted(self.neuron_ids, ids), self.n_neurons - 1)
        found = self.neuron_ids[slots] == ids
        if not found.all():
            raise InvalidEdit(f"there is no neuron {ids[~found][0]}")
        return slots

    def positions_of(self, ids: Any) -> NDArray[np.int64]:
        """Positions of connections, in the order of `ids`.

        Raises
        ------
        InvalidEdit
            If there is no connection of one of these ids.
        """
        ids = np.asarray(ids, np.int64)
        positions = np.flatnonzero(among(self.connection_ids, ids))
        found = self.connection_ids[positions]
        by_id = np.argsort(found)
        place = np.searchsorted(found[by_id], ids)
        known = np.zeros(len(ids), bool)
        inside = place < len(found)
        known[inside] = found[by_id][place[inside]] == ids[inside]
        if not known.all():
            raise InvalidEdit(f"there is no connection {ids[~known][0]}")
        return positions[by_id][place]

    def positions_between(self, sources: IntArray, targets: IntArray) -> NDArray[np.int64]:
        """Position of the connection between each pair of slots, -1 where there is none."""
        wanted = pair_keys(sources, targets)
        held = self.positions_joining(np.sort(wanted))
        if not len(held):
            return np.full(len(wanted), -1)
        keys = pair_keys(self.sources[held], self.targets[held])
        by_key = np.argsort(keys)
        place = by_key[np.minimum(np.searchsorted(keys[by_key], wanted), len(keys) - 1)]
        return np.where(keys[place] == wanted, held[place], -1)

    def positions_joining(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions, ascending, of the connections that join one of some pairs.

        Parameters
        ----------
        keys : int array, shape (n_pairs,)
            Their `pair_keys`, ascending.
        """
        rows, row, sources = np.arange(self.n_neurons), keys >> 32, keys & LOW
        inside = None
        if 0 < len(keys) < self.n_neurons // 8:  # look at their rows alone
            first = np.append(True, row[1:] > row[:-1])
            rows, row = row[first], np.cumsum(first) - 1
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        if len(rows) < self.n_neurons:
            inside = concatenated_ranges(self.indptr[rows], lengths)
        held = self.sources if inside is None else self.sources[inside]
        # Both sides go into a table in which few share a place, and those who do are compared.
        width = _power_of_two(min(self.n_neurons, SPREAD * len(keys) // max(len(rows), 1)))
        table = np.zeros(len(rows) * width, bool)
        table[row * width + (sources & (width - 1))] = True
        places = np.repeat(np.arange(0, len(table), width), lengths)
        places += held & np.int32(width - 1)
        near = np.flatnonzero(table[places])
        near_keys = pair_keys(held[near], rows[places[near] // width])
        at = np.minimum(np.searchsorted(keys, near_keys), len(keys) - 1)
        near = near[keys[at] == near_keys]
        return near if inside is None else inside[near]


def pair_keys(sources: IntArray, targets: IntArray) -> NDArray[np.int64]:
    """A number for each pair of slots, by target first, then by source."""
    return np.asarray(targets, np.int64) << 32 | sources


def among(values: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each value is one of the ids, as `numpy.isin`, but without sorting them.

    Examples
    --------
    >>> among(np.array([3, 1, 2]), np.array([2, 3, 8]))
    array([ True, False,  True])
    """
    if not len(ids) or not len(values):
        return np.zeros(len(values), bool)
    if len(ids) == 1:
        return values == ids[0]
    highest = max(int(values.max()), int(ids.max()))
    if highest < SPREAD * (len(values) + len(ids)) and min(values.min(), ids.min()) >= 0:
        named = np.zeros(highest + 1, bool)
        named[ids] = True
        return named[values]
    last = _power_of_two(SPREAD * len(ids)) - 1
    owners = np.zeros(last + 1, np.int32)  # the number of the id that has each place
    places = ids & last
    owners[places] = np.arange(len(ids), dtype=np.int32)
    found = ids[owners[values & last]] == values
    without = ids[ids[owners[places]] != ids]  # another has their place
    search = among if 2 * len(without) < len(ids) else np.isin
    return found | search(values, without)


def concatenated_ranges(starts: NDArray[Any], lengths: NDArray[Any]) -> NDArray[np.int64]:
    """``concatenate([arange(s, s + n) for s, n in zip(starts, lengths)])``, without the loop.

    Examples
    --------
    >>> concatenated_ranges(np.array([10, 20]), np.array([2, 3]))
    array([10, 11, 20, 21, 22])
    """
    ends = np.cumsum(lengths)
    ranges = np.arange(ends[-1] if len(ends) else 0)
    ranges += np.repeat(starts - (ends - lengths), lengths)
    return ranges


def _power_of_two(n: int) -> int:
    """The lowest power of two of at least `n`."""
    return 1 << max(int(n) - 1, 0).bit_length()


def _locked(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array

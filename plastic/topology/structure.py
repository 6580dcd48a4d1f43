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
        slots = np.searchsorted(self.neuron_ids, ids)
        found = self.neuron_ids[np.minimum(slots, self.n_neurons - 1)] == ids
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
        positions = np.flatnonzero(np.isin(self.connection_ids, ids))
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
        shape = (self.n_neurons, self.n_neurons)
        numbered = np.arange(1, self.n_connections + 1)  # 0 is what SciPy gives for "absent"
        matrix = csr_array((numbered, self.sources, self.indptr), shape=shape)
        if not len(sources):
            return np.zeros(0, np.int64)
        return np.asarray(matrix[targets, sources], np.int64) - 1


def _locked(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array

"""The arrays that hold a topology, and the look-ups on them.

Neurons lie in *slots* ``0 .. n_neurons-1``, sorted by id.  Connections lie at *positions*
``0 .. n_connections-1`` in compressed rows: the connections into slot ``t`` are at
``indptr[t] : indptr[t+1]``, sorted by id.  Ids are for life; slots and positions are valid
for one `Structure` only.  Since the order within a row depends on nothing but ids, the same
structure always sums in the same order, whatever edits led to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.activations import softmax
from plastic.errors import InvalidEdit
from plastic.topology.loops import gathers, loops

IntArray = NDArray[np.integer]

SPREAD = 64
"""A table that is looked up by id has at most so many places for each item; a sort is next."""

CLOSED_SOURCE, CLOSED_TARGET = 1, 2
"""Parts of `Structure.traits`."""

MOST_GROUPS = 256
"""Up to this number, a group is its own row in the table of groups that may connect."""


class Kind(IntEnum):
    """What a neuron is to the outside."""

    INPUT = 0
    HIDDEN = 1
    OUTPUT = 2


@dataclass(eq=False)
class OutIndex:
    """The same connections by source: those out of slot ``s`` are ``indptr[s] : indptr[s+1]``.

    Parameters
    ----------
    indptr : int32 array, shape (n_neurons + 1,)
    targets : int32 array, shape (n_connections,)
        Target slot of each, ascending within each source.
    sources : int32 array, shape (n_connections,)
        Those of the structure, by target.
    """

    indptr: NDArray[np.int32]
    targets: NDArray[np.int32]
    sources: NDArray[np.int32]

    @cached_property
    def positions(self) -> NDArray[np.int32]:
        """Position of each in the rows by target, shape (n_connections,)."""
        positions = np.empty(len(self.targets), np.int32)
        gathers().positions_by_source(self.sources, self.indptr, positions)
        return locked(positions)


@dataclass(frozen=True, eq=False)
class Cut:
    """Connections of a structure that go, or that are looked for.

    Parameters
    ----------
    positions : int32 array, shape (n_lost,)
        Ascending.
    gone : uint8 array, shape (n_connections,)
        1 at those positions, 0 elsewhere.
    twice : bool
        Whether one of them was named twice.
    """

    positions: NDArray[np.int32]
    gone: NDArray[np.uint8]
    twice: bool = False

    def __len__(self) -> int:
        return len(self.positions)


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
    connection_ids : int32 or int64 array, shape (n_connections,)
        Ascending within each row; of the dtype that `id_dtype` tells.
    """

    neuron_ids: NDArray[np.int64]
    kinds: NDArray[np.int8]
    activations: NDArray[np.int8]
    groups: NDArray[np.int32]
    rank: NDArray[np.int32]
    indptr: NDArray[np.int64]
    sources: NDArray[np.int32]
    connection_ids: IntArray

    def __post_init__(self) -> None:
        for array in vars(self).values():
            array.flags.writeable = False

    def with_connections(
        self,
        indptr: NDArray[np.int64],
        sources: NDArray[np.int32],
        ids: IntArray,
        out: OutIndex | None = None,
    ) -> Structure:
        """The same neurons, with whatever is known of them, and other connections."""
        if ids.dtype == np.int64:  # the highest may have gone
            ids = ids.astype(id_dtype(int(ids.max(initial=-1))), copy=False)
        other = object.__new__(Structure)
        held = vars(other)
        held.update(vars(self))
        held.pop("out", None)
        if out is not None:  # else it is made when it is asked for
            held["out"] = out
        held["indptr"], held["sources"] = locked(indptr), locked(sources)
        held["connection_ids"] = locked(ids)
        return other

    @property
    def n_neurons(self) -> int:
        """Number of neurons, inputs and outputs included."""
        return len(self.neuron_ids)

    @property
    def n_connections(self) -> int:
        """Number of connections."""
        return len(self.sources)

    @property
    def targets(self) -> NDArray[np.int32]:
        """Target slot of each connection, shape (n_connections,); made anew each time."""
        rows = np.arange(self.n_neurons, dtype=np.int32)
        return locked(np.repeat(rows, np.diff(self.indptr)))

    @cached_property
    def out(self) -> OutIndex:
        """The connections by source."""
        starts = np.empty(self.n_neurons + 1, np.int32)
        targets = np.empty(self.n_connections, np.int32)
        gathers().index_by_source(self.indptr, self.sources, starts, targets)
        return OutIndex(locked(starts), locked(targets), self.sources)

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """Slots in topological order, shape (n_neurons,)."""
        order = np.empty(self.n_neurons, np.int32)
        order[self.rank] = np.arange(self.n_neurons, dtype=np.int32)
        return locked(order)

    @cached_property
    def computed(self) -> NDArray[np.int32]:
        """Slots of all neurons but the inputs, in topological order."""
        return locked(self.order[self.kinds[self.order] != int(Kind.INPUT)])

    @cached_property
    def backwards(self) -> NDArray[np.int32]:
        """The same from the last to the first, and then the inputs, shape (n_neurons,)."""
        return locked(np.concatenate([self.computed[::-1], self.inputs]))

    @cached_property
    def inputs(self) -> NDArray[np.int32]:
        """Slots of the input neurons, by id; feature ``f`` of the data enters ``inputs[f]``."""
        return locked(np.flatnonzero(self.kinds == Kind.INPUT).astype(np.int32))

    @cached_property
    def outputs(self) -> NDArray[np.int32]:
        """Slots of the output neurons, by id."""
        return locked(np.flatnonzero(self.kinds == Kind.OUTPUT).astype(np.int32))

    @property
    def of_softmax(self) -> NDArray[np.bool_]:
        """Which neurons are softmax, shape (n_neurons,); nothing may lead out of them."""
        return locked(self.activations == softmax.code)

    @cached_property
    def numbered_groups(self) -> tuple[Sequence[int], NDArray[np.int32]]:
        """The groups by number, and the number of each neuron's, shape (n_neurons,)."""
        n_groups = int(self.groups.max()) + 1
        if n_groups <= MOST_GROUPS:
            return range(n_groups), self.groups
        present, number = np.unique(self.groups, return_inverse=True)
        return tuple(present.tolist()), locked(number.astype(np.int32))

    @cached_property
    def traits(self) -> NDArray[np.int32]:
        """What rules for pairs ask of each neuron but its rank, shape (n_neurons,).

        Four times the number of its group, plus `CLOSED_SOURCE` if nothing may lead out of it,
        plus `CLOSED_TARGET` if nothing may lead into it.
        """
        _, number = self.numbered_groups
        traits = 4 * number
        traits += CLOSED_SOURCE * self.of_softmax
        traits += CLOSED_TARGET * (self.kinds == Kind.INPUT)
        return locked(traits)

    @cached_property
    def slot_by_id(self) -> NDArray[np.int32] | None:
        """Slot by id less the lowest id, -1 where there is none.

        Empty if the ids have no gaps, None if they are too far from each other for a table.
        """
        first, last = int(self.neuron_ids[0]), int(self.neuron_ids[-1])
        span = last - first + 1
        if span == self.n_neurons:
            return NO_TABLE
        if span > SPREAD * self.n_neurons:
            return None
        table = np.full(span, -1, np.int32)
        table[self.neuron_ids - first] = np.arange(self.n_neurons, dtype=np.int32)
        return locked(table)

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
        positions = find(self.connection_ids, ids).positions.astype(np.int64)
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
        number = np.arange(len(sources))
        pairs = sort_pairs(targets, sources, number, self.n_neurons, ascending=True)
        found = np.empty(len(number), np.int64)
        laid = pairs.starts, pairs.order, pairs.sources
        gathers().find_pairs(self.indptr, self.sources, *laid, found)
        return found


def id_dtype(highest: int) -> type[np.signedinteger]:
    """What connection ids are held in: int32 while every id is below 2**31, int64 after that.

    Examples
    --------
    >>> id_dtype(2**31 - 1), id_dtype(2**31)
    (<class 'numpy.int32'>, <class 'numpy.int64'>)
    """
    return np.int32 if highest < 2**31 else np.int64


def find(held: IntArray, ids: NDArray[np.int64]) -> Cut:
    """Find which of the ids that are held are named.

    Parameters
    ----------
    held : int array, shape (n,)
        Each at least 0, none twice.
    ids : int64 array, shape (k,)
        In any order.

    Examples
    --------
    >>> find(np.array([3, 1, 2]), np.array([2, 3, 8]))
    Cut(positions=array([0, 2], dtype=int32), gone=array([1, 0, 1], dtype=uint8), twice=False)
    """
    n = len(ids)
    if not n:
        return Cut(np.zeros(0, np.int32), np.zeros(len(held), np.uint8))
    found, positions = np.empty(len(held), np.uint8), np.empty(n + 1, np.int32)
    count, twice = loops().find_ids(read_only(held), read_only(ids), found, positions)
    return Cut(positions[:count], found, twice)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of slots that are to be joined, sorted by target and by id within.

    Parameters
    ----------
    starts : int64 array, shape (n_neurons + 1,)
        Where those into each target begin.
    order : int32 array, shape (k,)
        The number that each had before it was sorted.
    sources : int32 array, shape (k,)
    ids : int64 array, shape (k,)
    """

    starts: NDArray[np.int64]
    order: NDArray[np.int32]
    sources: NDArray[np.int32]
    ids: NDArray[np.int64]


def sort_pairs(
    targets: IntArray,
    sources: IntArray,
    ids: NDArray[np.int64],
    n_neurons: int,
    *,
    ascending: bool = False,
) -> Pairs:
    """Sort pairs of slots: ``order = lexsort((ids, targets))``.

    Parameters
    ----------
    targets, sources : int arrays, shape (k,)
    ids : int64 array, shape (k,)
    n_neurons : int
    ascending : bool
        Whether the ids are known to ascend.

    Examples
    --------
    >>> pairs = sort_pairs(np.array([1, 0, 1]), np.array([5, 6, 7]), np.array([4, 3, 2]), 2)
    >>> pairs.sources, pairs.order
    (array([6, 7, 5], dtype=int32), array([1, 2, 0], dtype=int32))
    """
    k = len(ids)
    starts, order = np.empty(n_neurons + 1, np.int64), np.empty(k, np.int32)
    pairs = Pairs(starts, order, np.empty(k, np.int32), np.empty(k, np.int64))
    targets, sources = (read_only(np.asarray(slots, np.int32)) for slots in (targets, sources))
    ids = read_only(ids)

    def lay(by_id: NDArray[np.int64]) -> bool:
        return loops().sort_by_row(
            targets, sources, ids, ascending, by_id,
            pairs.starts, pairs.order, pairs.sources, pairs.ids,
        )  # fmt: skip

    # what comes back at an undo ascends in its rows already: nothing has to be sorted first
    if not lay(np.zeros(0, np.int64)):
        lay(np.argsort(ids))
    return pairs


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


def locked(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, no longer to be written to."""
    array.setflags(write=False)
    return array


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The array as the compiled loops know it: contiguous, and not to be written to."""
    flags = array.flags
    if flags.c_contiguous and not flags.writeable:
        return array
    return locked(np.ascontiguousarray(array).view())


NO_TABLE: NDArray[np.int32] = locked(np.zeros(0, np.int32))

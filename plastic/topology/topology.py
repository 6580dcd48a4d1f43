"""Topology: which neurons there are, and what connects them; the one way to edit it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.activations import get_activation, identity, softmax
from plastic.edits import Edit
from plastic.errors import InvalidNetwork, InvalidParameter, check_count, check_in
from plastic.topology.columns import Columns
from plastic.topology.constraints import Constraints
from plastic.topology.dates import Dates
from plastic.topology.draft import apply_edits, number_edits
from plastic.topology.graph import TopologyGraph
from plastic.topology.moves import Blocks
from plastic.topology.rebuild import Gather, insert_neurons, keep_neurons
from plastic.topology.state import State
from plastic.topology.structure import Kind, Structure


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A topology as it was, taken by `Topology.snapshot`.

    Parameters
    ----------
    topology : Topology
        Where it was taken, and the only one that it can be restored in.
    state : State
        Its structure, which never changes, and its columns, copied.
    step : int
        Training steps done.
    """

    topology: Topology
    state: State
    step: int


class Topology:
    """A directed acyclic graph of neurons, edited by `apply` alone.

    A new topology has input and output neurons only, not yet connected.  Input neurons get the
    ids ``0 .. n_inputs-1``, output neurons the ids after them.

    Parameters
    ----------
    n_inputs, n_outputs : int
        How many neurons the data enters, and how many give the answer.
    output_activation : str or sequence of str
        Of the output neurons; softmax is for all of them or none.
    output_group : int
        Group (layer) of the output neurons; inputs are group 0.
    blocks : iterable of (source group, target group), optional
        The groups that may connect; by default any two may.
    ids : int array, shape (n_inputs + n_outputs,), optional
        Other ids for the inputs, then the outputs.

    Attributes
    ----------
    step : int
        The training step that edits are dated with.

    Raises
    ------
    InvalidParameter
        If a count is below 1 or there is no such activation.
    InvalidNetwork
        If only some outputs are softmax, or the ids are not of use.

    Examples
    --------
    >>> from plastic.edits import AddNeurons, Connect
    >>> topology = Topology(2, 1)
    >>> undo = topology.apply(AddNeurons(1, ids=[3]), Connect([0, 1, 3], [3, 3, 2]))
    >>> topology
    Topology(4 neurons: 2 inputs, 1 hidden, 1 outputs; 3 connections)
    >>> list(topology.graph.predecessors(3))
    [0, 1]
    >>> topology.apply(Connect([2], [3]))
    Traceback (most recent call last):
        ...
    plastic.errors.CycleError: connection 2->3 would close a cycle
    >>> _ = topology.apply(*undo)
    >>> topology.n_connections
    0
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        output_activation: str | Sequence[str] = "identity",
        *,
        output_group: int = 2,
        blocks: Iterable[tuple[int, int]] | None = None,
        ids: ArrayLike | None = None,
    ) -> None:
        check_count("n_inputs", n_inputs)
        check_count("n_outputs", n_outputs)
        kinds = np.repeat(np.array([Kind.INPUT, Kind.OUTPUT], np.int8), [n_inputs, n_outputs])
        groups = np.where(kinds == Kind.INPUT, 0, output_group).astype(np.int32)
        codes = np.full(len(kinds), identity.code, np.int8)
        codes[n_inputs:] = _output_codes(output_activation, n_outputs)
        given = np.arange(len(kinds)) if ids is None else np.asarray(ids)
        _check_ids(given, len(kinds))
        structure, _ = insert_neurons(_empty_structure(), given, kinds, codes, groups)
        columns = Columns(len(kinds)), Columns(0)
        self._state = State(structure, *columns, int(given.max()) + 1, 0)
        self._births = {"neuron": Dates(), "connection": Dates()}
        self.blocks: Blocks | None = None if blocks is None else frozenset(blocks)
        self._constraints: Constraints | None = None
        self.step = 0

    @classmethod
    def of(
        cls,
        state: State,
        births: dict[str, Dates],
        blocks: Blocks | None,
        step: int,
    ) -> Topology:
        """A topology of parts that are right and nobody else's: nothing is checked.

        `plastic.topology.encoding` reads them from files, and checks them.
        """
        topology = cls.__new__(cls)
        topology._state, topology._births, topology.blocks = state, births, blocks
        topology._constraints, topology.step = None, step
        return topology

    def __repr__(self) -> str:
        n_hidden = self.n_neurons - self.n_inputs - self.n_outputs
        return (
            f"Topology({self.n_neurons} neurons: {self.n_inputs} inputs, {n_hidden} hidden, "
            f"{self.n_outputs} outputs; {self.n_connections} connections)"
        )

    def apply(self, *edits: Edit) -> tuple[Edit, ...]:
        """Apply edits in turn, all or none.

        Parameters
        ----------
        *edits : Edit
            A later one may name what an earlier one adds.

        Returns
        -------
        tuple of Edit
            The edits that undo them: applied at once, they bring back every id, weight and
            optimizer state as it is now.

        Raises
        ------
        InvalidEdit
            If one of them breaks a rule; nothing is changed.
        """
        before = self._state
        draft = apply_edits(before, self.blocks, edits)
        if self._constraints is not None:
            self._constraints.check(draft.state.structure)
        self._state = draft.state
        if draft.state.connections is not before.connections:
            before.connections.lock()  # an undo may still want them as they are
        if draft.state.next_neuron > before.next_neuron:
            self._births["neuron"].add(before.next_neuron, self.step)
        if draft.state.next_connection > before.next_connection:
            self._births["connection"].add(before.next_connection, self.step)
        return tuple(draft.undo)

    def number(self, *edits: Edit) -> tuple[Edit, ...]:
        """The same edits with the ids written in that `apply` would assign now.

        Examples
        --------
        >>> from plastic.edits import Connect
        >>> (edit,) = Topology(1, 1).number(Connect([0], [1]))
        >>> edit.ids
        array([0])
        """
        return tuple(number_edits(self._state, edits))

    def constrain(self, constraints: Constraints | None) -> None:
        """Refuse from now on what these constraints do not allow; None lifts them.

        Raises
        ------
        InvalidEdit
            If the topology breaks them as it is.
        """
        if constraints is not None:
            constraints.check(self.structure)
        self._constraints = constraints

    @property
    def constraints(self) -> Constraints | None:
        """What `constrain` has set."""
        return self._constraints

    def may_join(self, source_group: int, target_group: int) -> bool:
        """Whether blocks and constraints let a group connect to another."""
        pair = source_group, target_group
        if self._constraints is not None and pair in self._constraints.forbidden:
            return False
        return self.blocks is None or pair in self.blocks

    def snapshot(self) -> Snapshot:
        """What `restore` brings back; it costs a copy of the columns and no more."""
        return Snapshot(self, _copied(self._state), self.step)

    def restore(self, snapshot: Snapshot) -> None:
        """Bring back structure, columns and step of a snapshot, bit for bit.

        Ids given out since then are not given out again: they may be in a journal.

        Parameters
        ----------
        snapshot : Snapshot
            Of this topology; it may be restored any number of times.

        Raises
        ------
        InvalidParameter
            If it was taken of another topology.

        Examples
        --------
        >>> from plastic.edits import Connect
        >>> topology = Topology(2, 1)
        >>> before = topology.snapshot()
        >>> _ = topology.apply(Connect([0], [2]))
        >>> topology.restore(before)
        >>> _ = topology.apply(Connect([1], [2]))
        >>> topology.structure.connection_ids.tolist()
        [1]
        """
        if snapshot.topology is not self:
            raise InvalidParameter(
                f"a snapshot is restored in the topology that it was taken of, not in {self!r}"
            )
        now, then = self._state, _copied(snapshot.state)
        self._state = replace(
            then,
            next_neuron=max(now.next_neuron, then.next_neuron),
            next_connection=max(now.next_connection, then.next_connection),
        )
        self.step = snapshot.step

    def part(self, keep: NDArray[np.bool_]) -> tuple[Topology, Gather, Gather]:
        """A topology of its own that holds some of the neurons, and what connects them.

        Ids stay; columns are copied, so that what happens to the one is not seen in the other.

        Parameters
        ----------
        keep : bool array, shape (n_neurons,)
            Which neurons, by slot; all inputs and outputs must be among them.

        Returns
        -------
        part : Topology
        neurons, connections : int arrays
            Where its slots and positions are in this topology: a column of the part is
            ``column[neurons]`` or ``column[connections]`` of the whole.

        Raises
        ------
        InvalidNetwork
            If an input or an output is left out.

        Examples
        --------
        >>> from plastic.edits import AddNeurons, Connect
        >>> topology = Topology(1, 1)
        >>> undo = topology.apply(AddNeurons(2), Connect([0, 0, 2, 3], [2, 3, 1, 1]))
        >>> part, neurons, connections = topology.part(np.array([True, True, False, True]))
        >>> list(part.graph.edges), connections.tolist()
        ([(0, 3), (3, 1)], [1, 3])
        """
        state = self._state
        out = np.flatnonzero(~keep & (state.structure.kinds != Kind.HIDDEN))
        if len(out):
            left = state.structure.neuron_ids[out[0]]
            raise InvalidNetwork(f"a part keeps all inputs and outputs, but lacks {left}")
        structure, neurons, connections = keep_neurons(state.structure, keep)
        part = copy(self)
        part._births = {what: dates.copy() for what, dates in self._births.items()}
        part._state = State(
            structure,
            state.neurons.removed(neurons),
            state.connections.removed(connections),
            state.next_neuron,
            state.next_connection,
        )
        return part, neurons, connections

    def become(self, other: Topology) -> None:
        """Take over all that another one is, which is not to be used any more then."""
        self._state, self._births = other._state, other._births
        self.blocks, self._constraints = other.blocks, other._constraints
        self.step = other.step

    @property
    def structure(self) -> Structure:
        """The arrays as they are now; the next `apply` makes others."""
        return self._state.structure

    @property
    def neuron_columns(self) -> Columns:
        """What is aligned with the neurons: biases, moving averages, ..."""
        return self._state.neurons

    @property
    def connection_columns(self) -> Columns:
        """What is aligned with the connections: weights, optimizer state, ..."""
        return self._state.connections

    @property
    def graph(self) -> TopologyGraph:
        """A live, read-only `networkx.DiGraph` on these arrays."""
        return TopologyGraph(self)

    @property
    def n_neurons(self) -> int:
        """Number of neurons, inputs and outputs included."""
        return self.structure.n_neurons

    @property
    def n_inputs(self) -> int:
        """Number of input neurons."""
        return len(self.structure.inputs)

    @property
    def n_outputs(self) -> int:
        """Number of output neurons."""
        return len(self.structure.outputs)

    @property
    def n_connections(self) -> int:
        """Number of connections."""
        return self.structure.n_connections

    @property
    def next_neuron_id(self) -> int:
        """The id that the next newborn neuron gets."""
        return self._state.next_neuron

    @property
    def n_possible(self) -> int:
        """Number of connections that the neurons and the blocks have room for.

        A pair counts once, whichever way it would point: an acyclic graph holds one of both.
        """
        groups, kinds = self.structure.groups, self.structure.kinds
        sizes: dict[tuple[int, int], int] = {}
        for group in np.unique(groups):
            for kind in Kind:
                sizes[int(group), kind] = int(np.sum((groups == group) & (kinds == kind)))
        counted: set[frozenset[tuple[int, int]]] = set()
        total = 0
        for source, n_sources in sizes.items():
            for target, n_targets in sizes.items():
                pair = frozenset([source, target])
                if pair in counted or not self._may_join(source, target):
                    continue
                counted.add(pair)
                within = n_sources * (n_sources - 1) // 2
                total += within if source == target else n_sources * n_targets
        return total

    @property
    def density(self) -> float:
        """Connections that are there, as a fraction of those there is room for."""
        return self.n_connections / max(self.n_possible, 1)

    def birth_steps(self, what: str, ids: ArrayLike) -> NDArray[np.int64]:
        """Training step at which neurons or connections were born.

        Parameters
        ----------
        what : {"neuron", "connection"}
        ids : int array, shape (n,)

        Returns
        -------
        int array, shape (n,)

        Raises
        ------
        InvalidParameter
            If `what` is neither.
        """
        check_in("what", what, self._births)
        return self._births[what].of(ids)

    def _may_join(self, source: tuple[int, int], target: tuple[int, int]) -> bool:
        joined = self.may_join(source[0], target[0])
        last = self.structure.activations[self.structure.outputs[0]] == softmax.code
        return joined and target[1] != Kind.INPUT and not (last and source[1] == Kind.OUTPUT)


def _copied(state: State) -> State:
    """The state with columns of its own; the structure never changes and is shared."""
    return replace(state, neurons=state.neurons.copy(), connections=state.connections.copy())


def _empty_structure() -> Structure:
    fields: dict[str, Any] = {
        "neuron_ids": np.int64,
        "kinds": np.int8,
        "activations": np.int8,
        "groups": np.int32,
        "rank": np.int32,
        "sources": np.int32,
        "connection_ids": np.int32,
    }
    arrays = {name: np.zeros(0, dtype) for name, dtype in fields.items()}
    return Structure(indptr=np.zeros(1, np.int64), **arrays)


def _output_codes(activation: str | Sequence[str], n_outputs: int) -> NDArray[np.int8]:
    names = [activation] * n_outputs if isinstance(activation, str) else list(activation)
    if len(names) != n_outputs:
        raise InvalidNetwork(f"there are {n_outputs} outputs but {len(names)} activations")
    if 0 < names.count("softmax") < n_outputs:
        raise InvalidNetwork(f"softmax joins all outputs or none, got {names}")
    return np.array([get_activation(name).code for name in names], np.int8)


def _check_ids(ids: NDArray[np.int64], n: int) -> None:
    whole = ids.dtype.kind in "iu"
    if not whole or ids.shape != (n,) or len(np.unique(ids)) < n or ids.min() < 0:
        raise InvalidNetwork(
            f"{n} neurons need {n} different whole ids of at least 0, got {ids}"
        )

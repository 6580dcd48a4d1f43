"""What a policy may see of a network: read-only arrays, and gradients that it pays for.

A `NetworkView` is made before every proposal and is good until the next edit.  Everything is
aligned with the structure: arrays of connections by position, arrays of neurons by slot.
Whatever costs more than a look (a pass over the batch, gradients of missing connections) is
computed when it is first asked for and added to the view's bill, so that comparisons at
equal cost can be made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.sparse import csr_array

from plastic.blocks import Block, blocks_of, fitting
from plastic.costs import Bill, forward_flops, pass_flops
from plastic.engine import SGD, Adam, Network, Signals
from plastic.engine.candidates import Missing, first_held, missing_between
from plastic.engine.pairs import pair_gradients
from plastic.engine.statistics import MOMENTS, SALIENCY
from plastic.engine.strongest import strongest_missing
from plastic.errors import InvalidEdit, InvalidParameter
from plastic.topology import Constraints, Kind, Structure

Array = NDArray[Any]

UNLIMITED = Constraints()

CHUNK = 2**22
"""Entries of a candidate matrix that are held at a time."""

FIRST_MOMENTS = tuple(rule.slots[0] for rule in (SGD, Adam))
"""Columns that an optimizer's running mean of the gradient may lie in."""


class NetworkView:
    """A network as a policy may see it.

    Parameters
    ----------
    network : Network
    X, Y : float arrays, shapes (n_samples, n_inputs) and (n_samples, n_outputs)
        The next training mini-batch.
    n_steps : int
        Training steps in all.
    is_open : bool array, shape (n_neurons,), optional
        Neurons that may change now (see `plastic.plasticity`); by default all.
    data : pair of float arrays, optional
        The whole training split, as X and Y; by default the mini-batch is all there is.

    Attributes
    ----------
    step : int
        Training steps done.
    is_open : bool array, shape (n_neurons,)
        Only connections into open neurons may come and go, and only open neurons be pruned;
        `blocks` and `prunable` heed it.
    bill : Bill
    """

    def __init__(
        self,
        network: Network,
        X: Array,
        Y: Array,
        n_steps: int,
        is_open: NDArray[np.bool_] | None = None,
        data: tuple[Array, Array] | None = None,
    ) -> None:
        self._network, self._X, self._Y = network, X, Y
        self._data = (X, Y) if data is None else data
        self.step, self.n_steps = network.topology.step, n_steps
        n_neurons = network.topology.n_neurons
        self.is_open = _read_only(np.ones(n_neurons, bool) if is_open is None else is_open)
        self.bill = Bill()
        self._missing: dict[Block, Missing] = {}

    @property
    def structure(self) -> Structure:
        """Neurons and connections; ids, kinds, groups, ranks."""
        return self._network.topology.structure

    @property
    def next_neuron_id(self) -> int:
        """The id that the next newborn neuron gets."""
        return self._network.topology.next_neuron_id

    @property
    def n_possible(self) -> int:
        """Connections that the neurons have room for."""
        return self._network.topology.n_possible

    @property
    def joined_groups(self) -> frozenset[tuple[int, int]] | None:
        """The pairs of groups that may connect; None where any two may."""
        return self._network.topology.blocks

    @property
    def ages(self) -> NDArray[np.int64]:
        """Training steps that each neuron has lived for, shape (n_neurons,)."""
        topology = self._network.topology
        return self.step - topology.birth_steps("neuron", self.structure.neuron_ids)

    def columns_of(self, positions: Array) -> dict[str, Array]:
        """All that these connections carry (weight, optimizer state, ...), by column.

        For an edit that takes connections away and brings them back changed.
        """
        return self._network.topology.connection_columns.take(positions)

    @property
    def weights(self) -> Array:
        """Weight of each connection, shape (n_connections,)."""
        return _read_only(self._network.weights)

    @property
    def biases(self) -> Array:
        """Bias of each neuron, shape (n_neurons,)."""
        return _read_only(self._network.biases)

    @property
    def saliency(self) -> Array:
        """Moving average of ``|weight * gradient|``, shape (n_connections,).

        Raises
        ------
        InvalidParameter
            If the policy did not ask for it in its statistics.
        """
        return self._column(self._network.topology.connection_columns, SALIENCY)

    @property
    def momentum(self) -> Array:
        """The optimizer's running mean of each connection's gradient, up to a common factor.

        Its momentum under SGD, its first moment under Adam; shape (n_connections,).

        Raises
        ------
        InvalidParameter
            If no step has been taken yet.
        """
        columns = self._network.topology.connection_columns
        held = [name for name in FIRST_MOMENTS if name in columns]
        if not held:
            raise InvalidParameter("there is no momentum before the first training step")
        return _read_only(columns[held[0]])

    def moments(self, of: str) -> tuple[Array, Array, Array]:
        """Count, mean and variance of a neuron's discounted observations.

        Parameters
        ----------
        of : {"activity", "sensitivity"}

        Returns
        -------
        count, mean, variance : float arrays, shape (n_neurons,)
            A neuron not observed yet has count and mean 0.
        """
        columns = self._network.topology.neuron_columns
        count = self._column(columns, MOMENTS[-1])
        seen = np.maximum(count, 1e-12)
        mean = self._column(columns, of) / seen
        square = self._column(columns, f"{of}_square") / seen
        return count, mean, np.maximum(square - mean**2, 0.0)

    @cached_property
    def signals(self) -> Signals:
        """Outputs and deltas of all neurons on the next mini-batch; a pass, on the bill."""
        self.bill.flops += pass_flops(self.structure, len(self._X))
        signals = self._network.signals(self._X, self._Y)
        return Signals(signals.loss, _read_only(signals.outputs), _read_only(signals.deltas))

    @property
    def constraints(self) -> Constraints:
        """Limits that the topology will hold any edit to."""
        return self._network.topology.constraints or UNLIMITED

    @cached_property
    def prunable(self) -> NDArray[np.bool_]:
        """Neurons that may be pruned: hidden, open and not protected, shape (n_neurons,)."""
        structure, limits = self.structure, self.constraints
        kept = np.isin(structure.neuron_ids, limits.protected_neurons)
        if len(limits.protected_connections):  # they would go with either end
            held = np.isin(structure.connection_ids, limits.protected_connections)
            kept[structure.sources[held]] = kept[structure.targets[held]] = True
        return (structure.kinds == Kind.HIDDEN) & self.is_open & ~kept

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks that may hold connections, by groups."""
        return blocks_of(self._network.topology, self.is_open)

    def fitting(self, sources: Array, targets: Array, pruned: Array) -> NDArray[np.bool_]:
        """Which of some new connections the fan limits have room for, first come first served.

        Parameters
        ----------
        sources, targets : int arrays, shape (n_new,)
            Slots, the best first.
        pruned : int array
            Positions of connections that go at the same time, and make room.

        Returns
        -------
        bool array, shape (n_new,)
        """
        return fitting(self.structure, self.constraints, sources, targets, pruned)

    def missing(self, block: Block) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Connections of a block that are not there and respect the order, piece by piece.

        Yields
        ------
        sources, targets : int arrays, shape (n_pairs,)
            Slots, by target.  All of them together may be added at once: they respect one
            topological order, so they close no cycle.
        """
        structure = self.structure
        rows = max(1, CHUNK // max(len(block.sources), 1))
        column = np.full(structure.n_neurons, -1)
        column[block.sources] = np.arange(len(block.sources))
        ranks = structure.rank[block.sources]
        for start in range(0, len(block.targets), rows):
            targets = block.targets[start : start + rows]
            free = ranks[None, :] < structure.rank[targets][:, None]
            for row, target in enumerate(targets):
                held = structure.sources[
                    structure.indptr[target] : structure.indptr[target + 1]
                ]
                held = column[held]
                free[row, held[held >= 0]] = False
            at_row, at_column = np.nonzero(free)
            yield block.sources[at_column], targets[at_row]

    def count_missing(self, block: Block) -> int:
        """How many connections `missing` yields in all."""
        return self.missing_of(block).count

    def missing_of(self, block: Block) -> Missing:
        """What is missing of a block, as the compiled searches take it."""
        if block not in self._missing:
            self._missing[block] = missing_between(
                self.structure, block.sources, block.targets, block.n_between
            )
        return self._missing[block]

    def is_missing(self, sources: Array, targets: Array) -> NDArray[np.bool_]:
        """Whether pairs of slots could be connected: they are not, and respect the order."""
        structure = self.structure
        fits = structure.rank[sources] < structure.rank[targets]
        fits[fits] = structure.positions_between(sources[fits], targets[fits]) < 0
        return fits

    def candidate_gradients(
        self,
        sources: Array,
        targets: Array,
        signals: Signals | None = None,
        *,
        are_missing: bool = False,
    ) -> Array:
        r"""Loss gradient that each missing connection would have at weight zero.

        .. math:: g_{uv} = \frac{1}{B} \sum_b y_{bu} \, \delta_{bv}

        Parameters
        ----------
        sources, targets : int arrays, shape (n_candidates,)
            Slots.
        signals : Signals, optional
            Those of another mini-batch, kept from an earlier view of the same neurons; by
            default those of the next mini-batch.
        are_missing : bool
            Whether it is known that none is there; it is not looked at then.

        Returns
        -------
        float array, shape (n_candidates,)
            In loss per unit weight, averaged over the mini-batch.

        Raises
        ------
        InvalidEdit
            If one of the connections is there already.

        References
        ----------
        Evci et al. (2020), Rigging the Lottery, arXiv:1911.11134, section 3.
        """
        at = -1 if are_missing else first_held(self.structure, sources, targets)
        if at >= 0:
            pair = self.structure.neuron_ids[[sources[at], targets[at]]]
            raise InvalidEdit(f"connection {pair[0]}->{pair[1]} is no candidate: it is there")
        if not len(sources):  # nor is a pass to be paid for
            return np.zeros(0)
        signals = self.signals if signals is None else signals
        self._charge(len(sources), signals.outputs.shape[1])
        return pair_gradients(signals.outputs, signals.deltas, sources, targets)

    def strongest_missing(
        self, block: Block, count: int, rng: Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """The missing connections of a block with the largest gradients, largest first.

        Gradients of all that are missing are computed, and billed, as if by
        `candidate_gradients`.

        Parameters
        ----------
        block : Block
        count : int
            How many; all there are if they are fewer.
        rng : Generator
            Breaks ties.

        Returns
        -------
        sources, targets : int arrays, shape (at most count,)
            Slots.
        sizes : float array, shape (at most count,)
            Absolute gradients.
        """
        missing = self.missing_of(block)
        count = min(count, missing.count)
        if count <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        outputs, deltas = self.signals.outputs, self.signals.deltas
        self._charge(missing.count, outputs.shape[1])
        return strongest_missing(missing, outputs, deltas, count, rng)

    def _charge(self, n_candidates: int, n_samples: int) -> None:
        self.bill.candidate_gradients += n_candidates
        self.bill.flops += 2 * n_samples * n_candidates

    def masked_losses(self, masks: Sequence[Array]) -> Array:
        """Loss on the next mini-batch with some connections masked; a forward pass for each.

        Every pass is on the bill in full: a mask saves none of the work.

        Parameters
        ----------
        masks : sequence of int arrays
            Positions of the connections that are masked together; an empty one masks none.

        Returns
        -------
        float array, shape (n_masks,)
        """
        return np.array([self._without(at, self._X, self._Y)[0] for at in masks])

    @property
    def n_samples(self) -> int:
        """How many samples the training split holds."""
        return len(self._data[0])

    def samples(self, rows: Array) -> tuple[Array, Array]:
        """Some samples of the training split, and their targets."""
        X, Y = self._data
        return _read_only(X[rows]), _read_only(Y[rows])

    def without(self, silent: NDArray[np.bool_], rows: Array) -> tuple[float, Array]:
        """Loss and answers on some samples of the training split, with some neurons silent.

        The connections out of a silent neuron are masked; the whole pass is on the bill.

        Parameters
        ----------
        silent : bool array, shape (n_neurons,)
        rows : int array, shape (n_samples,)
            Of the training split.

        Returns
        -------
        loss : float
        answers : float array, shape (n_samples, n_outputs)
        """
        return self._without(self._leaving(silent), *self.samples(rows))

    def gates(self, silent: NDArray[np.bool_], rows: Array) -> Array:
        r"""Gradient of each sample's loss by a gate on each neuron's output.

        .. math:: g_{ib} = y_{ib} \sum_j w_{ij} \delta_{jb}

        with deltas of the network in which some neurons are silent.  Minus this is, to first
        order, what the loss changes when the neuron falls silent.

        Parameters
        ----------
        silent, rows
            As for `without`; a pass forward and back is on the bill.

        Returns
        -------
        float array, shape (n_neurons, n_samples)
            0 for outputs.
        """
        structure, (X, Y) = self.structure, self.samples(rows)
        with self._masked(self._leaving(silent)):
            signals = self._network.signals(X, Y)
        self.bill.flops += pass_flops(structure, len(X)) + forward_flops(structure, len(X))
        ends = structure.sources, structure.targets
        weights = csr_array((self.weights, ends), shape=(structure.n_neurons,) * 2)
        gates: Array = signals.outputs * (weights @ signals.deltas)
        return gates

    def _leaving(self, silent: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.flatnonzero(silent[self.structure.sources])

    def _without(self, positions: Array, X: Array, Y: Array) -> tuple[float, Array]:
        self.bill.flops += forward_flops(self.structure, len(X))
        with self._masked(positions):
            return self._network.evaluate(X, Y)

    @contextmanager
    def _masked(self, positions: Array) -> Iterator[None]:
        """The network with some weights at zero, for a moment."""
        weights = self._network.weights
        held = weights[positions]
        weights[positions] = 0
        try:
            yield
        finally:
            weights[positions] = held

    def _column(self, columns: Any, name: str) -> Array:
        if name not in columns:
            raise InvalidParameter(
                f"there is no statistic {name!r}: the policy must ask for it in its statistics"
            )
        return _read_only(columns[name])


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view

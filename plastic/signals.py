"""What a policy may see of a network: read-only arrays, and gradients that it pays for.

A `NetworkView` is made before every proposal and is good until the next edit.  Everything is
aligned with the structure: arrays of connections by position, arrays of neurons by slot.
Whatever costs more than a look (a pass over the batch, gradients of missing connections) is
computed when it is first asked for and added to the view's bill, so that comparisons at
equal cost can be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine import Network, Signals
from plastic.engine.candidates import Missing, first_held, missing_between, pair_gradients
from plastic.engine.statistics import MOMENTS, SALIENCY
from plastic.engine.strongest import strongest_missing
from plastic.errors import InvalidEdit, InvalidParameter
from plastic.topology import Kind, Structure

Array = NDArray[Any]

CHUNK = 2**22
"""Entries of a candidate matrix that are held at a time."""


@dataclass(frozen=True, eq=False)
class Block:
    """The connections, there or not, from one group of neurons to another.

    Parameters
    ----------
    source_group, target_group : int
        -1 where the topology lets any groups connect: then all connections are one block.
    positions : int array, shape (n_held,)
        The connections that are there.
    sources, targets : int arrays
        Slots that a connection of this block may join.
    """

    source_group: int
    target_group: int
    positions: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def name(self) -> str:
        """For tables and messages."""
        return f"{self.source_group}->{self.target_group}"


@dataclass
class Bill:
    """What a policy has asked for so far.

    Parameters
    ----------
    candidate_gradients : int
        Gradients of connections that are not there.
    flops : int
        Floating-point operations for them and for passes over batches.
    """

    candidate_gradients: int = 0
    flops: int = 0


class NetworkView:
    """A network as a policy may see it.

    Parameters
    ----------
    network : Network
    X, Y : float arrays, shapes (n_samples, n_inputs) and (n_samples, n_outputs)
        The next training mini-batch.
    n_steps : int
        Training steps in all.

    Attributes
    ----------
    step : int
        Training steps done.
    bill : Bill
    """

    def __init__(self, network: Network, X: Array, Y: Array, n_steps: int) -> None:
        self._network, self._X, self._Y = network, X, Y
        self.step, self.n_steps = network.topology.step, n_steps
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

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks that may hold connections, by groups."""
        structure, allowed = self.structure, self._network.topology.blocks
        may_lead = structure.kinds != Kind.OUTPUT
        may_follow = structure.kinds != Kind.INPUT
        if allowed is None:
            every = np.arange(structure.n_connections)
            ends = np.flatnonzero(may_lead), np.flatnonzero(may_follow)
            return [Block(-1, -1, every, *ends)]
        n_groups = int(structure.groups.max()) + 1
        joined = (n_groups * structure.groups)[structure.sources]
        joined += structure.groups[structure.targets]
        return [
            Block(
                source,
                target,
                np.flatnonzero(joined == n_groups * source + target),
                np.flatnonzero((structure.groups == source) & may_lead),
                np.flatnonzero((structure.groups == target) & may_follow),
            )
            for source, target in sorted(allowed)
        ]

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
                self.structure, block.positions, block.sources, block.targets
            )
        return self._missing[block]

    def is_missing(self, sources: Array, targets: Array) -> NDArray[np.bool_]:
        """Whether pairs of slots could be connected: they are not, and respect the order."""
        structure = self.structure
        fits = structure.rank[sources] < structure.rank[targets]
        fits[fits] = structure.positions_between(sources[fits], targets[fits]) < 0
        return fits

    def candidate_gradients(self, sources: Array, targets: Array) -> Array:
        r"""Loss gradient that each missing connection would have at weight zero.

        .. math:: g_{uv} = \frac{1}{B} \sum_b y_{bu} \, \delta_{bv}

        Parameters
        ----------
        sources, targets : int arrays, shape (n_candidates,)
            Slots.

        Returns
        -------
        float array, shape (n_candidates,)
            In loss per unit weight, averaged over the next mini-batch.

        Raises
        ------
        InvalidEdit
            If one of the connections is there already.

        References
        ----------
        Evci et al. (2020), Rigging the Lottery, arXiv:1911.11134, section 3.
        """
        at = first_held(self.structure, sources, targets)
        if at >= 0:
            pair = self.structure.neuron_ids[[sources[at], targets[at]]]
            raise InvalidEdit(f"connection {pair[0]}->{pair[1]} is no candidate: it is there")
        if not len(sources):  # nor is a pass to be paid for
            return np.zeros(0)
        outputs, deltas = self.signals.outputs, self.signals.deltas
        self._charge(len(sources))
        return pair_gradients(outputs, deltas, sources, targets)

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
        self._charge(missing.count)
        return strongest_missing(missing, outputs, deltas, count, rng)

    def _charge(self, n_candidates: int) -> None:
        self.bill.candidate_gradients += n_candidates
        self.bill.flops += 2 * len(self._X) * n_candidates

    def _column(self, columns: Any, name: str) -> Array:
        if name not in columns:
            raise InvalidParameter(
                f"there is no statistic {name!r}: the policy must ask for it in its statistics"
            )
        return _read_only(columns[name])


def pass_flops(structure: Structure, n_samples: int) -> int:
    """Operations of a pass forward and back: a multiplication and an addition each.

    Deltas are sent back along all connections but those that leave inputs.
    """
    from_inputs = int(np.sum(structure.kinds[structure.sources] == Kind.INPUT))
    return 2 * n_samples * (2 * structure.n_connections - from_inputs)


def step_flops(structure: Structure, n_samples: int) -> int:
    """Operations of a training step: a pass, and the gradient of every weight."""
    return pass_flops(structure, n_samples) + 2 * n_samples * structure.n_connections


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view

"""Part: some neurons of a network, as a network of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.engine import Gradients, Network, Optimizer
from plastic.topology import Kind, Topology
from plastic.topology.columns import Columns

Array = NDArray[Any]
Indices = NDArray[np.integer]


@dataclass(frozen=True)
class Part:
    """Some hidden neurons of a topology, with all inputs and outputs, as a network.

    What it knows of them is a copy: `load` fetches it anew, `store` writes it back.

    Parameters
    ----------
    whole : Topology
    network : Network
    neurons, connections : int arrays
        Slots and positions, in the whole, of what it holds.
    hidden : int array, shape (n_hidden,)
        Slots of its hidden neurons in the part.
    """

    whole: Topology
    network: Network
    neurons: Indices
    connections: Indices
    hidden: Indices

    @classmethod
    def of(cls, whole: Topology, hidden: Indices, make: Callable[[Topology], Network]) -> Part:
        """The part that holds the hidden neurons in these slots of the whole.

        Parameters
        ----------
        whole : Topology
        hidden : int array
        make : callable
            Makes a network of a topology.
        """
        keep = whole.structure.kinds != Kind.HIDDEN
        keep[hidden] = True
        topology, neurons, connections = whole.part(keep)
        slots = np.flatnonzero(topology.structure.kinds == Kind.HIDDEN)
        return cls(whole, make(topology), neurons, connections, slots)

    def load(self) -> None:
        """Take over what the whole knows now of the neurons and connections in the part."""
        for whole, piece, at in self._columns():
            for name, values in whole.items():
                piece.add(name, values.dtype)[:] = values[at]
        self.network.topology.step = self.whole.step

    def store(self) -> None:
        """Write into the whole what the part has learned."""
        for whole, piece, at in self._columns():
            for name, values in piece.items():
                whole.add(name, values.dtype)[at] = values
        self.whole.step = self.network.topology.step

    def spread_neurons(self, values: Array) -> Array:
        """Values of the part's neurons among zeros for the others, in the whole's order."""
        return _spread(self.whole.n_neurons, self.neurons, values)

    def spread_connections(self, values: Array) -> Array:
        """Values of the part's connections among zeros for the others."""
        return _spread(self.whole.n_connections, self.connections, values)

    def _columns(self) -> Iterator[tuple[Columns, Columns, Indices]]:
        piece = self.network.topology
        yield self.whole.neuron_columns, piece.neuron_columns, self.neurons
        yield self.whole.connection_columns, piece.connection_columns, self.connections


def take_step(
    network: Network, gradients: Gradients, optimizer: Optimizer, rate: float
) -> None:
    """One optimizer step along gradients that are there already, by the readable rule.

    Parameters
    ----------
    network : Network
        Its weights, biases and optimizer state change, and its step.
    gradients : Gradients
    optimizer : Optimizer
    rate : float
        Learning rate of this step.
    """
    topology = network.topology
    kinds = (network.dtype, network.dtype, np.dtype(np.int32))
    for columns, values, gradient, decay in (
        (topology.connection_columns, network.weights, gradients.weights, True),
        (topology.neuron_columns, network.biases, gradients.biases, False),
    ):
        if decay or network.use_biases:
            slots = zip(optimizer.slots, kinds, strict=True)
            state = {name: columns.add(name, kind) for name, kind in slots if name}
            optimizer.step(values, gradient.astype(network.dtype), state, rate, decay=decay)
    topology.step += 1


def _spread(n: int, at: Indices, values: Array) -> Array:
    whole = np.zeros((n, *values.shape[1:]), values.dtype)
    whole[at] = values
    return whole

"""What a topology's constraints leave room for, kept up to date while a proposal is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.signals import NetworkView
from plastic.topology import Kind
from plastic.topology.constraints import fan

Array = NDArray[Any]
Slots = NDArray[np.integer]


@dataclass
class Headroom:
    """Neurons, connections and ways that may still come.

    Parameters
    ----------
    connections, neurons : float
        That may be added; infinite without a limit.
    fan_in, fan_out : float
        Connections into and out of any one neuron, at most.
    ways_in, ways_out : float array of shape (n_neurons,), or None
        Connections that may be added into and out of each neuron; None without a limit.
    """

    connections: float = np.inf
    neurons: float = np.inf
    fan_in: float = np.inf
    fan_out: float = np.inf
    ways_in: Array | None = None
    ways_out: Array | None = None

    @classmethod
    def of(cls, view: NetworkView) -> Headroom:
        """The room of a network as it is."""
        limits, structure = view.constraints, view.structure
        room, n_hidden = cls(), int(np.sum(structure.kinds == Kind.HIDDEN))
        if limits.max_connections is not None:
            room.connections = limits.max_connections - structure.n_connections
        if limits.max_hidden is not None:
            room.neurons = limits.max_hidden - n_hidden
        if limits.max_fan_in is not None:
            room.fan_in = limits.max_fan_in
            room.ways_in = limits.max_fan_in - fan(structure, "in")
        if limits.max_fan_out is not None:
            room.fan_out = limits.max_fan_out
            room.ways_out = limits.max_fan_out - fan(structure, "out")
        return room

    def leading(self, slots: Slots) -> NDArray[np.bool_]:
        """Which of some neurons may feed one more."""
        return np.ones(len(slots), bool) if self.ways_out is None else self.ways_out[slots] > 0

    def following(self, slots: Slots) -> NDArray[np.bool_]:
        """Which of some neurons may be fed by one more."""
        return np.ones(len(slots), bool) if self.ways_in is None else self.ways_in[slots] > 0

    def take(self, sources: Slots, targets: Slots, neurons: int = 1) -> None:
        """Take note of a newborn that these feed, and that feeds those; of -1 that one goes."""
        self.neurons -= neurons
        self.connections -= neurons * (len(sources) + len(targets))
        for ways, ends in ((self.ways_out, sources), (self.ways_in, targets)):
            if ways is not None:
                np.subtract.at(ways, ends, neurons)

    def copy(self) -> Headroom:
        """One that may be spent on trial."""
        ways = (None if ways is None else ways.copy() for ways in (self.ways_in, self.ways_out))
        return Headroom(self.connections, self.neurons, self.fan_in, self.fan_out, *ways)

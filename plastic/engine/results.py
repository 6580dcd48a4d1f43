"""What a pass over a batch gives, the same from both engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plastic.engine.optimizers import Optimizer
from plastic.engine.statistics import Statistics

Array = NDArray[Any]

LOSS_BOUND = 1e6
"""A training loss above it, or none at all, counts as divergence."""

NO_HITS = np.zeros(0, np.int64)
"""Given to an engine that need not count right answers."""


@dataclass(frozen=True)
class Gradients:
    """Loss gradients, averaged over a batch.

    Parameters
    ----------
    loss : float
    weights : float array, shape (n_connections,)
        In the order of the topology's positions.
    biases : float array, shape (n_neurons,)
        In the order of its slots; 0 for inputs.
    """

    loss: float
    weights: Array
    biases: Array


@dataclass(frozen=True)
class Signals:
    """What flowed through the neurons for a batch, both ways.

    Parameters
    ----------
    loss : float
    outputs, deltas : float arrays, shape (n_neurons, n_samples)
        In the order of the topology's slots.  A delta is the derivative of one sample's loss
        with respect to what enters the neuron; 0 for inputs.
    """

    loss: float
    outputs: Array
    deltas: Array


class Engine(Protocol):
    """What computes: `plastic.engine.fast.FastEngine` or `plastic.engine.node.NodeEngine`."""

    def prepare(self, batch_size: int) -> None:
        """Do what is done once per process for mini-batches of this size."""

    def predict(self, X: Array) -> Array:
        """Answers (n_samples, n_outputs) to X (n_samples, n_inputs)."""

    def signals(self, X: Array, Y: Array) -> Signals:
        """One pass forward and back."""

    def gradients(self, X: Array, Y: Array) -> Gradients:
        """Gradients of all parameters."""

    def learn(
        self,
        X: Array,
        Y: Array,
        rows: NDArray[np.int64],
        rates: Array,
        optimizer: Optimizer,
        statistics: Statistics,
        hits: NDArray[np.int64],
    ) -> Array:
        """One step for each of `rows` (n_steps, batch_size), at its rate; returns the losses.

        Stops after a loss that is not a number up to `LOSS_BOUND`, before its update.  `hits`
        (n_steps,) is filled with the number of right answers, or is empty.
        """

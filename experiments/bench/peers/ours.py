"""plastic itself: the compiled engine, and the readable one as a peer of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.bench.problems import Problem
from plastic.engine import SGD, Network

Array = NDArray[Any]

STRETCH = 40
"""Steps from one edit to the next, as policies have it if they are not told otherwise."""


class PlasticProgram:
    """A `Network`; all steps of a call are one stretch.

    Parameters
    ----------
    problem : Problem
    engine : {"fast", "nodes"}
    threads : int
    """

    def __init__(self, problem: Problem, engine: str = "fast", threads: int = 1) -> None:
        fast = engine == "fast"
        self.name, self.stretch = ("plastic", STRETCH) if fast else ("plastic nodes", 1)
        self._problem = problem
        self.network = Network(problem.build(), problem.loss, engine=engine, threads=threads)
        self.network.prepare(problem.batch)
        self._optimizer = SGD(problem.rate, problem.momentum)
        self.reset()

    def reset(self) -> None:
        """Take up the first weights; forget the momentum."""
        topology = self.network.topology
        self.network.weights[:] = self._problem.weights
        self.network.biases[:] = 0
        for columns in (topology.connection_columns, topology.neuron_columns):
            if "momentum" in columns:
                columns["momentum"][:] = 0

    def losses(self, n_steps: int) -> Array:
        """Take steps on the whole batch."""
        rows = np.tile(np.arange(self._problem.batch), (n_steps, 1))
        return self.network.learn(self._problem.X, self._problem.Y, rows, self._optimizer)

    def answers(self) -> Array:
        """Answers to the batch, shape (batch, n_outputs)."""
        return self.network.predict(self._problem.X)

"""What is trained: a wiring, data, and the weights that every program starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from plastic.engine import Network
from plastic.topology import Topology
from plastic.topology.structure import Structure
from plastic.topology.wiring import dense, erdos_renyi, random_dag

Array = NDArray[Any]

DAG_ENDS = (64, 10)
"""Inputs and outputs of the random DAGs."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One mini-batch, trained on again and again with SGD and momentum.

    Parameters
    ----------
    build : callable
        Makes the topology, the same each time.
    X : float32 array, shape (batch, n_inputs)
    Y : float32 array, shape (batch, n_outputs)
    loss : {"cross_entropy", "mse"}
    activation : str
        Of the hidden neurons.
    output_activation : str
    rate, momentum : float
    """

    build: Callable[[], Topology]
    X: Array
    Y: Array
    loss: str = "cross_entropy"
    activation: str = "relu"
    output_activation: str = "softmax"
    rate: float = 0.01
    momentum: float = 0.9

    @cached_property
    def structure(self) -> Structure:
        """Structure of the topology."""
        return self.build().structure

    @cached_property
    def weights(self) -> Array:
        """Weights to start from, shape (n_connections,); biases start at 0."""
        network = Network(self.build(), self.loss)
        return network.initialize(np.random.default_rng(1)).weights.copy()

    @property
    def batch(self) -> int:
        """Samples of the mini-batch."""
        return len(self.X)

    def layer_matrices(self) -> list[csr_array]:
        """Weights of each layer, (n_targets, n_sources); for layered wirings only."""
        structure = self.structure
        shape = (structure.n_neurons, structure.n_neurons)
        whole = csr_array((self.weights, structure.sources, structure.indptr), shape=shape)
        layers = [np.flatnonzero(structure.groups == g) for g in np.unique(structure.groups)]
        return [whole[after][:, before].tocsr() for before, after in pairwise(layers)]


def mlp(sizes: tuple[int, ...], density: float, batch: int = 128) -> Problem:
    """Layers wired at random (Erdos-Renyi), relu and softmax; random data."""
    n_inputs, *hidden, n_outputs = sizes

    def build() -> Topology:
        rng = np.random.default_rng(0)
        return erdos_renyi(n_inputs, n_outputs, density, rng, hidden=hidden)

    return Problem(build, *_random_data(n_inputs, n_outputs, batch))


def dag(n_neurons: int, n_connections: int, batch: int = 128) -> Problem:
    """A random DAG with 64 inputs and 10 outputs; random data."""

    def build() -> Topology:
        return dag_topology(n_neurons, n_connections)

    return Problem(build, *_random_data(*DAG_ENDS, batch), rate=1e-3)


def dag_topology(n_neurons: int, n_connections: int) -> Topology:
    """The wiring of `dag`.

    Examples
    --------
    >>> dag_topology(100, 500)
    Topology(100 neurons: 64 inputs, 26 hidden, 10 outputs; 500 connections)
    """
    n_inputs, n_outputs = DAG_ENDS
    n_hidden = n_neurons - n_inputs - n_outputs
    room = n_hidden * (n_hidden - 1) // 2 + n_hidden * (n_inputs + n_outputs)
    density = n_connections / (room + n_inputs * n_outputs)
    rng = np.random.default_rng(0)
    return random_dag(n_inputs, n_outputs, density, rng, n_hidden=n_hidden)


def xor(n_hidden: int, activation: str, output_activation: str) -> Problem:
    """The four samples of XOR."""

    def build() -> Topology:
        return dense(
            2,
            1,
            1.0,
            np.random.default_rng(0),
            hidden=[n_hidden],
            activation=activation,
            output_activation=output_activation,
        )

    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    Y = np.array([[0], [1], [1], [0]], np.float32)
    return Problem(build, X, Y, "mse", activation, output_activation)


def _random_data(n_inputs: int, n_outputs: int, batch: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((batch, n_inputs)).astype(np.float32)
    return X, np.eye(n_outputs, dtype=np.float32)[rng.integers(0, n_outputs, batch)]

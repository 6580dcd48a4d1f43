"""scipy.sparse, level by level, with the weight gradient in numba."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from experiments.bench.problems import Problem
from plastic.topology.structure import Structure

Array = NDArray[Any]


class ScipyLevels:
    """Products with sparse matrices, for relu and softmax; layered nets and any DAG.

    Neurons are sorted by level (the longest path that leads to them), so a level is a slice
    of one array (n_neurons, batch), and one `csr_array` holds all connections into it.
    """

    name = "scipy + numba"
    stretch = 1

    def __init__(self, problem: Problem) -> None:
        structure, self._problem = problem.structure, problem
        level = levels(structure)
        place = np.argsort(level, kind="stable")  # slot at each place
        n = structure.n_neurons
        numbers = np.arange(len(problem.weights))
        whole = csr_array((numbers, structure.sources, structure.indptr), shape=(n, n))
        sorted_ = whole[place][:, place].tocsr()
        turned = sorted_.T.tocsr()
        # the matrix holds numbers of connections so far; these are the weights that they have
        self._start = problem.weights[sorted_.data]
        self._weights, self._out_weights = self._start.copy(), np.empty_like(self._start)
        number_at = np.empty(len(self._start), np.int64)
        number_at[sorted_.data] = np.arange(len(self._start))
        self._out_places = number_at[turned.data]
        self._indptr, self._indices = sorted_.indptr, sorted_.indices.astype(np.int32)
        bounds = np.searchsorted(level[place], np.arange(level.max() + 2))
        self._slices = [slice(*ends) for ends in pairwise(bounds)]
        self._into = _blocks(sorted_, self._weights, self._slices)
        self._out_of = _blocks(turned, self._out_weights, self._slices)
        position = np.empty(n, np.int64)
        position[place] = np.arange(n)
        self._inputs, self._outputs = position[structure.inputs], position[structure.outputs]
        self._values = np.zeros((n, problem.batch), np.float32)
        self._deltas = np.zeros_like(self._values)
        self._biases, self._bias_velocity = np.zeros((2, n, 1), np.float32)
        self._velocity, self._gradient = np.zeros((2, len(self._start)), np.float32)
        self._X, self._Y = np.ascontiguousarray(problem.X.T), problem.Y.T
        self.reset()

    def reset(self) -> None:
        """Take up the first weights; forget the momentum."""
        self._weights[:] = self._start
        np.take(self._weights, self._out_places, out=self._out_weights)
        for array in (self._biases, self._bias_velocity, self._velocity):
            array[:] = 0

    def losses(self, n_steps: int) -> Array:
        """Take steps on the whole batch."""
        return np.array([self._step() for _ in range(n_steps)])

    def _step(self) -> float:
        loss = self._forward()
        self._backward()
        problem = self._problem
        connection_gradients(
            self._indptr, self._indices, self._values, self._deltas, self._gradient
        )
        _descend(self._weights, self._velocity, self._gradient, problem)
        np.take(self._weights, self._out_places, out=self._out_weights)
        of_biases = self._deltas.sum(axis=1, keepdims=True)
        of_biases[self._inputs] = 0
        _descend(self._biases, self._bias_velocity, of_biases, problem)
        return loss

    def _forward(self) -> float:
        values = self._values
        values[self._inputs] = self._X
        for rows, matrix in zip(self._slices[1:], self._into[1:], strict=True):
            x = matrix @ values
            x += self._biases[rows]
            if rows is not self._slices[-1]:
                np.maximum(x, 0, out=x)
            values[rows] = x
        scores = values[self._outputs]
        scores -= scores.max(axis=0)
        norm = np.log(np.exp(scores).sum(axis=0))
        values[self._outputs] = np.exp(scores - norm)
        return float(np.mean(norm - np.sum(self._Y * scores, axis=0)))

    def _backward(self) -> None:
        values, deltas = self._values, self._deltas
        deltas[self._outputs] = (values[self._outputs] - self._Y) / self._problem.batch
        hidden = list(zip(self._slices, self._out_of, strict=True))[1:-1]
        for rows, matrix in reversed(hidden):
            delta = matrix @ deltas
            delta *= values[rows] > 0
            deltas[rows] = delta


def levels(structure: Structure) -> NDArray[np.int64]:
    """Longest path to each slot; inputs are level 0, all outputs share the last one.

    Examples
    --------
    >>> from plastic.topology.wiring import dense
    >>> levels(dense(2, 1, 1.0, np.random.default_rng(0), hidden=[1, 1]).structure)
    array([0, 0, 3, 1, 2])
    """
    level = np.zeros(structure.n_neurons, np.int64)
    is_input = np.zeros(structure.n_neurons, bool)
    is_input[structure.inputs] = True
    for slot in structure.order:
        if not is_input[slot]:
            row = structure.sources[structure.indptr[slot] : structure.indptr[slot + 1]]
            level[slot] = 1 + level[row].max(initial=0)
    level[structure.outputs] = 0
    level[structure.outputs] = level.max() + 1
    return level


@njit(cache=True, fastmath=True, error_model="numpy")
def connection_gradients(
    indptr: Array, sources: Array, values: Array, deltas: Array, gradient: Array
) -> None:
    """Products of values and deltas over the batch, for the connections that exist."""
    for target in range(len(indptr) - 1):
        delta = deltas[target]
        for e in range(indptr[target], indptr[target + 1]):
            value, total = values[sources[e]], gradient.dtype.type(0)
            for sample in range(len(delta)):
                total += delta[sample] * value[sample]
            gradient[e] = total


def _blocks(matrix: csr_array, weights: Array, slices: list[slice]) -> list[csr_array]:
    """Rows of each slice, whose data is a view of `weights`."""
    blocks = []
    for rows in slices:
        start, stop = matrix.indptr[rows.start], matrix.indptr[rows.stop]
        indptr = (matrix.indptr[rows.start : rows.stop + 1] - start).astype(np.int32)
        indices = matrix.indices[start:stop].astype(np.int32)
        parts = weights[start:stop], indices, indptr
        block = csr_array(parts, shape=(len(indptr) - 1, matrix.shape[1]))
        block.data = weights[start:stop]  # SciPy copies a view of a much larger array
        blocks.append(block)
    return blocks


def _descend(values: Array, velocity: Array, gradient: Array, problem: Problem) -> None:
    velocity *= problem.momentum
    velocity += gradient
    np.multiply(velocity, problem.rate, out=gradient)
    values -= gradient

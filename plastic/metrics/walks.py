"""Ways through a network, by arrays: who is reached, by how many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.topology import Structure

if TYPE_CHECKING:
    from scipy import sparse

Array = NDArray[np.float64]


def longest_ways(structure: Structure, *, to_outputs: bool = False) -> Array:
    """Connections on the longest way from any input to each neuron; NaN where there is none.

    Parameters
    ----------
    structure : Structure
    to_outputs : bool
        Whether ways from each neuron to any output are meant instead.

    Returns
    -------
    float array, shape (n_neurons,)
    """
    s, length = structure, np.full(structure.n_neurons, -np.inf)
    length[s.outputs if to_outputs else s.inputs] = 0
    bounds, others = (s.out.indptr, s.out.targets) if to_outputs else (s.indptr, s.sources)
    starts = bounds.tolist()
    for slot in (s.order[::-1] if to_outputs else s.order).tolist():
        row = others[starts[slot] : starts[slot + 1]]
        if len(row):
            length[slot] = max(length[slot], length[row].max() + 1)
    return np.where(np.isinf(length), np.nan, length)


def shortest_ways(matrix: sparse.csr_array, sources: NDArray[Any]) -> Array:
    """Connections on the shortest way from some neurons to all, infinity where there is none.

    Parameters
    ----------
    matrix : csr_array, shape (n_neurons, n_neurons)
        Adjacency.
    sources : int array, shape (n_sources,)

    Returns
    -------
    float array, shape (n_sources, n_neurons)
    """
    from scipy.sparse import csgraph

    found: Array = csgraph.dijkstra(matrix, indices=sources, unweighted=True)
    return found


def sample(among: NDArray[Any], most: int, rng: Generator) -> NDArray[Any]:
    """All of them if there are at most so many, else that many at random, in their order.

    Examples
    --------
    >>> sample(np.array([3, 5, 8]), 4, np.random.default_rng(0))
    array([3, 5, 8])
    """
    if len(among) <= most:
        return among
    return np.sort(rng.choice(among, most, replace=False))

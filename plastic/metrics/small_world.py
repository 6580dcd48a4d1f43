"""Whether neighbours are joined as in a lattice, and all the same are near as at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.errors import check_count
from plastic.metrics.base import Metric, Reading
from plastic.metrics.walks import sample, shortest_ways

if TYPE_CHECKING:
    from scipy import sparse


@final
@dataclass(frozen=True)
class SmallWorld(Metric):
    r"""Small-world index: clustering over path length, both relative to random graphs.

    .. math:: \sigma = \frac{C / C_{random}}{L / L_{random}}

    Directions are ignored, and neurons without a connection left out.  The random graphs have
    as many neurons and connections, any pair as likely as another.  Labels are ``sigma`` (above
    1 for a small world), ``clustering`` (the mean over neurons of the share of pairs of their
    neighbours that are joined, 0 below two neighbours), ``path_length`` (the mean over pairs
    of neurons that are joined by some way), the same of the random graphs with ``_random``, and
    ``samples``, from how many neurons ways were looked for.  Layers without connections within
    them or past them have no clustering at all, and a sigma of 0.  NaN where the random graphs
    have none, or nothing is joined.

    Parameters
    ----------
    references : int
        Random graphs that are drawn at each reading.
    samples : int
        Of more neurons than this, so many are drawn.

    References
    ----------
    Watts and Strogatz (1998), Collective dynamics of small-world networks, Nature 393;
    Humphries and Gurney (2008), Network small-world-ness, PLoS ONE 3.
    """

    references: int = 3
    samples: int = 64

    def __post_init__(self) -> None:
        check_count("references", self.references)
        check_count("samples", self.samples)

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Six numbers."""
        joined = np.flatnonzero(np.diff(reading.undirected.indptr))
        matrix = reading.undirected[joined][:, joined]
        n, m = len(joined), reading.structure.n_connections
        clustering, length = self._measured(matrix, rng)
        others = [self._measured(random_graph(n, m, rng), rng) for _ in range(self.references)]
        random = np.mean(others, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.divide(clustering, random[0]) / np.divide(length, random[1])
        return {
            "sigma": float(sigma) if np.isfinite(sigma) else np.nan,
            "clustering": clustering,
            "path_length": length,
            "clustering_random": float(random[0]),
            "path_length_random": float(random[1]),
            "samples": min(n, self.samples),
        }

    def _measured(self, matrix: sparse.csr_array, rng: Generator) -> tuple[float, float]:
        if not matrix.nnz:
            return np.nan, np.nan
        sources = sample(np.arange(matrix.shape[0]), self.samples, rng)
        lengths = shortest_ways(matrix, sources)
        there = np.isfinite(lengths) & (lengths > 0)
        return clustering_of(matrix), float(lengths[there].mean())


def clustering_of(matrix: sparse.csr_array) -> float:
    """Mean clustering coefficient of an undirected graph.

    Parameters
    ----------
    matrix : csr_array, shape (n, n)
        1 at both places of each edge; n is above 0.
    """
    degree = np.diff(matrix.indptr)
    ways = np.asarray((matrix @ matrix).multiply(matrix).sum(axis=1)).ravel()
    return float((ways / np.maximum(degree * (degree - 1), 1)).mean())


def random_graph(n: int, m: int, rng: Generator) -> sparse.csr_array:
    """Adjacency of an undirected graph of `n` nodes and `m` edges, each set of them as likely.

    Parameters
    ----------
    n, m : int
        At most ``n * (n - 1) / 2`` edges.
    rng : Generator
    """
    from scipy import sparse

    low, high = pairs_of(rng.choice(n * (n - 1) // 2, m, replace=False, shuffle=False))
    ends = np.concatenate([low, high]), np.concatenate([high, low])
    return sparse.coo_array((np.ones(2 * m), ends), (n, n)).tocsr()


def pairs_of(numbers: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs ``low < high`` of these numbers, counted as (0, 1), (0, 2), (1, 2), (0, 3), ...

    Examples
    --------
    >>> pairs_of(np.arange(4))
    (array([0, 0, 1, 0]), array([1, 2, 2, 3]))
    """
    numbers = np.asarray(numbers, np.int64)
    high = np.floor((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    high -= high * (high - 1) // 2 > numbers  # where the root was rounded up
    high += (high + 1) * high // 2 <= numbers
    return numbers - high * (high - 1) // 2, high

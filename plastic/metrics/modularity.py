"""Whether the network falls into parts of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import Generator

from plastic.errors import check_range
from plastic.metrics.base import Metric, Reading


@final
@dataclass(frozen=True)
class Modularity(Metric):
    r"""Newman's modularity of the communities that the Louvain method finds.

    .. math:: Q = \sum_c \frac{L_c}{m} - \gamma \left(\frac{k_c}{2 m}\right)^2

    where of `m` connections, whose directions are ignored, `L_c` are within community `c`, and
    the degrees in it add up to `k_c`.  Labels are ``modularity`` and ``communities``, how many
    were found.  The search tries neurons in random order; its value is a lower bound of the
    best.  Neurons without a connection are left out; NaN where that is all of them.

    Parameters
    ----------
    resolution : float
        :math:`\gamma`; above 1 for smaller communities.

    References
    ----------
    Newman and Girvan (2004), Finding and evaluating community structure in networks, Physical
    Review E 69; Blondel et al. (2008), Fast unfolding of communities in large networks,
    arXiv:0803.0476, by NetworkX.
    """

    resolution: float = 1.0

    def __post_init__(self) -> None:
        check_range("resolution", self.resolution, 0, open_low=True)

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Two numbers."""
        import networkx as nx

        s = reading.structure
        if not s.n_connections:
            return {"modularity": np.nan, "communities": 0}
        graph = nx.Graph()
        graph.add_edges_from(zip(s.sources.tolist(), s.targets.tolist(), strict=True))
        seed, kind = int(rng.integers(2**31)), self.resolution
        found = nx.community.louvain_communities(graph, seed=seed, resolution=kind)
        value = nx.community.modularity(graph, found, resolution=kind)
        return {"modularity": float(value), "communities": len(found)}

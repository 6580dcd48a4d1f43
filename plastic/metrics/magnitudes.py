"""How large weights are, and how evenly they are spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.random import Generator

from plastic.metrics.base import Metric, Need, Reading
from plastic.metrics.degrees import gini


@final
@dataclass(frozen=True)
class Magnitudes(Metric):
    """Absolute weights of the connections: ``mean``, ``std``, ``max``, ``gini``, ``zero``.

    The last is the share of connections whose weight is 0.  NaN without connections, and
    ``gini`` where all weights are 0.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"weights"})

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Five numbers."""
        sizes = np.abs(np.asarray(reading.needed("weights"), np.float64))
        if not len(sizes):
            return dict.fromkeys(("mean", "std", "max", "gini", "zero"), np.nan)
        return {
            "mean": float(sizes.mean()),
            "std": float(sizes.std()),
            "max": float(sizes.max()),
            "gini": gini(sizes),
            "zero": float((sizes == 0).mean()),
        }

"""How far the outputs are from the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import Generator

from plastic.errors import check_count
from plastic.metrics.base import Metric, Reading
from plastic.metrics.walks import sample, shortest_ways


@final
@dataclass(frozen=True)
class PathLengths(Metric):
    """Shortest ways from inputs to outputs, in connections.

    Labels are ``mean`` and ``max`` over the pairs of an input and an output that are joined,
    ``joined`` (the share of pairs that are) and ``samples``, from how many inputs ways were
    looked for: all of them, unless there are more than `samples`.  NaN where none is joined.

    Parameters
    ----------
    samples : int
        Of more inputs than this, so many are drawn at each reading.
    """

    samples: int = 64

    def __post_init__(self) -> None:
        check_count("samples", self.samples)

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Four numbers."""
        s = reading.structure
        sources = sample(s.inputs, self.samples, rng)
        lengths = shortest_ways(reading.matrix, sources)[:, s.outputs]
        joined = np.isfinite(lengths)
        return {
            "mean": float(lengths[joined].mean()) if joined.any() else np.nan,
            "max": float(lengths[joined].max()) if joined.any() else np.nan,
            "joined": float(joined.mean()),
            "samples": len(sources),
        }

"""How many connections a signal passes, at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import Generator

from plastic.metrics.base import Metric, Reading
from plastic.metrics.walks import longest_ways


@final
@dataclass(frozen=True)
class Depth(Metric):
    """Longest ways from the inputs, in connections.

    Labels are ``longest`` (to any output), ``outputs_mean`` (to each output that is reached),
    ``hidden_mean`` (to each hidden neuron that is reached) and ``skips``, the share of the
    connections that span more than one step of depth.  NaN where nothing is reached.
    """

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Four numbers."""
        s, depth = reading.structure, longest_ways(reading.structure)
        outputs, hidden = (_there(depth[slots]) for slots in (s.outputs, reading.hidden))
        spans = _there(depth[s.targets] - depth[s.sources])
        return {
            "longest": float(outputs.max()) if len(outputs) else np.nan,
            "outputs_mean": float(outputs.mean()) if len(outputs) else np.nan,
            "hidden_mean": float(hidden.mean()) if len(hidden) else np.nan,
            "skips": float((spans > 1).mean()) if len(spans) else np.nan,
        }


def _there(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]

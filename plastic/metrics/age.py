"""How long connections have been there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import Generator

from plastic.metrics.base import Metric, Reading


@final
@dataclass(frozen=True)
class Age(Metric):
    """Training steps since each connection was born: ``mean``, ``median``, ``min``, ``max``.

    Ids are given out in order, so an id alone tells the step; what comes back with its id, as
    when an edit is undone, is as old as if it had never gone.  NaN without connections.
    """

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Four numbers of steps."""
        ages = reading.step - reading.born
        if not len(ages):
            return dict.fromkeys(("mean", "median", "min", "max"), np.nan)
        return {
            "mean": float(ages.mean()),
            "median": float(np.median(ages)),
            "min": float(ages.min()),
            "max": float(ages.max()),
        }

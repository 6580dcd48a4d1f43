"""How much of the true structure is there, where data were made with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.random import Generator

from plastic.datasets import recovered
from plastic.metrics.base import Metric, Need, Reading
from plastic.topology import Kind


@final
@dataclass(frozen=True)
class Overlap(Metric):
    """Overlap of the connections that leave inputs with those of the teacher.

    Labels are ``precision`` and ``recall``, as `plastic.datasets.truth` has them, and ``f1``,
    their harmonic mean.  NaN for datasets of which no truth is known.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"truth"})

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Three numbers in [0, 1]."""
        if reading.truth is None:
            return dict.fromkeys(("precision", "recall", "f1"), np.nan)
        s = reading.structure
        first = s.kinds[s.sources] == Kind.INPUT
        inputs = np.searchsorted(s.inputs, s.sources[first])
        precision, recall = recovered(
            reading.truth, inputs, s.neuron_ids[s.targets[first]]
        ).values()
        total = precision + recall
        f1 = 0.0 if total == 0 else 2 * precision * recall / total
        return {"precision": precision, "recall": recall, "f1": f1}

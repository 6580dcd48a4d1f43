"""Neurons that no signal passes, by structure alone."""

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
class DeadEnds(Metric):
    """Shares of hidden neurons that no way leads to from an input, or to an output.

    Labels are ``no_way_in``, ``no_way_out``, ``any`` (of both, either), and
    ``unreached_outputs``, the share of outputs that no input has a way to.  NaN without hidden
    neurons.
    """

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Four shares."""
        s, hidden = reading.structure, reading.hidden
        no_way_in = np.isnan(longest_ways(s))
        no_way_out = np.isnan(longest_ways(s, to_outputs=True))
        shares = {
            "no_way_in": no_way_in[hidden],
            "no_way_out": no_way_out[hidden],
            "any": (no_way_in | no_way_out)[hidden],
            "unreached_outputs": no_way_in[s.outputs],
        }
        return {name: float(of.mean()) if len(of) else np.nan for name, of in shares.items()}

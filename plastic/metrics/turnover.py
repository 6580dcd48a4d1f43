"""How much of a network is new since the last reading, and how much is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.metrics.base import Metric, Reading, remembered

Ids = NDArray[np.integer]


@final
@dataclass
class Turnover(Metric):
    """Connections and hidden neurons born and pruned since the last reading, as shares.

    Labels are ``born`` and ``pruned`` for connections, ``neurons_born`` and
    ``neurons_pruned``: how many there are now that were not there at the last reading, or the
    other way round, over how many were there then.  NaN at the first reading, and where there
    were none.  What is born and pruned between two readings counts in neither.
    """

    _connections: Ids | None = field(default=None, init=False, repr=False)
    _neurons: Ids | None = field(default=None, init=False, repr=False)

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Four shares."""
        s = reading.structure
        connections, neurons = np.sort(s.connection_ids), s.neuron_ids[reading.hidden]
        found = _changes(self._connections, connections)
        found += _changes(self._neurons, neurons)
        self._connections, self._neurons = connections, neurons
        labels = "born", "pruned", "neurons_born", "neurons_pruned"
        return dict(zip(labels, found, strict=True))

    def state(self) -> dict[str, NDArray[Any]]:
        """The ids at the last reading."""
        if self._connections is None or self._neurons is None:
            return {}
        return {"connections": self._connections, "neurons": self._neurons}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state."""
        if not state:
            self._connections = self._neurons = None
            return
        self._connections, self._neurons = remembered(state, connections="i", neurons="i")


def _changes(before: Ids | None, now: Ids) -> list[float]:
    """Shares that came and went; ids ascend."""
    if before is None or not len(before):
        return [float("nan"), float("nan")]
    stayed = len(np.intersect1d(before, now, assume_unique=True))
    return [(len(now) - stayed) / len(before), (len(before) - stayed) / len(before)]

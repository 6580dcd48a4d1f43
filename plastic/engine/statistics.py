r"""Statistics that an engine keeps while it learns, because a policy asked for them.

Each is a column of the topology, so it travels through edits like a weight does:

==================  ===========  ============================================================
column              of           updated every `every` steps
==================  ===========  ============================================================
saliency            connections  :math:`s \leftarrow s + r (|w g| - s)`, before the update
activity            neurons      :math:`S \leftarrow \gamma S + a`, :math:`a = \bar{|y|}`
activity_square     neurons      :math:`Q \leftarrow \gamma Q + a^2`
sensitivity         neurons      as activity, of :math:`d = \bar{|\delta|}`
sensitivity_square  neurons      as activity_square, of the same
observations        neurons      :math:`n \leftarrow \gamma n + 1`
==================  ===========  ============================================================

Means are over the mini-batch; `w g` is the first-order effect of removing a connection
(Molchanov et al., 2019, arXiv:1906.10771, equation 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plastic.errors import check_count, check_range
from plastic.topology import Topology

SALIENCY = "saliency"
MOMENTS = ("activity", "activity_square", "sensitivity", "sensitivity_square", "observations")


@dataclass(frozen=True)
class Statistics:
    """Which statistics to keep.

    Parameters
    ----------
    saliency : bool
        Keep the moving average of each connection's saliency.
    moments : bool
        Keep the moments of each neuron's activity and sensitivity.
    every : int
        Training steps from one observation to the next.
    rate : float
        Weight of a new observation in the saliency, in (0, 1].
    discount : float
        What is left of old moments at each observation, in [0, 1].
    """

    saliency: bool = False
    moments: bool = False
    every: int = 5
    rate: float = 0.1
    discount: float = 0.9

    def __post_init__(self) -> None:
        check_count("every", self.every)
        check_range("rate", self.rate, 0, 1, open_low=True)
        check_range("discount", self.discount, 0, 1)

    @property
    def wanted(self) -> bool:
        """Whether there is anything to keep."""
        return self.saliency or self.moments

    def attach(self, topology: Topology, dtype: np.dtype) -> None:
        """Add the columns where they are not there yet."""
        if self.saliency:
            topology.connection_columns.add(SALIENCY, dtype)
        for name in MOMENTS if self.moments else ():
            topology.neuron_columns.add(name, np.float64)

    def observe(
        self,
        topology: Topology,
        gradient: NDArray[np.floating],
        outputs: NDArray[np.floating],
        deltas: NDArray[np.floating],
    ) -> None:
        """Take one observation; the readable rule that the compiled kernel is checked against.

        Parameters
        ----------
        topology : Topology
            Holds the columns.
        gradient : float array, shape (n_connections,)
            Of the weights, averaged over the batch.
        outputs, deltas : float arrays, shape (n_neurons, n_samples)
        """
        if self.saliency:
            columns = topology.connection_columns
            effect = np.abs(columns["weight"] * gradient)
            columns[SALIENCY][:] += self.rate * (effect - columns[SALIENCY])
        if self.moments:
            active, sensed = np.abs(outputs).mean(axis=1), np.abs(deltas).mean(axis=1)
            news = active, active**2, sensed, sensed**2, np.ones_like(active)
            for name, new in zip(MOMENTS, news, strict=True):
                column = topology.neuron_columns[name]
                column *= self.discount
                column += new

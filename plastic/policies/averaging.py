"""Growth by gradients that are averaged over several mini-batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits import SAMPLINGS, draw
from plastic.engine import Signals, Statistics
from plastic.errors import check_count, check_in
from plastic.policies.growth import Array, Choice, Slots, Wanted, best_missing
from plastic.policies.memory import State, take
from plastic.policies.parts import NOTHING
from plastic.signals import NetworkView


@dataclass
class AveragedGrowth:
    r"""The missing connections with the largest gradients, averaged over mini-batches.

    It looks at the network at each of the last `n_batches` steps up to an update and keeps
    what flowed through the neurons, which is all that the gradient of any missing connection
    follows from.  With `sampling`, the gradient of each is an arm with the posterior
    :math:`N(m, v / J)` of its `J` batches, where half of the variance `v` of each arm is
    replaced by the mean variance of all.

    The weights move between the looks, as they do under a momentum; but no step of training
    computes gradients of connections that are not there, so every look costs a pass and every
    batch a gradient of each missing connection, and both are on the bill.

    Parameters
    ----------
    n_batches : int
        Mini-batches to average over.
    sampling : {"mean", "thompson", "uniform"}
        The value that a gradient counts with: its mean, a draw from its posterior, or the same
        for all.
    """

    n_batches: int = 8
    sampling: str = "mean"
    name: ClassVar[str] = "averaged gradient"
    statistics: ClassVar[Statistics] = NOTHING
    _neurons: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(0, np.int64), init=False, repr=False
    )
    _kept: dict[int, Signals] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_count("n_batches", self.n_batches)
        check_in("sampling", self.sampling, SAMPLINGS)

    def looks(self, updates: NDArray[np.integer]) -> NDArray[np.integer]:
        """The steps just before each update."""
        steps = np.unique(updates[:, None] - np.arange(1, self.n_batches))
        return steps[steps > 0]

    def look(self, view: NetworkView, rng: Generator) -> None:
        """Keep what flows through the neurons on the next mini-batch."""
        if not np.array_equal(self._neurons, view.structure.neuron_ids):
            self._neurons, self._kept = view.structure.neuron_ids.copy(), {}
        self._kept[view.step] = view.signals
        for step in sorted(self._kept)[: -self.n_batches]:
            del self._kept[step]

    def __call__(self, view: NetworkView, wanted: Wanted, rng: Generator) -> Choice:
        """The missing connections of each block with the largest averaged gradients."""

        def score(sources: Slots, targets: Slots) -> Array:
            gradients = [
                view.candidate_gradients(sources, targets, signals)
                for signals in self._kept.values()
            ]
            mean, std = moments_of_mean(np.array(gradients, np.float64))
            return np.abs(draw(self.sampling, mean, std, rng))

        if any(count for _, count in wanted):  # or the pass would be for nothing
            self.look(view, rng)
        grown = [best_missing(view, *each, rng, score) for each in wanted]
        self._kept = {}
        return Choice(grown)

    def state(self) -> State:
        """What it kept of the batches since the last update."""
        shape = (0, len(self._neurons), 0)
        kept = list(self._kept.values())
        return {
            "neurons": self._neurons.copy(),
            "steps": np.array(list(self._kept), np.int64),
            "losses": np.array([signals.loss for signals in kept]),
            "outputs": np.array([s.outputs for s in kept]) if kept else np.zeros(shape),
            "deltas": np.array([s.deltas for s in kept]) if kept else np.zeros(shape),
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """What it kept."""
        names = ["neurons", "steps", "losses", "outputs", "deltas"]
        self._neurons, steps, *signals = take(state, names)
        kept = (Signals(float(loss), *both) for loss, *both in zip(*signals, strict=True))
        self._kept = dict(zip(steps.tolist(), kept, strict=True))


def moments_of_mean(values: Array) -> tuple[Array, Array]:
    """Means over the first axis, and their standard deviations, half pooled over all columns.

    Examples
    --------
    >>> mean, std = moments_of_mean(np.array([[1.0, 2.0], [3.0, 2.0]]))
    >>> mean, std.round(3)
    (array([2., 2.]), array([0.612, 0.354]))
    """
    variance = values.var(axis=0)
    pooled = 0.5 * variance + 0.5 * (variance.mean() if variance.size else 0.0)
    return values.mean(axis=0), np.sqrt(pooled / len(values))

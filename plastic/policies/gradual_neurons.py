"""Gradual pruning of neurons: from an over-provisioned start to as many as asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine import Statistics
from plastic.errors import check_count, check_in, check_range
from plastic.policies.base import Policy, Proposal
from plastic.policies.memory import State, take
from plastic.policies.neurons import (
    Array,
    Slots,
    hidden_groups,
    members,
    neuron_saliency,
    prune_edits,
    weakest,
)
from plastic.policies.parts import KEEP_SALIENCY, NOTHING
from plastic.signals import NetworkView

SCORES = ("taylor", "magnitude")


@final
@dataclass
class GradualNeurons(Policy):
    r"""Prune the neurons of each group that are worth least, many at first, ever fewer later.

    .. math:: n(t) = n_T + (n_0 - n_T) (1 - t / T_{end})^3

    Neurons that lose their last way in or out by it go, too.

    Parameters
    ----------
    n_neurons : int
        Hidden neurons of each group in the end; a group of fewer is left alone.
    score : {"taylor", "magnitude"}
        Worth of a neuron: the saliency of the connections out of it added up
        (`plastic.policies.neurons.neuron_saliency`), or the norm of its incoming weights times
        that of its outgoing ones.
    every : int
        Steps from one pruning to the next.
    until : float
        Fraction of training at which as many are left as asked for, in (0, 1].

    References
    ----------
    Zhu and Gupta (2017), To prune, or not to prune, arXiv:1710.01878, equation 1, over neurons
    where they prune connections.  Molchanov et al. (2019), arXiv:1906.10771.
    """

    n_neurons: int = 16
    score: str = "taylor"
    every: int = 20
    until: float = 0.7
    _first: dict[int, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_count("n_neurons", self.n_neurons)
        check_in("score", self.score, SCORES)
        check_count("every", self.every)
        check_range("until", self.until, 0, 1, open_low=True)

    @property
    def statistics(self) -> Statistics:
        """The saliency, if that is the score."""
        return KEEP_SALIENCY if self.score == "taylor" else NOTHING

    def begin(self, density: float) -> float:
        """The wiring asked for; how wide it is at first is the wiring's choice."""
        self._first = {}
        return density

    def most_neurons(self, sizes: NDArray[np.integer]) -> NDArray[np.integer]:
        """Those asked for, or fewer."""
        return np.minimum(sizes, self.n_neurons)

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Every so often, and once where the last pruning is due."""
        last = max(1, min(int(self.until * n_steps), n_steps - 1))
        return np.unique(np.append(np.arange(self.every, last, self.every), last))

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Prune each group down to its number for this step."""
        left = (1 - min(1.0, view.step / self.steps(view.n_steps)[-1])) ** 3
        worth = neuron_saliency(view) if self.score == "taylor" else neuron_magnitude(view)
        gone: list[Slots] = [np.zeros(0, np.int64)]
        for group in hidden_groups(view):
            held = len(members(view.structure, group))
            first = self._first.setdefault(group, held)
            keep = self.n_neurons + round(max(first - self.n_neurons, 0) * left)
            gone.append(weakest(view, group, max(held - keep, 0), worth, 0, rng))
        return Proposal(prune_edits(view, np.concatenate(gone), f"low {self.score}", worth))

    def state(self) -> State:
        """How many neurons each group had at first."""
        groups = sorted(self._first)
        sizes = [self._first[group] for group in groups]
        return {"groups": np.array(groups, np.int64), "first_sizes": np.array(sizes, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` told."""
        groups, sizes = take(state, ["groups", "first_sizes"])
        self._first = dict(zip(groups.tolist(), sizes.tolist(), strict=True))


def neuron_magnitude(view: NetworkView) -> Array:
    """Norm of each neuron's weights in times that of its weights out, shape (n_neurons,)."""
    structure, squares = view.structure, view.weights.astype(float) ** 2
    n = structure.n_neurons
    ways_in = np.bincount(structure.targets, squares, n)
    return np.sqrt(ways_in * np.bincount(structure.sources, squares, n))

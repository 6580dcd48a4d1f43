"""Pruning from a dense start to the density asked for, gradually or at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Disconnect
from plastic.engine import Statistics
from plastic.errors import check_count, check_range
from plastic.policies.base import Policy, Proposal
from plastic.policies.memory import State, gather, hand_out, let_look, looking_steps, take_first
from plastic.policies.parts import Magnitude, PruneScore, lowest
from plastic.signals import NetworkView
from plastic.topology.wiring import erk_counts


def gradual_magnitude(every: int = 20, until: float = 0.7) -> DensePruning:
    """Prune the smallest weights of each block, many at first, ever fewer later.

    Parameters
    ----------
    every : int
        Steps from one pruning to the next.
    until : float
        Fraction of training at which the density asked for is reached, in (0, 1].

    References
    ----------
    Zhu and Gupta (2017), To prune, or not to prune, arXiv:1710.01878, equation 1.
    """
    return DensePruning(Magnitude(), every, until)


def dense_then_prune(at: float = 0.5) -> DensePruning:
    """Train dense, prune the smallest weights once, and go on.

    Parameters
    ----------
    at : float
        Fraction of training after which to prune, in (0, 1].

    References
    ----------
    Han et al. (2015), Learning both Weights and Connections, arXiv:1506.02626, section 3,
    with one round.
    """
    return DensePruning(Magnitude(), None, at)


@final
@dataclass
class DensePruning(Policy):
    r"""Prune the connections of lowest score of each block, down to a density.

    .. math:: d(t) = d_T + (1 - d_T) (1 - t / T_{end})^3

    It trains a dense network at first, so it costs more than policies that are sparse all
    along; it is here as the accuracy that they are measured against.

    Parameters
    ----------
    prune : PruneScore
        What each connection is worth.
    every : int or None
        Steps from one pruning to the next; None to prune once, at the end of `until`.
    until : float
        Fraction of training at which the density asked for is reached, in (0, 1].
    """

    prune: PruneScore
    every: int | None = 20
    until: float = 0.7
    _density: float = field(default=1.0, init=False, repr=False)
    _counts: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((0, 2), np.int64), init=False, repr=False
    )

    def __post_init__(self) -> None:
        if self.every is not None:
            check_count("every", self.every)
        check_range("until", self.until, 0, 1, open_low=True)

    @property
    def statistics(self) -> Statistics:
        """What the prune score needs."""
        return self.prune.statistics

    def begin(self, density: float) -> float:
        """A dense start."""
        self._density, self._counts = density, self._counts[:0]
        return 1.0

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Every so often, and once where the last pruning is due; and where the score looks."""
        return looking_steps(self._parts, self._prunings(n_steps))

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Prune each block down to its count for this step."""
        prunings = self._prunings(view.n_steps)
        if let_look(self._parts, prunings, view, rng):
            return Proposal()
        if not len(self._counts):
            self._counts = first_and_last(view, self._density)
        left = (1 - min(1.0, view.step / prunings[-1])) ** 3
        scores = self.prune(view, rng)
        gone = []
        for block, (first, last) in zip(view.blocks, self._counts.tolist(), strict=True):
            held = block.positions
            keep = last + round((first - last) * left)
            surplus = min(max(block.n_held - keep, 0), len(held))
            gone.append(held[lowest(scores[held], surplus, rng)])
        pruned = np.concatenate(gone)
        edit = Disconnect(
            view.structure.connection_ids[pruned],
            keep_stranded=True,
            reason=f"low {self.prune.name}",
            scores=scores[pruned],
        )
        return Proposal([edit])

    def state(self) -> State:
        """The density asked for, the counts to keep to, and what the score remembers."""
        own = {"density": np.array(self._density), "counts": self._counts.copy()}
        return own | gather(self._parts)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """All of it as it was."""
        (density, self._counts), of_parts = take_first(state, ["density", "counts"])
        self._density = float(density)
        hand_out(self._parts, of_parts)

    @property
    def _parts(self) -> dict[str, object]:
        return {"prune": self.prune}

    def _prunings(self, n_steps: int) -> NDArray[np.int64]:
        last = max(1, min(int(self.until * n_steps), n_steps - 1))
        return np.unique(np.append(np.arange(self.every or last, last, self.every), last))


def first_and_last(view: NetworkView, density: float) -> NDArray[np.int64]:
    """Connections of each block now and at a density, shape (n_blocks, 2)."""
    first = np.array([block.n_held for block in view.blocks])
    leading, following = np.array([block.shape for block in view.blocks]).T
    last = np.minimum(erk_counts(leading, following, density, room=first), first)
    return np.stack([first, last], axis=1)

"""Gradual magnitude pruning: from a dense start to the density asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Disconnect
from plastic.errors import check_count, check_range
from plastic.policies.base import Policy, Proposal
from plastic.policies.parts import lowest
from plastic.signals import NetworkView
from plastic.topology.wiring import erk_counts


@final
@dataclass
class GradualMagnitude(Policy):
    r"""Prune the smallest weights of each block, many at first, ever fewer later.

    .. math:: d(t) = d_T + (1 - d_T) (1 - t / T_{end})^3

    It trains a dense network at first, so it costs more than policies that are sparse all
    along; it is here as the accuracy that they are measured against.

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

    every: int = 20
    until: float = 0.7
    _density: float = field(default=1.0, init=False, repr=False)
    _final: dict[str, tuple[int, int]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_count("every", self.every)
        check_range("until", self.until, 0, 1, open_low=True)

    def begin(self, density: float) -> float:
        """A dense start."""
        self._density, self._final = density, {}
        return 1.0

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Every so often, and once where the last pruning is due."""
        last = max(1, min(int(self.until * n_steps), n_steps - 1))
        return np.unique(np.append(np.arange(self.every, last, self.every), last))

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Prune each block down to its count for this step."""
        last = self.steps(view.n_steps)[-1]
        left = (1 - min(1.0, view.step / last)) ** 3
        blocks = {block.name: block for block in view.blocks}
        scores = np.abs(view.weights)
        gone = []
        for name, (first, final_count) in self._counts(view).items():
            block = blocks[name]
            keep = final_count + round((first - final_count) * left)
            surplus = min(max(block.n_held - keep, 0), len(block.positions))
            gone.append(block.positions[lowest(scores[block.positions], surplus, rng)])
        pruned = np.concatenate(gone)
        edit = Disconnect(
            view.structure.connection_ids[pruned],
            keep_stranded=True,
            reason="low magnitude",
            scores=scores[pruned],
        )
        return Proposal([edit])

    def _counts(self, view: NetworkView) -> dict[str, tuple[int, int]]:
        """Connections of each block at first and at last; settled at the first call."""
        if not self._final:
            blocks = view.blocks
            first = np.array([block.n_held for block in blocks])
            sizes = (
                np.array([len(block.sources) for block in blocks]),
                np.array([len(block.targets) for block in blocks]),
            )
            counts = np.minimum(erk_counts(*sizes, self._density, room=first), first)
            pairs = zip(first.tolist(), counts.tolist(), strict=True)
            self._final = dict(zip((block.name for block in blocks), pairs, strict=True))
        return self._final

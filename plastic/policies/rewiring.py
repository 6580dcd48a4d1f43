"""Rewiring at a constant number of connections: what SET, RigL and Thompson have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Connect, Disconnect, Edit
from plastic.engine import Statistics
from plastic.policies.base import Policy, Proposal
from plastic.policies.growth import Array, Grown, Growth
from plastic.policies.parts import PruneScore, UpdateSchedule, lowest
from plastic.signals import Block, NetworkView


@final
@dataclass
class Rewiring(Policy):
    """In every block, prune the connections of lowest score and grow as many others.

    What was just pruned is not grown again in the same update.  New connections start at
    weight zero, so growing changes no prediction, and with fresh optimizer state.

    Parameters
    ----------
    prune : PruneScore
        What each connection is worth.
    grow : Growth
        Which missing connections are chosen.
    schedule : UpdateSchedule
        When, and how many.
    """

    prune: PruneScore
    grow: Growth
    schedule: UpdateSchedule

    @property
    def statistics(self) -> Statistics:
        """What prune score and growth rule need together."""
        one, other = self.prune.statistics, self.grow.statistics
        return replace(
            one,
            saliency=one.saliency or other.saliency,
            moments=one.moments or other.moments,
        )

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """The steps of the schedule."""
        return self.schedule.steps(n_steps)

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Prune and grow the scheduled share of every block."""
        scores = self.prune(view, rng)
        share = self.schedule.share(view.step, view.n_steps)
        wanted = [
            (block, min(int(share * len(block.positions)), view.count_missing(block)))
            for block in view.blocks
        ]
        choice = self.grow(view, wanted, rng)
        pruned = [
            self._prune(view, block, scores, len(new), rng)
            for block, new in zip(view.blocks, choice.grown, strict=True)
        ]
        return Proposal(
            [*pruned, *(self._connect(view, new) for new in choice.grown)], choice.arms
        )

    def _prune(
        self, view: NetworkView, block: Block, scores: Array, count: int, rng: Generator
    ) -> Edit:
        held = block.positions
        gone = held[lowest(scores[held], count, rng)]
        return Disconnect(
            view.structure.connection_ids[gone],
            keep_stranded=True,  # what lost its last connection may get another one
            reason=f"low {self.prune.name}",
            scores=scores[gone],
        )

    def _connect(self, view: NetworkView, new: Grown) -> Edit:
        ids = view.structure.neuron_ids
        return Connect(
            ids[new.sources],
            ids[new.targets],
            reason=f"{self.grow.name} growth",
            scores=new.scores,
        )

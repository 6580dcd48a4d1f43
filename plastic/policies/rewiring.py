"""Rewiring at a constant number of connections: what SET, RigL and Thompson have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Connect, Disconnect
from plastic.engine import Statistics
from plastic.policies.allocation import IN_PLACE, Allocation, Allotment
from plastic.policies.base import Policy, Proposal, stack_arms
from plastic.policies.growth import Grown, Growth
from plastic.policies.memory import State, gather, hand_out, let_look, looking_steps
from plastic.policies.parts import PruneScore, UpdateSchedule, lowest, together
from plastic.signals import NetworkView

_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


@final
@dataclass
class Rewiring(Policy):
    """Prune the connections of lowest score in every block, and grow as many others.

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
    allocation : Allocation
        How the update is spread over the blocks; by default each keeps its number.
    """

    prune: PruneScore
    grow: Growth
    schedule: UpdateSchedule
    allocation: Allocation = IN_PLACE

    @property
    def statistics(self) -> Statistics:
        """What prune score and growth rule need together."""
        return together((self.prune.statistics, self.grow.statistics))

    @property
    def parts(self) -> dict[str, object]:
        """What it is composed of, by the name of the field."""
        return {"prune": self.prune, "grow": self.grow, "allocation": self.allocation}

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """The steps of the schedule, and those at which a part wants to look."""
        return looking_steps(self.parts, self.schedule.steps(n_steps))

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Prune and grow the scheduled share of every block."""
        updates = self.schedule.steps(view.n_steps)
        if let_look(self.parts, updates, view, rng):
            return Proposal()
        scores = self.prune(view, rng)
        share = self.schedule.share(view.step, view.n_steps)
        allotments = self.allocation(view, scores, share, rng)
        wanted = [(b, a.grow) for b, a in zip(view.blocks, allotments, strict=True)]
        choice = self.grow(view, wanted, rng)
        held = [block.positions for block in view.blocks]
        worst = [
            at[lowest(scores[at], a.prune, rng)] for at, a in zip(held, allotments, strict=True)
        ]
        gone, fitting = _settled(view, allotments, worst, choice.grown)
        ids = view.structure.neuron_ids
        sources, targets, worth = (
            np.concatenate([getattr(new, part) for new in fitting])
            for part in ("sources", "targets", "scores")
        )
        # one edit of each kind for all blocks: the arrays are made anew for every edit
        pruned = Disconnect(
            view.structure.connection_ids[gone],
            keep_stranded=True,  # what lost its last connection may get another one
            reason=f"low {self.prune.name}",
            scores=scores[gone],
        )
        grown = Connect(
            ids[sources], ids[targets], reason=f"{self.grow.name} growth", scores=worth
        )
        of_blocks = [{k: np.array([v]) for k, v in each.arm.items()} for each in allotments]
        return Proposal([pruned, grown], stack_arms([*of_blocks, choice.arms]))

    def state(self) -> State:
        """What its parts remember."""
        return gather(self.parts)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on as the policy that this state is of."""
        hand_out(self.parts, state)


def _settled(
    view: NetworkView,
    allotments: list[Allotment],
    worst: list[NDArray[np.int64]],
    grown: list[Grown],
) -> tuple[NDArray[np.int64], list[Grown]]:
    """Positions to prune, and what of `grown` fits: as many of both, within the fan limits.

    What does not fit is not grown; then less is pruned, which leaves less room, and so on
    until all fits.
    """
    while True:
        counts = _prune_counts(allotments, grown)
        gone = np.concatenate([at[:n] for at, n in zip(worst, counts, strict=True)])
        if view.constraints.max_fan_in is None and view.constraints.max_fan_out is None:
            return gone, grown
        fitting, sources, targets = [], _NONE, _NONE
        for new in grown:  # earlier blocks take up room first
            sources = np.concatenate([sources, new.sources])
            targets = np.concatenate([targets, new.targets])
            fits = view.fitting(sources, targets, gone)
            own = fits[len(fits) - len(new) :]
            fitting.append(Grown(new.sources[own], new.targets[own], new.scores[own]))
            sources, targets = sources[fits], targets[fits]
        if sum(map(len, fitting)) == sum(map(len, grown)):
            return gone, grown
        grown = fitting


def _prune_counts(allotments: list[Allotment], grown: list[Grown]) -> list[int]:
    """How many to prune in each block, so that no more go than were really grown."""
    counts = []
    for allotment, new in zip(allotments, grown, strict=True):
        missed = allotment.grow - len(new)
        counts.append(max(allotment.prune - missed, 0))
    surplus = sum(counts) - sum(len(new) for new in grown)
    for block, count in enumerate(counts):
        less = min(max(surplus, 0), count)
        counts[block] -= less
        surplus -= less
    return counts

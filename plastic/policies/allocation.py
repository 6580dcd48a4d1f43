"""Allocation over groups: how many connections each block loses and gains in an update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.signals import NetworkView

Array = NDArray[Any]


@dataclass(frozen=True)
class Allotment:
    """What one block is to lose and to gain.

    Parameters
    ----------
    prune, grow : int
        Connections.
    arm : mapping of str to object
        The block's row for the table of arms, if blocks are arms.
    """

    prune: int
    grow: int
    arm: Mapping[str, Any] = field(default_factory=dict)


class Allocation(Protocol):
    """How to spread an update over the blocks; both sums must be the same."""

    def __call__(
        self, view: NetworkView, scores: Array, share: float, rng: Generator
    ) -> list[Allotment]:
        """One for each of ``view.blocks``.

        Parameters
        ----------
        view : NetworkView
        scores : float array, shape (n_connections,)
            What each connection is worth.
        share : float
            Of the connections that are to be renewed.
        rng : Generator
        """


@dataclass(frozen=True)
class InPlace:
    """Every block renews the same share and keeps its number of connections, as in RigL."""

    def __call__(
        self, view: NetworkView, scores: Array, share: float, rng: Generator
    ) -> list[Allotment]:
        """As many grown as pruned in each block."""
        counts = [
            min(int(share * len(block.positions)), view.count_missing(block))
            for block in view.blocks
        ]
        return [Allotment(count, count) for count in counts]


IN_PLACE = InPlace()


@dataclass(frozen=True)
class ByScore:
    """Every block loses the same share; what is grown goes where connections are worth most.

    Blocks gain in proportion to the mean score of their connections, up to the room that they
    have.

    References
    ----------
    Dettmers and Zettlemoyer (2019), Sparse Networks from Scratch, arXiv:1907.04840, section 3,
    with the mean momentum there where any score may stand here.
    """

    def __call__(
        self, view: NetworkView, scores: Array, share: float, rng: Generator
    ) -> list[Allotment]:
        """The total of what is pruned, spread by mean score."""
        held = [block.positions for block in view.blocks]
        worth = np.array([scores[at].mean() if len(at) else 0.0 for at in held])
        prune, room = what_may_move(view, share)
        grow = spread(worth, room, int(prune.sum()))
        return [Allotment(*pair) for pair in zip(prune.tolist(), grow.tolist(), strict=True)]


@dataclass(frozen=True)
class ByMomentum:
    """As `ByScore`, by the mean magnitude of the optimizer's momentum, as its authors did."""

    def __call__(
        self, view: NetworkView, scores: Array, share: float, rng: Generator
    ) -> list[Allotment]:
        """The total of what is pruned, spread by mean momentum."""
        return ByScore()(view, np.abs(view.momentum), share, rng)


def what_may_move(
    view: NetworkView, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many each block is to lose, no more than there is room for in all; and its room."""
    room = np.array([view.count_missing(block) for block in view.blocks])
    prune = np.array([int(share * len(block.positions)) for block in view.blocks])
    return spread(prune, prune, min(int(prune.sum()), int(room.sum()))), room


def spread(weights: Array, room: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to weights, none above its room, that add up to a total.

    Parameters
    ----------
    weights : float array, shape (n,)
        At least 0; where all that have room are 0, room counts instead.
    room : int array, shape (n,)
        Together at least `total`.
    total : int

    Returns
    -------
    int array, shape (n,)

    Examples
    --------
    >>> spread(np.array([3.0, 1.0, 1.0]), np.array([2, 9, 9]), 6)
    array([2, 2, 2])
    """
    counts = np.zeros(len(room), np.int64)
    while counts.sum() < total:
        left = room - counts
        open_weights = np.where(left > 0, weights, 0.0)
        if open_weights.sum() == 0:
            open_weights = left.astype(float)
        ideal = open_weights / open_weights.sum() * (total - counts.sum())
        step = np.minimum(np.floor(ideal).astype(np.int64), left)
        if not step.any():  # less than one each: the largest parts first
            first = np.lexsort((np.arange(len(left)), -np.where(left > 0, ideal, -1.0)))
            step[first[: int(total - counts.sum())]] = 1
            step = np.minimum(step, left)
        counts += step
    return counts

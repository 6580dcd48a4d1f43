"""Growth rules: which missing connections of a block to grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.blocks import Block
from plastic.engine import Statistics
from plastic.engine.race import draw_by_race
from plastic.policies.parts import NOTHING, Part, highest
from plastic.signals import CHUNK, NetworkView

Array = NDArray[Any]
Slots = NDArray[np.int64]


Wanted = Sequence[tuple[Block, int]]


@dataclass(frozen=True, eq=False)
class Grown:
    """Connections of one block to grow.

    Parameters
    ----------
    sources, targets : int arrays, shape (n_grown,)
        Slots.
    scores : float array, shape (n_grown,)
        Why these; NaN where chance chose them.
    """

    sources: Slots
    targets: Slots
    scores: Array

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True, eq=False)
class Choice:
    """What a growth rule chose.

    Parameters
    ----------
    grown : list of Grown
        One for each block.
    arms : dict of str to array
        Rows for the table of arms, if there are arms.
    """

    grown: list[Grown]
    arms: dict[str, Array] = field(default_factory=dict)


class Growth(Part, Protocol):
    """How to choose among missing connections."""

    def __call__(self, view: NetworkView, wanted: Wanted, rng: Generator) -> Choice:
        """Up to so many missing connections of each block; fewer where there are fewer."""


@dataclass(frozen=True)
class RandomGrowth:
    """Any missing connection, all equally likely, as in SET."""

    name: ClassVar[str] = "random"
    statistics: ClassVar[Statistics] = NOTHING

    def __call__(self, view: NetworkView, wanted: Wanted, rng: Generator) -> Choice:
        """Missing connections of each block, drawn without replacement."""
        pairs = [draw_missing(view, block, count, rng) for block, count in wanted]
        return Choice([Grown(*pair, np.full(len(pair[0]), np.nan)) for pair in pairs])


@dataclass(frozen=True)
class GradientGrowth:
    """The missing connections with the largest gradients, all of them computed, as in RigL."""

    name: ClassVar[str] = "gradient"
    statistics: ClassVar[Statistics] = NOTHING

    def __call__(self, view: NetworkView, wanted: Wanted, rng: Generator) -> Choice:
        """The missing connections of each block with the largest gradients."""
        return Choice([Grown(*view.strongest_missing(*each, rng)) for each in wanted])


def best_missing(
    view: NetworkView,
    block: Block,
    count: int,
    rng: Generator,
    score: Callable[[Slots, Slots], Array],
) -> Grown:
    """The missing connections of a block that score highest; all of them are scored."""
    best = Grown(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    if count == 0:
        return best
    for sources, targets in view.missing(block):  # only the best so far are kept
        scores = np.concatenate([best.scores, score(sources, targets)])
        sources = np.concatenate([best.sources, sources])
        targets = np.concatenate([best.targets, targets])
        top = highest(scores, count, rng)
        best = Grown(sources[top], targets[top], scores[top])
    return best


def verified(
    view: NetworkView, sources: Slots, targets: Slots, count: int, rng: Generator
) -> tuple[Grown, Array]:
    """Of some that are missing, those with the largest gradients; and the gradients of all."""
    scores = view.candidate_gradients(sources, targets, are_missing=True)
    np.abs(scores, out=scores)
    top = highest(scores, count, rng)
    return Grown(sources[top], targets[top], scores[top]), scores


def draw_missing(
    view: NetworkView,
    block: Block,
    count: int,
    rng: Generator,
    source_scores: Array | None = None,
    target_scores: Array | None = None,
) -> tuple[Slots, Slots]:
    r"""Draw missing connections without replacement.

    Connection `u -> v` is drawn in proportion to :math:`(a_u d_v)^2`.  That is done by a race
    of all pairs (`plastic.engine.race`), at about a nanosecond a pair.  Where the block is
    large and few are wanted, source and target are drawn on their own, which the product
    allows; what is there already, goes against the order or was drawn before is drawn again.
    The cost then depends on neurons and candidates, not on the pairs that there are.

    Parameters
    ----------
    view, block, count, rng
    source_scores, target_scores : float arrays, shapes of block.sources and block.targets
        :math:`a` and :math:`d`, above 0; all equal if left out.

    Returns
    -------
    sources, targets : int arrays, shape (at most count,)
        Slots, in no particular order; all there are if they are fewer than `count`.

    References
    ----------
    Efraimidis and Spirakis (2006), Weighted random sampling with a reservoir, Information
    Processing Letters 97, algorithm A.
    """
    room = view.count_missing(block)
    count = min(count, room)
    if count <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    weights = [
        np.ones(len(slots)) if scores is None else np.maximum(scores, 1e-9)
        for slots, scores in ((block.sources, source_scores), (block.targets, target_scores))
    ]
    # rejection is cheap, and finds enough, while few of the missing ones are wanted
    if room > max(CHUNK, 64 * count):
        return _draw_by_rejection(view, block, count, rng, weights)
    return _draw_by_race(view, block, count, rng, weights)


def _draw_by_race(
    view: NetworkView, block: Block, count: int, rng: Generator, weights: list[Array]
) -> tuple[Slots, Slots]:
    squares = np.empty((2, view.structure.n_neurons))
    for square, slots, weight in zip(
        squares, (block.sources, block.targets), weights, strict=True
    ):
        square[slots] = weight**2
    return draw_by_race(view.missing_of(block), count, squares[0], squares[1], rng)


def _draw_by_rejection(
    view: NetworkView, block: Block, count: int, rng: Generator, weights: list[Array]
) -> tuple[Slots, Slots]:
    n = view.structure.n_neurons
    keys = np.zeros(0, np.int64)
    for size in _growing(2 * count):
        drawn = [
            slots[_draw_index(weight**2, size, rng)]
            for slots, weight in zip((block.sources, block.targets), weights, strict=True)
        ]
        fits = view.is_missing(*drawn)
        keys = _in_order_of_coming(np.concatenate([keys, drawn[1][fits] * n + drawn[0][fits]]))
        if len(keys) >= count:
            break
    return keys[:count] % n, keys[:count] // n


def _growing(first: int, rounds: int = 8) -> Iterator[int]:
    """Sizes of the rounds of drawing; if weights leave too few to be found, it ends."""
    return (first * 2**k for k in range(rounds))


def _draw_index(weights: Array, size: int, rng: Generator) -> Slots:
    bounds = np.cumsum(weights)
    return np.searchsorted(bounds, rng.random(size) * bounds[-1], side="right").clip(
        max=len(weights) - 1
    )


def _in_order_of_coming(keys: Slots) -> Slots:
    _, first = np.unique(keys, return_index=True)
    return keys[np.sort(first)]

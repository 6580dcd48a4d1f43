"""Interleaved timing: every round runs every contender once, and a ratio is of one round.

A machine that slows down for a while slows down all contenders of that round, so a ratio
within a round says more than a ratio of two medians taken minutes apart.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError

Array = NDArray[Any]

SPREAD = (10, 90)
"""Percentiles over the rounds that `Row.ratio_low` and `Row.ratio_high` are."""

FEWEST_ROUNDS = 3
"""Rounds that are run however slow a contender is."""


class Disagreement(PlasticError):
    """Two programs that are to be compared do not compute the same."""


@dataclass(frozen=True)
class Contender:
    """Something to be timed.

    Parameters
    ----------
    name : str
    run : callable
        What is timed.
    prepare : callable, optional
        Called before each `run`, off the clock.
    per : float
        How many units one `run` does; times are divided by it.
    threads : int
        That it may use; told in the table.
    """

    name: str
    run: Callable[[], Any]
    prepare: Callable[[], Any] = lambda: None
    per: float = 1.0
    threads: int = 1


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Parameters
    ----------
    rounds : int
        At most.
    seconds : float
        For all contenders of a comparison together, but for `FEWEST_ROUNDS`.
    call_seconds : float
        A call of a fast program repeats its step for about this long.
    """

    rounds: int
    seconds: float
    call_seconds: float


FULL = Effort(rounds=25, seconds=30.0, call_seconds=0.05)
QUICK = Effort(rounds=5, seconds=4.0, call_seconds=0.02)


@dataclass(frozen=True)
class Row:
    """A line of the table: `docs/bench.md` explains each column."""

    case: str
    density: float
    threads: int
    peer: str
    our_ms: float
    peer_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float


def timed(contender: Contender) -> float:
    """Milliseconds a unit of one call, preparation not counted."""
    contender.prepare()
    start = time.perf_counter()
    contender.run()
    return (time.perf_counter() - start) * 1e3 / contender.per


def interleaved(contenders: Sequence[Contender], effort: Effort) -> Array:
    """Time contenders in turn.

    Parameters
    ----------
    contenders : sequence of Contender
    effort : Effort

    Returns
    -------
    float array, shape (n_rounds, n_contenders)
        Milliseconds a unit; one round to warm up is not among them.

    Examples
    --------
    >>> nothing = Contender("nothing", lambda: None)
    >>> interleaved([nothing, nothing], Effort(rounds=4, seconds=1.0, call_seconds=0.0)).shape
    (4, 2)
    """
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()  # no contender pays for what another one left behind
    try:
        start = time.perf_counter()
        for contender in contenders:
            timed(contender)
        round_seconds = max(time.perf_counter() - start, 1e-9)
        affordable = max(FEWEST_ROUNDS, int(effort.seconds / round_seconds))
        rounds = []
        for k in range(min(effort.rounds, affordable)):
            # the order turns, so that nobody always follows the same neighbour
            order = np.roll(np.arange(len(contenders)), k)
            times = np.empty(len(contenders))
            for at in order.tolist():
                times[at] = timed(contenders[at])
            rounds.append(times)
    finally:
        if collecting:
            gc.enable()
    return np.array(rounds)


def compare(
    case: str, density: float, ours: Contender, peers: Sequence[Contender], effort: Effort
) -> list[Row]:
    """Rows of one comparison: ours against each peer.

    A ratio is the peer's time over ours in the same round: above 1, ours is faster.
    """
    if not peers:
        return []
    times = interleaved([ours, *peers], effort)
    return [
        _row(case, density, peer, times[:, 0], times[:, at])
        for at, peer in enumerate(peers, start=1)
    ]


def _row(case: str, density: float, peer: Contender, ours: Array, theirs: Array) -> Row:
    ratios = theirs / ours
    low, high = np.percentile(ratios, SPREAD)
    return Row(
        case,
        density,
        peer.threads,
        peer.name,
        float(np.median(ours)),
        float(np.median(theirs)),
        float(np.median(ratios)),
        float(low),
        float(high),
    )


def check_equal(what: str, name: str, ours: Array, theirs: Array, tolerance: float) -> None:
    """Raise unless two programs computed the same.

    Parameters
    ----------
    what, name : str
        What was compared, and with whom; for the message.
    ours, theirs : float arrays of one shape
    tolerance : float
        Of the largest difference, relative to the largest of our values.

    Raises
    ------
    Disagreement

    Examples
    --------
    >>> check_equal("losses", "a peer", np.array([1.0]), np.array([1.1]), 1e-3)
    Traceback (most recent call last):
        ...
    experiments.bench.measure.Disagreement: losses of a peer differ from ours by 0.1, \
above 0.001: [1.1] and [1.]
    """
    scale = float(np.max(np.abs(ours)))
    difference = float(np.max(np.abs(ours - theirs))) / scale
    if not difference <= tolerance:
        raise Disagreement(
            f"{what} of {name} differ from ours by {difference:.3g}, above {tolerance:g}: "
            f"{np.ravel(theirs)[:4]} and {np.ravel(ours)[:4]}"
        )

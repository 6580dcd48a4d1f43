"""Missing connections by chance: a race in which each pair runs as fast as it is likely."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine.bits import below, count_bits, lowest_bit
from plastic.engine.candidates import Missing

Array = NDArray[Any]
Slots = NDArray[np.int64]

SAMPLED = 2048
"""Pairs from which `draw_by_race` estimates when a race may be called off."""

UNIT = 2.0**30
"""Draws are whole numbers from 0 to below this."""

LATEST = 1e300
"""An end of a race by which everybody has arrived."""

HELD = np.int32(2**31 - 1)
"""Stands where a draw would, at the connections that are there."""

WORD = 64
"""Columns that are looked at together: a bit for each."""

TINY = 1e-300

FAR = 1e25
"""Where the fastest get so far, in draws, everybody is looked at.  If not, who is too slow for
single precision (1e-38 of the fastest) is too slow to arrive."""


def draw_by_race(
    missing: Missing,
    count: int,
    source_weights: Array,
    target_weights: Array,
    rng: Generator,
) -> tuple[Slots, Slots]:
    r"""Draw missing connections without replacement, in proportion to products of weights.

    Every pair runs for a time :math:`E_{uv} / (a_u d_v)`, with :math:`E` from the exponential
    distribution; the first `count` are drawn.  The race is called off at a time that is
    estimated from some of the pairs, and run again for longer if too few have arrived; the
    times of those that had arrived are the same again.

    Parameters
    ----------
    missing : Missing
    count : int
        From 1 to ``missing.count``.
    source_weights, target_weights : float arrays, shape (n_neurons,)
        :math:`a` and :math:`d`, above 0, by slot.
    rng : Generator

    Returns
    -------
    sources, targets : int arrays, shape (count,)
        Slots, target by target.

    References
    ----------
    Efraimidis and Spirakis (2006), Weighted random sampling with a reservoir, Information
    Processing Letters 97, algorithm A.
    """
    a, d = source_weights[missing.sources], target_weights[missing.targets]
    end = _race_end(missing, count, a, d, rng)
    seeds = rng.integers(2**63, size=len(d), dtype=np.uint64)
    room = min(2 * count + SAMPLED, missing.count)
    times, columns = np.empty(room, np.float32), np.empty(room, np.int32)
    n_lanes = len(a) + 2 * WORD  # whole words, and what is written beyond the last
    draws, runners = np.empty((2, n_lanes), np.int32)
    weights, speeds, left, clock = np.zeros((4, n_lanes))
    weights[: len(a)] = a
    shares = (weights / a.max()).astype(np.float32)
    starts = np.empty(len(d) + 1, np.int64)
    arrived = 0
    while not count <= arrived <= room:
        arrived = _race(
            missing.targets, missing.limits, missing.columns, missing.indptr, missing.held,
            weights, shares, d * a.max(), d, seeds, end, draws, runners, speeds, left, clock,
            times, columns, starts,
        )  # fmt: skip
        end *= 2.0 if arrived < count else 0.7
    # whole numbers are partitioned faster, and sort as the times do, which are above 0
    last = np.partition(times[:arrived].view(np.int32), count - 1)[count - 1].view(np.float32)
    sources, targets = np.empty((2, count), np.int64)
    _take_first(
        last, times, columns, starts, missing.sources, missing.targets, sources, targets
    )
    return sources, targets


def _race_end(missing: Missing, count: int, a: Array, d: Array, rng: Generator) -> float:
    """A time by which about `count` pairs will have arrived, or a few more."""
    share = count / missing.count
    if share >= 1:
        return LATEST
    columns, rows = rng.integers(len(a), size=SAMPLED), rng.integers(len(d), size=SAMPLED)
    fits = columns < missing.limits[rows]
    _leave_out_held(
        missing.sources[columns], missing.targets[rows], missing.indptr, missing.held, fits
    )  # the likely ones are there already, after a few updates
    weights = a[columns[fits]] * d[rows[fits]] if fits.any() else np.array([a.max() * d.max()])
    spread = math.sqrt((1 - share) / (share * len(weights)))
    share = min(share * (1 + 2 * spread), (1 + share) / 2)
    time = _time_of(share, weights)
    late = share / weights.mean()  # too early still
    while late < min(time, LATEST):
        late *= 2
    early = late / 2
    for _ in range(6):
        middle = (early + late) / 2
        early, late = (middle, late) if middle < time else (early, middle)
    return float(late)


def _time_of(share: float, weights: Array) -> float:
    """When a share has arrived, by Newton's method: never beyond, as arrivals slow down.

    Examples
    --------
    >>> round(_time_of(0.5, np.array([2.0, 2.0])) * 2 / math.log(2), 9)
    1.0
    """
    time = -math.log1p(-share) / float(weights.mean())  # if all were alike; else too early
    while time < LATEST:
        left = np.exp(-time * weights)
        arrived, pace = 1 - left.sum() / len(left), float(weights @ left) / len(left)
        step = (share - arrived) / max(pace, TINY)
        time += step
        if step <= 1e-6 * time:  # whose square is how far from the end it is now
            break
    return float(time)


@njit(cache=True, nogil=True, error_model="numpy")
def _leave_out_held(
    sources: Slots, targets: Slots, indptr: Array, held: Array, fits: NDArray[np.bool_]
) -> None:
    for k in range(len(sources)):
        found = 0
        if not fits[k]:
            continue
        for e in range(indptr[targets[k]], indptr[targets[k] + 1]):
            found += held[e] == sources[k]  # to the end: so it is vectorized
        fits[k] &= found == 0


@njit(cache=True, nogil=True, error_model="numpy")
def _race(
    targets, limits, columns_of, indptr, held, a, shares, fastest, d, seeds, end, draws,
    runners, speeds, left, clock, times, columns, starts,
):  # fmt: skip
    """Note who arrives by the end, as far as there is room; returns how many do.

    `shares` are `a` over the largest, and `fastest` is `d` times that.  `starts` is filled with
    where those of each target begin, and the number of all.  Arrays by column go two words
    beyond the last, where `a` is 0.
    """
    arrived, room = 0, len(times)
    for row in range(len(targets)):
        target, n = targets[row], limits[row]
        starts[row] = arrived
        for column in range(n):  # as `_numbers`, in a form that is vectorized
            x = seeds[row] + np.uint64(column) * np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            draws[column] = np.int32((x ^ (x >> np.uint64(31))) >> np.uint64(34))
        draws[n : n + WORD] = HELD
        for e in range(indptr[target], indptr[target + 1]):
            column = columns_of[held[e]]
            if column >= 0:
                draws[column] = HELD
        # E = -log(1 - u) is at least u, so who is beyond this does not arrive in time
        reach = fastest[row] * end * UNIT
        n_runners = _note_below(draws, a, shares, n, reach, runners, left, speeds)
        for k in range(n_runners):
            left[k] = 1.0 - (left[k] + 0.5) / UNIT
        _log(left, n_runners, clock)
        for k in range(n_runners):
            clock[k] /= -(speeds[k] * d[row])
        if arrived + n_runners > room:  # never again, if the end was well chosen
            for k in range(n_runners):
                if arrived < room:
                    times[arrived], columns[arrived] = clock[k], runners[k]
                arrived += clock[k] <= end
            continue
        for k in range(n_runners):  # noted whoever it is, as a branch would often be in vain
            times[arrived], columns[arrived] = clock[k], runners[k]
            arrived += clock[k] <= end
    starts[len(targets)] = arrived
    return arrived


@njit(cache=True, nogil=True, error_model="numpy")
def _note_below(draws, a, shares, n, reach, noted, noted_draws, noted_a):
    """Columns whose draw is below ``share * reach``, their draws and `a`; returns how many.

    A few more may be noted than are, as it is looked at in single precision; and up to seven
    places more are written: eight bits at a time, so that how many there are is seldom
    foreseen wrongly.
    """
    n_noted = 0
    factor, most = np.float32(min(reach, FAR) * (1 + 1e-6)), np.float32(1.5 * UNIT)
    least = most if reach >= FAR else np.float32(0)  # then no share may be too small
    for word in range(0, n, WORD):
        bits = below(draws, shares, word, factor, least, most)
        count = count_bits(bits)
        for first in range(n_noted, n_noted + count, 8):
            for k in range(8):
                column = word + lowest_bit(bits)
                bits &= bits - np.uint64(1)
                noted[first + k] = column
                noted_draws[first + k], noted_a[first + k] = draws[column], a[column]
        n_noted += count
    return n_noted


@njit(cache=True, nogil=True, error_model="numpy")
def _log(x: Array, n: int, logs: Array) -> None:
    r"""Natural logarithms of the first `n` of `x`, positive and normal, to a part in 1e12.

    The series of :math:`2 \operatorname{artanh} s` with :math:`s = (m - 1) / (m + 1)`, for a
    mantissa `m` between 0.7 and 1.4.  Without a call it is vectorized, and five times as fast.
    """
    bits, mantissa = x.view(np.int64), logs.view(np.int64)
    for k in range(n):
        mantissa[k] = (bits[k] & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000
    for k in range(n):
        large = logs[k] > 1.4142135623730951
        m = 0.5 * logs[k] if large else logs[k]
        exponent = (bits[k] >> 52) - (1022 if large else 1023)
        s = (m - 1.0) / (m + 1.0)
        z = s * s
        series = 1 / 9 + z * (1 / 11 + z * (1 / 13 + z / 15))
        series = 1.0 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * series)))
        logs[k] = exponent * 0.6931471805599453 + 2.0 * s * series


@njit(cache=True, nogil=True, error_model="numpy")
def _take_first(last, times, columns, starts, sources, targets, drawn_sources, drawn_targets):
    """Slots of those who arrived no later than the last one, as many as there is room for."""
    drawn, room = 0, len(drawn_sources)
    for row in range(len(targets)):
        for k in range(starts[row], starts[row + 1]):
            if drawn < room:  # noted whoever it is, as above
                drawn_sources[drawn], drawn_targets[drawn] = sources[columns[k]], targets[row]
            drawn += times[k] <= last

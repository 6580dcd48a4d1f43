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
from plastic.engine.pairs import multiply_add
from plastic.engine.simd import LANES, add, fma, load_like, splat, total
from plastic.engine.vector_math import exp

Array = NDArray[Any]
Slots = NDArray[np.int64]

SAMPLED = 2048
"""Pairs from which `draw_by_race` estimates when a race may be called off."""

UNIT = 2.0**30
"""Draws are whole numbers from 0 to below this."""

LATEST = 1e300
"""An end of a race by which everybody has arrived."""

LEAST = 0.49
"""Where the fastest get less far, in draws, nobody arrives: the lowest counts as a half."""

HELD = np.int32(2**31 - 1)
"""Stands where a draw would, at the connections that are there."""

WORD = 64
"""Columns that are looked at together: a bit for each."""

BATCH = 512
"""Runners whose times are told together, or a few more."""

TINY = 1e-300

FAR = 1e25
"""Where the fastest get so far, in draws, single precision is not enough.  If not, who is too
slow for it (1e-38 of the fastest) is too slow to arrive."""


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
    largest = a.max()
    end = _race_end(missing, count, a, d, largest * d.max(), rng)
    seeds = rng.integers(2**63, size=len(d), dtype=np.uint64)
    room = min(2 * count + SAMPLED, missing.count)
    n_lanes = len(a) + 2 * WORD  # whole words, and what is noted beyond the last
    draws = np.empty(n_lanes, np.int32)
    speeds, left, clock = np.empty((3, BATCH + n_lanes))
    shares = np.zeros(n_lanes, np.float32)
    shares[: len(a)] = a / largest
    starts = np.empty(len(d) + 1, np.int64)
    arrived = noted = 0
    while arrived < count:
        times, columns = np.empty(room, np.float32), np.empty(room + n_lanes, np.int32)
        arrived, noted = _race(
            missing.targets, missing.limits, missing.columns, missing.indptr, missing.held,
            a, shares, d * largest, d, seeds, end, draws, speeds, left, clock, times, columns,
            starts,
        )  # fmt: skip
        if noted > room:
            room = min(2 * room, missing.count)
        elif arrived < count:
            end *= 2.0
    # whole numbers are partitioned faster, and sort as the times do, which are above 0
    last = np.partition(times[:noted].view(np.int32), count - 1)[count - 1].view(np.float32)
    sources, targets = np.empty((2, count), np.int64)
    _take_first(
        last, times, columns, starts, missing.sources, missing.targets, sources, targets
    )
    return sources, targets


def _race_end(
    missing: Missing, count: int, a: Array, d: Array, largest: float, rng: Generator
) -> float:
    """A time by which about `count` pairs will have arrived, or a few more.

    `largest` is the weight that none is above.
    """
    share = count / missing.count
    if share >= 1:
        return LATEST
    columns, rows = rng.integers(len(a), size=SAMPLED), rng.integers(len(d), size=SAMPLED)
    weights = np.full(SAMPLED, largest)
    found = _weigh_missing(
        columns, rows, missing.limits, missing.sources, missing.targets, missing.indptr,
        missing.held, a, d, weights,
    )  # fmt: skip
    return _end_of(share, count, weights[: max(found, 1)])


@njit(cache=True, nogil=True, error_model="numpy")
def _end_of(share, count, weights):
    """When a share of so many has arrived, if these weights are a sample of all."""
    n = len(weights)
    mean = _left_at(0.0, weights)[1] / n
    time = _time_of(share, weights, mean, 0.0)
    left, _, squares = _left_at(time, weights)
    variance = (n - 2 * left + squares) / n - share**2  # of the chance to arrive
    # of its mean in the sample, and of how many do arrive; but few weights tell little
    spread = math.sqrt(max(variance, 0.0) / n) / share + 1 / math.sqrt(count) + 2 / n
    return _time_of(min(share * (1 + 2 * spread), (1 + share) / 2), weights, mean, time)


@njit(cache=True, nogil=True, error_model="numpy")
def _time_of(share, weights, mean, start):
    """When a share has arrived, by Newton's method: never beyond, as arrivals slow down.

    Examples
    --------
    >>> round(_time_of(0.5, np.array([2.0, 2.0]), 2.0, 0.0) * 2 / math.log(2), 9)
    1.0
    """
    n = len(weights)
    time = max(start, -math.log1p(-share) / mean)  # if all were alike; else too early
    while time < LATEST:
        left, pace, _ = _left_at(time, weights)
        step = (left / n - (1 - share)) / max(pace / n, TINY)
        time += step
        if step <= 1e-2 * time:  # whose square is about how far from the end it is now
            break
    return time


@njit(cache=True, nogil=True, error_model="numpy")
def _left_at(time, weights):
    """Sums of ``p``, ``w * p`` and ``p * p``, with ``p = exp(-w * time)`` over weights ``w``.

    That is the chance not to have arrived, and how fast it falls.
    """
    zero, whole = splat(time - time), len(weights) - len(weights) % LANES
    left = pace = squares = zero
    for first in range(0, whole, LANES):
        weight = load_like(weights, first, zero)
        share = exp(fma(-time, weight, zero))
        left, pace = add(left, share), multiply_add(weight, share, pace)
        squares = multiply_add(share, share, squares)
    of_left, of_pace, of_squares = total(left), total(pace), total(squares)
    for k in range(whole, len(weights)):
        alone = math.exp(-time * weights[k])
        of_left += alone
        of_pace += weights[k] * alone
        of_squares += alone * alone
    return of_left, of_pace, of_squares


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh_missing(columns, rows, limits, sources, targets, indptr, held, a, d, weights):
    """The weights of those of some pairs that are missing; returns how many they are.

    The likely ones are there already, after a few updates.  `weights` comes filled with the
    largest; those that are next to nothing beside it are taken to be missing.
    """
    n_missing, least = 0, 1e-6 * weights[0]
    for k in range(len(columns)):
        column, row = columns[k], rows[k]
        if column >= limits[row]:
            continue
        source, target, weight, found = sources[column], targets[row], a[column] * d[row], 0
        stop = indptr[target + 1] if weight >= least else indptr[target]
        for e in range(indptr[target], stop):
            found += held[e] == source  # to the end: so it is vectorized
        if found == 0:
            weights[n_missing] = weight
            n_missing += 1
    return n_missing


@njit(cache=True, nogil=True, error_model="numpy")
def _race(
    targets, limits, columns_of, indptr, held, a, shares, fastest, d, seeds, end, draws,
    speeds, left, clock, times, columns, starts,
):  # fmt: skip
    """Note who may arrive by the end, and when.

    `shares` are `a` over the largest, and `fastest` is `d` times that.  `starts` is filled with
    where those of each target begin, and the number of all.  Arrays by column go two words
    beyond the last, where shares are 0.

    Returns
    -------
    arrived : int
        How many arrive by the end; 0 if the race was broken off.
    noted : int
        How many are noted: all of these, and some that arrive later.  The race is broken off
        when they are more than there is room for.
    """
    arrived = noted = waiting = 0
    for row in range(len(targets)):
        target, n, reach = targets[row], limits[row], end * UNIT
        starts[row] = noted
        if fastest[row] * reach < LEAST:
            continue
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
        before = noted
        if fastest[row] * reach < FAR:
            noted = _note_below(draws, shares, n, fastest[row] * reach, columns, before)
        else:
            noted = _note_far(draws, a, n, d[row] * reach, columns, before)
        if noted > len(times):
            return 0, noted
        for k in range(before, noted):
            column, at = columns[k], waiting + k - before
            left[at], speeds[at] = draws[column], a[column] * d[row]
        waiting += noted - before
        if waiting >= BATCH:  # short loops are not worth a vector
            arrived += _time(left, speeds, waiting, end, clock, times, noted - waiting)
            waiting = 0
    arrived += _time(left, speeds, waiting, end, clock, times, noted - waiting)
    starts[len(targets)] = noted
    return arrived, noted


@njit(cache=True, nogil=True, error_model="numpy")
def _time(left, speeds, n, end, clock, times, at):
    """Write the times of runners of these draws and speeds from a place on.

    Returns how many arrive by the end.
    """
    for k in range(n):
        left[k] = 1.0 - (left[k] + 0.5) / UNIT
    _log(left, n, clock)
    arrived = 0
    for k in range(n):
        time = clock[k] / -speeds[k]
        times[at + k] = time
        arrived += time <= end
    return arrived


@njit(cache=True, nogil=True, error_model="numpy")
def _note_below(draws, shares, n, reach, noted, n_noted):
    """Append columns whose draw is below ``share * reach``; returns how many are noted now.

    A few more may be noted than are, as it is looked at in single precision; and up to seven
    places more are written: eight bits at a time, so that how many there are is seldom
    foreseen wrongly.
    """
    factor, most = np.float32(reach * (1 + 1e-6)), np.float32(1.5 * UNIT)
    for word in range(0, n, WORD):
        bits = below(draws, shares, word, factor, most)
        count = count_bits(bits)
        for first in range(n_noted, n_noted + count, 8):
            for k in range(8):
                noted[first + k] = word + lowest_bit(bits)
                bits &= bits - np.uint64(1)
        n_noted += count
    return n_noted


@njit(cache=True, nogil=True, error_model="numpy")
def _note_far(draws, a, n, reach, noted, n_noted):
    """As `_note_below`, by ``a * reach``, where shares may be too small for its precision."""
    for column in range(n):
        noted[n_noted] = column
        n_noted += draws[column] < min(a[column] * reach, 1.5 * UNIT)
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

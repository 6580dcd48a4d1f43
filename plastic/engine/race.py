"""Missing connections by chance: a race in which each pair runs as fast as it is likely."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

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
    times = np.empty(room, np.float32)
    columns, rows, draws, runners = (
        np.empty(n, np.int32) for n in (room, room, len(a), len(a))
    )
    left, clock = np.empty(len(a)), np.empty(len(a))
    arrived = 0
    while not count <= arrived <= room:
        arrived = _race(
            missing.targets, missing.limits, missing.columns, missing.indptr, missing.held,
            a, d, seeds, end, draws, runners, left, clock, times, columns, rows,
        )  # fmt: skip
        end *= 2.0 if arrived < count else 0.7
    last = np.partition(times[:arrived], count - 1)[count - 1]
    sources, targets = np.empty(count, np.int64), np.empty(count, np.int64)
    _take_first(
        last, times[:arrived], columns, rows, missing.sources, missing.targets, sources, targets
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
    late = share / weights.mean()  # too early still
    while np.mean(-np.expm1(-late * weights)) < share and late < LATEST:
        late *= 2
    early = late / 2
    for _ in range(6):
        middle = (early + late) / 2
        if np.mean(-np.expm1(-middle * weights)) < share:
            early = middle
        else:
            late = middle
    return float(late)


@njit(cache=True, nogil=True, error_model="numpy")
def _leave_out_held(
    sources: Slots, targets: Slots, indptr: Array, held: Array, fits: NDArray[np.bool_]
) -> None:
    for k in range(len(sources)):
        found = 0
        for e in range(indptr[targets[k]], indptr[targets[k] + 1]):
            found += held[e] == sources[k]  # to the end: so it is vectorized
        fits[k] &= found == 0


@njit(cache=True, nogil=True, error_model="numpy")
def _race(
    targets: Slots,
    limits: Slots,
    columns_of: Slots,
    indptr: Array,
    held: Array,
    a: Array,
    d: Array,
    seeds: NDArray[np.uint64],
    end: float,
    draws: NDArray[np.int32],
    runners: NDArray[np.int32],
    left: Array,
    clock: Array,
    times: Array,
    columns: NDArray[np.int32],
    rows: NDArray[np.int32],
) -> int:
    """Note who arrives by the end, as far as there is room; returns how many do."""
    arrived = 0
    for row in range(len(targets)):
        target, n = targets[row], limits[row]
        for column in range(n):  # as `_numbers`, in a form that is vectorized
            x = seeds[row] + np.uint64(column) * np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            draws[column] = np.int32((x ^ (x >> np.uint64(31))) >> np.uint64(34))
        for e in range(indptr[target], indptr[target + 1]):
            column = columns_of[held[e]]
            if column >= 0:
                draws[column] = HELD
        reach, n_runners = d[row] * end * UNIT, 0
        for column in range(n):
            # E = -log(1 - u) is at least u, so who is beyond this does not arrive in time;
            # noted whoever it is, as a branch would be taken in vain half of the times
            runners[n_runners] = column
            n_runners += draws[column] < a[column] * reach
        for k in range(n_runners):
            left[k] = 1.0 - (draws[runners[k]] + 0.5) / UNIT
        _log(left, n_runners, clock)
        for k in range(n_runners):
            clock[k] /= -(a[runners[k]] * d[row])
        for k in range(n_runners):
            column = runners[k]
            if arrived < len(times):  # noted whoever it is, as above
                times[arrived], columns[arrived], rows[arrived] = clock[k], column, row
            arrived += (clock[k] <= end) & (draws[column] != HELD)
    return arrived


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
def _take_first(
    last: float,
    times: Array,
    columns: NDArray[np.int32],
    rows: NDArray[np.int32],
    sources: Slots,
    targets: Slots,
    drawn_sources: Slots,
    drawn_targets: Slots,
) -> None:
    """Slots of those who arrived no later than the last one, as many as there is room for."""
    drawn = 0
    for k in range(len(times)):
        if times[k] <= last and drawn < len(drawn_sources):
            drawn_sources[drawn] = sources[columns[k]]
            drawn_targets[drawn] = targets[rows[k]]
            drawn += 1

"""The strongest of all missing connections, of which few are kept and not all are computed.

Whatever is left out (see `plastic.engine.panels`) changes no bit of what is found:

* samples in which the deltas of both of two targets are 0;
* panels of sources whose norms are too small, by the inequality of Cauchy and Schwarz, to reach
  what is worth keeping.  The sources of a panel have norms of about one size, as they are
  sorted by it.

What is worth keeping is guessed from the first targets, which are fair samples of all, and
from more and more of them.  If fewer than are wanted reach that bound in the end, the search
begins again with a lower one.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine.candidates import Missing, locked
from plastic.engine.panels import (
    WIDTH,
    Field,
    Kept,
    lay_panels,
    measure_sources,
    measure_targets,
    search,
)
from plastic.engine.plan import aligned_empty
from plastic.engine.ranking import order_of, sort_keys, split_lowest

Array = NDArray[Any]
Slots = NDArray[np.int64]

FIRST_ROWS = 4
MOST_ROWS = 512
"""Targets that meet a panel before the next one takes its place in the cache; few at first,
until there is a bound."""

SORTED = 4 * WIDTH
"""Sources that are sorted by norm among each other, where their order limits their targets."""

GOLDEN = (math.sqrt(5) - 1) / 2


def strongest_missing(
    missing: Missing, outputs: Array, deltas: Array, count: int, rng: Generator
) -> tuple[Slots, Slots, Array]:
    """The missing connections with the largest gradients, largest first.

    Parameters
    ----------
    missing : Missing
    outputs, deltas : float arrays, shape (n_neurons, n_samples)
    count : int
        From 1 to ``missing.count``.
    rng : Generator
        Breaks ties: each pair gets a number of its own, which decides between equals.

    Returns
    -------
    sources, targets : int arrays, shape (count,)
        Slots; equals come by target, then by source.
    sizes : float array, shape (count,)
        Absolute gradients, averaged over the samples.
    """
    seed = rng.integers(2**63, dtype=np.uint64)
    outputs, deltas = locked(outputs), locked(deltas)
    field = _field(missing, outputs, deltas)
    room = 2 * count + MOST_ROWS * WIDTH  # a panel is done before it is seen that all is full
    kept = Kept(
        np.empty(room, outputs.dtype), np.empty(room, np.int32), np.empty(room, np.int32)
    )
    above_zero = float(np.finfo(outputs.dtype).smallest_subnormal)
    found = 0
    for bound, margin in ((above_zero, 1.0), (above_zero, 8.0), (-1.0, math.inf)):
        if found < count:
            found = _search(field, kept, count, bound, margin, seed)
    order = order_of(sort_keys(kept.sizes[:found], falling=True))
    if found > count and kept.sizes[order[count - 1]] == kept.sizes[order[count]]:
        found, _ = _keep_largest(field, kept, found, count, seed)  # chance decides
        order = order_of(sort_keys(kept.sizes[:found], falling=True))
    order = order[:count]
    sizes, rows, columns = (array[order] for array in kept)
    _sort_equals(sizes, rows, columns)
    return missing.sources[columns], missing.targets[rows], sizes / outputs.shape[1]


def _field(missing: Missing, outputs: Array, deltas: Array) -> Field:
    sources, targets = locked(missing.sources), locked(missing.targets)
    n_sources, n_samples = len(sources), outputs.shape[1]
    norms, mean, square = measure_sources(outputs, sources)
    masks = np.empty((len(targets), -(-n_samples // WIDTH)), np.uint64)
    target_norms, strengths = measure_targets(deltas, targets, mean, square, masks)
    # what comes late in the order is of no use to the first targets, so it is kept apart
    apart = n_sources if missing.limits.min() == n_sources else SORTED
    order = np.empty(n_sources, np.int64)
    for at in range(0, n_sources, apart):
        order[at : at + apart] = at + _order_of_singles(norms[at : at + apart], falling=True)
    n_panels = -(-n_sources // WIDTH)
    panels = aligned_empty((n_panels, n_samples, WIDTH), outputs.dtype)
    columns, last = np.empty((n_panels, WIDTH), np.int64), np.empty(n_panels, np.int64)
    largest, lanes = np.empty(n_panels), np.empty(len(outputs), np.int64)
    lay_panels(outputs, sources, norms, order, panels, columns, last, largest, lanes)
    return Field(
        panels=panels,
        norms=largest,
        last=last,
        columns=columns,
        lanes=lanes,
        deltas=deltas,
        target_norms=target_norms,
        masks=masks,
        targets=targets,
        limits=locked(missing.limits),
        order=_spread(strengths),
        indptr=missing.indptr,
        held=missing.held,
    )


def _order_of_singles(values: Array, *, falling: bool = False) -> Slots:
    """The order of numbers as single precision tells them apart, which is sorted fastest."""
    singles = values.astype(np.float32, copy=False)
    return order_of(sort_keys(singles, falling=falling))


def _spread(values: Array) -> Slots:
    """An order in which the first ones are fair samples of all values.

    Multiples of the golden ratio fall evenly into the unit interval, however many they are.

    Examples
    --------
    >>> _spread(np.array([5.0, 1.0, 2.0, 4.0, 3.0]))[:3]
    array([1, 3, 2])
    """
    rows = np.empty(len(values), np.int64)
    rows[_golden(len(values))] = _order_of_singles(values)
    return rows


@lru_cache(maxsize=16)
def _golden(n: int) -> Slots:
    return np.argsort(np.arange(n) * GOLDEN % 1.0)


def _search(
    field: Field, kept: Kept, count: int, bound: float, margin: float, seed: np.uint64
) -> int:
    """Keep the largest, at least `count` if so many reach the bound; returns how many."""
    found, first, n_rows = 0, 0, min(FIRST_ROWS, MOST_ROWS)
    n_panels, n_targets = len(field.panels), len(field.targets)
    while first < n_targets:
        n_rows, panel = min(n_rows, n_targets - first), 0
        while panel < n_panels:
            panel, found = search(field, first, n_rows, panel, bound, kept, found)
            if panel < n_panels:  # there is no more room
                found, bound = _keep_largest(field, kept, found, count, seed)
        first, n_rows = first + n_rows, min(8 * n_rows, MOST_ROWS)
        if first < n_targets:
            found, bound = _raise(kept, found, bound, count * first / n_targets, first, margin)
    return found


def _raise(
    kept: Kept, found: int, bound: float, expected: float, n_rows: int, margin: float
) -> tuple[int, float]:
    """A bound that a few more than are expected of these targets reach; all that reach it stay.

    Targets differ, so the fewer they are, the more is left.
    """
    spare = expected / math.sqrt(n_rows) + math.sqrt(expected)
    wanted = expected + 3 * margin * spare + 5
    if wanted >= found:
        return found, bound
    place = found - math.ceil(wanted)
    whole = np.int32 if kept.sizes.dtype == np.float32 else np.int64
    # whole numbers are partitioned faster, and sort as sizes do
    higher = np.partition(kept.sizes[:found].view(whole), place)[place].view(kept.sizes.dtype)
    if higher > bound:
        found, bound = _keep_reaching(kept, found, higher), float(higher)
    return found, bound


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_reaching(kept: Kept, found: int, bound: float) -> int:
    """Move those that reach a bound to the front; returns how many."""
    n_kept = 0
    for k in range(found):  # moved whoever it is, as a branch would often be foreseen wrongly
        kept.sizes[n_kept], kept.rows[n_kept] = kept.sizes[k], kept.rows[k]
        kept.columns[n_kept] = kept.columns[k]
        n_kept += kept.sizes[k] >= bound
    return n_kept


def _keep_largest(
    field: Field, kept: Kept, found: int, count: int, seed: np.uint64
) -> tuple[int, float]:
    """Move the largest to the front; returns how many, and the size of the smallest."""
    best, equal = split_lowest(sort_keys(kept.sizes[:found], falling=True), count)
    bound = float(kept.sizes[equal[0]])
    wanted = count - len(best)
    if wanted < len(equal):  # the same ones win whenever they meet again
        n_sources = np.count_nonzero(field.lanes >= 0)
        pairs = kept.rows[equal].astype(np.int64) * n_sources + kept.columns[equal]
        equal = equal[np.argpartition(_numbers(pairs, seed), wanted - 1)[:wanted]]
    best = np.concatenate([best, equal])
    for array in kept:
        array[:count] = array[best]
    return count, bound


def _numbers(keys: Slots, seed: np.uint64) -> NDArray[np.uint64]:
    """A random number for each key, the same under the same seed (splitmix64)."""
    x = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True, error_model="numpy")
def _sort_equals(sizes, rows, columns):
    """Put those of equal size into the order of targets, then sources."""
    start = 0
    for stop in range(1, len(sizes) + 1):
        if stop < len(sizes) and sizes[stop] == sizes[start]:
            continue
        if stop - start > 1:
            pairs = (rows[start:stop].astype(np.int64) << 32) | columns[start:stop]
            pairs.sort()
            for k in range(len(pairs)):
                rows[start + k], columns[start + k] = pairs[k] >> 32, pairs[k] & 0x7FFFFFFF
        start = stop

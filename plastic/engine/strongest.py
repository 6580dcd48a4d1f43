"""The strongest of all missing connections, of which few are kept and not all are computed.

Whatever is left out (see `plastic.engine.panels`) changes no bit of what is found:

* samples in which the deltas of both of two targets are 0;
* panels of sources whose norms are too small, by the inequality of Cauchy and Schwarz, to reach
  what is worth keeping.  The sources of a panel have norms of about one size, as they are
  sorted by it.

What is worth keeping is guessed from a sample of the pairs.  If fewer than are wanted reach
that bound, the search begins again with a lower one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine.candidates import Missing, count_held, locked
from plastic.engine.panels import (
    WIDTH,
    Field,
    Kept,
    bar,
    fill_masks,
    fill_panels,
    multiply,
    norms_of,
)
from plastic.engine.plan import aligned_empty
from plastic.engine.ranking import order_of, sort_keys, split_lowest

Array = NDArray[Any]
Slots = NDArray[np.int64]

MOST_ROWS = 512
"""Targets that meet a panel before the next one takes its place in the cache."""

SORTED = 4 * WIDTH
"""Sources that are sorted by norm among each other, where their order limits their targets."""

SAMPLED = 256
"""Targets from which the first bound is guessed, each with `WIDTH` sources."""


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
    norms = norms_of(outputs, locked(missing.sources))
    target_norms = norms_of(deltas, locked(missing.targets))
    field = _field(missing, outputs, deltas, norms, target_norms)
    # a panel is done before it is seen that all is full, and the sample must fit, too
    room = 2 * count + (MOST_ROWS + SAMPLED) * WIDTH
    kept = Kept(
        np.empty(room, outputs.dtype), np.empty(room, np.int32), np.empty(room, np.int32)
    )
    looked_at, sample = 0, kept.sizes[:0]
    if missing.count > WIDTH * SAMPLED:
        looked_at, sample = _sample(missing, outputs, deltas, norms, target_norms, kept)
    share, found, bound = count / missing.count, 0, 0.0
    while found < count and bound >= 0:
        bound = _guess(looked_at, sample, share)
        found = _search(field, kept, count, bound, seed)
        share *= 4.0
    sizes, rows, columns = (array[:found] for array in kept)
    order = order_of(sort_keys(sizes, falling=True))
    sizes, rows, columns = sizes[order], rows[order], columns[order]
    _sort_equals(sizes, rows, columns)
    return missing.sources[columns], missing.targets[rows], sizes / outputs.shape[1]


def _field(
    missing: Missing, outputs: Array, deltas: Array, norms: Array, target_norms: Array
) -> Field:
    n_sources, n_samples = len(norms), outputs.shape[1]
    n_panels = -(-n_sources // WIDTH)
    # what comes late in the order is of no use to the first targets, so it is kept apart
    apart = n_sources if missing.limits.min() == n_sources else SORTED
    order = np.concatenate(
        [at + np.argsort(-norms[at : at + apart]) for at in range(0, n_sources, apart)]
    )
    columns = np.full((n_panels, WIDTH), n_sources, np.int64)
    columns.reshape(-1)[:n_sources] = order
    lanes = np.full(len(outputs), -1)
    lanes[missing.sources[order]] = np.arange(n_sources)
    panels = aligned_empty((n_panels, n_samples, WIDTH), outputs.dtype)
    panels[-1] = 0
    fill_panels(outputs, locked(missing.sources[order]), panels)
    masks = np.empty((len(missing.targets), -(-n_samples // 64)), np.uint64)
    fill_masks(deltas, locked(missing.targets), masks)
    return Field(
        panels=panels,
        norms=np.append(norms, 0.0)[columns].max(axis=1),
        last=columns.max(axis=1),
        columns=columns,
        lanes=lanes,
        deltas=deltas,
        target_norms=target_norms,
        masks=masks,
        targets=locked(missing.targets),
        limits=locked(missing.limits),
        indptr=missing.indptr,
        held=missing.held,
    )


def _search(field: Field, kept: Kept, count: int, bound: float, seed: np.uint64) -> int:
    """Keep the largest, `count` of them if so many reach the bound; returns how many."""
    found, n_panels = 0, len(field.panels)
    for first in range(0, len(field.targets), MOST_ROWS):
        n_rows = min(MOST_ROWS, len(field.targets) - first)
        barred = np.empty((n_rows, n_panels), np.uint64)
        bar(field, first, barred)
        panel = 0
        while panel < n_panels:
            panel, found = multiply(field, barred, first, panel, bound, kept, found)
            if panel < n_panels:  # there is no more room
                found, bound = _keep_largest(field, kept, found, count, seed)
    if found > count:
        found, _ = _keep_largest(field, kept, found, count, seed)
    return found


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


# ----------------------------------------------------------------------------- the first bound


def _sample(
    missing: Missing,
    outputs: Array,
    deltas: Array,
    norms: Array,
    target_norms: Array,
    kept: Kept,
) -> tuple[int, Array]:
    """How many pairs were looked at, and the sizes above 0; sources and targets of all norms.

    `kept` is what they are noted in meanwhile.
    """
    at, rows = _spread(norms, WIDTH), _spread(target_norms, SAMPLED)
    columns = np.full(len(missing.columns), -1)
    columns[missing.sources[at]] = np.arange(len(at))
    targets, limits = missing.targets[rows], np.searchsorted(at, missing.limits[rows])
    n_held = count_held(locked(targets), columns, missing.indptr, missing.held)
    some = replace(
        missing,
        sources=missing.sources[at],
        targets=targets,
        limits=limits,
        columns=columns,
        count=int(limits.sum()) - n_held,
    )
    least = float(np.finfo(outputs.dtype).smallest_subnormal)
    field = _field(some, outputs, deltas, norms[at], target_norms[rows])
    found = _search(field, kept, some.count + 1, least, np.uint64(0))
    return some.count, kept.sizes[:found].copy()


def _spread(values: Array, n: int) -> Slots:
    """Places of `n` values at most, from the lowest to the highest; ascending."""
    n = min(n, len(values))
    return np.sort(np.argsort(values)[np.arange(n) * len(values) // n])


def _guess(looked_at: int, sizes: Array, share: float) -> float:
    """A size that a share of all pairs reach, and a few more; -1 where all may have to."""
    expected = share * looked_at
    place = len(sizes) - 5 - math.ceil(1.15 * expected + 3 * math.sqrt(expected))
    return float(np.partition(sizes, place)[place]) if place >= 0 else -1.0

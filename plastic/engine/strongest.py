"""The strongest of all missing connections: the gradients of all, of which few are kept.

A panel holds the outputs of `LANES` sources, sample by sample, so the gradients of one target
with all of them are one vector, to which each sample adds a multiply-add::

    panels[panel, sample, lane]        gradients of target v: sum over samples of
                                       delta[v, sample] * panels[panel, sample, :]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine.candidates import Missing
from plastic.engine.plan import aligned_zeros
from plastic.engine.simd import LANES, fma, get, load, splat, store

Array = NDArray[Any]
Slots = NDArray[np.int64]

FIRST_ROWS = 16
MOST_ROWS = 128
"""Targets whose gradients are computed at a time; few at first, until there is a bound for
what is worth keeping."""


def strongest_missing(
    missing: Missing, outputs: Array, deltas: Array, count: int, rng: Generator
) -> tuple[Slots, Slots, Array]:
    """The missing connections with the largest gradients, largest first.

    Gradients of some targets at a time are computed; only those that are at least as large as
    the `count`-th largest so far are kept.

    Parameters
    ----------
    missing : Missing
    outputs, deltas : float arrays, shape (n_neurons, n_samples)
    count : int
        At most ``missing.count``.
    rng : Generator
        Breaks ties: each pair gets a number of its own, which decides between equals.

    Returns
    -------
    sources, targets : int arrays, shape (count,)
        Slots.
    sizes : float array, shape (count,)
        Absolute gradients, averaged over the samples.
    """
    n_samples, n_sources = outputs.shape[1], len(missing.sources)
    seed = rng.integers(2**63, dtype=np.uint64)
    panels = _panels(outputs, missing.sources)
    products = aligned_zeros((MOST_ROWS, len(panels) * LANES), outputs.dtype)
    room = 2 * count + products.size
    sizes, pairs = np.empty(room, outputs.dtype), np.empty(room, np.int64)
    kept, bound, start, rows = 0, -1.0, 0, FIRST_ROWS
    while start < len(missing.targets):
        targets = missing.targets[start : start + rows]
        limits = missing.limits[start : start + rows]
        _multiply(panels, deltas[targets], -(-int(limits.max()) // LANES), products)
        kept = _collect(
            products, targets, limits, missing.columns, missing.indptr, missing.held,
            start * n_sources, n_sources, bound, sizes, pairs, kept,
        )  # fmt: skip
        if kept > 2 * count:
            kept, bound = _keep_largest(sizes, pairs, kept, count, seed)
        start, rows = start + rows, min(2 * rows, MOST_ROWS)
    kept, _ = _keep_largest(sizes, pairs, kept, count, seed)
    order = np.argsort(-sizes[:kept])
    target, source = np.divmod(pairs[order], n_sources)
    return missing.sources[source], missing.targets[target], sizes[order] / n_samples


def _panels(outputs: Array, sources: Slots) -> Array:
    """Outputs of the sources, shape (n_panels, n_samples, LANES); zero where none is left."""
    n_panels, n_samples = -(-len(sources) // LANES), outputs.shape[1]
    panels = aligned_zeros((n_panels, n_samples, LANES), outputs.dtype)
    for panel in range(n_panels):
        of = sources[panel * LANES : (panel + 1) * LANES]
        panels[panel, :, : len(of)] = outputs[of].T
    return panels


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply(panels, deltas, n_panels, products):
    """Products of each row of `deltas` (n_rows, n_samples) with the first panels.

    Four rows at a time, as many as hide how long a multiply-add takes; the last ones are
    filled up with the very last.
    """
    n_rows, n_samples = deltas.shape
    width, last = products.shape[1], n_rows - 1
    nothing = splat(panels.dtype.type(0))
    for panel in range(n_panels):
        base = panel * n_samples * LANES
        for row in range(0, n_rows, 4):
            row1, row2, row3 = min(row + 1, last), min(row + 2, last), min(row + 3, last)
            d0, d1 = row * n_samples, row1 * n_samples
            d2, d3 = row2 * n_samples, row3 * n_samples
            p0 = p1 = p2 = p3 = nothing
            for sample in range(n_samples):
                values = load(panels, base + sample * LANES)
                p0 = fma(get(deltas, d0 + sample), values, p0)
                p1 = fma(get(deltas, d1 + sample), values, p1)
                p2 = fma(get(deltas, d2 + sample), values, p2)
                p3 = fma(get(deltas, d3 + sample), values, p3)
            at = panel * LANES
            store(products, row * width + at, p0)
            store(products, row1 * width + at, p1)
            store(products, row2 * width + at, p2)
            store(products, row3 * width + at, p3)


@njit(cache=True, nogil=True, error_model="numpy")
def _collect(
    products: Array,
    targets: Slots,
    limits: Slots,
    columns: Slots,
    indptr: Array,
    held: Array,
    first_pair: int,
    n_sources: int,
    bound: float,
    sizes: Array,
    pairs: Slots,
    kept: int,
) -> int:
    """Append the pairs whose size is at least the bound; returns how many there are now."""
    least = sizes.dtype.type(bound)
    for row in range(len(targets)):
        target, products_of = targets[row], products[row]
        for e in range(indptr[target], indptr[target + 1]):
            column = columns[held[e]]
            if column >= 0:
                products_of[column] = np.nan  # at least nothing
        for start in range(0, limits[row], 2 * LANES):
            group, found = products_of[start : min(start + 2 * LANES, limits[row])], 0
            for k in range(len(group)):
                found += abs(group[k]) >= least
            if found == 0:
                continue
            for k in range(len(group)):
                size = abs(group[k])
                if size >= least:
                    sizes[kept] = size
                    pairs[kept] = first_pair + row * n_sources + start + k
                    kept += 1
    return kept


def _keep_largest(
    sizes: Array, pairs: Slots, kept: int, count: int, seed: np.uint64
) -> tuple[int, float]:
    """Move the largest to the front; returns how many, and the size of the smallest."""
    if kept <= count:
        return kept, -1.0
    found = sizes[:kept]
    bound = np.partition(found, kept - count)[kept - count]
    best, equal = np.flatnonzero(found > bound), np.flatnonzero(found == bound)
    wanted = count - len(best)
    if wanted < len(equal):  # the same ones win whenever they meet again
        equal = equal[np.argpartition(_numbers(pairs[equal], seed), wanted - 1)[:wanted]]
    best = np.concatenate([best, equal])
    sizes[:count], pairs[:count] = sizes[best], pairs[best]
    return count, float(bound)


def _numbers(keys: Slots, seed: np.uint64) -> NDArray[np.uint64]:
    """A random number for each key, the same under the same seed (splitmix64)."""
    x = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

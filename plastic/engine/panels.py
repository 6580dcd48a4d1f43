"""The gradients of all pairs of some sources and some targets, as far as they are wanted.

A panel holds the outputs of `WIDTH` sources, sample by sample, so the gradients of one target
with all of them are one vector, to which each sample adds a multiply-add::

    panels[panel, sample, lane]        gradients of target v: sum over samples of
                                       delta[v, sample] * panels[panel, sample, :]

Which lanes are wanted is told by the bits of one number.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plastic.engine.bits import lowest_bit, not_zero, reaching
from plastic.engine.blocks import SIDE
from plastic.engine.loading import load_turned
from plastic.engine.simd import LANES, fma, get, load_like, splat_pair, store

Array = NDArray[Any]
Slots = NDArray[np.int64]

WIDTH = 2 * LANES
"""Sources of a panel: as many as a uint64 has bits."""

ALL = np.uint64(2**64 - 1)
ONE = np.uint64(1)


class Field(NamedTuple):
    """What is searched."""

    panels: Array  # (n_panels, n_samples, WIDTH); zeros where no source is left
    norms: Array  # (n_panels,): largest norm of a source
    last: Array  # (n_panels,): largest of the columns
    columns: Array  # (n_panels, WIDTH): place among the sources, their number where none is
    lanes: Array  # (n_neurons,): panel * WIDTH + lane of a slot, -1 where it is no source
    deltas: Array  # (n_neurons, n_samples)
    target_norms: Array  # (n_targets,)
    masks: Array  # (n_targets, n_words): a bit for each sample whose delta is not 0
    targets: Slots  # (n_targets,)
    limits: Slots  # (n_targets,): how many of the sources may lead to it
    order: Slots  # (n_targets,): in which the targets are searched
    indptr: Array  # of the structure, as is the last one
    held: Array


class Kept(NamedTuple):
    """Room for pairs that are worth keeping."""

    sizes: Array  # absolute gradients, summed over the samples
    rows: NDArray[np.int32]  # places among the targets
    columns: NDArray[np.int32]  # places among the sources


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def measure_sources(outputs, sources):
    """Norm of the outputs of each source, mean output by sample, and mean square of all."""
    n_samples, dtype = outputs.shape[1], outputs.dtype.type
    norms, mean, square = np.empty(len(sources)), np.zeros(n_samples, outputs.dtype), 0.0
    for k in range(len(sources)):
        of, total = outputs[sources[k]], 0.0
        for sample in range(n_samples):
            total += np.float64(of[sample]) * np.float64(of[sample])
            mean[sample] += of[sample]
        norms[k] = math.sqrt(total)
        square += total
    for sample in range(n_samples):
        mean[sample] /= dtype(len(sources))
    return norms, mean, square / (len(sources) * n_samples)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def measure_targets(deltas, targets, mean, square, masks):
    """Norm of the deltas of each target, and about how large the squares of its gradients are.

    That is told from the mean output and the mean square of outputs.  `masks` is filled with a
    bit for each sample in which its delta is not 0.
    """
    n_samples, norms = deltas.shape[1], np.empty(len(targets))
    strengths = np.empty(len(targets), np.float32)
    zero = splat_pair(deltas.dtype.type(0))
    for k in range(len(targets)):
        of, total, product = deltas[targets[k]], 0.0, deltas.dtype.type(0)
        for sample in range(n_samples):
            total += np.float64(of[sample]) * np.float64(of[sample])
            product += of[sample] * mean[sample]
        norms[k], strengths[k] = math.sqrt(total), product * product + total * square
        for word in range(n_samples // WIDTH):
            vector = load_like(deltas, targets[k] * n_samples + word * WIDTH, zero)
            masks[k, word] = not_zero(vector)
        for sample in range(n_samples - n_samples % WIDTH, n_samples):
            if sample % WIDTH == 0:
                masks[k, -1] = 0
            masks[k, -1] |= np.uint64(of[sample] != 0) << np.uint64(sample % WIDTH)
    return norms, strengths


@njit(cache=True, nogil=True, error_model="numpy")
def lay_panels(outputs, sources, norms, order, panels, columns, last, largest, lanes):
    """Lay the outputs of sources in this order; fill what a `Field` holds of its panels.

    Eight sources and samples are turned in registers; what is left over is copied.
    """
    n_sources, n_samples = len(sources), outputs.shape[1]
    blocks, turned = n_sources - n_sources % SIDE, n_samples - n_samples % SIDE
    slots, panels[-1] = sources[order], 0
    for k in range(0, blocks, SIDE):
        base = k // WIDTH * n_samples * WIDTH + k % WIDTH
        for sample in range(0, turned, SIDE):
            _turn(outputs, slots, k, sample, panels, base + sample * WIDTH)
    for k in range(n_sources):
        for sample in range(turned if k < blocks else 0, n_samples):
            panels[k // WIDTH, sample, k % WIDTH] = outputs[slots[k], sample]
    columns[-1], last[:], largest[:], lanes[:] = n_sources, 0, 0.0, -1
    for k in range(n_sources):
        panel, lane = k // WIDTH, k % WIDTH
        columns[panel, lane], lanes[slots[k]] = order[k], k
        if norms[order[k]] > largest[panel]:  # what is no number is left out
            largest[panel] = norms[order[k]]
        last[panel] = max(last[panel], order[k])
    if n_sources % WIDTH:
        last[-1] = n_sources


@njit(cache=True, nogil=True, error_model="numpy")
def _turn(outputs, sources, k, sample, panels, at):
    rows = load_turned(outputs, sources, k, outputs.shape[1], sample)
    store(panels, at, rows[0])
    store(panels, at + WIDTH, rows[1])
    store(panels, at + 2 * WIDTH, rows[2])
    store(panels, at + 3 * WIDTH, rows[3])
    store(panels, at + 4 * WIDTH, rows[4])
    store(panels, at + 5 * WIDTH, rows[5])
    store(panels, at + 6 * WIDTH, rows[6])
    store(panels, at + 7 * WIDTH, rows[7])


@njit(cache=True, nogil=True, error_model="numpy")
def _bar(field, first, n_rows):
    """Bits of the lanes that may not lead to a target, or do so already, (n_rows, n_panels)."""
    n_panels = len(field.panels)
    barred = np.empty((n_rows, n_panels), np.uint64)
    for row in range(n_rows):
        place = field.order[first + row]
        target, limit = field.targets[place], field.limits[place]
        for panel in range(n_panels):
            bits = np.uint64(0)
            if field.last[panel] >= limit:
                for lane in range(WIDTH):
                    bits |= np.uint64(field.columns[panel, lane] >= limit) << np.uint64(lane)
            barred[row, panel] = bits
        for e in range(field.indptr[target], field.indptr[target + 1]):
            lane = field.lanes[field.held[e]]
            if lane >= 0:
                barred[row, lane // WIDTH] |= ONE << np.uint64(lane % WIDTH)
    return barred


@njit(cache=True, nogil=True, error_model="numpy")
def search(field, first, n_rows, panel, bound, kept, found):
    r"""Note the gradients that reach a bound, panel by panel, as long as there is room.

    By the inequality of Cauchy and Schwarz no gradient is above the product of the norms,
    :math:`|\sum_b y_{ub} \delta_{vb}| \le \|y_u\| \|\delta_v\|`, so a target leaves out the
    panels that cannot reach it.

    Parameters
    ----------
    field : Field
    first, n_rows : int
        The targets.
    panel : int
        The panel to begin with.
    bound : float
        In the precision of the panels; all reach a negative one.
    kept : Kept
    found : int
        How many are noted.

    Returns
    -------
    panel : int
        That to go on with; the number of panels if all are done.
    found : int
        How many are noted now.
    """
    barred, n_panels = _bar(field, first, n_rows), len(field.panels)
    rows, products = np.empty(n_rows + 1, np.int64), np.empty(WIDTH, field.panels.dtype)
    places = field.order[first : first + n_rows]
    norms = field.target_norms[places]
    least = field.panels.dtype.type(bound)
    # a sum of rounded products may be above the true one by as much
    n_samples, precision = field.deltas.shape[1], np.finfo(field.panels.dtype)
    slack, smallest = 1 + (n_samples + 8) * precision.eps, n_samples * precision.tiny
    while panel < n_panels and found + n_rows * WIDTH <= len(kept.sizes):
        reach, columns, n = field.norms[panel] * slack, field.columns[panel], 0
        for row in range(n_rows):
            rows[n] = row
            unable = norms[row] * reach + smallest < bound
            n += (barred[row, panel] != ALL) & (not unable)
        rows[n] = rows[max(n - 1, 0)]  # fills up the last two
        for k in range(0, n, 2):
            row0, row1 = rows[k], rows[k + 1]
            sums0, sums1 = multiply_two(field, panel, places[row0], places[row1])
            bits = reaching(sums0, least) & ~barred[row0, panel]
            found = note(bits, sums0, products, places[row0], columns, kept, found)
            if k + 1 < n:
                bits = reaching(sums1, least) & ~barred[row1, panel]
                found = note(bits, sums1, products, places[row1], columns, kept, found)
        panel += 1
    return panel, found


@njit(cache=True, nogil=True, error_model="numpy")
def multiply_two(field, panel, row0, row1):
    """Gradients of two targets with a panel: as many sums as hide how long an addition takes.

    Samples in which neither has a delta are left out: half of those of a relu are 0.
    """
    n_samples, zero = field.deltas.shape[1], splat_pair(field.panels.dtype.type(0))
    sums0 = sums1 = zero
    of0, of1 = field.targets[row0] * n_samples, field.targets[row1] * n_samples
    for word in range(field.masks.shape[1]):
        bits = field.masks[row0, word] | field.masks[row1, word]
        while bits:
            sample = 64 * word + lowest_bit(bits)
            bits &= bits - ONE
            at = (panel * n_samples + sample) * WIDTH
            values = load_like(field.panels, at, zero)
            sums0 = fma(get(field.deltas, of0 + sample), values, sums0)
            sums1 = fma(get(field.deltas, of1 + sample), values, sums1)
    return sums0, sums1


@njit(cache=True, nogil=True, error_model="numpy")
def note(bits, sums, products, row, columns, kept, found):
    """Append the lanes of these bits; returns how many are noted now."""
    if bits:
        store(products, 0, sums)
    while bits:
        lane = lowest_bit(bits)
        bits &= bits - ONE
        kept.sizes[found] = abs(products[lane])
        kept.rows[found], kept.columns[found] = row, columns[lane]
        found += 1
    return found

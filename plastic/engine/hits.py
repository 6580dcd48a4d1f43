"""How many samples of a mini-batch are answered right, told from the pass that learns it."""

from __future__ import annotations

from numba import njit

from plastic.engine.simd import get


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def count_hits(outputs, slots, Y, rows, first, batch):
    """Samples whose largest output is that of their largest target.

    Of equal ones the first counts, as in NumPy's ``argmax``.

    Parameters
    ----------
    outputs : float array, shape (n_tiles, n_rows, n_lanes)
        Of all neurons, sample after sample along tiles and lanes.
    slots : int array, shape (n_outputs,)
        Rows of the output neurons in `outputs`.
    Y : float array, shape (n_samples, n_outputs)
    rows : int array
        Flat; the mini-batch is what lies from `first` on.
    first, batch : int
    """
    hits, n_outputs, n_lanes = 0, len(slots), outputs.shape[2]
    stride, base, lane = outputs.shape[1] * n_lanes, 0, 0
    for at in range(first, first + batch):
        if lane == n_lanes:
            base, lane = base + stride, 0
        target = get(rows, at) * n_outputs
        said = asked = 0
        loudest, wanted = get(outputs, base + get(slots, 0) * n_lanes + lane), get(Y, target)
        for o in range(1, n_outputs):
            y, t = get(outputs, base + get(slots, o) * n_lanes + lane), get(Y, target + o)
            said = o if y > loudest else said
            asked = o if t > wanted else asked
            loudest, wanted = max(loudest, y), max(wanted, t)
        hits += said == asked
        lane += 1
    return hits

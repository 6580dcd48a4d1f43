"""The lowest of many scores, and their order, by whole numbers that sort as the scores do.

NumPy sorts and partitions whole numbers at twice the speed of floats, and a score and its place
fit into one number of 64 bits: sorting those is faster than sorting places by scores, and puts
equals into one order on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plastic.engine.bits import less, lowest_bit
from plastic.engine.candidates import locked

Array = NDArray[Any]
Slots = NDArray[np.int64]
Keys = NDArray[Any]  # int32 or int64

WORD = 64
ONE = np.uint64(1)


def sort_keys(scores: Array, *, falling: bool = False) -> Keys:
    """Whole numbers in the order of the scores; those that are no number come last.

    Parameters
    ----------
    scores : float array, shape (n,)
    falling : bool
        Whether the highest score is to come first.

    Examples
    --------
    >>> keys = sort_keys(np.array([0.5, -0.0, -2.0, 0.0, np.nan]))
    >>> np.argsort(keys, kind="stable").tolist(), bool(keys[1] == keys[3])
    ([2, 1, 3, 0, 4], True)
    """
    single = scores.dtype == np.float32
    floats, ints = (np.float32, np.int32) if single else (np.float64, np.int64)
    values = locked(np.asarray(scores, floats))
    bits: Keys = values.view(ints)
    keys = np.empty_like(bits)
    _fill_keys(values, bits, falling, keys)
    return keys


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_keys(values: Array, bits: Keys, falling: bool, keys: Keys) -> None:
    """The bits of positive floats sort as they do; those of negative ones the other way."""
    most = np.iinfo(keys.dtype).max
    for k in range(len(keys)):
        size = bits[k] & most
        negative = (bits[k] < 0) != falling
        key = -size if negative else size
        keys[k] = most if values[k] != values[k] else key


def split_lowest(keys: Keys, count: int) -> tuple[Slots, Slots]:
    """Places of those below the `count`-th lowest key, and of those equal to it; ascending.

    Parameters
    ----------
    keys : int array, shape (n,)
    count : int
        From 1 to n.

    Examples
    --------
    >>> split_lowest(np.array([3, 1, 2, 2]), 2)
    (array([1]), array([2, 3]))
    """
    bound, n_lowest = _lowest(keys)
    if n_lowest < count:  # equals are what a partition is slowest with
        bound = np.partition(keys, count - 1)[count - 1]
    below = np.empty(count, np.int64)
    n_below = _note_below(keys, bound, below)
    return below[:n_below], np.flatnonzero(keys == bound)


@njit(cache=True, nogil=True, error_model="numpy")
def _lowest(keys):
    """The lowest key, and how many there are of it."""
    lowest, count = keys[0], 0
    for key in keys:
        lowest = min(lowest, key)
    for key in keys:
        count += key == lowest
    return lowest, count


@njit(cache=True, nogil=True, error_model="numpy")
def _note_below(keys, bound, below):
    """Few are below, so it is looked at 64 at a time."""
    n_below, bound, whole = 0, keys.dtype.type(bound), len(keys) // WORD * WORD
    for first in range(0, whole, WORD):
        bits = less(keys, first, bound)
        while bits:
            below[n_below] = first + lowest_bit(bits)
            bits &= bits - ONE
            n_below += 1
    for k in range(whole, len(keys)):
        if keys[k] < bound:
            below[n_below] = k
            n_below += 1
    return n_below


def order_of(keys: Keys) -> Slots:
    """``np.argsort(keys, kind="stable")``.

    Examples
    --------
    >>> order_of(np.array([5, -3, 5, 4], np.int32))
    array([1, 3, 0, 2])
    """
    if keys.dtype != np.int32:
        return np.argsort(keys, kind="stable")
    packed = np.empty(len(keys), np.int64)
    _pack(keys, packed)
    packed.sort()
    packed &= 2**32 - 1
    return packed


@njit(cache=True, nogil=True, error_model="numpy")
def _pack(keys: Keys, packed: Slots) -> None:
    for k in range(len(keys)):
        packed[k] = (np.int64(keys[k]) << 32) | k

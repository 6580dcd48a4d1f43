"""Drawing many different numbers, also where a list of all of them would not fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

LARGE = 2**27
"""Pairs of a block above which connections are drawn without a list of all pairs."""

STRIP = 2**25
"""Pairs of such a block that are looked at together."""


def drawn_numbers(n: int, count: int, rng: Generator) -> Iterator[NDArray[np.int64]]:
    """Different numbers below `n`, every set of them equally likely, in ascending parts.

    Examples
    --------
    >>> [part.tolist() for part in drawn_numbers(6, 3, np.random.default_rng(0))]
    [[3, 4, 5]]
    """
    # NumPy lists all numbers and shuffles them, unless few are wanted
    if n <= LARGE or n > 50 * count:
        yield np.sort(rng.choice(n, count, replace=False))
        return
    few = min(count, n - count)  # drawn are those that are there, or those that are not
    marked, missing = np.zeros(n, np.bool_), few
    while missing:  # as drawn one after the other, for one round never draws too many
        marked[rng.integers(0, n, min(missing, STRIP))] = True
        missing = few - int(np.count_nonzero(marked))
    for start in range(0, n, STRIP):
        part = marked[start : start + STRIP]
        yield np.flatnonzero(part if few == count else ~part) + start

"""How many connections neurons have, and how evenly these are spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from plastic.metrics.base import Metric, Reading
from plastic.topology import Kind


@final
@dataclass(frozen=True)
class Degrees(Metric):
    r"""Distributions of in-degree and out-degree: mean, spread, maximum, inequality.

    The in-degree is counted over all neurons but the inputs, the out-degree over all but the
    outputs.  Labels are ``in_mean``, ``in_std``, ``in_max`` (connections), ``in_gini``
    (0 where all have the same number, near 1 where one has them all), ``in_entropy`` (of the
    shares of the connections, over that of equal ones, in [0, 1]), and the same with ``out``.
    """

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Five numbers for each way."""
        s = reading.structure
        into, out = np.diff(s.indptr), np.diff(s.out.indptr)
        return {
            **_described("in", into[s.kinds != Kind.INPUT]),
            **_described("out", out[s.kinds != Kind.OUTPUT]),
        }


def _described(way: str, degrees: NDArray[Any]) -> dict[str, float]:
    return {
        f"{way}_mean": float(degrees.mean()),
        f"{way}_std": float(degrees.std()),
        f"{way}_max": float(degrees.max()),
        f"{way}_gini": gini(degrees),
        f"{way}_entropy": evenness(degrees),
    }


def gini(values: ArrayLike) -> float:
    r"""Gini coefficient, :math:`\sum_{ij} |x_i - x_j| / (2 n \sum_i x_i)`; NaN if all are 0.

    Parameters
    ----------
    values : array, shape (n,)
        None below 0.

    Examples
    --------
    >>> gini([2, 2, 2]), gini([0, 0, 0, 1])
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(values, np.float64))
    n, total = len(ordered), ordered.sum()
    if total == 0:
        return float("nan")
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total))


def evenness(values: ArrayLike) -> float:
    r"""Entropy of the shares of a sum, over that of :math:`n` equal ones; NaN if all are 0.

    Parameters
    ----------
    values : array, shape (n,)
        None below 0.  A single one has its whole sum, and is as even as can be: 1.

    References
    ----------
    Pielou (1966), The measurement of diversity in different types of biological collections,
    Journal of Theoretical Biology 13.

    Examples
    --------
    >>> evenness([3, 3]), evenness([0, 3])
    (1.0, 0.0)
    """
    values = np.asarray(values, np.float64)
    if values.sum() == 0:
        return float("nan")
    if len(values) == 1:
        return 1.0
    shares = values[values > 0] / values.sum()
    return abs(float(-(shares * np.log(shares)).sum() / np.log(len(values))))

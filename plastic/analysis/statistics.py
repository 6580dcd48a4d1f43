"""Intervals, paired differences and corrected p values: all that a comparison claims.

The quantiles are Student's, because seeds are few.  Arrays in, small dataclasses out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from plastic.errors import InvalidParameter, check_range

LEVEL = 0.95
"""Of the intervals in every table, unless another is asked for."""


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval.

    Parameters
    ----------
    mean, low, high : float
        In the unit of the values; NaN where there are too few of them.
    n : int
        How many values it rests on.
    """

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference(Interval):
    """The mean of paired differences, its confidence interval and its p value.

    Parameters
    ----------
    p_value : float
        Two-sided, of the hypothesis that the mean difference is zero; NaN below two pairs.
    """

    p_value: float


def mean_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    r"""Mean with Student's interval, :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    Parameters
    ----------
    values : float array, shape (n,)
        One for each seed; a NaN in it is a value that is missing, and left out.
    level : float
        Probability that the interval holds the mean, in (0, 1).

    Returns
    -------
    Interval
        One value has a mean but no interval; no value has neither.

    Raises
    ------
    InvalidParameter
        If `level` is outside its range, or `values` is not flat.

    Examples
    --------
    >>> interval = mean_interval([0.90, 0.92, 0.94])
    >>> round(interval.mean, 3), round(interval.low, 3), round(interval.high, 3)
    (0.92, 0.87, 0.97)
    """
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    values = flat("values", values)
    values = values[~np.isnan(values)]
    n = len(values)
    if n < 2:
        return Interval(float(values[0]) if n else np.nan, np.nan, np.nan, n)
    mean = float(values.mean())
    half = float(stdtrit(n - 1, 0.5 + level / 2) * values.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Difference:
    """Mean of ``a - b`` over the seeds that both have, with Student's interval and p value.

    Parameters
    ----------
    a, b : float array, shape (n_seeds,)
        Values of the same seeds in the same order; NaN where a seed is missing, and then the
        pair is left out.
    level : float
        Probability that the interval holds the mean difference, in (0, 1).

    Raises
    ------
    InvalidParameter
        If `level` is outside its range, or the shapes differ.

    Examples
    --------
    >>> difference = paired_difference([0.90, 0.95, 0.93], [0.88, np.nan, 0.90])
    >>> round(difference.mean, 3), difference.n, round(difference.p_value, 3)
    (0.025, 2, 0.126)
    """
    a, b = flat("a", a), flat("b", b)
    if a.shape != b.shape:
        raise InvalidParameter(f"a and b must hold the same seeds, got {len(a)} and {len(b)}")
    difference = a - b
    interval = mean_interval(difference, level)
    p_value = np.nan
    if interval.n > 1:
        error = float(np.nanstd(difference, ddof=1)) / np.sqrt(interval.n)
        if error > 0:
            p_value = 2 * float(stdtr(interval.n - 1, -abs(interval.mean) / error))
        else:  # the limit of the above: every pair differs by the same
            p_value = 0.0 if interval.mean else 1.0
    return Difference(interval.mean, interval.low, interval.high, interval.n, p_value)


def error_of_mean(columns: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    r"""Standard error of the mean of several means, and its degrees of freedom.

    .. math:: e^2 = \frac{1}{k^2} \sum_j \frac{s_j^2}{n_j}, \qquad
        \nu = \frac{(\sum_j s_j^2 / n_j)^2}{\sum_j (s_j^2 / n_j)^2 / (n_j - 1)}

    Parameters
    ----------
    columns : sequence of float arrays, shape (n_values,)
        At least two values each.

    References
    ----------
    Welch (1947), The generalization of 'Student's' problem when several different population
    variances are involved, Biometrika 34, 28-35.

    Examples
    --------
    >>> error, freedom = error_of_mean([np.array([1.0, 2.0, 3.0]), np.array([4.0, 6.0, 8.0])])
    >>> round(error, 3), round(freedom, 3)
    (0.645, 2.941)
    """
    lengths = np.array([len(column) for column in columns])
    variances = np.array([column.var(ddof=1) for column in columns]) / lengths
    total = float(variances.sum())
    if total == 0:
        return 0.0, float(lengths.sum() - len(columns))
    freedom = total**2 / float((variances**2 / (lengths - 1)).sum())
    return float(np.sqrt(total)) / len(columns), freedom


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P values adjusted for their number, by Holm's step-down method.

    Calling those significant that stay below 0.05 makes one false claim or more with a
    probability of at most 0.05, however the tests depend on each other.

    Parameters
    ----------
    p_values : float array, shape (n_tests,)
        A NaN is no test: it does not count, and stays NaN.

    Returns
    -------
    float array, shape (n_tests,)

    Raises
    ------
    InvalidParameter
        If a p value is outside [0, 1].

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = flat("p_values", p_values)
    tests = np.flatnonzero(~np.isnan(p_values))
    for value in p_values[tests]:
        check_range("p value", float(value), 0, 1)
    order = tests[np.argsort(p_values[tests], kind="stable")]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(p_values.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def flat(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """The values as a flat array of floats.

    Raises
    ------
    InvalidParameter
        If they are not flat.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InvalidParameter(f"{name} must be flat, got shape {array.shape}")
    return array

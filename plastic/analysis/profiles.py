"""Whole distributions compared: performance profiles and the probability of improvement.

Scores have the shape ``(n_runs, n_tasks)``, as in `plastic.analysis.bootstrap`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from plastic.analysis.bootstrap import (
    N_RESAMPLES,
    SEED,
    Estimate,
    as_table,
    present,
    resample,
    tails,
)
from plastic.analysis.statistics import LEVEL
from plastic.errors import InvalidParameter, check_range

Array = NDArray[np.float64]


def performance_profile(
    scores: ArrayLike,
    thresholds: ArrayLike,
    *,
    level: float = LEVEL,
    n_resamples: int = 2000,
    rng: Generator | None = None,
) -> pd.DataFrame:
    """Share of runs that score above each threshold, with a pointwise bootstrap band.

    A policy whose profile lies above another's everywhere is better whatever one aims for.

    Parameters
    ----------
    scores : float array, shape (n_runs, n_tasks) or (n_runs,)
        NaN for runs that are missing.
    thresholds : float array, shape (n_thresholds,)
    level : float
        Of the band, in (0, 1).
    n_resamples : int
    rng : Generator, optional
        By default a new one of seed `plastic.analysis.bootstrap.SEED`.

    Returns
    -------
    DataFrame
        threshold, share, low, high; NaN where there are no runs.

    References
    ----------
    Agarwal et al. (2021), arXiv:2108.13264, section 4.2: run-score distributions.

    Examples
    --------
    >>> performance_profile([0.9, 0.8, 0.7], [0.75])["share"].round(3).tolist()
    [0.667]
    """
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    taus = np.asarray(thresholds, dtype=np.float64)
    if taus.ndim != 1:
        raise InvalidParameter(f"thresholds must be flat, got shape {taus.shape}")
    tasks = present(as_table("scores", scores))
    share = np.full((3, len(taus)), np.nan)
    if tasks:
        runs = np.concatenate(tasks)
        share[0] = _above(runs, taus)
        drawn = resample(tasks, n_resamples, rng or np.random.default_rng(SEED))
        shares = _above(np.concatenate(drawn, axis=-1), taus)
        share[1:] = np.quantile(shares, tails(level), axis=0)
    return pd.DataFrame(
        {"threshold": taus, "share": share[0], "low": share[1], "high": share[2]}
    )


def _above(runs: Array, taus: Array) -> Array:
    """Share of the last axis above each threshold, shape (..., n_thresholds)."""
    shares = [(runs > tau).mean(axis=-1) for tau in taus]
    return np.stack(shares, axis=-1) if shares else np.zeros((*runs.shape[:-1], 0))


def probability_of_improvement(
    a: ArrayLike,
    b: ArrayLike,
    *,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    rng: Generator | None = None,
) -> Estimate:
    r"""Probability that a run of `a` scores higher than one of `b` in the same task.

    .. math:: P = \frac{1}{T} \sum_t \frac{1}{n m} \sum_{ij}
        \left([a_{it} > b_{jt}] + \tfrac12 [a_{it} = b_{jt}]\right)

    which is Mann and Whitney's U over its maximum, averaged over tasks.  Seeds are not paired:
    it asks how often one would be luckier with `a`, not by how much.

    Parameters
    ----------
    a, b : float arrays, shapes (n_runs, n_tasks) and (m_runs, n_tasks), or (n_runs,)
        NaN for runs that are missing; tasks that only one of both has are left out.
    level, n_resamples, rng
        As in `plastic.analysis.estimate`; with 0 resamples there is no interval.

    Returns
    -------
    Estimate
        In [0, 1]; ``n`` counts the runs of both.

    Raises
    ------
    InvalidParameter
        If the numbers of tasks differ.

    References
    ----------
    Agarwal et al. (2021), arXiv:2108.13264, section 4.3.

    Examples
    --------
    >>> probability_of_improvement([0.9, 0.8], [0.7, 0.8], n_resamples=0).value
    0.875
    """
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    ours, theirs = as_table("a", a), as_table("b", b)
    if ours.shape[1] != theirs.shape[1]:
        raise InvalidParameter(
            f"a and b must hold the same tasks, got {ours.shape[1]} and {theirs.shape[1]}"
        )
    shared = ~(np.isnan(ours).all(axis=0) | np.isnan(theirs).all(axis=0))
    n_missing = int(np.isnan(ours).sum() + np.isnan(theirs).sum())
    n = ours.size + theirs.size - n_missing
    if not shared.any():
        return Estimate(np.nan, np.nan, np.nan, n, n_missing)
    mine, other = present(ours[:, shared]), present(theirs[:, shared])
    value = float(np.mean([_wins(x, y) for x, y in zip(mine, other, strict=True)]))
    if n_resamples == 0 or min(map(len, [*mine, *other])) < 2:
        return Estimate(value, np.nan, np.nan, n, n_missing)
    rng = rng or np.random.default_rng(SEED)
    pairs = zip(mine, other, strict=True)
    drawn = np.mean([_drawn_wins(x, y, n_resamples, rng) for x, y in pairs], axis=0)
    low, high = np.quantile(drawn, tails(level))
    return Estimate(value, float(low), float(high), n, n_missing)


def _wins(x: Array, y: Array) -> float:
    return float(_table_of_wins(x, y).mean())


def _drawn_wins(x: Array, y: Array, n_resamples: int, rng: Generator) -> Array:
    # a resample is how often each run was drawn, and the mean over pairs is bilinear in that
    ours = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), n_resamples) / len(x)
    theirs = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), n_resamples) / len(y)
    return np.asarray(((ours @ _table_of_wins(x, y)) * theirs).sum(axis=1))


def _table_of_wins(x: Array, y: Array) -> Array:
    return (x[:, None] > y).astype(np.float64) + 0.5 * (x[:, None] == y)

"""Means, interquartile means and medians with stratified bootstrap intervals.

Scores are an array of shape ``(n_runs, n_tasks)``: a column for each setting that a policy ran
in, a row for each seed.  A NaN is a run that is missing or failed; it is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from scipy.stats import trim_mean

from plastic.analysis.statistics import LEVEL, error_of_mean
from plastic.errors import InvalidParameter, check_count, check_in, check_range

Array = NDArray[np.float64]
Tasks = Sequence[Array]  # the scores of each task, (..., n_runs of that task)

N_RESAMPLES = 5000
"""Of a bootstrap; the ends of a 95% interval then move by a twentieth of its width or less."""

SEED = 0
"""Of the generator that draws resamples where none is passed in."""


@dataclass(frozen=True)
class Estimate:
    """A statistic of scores and its confidence interval.

    Parameters
    ----------
    value, low, high : float
        In the unit of the scores; NaN where there are too few of them.
    n : int
        How many scores it rests on.
    n_missing : int
        How many are missing.
    """

    value: float
    low: float
    high: float
    n: int
    n_missing: int


def _mean(tasks: Tasks) -> Array:
    return np.mean([task.mean(axis=-1) for task in tasks], axis=0)


def _iqm(tasks: Tasks) -> Array:
    return np.asarray(trim_mean(np.concatenate(tasks, axis=-1), 0.25, axis=-1))


def _median(tasks: Tasks) -> Array:
    return np.asarray(np.median(np.concatenate(tasks, axis=-1), axis=-1))


def _task_median(tasks: Tasks) -> Array:
    return np.asarray(np.median([task.mean(axis=-1) for task in tasks], axis=0))


STATISTICS: dict[str, Callable[[Tasks], Array]] = {
    "mean": _mean,
    "iqm": _iqm,
    "median": _median,
    "task_median": _task_median,
}
"""``mean`` of the tasks' means; ``iqm``, the mean of the middle half of all runs, which no
outlier moves; ``median`` of all runs; ``task_median`` of the tasks' means."""

METHODS = ("student", "percentile")


def estimate(
    scores: ArrayLike,
    statistic: str = "iqm",
    *,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    method: str = "student",
    rng: Generator | None = None,
) -> Estimate:
    r"""A statistic of all runs, with a stratified bootstrap interval.

    The runs of each task are drawn anew from those of the same task; the spread of the
    statistics so found is the standard error.  As resamples of few runs vary too little, by
    :math:`\sqrt{(n - 1) / n}`, and their spread is itself not known well, ``student`` makes up
    for the one, and takes Student's quantile for the other, with Welch's and Satterthwaite's
    degrees of freedom.  For the mean of one task this is Student's interval.  ``percentile``
    takes the middle of the statistics found, and no end of it lies beyond the best or worst
    run.

    Parameters
    ----------
    scores : float array, shape (n_runs, n_tasks) or (n_runs,)
        NaN for runs that are missing.  Tasks without a run are left out.
    statistic : str
        One of `STATISTICS`.
    level : float
        Probability that the interval holds the truth, in (0, 1).
    n_resamples : int
    method : str
        ``student`` or ``percentile``, which is rliable's.
    rng : Generator, optional
        By default a new one of seed `SEED`, so that the same scores have the same interval.

    Returns
    -------
    Estimate
        Without an interval if a task has only one run.

    Raises
    ------
    InvalidParameter
        If the scores have more than two axes, or a parameter is none of its choices.

    Notes
    -----
    A 95% interval held the truth in so many of 2,000 simulated experiments, whose share has a
    standard error of half a point, with 3, 4, 5, 7, 10 and 20 runs of each task:

    - Normal scores: 94.1 to 96.2% for ``mean`` and 94.6 to 97.0% for ``task_median``, with 1, 4
      or 6 tasks; 93.8 to 96.9% for ``iqm`` and ``median`` with 4 or 6 tasks.  Of one task it is
      too careful for these two, up to 98.5%, with fewer than 10 runs.
    - Scores skewed as accuracies near 1 are (2 less a gamma variable of shape 2): 91.5 to 92.4%
      for the mean of one task, 93.2 to 95.8% of 4 or 6; the truth then lies below.
    - One task of 4 or 6 five times as wide as the others: 93.2 to 95.7% for the mean; ``iqm``
      and the medians are too careful by up to 4 points.
    - ``iqm`` and ``median`` pool the runs of all tasks, and are for scores of one level.  Where
      tasks lie further apart than their runs, the middle falls between two of them: of two
      such tasks, the interval of the ``median`` held it in 55 to 70%.

    ``percentile`` intervals of one task held the mean of 3 normal runs in 75%, of 5 in 84%.

    References
    ----------
    Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical
    precipice, arXiv:2108.13264.  Hesterberg (2015), What teachers should know about the
    bootstrap, The American Statistician 69, 371-386, sections 4.1 and 5.

    Examples
    --------
    >>> scores = [[0.90, 0.70], [0.92, 0.72], [0.91, 0.71], [0.94, np.nan]]
    >>> found = estimate(scores, "mean")
    >>> round(found.value, 4), found.n, found.n_missing
    (0.8137, 7, 1)
    >>> bool(0.80 < found.low < found.value < found.high < 0.83)
    True
    """
    check_in("statistic", statistic, STATISTICS)
    check_in("method", method, METHODS)
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    check_count("n_resamples", n_resamples)
    table = as_table("scores", scores)
    tasks = present(table)
    n = sum(map(len, tasks))
    if not tasks:
        return Estimate(np.nan, np.nan, np.nan, 0, table.size)
    function = STATISTICS[statistic]
    value = float(function(tasks))
    if min(map(len, tasks)) < 2:
        return Estimate(value, np.nan, np.nan, n, table.size - n)
    drawn = function(resample(tasks, n_resamples, rng or np.random.default_rng(SEED)))
    if method == "student":
        half = student_half(drawn, n / len(tasks), error_of_mean(tasks)[1], level)
        low, high = value - half, value + half
    else:
        low, high = np.quantile(drawn, tails(level))
    return Estimate(value, float(low), float(high), n, table.size - n)


def resample(tasks: Tasks, n_resamples: int, rng: Generator) -> list[Array]:
    """The runs of each task drawn anew with replacement, shapes (n_resamples, n_runs)."""
    return [task[rng.integers(0, len(task), (n_resamples, len(task)))] for task in tasks]


def student_half(drawn: Array, n: float, freedom: float, level: float) -> float:
    """Half of Student's interval around a statistic, from its resamples.

    Parameters
    ----------
    drawn : float array, shape (n_resamples,)
        The statistic of each resample.
    n : float
        How many there were to draw from; those of a task if there are several.
    freedom : float
        Degrees of freedom of the spread.
    level : float
    """
    error = np.std(drawn) * np.sqrt(n / (n - 1))
    return float(stdtrit(freedom, 0.5 + level / 2) * error)


def tails(level: float) -> tuple[float, float]:
    """Which quantiles of the resampled statistics hold the middle of them.

    Examples
    --------
    >>> [round(tail, 5) for tail in tails(0.95)]
    [0.025, 0.975]
    """
    return (1 - level) / 2, (1 + level) / 2


def present(table: Array) -> list[Array]:
    """The scores of each column without NaN; columns that hold none are left out."""
    columns = [column[~np.isnan(column)] for column in table.T]
    return [column for column in columns if len(column)]


def as_table(name: str, scores: Any) -> Array:
    """The scores as an array of shape (n_runs, n_tasks).

    Raises
    ------
    InvalidParameter
        If they have more than two axes.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2:
        raise InvalidParameter(
            f"{name} must have the shape (n_runs, n_tasks), got shape {table.shape}"
        )
    return table

"""Scores against costs, and which policies nothing beats on both."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from plastic.analysis.compare import COSTS, compare, setting_columns
from plastic.analysis.results import Results
from plastic.analysis.scores import higher_is_better
from plastic.analysis.statistics import flat
from plastic.errors import InvalidParameter, check_in


def pareto_front(cost: ArrayLike, score: ArrayLike) -> NDArray[np.bool_]:
    """Which points are on the front: no other costs no more and scores no less, one strictly.

    Parameters
    ----------
    cost, score : float arrays, shape (n_points,)
        Low costs and high scores are good; a point with a NaN is on no front.

    Returns
    -------
    bool array, shape (n_points,)

    Raises
    ------
    InvalidParameter
        If the shapes differ.

    Examples
    --------
    >>> pareto_front([1, 2, 3, 3], [0.8, 0.7, 0.9, 0.9]).tolist()
    [True, False, True, True]
    """
    x, y = flat("cost", cost), flat("score", score)
    if x.shape != y.shape:
        raise InvalidParameter(
            f"cost and score must be of one length, got {len(x)} and {len(y)}"
        )
    front = ~(np.isnan(x) | np.isnan(y))
    for point in np.flatnonzero(front):
        no_worse = (x <= x[point]) & (y >= y[point])
        better = (x < x[point]) | (y > y[point])
        front[point] = not (no_worse & better).any()
    return front


def pareto(
    results: Results,
    cost: str = "n_connections",
    *,
    metric: str = "final_test_score",
    by: str = "policy",
) -> pd.DataFrame:
    """Mean score against mean cost of each policy, with its front within each setting.

    What the policies' own networks cost is asked, so settings that differ in density alone
    share a front.

    Parameters
    ----------
    results : Results
    cost : str
        ``n_connections``, ``train_flops``, or another of `plastic.analysis.compare.COSTS`.
    metric : str
    by : str

    Returns
    -------
    DataFrame
        The columns of the setting, `by`, `cost`, ``mean``, ``low``, ``high``, ``n_seeds``,
        ``on_front``.

    Raises
    ------
    InvalidParameter
        If there is no such cost or column.
    ResultsError
        If not one run can be read.
    """
    check_in("cost", cost, COSTS)
    frame = compare(results, metric=metric, by=by)
    columns = setting_columns(results.runs, by)
    together = [name for name in columns if name != "density"]
    sign = 1 if higher_is_better(metric) else -1
    frame["on_front"] = False
    for _, members in frame.groupby(["measure", *together], dropna=False, sort=False):
        front = pareto_front(members[cost], sign * members["mean"])
        frame.loc[members.index, "on_front"] = front
    return frame[[*columns, by, cost, "mean", "low", "high", "n_seeds", "on_front"]]

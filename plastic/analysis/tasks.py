"""Streams of tasks: how well each is learned, and whether later ones are learned as well."""

from __future__ import annotations

import numpy as np
import pandas as pd

from plastic.analysis.results import Results
from plastic.analysis.scores import named_runs
from plastic.analysis.statistics import LEVEL, mean_interval, paired_difference
from plastic.errors import InvalidParameter, check_count, check_in

VALUES = ("running_score", "running_loss")


def accuracy_by_task(
    results: Results,
    *,
    value: str = "running_score",
    by: str = "policy",
    level: float = LEVEL,
) -> pd.DataFrame:
    """Mean online accuracy of each task, with Student's interval over the seeds.

    The accuracy on a mini-batch is taken before the step on it; that of a task is the mean over
    all of its steps.

    Parameters
    ----------
    results : Results
        Complete runs on datasets that drift are used.
    value : str
        ``running_score``, or for regressions ``running_loss``.
    by : str
        The group whose choices are compared.
    level : float
        Of the intervals, in (0, 1).

    Returns
    -------
    DataFrame
        The columns of the setting, `by`, ``task``, ``mean``, ``low``, ``high`` (NaN below two
        runs), ``n_runs``.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If a parameter is none of its choices.

    References
    ----------
    Dohare et al. (2024), Loss of plasticity in deep continual learning, Nature 632.
    """
    runs, settings = _online(results, value, by)
    rows = []
    for key, members in runs.groupby([*settings, by, "task"], dropna=False, sort=True):
        found = mean_interval(members[value], level)
        if found.n:
            rows.append([*key, found.mean, found.low, found.high, found.n])
    return pd.DataFrame(rows, columns=[*settings, by, "task", "mean", "low", "high", "n_runs"])


def change_over_tasks(
    results: Results,
    n_tasks: int = 10,
    *,
    value: str = "running_score",
    by: str = "policy",
    level: float = LEVEL,
) -> pd.DataFrame:
    """How much better the last tasks are learned than the first; below 0 plasticity was lost.

    Parameters
    ----------
    results : Results
        Complete runs on datasets that drift are used.
    n_tasks : int
        So many at either end.
    value, by, level
        As `accuracy_by_task` takes them.

    Returns
    -------
    DataFrame
        The columns of the setting, `by`, ``n_runs``, the means ``first`` and ``last``, their
        paired difference ``change`` with ``change_low`` and ``change_high``.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If a parameter is none of its choices, or a run has fewer than twice so many tasks.
    """
    check_count("n_tasks", n_tasks)
    runs, settings = _online(results, value, by)
    names = ["n_runs", "first", "last", "change", "change_low", "change_high"]
    rows = []
    for key, members in runs.groupby([*settings, by], dropna=False, sort=True):
        table = members.pivot_table(value, "run_id", "task").to_numpy()
        if table.shape[1] < 2 * n_tasks:
            raise InvalidParameter(
                f"n_tasks must be at most half of the {table.shape[1]} tasks, got {n_tasks}"
            )
        first, last = table[:, :n_tasks].mean(axis=1), table[:, -n_tasks:].mean(axis=1)
        found = paired_difference(last, first, level)
        ends = float(np.nanmean(first)), float(np.nanmean(last))
        rows.append([*key, found.n, *ends, found.mean, found.low, found.high])
    return pd.DataFrame(rows, columns=[*settings, by, *names])


def has_tasks(results: Results) -> bool:
    """Whether any complete run was on a dataset that drifts."""
    frame = results.convergence
    drifting = frame.loc[frame["task"] >= 0, "run_id"].unique()
    return bool(results.complete["run_id"].isin(drifting).any())


def _online(results: Results, value: str, by: str) -> tuple[pd.DataFrame, list[str]]:
    """A row for each task of each complete run, and the columns of the setting."""
    check_in("value", value, VALUES)
    named, settings = named_runs(results, by)
    frame = results.convergence
    frame = frame.loc[frame["split"] == "train", ["run_id", "step", "task", value]]
    frame = frame.assign(run_id=frame["run_id"].astype(str)).sort_values(["run_id", "step"])
    frame["steps"] = frame.groupby("run_id")["step"].diff()
    # an evaluation ends every task, so a mean over steps belongs to one task as a whole
    frame = frame[(frame["task"] >= 0) & (frame["steps"] > 0)]
    frame = frame.assign(total=frame[value] * frame["steps"])
    tasks = frame.groupby(["run_id", "task"])[["total", "steps"]].sum(min_count=1)
    tasks = (tasks["total"] / tasks["steps"]).rename(value).reset_index()
    complete = named.loc[named["status"] == "complete", ["run_id", *settings, by]]
    return tasks.merge(complete, on="run_id"), settings

"""From the table of runs to an array of scores: policies, seeds, settings.

Every statistic that looks at several policies begins here, so all of them leave out the same
runs: those that failed, are unfinished, or ended without a number.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plastic.analysis.compare import EQUAL, check_choices, policy_names, setting_columns
from plastic.analysis.equal_flops import at_equal_flops
from plastic.analysis.results import Results
from plastic.errors import check_in

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of all policies, one for each seed of each setting.

    Parameters
    ----------
    policies : tuple of str
        Names as `plastic.analysis.compare` gives them, sorted.
    seeds : int array, shape (n_seeds,)
        Ascending.
    settings : DataFrame, n_settings rows
        What each setting is: dataset, density, ...
    table : float array, shape (n_policies, n_seeds, n_settings)
        NaN where there is no complete run, or it has no score.
    n_failed, n_unfinished, n_without_score : int arrays, shape (n_policies, n_settings)
        Runs that failed, are not finished, or are complete and have no score.
    metric : str
        The column of the run table that the scores are from.
    unit : str
        ``accuracy``, ``r2`` or empty where settings differ in it.
    """

    policies: tuple[str, ...]
    seeds: NDArray[np.int64]
    settings: pd.DataFrame
    table: Array
    n_failed: NDArray[np.int64]
    n_unfinished: NDArray[np.int64]
    n_without_score: NDArray[np.int64]
    metric: str
    unit: str

    @property
    def higher_is_better(self) -> bool:
        """Whether it is a score rather than a loss."""
        return higher_is_better(self.metric)

    @property
    def labels(self) -> list[str]:
        """Each setting in a few words, such as ``digits, density 0.05``."""
        return [setting_label(row) for _, row in self.settings.iterrows()]

    def blocks(self) -> Array:
        """Seeds and settings as blocks, shape (n_seeds * n_settings, n_policies).

        Blocks in which no policy has a score, as none ran that seed there, are left out.
        """
        rows = self.table.reshape(len(self.policies), -1).T
        return np.asarray(rows[~np.isnan(rows).all(axis=1)])

    def of(self, policy: str) -> Array:
        """Scores of one policy, shape (n_seeds, n_settings)."""
        return np.asarray(self.table[self.policies.index(policy)])


def higher_is_better(metric: str) -> bool:
    """Whether more of a column is better: scores, but not losses.

    Examples
    --------
    >>> higher_is_better("final_test_score"), higher_is_better("final_test_loss")
    (True, False)
    """
    return not metric.endswith("loss")


def setting_label(setting: Any) -> str:
    """A setting in a few words.

    Parameters
    ----------
    setting : mapping of str to value
        Columns of the setting; those that are NaN it does not have.

    Examples
    --------
    >>> setting_label({"dataset": "digits", "density": 0.05, "wiring.hidden": float("nan")})
    'digits, density 0.05'
    """
    return ", ".join(
        str(value) if name == "dataset" else f"{name} {value}"
        for name, value in setting.items()
        if value == value  # a NaN is not equal to itself
    )


def named_runs(results: Results, by: str = "policy") -> tuple[pd.DataFrame, list[str]]:
    """The table of runs with full names of policies in `by`, and the columns of the setting.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If there is no such column.
    """
    runs = results.runs
    check_choices(results, by=by)
    settings = setting_columns(runs, by)
    return runs.assign(**{by: policy_names(runs, settings, by)}), settings


def standing(results: Results, equal: str = "steps", by: str = "policy") -> Results:
    """The results with their runs as they stood when they are compared.

    Parameters
    ----------
    results : Results
    equal : {"steps", "flops"}
        At their ends, or where they had cost as much as the cheapest of their setting and
        seed: then the table of runs is as `plastic.analysis.equal_flops` has it, and all
        others are as they were.
    by : str
        The column whose values are compared.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If a parameter is none of its choices.
    """
    check_in("equal", equal, EQUAL)
    check_choices(results, by=by)
    if equal == "steps":
        return results
    settings = setting_columns(results.runs, by)
    found = copy(results)
    vars(found)["runs"] = at_equal_flops(results.runs, results.convergence, settings)
    return found


def score_table(
    results: Results, *, metric: str = "final_test_score", by: str = "policy"
) -> Scores:
    """The scores of a sweep as an array; the same configuration run twice counts once.

    Parameters
    ----------
    results : Results
    metric : str
        A score or loss of the run table.
    by : str
        The column whose values are compared.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If there is no such column.
    """
    check_choices(results, by=by, metric=metric)
    runs, columns = named_runs(results, by)
    policies = tuple(sorted(set(runs[by])))
    seeds = np.unique(runs["seed"].to_numpy())
    grouped = runs.groupby(columns, dropna=False, sort=True)
    settings = grouped.size().index.to_frame(index=False)
    where = grouped.ngroup().to_numpy()
    which = np.searchsorted(np.array(policies, dtype=object), runs[by].to_numpy(dtype=object))
    when = np.searchsorted(seeds, runs["seed"].to_numpy())
    status = runs["status"].to_numpy()
    score = np.where(status == "complete", runs[metric].to_numpy(np.float64), np.nan)
    score[~np.isfinite(score)] = np.nan
    shape = (len(policies), len(seeds), len(settings))
    total, count = np.zeros(shape), np.zeros(shape)
    there = ~np.isnan(score)
    np.add.at(total, (which[there], when[there], where[there]), score[there])
    np.add.at(count, (which[there], when[there], where[there]), 1)
    values = np.full(shape, np.nan)
    np.divide(total, count, out=values, where=count > 0)

    def counted(members: NDArray[np.bool_]) -> NDArray[np.int64]:
        counts = np.zeros((shape[0], shape[2]), np.int64)
        np.add.at(counts, (which[members], where[members]), 1)
        return counts

    units = {name for name in runs["metric"] if name}
    return Scores(
        policies, seeds, settings, values,
        counted(status == "failed"), counted(status == "running"),
        counted((status == "complete") & ~there),
        metric, units.pop() if len(units) == 1 else "",
    )  # fmt: skip

"""Policies compared: the same settings, seeds paired, final scores first.

Runs that differ in anything but the seed, the policy and its parameters are different
*settings* and never meet in a mean.  A policy that was run with several parameters appears
as several, under names such as ``thompson sampling=mean``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from plastic.analysis.equal_flops import at_equal_flops
from plastic.analysis.results import Results
from plastic.analysis.statistics import holm, mean_interval, paired_difference
from plastic.columns import RUN_FINDINGS, is_execution
from plastic.errors import InvalidParameter, ResultsError, check_in

COSTS = ("n_connections", "n_neurons", "train_flops", "candidate_fraction", "seconds")
"""The columns of the run table that a comparison gives the means of."""

EQUAL = ("steps", "flops")

_NO_SETTING = {"run_id", "seed", "status", "reason", "started", "seconds"} | {
    column.name for column in RUN_FINDINGS
}


def is_choice(name: str) -> bool:
    """Whether a column of the run table is a choice that results may depend on, seeds apart.

    Examples
    --------
    >>> [is_choice(name) for name in ("policy.fraction", "seed", "threads", "n_neurons")]
    [True, False, False, False]
    """
    own = name in _NO_SETTING or is_execution(name)
    return not own and not name.endswith((".seed", "_seed"))


def compare(
    results: Results,
    *,
    baseline: str | None = None,
    by: str = "policy",
    metric: str = "final_test_score",
    equal: str = "steps",
) -> pd.DataFrame:
    """A row for each setting and policy, best first within a setting.

    Parameters
    ----------
    results : Results
        Only complete runs enter the means; failed and unfinished ones are counted.
    baseline : str, optional
        The policy that the others are compared with, seed by seed.  Without it ``static`` if
        there is one, else the first by the alphabet.
    by : str
        The column whose values are compared.
    metric : str
        The score or loss that is compared, a column of the run table.
    equal : {"steps", "flops"}
        Whether runs are compared at their ends, or where they stood once they had cost as much
        as the cheapest of them (`plastic.analysis.equal_flops`).

    Returns
    -------
    DataFrame
        The columns of the setting, `by`, then ``measure`` (the argument `metric`), ``metric``
        (accuracy or r2), ``n_seeds``, ``n_failed``, ``n_unfinished``, ``n_without_score``
        (runs that are complete and whose measure is no finite number); ``mean``, ``low`` and
        ``high`` of the measure, and of the best test score as ``best_mean``, ...; the means of
        `COSTS`; the ids of runs that ``failed``, are ``unfinished`` or ``without_score``;
        ``baseline``, ``n_pairs``, ``difference``, ``difference_low``, ``difference_high`` and
        ``p_value``, by Holm's method over the whole table.  Intervals are Student's, at 95%.

    Raises
    ------
    InvalidParameter
        If there is no such column, or nothing of the baseline's name.
    ResultsError
        If not one run can be read.
    """
    check_choices(results, by=by, metric=metric)
    runs = results.runs
    check_in("equal", equal, EQUAL)
    settings = setting_columns(runs, by)
    if equal == "flops":
        runs = at_equal_flops(runs, results.convergence, settings)
    runs = runs.assign(**{by: policy_names(runs, settings, by)})
    baseline = choose_baseline(baseline, runs[by])
    rows: list[dict[str, Any]] = []
    for setting, members in runs.groupby(settings, dropna=False, sort=False):
        groups = dict(list(members.groupby(by, sort=True)))
        reference = _by_seed(groups.get(baseline, members[:0]), metric)
        found = [
            {**dict(zip(settings, setting, strict=True)), by: name}
            | _describe(group, metric)
            | _against(group, metric, "" if name == baseline else baseline, reference)
            for name, group in groups.items()
        ]
        sign = 1 if metric.endswith("loss") else -1
        rows += sorted(found, key=lambda row: _rank(sign * row["mean"]))
    rows.sort(key=lambda row: [_rank(row[name]) for name in settings])
    frame = pd.DataFrame(rows)
    frame["baseline"] = baseline
    frame["p_value"] = holm(frame["p_value"])
    return frame


def check_choices(
    results: Results, *, by: str = "policy", metric: str = "final_test_score"
) -> None:
    """Raise unless there are runs to compare, and columns of these names.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If there is no such column.
    """
    runs = results.runs
    if runs.empty:
        reason = results.unreadable["reason"].iloc[0]
        raise ResultsError(f"none of the runs in {results.folder} can be read: {reason}")
    scores = [column.name for column in RUN_FINDINGS if column.dtype == "float64"]
    for name, value, choices in (("by", by, list(runs)), ("metric", metric, scores)):
        if value not in choices:
            raise InvalidParameter(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def summary(results: Results, *, metric: str = "final_test_score") -> pd.DataFrame:
    """A few columns of `compare`: what was reached, and at what cost.

    Returns
    -------
    DataFrame
        The columns of the setting (dataset, density, ...), policy, n_seeds, metric, mean,
        low, high, n_neurons, n_connections, train_flops, candidate_fraction, seconds.
    """
    frame = compare(results, metric=metric)
    return frame[
        [
            *setting_columns(results.runs),
            *("policy", "n_seeds", "metric", "mean", "low", "high"),
            *("n_neurons", "n_connections", "train_flops", "candidate_fraction", "seconds"),
        ]
    ]


def setting_columns(runs: pd.DataFrame, by: str = "policy") -> list[str]:
    """The columns in which runs differ that are not to be compared: their setting.

    Dataset and density always; beside them every column of the configuration that varies
    among runs of one policy, its parameters and the seed being the same.  What varies only
    from policy to policy belongs to the policy, and what only the dataset decides to it.

    Examples
    --------
    >>> runs = pd.DataFrame({"dataset": "digits", "policy": ["set", "set"], "seed": 0,
    ...     "density": 0.1, "optimizer.learning_rate": [0.1, 0.01]})
    >>> setting_columns(runs)
    ['dataset', 'density', 'optimizer.learning_rate']
    """
    chosen = [name for name in ("dataset", "density") if name in runs and name != by]
    own = [name for name in _varying(runs, list(runs)) if _belongs(name, by)]
    candidates = [
        name
        for name in _varying(runs, list(runs))
        if is_choice(name) and name not in (*chosen, *own)
    ]
    # a choice by name explains the dotted columns that come with it, so names go first
    for name in sorted(candidates, key=lambda name: "." in name):
        if _varies(runs, name, [*chosen, *own, "seed"]):
            chosen.append(name)
    return chosen


def _belongs(name: str, by: str) -> bool:
    return name == by or name.startswith(f"{by}.")


def _varying(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return [name for name in names if len(runs[name].unique()) > 1]


def _varies(runs: pd.DataFrame, name: str, within: Sequence[str]) -> bool:
    together = runs[[*within, name]].drop_duplicates()
    return len(together) > len(runs[list(within)].drop_duplicates())


def policy_names(runs: pd.DataFrame, settings: Sequence[str], by: str) -> pd.Series:
    """Name of each run's policy, with the parameters that it was swept over.

    Parameters
    ----------
    runs : DataFrame
        The table of runs.
    settings : sequence of str
        Columns that tell settings apart; what is told there is no part of the name.
    by : str

    Examples
    --------
    >>> runs = pd.DataFrame({"dataset": "digits", "policy": ["set", "set"],
    ...     "policy.fraction": [0.1, 0.3]})
    >>> policy_names(runs, ["dataset"], "policy").tolist()
    ['set fraction=0.1', 'set fraction=0.3']
    """
    names = runs[by].astype("str").astype(object)
    for _, members in runs.groupby(by, dropna=False, sort=False):
        own = _varying(members, [name for name in runs if _belongs(name, by) and name != by])
        chosen: list[str] = []
        for name in own:
            if _varies(members, name, [*settings, *chosen]):
                chosen.append(name)
        for name in chosen:
            short = name.removeprefix(f"{by}.")
            names[members.index] += [f" {short}={value}" for value in members[name]]
    return names


def choose_baseline(baseline: str | None, names: pd.Series) -> str:
    """The policy to compare with: that asked for, else ``static``, else the first by name.

    Raises
    ------
    InvalidParameter
        If there is none of that name.

    Examples
    --------
    >>> choose_baseline(None, pd.Series(["set", "rigl"]))
    'rigl'
    """
    present = sorted(set(names))
    if baseline is None:
        return "static" if "static" in present else present[0]
    if baseline not in present:
        raise InvalidParameter(
            f"baseline must be one of {', '.join(map(repr, present))}, got {baseline!r}"
        )
    return baseline


def _by_seed(runs: pd.DataFrame, column: str) -> pd.Series:
    scored = runs[(runs["status"] == "complete") & np.isfinite(runs[column])]
    # the same configuration and seed run twice is one observation, not two
    return scored.groupby("seed")[column].mean()


def _describe(runs: pd.DataFrame, metric: str) -> dict[str, Any]:
    complete = runs[runs["status"] == "complete"]
    final = mean_interval(_by_seed(runs, metric))
    best = mean_interval(_by_seed(runs, "best_test_score"))
    failed = runs.loc[runs["status"] == "failed", "run_id"]
    unfinished = runs.loc[runs["status"] == "running", "run_id"]
    without = complete.loc[~np.isfinite(complete[metric]), "run_id"]
    return {
        "measure": metric,
        "metric": next((name for name in complete["metric"] if name), ""),
        "n_seeds": final.n,
        "n_failed": len(failed),
        "n_unfinished": len(unfinished),
        "n_without_score": len(without),
        "mean": final.mean,
        "low": final.low,
        "high": final.high,
        "best_mean": best.mean,
        "best_low": best.low,
        "best_high": best.high,
        **{name: complete[name].mean() if len(complete) else np.nan for name in COSTS},
        "failed": ", ".join(failed),
        "unfinished": ", ".join(unfinished),
        "without_score": ", ".join(without),
    }


def _against(
    runs: pd.DataFrame, metric: str, baseline: str, reference: pd.Series
) -> dict[str, Any]:
    own = _by_seed(runs, metric)
    shared = own.index.intersection(reference.index) if baseline else own.index[:0]
    difference = paired_difference(own.loc[shared], reference.loc[shared])
    return {
        "baseline": baseline,
        "n_pairs": difference.n,
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "p_value": difference.p_value,
    }


def _rank(value: Any) -> tuple[bool, bool, Any]:
    # numbers before text, and what is missing last
    if pd.isna(value):
        return True, True, 0
    return False, isinstance(value, str), value

"""Convergence over steps and over FLOPs: bands, areas, and when a target is reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from plastic.analysis.results import Results
from plastic.analysis.scores import higher_is_better, named_runs
from plastic.analysis.statistics import LEVEL, flat
from plastic.errors import InvalidParameter, check_count, check_in, check_range

Array = NDArray[np.float64]

SPLITS = ("train", "reward", "test")
AXES = ("step", "train_flops", "epoch", "seconds")
VALUES = ("score", "loss", "n_connections", "n_neurons", "density")


def curves(
    results: Results,
    *,
    x: str = "step",
    value: str = "score",
    split: str = "test",
    by: str = "policy",
    level: float = LEVEL,
    n_points: int = 100,
) -> pd.DataFrame:
    """Mean convergence of each policy with Student's band, pointwise.

    Over steps, runs meet where they were evaluated.  Over anything else each run has places
    of its own, so all are interpolated to `n_points` places of the policy's whole range; a
    run counts only where it has been.

    Parameters
    ----------
    results : Results
        Complete runs are used.
    x : str
        ``step``, ``train_flops``, ``epoch`` or ``seconds``.
    value : str
        ``score``, ``loss``, ``n_connections``, ``n_neurons`` or ``density``.
    split : str
        ``test``, ``train`` or ``reward``.
    by : str
    level : float
    n_points : int

    Returns
    -------
    DataFrame
        The columns of the setting, `by`, `x`, ``mean``, ``low``, ``high`` (NaN below two
        runs), ``n_runs``.

    Raises
    ------
    ResultsError
        If not one run can be read.
    InvalidParameter
        If a parameter is none of its choices.
    """
    check_in("x", x, AXES)
    check_in("value", value, VALUES)
    check_in("split", split, SPLITS)
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    check_count("n_points", n_points, low=2)
    frame = _of_split(results, split, x, value)
    return mean_curves(results, frame, by=by, level=level, n_points=n_points)


def mean_curves(
    results: Results,
    frame: pd.DataFrame,
    *,
    by: str = "policy",
    level: float = LEVEL,
    n_points: int = 100,
) -> pd.DataFrame:
    """The same of any numbers that runs have left on their way.

    Parameters
    ----------
    results : Results
        Complete runs are used.
    frame : DataFrame
        ``run_id`` (categories), a place and a value: a row for each point of a run, ascending.
    by : str
    level : float
    n_points : int
        As in `curves`; places that are steps are taken as they are.
    """
    x = str(frame.columns[1])
    pieces = []
    for setting, policy, runs in _groups(results, by, frame):
        grid, table = _on_grid(runs, None if x == "step" else n_points)
        mean, half, n = _band(table, level)
        pieces.append(
            pd.DataFrame(
                {
                    **setting,
                    by: policy,
                    x: grid,
                    "mean": mean,
                    "low": mean - half,
                    "high": mean + half,
                    "n_runs": n,
                }
            )
        )
    if pieces:
        return pd.concat(pieces, ignore_index=True)
    _, columns = named_runs(results, by)
    return pd.DataFrame(columns=[*columns, by, x, "mean", "low", "high", "n_runs"])


def _of_split(results: Results, split: str, x: str, value: str) -> pd.DataFrame:
    frame = results.convergence
    return frame.loc[frame["split"] == split, ["run_id", x, value]]


def _groups(
    results: Results, by: str, frame: pd.DataFrame
) -> Iterator[tuple[dict[str, Any], str, list[tuple[Array, Array]]]]:
    """Setting, policy, and the (x, value) of each of its complete runs."""
    named, columns = named_runs(results, by)
    codes = frame["run_id"].cat.codes.to_numpy()
    order = np.argsort(codes, kind="stable")
    xs, ys = (frame[name].to_numpy(np.float64)[order] for name in frame.columns[1:])
    bounds = np.searchsorted(codes[order], np.arange(len(frame["run_id"].cat.categories) + 1))
    place = {run_id: i for i, run_id in enumerate(frame["run_id"].cat.categories)}
    complete = named[named["status"] == "complete"]
    for key, members in complete.groupby([*columns, by], dropna=False, sort=True):
        runs = []
        for run_id in members["run_id"]:
            if run_id in place:
                own = slice(bounds[place[run_id]], bounds[place[run_id] + 1])
                there = ~np.isnan(ys[own])
                if there.any():
                    runs.append((xs[own][there], ys[own][there]))
        if runs:
            yield dict(zip(columns, key[:-1], strict=True)), key[-1], runs


def _on_grid(runs: list[tuple[Array, Array]], n_points: int | None) -> tuple[Array, Array]:
    """Places, and the value of each run there: (n_runs, n_places), NaN where it was not."""
    if n_points is None:
        grid = np.unique(np.concatenate([xs for xs, _ in runs]))
        table = np.full((len(runs), len(grid)), np.nan)
        for row, (xs, ys) in zip(table, runs, strict=True):
            row[np.searchsorted(grid, xs)] = ys
        return grid, table
    low, high = min(xs.min() for xs, _ in runs), max(xs.max() for xs, _ in runs)
    grid = np.linspace(low, high, n_points) if high > low else np.array([low])
    return grid, np.array([np.interp(grid, *run, left=np.nan, right=np.nan) for run in runs])


def _band(table: Array, level: float) -> tuple[Array, Array, NDArray[np.int64]]:
    n = (~np.isnan(table)).sum(axis=0)
    mean = np.where(n > 0, np.nansum(table, axis=0) / np.maximum(n, 1), np.nan)
    squares = np.nansum((table - mean) ** 2, axis=0)
    deviation = np.sqrt(squares / np.maximum(n - 1, 1))
    quantile = stdtrit(np.maximum(n - 1, 1), 0.5 + level / 2)
    half = quantile * deviation / np.sqrt(np.maximum(n, 1))
    return mean, np.where(n > 1, half, np.nan), n


def area_under_curve(x: ArrayLike, y: ArrayLike) -> float:
    """Mean height of a curve: its area by the trapezoid rule over its width.

    Parameters
    ----------
    x, y : float arrays, shape (n_points,)
        `x` ascending; points whose `y` is NaN are left out.

    Returns
    -------
    float
        In the unit of `y`; a single point is its own height, none is NaN.

    Raises
    ------
    InvalidParameter
        If the shapes differ, or `x` descends.

    Examples
    --------
    >>> area_under_curve([0, 10, 20], [0.0, 0.8, 1.0])
    0.65
    """
    x, y = _points(x, y)
    if len(x) == 0:
        return float("nan")
    if x[-1] == x[0]:
        return float(y[-1])
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def first_reached(
    x: ArrayLike, y: ArrayLike, target: float, *, higher_is_better: bool = True
) -> float:
    """Where a curve first reaches a target; NaN if it never does.

    Parameters
    ----------
    x, y : float arrays, shape (n_points,)
        `x` ascending; points whose `y` is NaN are left out.
    target : float
    higher_is_better : bool
        False for losses: then it is reached from above.

    Returns
    -------
    float
        An `x` that was given: nothing is interpolated, as nobody looked in between.

    Raises
    ------
    InvalidParameter
        If the shapes differ, or `x` descends.

    Examples
    --------
    >>> first_reached([0, 10, 20], [0.1, 0.8, 0.9], 0.75)
    10.0
    """
    x, y = _points(x, y)
    reached = np.flatnonzero(y >= target if higher_is_better else y <= target)
    return float(x[reached[0]]) if len(reached) else float("nan")


def _points(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    x, y = flat("x", x), flat("y", y)
    if x.shape != y.shape:
        raise InvalidParameter(f"x and y must be of one length, got {len(x)} and {len(y)}")
    if (np.diff(x) < 0).any():
        raise InvalidParameter("x must not descend")
    there = ~np.isnan(y)
    return x[there], y[there]


def milestones(
    results: Results,
    target: float,
    *,
    value: str = "score",
    split: str = "test",
    by: str = "policy",
) -> pd.DataFrame:
    """A row for each setting and policy: how fast its runs learned, and where they ended.

    Parameters
    ----------
    results : Results
        Complete runs are used.
    target : float
        In the unit of `value`.
    value : str
        ``score`` or ``loss``.
    split : str
    by : str

    Returns
    -------
    DataFrame
        The columns of the setting, `by`, ``n_runs``, the means ``area`` (under the curve over
        steps, over its width), ``final`` and ``best``, ``n_reached``, and of the runs that
        reached the target the medians ``steps_to_target`` and ``flops_to_target``.

    Raises
    ------
    InvalidParameter
        If a parameter is none of its choices.
    """
    check_in("value", value, VALUES[:2])
    check_in("split", split, SPLITS)
    up = higher_is_better(value)
    rows = []
    flops = _groups(results, by, _of_split(results, split, "train_flops", value))
    steps = _groups(results, by, _of_split(results, split, "step", value))
    for (setting, policy, runs), (_, _, costs) in zip(steps, flops, strict=True):
        when = np.array([first_reached(*run, target, higher_is_better=up) for run in runs])
        paid = np.array([first_reached(*run, target, higher_is_better=up) for run in costs])
        there = ~np.isnan(when)
        rows.append(
            {
                **setting,
                by: policy,
                "n_runs": len(runs),
                "area": np.mean([area_under_curve(*run) for run in runs]),
                "final": np.mean([ys[-1] for _, ys in runs]),
                "best": np.mean([ys.max() if up else ys.min() for _, ys in runs]),
                "n_reached": int(there.sum()),
                "steps_to_target": np.median(when[there]) if there.any() else np.nan,
                "flops_to_target": np.median(paid[there]) if there.any() else np.nan,
            }
        )
    if rows:
        return pd.DataFrame(rows)
    return pd.DataFrame(columns=[*named_runs(results, by)[1], by, *_MILESTONES])


_MILESTONES = (
    "n_runs", "area", "final", "best", "n_reached", "steps_to_target", "flops_to_target",
)  # fmt: skip

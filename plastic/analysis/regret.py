"""Tables of regret: how much a bandit lost against always pulling the best arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plastic.analysis.statistics import mean_interval

COLUMNS = {
    "bandit": "Choice of conf/bandit.",
    "environment": "Kind of world: stationary, drifting, retiring.",
    "instance": "Choice of conf/environment.",
    "sampling": "How it draws from its posteriors; empty if it has none.",
    "pulls": "Arms pulled in each round, together.",
    "feedback_every": "Rounds from one delivery of rewards to the next.",
    "delay": "Rounds that a reward is on its way.",
    "horizon": "Rounds that the regret is added up over.",
    "n_runs": "Independent runs.",
    "mean": "Mean regret, in units of reward.",
    "low": "Lower end of its 95% t interval.",
    "high": "Upper end of it.",
    "slope": "[R(T) - R(T/10)] / (C ln 10): growth of mean regret, beside the lower bound's.",
    "lai_robbins": "C, regret per unit of log time of the bound of Lai and Robbins.",
    "seconds": "Time that the simulation took up to its last horizon.",
    "seed": "Of all random streams.",
    "run_id": "Name of the simulation; its configuration is in cells/<run_id>.yaml.",
}
"""Columns of regret.csv and regret.parquet."""

KEYS = ["instance", "horizon", "bandit", "run_id"]


def regret_rows(
    horizons: Sequence[int],
    wanted: Sequence[int],
    regret: NDArray[np.floating],
    lai_robbins: float,
    labels: Mapping[str, Any],
) -> pd.DataFrame:
    """Rows of the table, one for each horizon that is wanted.

    Parameters
    ----------
    horizons : sequence of int
        Of the rows of `regret`; without T / 10 among them, the slope at T is NaN.
    wanted : sequence of int
        Some of them.
    regret : float array, shape (n_horizons, n_runs)
    lai_robbins : float
        C; NaN where there is no bound.
    labels : mapping
        The columns that are the same in all rows.

    Examples
    --------
    >>> regret = np.array([[1.0, 2.0], [5.0, 7.0]])
    >>> rows = regret_rows([10, 100], [100], regret, 2.0, {"bandit": "beta"})
    >>> rows[["bandit", "horizon", "n_runs", "mean", "slope"]].round(3).values.tolist()
    [['beta', 100, 2, 6.0, 0.977]]
    """
    at = {horizon: row for row, horizon in enumerate(horizons)}
    rows = []
    for horizon in wanted:
        interval = mean_interval(regret[at[horizon]])
        tenth = at.get(horizon // 10) if horizon % 10 == 0 else None
        before = np.nan if tenth is None else regret[tenth]
        grown = float(np.mean(regret[at[horizon]] - before))
        rows.append(
            {
                **labels,
                "horizon": horizon,
                "n_runs": regret.shape[1],
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "slope": grown / (lai_robbins * np.log(10)),
                "lai_robbins": lai_robbins,
            }
        )
    frame = pd.DataFrame(rows)
    return frame[[name for name in COLUMNS if name in frame]]


def regret_study(table: pd.DataFrame) -> pd.DataFrame:
    """The table in the columns of all studies, where it has them: a world is the dataset.

    Examples
    --------
    >>> regret = np.array([[1.0, 2.0], [5.0, 7.0]])
    >>> labels = {"bandit": "beta", "instance": "two_arms", "sampling": "thompson"}
    >>> study = regret_study(regret_rows([10, 100], [100], regret, 2.0, labels))
    >>> study[["dataset", "policy", "metric", "n_seeds", "mean"]].values.tolist()
    [['two_arms', 'beta', 'regret after 100 rounds', 2, 6.0]]
    """
    names = {"instance": "dataset", "bandit": "policy", "n_runs": "n_seeds"}
    told = "regret after " + table["horizon"].astype(str) + " rounds"
    study = table.rename(columns=names).assign(metric=told)
    return study.fillna({"sampling": ""})


def format_regret(table: pd.DataFrame) -> str:
    """The table for the screen: one block an instance, lowest regret first.

    Examples
    --------
    >>> regret = np.array([[1.0, 2.0], [5.0, 7.0]])
    >>> labels = {"bandit": "beta", "instance": "two_arms", "seconds": 0.5}
    >>> print(format_regret(regret_rows([10, 100], [100], regret, 2.0, labels)))
    two_arms, 100 rounds
      bandit                        regret   slope   runs  seconds
      beta                    6.0 +-12.7      0.98      2      0.5
    """
    lines = []
    for (instance, horizon), block in table.groupby(["instance", "horizon"], sort=True):
        lines.append(f"{instance}, {horizon} rounds")
        lines.append(f"  {'bandit':20} {'regret':>15} {'slope':>7} {'runs':>6}  seconds")
        for row in block.sort_values("mean").itertuples():
            half = (row.high - row.low) / 2
            slope = "" if np.isnan(row.slope) else f"{row.slope:.2f}"
            lines.append(
                f"  {row.bandit:20} {f'{row.mean:.1f} +-{half:.1f}':>15} {slope:>7} "
                f"{row.n_runs:6d} {row.seconds:8.1f}"
            )
    return "\n".join(lines)

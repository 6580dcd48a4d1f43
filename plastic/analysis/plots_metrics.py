"""Pictures of what metrics read: any number of a metric over the steps of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from plastic.analysis.curves import mean_curves
from plastic.analysis.plots import LABELS, draw_curves, of_setting, settings_of
from plastic.analysis.results import Results
from plastic.analysis.style import legend, new_axes, nothing, plain
from plastic.errors import InvalidParameter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST = {
    "degrees": "in_gini",
    "dead_ends": "any",
    "path_lengths": "mean",
    "magnitudes": "gini",
    "overlap": "f1",
}
"""The label that says most of a metric, where it is not the first one."""


def plot_metric(
    results: Results,
    metric: str,
    label: str | None = None,
    *,
    by: str = "policy",
    setting: int | None = None,
    table: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """What a metric read in the runs of each policy over the steps: mean and 95% band.

    Parameters
    ----------
    results : Results
        Complete runs are used.
    metric : str
        Its name in the table of metrics.
    label : str, optional
        Which of its numbers; by default the one that says most.
    by : str
        The column whose values are told apart.
    setting : int, optional
        Number of the setting to draw; needed if there are several.
    table : DataFrame, optional
        Instead of the table of metrics, as `plastic.analysis.structure_over_time` gives it.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InvalidParameter
        If no run has such a metric or label, or there are several settings and none is chosen.
    MissingExtra
        If Matplotlib is not installed.
    """
    rows = metric_rows(results.metrics if table is None else table, metric, label)
    settings, policies = settings_of(results, by)
    found = mean_curves(results, rows[["run_id", "step", "value"]], by=by)
    frame = of_setting(found, settings, setting)
    ax = new_axes(ax)
    if frame.empty:
        return nothing(ax, f"no complete run has a number for {plain(metric)}")
    draw_curves(ax, frame, policies, by, "step")
    ax.set_xlabel(LABELS["step"])
    ax.set_ylabel(plain(_named(metric, str(rows["label"].iloc[0]))))
    legend(ax)
    return ax


def _named(metric: str, label: str) -> str:
    name = metric if label in ("", metric) else f"{metric}: {label}"
    return name.replace("_", " ")


def metric_rows(table: pd.DataFrame, metric: str, label: str | None = None) -> pd.DataFrame:
    """The rows of one number of a metric.

    Raises
    ------
    InvalidParameter
        If there is no such metric, or it has no such label.
    """
    rows = table[table["metric"] == metric]
    if rows.empty:
        there = ", ".join(sorted(table["metric"].astype(str).unique()))
        said = f"there are {there}" if there else "the runs were asked for none: metrics=..."
        raise InvalidParameter(f"no run has a metric {metric!r}; {said}")
    labels = list(dict.fromkeys(rows["label"].astype(str)))
    if label is None:
        label = FIRST[metric] if FIRST.get(metric) in labels else labels[0]
    if label not in labels:
        raise InvalidParameter(
            f"metric {metric!r} has no label {label!r}; there are {', '.join(labels)}"
        )
    return rows[rows["label"] == label]

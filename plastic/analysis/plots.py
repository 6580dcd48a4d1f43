"""Pictures of scores and costs: convergence, finals, fronts, ranks, profiles, parameters.

Each returns Matplotlib's axes and takes ``ax=``, so that pictures compose.  Policies are told
apart by colour, dashes and marker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plastic.analysis.curves import curves
from plastic.analysis.importance import parameter_importance
from plastic.analysis.pareto import pareto
from plastic.analysis.profiles import performance_profile
from plastic.analysis.ranking import rank_policies
from plastic.analysis.results import Results
from plastic.analysis.scores import score_table, setting_label
from plastic.analysis.statistics import mean_interval
from plastic.analysis.style import PALETTE, legend, new_axes, nothing, plain, styles
from plastic.analysis.tasks import accuracy_by_task
from plastic.errors import InvalidParameter, check_range, require_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

LABELS = {
    "step": "optimizer steps",
    "train_flops": "operations spent on training",
    "epoch": "epochs",
    "seconds": "seconds of training",
    "n_connections": "connections",
    "n_neurons": "neurons",
    "task": "tasks before",
}


def plot_convergence(
    results: Results,
    *,
    x: str = "step",
    value: str = "score",
    split: str = "test",
    by: str = "policy",
    setting: int | None = None,
    since: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Mean curve of each policy, with the 95% band over its seeds.

    Parameters
    ----------
    results : Results
    x, value, split, by : str
        As `plastic.analysis.curves` takes them.
    setting : int, optional
        Number of the setting (dataset, density, ...) to draw; needed if there are several.
    since : float
        The height is chosen for what lies behind this share of the way, in [0, 1), so that a
        steep start does not press flat all that follows; curves may begin outside of it.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InvalidParameter
        If a parameter is none of its choices or outside its range, or there are several
        settings and none is chosen.
    MissingExtra
        If Matplotlib is not installed.
    """
    check_range("since", since, 0, 1, open_high=True)
    settings, policies = settings_of(results, by)
    frame = of_setting(curves(results, x=x, value=value, split=split, by=by), settings, setting)
    ax = new_axes(ax)
    if frame.empty:
        return nothing(ax, "no complete run was evaluated")
    draw_curves(ax, frame, policies, by, x)
    if since > 0:
        late = frame[frame[x] >= frame[x].min() + since * (frame[x].max() - frame[x].min())]
        _fit(ax, late["mean"].to_numpy(float))
    _cost_axis(ax, x)
    ax.set_ylabel(
        f"{split} {value}" if value in ("score", "loss") else LABELS.get(value, value)
    )
    legend(ax)
    return ax


def draw_curves(
    ax: Axes, frame: pd.DataFrame, policies: Sequence[str], by: str, x: str
) -> None:
    """The curves of one setting, a line and its band for each policy that has any."""
    looks = styles(policies)
    for name in policies:
        _band(ax, frame[frame[by] == name], x, name, looks[name])


def plot_tasks(
    results: Results,
    *,
    value: str = "running_score",
    by: str = "policy",
    setting: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Online accuracy of each task in a stream, with the 95% band over the seeds.

    A curve that falls is plasticity lost: later tasks are no harder.

    Parameters
    ----------
    results : Results
    value, by : str
        As `plastic.analysis.accuracy_by_task` takes them.
    setting : int, optional
        Number of the setting (dataset, density, ...) to draw; needed if there are several.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InvalidParameter
        If a parameter is none of its choices, or there are several settings and none is chosen.
    MissingExtra
        If Matplotlib is not installed.
    """
    settings, policies = settings_of(results, by)
    frame = of_setting(accuracy_by_task(results, value=value, by=by), settings, setting)
    ax = new_axes(ax)
    if frame.empty:
        return nothing(ax, "no complete run was on a dataset that drifts")
    draw_curves(ax, frame, policies, by, "task")
    ax.set_xlabel(LABELS["task"])
    ax.set_ylabel("online accuracy" if value == "running_score" else "online loss")
    legend(ax)
    return ax


def _band(ax: Axes, curve: pd.DataFrame, x: str, name: str, look: Mapping[str, Any]) -> None:
    """A mean with its band; nothing if there are no rows."""
    if curve.empty:
        return
    places = curve[x].to_numpy(float)
    look = {**look, "markevery": max(len(curve) // 8, 1), "markersize": 4}
    ax.plot(places, curve["mean"], label=plain(name), linewidth=1.6, **look)
    ax.fill_between(
        places, curve["low"], curve["high"], color=look["color"], alpha=0.16, linewidth=0
    )


def plot_size(
    results: Results,
    *,
    value: str = "n_connections",
    by: str = "policy",
    setting: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Neurons or connections of each policy over the steps, from 0; see `plot_convergence`."""
    ax = plot_convergence(results, value=value, by=by, setting=setting, ax=ax)
    if ax.lines:
        ax.set_ylim(bottom=0, top=1.1 * max(ax.dataLim.y1, 1))
    return ax


def plot_final(
    results: Results,
    *,
    metric: str = "final_test_score",
    by: str = "policy",
    setting: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Every seed of each policy as a point, their mean and its 95% interval; best on top.

    Raises
    ------
    InvalidParameter
        If there is no such metric, or there are several settings and none is chosen.
    """
    scores = score_table(results, metric=metric, by=by)
    number = _number(scores.settings, setting)
    table = scores.table[:, :, number]
    looks = styles(scores.policies)
    there = [i for i in range(len(table)) if not np.isnan(table[i]).all()]
    sign = 1 if scores.higher_is_better else -1
    there.sort(key=lambda i: sign * np.nanmean(table[i]))
    ax = new_axes(ax, height=1.2 + 0.32 * max(len(there), 1))
    if not there:
        return nothing(ax, "no complete run has a score")
    for row, i in enumerate(there):
        found, own = mean_interval(table[i]), table[i][~np.isnan(table[i])]
        look = looks[scores.policies[i]]
        # spread by rank, so that equal scores do not hide each other
        lift = np.linspace(-0.22, 0.22, len(own)) if len(own) > 1 else np.zeros(len(own))
        ax.plot(own, row + lift, look["marker"], color=look["color"], alpha=0.55, markersize=4)
        if not np.isnan(found.low):
            ax.plot([found.low, found.high], [row, row], color=look["color"], linewidth=2)
        ax.plot(found.mean, row, "|", color=look["color"], markersize=16, markeredgewidth=2.5)
    ax.set_yticks(range(len(there)), [plain(scores.policies[i]) for i in there])
    ax.set_ylim(-0.6, len(there) - 0.4)
    ax.set_xlabel(metric.replace("_", " "))
    return ax


def plot_pareto(
    results: Results,
    *,
    cost: str = "n_connections",
    metric: str = "final_test_score",
    by: str = "policy",
    setting: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Mean score against mean cost; those that nothing beats on both are joined by a line.

    Settings that differ in density alone share a front, so `setting` counts those as one.

    Raises
    ------
    InvalidParameter
        If there is no such cost, or there are several settings and none is chosen.
    """
    frame = pareto(results, cost, metric=metric, by=by)
    columns = list(frame.columns[: frame.columns.get_loc(by)])
    together = [name for name in columns if name != "density"]
    settings, policies = settings_of(results, by)
    shared = settings[together].drop_duplicates().reset_index(drop=True)
    frame = of_setting(frame, shared, setting).dropna(subset=["mean", cost])
    ax = new_axes(ax)
    if frame.empty:
        return nothing(ax, "no complete run has a score")
    front = frame[frame["on_front"]].sort_values(cost)
    ax.plot(front[cost], front["mean"], color="0.5", linewidth=1.2, zorder=1)
    looks = styles(policies)
    for name, points in frame.groupby(by, sort=True):
        look = looks[name]
        ax.errorbar(
            points[cost],
            points["mean"],
            yerr=np.nan_to_num(
                [points["mean"] - points["low"], points["high"] - points["mean"]]
            ),
            label=plain(name),
            linestyle="none",
            color=look["color"],
            marker=look["marker"],
            elinewidth=1,
        )
    if len(frame) > 1 and frame[cost].min() > 0 and frame[cost].max() > 5 * frame[cost].min():
        ax.set_xscale("log")
    _cost_axis(ax, cost)
    ax.set_ylabel(metric.replace("_", " "))
    legend(ax)
    return ax


def plot_critical_difference(
    results: Results,
    *,
    metric: str = "final_test_score",
    by: str = "policy",
    ax: Axes | None = None,
) -> Axes:
    """Average ranks over seeds and settings; bars join those that cannot be told apart.

    Lines lead from each policy up to the bars.

    References
    ----------
    Demšar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    scores = score_table(results, metric=metric, by=by)
    found = rank_policies(
        scores.blocks(), scores.policies, higher_is_better=scores.higher_is_better
    )
    n = len(found.policies)
    ax = new_axes(ax, height=1.4 + 0.28 * max(n, 1))
    if n < 2 or found.n_blocks == 0:
        return nothing(ax, "ranks need two policies with a seed in common")
    looks = styles(scores.policies)
    top = -0.9 - 0.45 * len(found.groups)
    for row, (name, rank) in enumerate(zip(found.policies, found.ranks, strict=True)):
        look = looks[name]
        ax.plot([rank, rank], [row, top], color=look["color"], linewidth=0.8, zorder=1)
        ax.plot(rank, row, look["marker"], color=look["color"], markersize=7)
    for number, (first, last) in enumerate(found.groups):
        ends = found.ranks[[first, last]] + [-0.03, 0.03]  # ranks may be equal
        ax.plot(ends, [-0.9 - 0.45 * number] * 2, color="0.4", linewidth=4, zorder=2)
    ax.set_yticks(range(n), [plain(name) for name in found.policies])
    ax.set_ylim(n - 0.3, top)
    ax.set_xlabel(
        f"average rank in {found.n_blocks} blocks (critical difference "
        f"{found.critical_difference:.2f})"
    )
    return ax


def plot_performance_profile(
    results: Results,
    *,
    metric: str = "final_test_score",
    by: str = "policy",
    ax: Axes | None = None,
) -> Axes:
    """Share of the runs of each policy that score above each threshold.

    References
    ----------
    Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical
    precipice, arXiv:2108.13264.
    """
    scores = score_table(results, metric=metric, by=by)
    ax = new_axes(ax)
    finite = scores.table[np.isfinite(scores.table)]
    if not len(finite):
        return nothing(ax, "no complete run has a score")
    thresholds = np.linspace(finite.min(), finite.max(), 101)
    looks = styles(scores.policies)
    for i, name in enumerate(scores.policies):
        values = scores.table[i]
        if np.isnan(values).all():
            continue
        profile = performance_profile(values, thresholds).rename(columns={"share": "mean"})
        _band(ax, profile, "threshold", name, looks[name])
    ax.set_xlabel(f"threshold of {metric.replace('_', ' ')}")
    ax.set_ylabel("share of runs above it")
    legend(ax)
    return ax


def plot_importance(
    results: Results, *, metric: str = "final_test_score", ax: Axes | None = None
) -> Axes:
    """Share of the variance of scores that each parameter explains; see `parameter_importance`.

    The seed is grey: what explains less than it hardly matters.
    """
    frame = parameter_importance(results, metric=metric).dropna(subset=["share"])
    ax = new_axes(ax, height=1.2 + 0.32 * max(len(frame), 1))
    if frame.empty:
        return nothing(ax, "no parameter varies among runs enough to tell")
    frame = frame.iloc[::-1].reset_index(drop=True)
    colors = ["0.6" if name == "seed" else PALETTE[0] for name in frame["parameter"]]
    ax.barh(frame.index, frame["share"].clip(lower=0), height=0.6, color=colors)
    for row in frame.dropna(subset=["low"]).itertuples():
        ax.plot([row.low, row.high], [row.Index] * 2, color=PALETTE[7], linewidth=2)
    ax.set_yticks(frame.index, [plain(name) for name in frame["parameter"]])
    ax.set_xlim(0, 1)
    ax.set_xlabel(f"share of the variance of {metric.replace('_', ' ')}")
    return ax


def _fit(ax: Axes, values: Array) -> None:
    """Let the height be that of these values, with some room for bands."""
    values = values[np.isfinite(values)]
    if len(values) and values.max() > values.min():
        room = 0.35 * (values.max() - values.min())
        ax.set_ylim(values.min() - room, values.max() + room)


def _cost_axis(ax: Axes, name: str) -> None:
    """Say what lies along x; operations are counted in millions and more."""
    ax.set_xlabel(LABELS.get(name, name.replace("_", " ")))
    if name == "train_flops":
        ticker = require_extra("matplotlib.ticker", "report")
        ax.xaxis.set_major_formatter(ticker.EngFormatter())
        if ax.get_xscale() == "linear":
            ax.locator_params(axis="x", nbins=6)  # room for the letters


def settings_of(results: Results, by: str = "policy") -> tuple[pd.DataFrame, list[str]]:
    """All settings in the order of their numbers, and all policies, whose looks are by name."""
    scores = score_table(results, by=by)
    return scores.settings, list(scores.policies)


def _number(settings: pd.DataFrame, setting: int | None) -> int:
    if setting is None:
        if len(settings) > 1:
            listed = "; ".join(
                f"{i}: {setting_label(row)}" for i, (_, row) in enumerate(settings.iterrows())
            )
            raise InvalidParameter(
                f"there are several settings, choose one by setting=: {listed}"
            )
        return 0
    if not 0 <= setting < len(settings):
        raise InvalidParameter(f"setting must be below {len(settings)}, got {setting}")
    return setting


def of_setting(
    frame: pd.DataFrame, settings: pd.DataFrame, setting: int | None
) -> pd.DataFrame:
    """The rows of one setting; a NaN equals a NaN.

    Raises
    ------
    InvalidParameter
        If there are several and none is chosen, or there is no such one.
    """
    chosen = (
        settings.iloc[_number(settings, setting)] if len(settings) else pd.Series(dtype=object)
    )
    for name in settings.columns:
        value = chosen[name]
        own = frame[name]
        frame = frame[own.isna() if pd.isna(value) else own == value]
    return frame

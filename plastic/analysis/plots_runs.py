"""Pictures of one run: where it rewired, what its bandit believed, and the network itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plastic.analysis.film import OUTPUTS, Film, film_of, film_of_topology, run_of
from plastic.analysis.results import Results
from plastic.analysis.style import PALETTE, legend, new_axes, nothing, plain, styles
from plastic.errors import check_count, check_in, check_range, require_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARM_VALUES = {
    "pulls": "pulls so far",
    "posterior_mean": "posterior mean and standard deviation",
    "reward": "reward earned, running mean",
}


def plot_edits(
    results: Results, run_id: str | None = None, *, bins: int = 24, ax: Axes | None = None
) -> Axes:
    """Where one run rewired: connections born and pruned, by the groups of their ends and time.

    Parameters
    ----------
    results : Results
    run_id : str, optional
        By default the complete run of the most edits.
    bins : int
        Stretches of time, at most: a run that changed less often has one a change.
    ax : Axes, optional

    Raises
    ------
    InvalidParameter
        If there is no such run.
    """
    check_count("bins", bins)
    edits = run_of(results, run_id).edits
    ax = new_axes(ax)
    wires = edits["accepted"] & edits["kind"].isin(["connect", "disconnect"])
    if not (wires & (edits["step"] > 0)).any() or not (edits["kind"] == "connect").any():
        return nothing(ax, "this run never rewired itself")
    film = film_of(edits)
    born, died = film.steps[film.born] > 0, film.died < len(film.steps)
    ends = np.concatenate([np.flatnonzero(born), np.flatnonzero(died)])
    steps = film.steps[np.concatenate([film.born[born], film.died[died]])]
    ways = np.stack([film.group[film.source[ends]], film.group[film.target[ends]]], axis=1)
    ways[ways == OUTPUTS] = film.group.max() + 1  # behind all others
    kinds, row = np.unique(ways, axis=0, return_inverse=True)
    edges = _stretches(np.unique(steps), bins)
    counts = np.zeros((len(kinds), len(edges) - 1))
    np.add.at(counts, (row.ravel(), np.searchsorted(edges, steps, "right") - 1), 1)
    mesh = ax.pcolormesh(
        edges,
        np.arange(len(kinds) + 1),
        counts,
        cmap="cividis",
        edgecolor="none",
        rasterized=False,
    )
    names = [" to ".join(_group_name(g, film) for g in way) for way in kinds]
    ax.set_yticks(np.arange(len(kinds)) + 0.5, names)
    ax.invert_yaxis()
    ax.grid(False)
    ax.set_xlabel("optimizer steps")
    bar = ax.figure.colorbar(mesh, ax=ax, label="connections born or pruned")
    if bar.solids is not None:  # without pixels, without seams
        bar.solids.set(rasterized=False, edgecolor="face")
    return ax


def _stretches(steps: NDArray[np.int64], bins: int) -> NDArray[np.float64]:
    """Bounds of at most so many stretches of time, each with some of these steps, ascending."""
    if len(steps) > bins:
        return np.linspace(steps[0], steps[-1] + 1, bins + 1)
    between = (steps[1:] + steps[:-1]) / 2
    half = float(np.diff(steps).min(initial=steps[0])) / 2
    return np.concatenate([[steps[0] - half], between, [steps[-1] + half]])


def _group_name(group: int, film: Film) -> str:
    if group == 0:
        return "inputs"
    return "outputs" if group > film.group.max() else f"group {group}"


def plot_arms(
    results: Results,
    run_id: str | None = None,
    *,
    value: str = "posterior_mean",
    most: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """What the bandit of one run did and believed: its arms of the most pulls over time.

    Parameters
    ----------
    results : Results
    run_id : str, optional
        By default the complete run of the most edits.
    value : str
        ``pulls``, ``posterior_mean`` (with its standard deviation) or ``reward``.
    most : int
        How many arms are drawn; the title says how many there are.
    ax : Axes, optional

    Raises
    ------
    InvalidParameter
        If there is no such run or value.
    """
    check_in("value", value, ARM_VALUES)
    check_count("most", most)
    arms = run_of(results, run_id).arms
    ax = new_axes(ax)
    if arms.empty:
        return nothing(ax, "this run has no bandit")
    pulls = arms.groupby("arm", observed=True)["pulls"].max()
    chosen = pulls.sort_values(ascending=False, kind="stable").index[:most].tolist()
    looks = styles([str(name) for name in chosen])
    for name in chosen:
        own = arms[arms["arm"] == name].dropna(subset=[value])
        if own.empty:
            continue
        look = looks[str(name)] | {"markersize": 3, "markevery": max(len(own) // 8, 1)}
        heights = own[value].to_numpy(float)
        if value == "reward":
            heights = heights.cumsum() / np.arange(1, len(heights) + 1)
        ax.plot(own["step"], heights, label=plain(name), linewidth=1.3, **look)
        if value == "posterior_mean":
            spread = own["posterior_std"].to_numpy(float)
            ax.fill_between(
                own["step"],
                heights - spread,
                heights + spread,
                color=look["color"],
                alpha=0.12,
                linewidth=0,
            )
    ax.set_xlabel("optimizer steps")
    ax.set_ylabel(ARM_VALUES[value])
    if len(pulls) > most:
        ax.set_title(f"the {most} of {len(pulls)} arms pulled most", fontsize="medium")
    legend(ax)
    return ax


def plot_topology(
    network: Any,
    run_id: str | None = None,
    *,
    at: float = 1.0,
    most: int = 20_000,
    ax: Axes | None = None,
) -> Axes:
    """The network: neurons by depth and group, connections as lines.

    Parameters
    ----------
    network : Network, Topology or Results
        Of results, the run `run_id` is drawn, by default the one of the most edits.
    run_id : str, optional
    at : float
        When, as a share of the run's changes in [0, 1]; for results.
    most : int
        Connections that are drawn, evenly chosen if there are more.
    ax : Axes, optional

    Raises
    ------
    InvalidParameter
        If there is no such run, or a parameter is outside its range.
    """
    check_range("at", at, 0, 1)
    check_count("most", most)
    if isinstance(network, Results):
        film = film_of(run_of(network, run_id).edits)
    else:
        film = film_of_topology(network)
    frame = round(at * (len(film.steps) - 1))
    ax = new_axes(ax, height=4.6)
    alive = np.flatnonzero(film.alive(frame))
    drawn = alive[:: max(-(-len(alive) // most), 1)]
    ends = np.stack([film.source[drawn], film.target[drawn]], axis=1)
    collections = require_extra("matplotlib.collections", "report")
    lines = np.stack([film.x[ends], film.y[ends]], axis=2)
    ax.add_collection(
        collections.LineCollection(lines, colors=PALETTE[0], linewidths=0.4, alpha=0.4)
    )
    there = (film.neuron_born <= frame) & (frame < film.neuron_died)
    for number, group in enumerate(pd.unique(film.group[there])):
        own = there & (film.group == group)
        name = {0: "inputs", OUTPUTS: "outputs"}.get(int(group), f"group {group}")
        color = PALETTE[(number + 1) % len(PALETTE)]
        ax.scatter(film.x[own], film.y[own], s=9, color=color, label=name, zorder=2)
    few = f", {len(drawn):,} drawn" if len(drawn) < len(alive) else ""
    ax.set_title(
        f"step {film.steps[frame]:,}: {there.sum():,} neurons, {len(alive):,} connections{few}",
        fontsize="medium",
    )
    ax.set_axis_off()
    ax.invert_yaxis()
    legend(ax)
    return ax

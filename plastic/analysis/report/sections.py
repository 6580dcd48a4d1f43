"""The parts of the page, each a piece of HTML; every name in them is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from typing import Any

import pandas as pd

from plastic.analysis.compare import compare
from plastic.analysis.film import run_of
from plastic.analysis.judging import judge
from plastic.analysis.plots import (
    plot_convergence,
    plot_critical_difference,
    plot_final,
    plot_pareto,
    plot_performance_profile,
    plot_size,
    settings_of,
)
from plastic.analysis.plots_metrics import plot_metric
from plastic.analysis.plots_runs import plot_arms, plot_edits
from plastic.analysis.rendering import notes, one_table
from plastic.analysis.report.charts import chart
from plastic.analysis.report.tables import table
from plastic.analysis.report.terms import Terms
from plastic.analysis.results import Results
from plastic.analysis.scores import named_runs, score_table, setting_label
from plastic.analysis.style import legend_columns, plain

MOST_SETTINGS, MOST_VERDICTS, MOST_RUNS, MOST_METRICS = 6, 200, 4, 16
"""How many settings are drawn, verdicts written, runs drawn alone, and metrics."""

START = 0.1
"""Share of the way that curves are not scaled to, as they all begin at chance."""


_HOLM = (
    "p is corrected by Holm's method for all comparisons of one list; intervals are those of "
    "each pair alone."
)


def verdicts(results: Results, terms: Terms) -> str:
    """Every pair in a sentence: those with the baseline first, or with the best one."""
    asked: dict[str, Any] = {"metric": terms.metric, "by": terms.by}
    frame = judge(results, **asked)
    if frame.empty:
        what = "policies" if terms.by == "policy" else f"values of {escape(terms.by)}"
        return f'<p class="lead">There are no two {what} to compare.</p>'
    scores = score_table(results, **asked)
    baseline = terms.baseline or ("static" if "static" in scores.policies else None)
    parts = []
    if len(scores.settings) > 1 and scores.unit:
        together = judge(results, **asked, baseline=baseline, across=True)
        parts.append("<h3>All settings together</h3>" + _first_leads(together["verdict"]))
    if baseline is None:
        parts.append(_best_first(frame))
    else:
        against = judge(results, **asked, baseline=baseline)
        for label, pairs in _by_setting(against):
            parts.append(f"<h3>{escape(label)}</h3>{_first_leads(pairs['verdict'])}")
        if len(frame) > len(against):
            parts.append(
                f"<details><summary>All {len(frame)} pairs, p corrected for as many"
                f"</summary>{_best_first(frame)}</details>"
            )
    columns = list(frame.columns[: frame.columns.get_loc("a")])
    heads = [*columns, "a", "b", "difference", "low", "high", "p_value", "p_better"]
    heads += ["p_equivalent", "p_worse", "n_pairs", "n_missing"]
    rows = frame[heads].itertuples(index=False)
    evidence = table(heads, rows, "Evidence for each pair")
    parts.append(f'<p class="note">{_HOLM}</p>')
    parts.append(f"<details><summary>The evidence as a table</summary>{evidence}</details>")
    return "".join(parts)


def _by_setting(frame: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    columns = list(frame.columns[: frame.columns.get_loc("a")])
    for _, pairs in frame.groupby(columns, dropna=False, sort=False):
        yield setting_label(pairs[columns].iloc[0]), pairs


def _best_first(frame: pd.DataFrame) -> str:
    """Setting by setting the pairs with the best one, and folded away the others."""
    parts, room = [], MOST_VERDICTS
    for label, pairs in _by_setting(frame):
        with_best = pairs["a"] == pairs["a"].iloc[0]
        parts.append(f"<h3>{escape(label)}</h3>{_first_leads(pairs['verdict'][with_best])}")
        others = pairs["verdict"][~with_best].head(room)
        room -= len(others)
        if len(others):
            parts.append(f"<details><summary>{len(others)} other pairs</summary>")
            parts.append(_sentences(others) + "</details>")
    return "".join(parts)


def _first_leads(lines: pd.Series) -> str:
    rest = lines.iloc[1 : MOST_VERDICTS + 1]
    return f'<p class="lead">{escape(str(lines.iloc[0]))}</p>{_sentences(rest)}'


def _sentences(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="verdicts">{items}</ul>' if items else ""


def comparison(results: Results, terms: Terms) -> str:
    """What was reached, and at what cost: the table that is printed, too."""
    frame = compare(
        results,
        baseline=terms.baseline,
        by=terms.by,
        metric=terms.metric,
        equal=terms.equal,
    )
    found = one_table(frame)
    n = found.n_names
    settings = {tuple(line[: n - 1]) for line in found.body}
    own = n - 1 if len(settings) == 1 else 0  # one setting needs no columns
    rows = [
        [*line[own:n], *(cell.replace("+-", "\u00b1") for cell in line[n:])]
        for line in found.body
    ]
    told = " ".join(notes(frame)).replace(" +- is half", " \u00b1 is half")
    return (
        table(found.head[own:], rows, "Scores and costs", n_names=n - own)
        + f'<p class="note">{escape(told)}</p>'
    )


def charts(results: Results, terms: Terms) -> str:
    """Scores, costs and sizes, setting by setting, and ranks over all of them."""
    settings, policies = settings_of(results, terms.by)
    parts = []
    for number in range(min(len(settings), MOST_SETTINGS)):
        label = setting_label(settings.iloc[number])
        pictures = [
            chart(partial(plot, results, by=terms.by, setting=number, **options),
                  f"{title}: {label}", text, names=_who(policies), height=height)
            for title, plot, options, height, text in _of_setting(results, terms, policies)
        ]  # fmt: skip
        parts.append(f"<h3>{escape(label)}</h3><div class='charts'>{''.join(pictures)}</div>")
    if len(settings) > MOST_SETTINGS:
        parts.append(
            f"<p class='note'>{len(settings) - MOST_SETTINGS} more settings are in the tables; "
            "plastic.analysis.plot_convergence(results, setting=...) draws each.</p>"
        )
    if not _grew(results):
        parts.append("<p>No run added or pruned neurons: only connections changed.</p>")
    parts.append("<h3>Costs, and all settings together</h3>")
    return "".join(parts) + f"<div class='charts'>{_overall(results, terms)}</div>"


Drawn = tuple[str, Callable[..., object], dict[str, Any], float, str]


def _of_setting(results: Results, terms: Terms, policies: Sequence[str]) -> list[Drawn]:
    """Title, function, its options, height and caption of each picture of a setting."""
    tall, rows = _heights(policies)
    curve, options = f"{terms.curve.get('split', 'test')} {terms.curve['value']}", terms.curve
    band = "Mean and 95% band; the height fits what follows the first tenth."
    over: dict[str, Any] = {**options, "since": START}
    drawn: list[Drawn] = [
        (f"{curve.capitalize()} over steps", plot_convergence, over, tall,
         band),
        (f"{curve.capitalize()} over operations", plot_convergence,
         over | {"x": "train_flops"}, tall, f"At equal training FLOPs. {band}"),
        (terms.measure.capitalize(), plot_final, {"metric": terms.metric}, rows,
         f"Every seed, mean and 95% interval, {terms.moment}."),
        ("Connections over time", plot_size, {}, tall, "Mean and 95% band."),
    ]  # fmt: skip
    if _grew(results):
        drawn.append(
            ("Neurons over time", plot_size, {"value": "n_neurons"}, tall, "Mean and 95% band.")
        )
    return drawn


def _heights(policies: Sequence[str]) -> tuple[float, float]:
    """Of pictures with a legend, and of those with a row for each."""
    lines = -(-len(policies) // legend_columns([plain(name) for name in policies]))
    return 3.4 + 0.2 * lines, 1.2 + 0.28 * len(policies)


def _grew(results: Results) -> bool:
    """Whether the number of neurons changed in any run."""
    sizes = results.convergence.groupby("run_id", observed=True)["n_neurons"]
    return bool((sizes.max() != sizes.min()).any())


def _overall(results: Results, terms: Terms) -> str:
    settings, policies = settings_of(results, terms.by)
    tall, rows = _heights(policies)
    shared = settings.drop(columns="density", errors="ignore").drop_duplicates()
    asked: dict[str, Any] = {"metric": terms.metric, "by": terms.by}
    pictures = []
    for number in range(min(len(shared), MOST_SETTINGS)):
        label = setting_label(shared.iloc[number])
        for cost, name in (("n_connections", "connections"), ("train_flops", "FLOPs")):
            pictures.append(
                chart(
                    partial(plot_pareto, results, cost=cost, setting=number, **asked),
                    f"{terms.measure.capitalize()} against {name}: {label}",
                    "The line joins those that no other beats on both.",
                    names=_who(policies),
                    height=tall,
                )
            )
    pictures.append(
        chart(
            partial(plot_critical_difference, results, **asked),
            "Average ranks",
            "A bar joins lines of policies that cannot be told apart (Nemenyi, 95%).",
            names=_who(policies),
            height=rows + 0.6,
        )
    )
    pictures.append(
        chart(
            partial(plot_performance_profile, results, **asked),
            "Performance profile",
            "Share of runs above each score, with its 95% band.",
            names=_who(policies),
            height=tall,
        )
    )
    return "".join(pictures)


def structure(results: Results, by: str) -> str:
    """What metrics read over time, in the settings where they were asked for."""
    read = results.metrics.dropna(subset="value")
    settings, policies = settings_of(results, by)
    tall = 3.4 + 0.2 * (-(-len(policies) // 3))
    parts = []
    for number in range(min(len(settings), MOST_SETTINGS)):
        label = setting_label(settings.iloc[number])
        pictures = [
            chart(
                partial(plot_metric, results, name, by=by, setting=number),
                f"{name.replace('_', ' ').capitalize()}: {label}",
                f"Mean and 95% band. {_who(policies)}",
                height=tall,
            )
            for name in read["metric"].unique().tolist()[:MOST_METRICS]
        ]
        parts.append(f"<h3>{escape(label)}</h3><div class='charts'>{''.join(pictures)}</div>")
    return "".join(parts)


def _who(policies: Sequence[str]) -> str:
    names = ", ".join(policies[:8])
    return f"Policies: {names}{f' and {len(policies) - 8} more' if len(policies) > 8 else ''}."


def rewiring(results: Results, by: str, chosen: Sequence[str]) -> str:
    """Where runs rewired, and what their bandits did."""
    named, columns = named_runs(results, by)
    several = len(named[columns].drop_duplicates()) > 1
    named = named.set_index("run_id")
    names = {
        run: f"{named.loc[run, by]}, seed {named.loc[run, 'seed']}"
        + (f": {setting_label(named.loc[run, columns])}" if several else "")
        for run in chosen
    }
    edited = [run for run in chosen if named.loc[run, "n_edits"] > 0]
    pictures = [
        chart(
            partial(plot_edits, results, run),
            f"Edits: {names[run]}",
            f"Connections born and pruned by the groups they join, over time. Run {run}.",
        )
        for run in edited[:MOST_RUNS]
    ]
    for run in _with_bandit(results, chosen)[:2]:
        for value in ("pulls", "posterior_mean", "reward"):
            pictures.append(
                chart(
                    partial(plot_arms, results, run, value=value),
                    f"Arms, {value.replace('_', ' ')}: {names[run]}",
                    f"The arms pulled most, over time. Run {run}.",
                    height=4.2,
                )
            )
    if not pictures:
        return "<p>No run rewired itself.</p>"
    return f"<div class='charts'>{''.join(pictures)}</div>"


def _with_bandit(results: Results, chosen: Sequence[str]) -> list[str]:
    return [run_id for run_id in chosen if not run_of(results, run_id).arms.empty]

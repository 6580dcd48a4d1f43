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
from plastic.analysis.plots_runs import plot_arms, plot_edits
from plastic.analysis.report.charts import chart
from plastic.analysis.results import Results
from plastic.analysis.scores import setting_label
from plastic.columns import is_execution

MOST_SETTINGS, MOST_VERDICTS, MOST_ROWS, MOST_RUNS = 6, 200, 400, 4
"""How many settings are drawn, verdicts and rows of tables written, and runs drawn alone."""


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], caption: str) -> str:
    """A table; numbers are set right, and of too many rows the first ones are shown."""
    rows = list(rows)
    body = "".join(
        "<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows[:MOST_ROWS]
    )
    more = len(rows) - MOST_ROWS
    note = f'<p class="note">{more} more rows are in the tables.</p>' if more > 0 else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f'<td class="{"long" if len(value) > 40 else ""}">{escape(value)}</td>'
    if value is None or pd.isna(value):
        return '<td class="number">-</td>'
    return f'<td class="number">{_number(value)}</td>'


def _number(value: Any) -> str:
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.4g}"


def verdicts(results: Results, by: str) -> str:
    """Every pair of policies in a sentence, those with the best one of a setting first."""
    frame = judge(results, by=by)
    if frame.empty:
        return '<p class="lead">There are no two policies to compare.</p>'
    columns = list(frame.columns[: frame.columns.get_loc("a")])
    parts: list[str] = []
    shown = 0
    for _, pairs in frame.groupby(columns, dropna=False, sort=False):
        label = setting_label(pairs[columns].iloc[0])
        parts.append(f"<h3>{escape(label)}</h3>")
        best = pairs["a"].iloc[0]
        first = pairs[pairs["a"] == best]
        parts.append(f'<p class="lead">{escape(str(first["verdict"].iloc[0]))}</p>')
        parts.append(_sentences(first["verdict"].iloc[1:]))
        others = pairs[pairs["a"] != best].head(max(MOST_VERDICTS - shown, 0))
        shown += len(others)
        if len(others):
            parts.append(f"<details><summary>{len(others)} other pairs</summary>")
            parts.append(_sentences(others["verdict"]) + "</details>")
    heads = ["a", "b", "difference", "low", "high", "p_value", "n_pairs", "n_missing"]
    parts.append("<details><summary>The evidence as a table</summary>")
    parts.append(
        table(
            [*columns, *heads],
            frame[[*columns, *heads]].itertuples(index=False),
            "Evidence for each pair",
        )
    )
    parts.append("</details>")
    return "".join(parts)


def _sentences(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="verdicts">{items}</ul>' if items else ""


def comparison(results: Results, by: str) -> str:
    """What was reached, and at what cost."""
    frame = compare(results, by=by)
    columns = list(frame.columns[: frame.columns.get_loc(by)])
    heads = [*columns, by, "n_seeds", "n_failed", "n_unfinished", "mean", "low", "high"]
    heads += ["best_mean", "n_neurons", "n_connections", "train_flops", "seconds"]
    return table(heads, frame[heads].itertuples(index=False), "Final test scores and costs")


def charts(results: Results, by: str) -> str:
    """Scores, costs and sizes, setting by setting, and ranks over all of them."""
    settings, policies = settings_of(results, by)
    tall = 3.4 + 0.2 * (-(-len(policies) // 3))
    rows = 1.2 + 0.28 * len(policies)
    parts = []
    for number in range(min(len(settings), MOST_SETTINGS)):
        label = setting_label(settings.iloc[number])
        on: dict[str, Any] = {"by": by, "setting": number}
        drawn: list[tuple[str, Callable[..., object], dict[str, Any], float, str]] = [
            ("Test score over steps", plot_convergence, on, tall, "Mean and 95% band."),
            (
                "Test score over operations",
                plot_convergence,
                on | {"x": "train_flops"},
                tall,
                "Mean and 95% band at equal training FLOPs.",
            ),
            ("Final test score", plot_final, on, rows, "Every seed, mean and 95% interval."),
            ("Connections over time", plot_size, on, tall, "Mean and 95% band."),
            (
                "Neurons over time",
                plot_size,
                on | {"value": "n_neurons"},
                tall,
                "Mean and 95% band.",
            ),
        ]
        pictures = [
            chart(partial(plot, results, **options), f"{title}: {label}",
                  f"{text} {_who(policies)}", height=height)
            for title, plot, options, height, text in drawn
        ]  # fmt: skip
        parts.append(f"<h3>{escape(label)}</h3><div class='charts'>{''.join(pictures)}</div>")
    if len(settings) > MOST_SETTINGS:
        parts.append(
            f"<p class='note'>{len(settings) - MOST_SETTINGS} more settings are in the tables; "
            "plastic.analysis.plot_convergence(results, setting=...) draws each.</p>"
        )
    parts.append("<h3>Costs, and all settings together</h3>")
    return "".join(parts) + f"<div class='charts'>{_overall(results, by, tall, rows)}</div>"


def _overall(results: Results, by: str, tall: float, rows: float) -> str:
    settings = settings_of(results, by)[0]
    shared = settings.drop(columns="density", errors="ignore").drop_duplicates()
    pictures = []
    for number in range(min(len(shared), MOST_SETTINGS)):
        label = setting_label(shared.iloc[number])
        for cost, name in (("n_connections", "connections"), ("train_flops", "FLOPs")):
            pictures.append(
                chart(
                    partial(plot_pareto, results, cost=cost, by=by, setting=number),
                    f"Score against {name}: {label}",
                    "The line joins the policies that no other beats on both.",
                    height=tall,
                )
            )
    pictures.append(
        chart(
            partial(plot_critical_difference, results, by=by),
            "Average ranks",
            "Bars join policies that cannot be told apart (Nemenyi, 95%).",
            height=rows + 0.3,
        )
    )
    pictures.append(
        chart(
            partial(plot_performance_profile, results, by=by),
            "Performance profile",
            "Share of runs above each score, with its 95% band.",
            height=tall,
        )
    )
    return "".join(pictures)


def _who(policies: Sequence[str]) -> str:
    names = ", ".join(policies[:8])
    return f"Policies: {names}{f' and {len(policies) - 8} more' if len(policies) > 8 else ''}."


def rewiring(results: Results, chosen: Sequence[str]) -> str:
    """Where runs rewired, and what their bandits did."""
    pictures = []
    for run_id in chosen[:MOST_RUNS]:
        pictures.append(
            chart(
                partial(plot_edits, results, run_id),
                f"Edits of {run_id}",
                "Connections born and pruned by the groups they join, over time.",
            )
        )
    for run_id in _with_bandit(results, chosen)[:2]:
        for value in ("pulls", "posterior_mean", "reward"):
            pictures.append(
                chart(
                    partial(plot_arms, results, run_id, value=value),
                    f"Arms of {run_id}: {value.replace('_', ' ')}",
                    "The arms pulled most, over time.",
                    height=4.2,
                )
            )
    return f"<div class='charts'>{''.join(pictures)}</div>"


def _with_bandit(results: Results, chosen: Sequence[str]) -> list[str]:
    return [run_id for run_id in chosen if not run_of(results, run_id).arms.empty]


def what_was_run(results: Results, by: str) -> str:
    """Configurations that differ, seeds, failures and files that cannot be read."""
    runs = results.runs
    own = [name for name in runs if name not in ("run_id", "started", "seconds", "git_commit")]
    config = own[: own.index("status")] + own[own.index("steps_done") + 1 :]
    differing = [
        name
        for name in config
        if name not in ("seed", by) and not is_execution(name) and len(runs[name].unique()) > 1
    ]
    seeds = runs.groupby(by)["seed"].agg(lambda s: ", ".join(map(str, sorted(set(s)))))
    parts = ["<h3>Seeds</h3>", table([by, "seeds"], seeds.items(), "Seeds of each policy")]
    if differing:
        values = (
            (name, ", ".join(map(str, runs[name].dropna().unique()[:12]))) for name in differing
        )
        parts += ["<h3>What differs</h3>", table(["key", "values"], values, "What differs")]
    lost = pd.concat([results.failed, results.unfinished])[["run_id", "status", "reason"]]
    if len(lost):
        parts.append("<h3>Failed and unfinished runs</h3>")
        parts.append(table(list(lost), lost.itertuples(index=False), "Failed runs"))
    else:
        parts.append("<p>Every run came to its end.</p>")
    if len(results.unreadable):
        parts.append("<h3>Unreadable files</h3>")
        bad = results.unreadable
        parts.append(table(list(bad), bad.itertuples(index=False), "Unreadable files"))
    return "".join(parts)

"""What was run: the part of the page that lets another one do it again."""

from __future__ import annotations

from html import escape

import pandas as pd

from plastic.analysis.compare import is_choice
from plastic.analysis.report.tables import number, table
from plastic.analysis.results import Results
from plastic.analysis.scores import named_runs

MOST_VALUES = 8
"""Values of a key that are written out."""


def what_was_run(results: Results, by: str) -> str:
    """Who ran with which seeds and parameters, what failed, and what cannot be read."""
    runs = named_runs(results, by)[0]
    keys = [name for name in results.runs if is_choice(name) and name not in (by, "metric")]
    differing = [name for name in keys if len(results.runs[name].unique()) > 1]
    rows = [
        (str(name), len(own), _seeds(own["seed"]), _parameters(own, differing, by))
        for name, own in runs.groupby(by, sort=True)
    ]
    heads = [by, "runs", "seeds", "what it was run with, where runs differ"]
    parts = [table(heads, rows, f"Runs, seeds and parameters of each {by}")]
    shared = [
        (name, number(results.runs[name].iloc[0]))
        for name in keys
        if name not in differing and number(results.runs[name].iloc[0]) not in ("-", "")
    ]
    parts.append(f"<details><summary>{len(shared)} keys that all runs share</summary>")
    parts.append(table(["key", "value"], shared, "What all runs share") + "</details>")
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
    return "".join(parts) + f"<p class='note'>{escape(_when(results.runs))}</p>"


def _seeds(seeds: pd.Series) -> str:
    """Seeds, those in a row as a range.

    Examples
    --------
    >>> _seeds(pd.Series([0, 1, 2, 5, 1]))
    '0 to 2, 5'
    """
    ranges: list[list[int]] = []
    for seed in sorted({int(seed) for seed in seeds}):
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    return ", ".join(
        f"{one[0]} to {one[-1]}" if len(one) > 2 else ", ".join(map(str, one)) for one in ranges
    )


def _parameters(runs: pd.DataFrame, keys: list[str], by: str) -> str:
    told = []
    for key in keys:
        values = list(dict.fromkeys(number(value) for value in runs[key].dropna()))
        if values:
            more = f", ... ({len(values)} values)" if len(values) > MOST_VALUES else ""
            told.append(
                f"{key.removeprefix(f'{by}.')}: {', '.join(values[:MOST_VALUES])}{more}"
            )
    return "; ".join(told) or "-"


def _when(runs: pd.DataFrame) -> str:
    started = sorted(
        time[:16].replace("T", " ") for time in runs["started"].astype("str") if time
    )
    versions = ", ".join(sorted(set(runs["version"].astype("str"))))
    commits = sorted({str(commit)[:10] for commit in runs["git_commit"] if commit})
    when = f"Started from {started[0]} to {started[-1]} UTC" if started else "Run"
    of = f", commit {', '.join(commits[:MOST_VALUES])}" if commits else ""
    return f"{when}, with plastic {versions}{of}."

"""The table of a study, as results/reference keeps it: one row a policy, fixed columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from plastic.analysis.compare import compare, setting_columns
from plastic.analysis.masks import masks_study
from plastic.analysis.regret import regret_study
from plastic.analysis.results import Results, load_results
from plastic.analysis.tasks import accuracy_by_task, has_tasks

STUDY_COLUMNS = (
    "dataset",
    "density",
    "policy",
    "sampling",
    "n_seeds",
    "metric",
    "mean",
    "low",
    "high",
    "n_neurons",
    "n_connections",
    "train_flops",
    "candidate_fraction",
    "seconds",
)


RUN_COLUMNS = (
    "dataset",
    "density",
    "policy",
    "selection",
    "wiring",
    "wiring.hidden",
    "policy.sampling",
    "seed",
    "final_test_score",
    "best_test_score",
    "final_reward_score",
    "online_score",
    "n_neurons",
    "n_active",
    "n_connections",
    "train_flops",
    "candidate_gradients",
    "candidate_fraction",
    "n_edits",
)
"""What is kept of each run, where the study has it, beside what a policy was swept over."""

ORDER = ("dataset", "density", "policy", "selection", "seed")
"""What the runs are sorted by."""


KEPT = {"masks.csv": masks_study, "regret.csv": regret_study}
"""Studies that are no runs, by the table that they end as; and what tells it as others are."""


def summarize(
    results: Results, *, metric: str = "final_test_score", by: str = "policy"
) -> pd.DataFrame:
    """A study in one table that has the same columns whatever was swept.

    Settings beside dataset and density in which the runs of a policy differ are told in its
    name, as in ``static hidden=[8]``.

    Parameters
    ----------
    results : Results
    metric : str
        The score or loss that is summarized, a column of the run table.
    by : str
        The group whose choices are compared; they appear in the column ``policy``.

    Returns
    -------
    DataFrame
        The columns `STUDY_COLUMNS`: means over seeds, with Student's interval at 95% for
        ``mean``; ``sampling`` is empty for choices that have none.  By selection there is
        ``n_active`` behind them, the neurons that were computed in the end.
    """
    frame, runs = compare(results, metric=metric, by=by), results.complete
    settings = [n for n in setting_columns(results.runs, by) if n not in ("dataset", "density")]
    names = frame[by].astype(object)
    for _, members in frame.groupby(["dataset", by], sort=False):
        for setting in settings:
            if len(members[setting].unique()) > 1:
                values = members[setting].astype("str")
                names[members.index] += f" {setting.rpartition('.')[2]}=" + values
    columns = [*STUDY_COLUMNS]
    frame = frame.assign(sampling=_samplings(results, frame[by], by))
    if by == "selection":
        frame["n_active"] = frame[by].map(runs.groupby(by)["n_active"].mean())
        columns.append("n_active")
    return frame.assign(policy=names)[columns].reset_index(drop=True)


def _samplings(results: Results, choices: pd.Series, by: str) -> list[str]:
    """How each choice samples; where it was swept over, its name says it."""
    runs, column = results.runs, f"{by}.sampling"
    if column not in runs:
        return [""] * len(choices)
    found = []
    for choice in choices:
        name, *parameters = choice.split(" ")
        swept = [p.removeprefix("sampling=") for p in parameters if p.startswith("sampling=")]
        held = runs.loc[runs[by] == name, column].dropna().unique().tolist()
        found.append(swept[0] if swept else held[0] if len(held) == 1 else "")
    return found


def write_study(
    folders: Sequence[Path | str],
    target: Path | str,
    *,
    metric: str = "final_test_score",
    by: str = "policy",
) -> pd.DataFrame:
    """Write summary.csv, one row a choice, and runs.csv, one a run, of some studies.

    Studies of masks and of regret have a table of their own instead of runs, which is kept.
    Of datasets that drift there is tasks.csv, too: `accuracy_by_task`, to four digits.

    Returns
    -------
    DataFrame
        What summary.csv holds: `summarize` of each study, one below the other.

    Raises
    ------
    ResultsError
        If there are no runs to be read.
    InvalidParameter
        If there is no such group or metric.
    """
    target = Path(target)
    tables, runs, tasks = [], [], []
    target.mkdir(parents=True, exist_ok=True)
    for folder in map(Path, folders):
        kept = next((name for name in KEPT if (folder / name).is_file()), None)
        if kept is None:
            study = load_results(folder)
            tables.append(summarize(study, metric=metric, by=by))
            runs.append(study.complete)
            if has_tasks(study):
                tasks.append(accuracy_by_task(study, by=by).round(4))
            continue
        rows = pd.read_csv(folder / kept)
        tables.append(KEPT[kept](rows).reindex(columns=STUDY_COLUMNS))
        rows.to_csv(target / kept, index=False)
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(target / "summary.csv", index=False)
    if tasks:
        pd.concat(tasks, ignore_index=True).to_csv(target / "tasks.csv", index=False)
    if runs:
        _kept(pd.concat(runs, ignore_index=True)).to_csv(target / "runs.csv", index=False)
    return table


def _kept(runs: pd.DataFrame) -> pd.DataFrame:
    """What is kept of each run."""
    kept = runs[[name for name in (*RUN_COLUMNS, *_varying(runs)) if name in runs]]
    return kept.sort_values([name for name in ORDER if name in kept], kind="stable")


def _varying(runs: pd.DataFrame) -> list[str]:
    """Parameters that a policy was run with more than one value of, on one dataset."""
    names = [name for name in runs if name.startswith("policy.") and name not in RUN_COLUMNS]
    groups = [group for _, group in runs.groupby(["dataset", "policy"], sort=False)]
    return [name for name in names if any(len(group[name].unique()) > 1 for group in groups)]

"""The table of a study, as results/reference keeps it: one row a policy, fixed columns."""

from __future__ import annotations

import pandas as pd

from plastic.analysis.compare import setting_columns, summary
from plastic.analysis.results import Results

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


def summarize(results: Results, *, metric: str = "final_test_score") -> pd.DataFrame:
    """A study in one table that has the same columns whatever was swept.

    Settings beside dataset and density in which the runs of a policy differ are told in its
    name, as in ``static hidden=[8]``.

    Parameters
    ----------
    results : Results
    metric : str
        The score or loss that is summarized, a column of the run table.

    Returns
    -------
    DataFrame
        The columns `STUDY_COLUMNS`: means over seeds, with Student's interval at 95% for
        ``mean``; ``sampling`` is empty for policies that have none.
    """
    frame = summary(results, metric=metric)
    settings = [n for n in setting_columns(results.runs) if n not in ("dataset", "density")]
    names = frame["policy"].astype(object)
    for _, members in frame.groupby(["dataset", "policy"], sort=False):
        for setting in settings:
            if len(members[setting].unique()) > 1:
                values = members[setting].astype("str")
                names[members.index] += f" {setting.rpartition('.')[2]}=" + values
    frame = frame.assign(policy=names, sampling=_samplings(results, frame["policy"]))
    return frame[list(STUDY_COLUMNS)].reset_index(drop=True)


def _samplings(results: Results, policies: pd.Series) -> list[str]:
    """How each policy samples; where it was swept over, its name says it."""
    runs = results.runs
    if "policy.sampling" not in runs:
        return [""] * len(policies)
    found = []
    for policy in policies:
        name, *parameters = policy.split(" ")
        swept = [p.removeprefix("sampling=") for p in parameters if p.startswith("sampling=")]
        held = runs.loc[runs["policy"] == name, "policy.sampling"].dropna().unique().tolist()
        found.append(swept[0] if swept else held[0] if len(held) == 1 else "")
    return found

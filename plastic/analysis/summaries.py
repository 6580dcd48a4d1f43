"""The summary of a study: what was reached and at what cost, the same columns for any."""

from __future__ import annotations

import pandas as pd

from plastic.analysis.compare import compare
from plastic.analysis.results import Results

COLUMNS = (
    "dataset", "density", "policy", "sampling", "n_seeds", "metric", "mean", "low", "high",
    "n_neurons", "n_connections", "train_flops", "candidate_fraction", "seconds",
)  # fmt: skip
"""The columns of every summary.csv below results/reference/."""


def summarize(results: Results, by: str = "policy") -> pd.DataFrame:
    """A row for each choice compared in a study, best first within a setting.

    Parameters
    ----------
    results : Results
        Of the study.
    by : str
        The group whose choices are compared; they appear in the column ``policy``.

    Returns
    -------
    DataFrame
        `COLUMNS`; ``sampling`` is empty for choices that do not sample.  Where selections of
        neurons are compared there is ``n_active``, too.

    Raises
    ------
    PlasticError
        If there are no runs to be read, or no such group.
    """
    frame = compare(results, by=by)
    runs = results.complete
    names = runs.groupby(by, sort=False).first()
    samplings = names.get(f"{by}.sampling", pd.Series(dtype=object))
    frame["sampling"] = [_text(samplings.get(name.split(" ")[0])) for name in frame[by]]
    kept = [*COLUMNS]
    if by == "selection":
        frame["n_active"] = frame[by].map(runs.groupby(by)["n_active"].mean())
        kept.append("n_active")
    return frame.rename(columns={by: "policy"} if by != "policy" else {})[kept]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

"""One table of several studies: ``python -m experiments.summarize results/a results/b``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from plastic.analysis import compare, load_results
from plastic.errors import PlasticError

COLUMNS = (
    "dataset", "density", "policy", "sampling", "n_seeds", "metric", "mean", "low", "high",
    "n_neurons", "n_connections", "train_flops", "candidate_fraction", "seconds",
)  # fmt: skip
"""The columns of every summary.csv below results/reference/."""


def summarize(folder: str | Path, by: str = "policy") -> pd.DataFrame:
    """A row for each choice compared in a study, best first within a setting.

    Parameters
    ----------
    folder : str or Path
        Of the study.
    by : str
        The group whose choices are compared; they appear in the column ``policy``.

    Returns
    -------
    DataFrame
        `COLUMNS`, and what else the setting consists of; ``sampling`` is empty for choices
        that do not sample.  Where neurons are selected there is ``n_active``, too.

    Raises
    ------
    PlasticError
        If there are no runs to be read, or no such group.
    """
    results = load_results(folder)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table; 0, or 2 if there is nothing to summarize."""
    parser = argparse.ArgumentParser(
        prog="summarize", description="One table of several studies."
    )
    parser.add_argument("folders", type=Path, nargs="+", help="studies, as results/demo")
    parser.add_argument("--by", default="policy", help="the group whose choices are compared")
    parser.add_argument("--csv", type=Path, help="write the table here instead of printing it")
    arguments = parser.parse_args(argv)
    try:
        frame = pd.concat([summarize(folder, arguments.by) for folder in arguments.folders])
        if arguments.csv:
            frame.to_csv(arguments.csv, index=False)
        else:
            print(frame.to_string(index=False))
    except (PlasticError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


if __name__ == "__main__":
    sys.exit(main())

"""The table beside published figures: ``python -m experiments.published results``."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.answers import answered
from plastic.analysis import STUDY_COLUMNS, load_results
from plastic.analysis.statistics import mean_interval
from plastic.errors import ResultsError

Measure = Callable[[Any], float]
"""From a run's table of convergence, in the order of steps, to a number."""

ENDS = 4
"""Inputs and outputs of exclusive or and of the two spirals."""

COSTS = ("n_neurons", "n_connections", "train_flops", "candidate_fraction", "seconds")

Row = dict[str, Any]


def of_split(rows: Any, split: str) -> Any:
    """The evaluations on one split."""
    return rows[rows["split"] == split]


def best(split: str) -> Measure:
    """The highest score of any evaluation."""
    return lambda rows: float(of_split(rows, split)["score"].max())


def last(split: str, name: str = "score") -> Measure:
    """A column of the last evaluation."""
    return lambda rows: float(of_split(rows, split)[name].iloc[-1])


def all_right(measure: Measure) -> Measure:
    """Whether a score is that of no mistake; its mean is the share of such runs."""
    return lambda rows: float(measure(rows) == 1)


def at_solution(name: str, less: int = 0) -> Measure:
    """A column of the first evaluation without a mistake in training; NaN if none is."""

    def measure(rows: Any) -> float:
        curve = of_split(rows, "train")
        solved = curve[curve["score"] == 1]
        return float(solved[name].iloc[0]) - less if len(solved) else float("nan")

    return measure


def until(step: int, measure: Measure) -> Measure:
    """The same, of the evaluations up to a step; NaN for a run that did not come so far."""

    def measured(rows: Any) -> float:
        if rows["step"].max() < step:
            return float("nan")
        return measure(rows[rows["step"] <= step])

    return measured


EPOCH = 50
"""Training steps of an epoch of the studies of Fashion-MNIST."""

TEST: dict[str, Measure] = {
    f"{name} test accuracy of {epochs} epochs": until(epochs * EPOCH, measure)
    for epochs in (100, 400)
    for name, measure in (("best", best("test")), ("last", last("test")))
}
SOLUTION: dict[str, Measure] = {
    "share of runs with all training samples right": all_right(best("train")),
    "best training accuracy": best("train"),
    "steps until all are right": at_solution("step"),
    "hidden neurons when all are right": at_solution("n_neurons", less=ENDS),
    "connections when all are right": at_solution("n_connections"),
    "operations until all are right": at_solution("train_flops"),
    "last training accuracy": last("train"),
}
MEASURES: dict[str, dict[str, Measure]] = {
    "published_set_controls": TEST,
    "published_set": TEST,
    "published_gradmax": {
        "mean training loss of the last 500 steps": last("train", "running_loss"),
        "last training R2": last("train"),
    },
    "published_two_moons": {
        "last training accuracy": last("train"),
        "share of runs with all training samples right at last": all_right(last("train")),
        "last test accuracy": last("test"),
    },
    "published_xor": SOLUTION,
    "published_two_spirals": SOLUTION | {"last test accuracy": last("test")},
}
"""What is told of each study in conf/experiment/published_*.yaml."""


def tabulate(folder: Path | str, measures: dict[str, Measure]) -> Iterator[Row]:
    """A row for each measure and policy of a study, as results/reference keeps them.

    Parameters
    ----------
    folder : path
        Of the study.
    measures : dict of str to callable
        By what they are called in the column ``metric``.

    Yields
    ------
    dict
        With the keys `plastic.analysis.STUDY_COLUMNS`: means over seeds, with Student's
        interval at 95%; ``n_seeds`` counts the runs in which there was something to measure.

    Raises
    ------
    ResultsError
        If there is no such study.
    """
    results = load_results(folder)
    rows = results.convergence.sort_values("step", kind="stable")
    by_run = dict(list(rows.groupby("run_id", observed=True)))
    settings = ["dataset", "density", "policy"]
    for label, measure in measures.items():
        for setting, runs in results.complete.groupby(settings):
            found = mean_interval([measure(by_run[run_id]) for run_id in runs["run_id"]])
            yield {
                **dict(zip(settings, setting, strict=True)),
                "sampling": sampling_of(runs.iloc[0]),
                "n_seeds": found.n,
                "metric": label,
                "mean": found.mean,
                "low": found.low,
                "high": found.high,
                **{name: float(runs[name].mean()) for name in COSTS},
            }


def sampling_of(run: Any) -> str:
    """How the policy of a run samples; empty if it does not."""
    sampling = run.get("policy.sampling")
    return sampling if isinstance(sampling, str) else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Write summary.csv; 0, or 2 if there is no study to be read.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.published",
        description="Tabulate the studies of experiment=published_*, those that were run.",
    )
    parser.add_argument("folder", type=Path, help="where the studies are, as results")
    parser.add_argument("--to", type=Path, help="where summary.csv goes (default: the same)")
    arguments = parser.parse_args(argv)
    return answered(lambda: write_table(arguments.folder, arguments.to or arguments.folder))


def write_table(folder: Path, target: Path) -> None:
    """Tabulate the studies in a folder into summary.csv, and print the table.

    Raises
    ------
    ResultsError
        If there is no such study in it.
    """
    studies = [name for name in MEASURES if (folder / name).is_dir()]
    table = [tabulate(folder / name, MEASURES[name]) for name in studies]
    rows = [row for study in table for row in study]
    if not rows:
        raise ResultsError(f"{folder} holds none of {', '.join(MEASURES)}")
    target.mkdir(parents=True, exist_ok=True)
    with (target / "summary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, STUDY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        spread = (row["high"] - row["low"]) / 2
        print(
            f"{row['dataset']}, {row['policy']} at {row['density']:g}: {row['metric']} "
            f"{row['mean']:.4g} +-{spread:.2g} ({row['n_seeds']} seeds)"
        )


if __name__ == "__main__":
    sys.exit(main())

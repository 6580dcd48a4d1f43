"""Write the table of a study: ``python -m experiments.summarize results/growth``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plastic.analysis import load_results, summarize
from plastic.errors import PlasticError

RUN_COLUMNS = (
    "dataset",
    "density",
    "policy",
    "wiring.hidden",
    "policy.sampling",
    "seed",
    "final_test_score",
    "best_test_score",
    "final_reward_score",
    "n_neurons",
    "n_connections",
    "train_flops",
    "candidate_gradients",
    "candidate_fraction",
    "n_edits",
)
"""What is kept of each run, where the study has it, beside what a policy was swept over."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write summary.csv and runs.csv; 0, or 2 if there is nothing to summarize.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.summarize",
        description="Summarize a study: summary.csv has a row a policy, runs.csv one a run.",
    )
    parser.add_argument("folder", type=Path, help="a folder of runs, such as results/growth")
    parser.add_argument("--to", type=Path, help="where to write them (default: the folder)")
    arguments = parser.parse_args(argv)
    target = arguments.to or arguments.folder
    try:
        results = load_results(arguments.folder)
        table, runs = summarize(results), results.complete
        target.mkdir(parents=True, exist_ok=True)
        table.to_csv(target / "summary.csv", index=False)
        kept = runs[[name for name in (*RUN_COLUMNS, *_varying(runs)) if name in runs]]
        order = [name for name in ("dataset", "density", "policy", "seed") if name in kept]
        kept.sort_values(order, kind="stable").to_csv(target / "runs.csv", index=False)
    except (PlasticError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(table.to_string(index=False))
    return 0


def _varying(runs: Any) -> list[str]:
    """Parameters that a policy was run with more than one value of, on one dataset."""
    names = [name for name in runs if name.startswith("policy.") and name not in RUN_COLUMNS]
    groups = [group for _, group in runs.groupby(["dataset", "policy"], sort=False)]
    return [name for name in names if any(len(group[name].unique()) > 1 for group in groups)]


if __name__ == "__main__":
    sys.exit(main())

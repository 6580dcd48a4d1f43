"""How a sweep stands: ``python -m experiments.status results/demo``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.answers import answered
from experiments.progress import python_here

MOST_LISTED = 50
"""Runs of a state that are listed one by one, unless all are asked for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print how many runs are complete, and every other one with its reason.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.

    Returns
    -------
    int
        0 if all is complete, 1 if not, 2 if there is nothing to tell of.
    """
    arguments = _parser().parse_args(argv)
    return answered(lambda: _tell(arguments.folder, arguments.all))


def _tell(folder: Path, everything: bool) -> int:
    # not before: --help and wrong command lines are answered without pandas
    from plastic.analysis.status import COMPLETE, counts, survey

    runs = survey(folder)
    found = counts(runs)
    listed = ", ".join(f"{n} {state}" for state, n in found.items())
    print(f"{folder}: {len(runs)} {'run' if len(runs) == 1 else 'runs'}: {listed}")
    for state, n in found.items():
        if state == COMPLETE:
            continue
        print(f"\n{state} ({n})")
        members = runs[runs["state"] == state]
        most = len(members) if everything else MOST_LISTED
        for run in members.head(most).itertuples():
            print(*_lines(run), sep="\n")
        if len(members) > most:
            print(f"  ... and {len(members) - most} more; --all lists them")
    if set(found) - {COMPLETE}:
        print("\nThe sweep's own command, given again, runs these and skips what is complete.")
        return 1
    return 0


def _lines(run: Any) -> list[str]:
    """What is said of one run: its name, what became of it, and how to repeat it alone."""
    lines = [f"  {run.run_id or '(a job without a run)'}"]
    if run.reason:
        lines.append(f"    {run.reason}")
    if run.state == "failed":
        lines.append(f"    traceback: {Path(run.folder) / 'traceback.txt'}")
    if run.alone:
        lines.append(f"    alone: {python_here()} -m experiments.run {run.alone}")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plastic-status",
        description="How a sweep stands: complete, running, failed, cut off and missing runs.",
    )
    parser.add_argument("folder", type=Path, help="a folder of runs, such as results/demo")
    parser.add_argument(
        "--all", action="store_true", help="list every run that is not complete"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

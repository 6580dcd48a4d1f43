"""Compare the policies of a sweep: ``python -m experiments.compare results/demo``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.answers import answered
from experiments.progress import python_here
from plastic.errors import PlasticError

if TYPE_CHECKING:
    from plastic.analysis import Results

HINTS = """Try next:
  {python} -m experiments.run study=first dataset=mnist1d policy=thompson density=0.05 seed=0
  {python} -m experiments.run -m study=second dataset=wine policy=set,thompson seed=0,1,2
  {python} -m experiments.compare results/second"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison; 0, or 2 if there is nothing to compare.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.
    """
    arguments = _parser().parse_args(argv)
    return answered(lambda: _compare(arguments))


def _compare(arguments: argparse.Namespace) -> None:
    # not before: --help and wrong command lines are answered without pandas
    from plastic.analysis import compare, format_comparison, load_results, to_markdown
    from plastic.analysis.rendering import printable
    from plastic.analysis.writing import to_csv, write_comparison

    results = load_results(arguments.folder)
    frame = compare(
        results,
        baseline=arguments.baseline,
        by=arguments.by,
        metric=arguments.metric,
        equal=arguments.equal,
    )
    if arguments.csv:
        arguments.csv.write_text(to_csv(frame), encoding="utf-8")
    if arguments.markdown:
        print(to_markdown(frame), end="")
        return
    print(printable(_header(results)), "", format_comparison(frame), "", sep="\n")
    if len(frame) > 1:
        why = "" if arguments.baseline else " (choose another with --baseline)"
        print(f"Differences are to {printable(frame['baseline'].iloc[0])}{why}.")
    if len(results.failed):
        print(f"Why runs failed: {python_here()} -m experiments.status {arguments.folder}")
    for file in results.unreadable.itertuples(index=False):
        print(f"Unreadable: {file.folder}: {file.reason}")
    print(_whereabouts(arguments.folder))
    try:
        write_comparison(frame, arguments.folder)
        print(f"This table: comparison.csv, .md and .tex in {arguments.folder}.")
    except PlasticError as error:
        print(f"Note: {error}; choose a file with --csv.")
    if not arguments.no_report:
        print(_report(results, arguments))
    if arguments.csv:
        print(f"This comparison, every column of it: {arguments.csv}")
    if arguments.hints:
        print("", HINTS.format(python=python_here()), sep="\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plastic-compare",
        description="Compare the policies of a sweep: final test score first, paired by seed.",
    )
    parser.add_argument("folder", type=Path, help="a folder of runs, such as results/demo")
    parser.add_argument("--baseline", help="what to compare with (default: static)")
    parser.add_argument(
        "--by", default="policy", help="the group whose choices are compared (default: policy)"
    )
    parser.add_argument(
        "--metric", default="final_test_score", help="a score or loss of the run table"
    )
    parser.add_argument(
        "--equal",
        choices=("steps", "flops"),
        default="steps",
        help="compare after as many steps, or after as many operations as the cheapest took",
    )
    parser.add_argument("--csv", type=Path, help="write every column of the comparison here")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table only")
    parser.add_argument("--no-report", action="store_true", help="write no report.html")
    parser.add_argument("--hints", action="store_true", help="add three commands to try next")
    return parser


def _header(results: Results) -> str:
    studies = sorted({study for study in results.runs["study"] if study})
    name = f"Study {', '.join(studies)}" if studies else str(results.folder)
    total = len(results.runs)
    statuses = [
        f"{len(runs)} {status}"
        for status, runs in (
            ("complete", results.complete),
            ("failed", results.failed),
            ("unfinished", results.unfinished),
        )
        if len(runs)
    ]
    return f"{name}: {total} run{'s' * (total != 1)} ({', '.join(statuses)})"


def _report(results: Results, arguments: argparse.Namespace) -> str:
    """Write the page; a line that names it, or says how to get it."""
    from plastic.analysis.report import write_report

    asked = {name: getattr(arguments, name) for name in ("by", "metric", "equal", "baseline")}
    try:
        return f"Pictures, and the networks as they rewire: {write_report(results, **asked)}"
    except PlasticError as error:  # the table is worth having without
        return f"No report.html: {error}"


def _whereabouts(folder: Path) -> str:
    return (
        f"Tables: the Parquet files of each run below {folder}.\n"
        f'In pandas: results = plastic.load_results("{folder.as_posix()}"), then\n'
        "results.runs, results.convergence, results.edits and results.arms;\n"
        "plastic.records.describe_columns() explains every column."
    )


if __name__ == "__main__":
    sys.exit(main())

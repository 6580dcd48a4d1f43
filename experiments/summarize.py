"""Write the table of a study: ``python -m experiments.summarize results/growth ...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.answers import answered
from plastic.analysis import write_study


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
    parser.add_argument("folders", type=Path, nargs="+", help="studies, as results/growth")
    parser.add_argument("--by", default="policy", help="the group whose choices are compared")
    parser.add_argument(
        "--metric",
        default="final_test_score",
        help="a score or loss of the run table (online_score for streams)",
    )
    parser.add_argument("--to", type=Path, help="where to write them (default: first folder)")
    arguments = parser.parse_args(argv)
    target = arguments.to or arguments.folders[0]

    def tell() -> None:
        print(
            write_study(
                arguments.folders, target, metric=arguments.metric, by=arguments.by
            ).to_string(index=False)
        )

    return answered(tell)


if __name__ == "__main__":
    sys.exit(main())

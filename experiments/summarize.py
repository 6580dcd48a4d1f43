"""One table of several studies: ``python -m experiments.summarize results/a results/b``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from plastic.analysis import load_results, summarize
from plastic.errors import PlasticError


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
        frames = [summarize(load_results(one), arguments.by) for one in arguments.folders]
        text = "".join(
            frame.to_csv(index=False, header=first == 0) for first, frame in enumerate(frames)
        )
        if arguments.csv:
            arguments.csv.write_text(text, encoding="utf-8")
        else:
            print(text, end="")
    except (PlasticError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure plastic beside other programs: ``python -m experiments.bench``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.progress import python_here

TABLE = Path("results/bench/bench.csv")

LIBRARIES = {"torch": "torch", "neat": "neat-python", "micrograd": "micrograd"}
"""Peers that plastic does not install by itself: module and package."""

QUIET_LOAD = 0.5
"""Load average above which a run says that others may disturb it."""

MEANING = """
Times are milliseconds a training step (forward and predict cases: a batch of answers; growth:
one update), medians of rounds in which all programs of a case took turns.  ratio is the peer's
time over ours, so above 1 plastic is faster; in brackets the 10th and 90th percentile over the
rounds.  In roofline rows it is the fraction of the bound that plastic reaches; in rows of bytes
the two columns hold bytes.

Table: {out}
In pandas: pandas.read_csv("{posix}")
Next: compare with results/reference/bench/bench.csv, where the same was measured on a machine
that its README.md describes; what each case and peer is: docs/bench.md; one case alone, again:
{python} -m experiments.bench --only {case}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases that are asked for; 0, or 2 if two programs do not compute the same.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.
    """
    arguments = _parser().parse_args(argv)
    # not before the command line is understood: these take seconds to import
    from experiments.bench.cases import cases, one_thread
    from experiments.bench.measure import FULL, QUICK, Disagreement, Row
    from experiments.bench.peers import is_installed
    from experiments.bench.table import format_rows, header, write_table

    known = cases()
    unknown = [name for name in arguments.only if name not in known]
    if unknown:
        print(f"there is no case {unknown[0]}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    install = f'{python_here()} -m pip install -e ".[bench]"'
    for library, package in LIBRARIES.items():
        if not is_installed(library):
            print(f"{package} is not installed and left out; to have it: {install}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > QUIET_LOAD:
        print(
            f"something else runs here (load {load:.2f}); rows of two threads need both cores"
        )
    every = [name for name, case in known.items() if not case.only_named]
    chosen = [known[name] for name in arguments.only or every]
    rows: list[Row] = []
    started = time.monotonic()
    print(header(), flush=True)
    for done, case in enumerate(chosen):
        seconds = time.monotonic() - started
        print(f"[{done + 1}/{len(chosen)}, {seconds:.0f} s] {case.name} ...", flush=True)
        try:
            with one_thread():
                found = case.rows(QUICK if arguments.quick else FULL)
        except Disagreement as error:
            print(f"{case.name}: {error}", file=sys.stderr)
            return 2
        rows += found
        write_table(arguments.out, rows)  # after each case, so that a stopped run leaves some
        print(format_rows(found) or "nothing to compare with", flush=True)
    seconds = time.monotonic() - started
    print(f"\n{len(rows)} rows in {seconds:.0f} s.")
    print(
        MEANING.format(
            out=arguments.out,
            posix=arguments.out.as_posix(),
            python=python_here(),
            case=chosen[-1].name,
        )
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.bench",
        description="Measure plastic beside other programs, in one process, taking turns.",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CASE",
        help="cases by name, such as xor, mlp_0.1, dag_2k, growth_0.1, edit_1M, memory; "
        "a wrong one lists them all",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, wider spread")
    parser.add_argument("--out", type=Path, default=TABLE, help=f"default: {TABLE}")
    return parser


if __name__ == "__main__":
    sys.exit(main())

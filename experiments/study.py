"""A whole study, from its sweeps to its tables: ``python -m experiments.study growth``.

A study is a file in conf/studies/: a list of command lines of the other programs, in the order
in which they are to be run.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.config import config_folder, unknown_key
from experiments.progress import python_here
from plastic.errors import InvalidParameter, PlasticError

PROGRAMS = ("run", "masks", "regret", "published", "summarize")
"""What a study may run; the first three sweep."""

SWEEPING = PROGRAMS[:3]

RESULTS = "RESULTS"
"""Stands in a command for the folder of all results."""


def studies() -> list[str]:
    """Names of the studies there are."""
    return sorted(path.stem for path in (config_folder() / "studies").glob("*.yaml"))


def commands_of(
    study: str, overrides: Sequence[str] = (), results: str = "results"
) -> list[list[str]]:
    """The command lines of a study, a list of words each, the program first.

    Parameters
    ----------
    study : str
        A file in conf/studies/.
    overrides : sequence of str
        Added to every sweep, as ``key=value``.
    results : str
        The folder of all results.

    Raises
    ------
    InvalidParameter
        If there is no such study, or its file is none.

    Examples
    --------
    >>> commands_of("growth", ["seed=0,1"])[0]
    ['run', '-m', 'experiment=growth', 'seed=0,1']
    """
    if study not in (known := studies()):
        raise InvalidParameter(unknown_key(study, known, "study"))
    path = config_folder() / "studies" / f"{study}.yaml"
    try:
        plain: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        lines = [shlex.split(line) for line in plain["commands"]]
    except (OmegaConfBaseException, KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidParameter(f"{path}: a study is a list of commands ({error})") from error
    return [list(_completed(line, path, overrides, results)) for line in lines]


def _completed(
    words: list[str], path: Path, overrides: Sequence[str], results: str
) -> Iterator[str]:
    if not words or words[0] not in PROGRAMS:
        raise InvalidParameter(
            f"{path}: a command begins with one of {', '.join(PROGRAMS)}, "
            f"got {' '.join(words) or 'nothing'}"
        )
    # not by re.sub, which would read the backslashes of a path
    yield from (results.join(re.split(rf"\b{RESULTS}\b", word)) for word in words)
    if words[0] in SWEEPING:
        yield from ([] if results == "results" else [f"results_dir={results}"])
        yield from overrides


def run_all(commands: Sequence[Sequence[str]]) -> int:
    """Run commands in turn, each in a process of its own; how many failed."""
    failed = 0
    for number, (program, *words) in enumerate(commands, 1):
        line = f"{python_here()} -m experiments.{program} {shlex.join(words)}"
        print(f"[{number}/{len(commands)}] {line}", flush=True)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", f"experiments.{program}", *words], check=False
        )
        failed += done.returncode != 0
        said = "done" if done.returncode == 0 else f"failed with exit code {done.returncode}"
        print(f"[{number}/{len(commands)}] {said} in {time.monotonic() - started:.0f} s\n")
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    """Run a study; 0, 1 if a command failed, 2 if there is no such study.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.
    """
    arguments = _parser().parse_intermixed_args(argv)
    try:
        commands = commands_of(arguments.study, arguments.overrides, arguments.results)
    except PlasticError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.dry_run:
        for program, *words in commands:
            print(f"{python_here()} -m experiments.{program} {shlex.join(words)}")
        return 0
    failed = run_all(commands)
    if failed:
        print(f"error: {failed} of {len(commands)} commands failed", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plastic-study",
        description="Run all sweeps of a study in conf/studies/, then write its tables.",
        epilog="What results/reference holds was made by these.",
    )
    parser.add_argument("study", help=f"one of {', '.join(studies())}")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        help="added to every sweep, as in seed=0,1 or steps=100",
    )
    parser.add_argument(
        "--results", default="results", help="folder of all results (default: results)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only print the commands")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""``python -m plastic``: what programs there are, and whether this installation is well."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill

import plastic


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if all is well, 1 if the doctor finds something, 2 if it is not one."""
    parser = argparse.ArgumentParser(
        prog="python -m plastic",
        description="Neural networks that change their own wiring while they learn.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_programs(),
    )
    parser.add_argument("--version", action="version", version=plastic.__version__)
    commands = parser.add_subparsers(dest="command", title="commands")
    told = "versions, threads, vector width, cache, extras, and a self-check of the engine"
    doctor = commands.add_parser("doctor", help=told, description=told)
    doctor.add_argument(
        "--seconds", type=float, default=5.0, help="for the self-check (default: %(default)s)"
    )
    asked = parser.parse_args(arguments)
    if asked.command is None:
        parser.print_help()
        return 0
    return _doctor(asked.seconds)


def _doctor(seconds: float) -> int:
    from plastic.doctor import examine

    ill = []
    for title, findings in examine(seconds):
        width = max((len(finding.name) for finding in findings), default=0)
        sys.stdout.write(f"{title}\n")
        for finding in findings:
            mark = " " if finding.is_well else "!"
            sys.stdout.write(f"{mark} {finding.name:{width}}  {finding.value}\n")
        sys.stdout.write("\n")
        sys.stdout.flush()
        ill += [
            f"{finding.name}: {finding.value}" for finding in findings if not finding.is_well
        ]
    sys.stdout.write("\n".join(["not well:", *ill]) if ill else "all is well")
    sys.stdout.write("\n")
    return 1 if ill else 0


def _programs() -> str:
    """The programs that plastic was installed with, and the first line of each."""
    try:
        held = metadata.distribution("plastic").entry_points
    except metadata.PackageNotFoundError:
        return ""
    lines = ["programs, each with --help:"]
    for program in sorted(held, key=lambda program: program.name):
        module = program.value.partition(":")[0]
        lines.append(f"  {program.name} (python -m {module})")
        lines.append(
            fill(_first_line(module), 88, initial_indent=" " * 6, subsequent_indent=" " * 6)
        )
    return "\n".join(lines)


def _first_line(module: str) -> str:
    """The first line of a module's docstring, read and not imported."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return "is not installed"
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    return (text or "").partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())

"""Starting a program: the help page of a run, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from experiments.bench.measure import Contender, Effort, Row, compare
from experiments.bench.peers import is_installed

HYDRA = """
import hydra
from experiments.config import config_folder
hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(print)()
"""
"""A program with the same configuration that does nothing else."""


def startup_rows(effort: Effort) -> list[Row]:
    """Milliseconds until ``python -m experiments.run --help`` has answered and ended."""
    peers = [_process("Hydra alone", "-c", HYDRA, "--help")]
    if is_installed("torch"):
        peers.append(_process("import torch", "-c", "import torch"))
    ours = _process("plastic", "-m", "experiments.run", "--help")
    return compare("run --help", 1.0, ours, peers, effort)


def _process(name: str, *arguments: str) -> Contender:
    def run() -> None:
        command = [sys.executable, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    return Contender(name, run)

"""What a run says while it goes on."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

EVERY_SECONDS = 0.2
"""Seconds from one renewal of the line on a terminal to the next."""

QUIET_SECONDS = 10.0
"""Seconds from one plain line to the next where there is no terminal."""


def python_here() -> str:
    """How to call this Python from the current folder: by path if it lies below, else by name.

    A virtual environment that is not activated is not what ``python`` means.
    """
    here = Path.cwd()
    program = Path(sys.executable)
    return str(program.relative_to(here)) if program.is_relative_to(here) else "python"


class Progress:
    """A live line on a terminal; plain lines, now and then, anywhere else.

    Parameters
    ----------
    name : str
        Of the run.
    n_steps : int
    stream : text file
    """

    def __init__(self, name: str, n_steps: int, stream: TextIO | None = None) -> None:
        self._name, self._n_steps = name, n_steps
        self._stream = stream or sys.stdout
        # several processes would write over each other's line
        alone = multiprocessing.current_process().name == "MainProcess"
        self._live = alone and self._stream.isatty()
        self._started = self._shown = time.monotonic()

    def show(self, values: Mapping[str, Any]) -> None:
        """Show how far the run is, if it is time to."""
        now = time.monotonic()
        if now - self._shown < (EVERY_SECONDS if self._live else QUIET_SECONDS):
            return
        self._shown = now
        done = values["steps_done"] / self._n_steps
        left = (now - self._started) * (1 - done) / done if done else float("nan")
        state = f"{self._state(values)}  {left:.0f} s left"
        if not self._live:
            self._write(f"{self._name}  {state}\n")
            return
        # a line that wraps could not be written over; \x1b[K clears what a longer one left
        line = f"{state}  {self._name}"[: shutil.get_terminal_size().columns - 1]
        self._write(f"\r{line}\x1b[K")

    def close(self, values: Mapping[str, Any], metric: str) -> None:
        """Say how the run ended."""
        seconds = time.monotonic() - self._started
        line = (
            f"{self._name}  done in {seconds:.1f} s: test {metric} "
            f"{values['final_test_score']:.3f}, {values['n_connections']} connections, "
            f"{values['n_edits']} edits"
        )
        self._write(f"\r{line}\x1b[K\n" if self._live else f"{line}\n")

    def _state(self, values: Mapping[str, Any]) -> str:
        return (
            f"step {values['steps_done']}/{self._n_steps}  "
            f"loss {values.get('final_train_loss', float('nan')):.4f}  "
            f"test {values.get('final_test_score', float('nan')):.3f}  "
            f"{values.get('n_neurons', 0)} neurons  "
            f"{values.get('n_connections', 0)} connections"
        )

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

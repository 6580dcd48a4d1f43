"""How far the run in a folder has come, told from its files alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plastic.locks import holder_of


class State(StrEnum):
    """What a folder holds of a run."""

    NEW = "new"
    COMPLETE = "complete"
    FAILED = "failed"
    RUNNING = "running"
    CUT_OFF = "cut off"


@dataclass(frozen=True)
class Standing:
    """The state of a run, and what there is to say about it.

    Parameters
    ----------
    state : State
    reason : str
        Why it failed, or who runs it; empty otherwise.
    """

    state: State
    reason: str = ""


def standing_of(folder: str | Path) -> Standing:
    """How far the run in a folder has come.

    A run whose tables say that it is running is ``cut off`` unless a process holds its folder.

    Examples
    --------
    >>> standing_of("nowhere").state
    <State.NEW: 'new'>
    """
    folder = Path(folder)
    said = _said(folder / "run.parquet")
    if said is not None and said.state in (State.COMPLETE, State.FAILED):
        return said
    holder = holder_of(folder)
    if holder:
        return Standing(State.RUNNING, holder)
    if said is None and not (folder / "config.yaml").exists():
        return Standing(State.NEW)
    return Standing(State.CUT_OFF, said.reason if said else "")


def _said(path: Path) -> Standing | None:
    """What a run's own row says; None if there is none that can be read."""
    try:
        with pq.ParquetFile(path) as file:
            row = file.read(["status", "reason"], use_threads=False).to_pylist()[0]
        return Standing(State(row["status"]), row["reason"])
    except (OSError, ValueError, LookupError, pa.ArrowException):
        return None

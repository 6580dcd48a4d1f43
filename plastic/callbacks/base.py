"""The contract of a callback.

A callback is told what a run records, as it is recorded, and does with it what it likes: it
sends it to a tracker, draws it, or writes to somebody.  For each run, and in this order:

1. `begin`, once, when the run's folder is there and before anything is recorded;
2. `rows`, for every piece of a table, right after it was recorded.  A piece has at least one
   row and every column of its table (`plastic.columns`, docs/tables.md), each an array of one
   length that cannot be written to; all its rows are of one step, and steps never fall.  The
   pieces of a table, one after another, are the table;
3. `end`, once, when the tables are written, also of a run that fails or is cut off by Ctrl-C
   or an exception of the system.  Only a process that is killed outright ends without a word.

A run that was cut off and goes on is told *from its first row*: what is kept of its tables
comes first, as if it were recorded now, and `Started.step` says up to where.  So a callback
needs no memory from one process to the next, and replaces what it left the last time.  A run
that is complete already is not told again.

What a callback raises is its own affair.  It is told in a line and kept with its traceback in
``callbacks.txt`` in the run's folder, the callback hears no more pieces (of a `begin` that
failed, not even the end), and the run goes on: what is recorded is never lost to a tracker.
The one exception is `plastic.errors.StopRun`, which ends the run as failed, with its reason.

`plastic.checks.check_callback` holds any callback to its side of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from plastic.training import Rows

COMPLETE, FAILED, CUT_OFF = "complete", "failed", "cut off"
"""How a run may end."""


@dataclass(frozen=True)
class Started:
    """A run that begins.

    Parameters
    ----------
    run_id : str
        Its name; the same for the same configuration.
    folder : Path
        The run's own, below that of its study.  A callback keeps what it writes in a folder
        of its own in here, or in one of the study, and makes that folder itself.
    row : mapping of str to scalar
        The configuration, as in the run table: ``policy``, ``policy.fraction``, ``seed``, ...
    step : int
        0, or the step from which a run that was cut off goes on.
    """

    run_id: str
    folder: Path
    row: Mapping[str, Any]
    step: int = 0

    @property
    def study(self) -> str:
        """The study that the run is part of: the name of the folder of its folder."""
        return self.folder.parent.name


@runtime_checkable
class Callback(Protocol):
    """What a callback must offer; a subclass writes the hooks that it needs.

    Examples
    --------
    >>> class Count(Callback):
    ...     n_evaluations = 0
    ...
    ...     def rows(self, rows):
    ...         self.n_evaluations += rows.table == "convergence"
    >>> isinstance(Count(), Callback)
    True
    """

    def begin(self, started: Started) -> None:
        """A run begins, or goes on."""
        return

    def rows(self, rows: Rows) -> None:
        """A piece of a table was recorded: its name, and its columns as arrays (n_rows,)."""
        return

    def end(self, status: str, findings: Mapping[str, Any]) -> None:
        """The run is over.

        Parameters
        ----------
        status : {"complete", "failed", "cut off"}
        findings : mapping of str to scalar
            What is known of the columns `plastic.columns.RUN_FINDINGS`, and ``reason``: why it
            failed or was cut off; empty otherwise.
        """
        return

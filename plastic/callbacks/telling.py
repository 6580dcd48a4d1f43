"""Who tells the callbacks of a run, and keeps the contract of `plastic.callbacks.base`."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from plastic.callbacks.base import COMPLETE, CUT_OFF, FAILED, Callback, Started
from plastic.errors import StopRun
from plastic.training import Rows

log = logging.getLogger(__name__)

ERRORS = "callbacks.txt"
"""File in a run's folder with what its callbacks raised."""


class Telling:
    """Tells callbacks of one run; leaving the context tells them how it ended.

    Enter it before what records the run, so that the tables are written by then.

    Parameters
    ----------
    callbacks : mapping of str to Callback
        By the names that they have in messages, in the order in which they are told.

    Attributes
    ----------
    findings : mapping
        What is told at the end; whoever records the run keeps it up to date.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> class Say(Callback):
    ...     def begin(self, started):
    ...         print(started.run_id)
    ...     def rows(self, rows):
    ...         print(rows.table, rows.columns["step"])
    ...     def end(self, status, findings):
    ...         print(status, findings)
    >>> with Telling({"say": Say()}) as telling:
    ...     telling.begin(Started("first", Path("results/mine/first"), {}))
    ...     telling.rows(Rows("arms", {"step": np.array([3, 3])}))
    first
    arms [3 3]
    complete {'reason': ''}
    """

    def __init__(self, callbacks: Mapping[str, Callback]) -> None:
        self.findings: Mapping[str, Any] = {}
        self._callbacks = dict(callbacks)
        self._begun: dict[str, Callback] = {}
        self._listening: dict[str, Callback] = {}
        self._started: Started | None = None

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        status, reason = COMPLETE, ""
        if kind is not None:
            status = FAILED if issubclass(kind, Exception) else CUT_OFF
            reason = f"{kind.__name__}: {error}".removesuffix(": ")
        with ExitStack() as ends:  # all of them, even if one is interrupted
            for name, callback in reversed(self._begun.items()):
                told = {**self.findings, "reason": reason}
                ends.callback(self._tell, name, "at the end", callback.end, status, told)

    def begin(self, started: Started) -> None:
        """Tell that the run begins.

        Raises
        ------
        StopRun
            As a callback does.
        """
        self._started = started
        if self._callbacks:
            with suppress(OSError):  # of an earlier start
                (started.folder / ERRORS).unlink(missing_ok=True)
        for name, callback in self._callbacks.items():
            if self._tell(name, "when the run began", callback.begin, started, stops=True):
                self._begun[name] = self._listening[name] = callback

    def rows(self, rows: Rows) -> None:
        """Tell a piece of a table; its columns are arrays of one length.

        Raises
        ------
        StopRun
            As a callback does, once all have heard the piece.
        """
        if not self._listening or not len(rows.columns["step"]):
            return
        piece = Rows(rows.table, {name: _sealed(held) for name, held in rows.columns.items()})
        where = f"at step {piece.columns['step'][0]}"
        stop: StopRun | None = None
        for name, callback in list(self._listening.items()):
            try:
                if not self._tell(name, where, callback.rows, piece, stops=True):
                    del self._listening[name]
            except StopRun as raised:
                stop = stop or raised
        if stop is not None:
            raise stop

    def _tell(
        self, name: str, when: str, hook: Callable[..., None], *told: Any, stops: bool = False
    ) -> bool:
        """Call a hook; whether it went well."""
        try:
            hook(*told)
        except Exception as error:
            if stops and isinstance(error, StopRun):
                raise
            self._note(name, when, error)
            return False
        return True

    def _note(self, name: str, when: str, error: Exception) -> None:
        """Say in a line what a callback raised, and keep the rest of it in the run's folder."""
        said = " ".join(f"{type(error).__name__}: {error}".split())
        log.warning("callback %s failed %s, the run goes on without it: %s", name, when, said)
        assert self._started is not None
        with suppress(OSError), (self._started.folder / ERRORS).open("a") as file:
            file.write(f"callback {name}, {when}:\n")
            file.writelines(traceback.format_exception(error))


def _sealed(values: NDArray[Any]) -> NDArray[Any]:
    """The values, which the tables share, as nobody can write to them."""
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view

"""TensorBoard: event files in the run's folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plastic.callbacks.base import Callback, Started
from plastic.callbacks.scalars import numbers, scalars, step_of
from plastic.errors import require_extra

if TYPE_CHECKING:
    from plastic.training import Rows

FOLDER = "tensorboard"
"""Name of its folder in a run's folder."""


class TensorBoard(Callback):
    """Writes scalars and the configuration; ``tensorboard --logdir results/mine`` shows them.

    A run that goes on writes its events anew, and an open TensorBoard drops the old ones.

    Raises
    ------
    MissingExtra
        If tensorboard is not installed.
    """

    def __init__(self) -> None:
        self._writers: Any = require_extra(
            "tensorboard.summary.writer.event_file_writer", "tensorboard"
        )
        self._events: Any = require_extra("tensorboard.compat.proto.event_pb2", "tensorboard")
        self._summaries: Any = require_extra(
            "tensorboard.compat.proto.summary_pb2", "tensorboard"
        )
        self._tensors: Any = require_extra("tensorboard.compat.proto.tensor_pb2", "tensorboard")
        self._file: Any = None
        self._last = 0

    def begin(self, started: Started) -> None:
        """Begin a new file of events."""
        folder = started.folder / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        self._file, self._last = self._writers.EventFileWriter(str(folder)), 0
        log = self._events.SessionLog  # who shows what was there before starts afresh
        self._add(0, session_log=log(status=log.START))
        listed = "\n".join(f"    {name}: {value}" for name, value in started.row.items())
        self._write_text("configuration", listed)
        self._file.flush()

    def rows(self, rows: Rows) -> None:
        """Write the scalars of a piece."""
        self._write(step_of(rows), scalars(rows))
        self._file.flush()

    def end(self, status: str, findings: Mapping[str, Any]) -> None:
        """Write the findings, and how it ended."""
        found = numbers(findings)
        self._write(self._last, {f"run/{name}": value for name, value in found.items()})
        self._write_text("status", f"{status} {findings['reason']}".strip())
        self._file.close()

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        if not values:
            return
        value = self._summaries.Summary.Value
        held = [value(tag=tag, simple_value=number) for tag, number in values.items()]
        self._add(step, summary=self._summaries.Summary(value=held))
        self._last = step

    def _write_text(self, tag: str, text: str) -> None:
        """A text in Markdown, as the plugin of that name reads it."""
        held = self._tensors.TensorProto(dtype="DT_STRING", string_val=[text.encode()])
        kind = self._summaries.SummaryMetadata
        metadata = kind(plugin_data=kind.PluginData(plugin_name="text"))
        value = self._summaries.Summary.Value(tag=tag, tensor=held, metadata=metadata)
        self._add(self._last, summary=self._summaries.Summary(value=[value]))

    def _add(self, step: int, **what: Any) -> None:
        self._file.add_event(self._events.Event(wall_time=time.time(), step=step, **what))

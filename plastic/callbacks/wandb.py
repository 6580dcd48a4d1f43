"""Weights & Biases, offline: files in the run's folder, to be synchronized by whoever likes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plastic.callbacks.base import COMPLETE, Callback, Started
from plastic.callbacks.scalars import scalars, step_of
from plastic.errors import require_extra

if TYPE_CHECKING:
    from plastic.training import Rows

FOLDER = "wandb"
"""Name of its folder in a run's folder; W&B's own choice."""


class WandB(Callback):
    """Writes an offline run of W&B; ``wandb sync results/mine/*/wandb/offline-run-*`` sends it.

    The study is its group.  A run that goes on is written anew as a whole, under the same id,
    so that one synchronization sends all of it.  Nothing is sent by itself: neither the run,
    nor error reports, nor what W&B would collect of machine and code.

    Parameters
    ----------
    project : str

    Raises
    ------
    MissingExtra
        If wandb is not installed.
    """

    def __init__(self, project: str = "plastic") -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self._library: Any = require_extra("wandb", "wandb")
        self.project = project
        self._run: Any = None

    def begin(self, started: Started) -> None:
        """Begin an offline run."""
        shutil.rmtree(started.folder / FOLDER, ignore_errors=True)
        started.folder.mkdir(parents=True, exist_ok=True)
        settings = self._library.Settings(
            console="off", silent=True, disable_git=True, disable_code=True,
            x_disable_stats=True, x_disable_machine_info=True, x_save_requirements=False,
        )  # fmt: skip
        self._run = self._library.init(
            mode="offline", dir=str(started.folder), id=started.run_id, name=started.run_id,
            project=self.project, group=started.study, config=dict(started.row),
            reinit="create_new", settings=settings,
        )  # fmt: skip

    def rows(self, rows: Rows) -> None:
        """Log the scalars of a piece."""
        found = scalars(rows)
        if found:
            self._run.log(found, step=step_of(rows))

    def end(self, status: str, findings: Mapping[str, Any]) -> None:
        """Write the findings as the summary, and how it ended."""
        self._run.summary.update({f"run/{name}": value for name, value in findings.items()})
        self._run.summary["run/status"] = status
        self._run.finish(exit_code=0 if status == COMPLETE else 1)

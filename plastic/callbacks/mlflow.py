"""MLflow: one SQLite store a study, one MLflow run a run."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plastic.callbacks.base import COMPLETE, FAILED, Callback, Started
from plastic.callbacks.scalars import numbers, scalars, step_of
from plastic.errors import InUse, require_extra
from plastic.locks import FolderLock

if TYPE_CHECKING:
    from plastic.training import Rows

STORE, FOLDER = "mlflow.db", "mlflow"
"""In a study's folder: the store, and the folder of files that are logged to it."""

TAG = "plastic.run_id"
"""Tag of an MLflow run that says which run of plastic it is."""

MOST_PARAMETERS, MOST_CHARACTERS = 100, 6000
"""That MLflow takes in one call, and of each value."""

REFUSED = re.compile(r"[^\w\-. :/]")
"""Characters that MLflow takes in no name."""

PATIENCE_SECONDS = 120.0
"""How long another process may take to make the store."""

STATUS = {COMPLETE: "FINISHED", FAILED: "FAILED"}


class MLflow(Callback):
    """Logs parameters, scalars and findings to ``mlflow.db`` in the study's folder.

    The study is an experiment of MLflow.  A run that goes on is the same run of MLflow, and no
    step is logged twice; one that begins again replaces the earlier one, which is deleted in
    MLflow's way, that is, kept in its bin.  MLflow's telemetry is turned off.

    Raises
    ------
    MissingExtra
        If mlflow is not installed.
    """

    def __init__(self) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it is read at the import
        self._library: Any = require_extra("mlflow.tracking", "mlflow")
        self._entities: Any = require_extra("mlflow.entities", "mlflow")
        require_extra("sqlalchemy", "mlflow")
        for name in ("mlflow.store.db.utils", "alembic"):  # they tell how they make tables
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client: Any = None
        self._run = ""
        self._logged: dict[str, int] = {}
        self._last = 0

    def begin(self, started: Started) -> None:
        """Begin a run of MLflow, or go on with the one that was cut off."""
        self._client, experiment = self._open(started.folder.parent.resolve(), started.study)
        self._logged, self._last = {}, 0
        earlier = self._client.search_runs(
            [experiment], filter_string=f"tags.`{TAG}` = '{started.run_id}'", max_results=1
        )
        if earlier and started.step:
            self._go_on(earlier[0])
            return
        for run in earlier:
            self._client.delete_run(run.info.run_id)
        tags = {TAG: started.run_id, "plastic.folder": str(started.folder.resolve())}
        run = self._client.create_run(experiment, tags=tags, run_name=started.run_id)
        self._run = run.info.run_id
        held = [
            self._entities.Param(_named(name), str(value)[:MOST_CHARACTERS])
            for name, value in started.row.items()
            if value is not None
        ]
        for at in range(0, len(held), MOST_PARAMETERS):
            self._client.log_batch(self._run, params=held[at : at + MOST_PARAMETERS])

    def rows(self, rows: Rows) -> None:
        """Log the scalars of a piece."""
        self._log(step_of(rows), scalars(rows))

    def end(self, status: str, findings: Mapping[str, Any]) -> None:
        """Log the findings, and how it ended; what was cut off is ``KILLED``."""
        self._log(self._last, {f"run/{k}": value for k, value in numbers(findings).items()})
        self._client.set_tag(self._run, "plastic.reason", findings["reason"])
        self._client.set_terminated(self._run, STATUS.get(status, "KILLED"))

    def _open(self, folder: Path, study: str) -> tuple[Any, str]:
        """A client of the study's store, and the study's experiment; both made if need be."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        address = f"sqlite:///{folder / STORE}?timeout=60"
        while True:
            try:
                with FolderLock(folder / FOLDER):  # making it twice at once would break it
                    client = self._library.MlflowClient(address)
                    found = client.get_experiment_by_name(study)
                    if found is not None:
                        return client, found.experiment_id
                    place = (folder / FOLDER).as_uri()
                    return client, client.create_experiment(study, artifact_location=place)
            except InUse:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def _go_on(self, run: Any) -> None:
        self._run = run.info.run_id
        self._client.update_run(self._run, status="RUNNING")
        for name in run.data.metrics:
            history = self._client.get_metric_history(self._run, name)
            self._logged[name] = max(one.step for one in history)

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        now, self._last = int(time.time() * 1000), step
        held = [
            self._entities.Metric(name, value, now, step)
            for name, value in zip(map(_named, values), values.values(), strict=True)
            if step > self._logged.get(name, -1)
        ]
        if held:
            self._client.log_batch(self._run, metrics=held)


def _named(name: str) -> str:
    """A name as MLflow takes it, as of the arm ``block:0->1``."""
    return REFUSED.sub("_", name)

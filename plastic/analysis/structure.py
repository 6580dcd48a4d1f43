"""Metrics of structure over time, read again from what a run has written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from plastic.analysis.film import run_of
from plastic.analysis.results import Results
from plastic.columns import METRICS, check_piece
from plastic.errors import InvalidParameter
from plastic.metrics import STRUCTURE, Metric, Reading, Readings
from plastic.topology import Topology, replay


def structure_over_time(
    results: Results,
    metrics: Mapping[str, Callable[[], Metric]] | None = None,
    *,
    run_id: str | None = None,
) -> pd.DataFrame:
    """The table of metrics as runs would have it that had been asked for these.

    Edits are replayed from the initial wiring on, and metrics read wherever the run was
    evaluated, with the random streams that it would have had: the numbers are the same, bit
    for bit.  In a run with a selection, all neurons are read, computed or not.

    Parameters
    ----------
    results : Results
        Complete runs are used.
    metrics : mapping of str to callable, optional
        By name, what makes each of them new for each run: a class, or ``lambda:
        PathLengths(samples=8)``.  They may need nothing but structure, births and deaths.  By
        default `plastic.metrics.STRUCTURE`.
    run_id : str, optional
        Of one run alone; by default all are read.

    Returns
    -------
    DataFrame
        With the columns of the table of metrics.

    Raises
    ------
    InvalidParameter
        If a metric needs more, there is no such run, or it is not complete or was recorded
        before the run table told its number of inputs.
    """
    makers: dict[str, Callable[[], Metric]] = dict(STRUCTURE if metrics is None else metrics)
    for name, make in makers.items():
        if needs := sorted(make().needs):
            raise InvalidParameter(
                f"metric {name!r} needs {' and '.join(needs)}, which the table of edits does "
                "not tell"
            )
    complete = results.complete
    if run_id is not None:
        complete = complete[complete["run_id"] == run_id]
        if complete.empty:
            raise InvalidParameter(f"there is no complete run {run_id!r} in {results.folder}")
    pieces = [
        pd.DataFrame(check_piece("metrics", {"run_id": run["run_id"], **rows}))
        for run in complete.to_dict("records")
        for rows in _rows_of(results, run, makers)
    ]
    names = [column.name for column in METRICS]
    frame = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=names)
    for column in METRICS:
        if column.dtype == "category":  # in the order in which they come, as in a table read
            values = frame[column.name].astype("str")
            frame[column.name] = pd.Categorical(values, values.unique())
    return frame.astype({"step": "int64", "value": "float64"})


def _rows_of(
    results: Results, run: Mapping[Any, Any], makers: Mapping[str, Callable[[], Metric]]
) -> Iterator[dict[str, Any]]:
    readings = Readings({name: make() for name, make in makers.items()}, int(run["seed"]))
    own = run_of(results, str(run["run_id"]))
    for step, topology in structures(own):
        reading = Reading(
            step, int(run["steps_done"]), topology.structure, topology.birth_steps
        )
        yield readings.of(reading)


def structures(results: Results) -> Iterator[tuple[int, Topology]]:
    """Step and topology at each evaluation of a run, by replay; the next one changes it.

    Parameters
    ----------
    results : Results
        Of one run, as `plastic.analysis.film.run_of` gives it.

    Raises
    ------
    InvalidParameter
        If it was recorded before the run table told its number of inputs.
    """
    run = results.runs.iloc[0]
    if not run["n_inputs"]:
        raise InvalidParameter(
            f"{run['run_id']} was recorded before the run table told the number of inputs"
        )
    edits = results.edits
    edits = edits[edits["accepted"]]
    when, done = edits["step"].to_numpy(), 0
    hidden = edits[(edits["kind"] == "add_neuron") & (when == when.min(initial=0))]
    topology = Topology(
        int(run["n_inputs"]),
        int(run["n_outputs"]),
        output_group=int(hidden["group"].max() if len(hidden) else 1) + 1,  # the last layer
    )
    columns = {name: edits[name].to_numpy() for name in edits}
    for step in np.unique(results.convergence["step"].to_numpy()).tolist():
        # an evaluation comes before the edits of its step, but after the wiring
        until = int(np.searchsorted(when, step, "left" if done else "right"))
        replay(topology, {name: values[done:until] for name, values in columns.items()})
        done = until
        yield step, topology

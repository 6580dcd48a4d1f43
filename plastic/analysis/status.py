"""How a sweep stands: which runs are complete, still going, failed, cut off or missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from plastic.analysis.results import Results, load_results
from plastic.errors import ResultsError
from plastic.locks import holder_of
from plastic.sweeps import FOLDER, Planned, as_command, planned_jobs

COMPLETE, RUNNING, FAILED = "complete", "running", "failed"
CUT_OFF, MISSING, UNREADABLE = "cut off", "missing", "unreadable"

STATES = (COMPLETE, RUNNING, FAILED, CUT_OFF, UNREADABLE, MISSING)
"""What may have become of a run.

One that is cut off was begun and has no process any more: it was killed, or its machine was.
One that is missing was planned by a sweep and never came to a folder.
"""

COLUMNS = ("run_id", "state", "reason", "policy", "seed", "seconds", "folder", "job", "alone")


def survey(folder: str | Path) -> pd.DataFrame:
    """How each run of a study stands, whether begun or only planned.

    Parameters
    ----------
    folder : path
        A study's folder, or that of several; there need not be a run in it yet.

    Returns
    -------
    DataFrame
        A row a run, with `COLUMNS`: run_id (empty where a job's configuration was of no use),
        state (one of `STATES`), reason (what a failed run raised), policy, seed, seconds,
        folder; job, the command line's own part of the job that it is of, and alone, what
        repeats this run only (both empty if no sweep planned it).

    Raises
    ------
    ResultsError
        If there is no such folder, or neither a run nor a plan in it.
    """
    folder = Path(folder)
    jobs = {study: planned_jobs(study) for study in studies_in(folder)}
    try:
        results = load_results(folder)
    except ResultsError:
        if not jobs:
            raise
        rows: list[dict[str, Any]] = []
    else:
        rows = _rows_of_runs(results, _job_of_run(jobs))
    found = {row["run_id"] for row in rows}
    for study, planned in jobs.items():
        for job in planned:
            for name in job.runs or ("",):
                if name not in found:  # two sweeps may have planned it
                    found.add(name) if name else None
                    rows.append(_missing(study, job, name))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def counts(survey: pd.DataFrame) -> dict[str, int]:
    """How many runs there are of each state that occurs, in the order of `STATES`.

    Examples
    --------
    >>> counts(pd.DataFrame({"state": ["failed", "complete", "complete"]}))
    {'complete': 2, 'failed': 1}
    """
    found = survey["state"].value_counts()
    return {state: int(found[state]) for state in STATES if state in found}


def studies_in(folder: Path) -> list[Path]:
    """The studies in a folder, itself among them, that a sweep was planned for."""
    return sorted(path.parent for path in folder.rglob(FOLDER)) if folder.is_dir() else []


def _job_of_run(jobs: dict[Path, list[Planned]]) -> dict[str, Planned]:
    """The job of each run; of several, the one of the fewest runs."""
    every = [job for planned in jobs.values() for job in planned]
    every.sort(key=lambda job: len(job.runs), reverse=True)
    return {name: job for job in every for name in job.runs}


def _commands(job: Planned | None, seed: int | None) -> dict[str, str]:
    if job is None:
        return {"job": "", "alone": ""}
    return {"job": as_command(job.overrides), "alone": as_command(job.alone(seed))}


def _rows_of_runs(results: Results, job_of: dict[str, Planned]) -> list[dict[str, Any]]:
    rows = []
    for run in results.runs.itertuples():
        folder = results.folders[run.run_id]
        state = run.status
        if state == RUNNING and not holder_of(folder):
            state = CUT_OFF
        reason = {FAILED: run.reason, CUT_OFF: "its process ended without a word"}.get(state)
        rows.append({
            "run_id": run.run_id, "state": state, "reason": reason or "",
            "policy": run.policy, "seed": run.seed, "seconds": run.seconds,
            "folder": str(folder), **_commands(job_of.get(run.run_id), run.seed),
        })  # fmt: skip
    lost = results.unreadable.query("table == 'run'")
    for broken in lost.itertuples():
        name = Path(broken.folder).name
        job = job_of.get(name)
        seed = None if job is None else job.runs[name]
        rows.append({
            "run_id": name, "state": UNREADABLE, "reason": broken.reason, "policy": "",
            "seed": pd.NA if seed is None else seed, "seconds": float("nan"),
            "folder": broken.folder, **_commands(job, seed),
        })  # fmt: skip
    return rows


def _missing(study: Path, job: Planned, run_id: str) -> dict[str, Any]:
    seed, was_begun = job.runs.get(run_id), run_id in job.begun
    reason = "it was begun, and left nothing" if was_begun else "it was never begun"
    return {
        "run_id": run_id, "state": MISSING, "reason": reason, "policy": "",
        "seed": pd.NA if seed is None else seed, "seconds": float("nan"),
        "folder": str(study / run_id) if run_id else "", **_commands(job, seed),
    }  # fmt: skip

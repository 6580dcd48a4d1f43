"""What a sweep plans, written down before it starts, and which job each of its runs is of.

A sweep leaves a folder in its study's folder, beside those of its runs::

    .sweeps/plan-1f0c37....json    the overrides of each of its jobs
    .sweeps/run-<run_id>.json      of one run: the jobs that it is of, and when it was begun

so that a job that never came to a run is missed, and a run that took its process down with it
is known to have been tried.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plastic.files import write_whole

FOLDER = ".sweeps"
"""Name of the folder in a study's folder."""

Overrides = tuple[str, ...]


class Planned(NamedTuple):
    """A job that a sweep planned: its own command line, and the runs that are known of it."""

    overrides: Overrides
    run_ids: tuple[str, ...]


def write_plan(study: Path, jobs: Sequence[Sequence[str]]) -> None:
    """Write down the jobs of a sweep; the same plan is the same file.

    Parameters
    ----------
    study : Path
        Folder of the study; created.
    jobs : sequence of sequence of str
        The overrides of each job.

    Raises
    ------
    ResultsError
        If the folder cannot be written.
    """
    text = json.dumps({"version": 1, "jobs": [list(job) for job in jobs]}, indent=1)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    (study / FOLDER).mkdir(parents=True, exist_ok=True)
    write_whole(study / FOLDER / f"plan-{name}.json", text.encode())


def note_begun(study: Path, run_id: str, job: Sequence[str], start: str) -> None:
    """Note that a run begins.

    Parameters
    ----------
    study : Path
    run_id : str
    job : sequence of str
        The overrides of the job that it is of.
    start : str
        Names this start of the sweep, of which there may be several.
    """
    jobs, tries = _note_of(study, run_id)["jobs"], times_begun(study, run_id, start)
    if list(job) not in jobs:
        jobs = [*jobs, list(job)]
    text = json.dumps({"jobs": jobs, "start": start, "tries": tries + 1}, indent=1)
    (study / FOLDER).mkdir(parents=True, exist_ok=True)
    write_whole(study / FOLDER / f"run-{run_id}.json", text.encode())


def times_begun(study: Path, run_id: str, start: str) -> int:
    """How often a run was begun already since this start of the sweep."""
    note = _note_of(study, run_id)
    return int(note["tries"]) if start and note["start"] == start else 0


def planned_jobs(study: Path) -> list[Planned]:
    """Every job that the sweeps of a study planned or began.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     study = Path(name)
    ...     write_plan(study, [["seed=0"], ["seed=1"]])
    ...     note_begun(study, "digits-set-s1-0a1b2c3d4e", ["seed=1"], start="1")
    ...     for job in planned_jobs(study):
    ...         print(*job)
    ('seed=0',) ()
    ('seed=1',) ('digits-set-s1-0a1b2c3d4e',)
    """
    known: dict[Overrides, list[str]] = {}
    for path in sorted((study / FOLDER).glob("plan-*.json")):
        for job in _read(path).get("jobs", []):
            known.setdefault(tuple(job), [])
    for path in sorted((study / FOLDER).glob("run-*.json")):
        run_id = path.stem.removeprefix("run-")
        for job in _read(path).get("jobs", []):
            known.setdefault(tuple(job), []).append(run_id)
    return [Planned(job, tuple(run_ids)) for job, run_ids in known.items()]


def as_command(overrides: Sequence[str]) -> str:
    """Overrides as a shell takes them.

    Examples
    --------
    >>> as_command(["policy=set", "wiring.hidden=[8,6]"])
    "policy=set 'wiring.hidden=[8,6]'"
    """
    return shlex.join(overrides)


def _note_of(study: Path, run_id: str) -> dict[str, Any]:
    return {"jobs": [], "start": "", "tries": 0} | _read(study / FOLDER / f"run-{run_id}.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # not there, or not ours
    return read if isinstance(read, dict) else {}

"""What a sweep plans, written down before it starts, and which job each of its runs is of.

A sweep leaves a folder in its study's folder, beside those of its runs::

    .sweeps/plan-1f0c37....json    the overrides of each of its jobs, and the seeds of its runs
    .sweeps/run-<run_id>.json      of one run: the jobs that it is of, and when it was begun

so that a run that never came to a folder is missed, by name, whatever became of the sweep, and
one that took its process down with it is known to have been tried.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plastic.files import write_whole

FOLDER = ".sweeps"
"""Name of the folder in a study's folder."""

VERSION = 2
"""Of a plan's format; another one is no plan."""

Overrides = tuple[str, ...]


@dataclass(frozen=True)
class Planned:
    """A job that a sweep planned.

    Parameters
    ----------
    overrides : tuple of str
        Its own command line.
    runs : mapping of str to int or None
        By run_id, the seed of each of its runs; None where only the run tells.  Empty if the
        job's configuration was of no use, so that it has no runs.
    begun : set of str
        Those that were begun, by run_id.
    """

    overrides: Overrides
    runs: Mapping[str, int | None] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()

    def alone(self, seed: int | None) -> Overrides:
        """The overrides that repeat the run of a seed alone.

        Examples
        --------
        >>> job = Planned(("policy=set", "seeds='range(2)'"), {"set-s0-1f": 0, "set-s1-2e": 1})
        >>> job.alone(1)
        ('policy=set', 'seed=1')
        >>> Planned(("policy=set", "seed=4"), {"set-s4-0c": 4}).alone(4)
        ('policy=set', 'seed=4')
        """
        several = any(_key(part) == "seeds" for part in self.overrides)
        if seed is None or not (several or len(self.runs) > 1):
            return self.overrides
        others = [part for part in self.overrides if _key(part) not in ("seed", "seeds")]
        # several seeds that no override names are in the configuration
        return (*others, f"seed={seed}", *([] if several else ["seeds=null"]))


def _key(override: str) -> str:
    return override.lstrip("+").partition("=")[0]


def write_plan(study: Path, jobs: Iterable[Planned]) -> None:
    """Write down the jobs of a sweep; the same jobs replace what was planned of them before.

    Parameters
    ----------
    study : Path
        Folder of the study; created.
    jobs : iterable of Planned
        What was begun of them is no part of the plan.

    Raises
    ------
    ResultsError
        If the folder cannot be written.
    """
    plain = [{"overrides": list(job.overrides), "runs": dict(job.runs)} for job in jobs]
    # runs of other names are those of a changed configuration, which takes this one's place
    known = json.dumps([job["overrides"] for job in plain])
    name = hashlib.sha256(known.encode()).hexdigest()[:16]
    text = json.dumps({"version": VERSION, "jobs": plain}, indent=1)
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


def give_up(study: Path, run_id: str) -> None:
    """Note that a run had its last turn in this start of the sweep."""
    note = _note_of(study, run_id) | {"given_up": True}
    write_whole(study / FOLDER / f"run-{run_id}.json", json.dumps(note, indent=1).encode())


def was_given_up(study: Path, run_id: str, start: str) -> bool:
    """Whether a run had its last turn since this start of the sweep."""
    note = _note_of(study, run_id)
    return bool(start) and note["start"] == start and note["given_up"]


def planned_jobs(study: Path) -> list[Planned]:
    """Every job that the sweeps of a study planned or began.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     study = Path(name)
    ...     write_plan(study, [Planned(("seeds=[0,1]",), {"set-s0-1f": 0, "set-s1-2e": 1})])
    ...     note_begun(study, "set-s1-2e", ["seeds=[0,1]"], start="1")
    ...     for job in planned_jobs(study):
    ...         print(job.overrides, job.runs, *job.begun)
    ('seeds=[0,1]',) {'set-s0-1f': 0, 'set-s1-2e': 1} set-s1-2e
    """
    runs: dict[Overrides, dict[str, int | None]] = {}
    begun: dict[Overrides, set[str]] = {}
    for path in sorted((study / FOLDER).glob("plan-*.json")):
        plan = _read(path)
        for job in plan.get("jobs", []) if plan.get("version") == VERSION else []:
            runs.setdefault(tuple(job["overrides"]), {}).update(job["runs"])
    for path in sorted((study / FOLDER).glob("run-*.json")):
        run_id = path.stem.removeprefix("run-")
        for overrides in map(tuple, _read(path).get("jobs", [])):
            runs.setdefault(overrides, {}).setdefault(run_id, None)
            begun.setdefault(overrides, set()).add(run_id)
    return [Planned(job, its, frozenset(begun.get(job, ()))) for job, its in runs.items()]


def as_command(overrides: Sequence[str]) -> str:
    """Overrides as a shell takes them.

    Examples
    --------
    >>> as_command(["policy=set", "wiring.hidden=[8,6]"])
    "policy=set 'wiring.hidden=[8,6]'"
    """
    return shlex.join(overrides)


def _note_of(study: Path, run_id: str) -> dict[str, Any]:
    unknown = {"jobs": [], "start": "", "tries": 0, "given_up": False}
    return unknown | _read(study / FOLDER / f"run-{run_id}.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # not there, or not ours
    return read if isinstance(read, dict) else {}

"""The jobs of a run or a sweep: one failing never stops the others, and nothing is forgotten.

Hydra starts a job for each line of a sweep, in this process or another (its launcher decides).
What became of them is read from their folders afterwards, as no launcher tells of a process
that was killed.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from experiments.arguments import seeds_of
from experiments.config import RunConfig, as_text
from experiments.plans import Plan, plans, remember
from experiments.warming import warm_for
from experiments.workers import (
    close_pools,
    in_a_worker,
    run_alone,
    run_in_workers,
    workers_for,
)
from plastic.errors import InUse, PlasticError
from plastic.sweeps import Planned, give_up, note_begun, times_begun, was_given_up

START = "PLASTIC_SWEEP_START"
"""Environment variable that names this start of a sweep to all of its processes."""

LOST = ("TerminatedWorkerError", "BrokenProcessPool", "WorkerCrashedError", "RayTaskError")
"""What launchers raise when a process of theirs has died."""

failures: list[str] = []
"""What went wrong in the jobs of this process."""

elsewhere: list[str] = []
"""Runs of the jobs of this process that other processes are at."""

TURNS_ALONE = 2
"""Processes of its own in which a run may end without a word before it is given up.

Who ends a process of the sweep may end those that it waits for a moment earlier, so the first
may have been taken down by another run; before the second has begun, this one is gone, too."""

Run = Callable[[DictConfig], Path]


# ------------------------------------------------------------------------------------- seeds


def one_per_seed(config: DictConfig) -> list[DictConfig]:
    """The configuration of each run of a job; one, unless it has ``seeds``."""
    if config.seeds is None:
        return [config]
    return [
        _typed(_plain(config) | {"seed": seed, "seeds": None})
        for seed in seeds_of(config.seeds)
    ]


# -------------------------------------------------------------------------------------- jobs


def job(config: DictConfig) -> None:
    """One job of a Hydra run or sweep: a failure is told, and does not stop the others."""
    from experiments.run import run, run_id, what_next

    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    swept = hydra_config.mode == RunMode.MULTIRUN
    try:
        configs = one_per_seed(config)
        workers = workers_for(config, len(configs))
    except PlasticError as error:
        _tell(error)
        return
    if not swept and len(configs) > 1:
        runs: dict[str, int | None] = {run_id(one): one.seed for one in configs}
        study = Path(config.results_dir) / config.study
        remember(Plan(study, [Planned(tuple(overrides), runs)]))
    in_here = workers == 1 and (not swept or config.workers == 1 or in_a_worker())
    if not in_here:  # where one that dies takes nothing with it
        if workers > 1:
            warm_for(config)
        left = [_plain(one) for one in configs]
        failures.extend(run_in_workers(run_plain, left, overrides, workers, _was_begun))
        return
    for one in configs:
        folder = attempt(one, overrides, run, recorded=swept or len(configs) > 1)
        if folder is not None and not swept and len(configs) == 1:
            print(what_next(folder))


def attempt(
    config: DictConfig,
    overrides: Sequence[str],
    run: Run,
    *,
    recorded: bool,
    alone: bool = False,
) -> Path | None:
    """Run a configuration in this start of the sweep; None if it failed, or had its turns.

    One whose process ended without a word has its turns in processes of its own, as it may be
    that the process of another run took it down; and again, if that happens to the process
    that waits for it.

    Parameters
    ----------
    config : DictConfig
    overrides : sequence of str
        Of its job.
    run : callable
        `experiments.run.run`.
    recorded : bool
        Whether it is one of several, so that a failure must be found in its folder later.
    alone : bool
        Whether this process runs nothing else.
    """
    from experiments.run import run_id

    began = time.time()
    try:
        if recorded:
            from plastic.records import read_status  # a wrong single run is told without

            study, name = Path(config.results_dir) / config.study, run_id(config)
            start = os.environ.get(START, "")
            if times_begun(study, name, start) and not alone:
                ended = ("complete", "failed")
                if was_given_up(study, name, start) or read_status(study / name) in ended:
                    return None  # another launcher asks once more
                told: list[str] = []
                for _ in range(TURNS_ALONE):
                    told = run_alone(run_plain, _plain(config), overrides)
                    if read_status(study / name) in ended:
                        break
                failures.extend(told)
                give_up(study, name)  # not reached where another one takes us down, too
                return None
            note_begun(study, name, overrides, start)
        return run(config)
    except InUse as error:
        print(f"{run_id(config)}  left to the process that runs it: {error}", flush=True)
        elsewhere.append(str(error))
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is that a user's own part raises
        _tell(error)
        if recorded:
            with suppress(PlasticError, OSError):  # told above, and missed by the survey
                _record(config, error, began)
        return None


def _tell(error: Exception) -> None:
    """Say what went wrong: in a line if we know it, with the traceback if we do not."""
    failures.append(str(error) or repr(error))
    if isinstance(error, PlasticError | OSError):
        print(f"error: {error}", file=sys.stderr, flush=True)
    else:
        traceback.print_exception(error)


def _record(config: DictConfig, error: Exception, began: float) -> None:
    """Leave a failure in the run's folder, if the run did not come far enough to do so."""
    from experiments.run import run_id, run_row
    from plastic.locks import FolderLock
    from plastic.records import Recorder

    folder = Path(config.results_dir) / config.study / run_id(config)
    told = folder / "traceback.txt"
    if told.is_file() and told.stat().st_mtime >= began - 1:
        return
    with (
        FolderLock(folder),
        suppress(type(error)),
        Recorder(folder, run_row(config), as_text(config)),
    ):
        raise error


# ----------------------------------------------------------------------------------- workers


def run_plain(plain: dict[str, Any], overrides: list[str], *, alone: bool = False) -> list[str]:
    """A worker's part: run a configuration that came as plain values; what went wrong."""
    from experiments.run import run

    failures.clear()
    attempt(_typed(plain), overrides, run, recorded=True, alone=alone)
    return list(failures)


def _was_begun(plain: dict[str, Any]) -> bool:
    from experiments.run import run_id

    study = Path(plain["results_dir"]) / plain["study"]
    return times_begun(study, run_id(_typed(plain)), os.environ[START]) > 0


def _plain(config: DictConfig) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(config, enum_to_str=True)
    return {str(key): value for key, value in plain.items()}


def _typed(plain: dict[str, Any]) -> DictConfig:
    typed = OmegaConf.merge(OmegaConf.structured(RunConfig), plain)
    assert isinstance(typed, DictConfig)
    return typed


# ------------------------------------------------------------------------------------- sweeps


def carry_out(start: Callable[[], Any]) -> None:
    """Start Hydra, and again as often as a process of a sweep takes the others down with it.

    Each time, what is complete is skipped, and what was begun in this start is let be.
    """
    os.environ[START] = uuid.uuid4().hex
    try:
        tries = 0
        plans.clear()
        while True:
            try:
                start()
            except Exception as error:
                tries += 1
                most = sum(plan.n_runs for plan in plans)
                if type(error).__name__ not in LOST or tries > most:
                    raise
                print("a process of the sweep died; going on with the others", flush=True)
            else:
                return
    finally:
        close_pools()
        del os.environ[START]

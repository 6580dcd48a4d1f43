"""The jobs of a run or a sweep: one failing never stops the others, and nothing is forgotten.

Hydra starts a job for each line of a sweep, in this process or another (its launcher decides).
What became of them is read from their folders afterwards, as no launcher tells of a process
that was killed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from experiments.arguments import expand, seeds_of
from experiments.config import RunConfig, as_text, cores_for
from plastic.errors import InUse, InvalidParameter, PlasticError
from plastic.sweeps import as_command, note_begun, times_begun, write_plan

START = "PLASTIC_SWEEP_START"
"""Environment variable that names this start of a sweep to all of its processes."""

LOST = ("TerminatedWorkerError", "BrokenProcessPool", "WorkerCrashedError", "RayTaskError")
"""What launchers raise when a process of theirs has died."""

failures: list[str] = []
"""What went wrong in the jobs of this process."""

plans: list[tuple[Path, int]] = []
"""Of the sweeps of this process: their study's folder, and how many jobs they have."""

Run = Callable[[DictConfig], Path]


# ------------------------------------------------------------------------------------- plans


class WritePlan(Callback):
    """Writes down what a sweep plans, when it starts."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Write the plan, where the jobs are known beforehand: other sweepers make them up."""
        sweeper = config.hydra.sweeper
        if not str(sweeper["_target_"]).endswith(".BasicSweeper"):
            return
        params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        jobs = expand([*params, *config.hydra.overrides.task])
        study = Path(config.results_dir) / config.study
        if study.is_dir() and not plans:
            print(_so_far(study, jobs), flush=True)
        with suppress(OSError):  # the jobs will say that nothing can be written there
            write_plan(study, jobs)
        if (study, len(jobs)) not in plans:
            plans.append((study, len(jobs)))


def _so_far(study: Path, jobs: Sequence[tuple[str, ...]]) -> str:
    """What an earlier start of this sweep has left to be done."""
    from plastic.analysis.status import COMPLETE, counts, survey

    known = survey(study)
    known = known[known["job"].isin([as_command(each) for each in jobs])]
    found = counts(known)
    again = {state: n for state, n in found.items() if state != COMPLETE}
    listed = "".join(f", {n} {state}" for state, n in again.items())
    fresh = len(set(jobs)) - known["job"].nunique()
    return (
        f"{study}: of {len(jobs)} jobs {found.get(COMPLETE, 0)} runs are complete and skipped"
        f"{listed}, {fresh} new"
    )


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
    from experiments.run import run, what_next

    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    swept = hydra_config.mode == RunMode.MULTIRUN
    try:
        configs = one_per_seed(config)
        workers = workers_for(config, len(configs))
    except PlasticError as error:
        _tell(error)
        return
    in_here = workers == 1 and (not swept or config.workers == 1 or in_a_worker())
    if not in_here:  # where one that dies takes nothing with it
        failures.extend(run_in_workers(configs, overrides, workers))
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

    One whose process ended without a word has another turn in a process of its own: it may be
    that the process of another run took it down.

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
            tries = times_begun(study, name, os.environ.get(START, ""))
            if tries and read_status(study / name) in ("complete", "failed"):
                return None  # another launcher asks once more
            if tries == 1 and not alone:
                failures.extend(run_alone(config, overrides))
            if tries > alone:
                return None
            note_begun(study, name, overrides, os.environ.get(START, ""))
        return run(config)
    except Exception as error:  # noqa: BLE001 - whatever it is that a user's own part raises
        _tell(error)
        if recorded and not isinstance(error, InUse):
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


def workers_for(config: DictConfig, n_runs: int) -> int:
    """Processes that share the seeds of a job; one where the job is in a worker itself.

    Raises
    ------
    InvalidParameter
        If ``workers`` is neither ``auto`` nor a whole number from 1 on.
    """
    wanted = config.workers
    if wanted == "auto":
        wanted = 1 if in_a_worker() else cores_for(config.threads)
    if not isinstance(wanted, int) or wanted < 1:
        raise InvalidParameter(f"workers must be auto or at least 1, got {wanted!r}")
    return min(wanted, n_runs)


def in_a_worker() -> bool:
    """Whether this process is one of several that a launcher or a job has started."""
    return multiprocessing.current_process().name != "MainProcess" or "RAY_JOB_ID" in os.environ


def run_in_workers(
    configs: Sequence[DictConfig], overrides: Sequence[str], workers: int
) -> list[str]:
    """Run configurations in processes of their own, started afresh where one of them dies.

    Returns
    -------
    list of str
        What went wrong, a line each.
    """
    left = [_plain(config) for config in configs]
    told: list[str] = []
    while left:
        pool = _pool_of(workers)
        jobs = [(plain, pool.submit(run_plain, plain, list(overrides))) for plain in left]
        lost = list(_lost(jobs, told))
        if lost:
            _close_pools()
        again = [plain for plain in lost if not _times_begun(plain)]
        if len(again) == len(left):
            raise PlasticError("worker processes end before they have begun; try workers=1")
        for plain in lost:
            if plain not in again:  # it took the others down, or was taken down by another
                told += run_alone(_typed(plain), overrides)
        left = again
    return told


_pools: dict[int, ProcessPoolExecutor] = {}
"""Kept from one job to the next, for a process takes a second or two to start."""


def _pool_of(workers: int) -> ProcessPoolExecutor:
    if workers not in _pools:
        context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks
        _pools[workers] = ProcessPoolExecutor(workers, context, limit_threads)
    return _pools[workers]


def _close_pools() -> None:
    while _pools:
        _pools.popitem()[1].shutdown()


def _lost(jobs: Sequence[tuple[Any, Any]], told: list[str]) -> Iterator[Any]:
    """The jobs whose process died; what others have to tell is appended to `told`."""
    for plain, future in jobs:
        try:
            told += future.result()
        except BrokenProcessPool:
            yield plain


def _times_begun(plain: dict[str, Any]) -> int:
    from experiments.run import run_id

    study = Path(plain["results_dir"]) / plain["study"]
    return times_begun(study, run_id(_typed(plain)), os.environ[START])


def run_alone(config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """Run a configuration in a process that runs nothing else; what went wrong."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, limit_threads) as pool:
        try:
            return pool.submit(run_plain, _plain(config), list(overrides), alone=True).result()
        except BrokenProcessPool:
            return ["a process ended without a word"]


def run_plain(plain: dict[str, Any], overrides: list[str], *, alone: bool = False) -> list[str]:
    """A worker's part: run a configuration that came as plain values; what went wrong."""
    from experiments.run import run

    failures.clear()
    attempt(_typed(plain), overrides, run, recorded=True, alone=alone)
    return list(failures)


def _plain(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, enum_to_str=True)
    return {str(key): value for key, value in dict(plain).items()}  # type: ignore[arg-type]


def _typed(plain: dict[str, Any]) -> DictConfig:
    typed = OmegaConf.merge(OmegaConf.structured(RunConfig), plain)
    assert isinstance(typed, DictConfig)
    return typed


def limit_threads() -> None:
    """One thread for each BLAS of a worker: its processes share the cores already."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


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
                most = sum(n_jobs for _, n_jobs in plans)
                if type(error).__name__ not in LOST or tries > most:
                    raise
                print("a process of the sweep died; going on with the others", flush=True)
            else:
                return
    finally:
        _close_pools()
        del os.environ[START]


def unfinished_business() -> str:
    """What a sweep of this process left undone, in a line; empty if all is complete."""
    if not plans:
        return ""
    from plastic.analysis.status import COMPLETE, counts, survey

    left = []
    for study, _ in plans:
        found = counts(survey(study))
        undone = {state: n for state, n in found.items() if state != COMPLETE}
        if undone:
            listed = ", ".join(f"{n} {state}" for state, n in undone.items())
            left.append(f"{study}: {found.get(COMPLETE, 0)} runs complete, {listed}")
    return "; ".join(left)

"""Processes that share the runs of a job, and what each of them may take of the machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from omegaconf import DictConfig

from experiments.config import cores_for
from experiments.launchers import THREADS
from plastic.errors import InvalidParameter, PlasticError

Task = Callable[..., list[str]]
"""Runs a configuration, given as plain values, and returns what went wrong, a line each."""


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
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise InvalidParameter(f"workers must be auto or at least 1, got {wanted!r}")
    return min(wanted, n_runs)


def in_a_worker() -> bool:
    """Whether this process is one of several that a launcher or a job has started."""
    return multiprocessing.current_process().name != "MainProcess" or "RAY_JOB_ID" in os.environ


def limit_threads(environment: MutableMapping[str, str] = os.environ) -> None:
    """One thread for linear algebra, here and in the processes that this one starts.

    The engine's own threads are what ``threads`` says, so jobs times threads fit the cores
    whatever starts the jobs; and sums that a library shares between threads have other last
    bits with another number of them, which no run may depend on.  Whoever has set one of
    these variables has it their way.
    """
    for name in THREADS:
        environment.setdefault(name, environment.get("OMP_NUM_THREADS", "1"))


def run_in_workers(
    task: Task,
    left: Sequence[dict[str, Any]],
    overrides: Sequence[str],
    workers: int,
    was_begun: Callable[[dict[str, Any]], bool],
) -> list[str]:
    """Run configurations in processes of their own, started afresh where one of them dies.

    Parameters
    ----------
    task : callable
    left : sequence of dict
        Configurations as plain values.
    overrides : sequence of str
        Of the job that they are of.
    workers : int
    was_begun : callable
        Whether a configuration that was lost had been begun.

    Returns
    -------
    list of str
        What went wrong, a line each.

    Raises
    ------
    PlasticError
        If processes end before they have begun anything.
    """
    told: list[str] = []
    while left:
        pool = _pool_of(workers)
        jobs = [(plain, pool.submit(task, plain, list(overrides))) for plain in left]
        lost = list(_lost(jobs, told))
        if lost:
            close_pools()
        again = [plain for plain in lost if not was_begun(plain)]
        if len(again) == len(left):
            raise PlasticError("worker processes end before they have begun; try workers=1")
        for plain in lost:
            if plain not in again:  # it took the others down, or was taken down by another
                told += run_alone(task, plain, overrides)
        left = again
    return told


_pools: dict[int, ProcessPoolExecutor] = {}
"""Kept from one job to the next, for a process takes a second or two to start."""


def _pool_of(workers: int) -> ProcessPoolExecutor:
    if workers not in _pools:
        _pools[workers] = _new_pool(workers)
    return _pools[workers]


def _new_pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # in a process of joblib's: its children would be told to start others in its way, which
        # they do not know, and end at once
        multiprocessing.set_start_method("spawn", force=True)
    return ProcessPoolExecutor(workers, context, limit_threads)


def close_pools() -> None:
    """End the processes that wait for a next job."""
    while _pools:
        _pools.popitem()[1].shutdown()


def _lost(jobs: Sequence[tuple[Any, Any]], told: list[str]) -> Iterator[Any]:
    """The jobs whose process died; what others have to tell is appended to `told`."""
    for plain, future in jobs:
        try:
            told += future.result()
        except BrokenProcessPool:
            yield plain


def run_alone(task: Task, plain: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Run a configuration in a process that runs nothing else; what went wrong."""
    with _new_pool(1) as pool:
        try:
            return pool.submit(task, plain, list(overrides), alone=True).result()
        except BrokenProcessPool:
            return ["a process ended without a word"]

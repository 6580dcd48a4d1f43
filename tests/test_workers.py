"""Processes share the runs of a job, and the cores of the machine."""

from __future__ import annotations

import multiprocessing
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from experiments import workers
from experiments.config import cores_for
from experiments.launchers import THREADS
from experiments.workers import in_a_worker, limit_threads, run_in_workers, workers_for
from plastic.errors import InvalidParameter, PlasticError


def wanting(wanted, threads=1):
    return OmegaConf.create({"workers": wanted, "threads": threads})


@given(threads=st.integers(1, 64), n_runs=st.integers(1, 200))
def test_workers_times_threads_fit_the_cores(threads, n_runs):
    n = workers_for(wanting("auto", threads), n_runs)
    assert 1 <= n <= n_runs
    assert n == 1 or n * threads <= os.cpu_count()
    assert n == min(n_runs, cores_for(threads))


@given(n=st.integers(1, 64), n_runs=st.integers(1, 200))
def test_a_number_is_taken_by_its_word(n, n_runs):
    assert workers_for(wanting(n), n_runs) == min(n, n_runs)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None, "all"])
def test_other_numbers_of_workers_are_refused(wrong):
    with pytest.raises(InvalidParameter, match=f"at least 1, got {wrong!r}"):
        workers_for(wanting(wrong), 3)


def test_a_worker_starts_no_workers(monkeypatch):
    assert not in_a_worker()
    monkeypatch.setenv("RAY_JOB_ID", "01000000")
    assert in_a_worker()
    assert workers_for(wanting("auto"), 20) == 1
    monkeypatch.delenv("RAY_JOB_ID")
    process = multiprocessing.current_process()
    monkeypatch.setattr(process, "_config", dict(process._config))
    monkeypatch.setattr(process, "_name", "SpawnProcess-1")
    assert in_a_worker()


def test_threads_of_libraries_are_one_unless_somebody_has_said_otherwise():
    found = {}
    limit_threads(found)
    assert found == dict.fromkeys(THREADS, "1")
    found = {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "2"}
    limit_threads(found)
    assert found == dict.fromkeys(THREADS, "4") | {"MKL_NUM_THREADS": "2"}


LIMITED = """
import os, sys
from importlib import import_module
for name in [name for name in os.environ if name.endswith("_NUM_THREADS")]:
    del os.environ[name]
main = import_module(f"experiments.{sys.argv.pop(1)}").main
assert "numpy" not in sys.modules, "which settles how many threads its library has"
try:
    main()
except SystemExit:
    pass
print(os.environ.get("OPENBLAS_NUM_THREADS"))
"""


@pytest.mark.parametrize("program", ["run", "regret", "masks", "search"])
def test_whatever_trains_limits_the_threads_before_libraries_are_there(
    program, process, tmp_path
):
    ended = process("-c", LIMITED, program, "nothing=1", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "1\n"), ended.err


class Pool:
    """In place of processes: runs at once, and may die at given configurations."""

    def __init__(self, deadly, attempts):
        self.deadly, self.attempts, self.broken = deadly, attempts, False

    def submit(self, task, plain, overrides, **more):
        self.plain, pool = plain, self

        class Future:
            def result(self):
                if pool.broken:
                    raise workers.BrokenProcessPool
                pool.attempts.append(plain["seed"])
                if plain["seed"] in pool.deadly:
                    pool.broken = True
                    raise workers.BrokenProcessPool
                return task(plain, overrides)

        return Future()


@given(deadly=st.sets(st.integers(0, 9)), n=st.integers(1, 10))
def test_one_that_dies_takes_nothing_with_it(deadly, n):
    attempts, alone, done = [], [], []

    def task(plain, overrides):
        done.append(plain["seed"])
        return [f"{plain['seed']} is odd"] if plain["seed"] % 2 else []

    def by_itself(task, plain, overrides):
        alone.append(plain["seed"])
        return [f"{plain['seed']} died"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_pool_of", lambda _: Pool(deadly, attempts))
        patch.setattr(workers, "run_alone", by_itself)
        left = [{"seed": seed} for seed in range(n)]
        told = run_in_workers(task, left, [], 2, lambda plain: plain["seed"] in attempts)
    dead = [seed for seed in range(n) if seed in deadly]
    assert sorted(done) == [seed for seed in range(n) if seed not in deadly]
    assert sorted(alone) == dead
    assert sorted(told) == sorted(
        [f"{seed} is odd" for seed in done if seed % 2] + [f"{seed} died" for seed in dead]
    )


def test_processes_that_never_begin_are_not_tried_for_ever(monkeypatch):
    monkeypatch.setattr(workers, "_pool_of", lambda _: Pool({0, 1}, []))
    with pytest.raises(PlasticError, match="end before they have begun; try workers=1"):
        run_in_workers(None, [{"seed": 0}, {"seed": 1}], [], 2, lambda _: False)

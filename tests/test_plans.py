"""A plan names exactly the runs that a sweep comes to, before it starts."""

from __future__ import annotations

import pytest
from runs import SMALL

from experiments.arguments import expand, quote_seeds
from experiments.plans import ELSEWHERE, Plan, how_they_ended, plans, plans_of
from experiments.run import run_id
from plastic.analysis import load_results
from plastic.analysis.status import survey
from plastic.locks import FolderLock
from plastic.records import Recorder
from plastic.sweeps import FOLDER, planned_jobs, write_plan

SWEEPS = {
    "seeds of a sweep": ["policy=set,static", "seed=0,1,5"],
    "seeds of a job": ["policy=set,static", "seeds=range(2,5)"],
    "both": ["policy=set", "seed=0,1", "seeds=[3,4]"],
    "studies": ["study=one,other", "seed=0,1"],
    "parameters": ["policy=set", "policy.fraction=0.1,0.2", "seed=1"],
    "none": ["policy=set"],
}


@pytest.fixture(autouse=True)
def no_plans():
    plans.clear()
    yield
    plans.clear()


@pytest.mark.parametrize("swept", SWEEPS.values(), ids=SWEEPS)
def test_names_are_those_of_the_runs(swept, config_of, tmp_path):
    jobs = expand([*SMALL, f"results_dir={tmp_path}", *quote_seeds(swept)])
    found = plans_of(jobs, lambda overrides: config_of(*overrides))
    assert [job.overrides for plan in found for job in plan.jobs] == jobs
    for plan in found:
        for job in plan.jobs:
            assert job.runs
            for name, seed in job.runs.items():
                alone = config_of(*job.alone(seed))  # what status says repeats it
                assert alone.seeds is None
                assert run_id(alone) == name
                assert tmp_path / alone.study == plan.study


def test_seeds_of_the_configuration_are_runs_too(config_of):
    base = config_of(*SMALL, "seeds='range(3)'")
    (plan,) = plans_of([("density=0.3",)], lambda _: base)
    (job,) = plan.jobs
    assert list(job.runs.values()) == [0, 1, 2]
    assert job.alone(2) == ("density=0.3", "seed=2", "seeds=null")
    assert base.seeds == "range(3)"  # left as it was


def test_a_run_of_two_jobs_counts_once(config_of):
    jobs = [("seed=0",), ("seed=0",), ("seeds=[0,1]",), ("seeds=none",)]
    (plan,) = plans_of(jobs, lambda overrides: config_of(*overrides))
    assert plan.n_runs == 3  # and one job that comes to none


@pytest.mark.parametrize("wrong", ["seeds=none", "seeds=[1,1]"])
def test_a_job_of_no_use_has_no_runs(wrong, config_of):
    (plan,) = plans_of([(wrong,)], lambda overrides: config_of(*overrides))
    assert (plan.jobs[0].runs, plan.n_runs) == ({}, 1)


def test_a_sweep_plans_what_it_comes_to(command, tmp_path):
    sweep = ["run", "-m", *SMALL, "study=one,other", "policy=static", "seeds=0,1"]
    assert command(*sweep, cwd=tmp_path).code == 0
    for study in (tmp_path / "results" / "one", tmp_path / "results" / "other"):
        (job,) = planned_jobs(study)
        assert set(job.runs) == set(load_results(study).folders) == job.begun
    again = command(*sweep, cwd=tmp_path)
    for name in ("one", "other"):
        said = f"results/{name}: of 2 runs 2 are complete and skipped, 0 to begin\n"
        assert said in again.out


def test_seeds_without_a_sweep_are_planned_too(command, tmp_path):
    given = [*SMALL, "policy=static", "seeds=range(2)", "workers=1"]
    assert command("run", *given, cwd=tmp_path).code == 0
    assert len(survey(tmp_path / "results" / "first")) == 2
    more = [*SMALL, "policy=static", "seeds=range(3)", "workers=1"]
    assert (
        "of 3 runs 2 are complete and skipped, 1 to begin"
        in command("run", *more, cwd=tmp_path).out
    )


def test_a_sweep_that_hydra_refuses_plans_nothing(command, tmp_path):
    assert command("run", "-m", *SMALL, "policy=set,none_such", cwd=tmp_path).code == 1
    assert not list(tmp_path.rglob(FOLDER))


def test_the_end_tells_of_its_own_runs_only(config_of, tmp_path):
    """A sweep is not blamed for what another one left, and knows which runs others are at."""

    def begin(seed, *, fails):
        (plan,) = plans_of([(f"seed={seed}",)], compose)
        (name,) = plan.jobs[0].runs
        recorder = Recorder(plan.study / name, {"policy": "set", "seed": seed})
        recorder.__enter__()
        if fails:
            recorder.__exit__(ValueError, ValueError("no"), None)
        return plan.study / name

    def compose(overrides):
        return config_of(*SMALL, f"results_dir={tmp_path}", *overrides)

    study = tmp_path / "first"
    running, failed = begin(0, fails=False), begin(1, fails=True)
    assert how_they_ended() == ([], 0)
    with FolderLock(running):
        plans[:] = plans_of([("seed=0",)], compose)
        lines = [f"{study}: 0 runs complete, 1 left to the processes that run them"]
        assert how_they_ended() == (lines, ELSEWHERE)
        plans.extend(plans_of([("seed=1",), ("seed=2",)], compose))
        write_plan(study, plans[-1].jobs)
        lines.append(f"{study}: 0 runs complete, 1 failed, 1 missing")
        assert how_they_ended() == (lines, 1)
    assert failed.is_dir()
    plans[:] = [Plan(study, [])]
    assert how_they_ended() == ([], 0)

"""One failing run never stops the others, and each leaves word of what became of it."""

from __future__ import annotations

import joblib
import pytest
from runs import SMALL

from experiments import jobs
from experiments.jobs import (
    START,
    TURNS_ALONE,
    attempt,
    carry_out,
    one_per_seed,
    run_plain,
)
from experiments.plans import ELSEWHERE, Plan, plans
from experiments.run import run, run_id
from experiments.workers import run_alone
from plastic.analysis import load_results
from plastic.analysis.status import survey
from plastic.errors import InvalidParameter, PlasticError
from plastic.locks import FolderLock
from plastic.sweeps import Planned, times_begun


@pytest.fixture(autouse=True)
def nothing_went_wrong():
    for known in (jobs.failures, jobs.elsewhere, plans):
        known.clear()
    yield
    for known in (jobs.failures, jobs.elsewhere, plans):
        known.clear()


@pytest.fixture
def config(config_of, tmp_path):
    return config_of(*SMALL, "policy=static", f"results_dir={tmp_path}")


def fails(error):
    def run(config):
        raise error

    return run


# ---------------------------------------------------------------- seeds


def test_a_job_is_a_run_for_each_of_its_seeds(config):
    assert one_per_seed(config) == [config]
    config.seeds = "range(3,6)"
    found = one_per_seed(config)
    assert [one.seed for one in found] == [3, 4, 5]
    for one in found:
        assert one.seeds is None
        assert {k: v for k, v in one.items() if k not in ("seed", "seeds")} == {
            k: v for k, v in config.items() if k not in ("seed", "seeds")
        }
    config.seeds = "range(0)"
    with pytest.raises(InvalidParameter, match="seeds must be a range"):
        one_per_seed(config)


# ---------------------------------------------------------------- attempts


@pytest.mark.parametrize("error", [ValueError("no good"), InvalidParameter("no use")])
def test_a_failure_is_told_and_kept(config, error, capsys):
    assert attempt(config, ["seed=0"], fails(error), recorded=True) is None
    assert jobs.failures == [str(error)]
    said = capsys.readouterr().err
    assert ("Traceback" in said) == (not isinstance(error, PlasticError))
    (row,) = load_results(config.results_dir).failed.to_dict("records")
    assert row["run_id"] == run_id(config)
    assert row["reason"] == f"{type(error).__name__}: {error}"
    (row,) = survey(config.results_dir).to_dict("records")
    assert (row["state"], row["job"]) == ("failed", "seed=0")


def test_a_wrong_single_run_leaves_nothing(config, tmp_path):
    assert attempt(config, [], fails(InvalidParameter("no use")), recorded=False) is None
    assert list(tmp_path.iterdir()) == []


def test_a_failure_that_the_run_has_recorded_is_not_recorded_again(config):
    config.optimizer.learning_rate = 1e5
    assert attempt(config, [], run, recorded=True) is None
    (row,) = load_results(config.results_dir).failed.to_dict("records")
    assert row["reason"].startswith("Diverged: ")
    assert len(load_results(config.results_dir).convergence) > 0


def test_a_run_that_another_process_is_at_is_left_to_it(config, tmp_path, capsys):
    folder = tmp_path / "first" / run_id(config)
    with FolderLock(folder):
        assert attempt(config, [], run, recorded=True) is None
    said = capsys.readouterr().out
    assert said.startswith(f"{folder.name}  left to the process that runs it: {folder} is in")
    assert (jobs.failures, len(jobs.elsewhere)) == ([], 1)
    assert not (folder / "run.parquet").exists()


def test_an_attempt_is_made_once_in_a_start(config, tmp_path, monkeypatch):
    """A launcher that lost a process asks again: what failed is let be."""
    monkeypatch.setenv(START, "one")
    study, name = tmp_path / "first", run_id(config)
    made = []

    def run_and_fail(config):
        made.append(config.seed)
        raise ValueError("no good")

    for _ in range(2):
        attempt(config, [], run_and_fail, recorded=True)
    assert (made, times_begun(study, name, "one")) == ([0], 1)
    monkeypatch.setenv(START, "another")
    attempt(config, [], run_and_fail, recorded=True)
    assert made == [0, 0]


def test_what_ended_without_a_word_has_another_turn_alone(config, tmp_path, monkeypatch):
    monkeypatch.setenv(START, "one")
    asked = []

    class Killed(BaseException):
        """Ends an attempt as a signal does: nothing is recorded."""

    with pytest.raises(Killed):
        attempt(config, [], fails(Killed()), recorded=True)

    def alone(task, plain, overrides):
        asked.append((task, plain["seed"]))
        with pytest.raises(Killed):
            attempt(config, overrides, fails(Killed()), recorded=True, alone=True)
        if len(asked) == 1:
            raise Killed  # another run takes down the process that waits, too
        return ["a process ended without a word"]

    monkeypatch.setattr(jobs, "run_alone", alone)
    never = fails(AssertionError("it has its turn alone"))
    with pytest.raises(Killed):
        attempt(config, [], never, recorded=True)
    attempt(config, [], never, recorded=True)
    assert asked == [(run_plain, 0)] * (1 + TURNS_ALONE)
    assert jobs.failures == ["a process ended without a word"]
    attempt(config, [], never, recorded=True)
    assert len(asked) == 1 + TURNS_ALONE  # it had its turns, in this start
    monkeypatch.setenv(START, "another")
    assert attempt(config, [], run, recorded=True) is not None


def test_it_has_one_turn_alone_if_that_comes_to_an_end(config, monkeypatch):
    monkeypatch.setenv(START, "one")
    with pytest.raises(KeyboardInterrupt):
        attempt(config, [], fails(KeyboardInterrupt()), recorded=True)
    asked = []

    def alone(task, plain, overrides):
        asked.append(plain["seed"])
        return task(plain, overrides, alone=True)

    monkeypatch.setattr(jobs, "run_alone", alone)
    attempt(config, [], run, recorded=True)
    assert asked == [0]
    assert jobs.failures == []
    assert load_results(config.results_dir).complete["run_id"].tolist() == [run_id(config)]


def test_a_process_of_joblibs_can_run_one_alone(config):
    plain = jobs._plain(config)
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        told = joblib.Parallel(2)([joblib.delayed(run_alone)(run_plain, plain, ["seed=0"])])
    assert told == [[]]
    assert load_results(config.results_dir).complete["run_id"].tolist() == [run_id(config)]


def test_a_worker_runs_what_came_as_plain_values(config):
    assert run_plain(jobs._plain(config), ["seed=0"]) == []
    assert load_results(config.results_dir).complete["run_id"].tolist() == [run_id(config)]
    config.density = 2
    (said,) = run_plain(jobs._plain(config), ["density=2"])
    assert "density" in said


# ---------------------------------------------------------------- sweeps


def lost():
    return type("TerminatedWorkerError", (RuntimeError,), {})("gone")


def test_a_sweep_goes_on_when_a_process_takes_others_down(tmp_path, capsys):
    starts = []

    def start():
        plans[:] = [Plan(tmp_path, [Planned(("seed=0",)), Planned(("seed=1",))])]
        starts.append(jobs.os.environ[START])
        if len(starts) <= 2:
            raise lost()

    carry_out(start)
    assert len(starts) == 3
    assert len(set(starts)) == 1  # one start of the sweep, whatever died on the way
    assert capsys.readouterr().out.count("a process of the sweep died") == 2
    assert START not in jobs.os.environ


@pytest.mark.parametrize("error", [lost(), ValueError("no good")])
def test_what_cannot_go_on_ends(error):
    def start():
        raise error

    with pytest.raises(type(error)):
        carry_out(start)
    assert START not in jobs.os.environ


def test_the_command_leaves_to_others_and_says_so(command, tmp_path, config_of):
    """Exit code 3: nothing went wrong, and not all is there yet."""
    sweep = ["run", "-m", *SMALL, "policy=static", "seed=0,1,2"]
    name = run_id(config_of(*SMALL, "policy=static", "seed=1"))
    folder = tmp_path / "results" / "first" / name
    with FolderLock(folder):
        ended = command(*sweep, cwd=tmp_path)
        single = command("run", *SMALL, "policy=static", "seed=1", cwd=tmp_path)
    assert f"{name}  left to the process that runs it" in ended.out
    assert single.code == ELSEWHERE
    assert load_results(tmp_path / "results").complete["seed"].tolist() == [0, 2]
    assert ended.code in (1, ELSEWHERE)
    assert command(*sweep, cwd=tmp_path).code == 0
    assert len(load_results(tmp_path / "results").complete) == 3

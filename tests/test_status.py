"""Every run that a sweep planned is in one state, and none is forgotten or counted twice."""

from __future__ import annotations

import pandas as pd
import pytest
from recordings import write_run

from experiments import status as program
from plastic.analysis.status import COLUMNS, STATES, counts, studies_in, survey
from plastic.errors import ResultsError
from plastic.locks import FolderLock
from plastic.records import Recorder
from plastic.sweeps import Planned, note_begun, write_plan

JOB = ("policy=set", "seeds='range(6)'")


def begin(folder, seed=0, error=None):
    recorder = Recorder(folder, {"policy": "set", "seed": seed})
    recorder.__enter__()
    if error is not None:
        recorder.__exit__(type(error), error, None)


@pytest.fixture
def study(tmp_path):
    """Six seeds of one job: one in each state, with the folder of the running one held."""
    study = tmp_path / "study"
    write_plan(study, [Planned(JOB, {f"r{seed}": seed for seed in range(6)})])
    write_run(study / "r0", {"seed": 0})
    begin(study / "r1", 1)
    begin(study / "r2", 2, ValueError("loss is nan"))
    begin(study / "r3", 3)
    write_run(study / "r4", {"seed": 4})
    (study / "r4" / "run.parquet").write_bytes(b"no parquet")
    for seed in range(5):
        note_begun(study, f"r{seed}", JOB, "1")
    with FolderLock(study / "r1"):
        yield study


def test_each_run_of_a_job_is_in_its_state(study):
    found = survey(study)
    assert tuple(found) == COLUMNS
    assert dict(zip(found["run_id"], found["state"], strict=True)) == {
        "r0": "complete", "r1": "running", "r2": "failed", "r3": "cut off", "r4": "unreadable",
        "r5": "missing",
    }  # fmt: skip
    assert counts(found) == dict.fromkeys(STATES, 1)
    assert sorted(found["seed"]) == list(range(6))
    assert set(found["job"]) == {"policy=set 'seeds='\"'\"'range(6)'\"'\"''"}
    alone = dict(zip(found["seed"], found["alone"], strict=True))
    assert alone == {seed: f"policy=set seed={seed}" for seed in range(6)}
    reasons = dict(zip(found["run_id"], found["reason"], strict=True))
    assert reasons["r2"] == "ValueError: loss is nan"
    assert reasons["r3"] == "its process ended without a word"
    assert reasons["r5"] == "it was never begun"


def test_of_a_sweep_that_never_began_all_is_missing(tmp_path):
    write_plan(tmp_path, [Planned(JOB, {f"r{seed}": seed for seed in range(6)})])
    found = survey(tmp_path)
    assert counts(found) == {"missing": 6}
    assert set(found["reason"]) == {"it was never begun"}
    note_begun(tmp_path, "r3", JOB, "1")
    begun = survey(tmp_path).set_index("run_id")["reason"]
    assert begun["r3"] == "it was begun, and left nothing"
    assert (begun.drop("r3") == "it was never begun").all()


def test_what_two_sweeps_planned_is_one_run(tmp_path):
    write_plan(tmp_path, [Planned(JOB, {f"r{seed}": seed for seed in range(6)})])
    write_plan(tmp_path, [Planned(("policy=set", "seed=2"), {"r2": 2})])
    write_run(tmp_path / "r1", {"seed": 1})
    found = survey(tmp_path).set_index("run_id")
    assert counts(found) == {"complete": 1, "missing": 5}
    write_run(tmp_path / "r2", {"seed": 2})
    assert survey(tmp_path).set_index("run_id")["job"]["r2"] == "policy=set seed=2"


def test_a_job_without_runs_is_missed_by_its_command(tmp_path):
    write_plan(tmp_path, [Planned(("seeds=none",)), Planned(("seeds=never",))])
    found = survey(tmp_path)
    assert found["run_id"].tolist() == ["", ""]
    assert found["alone"].tolist() == ["seeds=none", "seeds=never"]
    assert found["seed"].isna().all()


def test_studies_are_found_below_a_folder(tmp_path, study):
    write_plan(tmp_path / "other", [Planned(("seed=7",), {"r7": 7})])
    write_run(tmp_path / "by hand" / "r8", {"seed": 8})
    assert studies_in(tmp_path) == [tmp_path / "other", study]
    found = survey(tmp_path)
    assert counts(found) == {
        "complete": 2, "running": 1, "failed": 1, "cut off": 1, "unreadable": 1, "missing": 2,
    }  # fmt: skip
    assert found.set_index("run_id")["alone"]["r8"] == ""  # no sweep planned it


def test_the_program_names_every_run_that_is_not_complete(study, capsys):
    assert program.main([str(study)]) == 1
    said = capsys.readouterr().out
    assert said.startswith(
        f"{study}: 6 runs: 1 complete, 1 running, 1 failed, 1 cut off, 1 unreadable, 1 missing"
    )
    for seed in range(1, 6):
        assert f"-m experiments.run policy=set seed={seed}\n" in said
    assert f"traceback: {study / 'r2' / 'traceback.txt'}" in said
    assert "run.parquet is corrupt" in said
    assert "seed=0" not in said


def test_one_run_is_told_of_as_one(tmp_path, capsys):
    write_run(tmp_path / "r0", {"seed": 0})
    assert program.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 1 run: 1 complete\n"


def test_long_lists_are_cut_unless_all_is_asked_for(tmp_path, capsys):
    n = program.MOST_LISTED + 3
    write_plan(tmp_path, [Planned((f"seed={i}",), {f"r{i}": i}) for i in range(n)])
    assert program.main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert said.count("alone: ") == program.MOST_LISTED
    assert "... and 3 more; --all lists them" in said
    program.main([str(tmp_path), "--all"])
    assert capsys.readouterr().out.count("alone: ") == n


def test_codes_tell_complete_from_nothing(tmp_path, capsys):
    write_run(tmp_path / "study" / "r")
    assert program.main([str(tmp_path / "study")]) == 0
    (tmp_path / "empty").mkdir()
    for name, said in (("empty", "holds no runs"), ("none", "there is no folder")):
        with pytest.raises(ResultsError, match=said):
            survey(tmp_path / name)
        assert program.main([str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err


def test_counts_keep_the_order_of_states():
    frame = pd.DataFrame({"state": ["missing", "running", "failed", "missing"]})
    assert list(counts(frame).items()) == [("running", 1), ("failed", 1), ("missing", 2)]

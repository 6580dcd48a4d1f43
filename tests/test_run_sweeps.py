"""Runs from the command line: failures, sweeps, and what they leave on the disk."""

from __future__ import annotations

import pytest
from runs import COMPLETE, FILES, SMALL, tables_of

from plastic.analysis import load_results

# ---------------------------------------------------------------- failures


def test_a_run_that_diverges_says_so_and_lets_the_others_run(command, tmp_path):
    ended = command("run", "-m", *SMALL, "optimizer.learning_rate=0.05,1e5,0.1", cwd=tmp_path)
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert "error: results/first: 2 runs complete, 1 failed\n" in ended.err
    assert ended.err.endswith("-m experiments.status results/first\n")
    assert "Traceback" not in ended.err
    results = load_results(tmp_path / "results")
    assert sorted(results.complete["optimizer.learning_rate"]) == [0.05, 0.1]
    (failed,) = results.failed.to_dict("records")
    assert failed["reason"].startswith("Diverged: ")
    assert failed["reason"].removeprefix("Diverged: ") in ended.err
    kept = results.folders[failed["run_id"]]
    assert {path.name for path in kept.iterdir()} == {*FILES, "traceback.txt"}
    tables = tables_of(kept)
    assert tables["convergence"]["step"].tolist() == [0, 0, 0]
    assert len(tables["edits"]) > 0
    assert failed["steps_done"] == 0
    assert failed["final_test_score"] == tables["convergence"]["score"].iloc[2]


def test_a_failure_is_not_held_against_the_next_run(command, tmp_path):
    assert command("run", *SMALL, "density=2", cwd=tmp_path).code == 1
    assert command("run", *SMALL, cwd=tmp_path).code == 0


# ---------------------------------------------------------------- sweeps


@pytest.fixture(scope="module")
def sweep(process, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    swept = ["policy=static,set", "seed=0,1"]
    ended = process("-m", "experiments.run", "-m", "study=pairs", *SMALL, *swept, cwd=folder)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert len(ended.out.splitlines()) == 4
    return folder


def test_a_sweep_runs_every_pair(sweep):
    results = load_results(sweep / "results" / "pairs")
    pairs = {(run.policy, run.seed) for run in results.runs.itertuples()}
    assert pairs == {(policy, seed) for policy in ("static", "set") for seed in (0, 1)}
    assert (results.runs["status"] == "complete").all()
    assert results.unreadable.empty


def test_a_sweep_leaves_nothing_else_behind(sweep):
    assert [path.name for path in sweep.iterdir()] == ["results"]
    assert [path.name for path in (sweep / "results").iterdir()] == ["pairs"]
    study = sweep / "results" / "pairs"
    names = {path.name for path in study.iterdir()}
    assert names == {"multirun.yaml", ".sweeps", *load_results(study).folders}
    for folder in load_results(study).folders.values():
        assert {path.name for path in folder.iterdir()} == COMPLETE


def test_a_sweep_is_compared(sweep, process):
    ended = process("-m", "experiments.compare", "results/pairs", cwd=sweep)
    assert ended.code == 0, ended.err
    assert "Study pairs: 4 runs (4 complete)" in ended.out
    for policy in ("static", "set"):
        assert policy in ended.out


# ---------------------------------------------------------------- single runs


def test_a_single_run_leaves_only_its_folder(command, tmp_path):
    assert command("run", *SMALL, "study=alone", cwd=tmp_path).code == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == COMPLETE
    (folder,) = {path.parent for path in files}
    assert folder.parent == tmp_path / "results" / "alone"


def test_a_single_run_says_where_its_results_are(command, tmp_path):
    ended = command("run", "experiment=demo", "steps=5", cwd=tmp_path)
    (folder,) = (tmp_path / "results" / "demo").iterdir()
    assert f"Tables: {folder.relative_to(tmp_path)}" in ended.out
    assert (
        "This experiment is a sweep, and this was one run of it: add -m for all." in ended.out
    )
    assert "add -m" not in command("run", "steps=5", cwd=tmp_path).out

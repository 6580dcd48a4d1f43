"""Law: what is set beside published figures is measured on the runs as they were recorded."""

import csv
import math

import pytest
from recordings import EVALUATION, write_run

from experiments import published
from plastic.records import Recorder

TRAIN = [(0, 0.5, 6), (10, 1.0, 8), (20, 0.75, 9), (30, 1.0, 9)]
"""Step, score and neurons of each evaluation; all is right at step 10 for the first time."""


def write_solution(folder, seed, evaluations):
    row = {"study": "published_xor", "dataset": "xor", "policy": "set", "seed": seed}
    with Recorder(folder, row | {"density": 1.0}) as recorder:
        for step, score, n_neurons in evaluations:
            told = {"step": step, "score": [score, 0.8, 0.7], "n_neurons": n_neurons}
            recorder.add("convergence", EVALUATION | told)
        recorder.finish(metric="accuracy", final_test_score=0.7)


def table_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["metric"]: row for row in csv.DictReader(file)}


def test_it_tells_when_all_was_right_and_how_many_runs_came_so_far(tmp_path, capsys):
    study = tmp_path / "published_xor"
    write_solution(study / "a", 0, TRAIN)
    write_solution(study / "b", 1, TRAIN[:1])
    assert published.main([str(tmp_path), "--to", str(tmp_path / "new")]) == 0
    found = table_of(tmp_path / "new" / "summary.csv")
    means = {
        "share of runs with all training samples right": 0.5,
        "best training accuracy": 0.75,
        "steps until all are right": 10,
        "hidden neurons when all are right": 8 - published.ENDS,
        "last training accuracy": 0.75,
    }
    for metric, mean in means.items():
        assert float(found[metric]["mean"]) == mean, metric
    assert found["steps until all are right"]["n_seeds"] == "1"
    assert found["best training accuracy"]["n_seeds"] == "2"
    said = capsys.readouterr().out
    assert "xor, set at 1: steps until all are right 10 +-nan (1 seeds)" in said
    assert len(said.splitlines()) == len(found)


def test_a_run_that_did_not_come_so_far_is_not_measured_there(tmp_path):
    rows = published.load_results(write_run(tmp_path / "a", evaluations=3)).convergence
    assert published.until(20, published.best("test"))(rows) == 0.7
    assert math.isnan(published.until(30, published.best("test"))(rows))


def test_a_folder_without_such_a_study_is_refused(tmp_path, capsys):
    assert published.main([str(tmp_path)]) == 2
    assert f"{tmp_path} holds none of published_" in capsys.readouterr().err
    assert not (tmp_path / "summary.csv").exists()


@pytest.mark.parametrize("name", published.MEASURES)
def test_every_study_named_has_a_configuration(name, config_of):
    assert config_of(f"experiment={name}").study == name

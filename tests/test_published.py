"""The studies beside published figures: small ones run, and are told of truly."""

from __future__ import annotations

import csv
import math
from itertools import pairwise

import pandas as pd
import pytest

from experiments.config import config_folder
from experiments.published import (
    ENDS,
    MEASURES,
    SOLUTION,
    at_solution,
    best,
    last,
    main,
    tabulate,
    until,
)
from experiments.run import run
from plastic.analysis import STUDY_COLUMNS, load_results
from plastic.analysis.statistics import mean_interval
from plastic.errors import ResultsError

STUDIES = sorted(path.stem for path in (config_folder() / "experiment").glob("published_*"))
SMALLER = {
    "published_set": ["steps=60", "wiring.hidden=[8,8,8]", "density=0.3"],
    "published_set_controls": ["steps=60", "wiring.hidden=[8,8,8]", "density=0.3"],
    "published_two_spirals": ["steps=210"],
}
"""What makes a study small enough for a test; the others are small."""


@pytest.fixture(scope="module")
def small(config_of, tmp_path_factory):
    """A run of each study, two of exclusive or; Fashion-MNIST is stood in for by digits."""
    folder = tmp_path_factory.mktemp("published")
    for study in STUDIES:
        overrides = [f"experiment={study}", f"results_dir={folder}", *SMALLER.get(study, [])]
        for seed in (0, 1) if study == "published_xor" else (0,):
            config = config_of(*overrides, f"seed={seed}")
            if config.dataset.name == "fashion_mnist":
                config.dataset = config_of("dataset=digits").dataset
            run(config)
    return folder


def test_every_published_study_is_told_of():
    assert set(MEASURES) == set(STUDIES)


def test_a_table_has_the_columns_of_all_reference_tables(small, tmp_path, capsys):
    assert main([str(small), "--to", str(tmp_path)]) == 0
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == STUDY_COLUMNS
    assert len(rows) == sum(len(measures) for measures in MEASURES.values())
    assert len(capsys.readouterr().out.splitlines()) == len(rows)


def test_the_density_of_the_authors_is_that_of_their_formula(config_of):
    config = config_of("experiment=published_set_controls")
    sizes = [784, *config.wiring.hidden, 10]
    full = [a * b for a, b in pairwise(sizes)]
    wanted = [13 * (a + b) for a, b in pairwise(sizes)]
    n_connections = sum(min(pair) for pair in zip(full, wanted, strict=True))
    assert round(config.density * sum(full)) == n_connections == 85_192


def test_two_moons_are_told_apart_by_101_parameters(small):
    runs = load_results(small / "published_two_moons").complete
    hidden_and_outputs = 16 + 16 + 2
    assert (runs["n_connections"] + hidden_and_outputs == 101).all()


def test_the_student_is_as_wide_as_its_teacher_for_the_last_500_steps(small):
    results = load_results(small / "published_gradmax")
    born = results.edits.query("kind == 'add_neuron' and step > 0")["step"]
    assert born.tolist() == [200, 400, 600, 800, 1000]
    curve = results.convergence.query("split == 'train'")
    (row,) = (row for row in rows_of(small, "published_gradmax") if "loss" in row["metric"])
    assert row["mean"] == curve.set_index("step")["running_loss"][1500]


def rows_of(small, study):
    return list(tabulate(small / study, MEASURES[study]))


def test_means_are_those_of_the_runs(small):
    runs = load_results(small / "published_xor").complete
    last = next(
        row for row in rows_of(small, "published_xor") if row["metric"].startswith("last")
    )
    expected = mean_interval(runs["final_train_score"])
    assert (last["mean"], last["n_seeds"]) == (expected.mean, 2)
    assert last["n_connections"] == runs["n_connections"].mean()
    assert last["sampling"] == ""


def evaluations(scores):
    train = {"split": "train", "step": range(len(scores)), "score": scores}
    train["n_neurons"] = [ENDS + n for n in range(len(scores))]
    test = train | {"split": "test", "score": 1.0}
    return pd.concat([pd.DataFrame(train), pd.DataFrame(test)])


def test_a_solution_is_the_first_evaluation_without_a_mistake_in_training():
    rows = evaluations([0.5, 0.75, 1.0, 0.9, 1.0])
    assert at_solution("step")(rows) == 2
    assert SOLUTION["hidden neurons when all are right"](rows) == 2
    assert SOLUTION["last training accuracy"](rows) == 1
    never = evaluations([0.5, 0.9, 0.8])
    assert math.isnan(at_solution("step")(never))
    assert SOLUTION["share of runs with all training samples right"](never) == 0
    assert SOLUTION["best training accuracy"](never) == 0.9


def test_what_is_measured_until_a_step_knows_nothing_of_later_ones():
    rows = evaluations([0.5, 0.75, 0.7, 0.9])
    assert until(2, best("train"))(rows) == 0.75
    assert until(2, last("train"))(rows) == 0.7
    assert until(3, best("train"))(rows) == 0.9
    assert math.isnan(until(4, best("train"))(rows))


def test_where_nothing_was_run_there_is_no_table(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "holds none of published_" in capsys.readouterr().err
    (tmp_path / "published_xor").mkdir()
    with pytest.raises(ResultsError, match="holds no runs"):
        list(tabulate(tmp_path / "published_xor", SOLUTION))
    assert main([str(tmp_path)]) == 2
    assert not list(tmp_path.glob("*.csv"))

"""A run: its tables, what they say, and that its name and seed decide them."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf
from runs import COMPLETE, OFTEN, SMALL, names_in, often, tables_of, the_row

import plastic
from experiments import run as runner
from experiments.choices import build
from experiments.config import GROUPS
from experiments.run import run_id
from plastic.interop import load_network
from plastic.interop.safetensors import NETWORK
from plastic.records import COLUMNS, PIECEWISE, SCHEMAS, comparable
from plastic.streams import Streams

# ---------------------------------------------------------------- tables


def test_a_run_writes_its_tables_and_its_network(do):
    folder = do(*SMALL, *OFTEN)
    assert {path.name for path in folder.iterdir()} == COMPLETE
    assert folder.parent.name == "first"


@pytest.mark.parametrize("selection", ["full", "resampling"])
def test_the_network_that_is_kept_is_the_one_that_was_reported_on(do, selection):
    policy = ["policy=static"] if selection == "resampling" else ["policy=set", *OFTEN]
    folder = do(*SMALL, *policy, f"selection={selection}")
    network = load_network(folder / NETWORK)
    config = OmegaConf.load(folder / "config.yaml")
    dataset = build(config, "dataset", rng=Streams.of(config.seed).split)
    row = the_row(folder)
    assert network.topology.n_connections == row["n_connections"]
    if selection == "full":  # else the file holds neurons that were left out
        loss, _ = network.evaluate(dataset.test.X, dataset.test.y)
        assert loss == row["final_test_loss"]


@pytest.mark.parametrize(
    ("most", "kept"), [(0, False), (5, False), (500, True), ("null", True)]
)
def test_large_networks_are_kept_only_if_asked(do, most, kept):
    folder = do(*SMALL, f"keep_network={most}")
    assert (folder / NETWORK).exists() == kept
    assert folder.name == run_id(OmegaConf.load(folder / "config.yaml"))


def test_a_network_of_another_start_does_not_stay(do, monkeypatch):
    folder = do(*SMALL)
    row = pd.read_parquet(folder / "run.parquet").assign(status="running")
    row.to_parquet(folder / "run.parquet")

    def full(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(runner, "keep_network", full)
    with pytest.raises(RuntimeError, match="full"):
        do(*SMALL)
    assert not (folder / NETWORK).exists()
    assert the_row(folder)["status"] == "failed"


def test_tables_have_the_documented_columns(do):
    folder = do(*SMALL, *OFTEN)
    for table in PIECEWISE:
        assert pq.read_schema(folder / f"{table}.parquet").equals(SCHEMAS[table])
    run_columns = pq.read_schema(folder / "run.parquet").names
    documented = [column.name for column in COLUMNS["run"]]
    assert run_columns[: len(documented)] == documented
    config = OmegaConf.load(folder / "config.yaml")
    dotted = {f"{group}.{key}" for group in GROUPS for key in config[group] if key != "name"}
    configured = (set(config) | dotted) - set(documented)
    assert set(run_columns[len(documented) :]) == configured
    assert {"policy.fraction", "optimizer._target_", "threads"} <= configured


def test_the_run_row_holds_the_configuration(do):
    row = the_row(do(*SMALL, *OFTEN, "policy=rigl", "seed=3", "dtype=float64"))
    expected = {
        "study": "first",
        "dataset": "wine",
        "wiring": "erk",
        "policy": "rigl",
        "optimizer": "sgd",
        "schedule": "cosine",
        "density": 0.3,
        "seed": 3,
        "steps": 40,
        "engine": "fast",
        "dtype": "float64",
        "policy.every": 7,
        "wiring.hidden": "[8, 6]",
        "version": plastic.__version__,
    }
    assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(("dataset", "metric"), [("wine", "accuracy"), ("diabetes", "r2")])
def test_the_run_row_holds_what_the_other_tables_say(do, dataset, metric):
    folder = do(*SMALL, *OFTEN, f"dataset={dataset}")
    tables = tables_of(folder)
    row, convergence, edits = (tables[name] for name in ("run", "convergence", "edits"))
    row = row.iloc[0]
    last = convergence[convergence["step"] == 40].set_index("split")
    for split in ("train", "reward", "test"):
        assert row[f"final_{split}_loss"] == last.loc[split, "loss"]
        assert row[f"final_{split}_score"] == last.loc[split, "score"]
    tested = convergence[convergence["split"] == "test"]
    assert row["best_test_score"] == tested["score"].max()
    for name in ("n_neurons", "n_connections", "train_flops", "candidate_gradients"):
        assert row[name] == last.loc["test", name]
    assert row["final_density"] == last.loc["test", "density"]
    assert row["n_edits"] == (edits["accepted"] & (edits["step"] > 0)).sum() > 0
    inputs, outputs = (13, 3) if dataset == "wine" else (10, 1)
    possible = inputs * 8 + 8 * 6 + 6 * outputs
    assert row["candidate_fraction"] == row["candidate_gradients"] / (possible * 40) > 0
    assert (row["status"], row["reason"], row["metric"]) == ("complete", "", metric)
    assert row["steps_done"] == 40


def test_the_best_score_is_not_the_last_one(do):
    """Steps that are too long lose again what was learned."""
    long = ["schedule=constant", "optimizer.learning_rate=0.3", "batch_size=5"]
    folder = do(*SMALL, *OFTEN, *long, "evaluate_every=5")
    convergence, row = tables_of(folder)["convergence"], the_row(folder)
    scores = convergence.loc[convergence["split"] == "test", "score"]
    assert row["best_test_score"] == scores.max() > row["final_test_score"]
    assert row["final_test_score"] == scores.iloc[-1]


def test_evaluations_come_at_the_start_in_between_and_at_the_end(do):
    convergence = tables_of(do(*SMALL, *OFTEN))["convergence"]
    assert convergence["step"].unique().tolist() == [0, 15, 30, 40]
    assert (convergence.groupby("step")["split"].nunique() == 3).all()
    assert (convergence.groupby("split", observed=True)["seconds"].diff().dropna() > 0).all()


def test_every_table_names_its_run(do):
    folder = do(*SMALL, *OFTEN, "metrics=degrees")
    for table, frame in tables_of(folder).items():
        assert frame["run_id"].unique().tolist() == [folder.name], table


def test_tables_are_written_while_a_run_goes_on(config_of, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "FLUSH_SECONDS", -1.0)
    seen = []
    show = runner.Progress.show

    def look(self, values):
        seen.append(len(plastic.load_results(tmp_path).convergence))
        show(self, values)

    monkeypatch.setattr(runner.Progress, "show", look)
    runner.run(config_of("steps=30", "evaluate_every=10", f"results_dir={tmp_path}"))
    assert seen[0] == 0
    assert sorted(seen) == seen
    assert seen[-1] > 3


# ---------------------------------------------------------------- identity


def assert_same_tables(first, second):
    for table, frame in tables_of(first).items():
        pd.testing.assert_frame_equal(
            comparable(frame), comparable(tables_of(second)[table]), check_exact=True
        )


def test_a_run_is_named_by_what_its_results_depend_on(config_of):
    name = run_id(config_of(*SMALL))
    assert name.startswith("wine-thompson-s0-")
    assert run_id(config_of(*reversed(SMALL))) == name
    assert run_id(config_of(*SMALL, "threads=2", "results_dir=elsewhere")) == name


def test_any_other_change_is_another_run(config_of):
    changes = [
        "study=second",
        "seed=1",
        "steps=41",
        "density=0.31",
        "batch_size=20",
        "evaluate_every=16",
        "engine=nodes",
        "dtype=float64",
        "biases=false",
        "dataset=digits",
        "dataset.scale=none",
        "wiring=erdos_renyi",
        "wiring.hidden=[6,8]",
        "policy=thompson_mean",
        "policy.fraction=0.2",
        "optimizer=adam",
        "optimizer.momentum=0.8",
        "schedule=constant",
        "schedule.floor=0.1",
    ]
    names = [run_id(config_of(*SMALL, change)) for change in changes]
    assert len({run_id(config_of(*SMALL)), *names}) == len(changes) + 1


@pytest.mark.parametrize("policy", names_in("policy"))
def test_one_seed_one_result_at_any_number_of_threads(do, tmp_path, policy):
    overrides = ["wiring.hidden=[16]", "steps=30", "batch_size=200", f"policy={policy}"]
    overrides += often(policy)
    one, again, two = (
        do(*overrides, f"threads={threads}", where=tmp_path / name)
        for name, threads in (("one", 1), ("again", 1), ("two", 2))
    )
    assert one.name == again.name == two.name
    assert_same_tables(one, again)
    assert_same_tables(one, two)


def test_one_seed_one_result_in_any_process(process, tmp_path):
    arguments = ["-m", "experiments.run", *SMALL, *OFTEN]
    for name in ("1", "2"):
        ended = process(
            *arguments, f"results_dir={tmp_path / name}", cwd=tmp_path, PYTHONHASHSEED=name
        )
        assert ended.code == 0, ended.err
    (first,), (second,) = (list((tmp_path / name / "first").iterdir()) for name in ("1", "2"))
    assert_same_tables(first, second)


def test_policies_of_a_seed_begin_alike(do):
    begun = []
    for policy in ("static", "rigl", "thompson"):
        tables = tables_of(do(*SMALL, f"policy={policy}"))
        edits, convergence = tables["edits"], tables["convergence"]
        wiring = edits[edits["step"] == 0]
        begun.append((wiring, convergence[convergence["step"] == 0]))
    for frames in zip(*begun, strict=True):
        for frame in frames[1:]:
            pd.testing.assert_frame_equal(
                comparable(frames[0]).drop(columns="run_id"),
                comparable(frame).drop(columns="run_id"),
            )

"""A run: its tables, its identity, its failures, and the sweeps that it is part of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

import plastic
from experiments import run as runner
from experiments.config import GROUPS, config_folder
from experiments.run import run, run_id
from plastic.analysis import load_results
from plastic.records import COLUMNS, PIECEWISE, SCHEMAS, comparable
from plastic.topology import Topology, replay

SMALL = ["dataset=wine", "wiring.hidden=[8,6]", "density=0.3", "steps=40", "evaluate_every=15"]
OFTEN = ["policy.every=7"]
FILES = {"config.yaml", *(f"{table}.parquet" for table in COLUMNS)}


def names_in(group):
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def tables_of(folder):
    return {table: pd.read_parquet(folder / f"{table}.parquet") for table in COLUMNS}


def the_row(folder):
    return tables_of(folder)["run"].iloc[0]


@pytest.fixture
def do(config_of, tmp_path):
    """Run a configuration of these overrides; its folder."""

    def do(*overrides, where=tmp_path):
        return run(config_of(*overrides, f"results_dir={where}"))

    return do


def assert_same_tables(first, second):
    for table, frame in tables_of(first).items():
        pd.testing.assert_frame_equal(
            comparable(frame), comparable(tables_of(second)[table]), check_exact=True
        )


# ---------------------------------------------------------------- tables


def test_a_run_writes_five_files(do):
    folder = do(*SMALL, *OFTEN)
    assert {path.name for path in folder.iterdir()} == FILES
    assert folder.parent.name == "first"


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
    folder = do(*SMALL, *OFTEN)
    for table, frame in tables_of(folder).items():
        assert frame["run_id"].unique().tolist() == [folder.name], table


# ---------------------------------------------------------------- identity


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
    overrides += [] if policy == "static" else OFTEN
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


# ---------------------------------------------------------------- everything there is runs

WITHOUT_FILES = [name for name in names_in("dataset") if name not in ("table", "fashion_mnist")]


@pytest.mark.parametrize("dataset", WITHOUT_FILES)
def test_every_dataset_runs(do, dataset):
    row = the_row(do(f"dataset={dataset}", "steps=20", "wiring.hidden=[16]", *OFTEN))
    assert (row["status"], row["steps_done"]) == ("complete", 20)
    assert np.isfinite(row["final_test_score"])


def test_a_table_of_ones_own_runs(do, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    frame["kind"] = np.where(frame["a"] > frame["b"], "more", "less")
    frame.to_csv(tmp_path / "own.csv", index=False)
    chosen = ["dataset=table", f"dataset.path={tmp_path / 'own.csv'}", "dataset.target=kind"]
    row = the_row(do(*chosen, "wiring.hidden=[16]", "density=0.5", "steps=100"))
    assert row["dataset"] == "table"
    assert row["final_test_score"] > 0.8


@pytest.mark.parametrize("wiring", names_in("wiring"))
def test_every_wiring_runs(do, wiring):
    overrides = ["dataset=wine", f"wiring={wiring}", "steps=20", *OFTEN]
    overrides += ["density=1"] if wiring == "dense" else ["density=0.3"]
    row = the_row(do(*overrides))
    assert (row["status"], row["wiring"]) == ("complete", wiring)
    if wiring == "dense":
        assert row["final_density"] == 1
    else:
        assert row["final_density"] == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("policy", names_in("policy"))
def test_both_engines_run_the_same_experiment(do, policy):
    overrides = [*SMALL, "dtype=float64", "batch_size=16", f"policy={policy}"]
    overrides += [] if policy == "static" else OFTEN
    fast, nodes = (tables_of(do(*overrides, f"engine={name}")) for name in ("fast", "nodes"))
    for table in ("convergence", "edits", "arms"):
        first, second = (
            comparable(tables[table]).drop(columns="run_id") for tables in (fast, nodes)
        )
        pd.testing.assert_frame_equal(first, second, rtol=1e-8, atol=1e-10)


def assert_edits_replay(folder, n_inputs, n_outputs):
    """Accepted edits, replayed, have at each evaluation the size that was recorded."""
    tables = tables_of(folder)
    edits, convergence = tables["edits"], tables["convergence"]
    accepted = edits[edits["accepted"]]
    topology = Topology(n_inputs, n_outputs)
    done = -1
    for step, rows in convergence[convergence["split"] == "test"].groupby("step"):
        until = max(step - 1, 0)  # an evaluation comes before the edits of its step
        new = accepted[(accepted["step"] > done) & (accepted["step"] <= until)]
        replay(topology, {name: new[name].to_numpy() for name in new})
        done = until
        assert topology.n_neurons == rows["n_neurons"].item()
        assert topology.n_connections == rows["n_connections"].item()
    return accepted


@pytest.mark.parametrize("wiring", ["erk", "random_dag"])
@pytest.mark.parametrize("policy", names_in("policy"))
def test_every_policy_runs_on_layers_and_on_any_graph(do, policy, wiring):
    overrides = ["dataset=wine", "density=0.2", "steps=40", "evaluate_every=7"]
    overrides += [f"wiring={wiring}", f"policy={policy}"]
    overrides += ["wiring.hidden=[12,8]"] if wiring == "erk" else ["wiring.n_hidden=20"]
    overrides += [] if policy == "static" else OFTEN
    folder = do(*overrides)
    accepted = assert_edits_replay(folder, 13, 3)
    evaluated = tables_of(folder)["convergence"]["step"].unique().tolist()
    assert evaluated == [0, 7, 14, 21, 28, 35, 40]  # those where edits are due, too
    row = the_row(folder)
    assert row["status"] == "complete"
    assert (row["n_edits"] > 0) == (policy != "static")
    assert row["final_density"] <= 0.21
    assert (accepted.loc[accepted["step"] == 0, "reason"] == "wiring").all()
    assert (tables_of(folder)["edits"]["refusal"] == "").all()


# ---------------------------------------------------------------- failures


def test_a_run_that_diverges_says_so_and_lets_the_others_run(command, tmp_path):
    ended = command("run", "-m", *SMALL, "optimizer.learning_rate=0.05,1e5,0.1", cwd=tmp_path)
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert ended.err.endswith("error: 1 run(s) failed\n")
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
    assert names == {"multirun.yaml", *load_results(study).folders}
    for folder in load_results(study).folders.values():
        assert {path.name for path in folder.iterdir()} == FILES


def test_a_single_run_leaves_only_its_folder(command, tmp_path):
    assert command("run", *SMALL, "study=alone", cwd=tmp_path).code == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == FILES
    (folder,) = {path.parent for path in files}
    assert folder.parent == tmp_path / "results" / "alone"


def test_a_sweep_is_compared(sweep, process):
    ended = process("-m", "experiments.compare", "results/pairs", cwd=sweep)
    assert ended.code == 0, ended.err
    assert "Study pairs: 4 runs (4 complete)" in ended.out
    for policy in ("static", "set"):
        assert policy in ended.out


# ---------------------------------------------------------------- other people's code

OWN_CODE = """
from dataclasses import dataclass

import numpy as np

from plastic.datasets import from_arrays
from plastic.edits import Disconnect
from plastic.policies import Policy, Proposal


@dataclass
class Nibble(Policy):
    bites: int = 3

    def steps(self, n_steps):
        return np.arange(5, n_steps, 5)

    def propose(self, view, rng):
        gone = rng.choice(view.structure.connection_ids, self.bites, replace=False)
        return Proposal([Disconnect(gone, keep_stranded=True, reason="bite")])


def diagonal(rng, *, n_samples: int):
    X = rng.normal(size=(n_samples, 4))
    return from_arrays("diagonal", X, X[:, 0] > X[:, 1], rng)
"""


def test_a_package_of_ones_own_is_used_by_name(process, tmp_path):
    package, files = tmp_path / "package", tmp_path / "my_conf"
    package.mkdir()
    (package / "own_code.py").write_text(OWN_CODE)
    for group, text in (
        ("policy", "name: mine\n_target_: own_code.Nibble\nbites: 2\n"),
        ("dataset", "name: mine\n_target_: own_code.diagonal\nn_samples: 200\n"),
    ):
        (files / group).mkdir(parents=True)
        (files / group / "mine.yaml").write_text(text)
    ended = process(
        *["-m", "experiments.run", "--config-dir", str(files)],
        *["policy=mine", "dataset=mine", "steps=21", "density=0.5", "wiring.hidden=[8]"],
        cwd=tmp_path,
        PYTHONPATH=str(package),
    )
    assert ended.code == 0, ended.err
    (folder,) = (tmp_path / "results" / "first").iterdir()
    row = the_row(folder)
    assert (row["policy"], row["dataset"], row["policy.bites"]) == ("mine", "mine", 2)
    edits = tables_of(folder)["edits"]
    bites = edits[edits["reason"] == "bite"]
    assert bites["step"].tolist() == [5, 5, 10, 10, 15, 15, 20, 20]
    assert row["n_edits"] == 8
    assert_edits_replay(folder, 4, 2)


def test_a_fault_in_a_part_of_ones_own_fails_its_job_alone(process, tmp_path):
    (tmp_path / "faulty.py").write_text(
        "from plastic.policies import Static\n\n\ndef broken():\n    return Static().missing\n"
    )
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "broken.yaml").write_text("name: broken\n_target_: faulty.broken\n")
    ended = process(
        *["-m", "experiments.run", "--config-dir", str(tmp_path), "-m"],
        *["policy=broken,static", "dataset=wine", "steps=5", "wiring.hidden=[8]"],
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert ended.code == 1
    assert "AttributeError: 'Static' object has no attribute 'missing'" in ended.err
    assert "error: 1 run(s) failed" in ended.err
    (folder,) = (path for path in (tmp_path / "results" / "first").iterdir() if path.is_dir())
    assert the_row(folder)["status"] == "complete"


def test_a_single_run_says_where_its_results_are(command, tmp_path):
    ended = command("run", "experiment=demo", "steps=5", cwd=tmp_path)
    (folder,) = (tmp_path / "results" / "demo").iterdir()
    assert f"Tables: {folder.relative_to(tmp_path)}" in ended.out
    assert (
        "This experiment is a sweep, and this was one run of it: add -m for all." in ended.out
    )
    assert "add -m" not in command("run", "steps=5", cwd=tmp_path).out


def test_tables_are_written_while_a_run_goes_on(config_of, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "FLUSH_SECONDS", -1.0)
    seen = []
    show = runner.Progress.show

    def look(self, values):
        (folder,) = (tmp_path / "first").iterdir()
        seen.append(len(tables_of(folder)["convergence"]))
        show(self, values)

    monkeypatch.setattr(runner.Progress, "show", look)
    runner.run(config_of("steps=30", "evaluate_every=10", f"results_dir={tmp_path}"))
    assert seen[0] == 0
    assert sorted(seen) == seen
    assert seen[-1] > 3

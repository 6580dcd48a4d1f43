"""Every choice that there is runs, and so do parts of one's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from runs import OFTEN, SMALL, acts_on_neurons, names_in, often, tables_of, the_row

from plastic.analysis import load_results
from plastic.errors import InvalidParameter
from plastic.records import comparable
from plastic.topology import Topology, replay
from plastic.training import LOST

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
    if wiring in ("dense", "dense_equal"):
        assert row["final_density"] == 1
    else:
        assert row["final_density"] == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("plasticity", names_in("plasticity"))
def test_every_plasticity_runs_twice_alike(do, plasticity):
    overrides = [*SMALL, "policy=set", *OFTEN, f"plasticity={plasticity}"]
    one, other = (tables_of(do(*overrides, f"study={name}")) for name in ("one", "other"))
    first, second = (comparable(t["edits"]).drop(columns="run_id") for t in (one, other))
    pd.testing.assert_frame_equal(first, second)
    assert one["run"]["plasticity"].item() == plasticity


def test_a_closed_group_is_not_rewired(do):
    rule = ["plasticity=critical_period", "plasticity.closes=1", "plasticity.by_group=[[1,0]]"]
    folder = do(*SMALL, "policy=set", *OFTEN, *rule)
    edits = tables_of(folder)["edits"].query("step > 0")
    group_one = range(16, 24)  # of 13 inputs, 3 outputs and 8 + 6 hidden neurons
    assert len(edits)
    assert not edits["target"].isin(group_one).any()


def test_constraints_hold_throughout_a_run(do):
    limits = ["constraints.max_fan_in=4", "constraints.protected_connections=[3,5]"]
    folder = do(*SMALL, "policy=rigl", *OFTEN, *limits)
    edits = tables_of(folder)["edits"].query("accepted")
    topology = Topology(13, 3)
    replay(topology, {name: edits[name].to_numpy() for name in edits})
    structure = topology.structure
    assert np.diff(structure.indptr).max() <= 4
    assert np.isin([3, 5], structure.connection_ids).all()


def test_constraints_that_no_wiring_can_keep_are_refused(do):
    with pytest.raises(InvalidParameter, match="14 hidden neurons, max_hidden is 6"):
        do(*SMALL, "constraints.max_hidden=6")


@pytest.mark.parametrize("policy", names_in("policy"))
def test_both_engines_run_the_same_experiment(do, policy):
    overrides = [*SMALL, "dtype=float64", "batch_size=16", f"policy={policy}"]
    overrides += often(policy)
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
    overrides += often(policy)
    folder = do(*overrides)
    accepted = assert_edits_replay(folder, 13, 3)
    evaluated = tables_of(folder)["convergence"]["step"].unique().tolist()
    assert evaluated == [0, 7, 14, 21, 28, 35, 40]  # those where edits are due, too
    row = the_row(folder)
    assert row["status"] == "complete"
    if not acts_on_neurons(policy):  # whose budget is the contract's business
        assert (row["n_edits"] > 0) == (policy != "static")
        assert row["final_density"] <= 0.21
    assert (accepted.loc[accepted["step"] == 0, "reason"] == "wiring").all()
    assert set(tables_of(folder)["edits"]["refusal"]) <= {"", LOST}


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
    assert "1 runs complete, 1 failed" in ended.err
    results = load_results(tmp_path / "results" / "first")
    assert results.complete["policy"].tolist() == ["static"]
    (failed,) = results.failed.itertuples()
    assert failed.reason.startswith("AttributeError: 'Static' object has no attribute")
    assert (results.folders[failed.run_id] / "traceback.txt").is_file()

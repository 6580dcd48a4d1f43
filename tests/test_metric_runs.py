"""Metrics in runs: they change nothing, survive what runs survive, and can be read again."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from runs import OFTEN, SMALL, often, tables_of

from experiments import run as runner
from plastic import load_results, metrics
from plastic.analysis import structure_over_time
from plastic.analysis.film import run_of
from plastic.analysis.structure import structures
from plastic.callbacks import Callback
from plastic.engine import Network
from plastic.errors import InvalidParameter
from plastic.metrics import Metric, Readings
from plastic.records import comparable
from plastic.topology.wiring import dense

MOVING = ["dataset=wine", "density=0.25", "steps=40", "evaluate_every=7"]
WIRINGS = {
    "erk": ["wiring.hidden=[10,8]"],
    "random_dag": ["wiring=random_dag", "wiring.n_hidden=18"],
}
DRAWN = {
    "path_lengths": partial(metrics.PathLengths, samples=3),
    "modularity": metrics.Modularity,
    "small_world": partial(metrics.SmallWorld, samples=4),
}
"""Metrics that draw at random, of structure alone."""


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize(
    "more",
    [
        ["policy=thompson", *OFTEN],
        ["policy=paired_trials", "policy.every=6"],
        ["policy=neuron_turnover", *OFTEN, "engine=nodes"],
        ["policy=static", "selection=resampling"],
        ["policy=set", *OFTEN, "dataset=permuted_labels", "dataset.every=15"],
        ["policy=set", *OFTEN, "dataset=sparse_teacher"],
    ],
    ids=["thompson", "trials", "nodes", "selection", "drift", "truth"],
)
def test_a_run_is_the_same_with_metrics_and_without(do, more, tmp_path):
    plain, read = (
        do(*SMALL, *more, f"metrics={name}", where=tmp_path / name) for name in ("none", "all")
    )
    assert plain.name == read.name
    assert (plain / "network.safetensors").read_bytes() == (
        read / "network.safetensors"
    ).read_bytes()
    without, tables = tables_of(plain), tables_of(read)
    for name in ("convergence", "edits", "arms", "run"):
        same(comparable(without[name]), comparable(tables[name]))
    assert without["metrics"].empty
    table = tables["metrics"]
    assert table["step"].unique().tolist() == tables["convergence"]["step"].unique().tolist()
    assert not table.duplicated(["step", "metric", "label"]).any()
    if "dataset=sparse_teacher" in more:
        curve = tables["convergence"].query("split == 'test'")
        for name in ("precision", "recall"):
            found = table.query(f"metric == 'overlap' and label == '{name}'")["value"]
            assert found.tolist() == curve[f"truth_{name}"].tolist()


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("policy", ["rigl", "neuron_turnover", "paired_trials", "gradmax"])
def test_structure_read_again_from_edits_is_that_of_the_run(do, policy, wiring, tmp_path):
    chosen = ["metrics=[structure,modularity,small_world]"]
    chosen += ["metrics.path_lengths.samples=3", "metrics.small_world.samples=4"]
    do(*MOVING, *WIRINGS[wiring], f"policy={policy}", *often(policy), *chosen)
    results = load_results(tmp_path)
    again = structure_over_time(results, metrics.STRUCTURE | DRAWN)
    live = results.metrics
    order = [*metrics.STRUCTURE, "modularity", "small_world"]
    assert again["metric"].unique().tolist() == live["metric"].unique().tolist() == order
    same(again, live)


def test_replay_gives_the_structure_of_each_evaluation(do, tmp_path):
    for wiring, options in WIRINGS.items():
        do(*MOVING, *options, "policy=set", *OFTEN, where=tmp_path / wiring)
        results = load_results(tmp_path / wiring)
        counts = results.convergence.query("split == 'test'").set_index("step")
        (name,) = results.folders
        for step, topology in structures(run_of(results, name)):
            assert topology.n_connections == counts.loc[step, "n_connections"]
            assert topology.n_neurons == counts.loc[step, "n_neurons"]
        groups = topology.structure.groups[topology.structure.outputs]
        assert (groups == topology.structure.groups.max()).all()


def test_what_the_table_of_edits_does_not_tell_is_refused(do, tmp_path):
    do(*SMALL, *OFTEN)
    results = load_results(tmp_path)
    with pytest.raises(InvalidParameter, match="'silent' needs activity, which the table of"):
        structure_over_time(results, {"silent": metrics.Silent})
    with pytest.raises(InvalidParameter, match="there is no complete run 'nobody'"):
        structure_over_time(results, run_id="nobody")
    path = next(iter(results.folders.values())) / "run.parquet"
    pd.read_parquet(path).assign(n_inputs=0).to_parquet(path)
    with pytest.raises(
        InvalidParameter, match="before the run table told the number of inputs"
    ):
        structure_over_time(load_results(tmp_path))
    pd.read_parquet(path).assign(status="failed").to_parquet(path)
    assert structure_over_time(load_results(tmp_path)).empty


def test_a_complete_run_that_lacks_a_metric_runs_again(do, capsys):
    folder = do(*SMALL, *OFTEN)
    assert do(*SMALL, *OFTEN, "metrics=[degrees,turnover]") == folder
    assert (
        "is complete, but without the metrics degrees, turnover; from the beginning"
        in capsys.readouterr().out
    )
    assert tables_of(folder)["metrics"]["metric"].unique().tolist() == ["degrees", "turnover"]
    assert tables_of(folder)["run"]["metrics"].item() == '["degrees", "turnover"]'
    for fewer in ("none", "turnover"):
        do(*SMALL, *OFTEN, f"metrics={fewer}")
        assert "complete already" in capsys.readouterr().out
    do(*SMALL, *OFTEN, "metrics=survival")
    assert "without the metrics survival; from" in capsys.readouterr().out
    do(*SMALL, *OFTEN, "metrics=survival", "metrics.survival.cohorts=3")
    assert "without the metrics survival; from" in capsys.readouterr().out


class Stop(Callback):
    """Ends a run on its way, as Ctrl-C does."""

    def rows(self, rows):
        if rows.table == "convergence" and rows.columns["step"][0] >= 45:
            raise KeyboardInterrupt


def test_a_run_goes_on_with_the_metrics_that_it_had_alone(config_of, tmp_path, capsys):
    options = [*SMALL, *OFTEN, "steps=60", "checkpoint_every=10", "checkpoint_seconds=0"]
    whole = runner.run(config_of(*options, "metrics=all", f"results_dir={tmp_path / 'whole'}"))
    for first, second, said in (
        ("all", "all", "goes on from step"),
        ("degrees", "all", "the checkpoint is of a training with metrics"),
    ):
        where = f"results_dir={tmp_path / first}"
        with pytest.raises(KeyboardInterrupt):
            runner.run(
                config_of(*options, f"metrics={first}", where), callbacks={"stop": Stop()}
            )
        capsys.readouterr()
        done = runner.run(config_of(*options, f"metrics={second}", where))
        assert said in capsys.readouterr().out
        for name, frame in tables_of(whole).items():
            same(comparable(frame), comparable(tables_of(done)[name]))


OWN = """
from dataclasses import dataclass
from typing import ClassVar

import networkx as nx

from plastic.metrics import Metric


@dataclass(frozen=True)
class Bridges(Metric):
    per: int = 1

    def read(self, reading, rng):
        return {"": len(list(nx.bridges(reading.graph.to_undirected()))) / self.per}
"""


def test_a_metric_of_ones_own_is_read_by_name(do, tmp_path, monkeypatch):
    (tmp_path / "own_metric.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ["+metrics.mine._target_=own_metric.Bridges", "+metrics.mine.per=2"]
    folder = do(*SMALL, *OFTEN, "metrics=depth", *own, where=tmp_path / "results")
    table = tables_of(folder)["metrics"]
    mine = table[table["metric"] == "mine"]
    assert mine["step"].tolist() == [0, 15, 30, 40]
    assert (mine["label"] == "").all()
    assert (mine["value"] * 2 % 1 == 0).all()


class Says(Metric):
    def __init__(self, said):
        self.said = said

    def read(self, reading, rng):
        return self.said


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (3.0, "metric 'it' must return a mapping, got 3.0"),
        ({1: 2.0}, "a label of metric 'it' must be text, got 1"),
        ({"a": "high"}, "must return numbers, or NaN for none, got 'high' for 'a'"),
        ({"a": np.inf}, "must return numbers, or NaN for none, got inf"),
        ({"a": True}, "must return numbers, or NaN for none, got True"),
        ({"a": 1j}, "must return numbers, or NaN for none, got 1j"),
    ],
)
def test_what_is_no_number_under_a_label_is_refused(said, rule):
    network = Network(dense(2, 1, 1.0, np.random.default_rng(0), hidden=[2]), "mse")
    with pytest.raises(InvalidParameter, match=rule):
        Readings({"it": Says(said)}).take(network, None, 10)


def test_readings_know_their_metrics():
    with pytest.raises(InvalidParameter, match="metric 'it' must be a Metric, got 3"):
        Readings({"it": 3})
    readings = Readings({"turnover": metrics.Turnover()})
    with pytest.raises(InvalidParameter, match="there is no metric 'age' to remember 'ids'"):
        readings.restore({"age.ids": np.zeros(1)})
    network = Network(dense(2, 1, 1.0, np.random.default_rng(0), hidden=[2]), "mse")
    with pytest.raises(InvalidParameter, match="has no activity: name it among the metric's"):
        Readings({"silent": metrics.Silent()}).take(network, None, 10)

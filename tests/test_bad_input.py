"""Wrong calls and configurations: one clear message each, and nothing left behind."""

from __future__ import annotations

import re
import sys

import networkx as nx
import numpy as np
import pytest
import sklearn.datasets
from omegaconf import OmegaConf

from experiments.choices import build
from experiments.compare import main as compare_main
from experiments.run import run
from plastic import Network, datasets
from plastic.analysis import load_results
from plastic.edits import Connect, Disconnect, PruneNeurons
from plastic.engine import SGD, Cosine
from plastic.errors import (
    CycleError,
    InvalidData,
    InvalidEdit,
    InvalidNetwork,
    InvalidParameter,
    PlasticError,
    ReadOnly,
)
from plastic.policies import Static, thompson
from plastic.topology import Topology, from_networkx
from plastic.topology.wiring import erk, random_dag
from plastic.training import Streams, train

# ---------------------------------------------------------------- the command line

DATASETS = ("breast_cancer", "digits", "table", "wine")
POLICIES = ("rigl", "set", "static", "thompson", "thompson_mean")

WRONG = {
    # choices
    "unknown dataset": (["dataset=winee"], ["there is no dataset 'winee'", *DATASETS]),
    "unknown policy": (["policy=rigel"], ["there is no policy 'rigel'", *POLICIES]),
    "unknown wiring": (["wiring=grid"], ["there is no wiring 'grid'", "erk", "random_dag"]),
    "unknown optimizer": (["optimizer=lion"], ["no optimizer 'lion'", "adam", "sgd"]),
    "unknown schedule": (["schedule=linear"], ["no schedule 'linear'", "cosine"]),
    "unknown experiment": (["experiment=demmo"], ["no experiment 'demmo'", "demo"]),
    "two choices": (["policy=[set,rigl]"], ["one choice", "'policy=[set,rigl]'"]),
    "no choice": (["policy="], ["policy takes the name of one choice", "'policy='"]),
    "null for a choice": (["policy=null"], ["policy takes the name", "'policy=null'"]),
    "choice added": (["+policy=set"], ["policy=name", "got '+policy=set'"]),
    "choice taken away": (["~policy"], ["policy needs a choice with a _target_, got {}"]),
    "sweep without -m": (["policy=set,rigl"], ["'policy=set,rigl' has", "--multirun"]),
    # keys
    "root key": (["densty=0.1"], ["no key 'densty' (did you mean 'density'?)", "seed"]),
    "added root key": (["+densty=0.1"], ["there is no key 'densty'", "'density'"]),
    "unheard-of key": (["xyz=1"], ["there is no key 'xyz'; keys are study, results_dir"]),
    "group key": (["dataset/kind=x"], ["there is no key 'dataset/kind'"]),
    "parameter": (
        ["policy.fractoin=0.2"],
        ["there is no key 'policy.fractoin' (did you mean 'fraction'?)", "every, until"],
    ),
    "added parameter": (
        ["+policy.momentum=0.2"],
        ["there is no key 'policy.momentum'", "keys are every, until, fraction"],
    ),
    "no processes": (
        ["-m", "hydra.launcher.n_jobs=0"],
        ["hydra.launcher.n_jobs must be a whole number other than 0, got '0'"],
    ),
    "key of Hydra": (["hydra.swep=1"], ["there is no key 'hydra.swep'", "'sweep'"]),
    "no value": (["density"], ["'density' cannot be read: it must be key=value"]),
    "open bracket": (["wiring.hidden=[8"], ["'wiring.hidden=[8' cannot be read"]),
    "bare mark": (["dataset.separator=;"], ["needs quotes", "\"dataset.separator=';'\""]),
    "no metric": (["metrics=[age,agee]"], ["there is no metrics 'agee'; choose one of age,"]),
    "no file of ours": (["--config-name", "cfg"], ["there is no file 'cfg'", "config, masks"]),
    "another program's": (
        ["experiment=regret"],
        ["experiment/regret: there is no key 'n_runs'"],
    ),
    "package": (["policy@mine=set"], ["Could not override 'policy@mine'. Did you mean"]),
    # types
    "density text": (["density=thin"], ["density: ", "'thin'", "Float"]),
    "steps fraction": (["steps=1.5"], ["steps: ", "'1.5'", "Integer"]),
    "seed null": (["seed=null"], ["seed: "]),
    "engine": (["engine=slow"], ["engine: ", "'slow'", "fast, nodes"]),
    "dtype": (["dtype=float16"], ["dtype: ", "'float16'", "float32, float64"]),
    "biases": (["biases=perhaps"], ["biases: ", "'perhaps'"]),
    "hidden no list": (["wiring.hidden=8"], ["wiring.hidden must be a list", "got 8"]),
    "hidden text": (["wiring.hidden=[a]"], ["each item a whole number, got ['a']"]),
    "anneal no": (["policy.anneal=no"], ["policy.anneal must be true or false, got 'no'"]),
    "every text": (["policy.every=often"], ["policy.every must be a whole number", "'often'"]),
    "every truth": (["policy.every=true"], ["policy.every must be a whole number, got True"]),
    "rate text": (["optimizer.learning_rate=low"], ["must be a number, got 'low'"]),
    "activation null": (["wiring.activation=null"], ["activation must be text, got None"]),
    "target": (
        ["policy._target_=nowhere.Policy"],
        ["policy: nowhere.Policy cannot be", "PYTHONPATH"],
    ),
    "target in it": (
        ["policy._target_=plastic.Nope"],
        ["policy: plastic.Nope cannot be imported"],
    ),
    # ranges
    "density 0": (["density=0"], ["density must lie in (0, 1], got 0.0"]),
    "density 2": (["density=2"], ["density must lie in (0, 1], got 2.0"]),
    "density nan": (["density=nan"], ["density must lie in (0, 1], got nan"]),
    "steps 0": (["steps=0"], ["steps must be a whole number of at least 1, got 0"]),
    "seed": (["seed=-1"], ["seed must be a whole number of at least 0, got -1"]),
    "batch": (["batch_size=0"], ["batch_size must be a whole number of at least 1, got 0"]),
    "evaluate": (["evaluate_every=0"], ["evaluate_every must be", "at least 1, got 0"]),
    "threads": (["threads=0"], ["threads must be a whole number of at least 1, got 0"]),
    "study": (["study="], ["study must not be empty"]),
    "rate": (["optimizer.learning_rate=-1"], ["learning_rate must lie in (0, ", "got -1"]),
    "momentum": (["optimizer.momentum=1"], ["momentum must lie in [0, 1), got 1"]),
    "decay": (["optimizer.weight_decay=-1"], ["weight_decay must lie in [0, ", "got -1"]),
    "beta": (["optimizer=adam", "optimizer.beta2=1"], ["beta2 must lie in [0, 1), got 1"]),
    "floor": (["schedule.floor=2"], ["floor must lie in [0, 1], got 2"]),
    "milestones": (
        ["schedule=step", "schedule.milestones=[0.7,0.2]"],
        ["milestones must ascend, got [0.7, 0.2]"],
    ),
    "fraction 0": (["policy.fraction=0"], ["fraction must lie in (0, 1], got 0"]),
    "fraction 2": (["policy.fraction=2"], ["fraction must lie in (0, 1], got 2"]),
    "every 0": (["policy.every=0"], ["every must be a whole number of at least 1, got 0"]),
    "until": (["policy.until=1.5"], ["until must lie in ", "got 1.5"]),
    "sampling": (["policy.sampling=median"], ["'thompson', 'mean', 'uniform', got 'median'"]),
    "candidates": (["policy.candidates=0"], ["candidates must be", "at least 1, got 0"]),
    "layer": (["wiring.hidden=[8,0]"], ["hidden[1] must be", "at least 1, got 0"]),
    "activation": (["wiring.activation=swish"], ["'relu', ", "got 'swish'"]),
    "dense": (["wiring=dense", "density=0.5"], ["needs density 1, got 0.5; use erk instead"]),
    "sparse graph": (["wiring=random_dag", "density=0.001"], ["256 hidden neurons need"]),
    "rewired": (["wiring=small_world", "wiring.rewired=2"], ["rewired must lie in [0, 1]"]),
    "scale": (["dataset.scale=huge"], ["'standardize', 'unit', 'none', got 'huge'"]),
    "test size": (["dataset.test_size=1.5"], ["test_size", "1.5"]),
    "reward size": (["dataset.reward_size=1000"], ["1000"]),
    # files
    "no path": (["dataset=table"], ["dataset.path has no default and must be given"]),
    "no target": (
        ["dataset=table", "dataset.path=own.csv"],
        ["dataset.target has no default and must be given, as in dataset.target=..."],
    ),
    "no file": (
        ["dataset=table", "dataset.path=absent.csv", "dataset.target=y"],
        ["there is no file absent.csv"],
    ),
}


def assert_refused(ended, *fragments):
    """One message without Python's innards, and an exit code that says so."""
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1, "one line"
    assert "Traceback" not in ended.err + ended.out
    assert ended.out == ""
    for fragment in fragments:
        assert fragment in ended.err


@pytest.mark.parametrize(("overrides", "fragments"), WRONG.values(), ids=WRONG)
def test_a_wrong_configuration_is_refused_in_a_line(command, tmp_path, overrides, fragments):
    ended = command("run", "dataset=wine", "steps=5", *overrides, cwd=tmp_path)
    assert_refused(ended, *fragments)
    assert list(tmp_path.iterdir()) == []


TABLES = {
    "empty": ("", "own.csv is empty"),
    "no rows": ("a,b,y\n", "it has column names, but no rows"),
    "NaN": ("a,b,y\n" + "1,,0\n2,3,1\n" * 20, "column 'b' holds NaN in 20 of 40 rows"),
    "no target": ("a,b,z\n" + "1,2,0\n2,3,1\n" * 20, "no column 'y'; its columns are 'a'"),
    "one class": ("a,b,y\n" + "1,2,0\n" * 40, "at least two classes, got only '0'"),
    "gaps in texts": ("a,b,y\n" + ",2,0\ny,3,1\n" * 20, "column 'a' is empty in 20 of 40 rows"),
    "names": (
        "a,b,y\n" + "".join(f"n{n},2,{n % 2}\n" for n in range(40)),
        "column 'a' is not numeric and holds 40 different values",
    ),
    "semicolons": ("a;b;y\n" + "1;2;0\n2;3;1\n" * 20, "should the separator be ';'?"),
    "few": ("a,b,y\n1,2,0\n2,3,1\n", "own.csv: "),
    "ragged": ("a,b,y\n1,2,0\n1,2,3,4\n", "is not a CSV table"),
}


@pytest.mark.parametrize(("text", "fragment"), TABLES.values(), ids=TABLES)
def test_a_wrong_table_is_refused_by_name(command, tmp_path, text, fragment):
    (tmp_path / "own.csv").write_text(text)
    chosen = ["dataset=table", "dataset.path=own.csv", "dataset.target=y"]
    assert_refused(command("run", *chosen, cwd=tmp_path), "own.csv", fragment)
    assert [path.name for path in tmp_path.iterdir()] == ["own.csv"]


def test_a_regression_on_text_is_refused(command, tmp_path):
    (tmp_path / "own.csv").write_text("a,b,y\n" + "1,2,low\n2,3,high\n" * 20)
    chosen = ["dataset=table", "dataset.path=own.csv", "dataset.target=y"]
    ended = command("run", *chosen, "dataset.task=regression", cwd=tmp_path)
    assert_refused(ended, "target 'y' is not numeric, as a regression needs it")


def test_data_out_of_reach_says_how_to_get_it(command, tmp_path, monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("no network")

    module = sys.modules["plastic.datasets.fashion_mnist"]
    monkeypatch.setattr(module, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    monkeypatch.delenv("PLASTIC_DATA", raising=False)
    ended = command("run", "dataset=fashion_mnist", cwd=tmp_path)
    assert_refused(ended, "no network", "There are three ways", "$PLASTIC_DATA/fashion-mnist")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["-m", "seed=0,1"]])
def test_results_that_cannot_be_written_are_refused(command, tmp_path, arguments):
    (tmp_path / "file").write_text("in the way")
    quick = ["dataset=xor", "steps=2", "wiring.hidden=[4]"]
    ended = command("run", *arguments, *quick, "results_dir=file/results", cwd=tmp_path)
    assert_refused(ended, "file/results/first", "Not a directory")
    assert (tmp_path / "file").read_text() == "in the way"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_wrong_job_of_a_sweep_leaves_its_reason_and_stops_no_other(command, tmp_path):
    quick = ["dataset=xor", "steps=2", "wiring.hidden=[4]", "policy=static"]
    ended = command("run", "-m", *quick, "optimizer.momentum=1,0.5", cwd=tmp_path)
    assert ended.code == 1
    assert "momentum must lie in [0, 1), got 1" in ended.err
    results = load_results(tmp_path / "results" / "first")
    assert len(results.complete) == 1
    (failed,) = results.failed.itertuples()
    assert failed.reason == "InvalidParameter: momentum must lie in [0, 1), got 1"


def test_an_unknown_option_shows_how_to_use_it(command, tmp_path):
    ended = command("run", "--steps", "5", cwd=tmp_path)
    assert ended.code == 2
    assert "unrecognized arguments: --steps" in ended.err


def test_comparing_nothing_is_refused(tmp_path, capsys):
    assert compare_main([str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert compare_main([str(tmp_path)]) == 2
    assert "holds no runs" in capsys.readouterr().err


# ---------------------------------------------------------------- calls


def line():
    """Input 0 -> hidden 2 -> hidden 3 -> output 1."""
    return from_networkx(nx.DiGraph([(0, 2), (2, 3), (3, 1)]), inputs=[0], outputs=[1])


def make(**changed):
    return Network(line(), "mse", **changed).initialize(np.random.default_rng(0))


def train_with(policy=None, optimizer=None, **changed):
    dataset = datasets.xor(np.random.default_rng(0))
    rng = np.random.default_rng(0)
    network = Network(random_dag(2, 2, 0.9, rng, n_hidden=3)).initialize(rng)
    parts = policy or Static(), optimizer or SGD(), Cosine(), Streams.of(0)
    return list(train(network, dataset, *parts, **{"n_steps": 3} | changed))


def from_edges(*edges, **ends):
    return lambda: from_networkx(nx.DiGraph(edges), **ends)


def edited(*edits):
    return lambda: line().apply(*edits)


RNG = np.random.default_rng(0)
X = np.zeros((4, 1))
NOT_FINITE = np.full((4, 1), np.nan)
OUTSIDE = np.array([[0, 4]])

CALLS = {
    # graphs
    "cyclic graph": (from_edges((0, 1), (1, 2), (2, 1), (2, 3)), CycleError, "1 -> 2"),
    "unknown input": (from_edges((0, 1), inputs=[7]), InvalidNetwork, "input 7 is not a node"),
    "input and output": (from_edges((0, 1), inputs=[0, 1]), InvalidNetwork, "at once"),
    "undirected": (lambda: from_networkx(nx.Graph([(0, 1)])), InvalidNetwork, "undirected"),
    "no graph": (lambda: from_networkx([(0, 1)]), InvalidNetwork, "got list"),
    "write the graph": (lambda: line().graph.add_edge(0, 1), ReadOnly, "Topology.apply"),
    "no inputs": (lambda: Topology(0, 1), InvalidParameter, "n_inputs must be a whole number"),
    # edits
    "close a cycle": (edited(Connect([3], [2])), CycleError, "3->2 would close a cycle"),
    "into an input": (edited(Connect([2], [0])), InvalidEdit, "2->0 would lead into an input"),
    "to itself": (edited(Connect([2], [2])), InvalidEdit, "2->2 would join a neuron to itself"),
    "twice": (edited(Connect([0], [2])), InvalidEdit, "0->2 already exists"),
    "nobody": (edited(Connect([0], [9])), InvalidEdit, "9"),
    "prune an input": (edited(PruneNeurons([0])), InvalidEdit, "0 is an input, which is never"),
    "prune an output": (edited(PruneNeurons([1])), InvalidEdit, "1 is an output"),
    "strand": (edited(Disconnect([1])), InvalidEdit, "left without a way"),
    "no edit": (edited("connect"), InvalidEdit, "not an edit: 'connect'"),
    # networks
    "engine": (lambda: make(engine="slow"), InvalidParameter, "'fast', 'nodes', got 'slow'"),
    "dtype": (lambda: make(dtype="float16"), InvalidParameter, "got 'float16'"),
    "graph": (lambda: Network(nx.DiGraph([(0, 1)])), InvalidNetwork, "from_networkx"),
    "name of one": (lambda: make().learn(X, X, [[0]], "sgd"), InvalidParameter, "got 'sgd'"),
    "class of one": (lambda: make().learn(X, X, [[0]], SGD), InvalidParameter, "as SGD(0.1)"),
    "threads": (lambda: make(threads=0), InvalidParameter, "threads must be"),
    "loss": (lambda: Network(line(), "huber"), InvalidParameter, "huber"),
    "width": (lambda: make().predict(np.zeros((4, 2))), InvalidData, "got (4, 2)"),
    "not finite": (lambda: make().predict(NOT_FINITE), InvalidData, "row 0 is not"),
    "no sample": (lambda: make().predict(X[:0]), InvalidData, "at least one sample"),
    "rows": (lambda: make().learn(X, X, OUTSIDE, SGD()), InvalidData, "0 to 3, got 4"),
    "weights of a seed": (lambda: make().initialize(0), InvalidParameter, "got 0"),
    "layers": (lambda: erk(3, 2, 0.5, RNG, hidden=3), InvalidParameter, "layer, got 3"),
    # data
    "seed of moons": (lambda: datasets.two_moons(0), InvalidParameter, "rng must be like"),
    "seed of spirals": (lambda: datasets.two_spirals(0), InvalidParameter, "rng must be like"),
    "seed of xor": (lambda: datasets.xor(0), InvalidParameter, "rng must be like"),
    "seed of digits": (lambda: datasets.digits(0), InvalidParameter, "rng must be like"),
    "seed of teacher": (lambda: datasets.sparse_teacher(0), InvalidParameter, "rng must be"),
    # policies, optimizers, training
    "fraction": (lambda: thompson(fraction=0), InvalidParameter, "fraction must lie in (0, 1]"),
    "sampling": (lambda: thompson(sampling="median"), InvalidParameter, "got 'median'"),
    "momentum": (lambda: SGD(momentum=1), InvalidParameter, "momentum must lie in [0, 1)"),
    "rate text": (
        lambda: SGD("low"),
        InvalidParameter,
        "must lie in (0, ",
    ),
    "rate nan": (lambda: SGD(np.nan), InvalidParameter, "learning_rate must lie in"),
    "no steps": (lambda: train_with(n_steps=0), InvalidParameter, "n_steps must be"),
    "batch": (lambda: train_with(batch_size=0), InvalidParameter, "batch_size must be"),
    "evaluate": (lambda: train_with(evaluate_every=0), InvalidParameter, "evaluate_every"),
    "seed": (lambda: Streams.of(-1), InvalidParameter, "seed must be"),
}


@pytest.mark.parametrize(("call", "error", "fragment"), CALLS.values(), ids=CALLS)
def test_a_wrong_call_is_refused(call, error, fragment):
    with pytest.raises(error, match=re.escape(fragment)) as caught:
        call()
    assert isinstance(caught.value, PlasticError)


def test_a_configuration_made_by_hand_is_checked_too(config_of, tmp_path):
    config = config_of("dataset=xor", f"results_dir={tmp_path}")
    OmegaConf.set_struct(config, False)
    config = OmegaConf.create(OmegaConf.to_container(config, enum_to_str=True))
    config.stpes = 3
    with pytest.raises(InvalidParameter, match=r"no key 'stpes' \(did you mean 'steps'\?\)"):
        run(config)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_a_choice_refuses_its_own_parameters(config_of):
    config = config_of("policy=static")
    schedule = {"_target_": "plastic.policies.parts.UpdateSchedule", "every": 0}
    part = {"_target_": "plastic.policies.parts.Magnitude"}
    growth = {"_target_": "plastic.policies.growth.RandomGrowth"}
    parts = {"prune": part, "grow": growth, "schedule": schedule}
    config.policy = {"_target_": "plastic.policies.Rewiring", **parts}
    with pytest.raises(InvalidParameter, match="every must be a whole number of at least 1"):
        build(config, "policy")
    config.policy.schedule.every = 10
    assert build(config, "policy").steps(100).tolist() == [10, 20, 30, 40, 50, 60, 70]

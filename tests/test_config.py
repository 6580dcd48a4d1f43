"""Every file in conf/ composes, builds, and says what the code says."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import get_object
from omegaconf import OmegaConf

from experiments.choices import build, build_all
from experiments.config import GROUPS, LISTED, RunConfig, as_text, config_folder
from experiments.run import make_network, run
from plastic.datasets import Dataset
from plastic.engine import Network
from plastic.errors import InvalidParameter
from plastic.metrics import Metric
from plastic.plasticity import Plasticity
from plastic.policies import Policy
from plastic.topology import Topology
from plastic.training import Streams

FOLDER = config_folder()
CHOICES = [
    (group, path.stem) for group in GROUPS for path in sorted((FOLDER / group).glob("*.yaml"))
]
METRICS = [
    path.stem
    for path in sorted((FOLDER / "metrics").glob("*.yaml"))
    if path.stem not in ("none", "structure", "all")
]
EXPERIMENTS = [
    path.stem
    for path in sorted((FOLDER / "experiment").glob("*.yaml"))
    if not path.stem.startswith(("masks", "regret"))  # studies of other programs
]

GIVEN = {
    "dataset": {"rng"},
    "wiring": {"n_inputs", "n_outputs", "density", "rng", "output_activation"},
}
"""Arguments that the runner gives; all others must be in the file."""

OURS = {("optimizer", "sgd", "weight_decay"), ("policy", "thompson_mean", "sampling")}
OURS |= {("policy", "thompson_uniform", "sampling")}
OURS |= {
    ("selection", f"successive_elimination_{name}", key)
    for name, key in (
        ("mean", "sampling"), ("uniform", "sampling"), ("taylor", "by"),
        ("steps", "equal"),
    )
}  # fmt: skip
OURS |= {("policy", f"paired_trials_{name}", "sampling") for name in ("mean", "uniform")}
OURS |= {
    ("dataset", "noisy_teacher", key)
    for key in (
        "task", "n_samples", "n_inputs", "test_size", "n_hidden", "n_outputs", "noise",
        "output_density",
    )
}  # fmt: skip
OURS |= {("selection", "resampling_mean", "sampling"), ("selection", "fixed", "until")}
"""Where a configuration means to differ from the default of its target."""

every_choice = pytest.mark.parametrize(("group", "name"), CHOICES)


CALLBACKS = [path.stem for path in sorted((FOLDER / "callbacks").glob("*.yaml"))]


def in_groups(group):
    return [name for held, name in CHOICES if held == group]


def read(group, name, config_of):
    return OmegaConf.to_container(config_of(f"{group}={name}")[group])


@pytest.fixture
def files(tmp_path):
    """What a dataset that is read from files needs, as overrides."""
    rows = [f"{n},{n % 7},{n % 2}" for n in range(40)]
    (tmp_path / "own.csv").write_text("\n".join(["a,b,y", *rows]))
    for part in ("train", "t10k"):
        arrays = {"images-idx3": np.arange(1200).reshape(200, 2, 3), "labels-idx1": range(200)}
        for kind, values in arrays.items():
            array = np.asarray(values) % 10
            sizes = np.array(array.shape, ">u4").tobytes()
            content = bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(content)
    return {
        "table": [f"dataset.path={tmp_path / 'own.csv'}", "dataset.target=y"],
        "fashion_mnist": [f"dataset.folder={tmp_path}"],
    }


def test_every_group_has_choices_and_every_folder_is_a_group():
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    of_regret = {"bandit", "environment"}
    assert folders == {*GROUPS, *LISTED, *of_regret, "experiment", "search", "studies"}
    assert {group for group, _ in CHOICES} == set(GROUPS)
    roots = {"config.yaml", "masks.yaml", "regret.yaml"}
    assert {path.name for path in FOLDER.glob("*.*")} == roots


@every_choice
def test_a_choice_is_named_like_its_file(group, name, config_of):
    assert config_of(f"{group}={name}")[group].name == name


@every_choice
def test_a_choice_says_every_parameter_of_its_target(group, name, config_of):
    node = read(group, name, config_of)
    signature = inspect.signature(get_object(node.pop("_target_"))).parameters
    del node["name"]
    assert set(node) == set(signature) - GIVEN.get(group, set())
    for key, value in node.items():
        default = signature[key].default
        if default is inspect.Parameter.empty or (group, name, key) in OURS:
            continue
        default = list(default) if isinstance(default, tuple) else default
        assert value == default, f"{group}/{name}.yaml: {key}"


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_is_under_its_name_and_says_every_parameter(name, config_of):
    held = OmegaConf.to_container(config_of(f"callbacks={name}").callbacks)
    assert list(held) == ([] if name == "none" else [name])
    for node in held.values():
        signature = inspect.signature(get_object(node.pop("_target_"))).parameters
        assert node == {key: one.default for key, one in signature.items()}


def test_callbacks_are_chosen_together(config_of):
    together = config_of(f"callbacks=[{','.join(CALLBACKS)}]").callbacks
    assert set(together) == set(CALLBACKS) - {"none"}
    assert config_of().callbacks == {}


def test_what_is_ours_does_differ(config_of):
    for group, name, key in OURS:
        node = read(group, name, config_of)
        default = inspect.signature(get_object(node["_target_"])).parameters[key].default
        assert node[key] != default


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_a_study_of_its_own_name(name, config_of):
    config = config_of(f"experiment={name}")
    assert config.study == name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_sweeps_over_what_there_is(name, config_of):
    node = OmegaConf.load(FOLDER / "experiment" / f"{name}.yaml")
    params = node.get("hydra", {"sweeper": {"params": {}}})["sweeper"]["params"]
    for key, values in params.items():
        assert key in RunConfig.__dataclass_fields__
        if key in GROUPS:
            assert {name.strip() for name in str(values).split(",")} <= set(in_groups(key))


def test_the_root_says_what_runs_by_default(config_of):
    config = config_of()
    chosen = [config[group].name for group in GROUPS]
    assert chosen == [
        "digits", "erk", "thompson", "full", "sgd", "cosine", "always", "unlimited",
    ]  # fmt: skip
    assert config.metrics == {}
    assert {key for key in config if key not in GROUPS} == (
        set(RunConfig.__dataclass_fields__) - set(GROUPS)
    )


@pytest.mark.parametrize("name", in_groups("dataset"))
def test_a_dataset_builds(name, config_of, files):
    config = config_of(f"dataset={name}", *files.get(name, []))
    dataset = build(config, "dataset", rng=np.random.default_rng(0))
    assert isinstance(dataset, Dataset)
    assert all(len(split) for split in dataset.splits.values())


@pytest.mark.parametrize("name", in_groups("plasticity"))
def test_a_plasticity_builds(name, config_of):
    rule = build(config_of(f"plasticity={name}"), "plasticity")
    assert isinstance(rule, Plasticity)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_every_parameter_of_its_class(name, config_of):
    config = config_of(f"metrics={name}")
    (node,) = OmegaConf.to_container(config.metrics).values()
    signature = inspect.signature(get_object(node.pop("_target_"))).parameters
    assert node == {key: one.default for key, one in signature.items()}
    (made,) = build_all(config, "metrics").items()
    assert made[0] == name
    assert isinstance(made[1], Metric)


def test_metrics_are_chosen_together(config_of):
    assert set(config_of("metrics=all").metrics) == set(METRICS)
    structure = build_all(config_of("metrics=structure"), "metrics")
    assert structure
    assert not any(metric.needs for metric in structure.values())
    assert list(config_of("metrics=[turnover,degrees]").metrics) == ["turnover", "degrees"]
    mine = config_of("metrics=degrees", "+metrics.mine._target_=plastic.metrics.Turnover")
    assert list(build_all(mine, "metrics")) == ["degrees", "mine"]
    assert config_of().metrics == config_of("metrics=[]").metrics == {}


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ("+metrics.mine=3", r"each of metrics has a name of its own .* got mine: 3"),
        ("+metrics.mine.top=3", r"metrics.mine needs a choice with a _target_, got \{'top'"),
        ("+metrics.degrees.top=3", r"there is no key 'metrics.degrees.top'"),
    ],
)
def test_what_is_no_metric_is_refused(override, rule, config_of):
    with pytest.raises(InvalidParameter, match=rule):
        build_all(config_of("metrics=degrees", override), "metrics")


@pytest.mark.parametrize("name", in_groups("constraints"))
def test_constraints_build(name, config_of):
    limits = build(config_of(f"constraints={name}", "constraints.max_fan_in=3"), "constraints")
    assert limits.max_fan_in == 3


@pytest.mark.parametrize("name", in_groups("wiring"))
def test_a_wiring_builds_at_the_density_asked_for(name, config_of):
    density = 1.0 if name == "dense" else 0.3
    topology = build(
        config_of(f"wiring={name}"),
        "wiring",
        n_inputs=6,
        n_outputs=3,
        density=density,
        rng=np.random.default_rng(0),
        output_activation="softmax",
    )
    assert isinstance(topology, Topology)
    assert (topology.n_inputs, topology.n_outputs) == (6, 3)
    assert topology.n_connections > 0


@pytest.mark.parametrize("name", in_groups("policy"))
def test_a_policy_builds_and_names_its_steps(name, config_of):
    policy = build(config_of(f"policy={name}"), "policy")
    assert isinstance(policy, Policy)
    steps = policy.steps(1000)
    assert np.all(np.diff(steps) > 0)


@pytest.mark.parametrize("name", in_groups("optimizer"))
@pytest.mark.parametrize("schedule", in_groups("schedule"))
def test_optimizers_and_schedules_build_and_learn(name, schedule, config_of):
    config = config_of(
        f"optimizer={name}", f"schedule={schedule}", "dataset=xor", "wiring.hidden=[4]"
    )
    streams = Streams.of(0)
    dataset = build(config, "dataset", rng=streams.split)
    network = make_network(config, dataset, build(config, "policy"), streams)
    assert isinstance(network, Network)
    optimizer, factors = build(config, "optimizer"), build(config, "schedule")
    rates = optimizer.learning_rate * factors.factors(np.arange(5), 5)
    X, Y = dataset.train.X, dataset.train.y
    losses = network.learn(X, Y, np.zeros((5, 4), int) + np.arange(4), optimizer, rates=rates)
    assert losses.shape == (5,)
    assert np.isfinite(losses).all()


def test_a_run_needs_no_command_line(config_of, tmp_path):
    config = config_of("dataset=xor", "wiring.hidden=[4]", "steps=3", "policy=static")
    config.results_dir = str(tmp_path)
    folder = run(config)
    assert folder.parent == tmp_path / "first"
    assert OmegaConf.load(folder / "config.yaml") == OmegaConf.create(as_text(config))
    assert "seeds" not in as_text(config)


def test_composing_leaves_hydra_as_it_was(config_of):
    config_of("policy=set")
    assert not GlobalHydra.instance().is_initialized()

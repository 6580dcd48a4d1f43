"""Pruning by whole masks, compared: ``python -m experiments.masks key=value ...``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from experiments.cells import Program, check_keys, hash_of
from experiments.choices import build, choice
from experiments.hardening import harden
from experiments.progress import python_here
from plastic.activations import straight_through
from plastic.analysis.cells import gather_cells, write_cell
from plastic.analysis.masks import COLUMNS, KEYS, format_masks
from plastic.bandits.masks import RULES
from plastic.datasets import Dataset
from plastic.engine import SGD, Cosine, Network
from plastic.errors import check_count, check_in, check_range
from plastic.policies import MaskPruning, Policy, ScorePruning, Static
from plastic.policies.mask_pruning import SCORES
from plastic.signals import NetworkView
from plastic.topology.wiring import dense
from plastic.training import Streams, train

RESULTS_VERSION = 1
"""Part of each cell's identity; raised when a configuration gives other results."""

UNITS = ("relu", "threshold")


@dataclass
class MasksConfig:
    """What one network and its prunings are.

    Parameters
    ----------
    study : str
        Networks that belong in one table; a folder below `results_dir`.
    results_dir : str
        Where studies are kept.
    seed : int
        Of all random streams.
    units : str
        ``relu``, or ``threshold``: trained as tanh, then each replaced by its sign.
    hidden : list of int
        Sizes of the hidden layers.
    steps, batch_size, learning_rate
        Of the training before pruning: SGD with momentum 0.9 and a cosine schedule.
    fraction : float
        Of the hidden neurons to prune.
    pulls : int
        Mini-batches that each rule may look at.
    pull_size : int
        Samples of each.
    cost : str
        What a pull tells: ``loss``, or ``error`` for the error rate alone.
    rate : float
        Of the straight-through scores.
    rules : list of str
        Of `plastic.bandits.masks.RULES`, and ``magnitude``, ``fisher``, ``straight_through``.
    dataset : dict
        A choice from conf/dataset/ with its parameters.
    """

    study: str = "masks"
    results_dir: str = "results"
    seed: int = 0
    units: str = "relu"
    hidden: list[int] = field(default_factory=lambda: [128, 128])
    steps: int = 1000
    batch_size: int = 50
    learning_rate: float = 0.1
    fraction: float = 0.75
    pulls: int = 1500
    pull_size: int = 32
    cost: str = "loss"
    rate: float = 0.1
    rules: list[str] = field(default_factory=lambda: [*RULES, *SCORES])
    dataset: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(name="masks_schema", node=MasksConfig)


def run(config: DictConfig) -> Path:
    """Train one network, prune it by every rule in turn, and keep a row for each.

    Returns
    -------
    Path
        The study's folder.

    Raises
    ------
    PlasticError
        If the configuration is of no use; nothing is written then.
    """
    check_config(config)
    streams = Streams.of(config.seed)
    dataset: Dataset = build(config, "dataset", rng=streams.split)
    started = time.monotonic()
    network = trained(config, dataset, streams)
    rows = [pruned_by(rule, config, dataset, network) for rule in config.rules]
    folder, name = Path(config.results_dir) / config.study, run_id(config)
    write_cell(folder, name, rows, OmegaConf.to_yaml(config, resolve=True))
    best = max(rows, key=lambda row: row["accuracy"])
    print(
        f"{name}  done in {time.monotonic() - started:.1f} s: best {best['rule']} "
        f"{best['accuracy']:.3f}, before {best['dense_accuracy']:.3f}",
        flush=True,
    )
    return folder


def trained(config: DictConfig, dataset: Dataset, streams: Streams) -> Network:
    """The network that all rules prune."""
    topology = dense(
        dataset.n_inputs,
        dataset.n_outputs,
        1.0,
        streams.wiring,
        hidden=list(config.hidden),
        activation="tanh" if config.units == "threshold" else "relu",
        output_activation=dataset.output_activation,
    )
    network = Network(topology, dataset.loss).initialize(streams.weights)
    optimizer = SGD(config.learning_rate, momentum=0.9)
    for _ in train(
        network, dataset, Static(), optimizer, Cosine(), streams,
        n_steps=config.steps, batch_size=config.batch_size, evaluate_every=config.steps,
    ):  # fmt: skip
        pass
    return network


def pruned_by(
    rule: str, config: DictConfig, dataset: Dataset, network: Network
) -> dict[str, Any]:
    """A row of the table; the network is brought back to what it was.

    Hard thresholds have no gradient, so scores that need one get a straight-through estimate.
    """
    judged = looked_at = network
    if config.units == "threshold":
        judged = harden(network)
        looked_at = harden(network, straight_through) if rule in SCORES else judged
    rng = np.random.default_rng([config.seed, sum(map(ord, rule))])
    train_split, test = dataset.train, dataset.test
    data = train_split.X, train_split.y
    view = NetworkView(looked_at, data[0][:1], data[1][:1], config.steps, data=data)
    _, before = judged.evaluate(test.X, test.y)
    started = time.perf_counter()
    proposal = policy_of(rule, config).propose(view, rng)
    seconds = time.perf_counter() - started
    undo = judged.apply(*proposal.edits)
    loss, answers = judged.evaluate(test.X, test.y)
    row = {
        "dataset": choice(config.dataset),
        "units": config.units,
        "rule": rule,
        "cost": config.cost,
        "seed": config.seed,
        "n_hidden": sum(config.hidden),
        "n_pruned": sum(len(edit) for edit in proposal.edits),
        "n_connections": judged.topology.n_connections,
        "pulls": 0 if rule in ("magnitude", "fisher") else config.pulls,
        "accuracy": dataset.score(answers, test.y),
        "loss": loss,
        "dense_accuracy": dataset.score(before, test.y),
        "flops": view.bill.flops,
        "seconds": round(seconds, 3),
    }
    judged.apply(*undo)
    return {name: row[name] for name in COLUMNS}


def policy_of(rule: str, config: DictConfig) -> Policy:
    """The policy that prunes by a rule."""
    if rule in SCORES:
        return ScorePruning(
            config.fraction,
            rule,
            pulls=config.pulls,
            rate=config.rate,
            batch_size=config.pull_size,
        )
    return MaskPruning(config.fraction, config.pulls, rule, config.cost, config.pull_size)


def check_config(config: DictConfig) -> None:
    """Raise `InvalidParameter` for a root key or value that no study could use."""
    check_keys(config, MasksConfig)
    check_count("seed", config.seed, low=0)
    for name in ("steps", "batch_size", "pulls", "pull_size"):
        check_count(name, config[name])
    check_range("fraction", config.fraction, 0, 1, open_high=True)
    check_in("units", config.units, UNITS)
    check_in("cost", config.cost, ("loss", "error"))
    for rule in config.rules:
        check_in("rules", rule, (*RULES, *SCORES))
    for size in config.hidden:
        check_count("hidden", size)


def run_id(config: DictConfig) -> str:
    """Name of a cell: what it is, and a hash of all that its results depend on."""
    code = hash_of(config, RESULTS_VERSION)
    return f"{choice(config.dataset)}-{config.units}-s{config.seed}-{code}"


def what_next(folder: Path) -> str:
    """The study's table, where it is, and what to do with it."""
    table = gather_cells(folder, "masks", KEYS)
    return "\n".join(
        [
            "",
            format_masks(table),
            "",
            "accuracy: on the test split right after pruning, mean over seeds +- half of the",
            "95% t interval; leads are paired by seed.",
            f"Tables: {folder / 'masks.parquet'} and masks.csv, a row for each seed.",
            f"More: {python_here()} -m experiments.masks dataset=mnist1d units=threshold",
        ]
    )


PROGRAM = Program(MasksConfig, "masks", ("dataset",), "cell", run, what_next)
main = PROGRAM.main
"""Entry point of ``python -m experiments.masks`` and ``plastic-masks``."""

if __name__ == "__main__":
    main()

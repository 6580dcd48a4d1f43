"""What fills a cell of the study of masks: a network, and its prunings by every rule."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from omegaconf import DictConfig

from experiments.choices import choice
from experiments.hardening import harden
from plastic.activations import straight_through
from plastic.analysis.masks import COLUMNS
from plastic.datasets import Dataset
from plastic.engine import SGD, Cosine, Network
from plastic.policies import MaskPruning, Policy, ScorePruning, Static
from plastic.policies.mask_pruning import SCORES
from plastic.signals import NetworkView
from plastic.topology.wiring import dense
from plastic.training import Streams, train


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

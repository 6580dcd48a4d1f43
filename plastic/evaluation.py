"""How well a network does, and what it has become: the heart of the table of convergence."""

from __future__ import annotations

from typing import Any

import numpy as np

from plastic.datasets import Dataset, recovered
from plastic.engine import Network
from plastic.topology import Kind

EVALUATED = 2000
"""The training split is evaluated on at most so many samples, always the same ones."""


def evaluation(network: Network, dataset: Dataset) -> dict[str, Any]:
    """Loss and score on each split, and the size of the network.

    Returns
    -------
    dict of str to scalar or list
        Columns of the table of convergence; lists have an item for each split.
    """
    topology, splits = network.topology, dataset.splits
    losses, scores = [], []
    for split in splits.values():
        seen = EVALUATED if split is dataset.train else len(split)
        X, Y = split.X[:seen], split.y[:seen]
        loss, answers = network.evaluate(X, Y)
        losses.append(loss)
        scores.append(dataset.score(answers, Y))
    return {
        "split": list(splits),
        "loss": losses,
        "score": scores,
        "n_neurons": topology.n_neurons,
        "n_active": network.computed.n_neurons,
        "n_connections": topology.n_connections,
        "density": topology.density,
        **_truth(network, dataset),
    }


def _truth(network: Network, dataset: Dataset) -> dict[str, float]:
    """How much of a known truth the wiring has found; nothing where it is not known."""
    truth, structure = dataset.truth, network.computed
    if truth is None:
        return {}
    first = structure.kinds[structure.sources] == Kind.INPUT
    inputs = np.searchsorted(structure.inputs, structure.sources[first])
    return recovered(truth, inputs, structure.neuron_ids[structure.targets[first]])

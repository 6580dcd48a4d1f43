"""How well a network does, and what it has become: what training puts into its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.datasets import Dataset, recovered
from plastic.engine import Network
from plastic.topology import Kind

Array = NDArray[Any]

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


def evaluation_steps(dataset: Dataset, every: int, n_steps: int) -> NDArray[np.int64]:
    """The steps after which a training is evaluated: some, the last of each task, the end.

    So no mean over the steps since the last evaluation spans two tasks.
    """
    regular = np.arange(every, n_steps, every)
    return np.unique(np.concatenate([regular, dataset.changes(n_steps), [n_steps]]))


def running(values: NDArray[np.floating]) -> list[float]:
    """A column of the table of convergence that only the training split has: a mean."""
    return [float(values.mean()) if len(values) else np.nan, np.nan, np.nan]


def rewarded_arms(arms: Mapping[str, Any], pulled: str, reward: float) -> dict[str, Array]:
    """Rows for the table of arms, with the reward of a trial beside the arm that was pulled."""
    rows = dict(arms)
    if pulled and not np.isnan(reward):
        earned = np.asarray(rows["arm"]) == pulled
        rows["reward"] = np.where(earned, reward, rows.get("reward", np.nan))
    return rows


def _truth(network: Network, dataset: Dataset) -> dict[str, float]:
    """How much of a known truth the wiring has found; nothing where it is not known."""
    truth, structure = dataset.truth, network.computed
    if truth is None:
        return {}
    first = structure.kinds[structure.sources] == Kind.INPUT
    inputs = np.searchsorted(structure.inputs, structure.sources[first])
    return recovered(truth, inputs, structure.neuron_ids[structure.targets[first]])

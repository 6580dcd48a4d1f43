"""What policies are tried on by their contract: small networks, small tasks, short runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.random import default_rng

from plastic.datasets import Dataset, from_arrays
from plastic.edits import Disconnect
from plastic.engine import SGD, Cosine, Network
from plastic.policies import Policy
from plastic.topology import Constraints, Kind, Topology
from plastic.topology.wiring import dense, erk, random_dag
from plastic.training import Rows, Streams, train

OPTIMIZER = SGD(learning_rate=0.05, momentum=0.9)

BATCH = 20


@dataclass(frozen=True)
class Setting:
    """A network and a task that policies are tried on.

    Parameters
    ----------
    name : str
        For the message.
    wiring : callable
        As in `plastic.topology.wiring`.
    density : float
        That the run asks for.
    n_inputs, n_outputs : int
        Several outputs make it a classification, one a regression.
    """

    name: str
    wiring: Callable[..., Topology]
    density: float
    n_inputs: int
    n_outputs: int

    def dataset(self, seed: int) -> Dataset:
        """Random points, and what a random linear map says of them."""
        rng = default_rng(seed)
        X = rng.normal(size=(300, self.n_inputs))
        said = X @ rng.normal(size=(self.n_inputs, self.n_outputs))
        sizes: dict[str, Any] = {"reward_size": 100, "test_size": 100}
        if self.n_outputs == 1:
            return from_arrays(self.name, X, said, rng, task="regression", **sizes)
        classes = said.argmax(axis=1)
        return from_arrays(self.name, X, classes, rng, task="classification", **sizes)


SETTINGS = (
    Setting("layers", partial(erk, hidden=[12, 8]), 0.3, 6, 3),
    Setting("a graph with skip connections", partial(random_dag, n_hidden=12), 0.3, 6, 3),
    Setting("three neurons", partial(random_dag, n_hidden=1, activation="tanh"), 0.7, 1, 1),
    Setting("no room to grow", partial(dense, hidden=[6]), 1.0, 5, 2),
)


@dataclass(frozen=True)
class Run:
    """What a policy has done to a network.

    Parameters
    ----------
    topology : Topology
        At the end.
    n_allowed : int
        Connections that the density asked for comes to, rounded up block by block, in the
        network as it began or as it ended, whichever holds more.
    most_neurons : dict of int to int
        Hidden neurons that the policy allows itself in each group.
    rows : list of Rows
        All that the run wrote.
    """

    topology: Topology
    n_allowed: int
    most_neurons: dict[int, int]
    rows: list[Rows]

    def pieces(self, table: str) -> list[dict[str, Any]]:
        """What was written into a table, without the initial wiring."""
        return [
            rows.columns
            for rows in self.rows
            if rows.table == table and np.all(np.asarray(rows.columns["step"]) > 0)
        ]

    @property
    def text(self) -> str:
        """Edits and arms in full; of two runs, it is the same if they are."""
        pieces = [*self.pieces("edits"), *self.pieces("arms")]
        return repr([{k: np.asarray(v).tolist() for k, v in p.items()} for p in pieces])


@dataclass(frozen=True)
class Case:
    """A policy on a setting.

    Parameters
    ----------
    make : callable
        Returns a new policy at each call.
    setting : Setting
    n_steps, seed : int
    accepted : bool
        Whether refused proposals count as a breach.
    limit : callable, optional
        From the initial wiring to what holds from then on; by default nothing does.
    """

    make: Callable[[], Policy]
    setting: Setting
    n_steps: int
    seed: int
    accepted: bool
    limit: Callable[[Topology], Constraints] | None = None

    @cached_property
    def dataset(self) -> Dataset:
        """The task."""
        return self.setting.dataset(self.seed)

    @cached_property
    def run(self) -> Run:
        """The policy's run."""
        return self.train(self.dataset)

    def start(self, policy: Policy, streams: Streams) -> Network:
        """The network that a run with this policy begins with."""
        setting, dataset = self.setting, self.dataset
        topology = setting.wiring(
            setting.n_inputs,
            setting.n_outputs,
            policy.begin(setting.density),
            streams.wiring,
            output_activation=dataset.output_activation,
        )
        if self.limit is not None:
            limits, structure = self.limit(topology), topology.structure
            surplus = structure.connection_ids[limits.surplus(structure, streams.wiring)]
            topology.apply(Disconnect(surplus, keep_stranded=True))
            topology.constrain(limits)
        return Network(topology, dataset.loss).initialize(streams.weights)

    def train(self, dataset: Dataset) -> Run:
        """Another run, with a new policy."""
        policy, streams = self.make(), Streams.of(self.seed)
        network = self.start(policy, streams)
        topology = network.topology
        n_possible, sizes = topology.n_possible, group_sizes(topology)
        rows = list(train(
            network, dataset, policy, OPTIMIZER, Cosine(), streams,
            n_steps=self.n_steps, batch_size=BATCH, evaluate_every=self.n_steps,
        ))  # fmt: skip
        n_allowed = round(self.setting.density * max(n_possible, topology.n_possible))
        groups = sorted({**sizes, **group_sizes(topology)})
        most = policy.most_neurons(np.array([sizes.get(group, 0) for group in groups]))
        most_neurons = dict(zip(groups, np.asarray(most).tolist(), strict=True))
        return Run(topology, n_allowed + len(topology.blocks or [()]), most_neurons, rows)


def group_sizes(topology: Topology) -> dict[int, int]:
    """Hidden neurons of each group."""
    structure = topology.structure
    of_hidden = structure.groups[structure.kinds == Kind.HIDDEN]
    groups, sizes = np.unique(of_hidden, return_counts=True)
    return dict(zip(groups.tolist(), sizes.tolist(), strict=True))

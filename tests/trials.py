"""What the tests of the loop share: small runs kept whole, and policies that take notes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from plastic.columns import check_piece
from plastic.datasets import two_moons
from plastic.edits import AddNeurons, Connect, Disconnect
from plastic.engine import SGD, Cosine, Network
from plastic.policies import Policy, Proposal
from plastic.policies.growth import draw_missing
from plastic.topology.wiring import erk, random_dag
from plastic.training import Streams, train


def moons(seed=0):
    return two_moons(Streams.of(seed).split, n_samples=400)


def layers(dataset, density, rng, hidden=(12, 10)):
    return erk(
        dataset.n_inputs, dataset.n_outputs, density, rng,
        hidden=hidden, output_activation=dataset.output_activation,
    )  # fmt: skip


def graph(dataset, density, rng):
    return random_dag(
        dataset.n_inputs, dataset.n_outputs, density, rng,
        n_hidden=20, output_activation=dataset.output_activation,
    )  # fmt: skip


class Trial:
    """A run and everything that it yields."""

    def __init__(
        self, policy, dataset=None, wire=layers, *, seed=0, density=0.4, n_steps=100,
        optimizer=None, schedule=None, batch_size=20, evaluate_every=50, **options,
    ):  # fmt: skip
        dataset = dataset or moons(seed)
        self.policy, self.dataset, self.streams = policy, dataset, Streams.of(seed)
        self.topology = wire(dataset, policy.begin(density), self.streams.wiring)
        self.network = Network(self.topology, dataset.loss, **options)
        self.network.initialize(self.streams.weights)
        self.first_weights = self.network.weights.copy()
        self.steps = train(
            self.network, dataset, policy, optimizer or SGD(0.1), schedule or Cosine(),
            self.streams, n_steps=n_steps, batch_size=batch_size, evaluate_every=evaluate_every,
        )  # fmt: skip
        self.rows = []

    def run(self):
        self.rows = list(self.steps)
        return self

    def pieces(self, table):
        return [rows.columns for rows in self.rows if rows.table == table]

    def column(self, table, name):
        pieces = [check_piece(table, {"run_id": "a", **p}) for p in self.pieces(table)]
        return np.concatenate([piece[name] for piece in pieces])


def run(*arguments, **options):
    return Trial(*arguments, **options).run()


class Swaps(Policy):
    """Swaps one connection at each of its steps, and takes notes."""

    def __init__(self, *steps, greed=0):
        self.when, self.greed = steps, greed
        self.views, self.proposals, self.outcomes = [], [], []

    def steps(self, n_steps):
        return np.array(self.when)

    def propose(self, view, rng):
        self.views.append((view.step, view._X.copy(), view._Y.copy()))
        rng.random(self.greed)
        block = max(view.blocks, key=view.count_missing)
        sources, targets = draw_missing(view, block, 1, rng)
        ids = view.structure.neuron_ids
        gone = view.structure.connection_ids[rng.choice(block.positions, 1)]
        swap = [
            Disconnect(gone, keep_stranded=True, reason="out"),
            Connect(ids[sources], ids[targets], reason="in"),
        ]
        self.proposals.append(Proposal(swap))
        return self.proposals[-1]

    def observe(self, outcome):
        self.outcomes.append(outcome)


class Rewarded(Swaps):
    wants_reward = True


class GrowsNeurons(Swaps):
    def propose(self, view, rng):
        structure = view.structure
        new = view.next_neuron_id
        ends = structure.neuron_ids[[structure.inputs[0], structure.outputs[0]]]
        born = AddNeurons(1, "tanh", 1, reason="born")
        return Proposal([born, Connect([ends[0], new], [new, ends[1]], reason="born")])


def contents(network):
    topology = network.topology
    columns = {**topology.connection_columns, **topology.neuron_columns}
    names = [field.name for field in fields(topology.structure)]
    structure = {name: getattr(topology.structure, name) for name in names}
    return {name: values.tobytes() for name, values in {**columns, **structure}.items()}

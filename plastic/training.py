"""The training loop: learn in stretches, and between them look, edit, evaluate.

`train` yields pieces of tables as they come; who writes them where is none of its business.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from plastic.datasets import Dataset, recovered
from plastic.edits import AddNeurons, Connect
from plastic.engine import Network, Optimizer, Schedule
from plastic.errors import InvalidEdit, InvalidParameter, check_count
from plastic.policies import Outcome, Policy, Proposal
from plastic.selection import Selected, check_unedited, learning_flops
from plastic.signals import NetworkView
from plastic.topology import Journal, Kind, Topology
from plastic.topology.journal import edit_rows

Array = NDArray[Any]

EVALUATED = 2000
"""The training split is evaluated on at most so many samples, always the same ones."""


class Rows(NamedTuple):
    """A piece of a table: scalars, and arrays of one length."""

    table: str
    columns: dict[str, Any]


@dataclass(frozen=True)
class Streams:
    """The random streams of a run, each with one use.

    They are independent, so two policies of one seed see the same split, initial wiring,
    initial weights and mini-batches, whatever they draw themselves.
    """

    split: Generator
    wiring: Generator
    weights: Generator
    batches: Generator
    policy: Generator
    selection: Generator

    @classmethod
    def of(cls, seed: int) -> Streams:
        """The streams of a seed.

        Examples
        --------
        >>> a, b = Streams.of(3), Streams.of(3)
        >>> bool(a.policy.random() == b.policy.random() != a.split.random())
        True
        """
        check_count("seed", seed, low=0)
        return cls(*(np.random.default_rng(child) for child in SeedSequence(seed).spawn(6)))


class Batches:
    """Mini-batches in random order, each sample once an epoch; what is left over is dropped.

    Parameters
    ----------
    n_samples : int
    batch_size : int
        Cut down to `n_samples` where there are fewer.
    rng : Generator

    Examples
    --------
    >>> batches = Batches(4, 2, np.random.default_rng(0))
    >>> next_one = batches.peek()
    >>> bool((batches.take(3)[0] == next_one).all())
    True
    """

    def __init__(self, n_samples: int, batch_size: int, rng: Generator) -> None:
        check_count("batch_size", batch_size)
        self.size = min(batch_size, n_samples)
        self._n_samples, self._rng = n_samples, rng
        self._ready = np.zeros((0, self.size), np.int64)

    def take(self, n_steps: int) -> NDArray[np.int64]:
        """Samples of the next mini-batches, shape (n_steps, size)."""
        self._prepare(n_steps)
        taken, self._ready = self._ready[:n_steps], self._ready[n_steps:]
        return taken

    def peek(self) -> NDArray[np.int64]:
        """Samples of the next mini-batch, shape (size,), without taking it."""
        self._prepare(1)
        return self._ready[0]

    def _prepare(self, n_steps: int) -> None:
        pieces = [self._ready]
        while sum(map(len, pieces)) < n_steps:
            epoch = self._rng.permutation(self._n_samples)
            whole = len(epoch) // self.size * self.size
            pieces.append(epoch[:whole].reshape(-1, self.size))
        self._ready = np.concatenate(pieces)


@dataclass
class Ledger:
    """What a run has spent so far.

    Parameters
    ----------
    flops : int
        Of training, passes for policies and candidate gradients included.
    candidate_gradients : int
        Gradients of connections that are not there.
    n_edits : int
        Neurons and connections edited since the initial wiring.
    seconds : float
        Of training; evaluation is not counted.
    """

    flops: int = 0
    candidate_gradients: int = 0
    n_edits: int = 0
    seconds: float = 0.0


@dataclass
class Trial:
    """A proposal that has not been reported on yet."""

    proposal: Proposal
    refusal: str
    reward_loss: float = np.nan


@dataclass
class Training:
    """A network in training; `train` says what the parts are."""

    network: Network
    dataset: Dataset
    policy: Policy
    optimizer: Optimizer
    schedule: Schedule
    batches: Batches
    rng: Generator
    n_steps: int
    ledger: Ledger = field(default_factory=Ledger)
    trial: Trial | None = None
    losses: list[Array] = field(default_factory=list)

    def learn_until(self, step: int) -> None:
        """Train up to this step, in one stretch."""
        network, train = self.network, self.dataset.train
        started = time.perf_counter()
        at = network.topology.step
        rows = self.batches.take(step - at)
        losses = network.learn(
            train.X,
            train.y,
            rows,
            self.optimizer,
            rates=self.rates(np.arange(at, step)),
            statistics=self.policy.statistics,
        )
        self.losses.append(losses)
        self.ledger.flops += learning_flops(network, self.batches.size, len(rows))
        self.ledger.seconds += time.perf_counter() - started

    def rates(self, steps: NDArray[np.integer]) -> Array:
        """Learning rate of these steps."""
        return self.optimizer.learning_rate * self.schedule.factors(steps, self.n_steps)

    def edit(self, journal: Journal) -> Iterator[Rows]:
        """Report on the last proposal, ask for the next one, and apply it."""
        started = time.perf_counter()
        reward_loss = self._reward_loss()  # before the edit, whose own effect counts, too
        self._report(reward_loss)
        batch, train = self.batches.peek(), self.dataset.train
        view = NetworkView(self.network, train.X[batch], train.y[batch], self.n_steps)
        proposal = self.policy.propose(view, self.rng)
        self.ledger.flops += view.bill.flops
        self.ledger.candidate_gradients += view.bill.candidate_gradients
        step = self.network.topology.step
        try:
            rows, refusal = journal.apply(*proposal.edits).rows, ""
            self.ledger.n_edits += len(rows["id"])
        except InvalidEdit as error:
            rows, refusal = edit_rows(step, proposal.edits), str(error)
        self.trial = Trial(proposal, refusal, reward_loss)
        self.ledger.seconds += time.perf_counter() - started
        if len(rows["id"]):
            yield Rows("edits", rows | {"accepted": not refusal, "refusal": refusal})
        if proposal.arms:
            yield Rows("arms", {"step": step, **proposal.arms})

    def _report(self, reward_loss: float) -> None:
        trial = self.trial
        if trial is not None:
            reward = trial.reward_loss - reward_loss
            self.policy.observe(Outcome(trial.proposal, trial.refusal, reward))

    def _reward_loss(self) -> float:
        if not self.policy.wants_reward:
            return np.nan
        reward = self.dataset.reward
        self.ledger.flops += 2 * len(reward) * self.network.topology.n_connections
        return self.network.evaluate(reward.X, reward.y)[0]

    def evaluate(self) -> Rows:
        """A row of the table of convergence for each split."""
        network, topology = self.network, self.network.topology
        step = topology.step
        splits = self.dataset.splits
        losses, scores = [], []
        for split in splits.values():
            X, Y = split.X[:EVALUATED], split.y[:EVALUATED]
            if split is not self.dataset.train:
                X, Y = split.X, split.y
            loss, answers = network.evaluate(X, Y)
            losses.append(loss)
            scores.append(self.dataset.score(answers, Y))
        running = np.concatenate(self.losses).mean() if self.losses else np.nan
        self.losses.clear()
        return Rows(
            "convergence",
            {
                "step": step,
                "epoch": step * self.batches.size / len(self.dataset.train),
                "split": list(splits),
                "loss": losses,
                "score": scores,
                "n_neurons": topology.n_neurons,
                "n_active": network.computed.n_neurons,
                "n_connections": topology.n_connections,
                "density": topology.density,
                "train_flops": self.ledger.flops,
                "candidate_gradients": self.ledger.candidate_gradients,
                "learning_rate": self.rates(np.array([max(step - 1, 0)]))[0],
                "running_loss": [running, np.nan, np.nan],
                "seconds": self.ledger.seconds,
                **self._truth(),
            },
        )

    def selection(self) -> Iterator[Rows]:
        """What is believed of the neurons that are computed, where they are selected."""
        if isinstance(self.network, Selected) and self.network.selecting:
            arms = self.network.arms()
            yield Rows("arms", {"step": self.network.topology.step, **arms})

    def _truth(self) -> dict[str, float]:
        """How much of a known truth the wiring has found; nothing where it is not known."""
        truth, structure = self.dataset.truth, self.network.computed
        if truth is None:
            return {}
        first = structure.kinds[structure.sources] == Kind.INPUT
        inputs = np.searchsorted(structure.inputs, structure.sources[first])
        return recovered(truth, inputs, structure.neuron_ids[structure.targets[first]])


def train(
    network: Network,
    dataset: Dataset,
    policy: Policy,
    optimizer: Optimizer,
    schedule: Schedule,
    streams: Streams,
    *,
    n_steps: int,
    batch_size: int = 50,
    evaluate_every: int = 50,
) -> Iterator[Rows]:
    """Train a network on a dataset while a policy rewires it.

    Parameters
    ----------
    network : Network
        Changed in place.
    dataset : Dataset
        Learned from its training split; policies are rewarded on the reward split; the test
        split is only reported on.
    policy : Policy
    optimizer : Optimizer
    schedule : Schedule
        Of the learning rate.
    streams : Streams
        Those for batches and policy are used.
    n_steps : int
        Mini-batches to learn from, those counted that the network has learned from already.
    batch_size : int
    evaluate_every : int
        Steps from one row of the table of convergence to the next; there is one at the start
        and one at the end, too.

    Yields
    ------
    Rows
        Pieces of the tables ``convergence``, ``edits`` and ``arms``.

    Raises
    ------
    InvalidParameter
        If a count is below 1, the network has learned for `n_steps` already, or the policy
        would edit while neurons are being selected.
    Diverged
        If the loss is no longer a finite, bounded number.
    """
    check_count("n_steps", n_steps)
    check_count("evaluate_every", evaluate_every)
    done = network.topology.step
    if n_steps <= done:
        raise InvalidParameter(
            f"n_steps must be above the {done} steps that the network has learned for "
            f"already, got {n_steps}"
        )
    batches = Batches(len(dataset.train), batch_size, streams.batches)
    training = Training(
        network, dataset, policy, optimizer, schedule, batches, streams.policy, n_steps
    )
    journal = Journal(network.topology, remember=0)
    asked = {int(step) for step in policy.steps(n_steps) if step < n_steps}
    check_unedited(network, asked)
    looked = {*range(0, n_steps, evaluate_every), n_steps}
    yield Rows("edits", wiring_rows(network.topology) | {"accepted": True})
    yield training.evaluate()
    for step in sorted(step for step in asked | looked if step > done):
        training.learn_until(step)
        if step in looked:  # before the edit: what was learned, not what is about to change
            yield training.evaluate()
            yield from training.selection()
        if step in asked:
            yield from training.edit(journal)


def wiring_rows(topology: Topology) -> dict[str, Array]:
    """Rows of the table of edits that make this topology of its inputs and outputs."""
    structure = topology.structure
    hidden = structure.kinds == Kind.HIDDEN
    ids = structure.neuron_ids
    neurons = AddNeurons(
        int(hidden.sum()),
        structure.activations[hidden],
        structure.groups[hidden],
        ids=ids[hidden],
        reason="wiring",
    )
    connections = Connect(
        ids[structure.sources],
        ids[structure.targets],
        ids=structure.connection_ids,
        reason="wiring",
    )
    return edit_rows(topology.step, [neurons, connections])

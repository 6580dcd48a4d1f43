"""The training loop: learn in stretches, and between them look, edit, evaluate.

`train` yields pieces of tables as they come; who writes them where is none of its business.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plastic.costs import Ledger
from plastic.datasets import Dataset, Tasks
from plastic.engine import Network, Optimizer, Schedule
from plastic.errors import Diverged, InvalidEdit, InvalidParameter, check_count
from plastic.evaluation import evaluation, evaluation_steps, rewarded_arms, running
from plastic.metrics import Readings
from plastic.plasticity import Constant, Moment, Plasticity, draw_open
from plastic.policies import Branch, Outcome, Policy, Proposal, Trial, checked
from plastic.selection import Selected, check_unedited, learning_flops
from plastic.signals import NetworkView
from plastic.streams import Batches, Streams
from plastic.topology import Journal, Snapshot
from plastic.topology.journal import edit_rows, wiring_rows

__all__ = ["LOST", "Batches", "Rows", "Streams", "Training", "train"]

Array = NDArray[Any]

LOST = "lost its trial"
"""Refusal of edits that a trial was made of, and that were taken back after it."""

ALWAYS_OPEN = Constant()


class Keeps(Protocol):
    """What saves a training on its way: `plastic.checkpoint.Checkpoints`."""

    def stop(self, step: int, until: int) -> int:
        """The step up to which training may go on in one stretch."""

    def offer(self, training: Training) -> None:
        """Save the training if it is time to."""


class Restores(Protocol):
    """What brings a training to where another one was: `plastic.checkpoint.Checkpoint`."""

    def restore(self, training: Training) -> None:
        """Bring it there."""


class Rows(NamedTuple):
    """A piece of a table: scalars, and arrays of one length."""

    table: str
    columns: dict[str, Any]


@dataclass(frozen=True)
class Pending:
    """A proposal that has not been reported on yet."""

    proposal: Proposal
    refusal: str
    reward_loss: float
    reward: float = np.nan
    trial: Trial | None = None


@dataclass(frozen=True)
class Lived:
    """A branch of a trial that has been lived through, to go on from there."""

    branch: Branch
    rows: list[Rows]
    losses: Array
    scores: Array
    end: Snapshot
    remembered: dict[str, Array]
    error: Diverged | None


@dataclass
class Training:
    """A network in training; `train` says what the parts are.

    Attributes
    ----------
    losses, scores : float arrays, shape (n_steps,)
        Of each mini-batch so far, before the step on it; NaN elsewhere, and where a checkpoint
        needs them no more.  There are no scores of a regression.
    begun : int
        The step at which it began.
    due : int array
        Steps that end with an evaluation: every so many, the last of each task, and the end.
    asked : int
        The step at which the policy was asked last.
    """

    network: Network
    dataset: Dataset
    policy: Policy
    optimizer: Optimizer
    schedule: Schedule
    plasticity: Plasticity
    batches: Batches
    streams: Streams
    n_steps: int
    evaluate_every: int
    readings: Readings = field(default_factory=Readings)
    ledger: Ledger = field(default_factory=Ledger)
    pending: Pending | None = None
    losses: Array = field(init=False)
    scores: Array = field(init=False)
    asked: int = field(init=False)
    begun: int = field(init=False)
    due: NDArray[np.int64] = field(init=False)
    _tasks: Tasks = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.losses, self.scores = (np.full(self.n_steps, np.nan) for _ in range(2))
        self.begun = self.asked = self.step
        self._tasks = Tasks(self.dataset)
        self.due = evaluation_steps(self.dataset, self.evaluate_every, self.n_steps)

    @property
    def step(self) -> int:
        """Training steps done."""
        return self.network.topology.step

    def advance(self, until: int) -> Iterator[Rows]:
        """Train up to a step, and evaluate wherever it is due on the way."""
        for step in self.due[(self.due > self.step) & (self.due <= until)].tolist():
            self.learn_until(step)
            yield self.evaluate()
            yield from self.read_metrics()
            yield from self.selection()
        self.learn_until(until)

    def reach(self, until: int, checkpoints: Keeps | None) -> Iterator[Rows]:
        """As `advance`, and save the training wherever it is time to."""
        stop = -1
        while stop < until:
            stop = checkpoints.stop(self.step, until) if checkpoints else until
            yield from self.advance(stop)
            if checkpoints:
                checkpoints.offer(self)

    @property
    def known(self) -> Dataset:
        """The dataset as it was learned from last: what is evaluated, and seen by a policy."""
        return self._tasks.at(max(self.step - 1, 0))

    def learn_until(self, step: int) -> None:
        """Train up to this step, in one stretch for each task."""
        for stop in (*self.dataset.changes(step).tolist(), step):
            if stop > self.step:
                self.learn_stretch(stop)

    def learn_stretch(self, step: int) -> None:
        """Train up to this step, within one task."""
        network, at = self.network, self.step
        train, counts = self._tasks.at(at).train, self.dataset.task == "classification"
        with self.clock():
            rows = self.batches.take(step - at)
            hits = np.zeros(len(rows), np.int64) if counts else None
            self.losses[at:step] = network.learn(
                train.X,
                train.y,
                rows,
                self.optimizer,
                rates=self.rates(np.arange(at, step)),
                statistics=self.policy.statistics,
                hits=hits,
            )
            if hits is not None:
                self.scores[at:step] = hits / self.batches.size
            self.ledger.flops += learning_flops(network, self.batches.size, len(rows))

    def rates(self, steps: NDArray[np.integer]) -> Array:
        """Learning rate of these steps."""
        return self.optimizer.learning_rate * self.schedule.factors(steps, self.n_steps)

    def edit(self, journal: Journal, latest: int) -> Iterator[Rows]:
        """Report on the last proposal, ask for the next one, and apply it or try it.

        Parameters
        ----------
        journal : Journal
        latest : int
            The step by which a trial must be over.
        """
        step = self.step
        self.plasticity.observe(self.moment(), self.losses[self.asked : step].mean())
        self.asked = step
        with self.clock():
            reward_loss = self.look() if self.policy.wants_reward else np.nan
            self.report(reward_loss)  # before the edit, whose own effect counts, too
            proposal = self.ask()
            before = self.network.snapshot() if proposal.trial_steps else None
            try:
                rows, refusal = journal.apply(*proposal.edits).rows, ""
            except InvalidEdit as error:
                rows, refusal = edit_rows(step, proposal.edits), str(error)
        passed: list[Rows] = []
        trial, reward = None, np.nan
        if before is not None and not refusal:
            trial, reward, passed = self.try_out(
                before, min(step + proposal.trial_steps, latest)
            )
            refusal = "" if trial.kept else LOST
        self.pending = Pending(proposal, refusal, reward_loss, reward, trial)
        if len(rows["id"]):
            yield Rows("edits", rows | {"accepted": not refusal, "refusal": refusal})
        if proposal.arms:
            yield Rows(
                "arms", {"step": step, **rewarded_arms(proposal.arms, proposal.pulled, reward)}
            )
        yield from passed

    def ask(self) -> Proposal:
        """The policy's next proposal; what it looked at goes on the ledger."""
        batch, train = self.batches.peek(), self.known.train
        openness = self.plasticity.openness(self.moment())
        view = NetworkView(
            self.network,
            train.X[batch],
            train.y[batch],
            self.n_steps,
            draw_open(openness, self.streams.plasticity),
            (train.X, train.y),
        )
        proposal = checked(self.policy.propose(view, self.streams.policy), self.policy)
        self.ledger.flops += view.bill.flops
        self.ledger.candidate_gradients += view.bill.candidate_gradients
        return proposal

    def moment(self) -> Moment:
        """When it is, and how old everybody is."""
        topology = self.network.topology
        born = topology.birth_steps("neuron", topology.structure.neuron_ids)
        return Moment(self.step, self.n_steps, topology.structure.groups, self.step - born)

    def report(self, reward_loss: float) -> None:
        """Tell the policy what became of its last proposal."""
        last, self.pending = self.pending, None
        if last is not None:
            reward = last.reward if last.trial else last.reward_loss - reward_loss
            self.policy.observe(Outcome(last.proposal, last.refusal, reward, last.trial))

    def look(self) -> float:
        """Loss on the reward split; what the pass costs goes on the ledger."""
        reward = self.known.reward
        self.ledger.flops += 2 * len(reward) * self.network.topology.n_connections
        return self.network.evaluate(reward.X, reward.y)[0]

    def try_out(self, before: Snapshot, until: int) -> tuple[Trial, float, list[Rows]]:
        """Learn up to a step as edited, and again as before; go on with the better branch.

        Parameters
        ----------
        before : Snapshot
            Taken before the edits, which have been applied since.
        until : int

        Returns
        -------
        trial : Trial
        reward : float
            What the policy says of it.
        rows : list of Rows
            Evaluations that fell due on the way, in the branch that is kept.

        Raises
        ------
        Diverged
            If both branches do.
        """
        ahead, remembered = self.batches.take(until - self.step), self.readings.state()
        edited = self.live(ahead, until)
        self.network.restore(before)
        self.readings.restore(remembered)
        plain = self.live(ahead, until)
        if edited.error and plain.error:
            raise plain.error
        reward = float(self.policy.judge(edited.branch, plain.branch))
        kept = edited if reward > 0 else plain
        self.network.restore(kept.end)
        self.readings.restore(kept.remembered)
        self.losses, self.scores = kept.losses, kept.scores
        return Trial(edited.branch, plain.branch, kept is edited), reward, kept.rows

    def live(self, ahead: NDArray[np.int64], until: int) -> Lived:
        """Learn from these mini-batches up to a step, as one branch of a trial."""
        paid, rows, error = self.ledger.flops, [], None
        self.batches.put_back(ahead)
        try:
            rows = list(self.advance(until))
        except Diverged as raised:
            error = raised
        with self.clock():
            loss = self.look() if error is None else np.inf
            topology, flops = self.network.topology, self.ledger.flops - paid
            loss = loss if np.isfinite(loss) else np.inf
            branch = Branch(loss, topology.n_neurons, topology.n_connections, flops)
            end, remembered = self.network.snapshot(), self.readings.state()
            losses, scores = self.losses.copy(), self.scores.copy()
            return Lived(branch, rows, losses, scores, end, remembered, error)

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Put the time that passes inside on the ledger."""
        started = time.perf_counter()
        yield
        self.ledger.seconds += time.perf_counter() - started

    def evaluate(self) -> Rows:
        """A row of the table of convergence for each split."""
        step, ledger, since = self.step, self.ledger, slice(self.last_evaluated(), self.step)
        columns = {
            "step": step,
            "epoch": step * self.batches.size / len(self.dataset.train),
            "train_flops": ledger.flops,
            "candidate_gradients": ledger.candidate_gradients,
            "learning_rate": self.rates(np.array([max(step - 1, 0)]))[0],
            "running_loss": running(self.losses[since]),
            "running_score": running(self.scores[since]),
            "task": self.dataset.task_at(max(step - 1, 0)) if self.dataset.drift else -1,
            "seconds": ledger.seconds,
        }
        return Rows("convergence", columns | evaluation(self.network, self.known))

    def last_evaluated(self) -> int:
        """The step of the evaluation before one at this step, or else where training began."""
        before = self.due[: np.searchsorted(self.due, self.step)]
        return max(self.begun, int(before[-1]) if len(before) else 0)

    def read_metrics(self) -> Iterator[Rows]:
        """What metrics say of the network, where the run was asked for some."""
        if (columns := self.readings.take(self.network, self.known, self.n_steps))["value"]:
            yield Rows("metrics", columns)

    def selection(self) -> Iterator[Rows]:
        """What is believed of the neurons that are computed, where they are selected."""
        if isinstance(self.network, Selected) and self.network.selecting:
            arms = self.network.arms()
            yield Rows("arms", {"step": self.network.topology.step, **arms})


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
    plasticity: Plasticity = ALWAYS_OPEN,
    readings: Readings | None = None,
    checkpoints: Keeps | None = None,
    resume: Restores | None = None,
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
        Those for batches, policy and plasticity are used.
    n_steps : int
        Mini-batches to learn from, those counted that the network has learned from already.
    batch_size : int
    evaluate_every : int
        Steps from one row of the table of convergence to the next; there is one at the start
        and one at the end, too.
    plasticity : Plasticity
        Which neurons the policy may change at what time; by default all, always.
    readings : Readings, optional
        Metrics that are read at each evaluation; they change nothing.
    checkpoints : Checkpoints, optional
        Where and how often the training is saved.
    resume : Checkpoint, optional
        A training to go on from, of parts made as these were.

    Yields
    ------
    Rows
        Pieces of the tables ``convergence``, ``edits``, ``arms`` and ``metrics``.

    Raises
    ------
    InvalidParameter
        If a count is below 1, the network has learned for `n_steps` already, or the policy
        would edit while neurons are being selected.
    InvalidCheckpoint
        If `resume` is of a training of another kind; nothing is changed then.
    Diverged
        If the loss is no longer a finite, bounded number; raised while rows are drawn.
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
        network, dataset, policy, optimizer, schedule, plasticity, batches, streams, n_steps,
        evaluate_every, readings or Readings(),
    )  # fmt: skip
    if resume:
        resume.restore(training)
    asked = sorted({n for n in map(int, policy.steps(n_steps)) if training.asked < n < n_steps})
    check_unedited(network, asked)
    return _rows_of(training, asked, checkpoints, begins=resume is None)


def _rows_of(
    training: Training, asked: list[int], checkpoints: Keeps | None, *, begins: bool
) -> Iterator[Rows]:
    topology, n_steps = training.network.topology, training.n_steps
    if begins:
        yield Rows("edits", wiring_rows(topology) | {"accepted": True})
        yield training.evaluate()
        yield from training.read_metrics()
    journal = Journal(topology, remember=0)
    for step, following in pairwise([*asked, n_steps]):
        yield from training.reach(step, checkpoints)  # evaluates first: what was learned
        yield from training.edit(journal, following)
    yield from training.reach(n_steps, checkpoints)

"""Gradient growth: one update of a policy beside the training steps from one to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from experiments.bench.measure import Contender, Effort, Row, compare
from experiments.bench.problems import Problem
from plastic.engine import SGD, Network
from plastic.policies import Rewiring, rigl, thompson
from plastic.signals import NetworkView

EVERY = 100
"""Steps from one update to the next; the default of the policies is 40."""

MOMENTS = 8
"""Updates, evenly spread over a run, from which the cost of all its updates is taken."""

MOST_SECONDS = 5.0
"""For a pair of rows; growth is measured on four networks."""

POLICIES: dict[str, Callable[..., Rewiring]] = {
    "growth exact": rigl,
    "growth sampled": thompson,
}


class Growing:
    """A network that is trained, and rewired by a policy at the largest share it ever renews.

    Parameters
    ----------
    problem : Problem
    policy : Rewiring
    """

    def __init__(self, problem: Problem, policy: Rewiring) -> None:
        self._problem, self._policy = problem, policy
        self._rng = np.random.default_rng(4)
        self._optimizer = SGD(problem.rate, problem.momentum)
        self.network = Network(problem.build(), problem.loss)
        self.schedule = policy.schedule
        self.reset()

    def reset(self) -> None:
        """Take up weights that are fit to learn, on the connections that there are now.

        A few steps fill the statistics that the policy looks at.
        """
        self.network.topology.step = 0
        self.network.initialize(np.random.default_rng(1))
        self.train(10)

    def train(self, n_steps: int = EVERY) -> None:
        """Take steps on the whole batch."""
        rows = np.tile(np.arange(self._problem.batch), (n_steps, 1))
        self.network.learn(
            self._problem.X,
            self._problem.Y,
            rows,
            self._optimizer,
            statistics=self._policy.statistics,
        )

    def update(self, n_steps: int = 10**6) -> None:
        """Look at the next batch, propose edits and apply them, in a run of so many steps."""
        view = NetworkView(self.network, self._problem.X, self._problem.Y, n_steps)
        proposal = self._policy.propose(view, self._rng)
        self.network.apply(*proposal.edits)

    def course(self) -> None:
        """Updates as they come in the course of a run, which renews less and less."""
        step, until = self.network.topology.step, self.schedule.until
        for k in range(MOMENTS):
            self.update(round((step - 1) * MOMENTS / (until * (k + 0.5))))


def growth_rows(problem: Problem, density: float, effort: Effort) -> list[Row]:
    """One update beside `EVERY` training steps, and those of a run beside all of its steps.

    Parameters
    ----------
    problem : Problem
    density : float
        For the table.
    effort : Effort
    """
    effort = replace(effort, seconds=min(effort.seconds, MOST_SECONDS))
    rows = []
    for name, make in POLICIES.items():
        growing = Growing(problem, make(every=EVERY))
        steps = Contender(f"{EVERY} own training steps", growing.train, growing.reset)
        ours = Contender("plastic", growing.update, growing.reset)
        rows += compare(name, density, ours, [steps], effort)
        stretches = MOMENTS / growing.schedule.until  # some of which end without an update
        steps = Contender("own training steps", growing.train, growing.reset, per=1 / stretches)
        ours = Contender("plastic", growing.course, growing.reset)
        rows += compare(f"{name}, whole run", density, ours, [steps], effort)
    return rows

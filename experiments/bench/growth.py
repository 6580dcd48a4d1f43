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

    def propose(self) -> None:
        """Look at the next mini-batch and propose edits: a pass, candidates, the choice."""
        view = NetworkView(self.network, self._problem.X, self._problem.Y, 10**6)
        self._proposal = self._policy.propose(view, self._rng)

    def update(self) -> None:
        """Propose edits and apply them."""
        self.propose()
        self.network.apply(*self._proposal.edits)


def growth_rows(problem: Problem, density: float, effort: Effort) -> list[Row]:
    """One update, with and without its edit, beside `EVERY` training steps.

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
        for case, run in ((name, growing.update), (f"{name}, no edit", growing.propose)):
            ours = Contender("plastic", run, growing.reset)
            rows += compare(case, density, ours, [steps], effort)
    return rows

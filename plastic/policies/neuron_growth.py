"""Growth of neurons along a schedule: at random, by splitting, GradMax, cascade-correlation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.engine import Statistics
from plastic.errors import check_count
from plastic.policies.base import Policy, Proposal
from plastic.policies.births import Birth, GradMaxBirth, RandomBirth, SplitBirth
from plastic.policies.cascade import CascadeBirth
from plastic.policies.memory import State, take
from plastic.policies.neurons import Purse, birth_edits, hidden_groups, members
from plastic.policies.parts import UpdateSchedule
from plastic.signals import NetworkView


@final
@dataclass
class NeuronGrowth(Policy):
    """Adds neurons to every group, evenly over time, until there are as many as asked for.

    A newborn has the density that the run asked for: that share of the connections it could
    have, in and out, and one of each at least.  Groups that have enough are left alone.

    Parameters
    ----------
    birth : Birth
        How neurons come into the world.
    n_neurons : int
        Hidden neurons of each group in the end.
    every : int
        Steps from one growth to the next.
    until : float
        Fraction of training at which all are there, in (0, 1].
    """

    birth: Birth
    n_neurons: int = 16
    every: int = 40
    until: float = 0.6
    _density: float = field(default=1.0, init=False, repr=False)
    _first: dict[int, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_count("n_neurons", self.n_neurons)
        UpdateSchedule(self.every, self.until)  # checks both

    @property
    def statistics(self) -> Statistics:
        """What births need."""
        return self.birth.statistics

    def begin(self, density: float) -> float:
        """The density asked for, which newborns will have, too."""
        self._density, self._first = density, {}
        return density

    def most_neurons(self, sizes: NDArray[np.integer]) -> NDArray[np.integer]:
        """Those asked for, or those there were."""
        return np.maximum(sizes, self.n_neurons)

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Every so often, up to the step at which all are to be there."""
        return UpdateSchedule(self.every, self.until).steps(n_steps)

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """As many neurons as each group lacks by now."""
        steps = self.steps(view.n_steps)
        done = (np.searchsorted(steps, view.step, side="right")) / max(len(steps), 1)
        purse, born = Purse.of(view, self._density), []
        for group in hidden_groups(view):
            held = len(members(view.structure, group))
            first = self._first.setdefault(group, held)
            wanted = int(np.ceil(first + (self.n_neurons - first) * done - 1e-9))
            born.append(self.birth(view, group, max(wanted - held, 0), purse, rng))
        return Proposal(birth_edits(view, born, f"{self.birth.name} birth"))

    def state(self) -> State:
        """The density asked for, and how many neurons each group had at first."""
        groups = sorted(self._first)
        return {
            "density": np.array(self._density),
            "groups": np.array(groups, np.int64),
            "first_sizes": np.array([self._first[group] for group in groups], np.int64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` told."""
        density, groups, sizes = take(state, ["density", "groups", "first_sizes"])
        self._density = float(density)
        self._first = dict(zip(groups.tolist(), sizes.tolist(), strict=True))


def random_neurons(n_neurons: int = 16, every: int = 40, until: float = 0.6) -> NeuronGrowth:
    """Neurons with random weights in and zero weights out; see `NeuronGrowth`."""
    return NeuronGrowth(RandomBirth(), n_neurons, every, until)


def net2net(
    n_neurons: int = 16, every: int = 40, until: float = 0.6, noise: float = 0.05
) -> NeuronGrowth:
    """Copies of the neurons that matter most; see `plastic.policies.births.SplitBirth`."""
    return NeuronGrowth(SplitBirth(noise), n_neurons, every, until)


def gradmax(
    n_neurons: int = 16,
    every: int = 40,
    until: float = 0.6,
    zero: str = "outgoing",
    scale: float = 1.0,
) -> NeuronGrowth:
    """Neurons with the largest gradients; see `plastic.policies.births.GradMaxBirth`."""
    return NeuronGrowth(GradMaxBirth(zero, scale), n_neurons, every, until)


def cascade_correlation(
    n_neurons: int = 16,
    every: int = 40,
    until: float = 0.6,
    candidates: int = 8,
    training_steps: int = 30,
    rate: float = 0.1,
) -> NeuronGrowth:
    """Neurons that vary with the error; see `plastic.policies.cascade.CascadeBirth`."""
    birth = CascadeBirth(candidates, training_steps, rate)
    return NeuronGrowth(birth, n_neurons, every, until)

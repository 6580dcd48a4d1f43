"""Continual backprop: neurons of little use are replaced by new ones, a few at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import PruneNeurons
from plastic.engine import Statistics
from plastic.errors import check_count, check_range
from plastic.policies.base import Policy, Proposal
from plastic.policies.births import random_newborn
from plastic.policies.memory import State, take
from plastic.policies.neurons import (
    Array,
    Births,
    Newborn,
    Purse,
    Slots,
    Ways,
    birth_edits,
    hidden_groups,
    prunable,
    room_of,
    ways_of,
    weakest,
)
from plastic.policies.parts import UpdateSchedule
from plastic.signals import NetworkView


@final
@dataclass
class NeuronTurnover(Policy):
    r"""Replace the mature neurons of lowest utility by newborns with zero weights out.

    .. math::
        u_i = \overline{|y_i|} \, \frac{\sum_k |w_{ik}|}{\sum_j |w_{ji}|}

    The contribution is the mean activity times the outgoing weights; the adaptation is one over
    the incoming weights, since large ones learn slowly.  Each group saves up `rate` neurons for
    each mature neuron and step, and replaces one whenever it has saved a whole one.

    Parameters
    ----------
    rate : float
        Share of the mature neurons that is replaced in a step.
    maturity : int
        Steps that a neuron has before it can be replaced.
    every : int
        Steps from one look to the next.
    until : float
        Fraction of training after which nothing changes any more, in (0, 1].
    discount : float
        What is left of an old activity at each new observation, in [0, 1].

    Notes
    -----
    A new neuron has an id of its own, and is connected as the one that it replaces was, so the
    number of connections stays.  The outgoing weights in the utility are those of now, where
    the paper averages their product with the activity; the activity is not centred.

    References
    ----------
    Dohare et al. (2024), Loss of plasticity in deep continual learning, Nature 632,
    "Continual backpropagation"; contribution times adaptation as in Dohare et al. (2021),
    Continual Backprop, arXiv:2108.06325, equation 6.
    """

    rate: float = 1e-3
    maturity: int = 100
    every: int = 10
    until: float = 0.9
    discount: float = 0.9
    _density: float = field(default=1.0, init=False, repr=False)
    _saved: dict[int, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_range("rate", self.rate, 0, 1)
        check_count("maturity", self.maturity, low=0)
        UpdateSchedule(self.every, self.until)  # checks both
        check_range("discount", self.discount, 0, 1)

    @property
    def statistics(self) -> Statistics:
        """The activity of neurons."""
        return Statistics(moments=True, discount=self.discount)

    def begin(self, density: float) -> float:
        """The wiring asked for."""
        self._density, self._saved = density, {}
        return density

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Every so often."""
        return UpdateSchedule(self.every, self.until).steps(n_steps)

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Replace as many neurons of each group as it has saved up for."""
        worth, purse = utility(view), Purse.of(view, self._density)
        gone: list[int] = []
        births = []
        for group in rng.permutation(hidden_groups(view)).tolist():
            mature = len(prunable(view, group, self.maturity))
            self._saved[group] = self._saved.get(group, 0.0) + self.rate * mature * self.every
            due = int(self._saved[group])
            for slot in weakest(view, group, due, worth, self.maturity, rng).tolist():
                left = purse.copy()
                newborn = successor(view, slot, left, rng)
                if newborn is None:
                    continue
                ways = [*neighbours(view, slot), newborn.sources, newborn.targets]
                if np.isin(gone, np.concatenate(ways)).any():
                    continue  # what it is or would be connected to goes now: it waits its turn
                purse = left
                gone.append(slot)
                births.append(newborn)
                self._saved[group] -= 1
        if not gone:
            return Proposal()
        pruned = PruneNeurons(
            view.structure.neuron_ids[gone],
            keep_stranded=True,  # the newborns take their connections over
            reason="low utility",
            scores=worth[gone],
        )
        return Proposal([*birth_edits(view, [Births(births)], "turnover"), pruned])

    def state(self) -> State:
        """The density asked for, and what each group has saved."""
        groups = sorted(self._saved)
        return {
            "density": np.array(self._density),
            "groups": np.array(groups, np.int64),
            "saved": np.array([self._saved[group] for group in groups], np.float64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` told."""
        density, groups, saved = take(state, ["density", "groups", "saved"])
        self._density = float(density)
        self._saved = dict(zip(groups.tolist(), saved.tolist(), strict=True))


def utility(view: NetworkView) -> Array:
    """Contribution times adaptation of each neuron, shape (n_neurons,)."""
    structure, sizes = view.structure, np.abs(view.weights).astype(float)
    n = structure.n_neurons
    _, activity, _ = view.moments("activity")
    contribution = activity * np.bincount(structure.sources, sizes, n)
    worth: Array = contribution / (np.bincount(structure.targets, sizes, n) + 1e-12)
    return worth


def neighbours(view: NetworkView, slot: int) -> tuple[Slots, Slots]:
    """What feeds a neuron, and what it feeds."""
    structure, out = view.structure, view.structure.out
    sources = structure.sources[structure.indptr[slot] : structure.indptr[slot + 1]]
    return sources, out.targets[out.indptr[slot] : out.indptr[slot + 1]]


def successor(view: NetworkView, slot: int, purse: Purse, rng: Generator) -> Newborn | None:
    """A newborn that is connected as a neuron is; None if there is no room for one.

    A neuron without a way in or out is followed by one with ways of its own.
    """
    structure, (sources, targets) = view.structure, neighbours(view, slot)
    ways = ways_of(view, int(structure.groups[slot]), rng)
    ways = replace(ways, activation=int(structure.activations[slot]))
    if len(sources) and len(targets):
        weights = rng.standard_normal(len(sources)) * np.sqrt(ways.gain / len(sources))
        return Newborn(ways, sources, targets, weights, np.zeros(len(targets)))
    others = (side[side != slot] for side in (ways.sources, ways.targets))
    purse.give_back(room_of(view, ways.group), sources, targets)
    ways = purse.open(Ways(ways.group, ways.activation, *others))
    n_in, n_out = purse.afford(ways)
    if not n_in:
        return None
    newborn = random_newborn(ways, n_in, n_out, rng)
    purse.pay(ways, newborn.sources, newborn.targets)
    return newborn

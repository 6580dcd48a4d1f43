"""Masked trials: mask a connection on one mini-batch, and see what it was worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits import SAMPLINGS, draw
from plastic.engine import Statistics
from plastic.errors import check_count, check_in, check_range
from plastic.policies.growth import GradientGrowth
from plastic.policies.memory import Array, ById, State, take_first
from plastic.policies.parts import NOTHING, UpdateSchedule, lowest
from plastic.policies.rewiring import Rewiring
from plastic.signals import NetworkView

ARMS = ("connections", "neurons")


def masked_trials(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    sampling: str = "thompson",
    pulls: int = 64,
    rounds: int = 4,
    discount: float = 0.9,
    arms: str = "connections",
) -> Rewiring:
    """Prune what masking shows to be of little use; grow by gradient, as RigL.

    The authors prune a trained network once and for all.  Here what is pruned is grown
    elsewhere, so that the number of connections is that of every other policy.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    sampling : {"thompson", "mean", "uniform"}
        How the arms that are tried are chosen; what is pruned is always that of the lowest
        posterior mean.
    pulls : int
        Arms tried on a mini-batch, a forward pass each.
    rounds : int
        Mini-batches on which arms are tried before an update.
    discount : float
        What is left of old trials at each update.
    arms : {"connections", "neurons"}
        What is masked: a connection, or all that lead out of a neuron.

    References
    ----------
    Ameen and Vadera (2020), Pruning Neural Networks Using Multi-Armed Bandits, The Computer
    Journal 63 (7).

    See Also
    --------
    MaskedTrials : the prune score.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    trials = MaskedTrials(sampling, pulls, rounds, discount, arms)
    return Rewiring(trials, GradientGrowth(), schedule)


@dataclass(frozen=True)
class Arms:
    """What may be masked.

    Parameters
    ----------
    ids : int array, shape (n_arms,)
        Of connections or neurons.
    of : int array, shape (n_connections,)
        The arm that each connection belongs to.
    rivals : list of int arrays
        Arms that are compared with one another: those of a block, or of a group of neurons.
    size : float array, shape (n_arms,)
        Sum of the weights' magnitudes.
    """

    ids: NDArray[np.integer]
    of: NDArray[np.int64]
    rivals: list[NDArray[np.int64]]
    size: Array

    def members(self, arms: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Positions of the connections of each of some arms."""
        by_arm = np.argsort(self.of, kind="stable")
        bounds = np.searchsorted(self.of[by_arm], np.arange(len(self.ids) + 1))
        return [by_arm[bounds[arm] : bounds[arm + 1]] for arm in arms]


@dataclass
class MaskedTrials:
    r"""How much the loss rises without a connection: a bandit's posterior mean.

    A pull masks one arm on one mini-batch; its reward is the rise of the loss, in units of the
    root mean square of all rises seen.  An arm's prior is :math:`N(z, 1)`, where `z` is the
    rank that its weights' magnitude has among its rivals (the connections of its block, or the
    neurons of its group), spread evenly about 0 with variance 1, and the noise of a pull has
    variance 1, so that after `n` pulls with the sum `S` its posterior is

    .. math:: N\left(\frac{z + S}{1 + n}, \frac{1}{1 + n}\right)

    Those with the lowest draws are tried, as they are the ones that are about to be pruned.
    Where neurons are arms, a connection is worth what its source is.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
    pulls : int
        Of a round, in proportion to the number of rivals.
    rounds : int
        One at each of the last so many steps up to an update; the last is at the update.
    discount : float
        What is left of `n` and `S` at each update, in [0, 1].
    arms : {"connections", "neurons"}
        What is masked: a connection, or all that lead out of a neuron.
    """

    sampling: str = "thompson"
    pulls: int = 64
    rounds: int = 4
    discount: float = 0.9
    arms: str = "connections"
    name: ClassVar[str] = "loss when masked"
    statistics: ClassVar[Statistics] = NOTHING
    _trials: ById = field(
        default_factory=lambda: ById(["count", "sum"]), init=False, repr=False
    )
    _scale: Array = field(default_factory=lambda: np.zeros(2), init=False, repr=False)

    def __post_init__(self) -> None:
        check_in("sampling", self.sampling, SAMPLINGS)
        check_count("pulls", self.pulls)
        check_count("rounds", self.rounds)
        check_range("discount", self.discount, 0, 1)
        check_in("arms", self.arms, ARMS)

    def looks(self, updates: NDArray[np.integer]) -> NDArray[np.integer]:
        """The last steps up to each update."""
        steps = np.unique(updates[:, None] - np.arange(self.rounds))
        return steps[steps > 0]

    def look(self, view: NetworkView, rng: Generator) -> None:
        """Try the arms with the lowest draws on the next mini-batch."""
        arms = self.arms_of(view)
        drawn = draw(self.sampling, *self._posterior(arms), rng)
        share = min(self.pulls / max(len(drawn), 1), 1.0)
        tried = np.concatenate(
            [at[lowest(drawn[at], int(np.ceil(share * len(at))), rng)] for at in arms.rivals]
        )
        losses = view.masked_losses([tried[:0], *arms.members(tried)])
        rises = losses[1:] - losses[0]
        self._scale += len(rises), np.sum(rises**2)
        unit = np.sqrt(self._scale[1] / max(self._scale[0], 1.0))
        self._trials["count"][tried] += 1
        self._trials["sum"][tried] += rises / max(unit, 1e-12)

    def posterior(self, view: NetworkView) -> tuple[Array, Array]:
        """Mean and standard deviation of each connection's arm, by position."""
        arms = self.arms_of(view)
        mean, std = self._posterior(arms)
        return mean[arms.of], std[arms.of]

    def arms_of(self, view: NetworkView) -> Arms:
        """The arms that there are."""
        structure, size = view.structure, np.abs(view.weights).astype(np.float64)
        if self.arms == "connections":
            every = np.arange(structure.n_connections)
            rivals = [block.positions for block in view.blocks]
            return Arms(structure.connection_ids, every, rivals, size)
        leading, of = np.unique(structure.sources, return_inverse=True)
        groups = structure.groups[leading]
        rivals = [np.flatnonzero(groups == group) for group in np.unique(groups)]
        return Arms(structure.neuron_ids[leading], of, rivals, np.bincount(of, size))

    def _posterior(self, arms: Arms) -> tuple[Array, Array]:
        self._trials.align(arms.ids)
        prior = np.zeros(len(arms.ids))
        for rivals in arms.rivals:
            prior[rivals] = rank_scores(arms.size[rivals])
        precision = 1 + self._trials["count"]
        return (prior + self._trials["sum"]) / precision, 1 / np.sqrt(precision)

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,)."""
        mean, _ = self.posterior(view)
        for name in ("count", "sum"):  # what was tried long ago has changed since
            self._trials[name] = self.discount * self._trials[name]
        return mean

    def state(self) -> State:
        """The trials of every arm, and the scale of all."""
        return self._trials.state() | {"scale": self._scale.copy()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Trials and scale as they were."""
        (self._scale,), trials = take_first(state, ["scale"])
        self._trials.restore(trials)


def rank_scores(values: Array) -> Array:
    """Ranks of values, spread evenly about 0 with variance 1.

    Examples
    --------
    >>> rank_scores(np.array([7.0, 3.0, 5.0])).round(2)
    array([ 1.22, -1.22,  0.  ])
    """
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    centred = ranks - (len(values) - 1) / 2
    return centred / max(float(np.sqrt(np.mean(centred**2))), 1e-12) if len(values) else centred

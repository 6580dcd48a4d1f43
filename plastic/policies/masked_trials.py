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
from plastic.policies.memory import Array, ByConnection, State, take_first
from plastic.policies.parts import NOTHING, UpdateSchedule, lowest
from plastic.policies.rewiring import Rewiring
from plastic.signals import NetworkView


def masked_trials(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    sampling: str = "thompson",
    pulls: int = 64,
    rounds: int = 4,
    discount: float = 0.9,
) -> Rewiring:
    """Prune what masking shows to be of little use; grow by gradient, as RigL.

    The authors prune a trained network once and for all.  Here what is pruned is grown
    elsewhere, so that the number of connections is that of every other policy.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    sampling : {"thompson", "mean", "uniform"}
        How the connections that are tried are chosen; what is pruned is always that of the
        lowest posterior mean.
    pulls : int
        Connections tried on a mini-batch, a forward pass each.
    rounds : int
        Mini-batches on which connections are tried before an update.
    discount : float
        What is left of old trials at each update.

    References
    ----------
    Ameen and Vadera (2020), Pruning Neural Networks Using Multi-Armed Bandits, The Computer
    Journal 63 (7).

    See Also
    --------
    MaskedTrials : the prune score.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    return Rewiring(MaskedTrials(sampling, pulls, rounds, discount), GradientGrowth(), schedule)


@dataclass
class MaskedTrials:
    r"""How much the loss rises without a connection: a bandit's posterior mean.

    A pull masks one connection on one mini-batch; its reward is the rise of the loss, in units
    of the root mean square of all rises seen.  An arm's prior is :math:`N(z, 1)`, where `z` is
    the rank that its weight's magnitude has in its block, spread evenly about 0 with variance
    1, and the noise of a pull has variance 1, so that after `n` pulls with the sum `S` its
    posterior is

    .. math:: N\left(\frac{z + S}{1 + n}, \frac{1}{1 + n}\right)

    Those with the lowest draws are tried, as they are the ones that are about to be pruned.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
    pulls : int
        Of a round, over all blocks in proportion to their connections.
    rounds : int
        One at each of the last so many steps up to an update; the last is at the update.
    discount : float
        What is left of `n` and `S` at each update, in [0, 1].
    """

    sampling: str = "thompson"
    pulls: int = 64
    rounds: int = 4
    discount: float = 0.9
    name: ClassVar[str] = "loss when masked"
    statistics: ClassVar[Statistics] = NOTHING
    _trials: ByConnection = field(
        default_factory=lambda: ByConnection(["count", "sum"]), init=False, repr=False
    )
    _scale: Array = field(default_factory=lambda: np.zeros(2), init=False, repr=False)

    def __post_init__(self) -> None:
        check_in("sampling", self.sampling, SAMPLINGS)
        check_count("pulls", self.pulls)
        check_count("rounds", self.rounds)
        check_range("discount", self.discount, 0, 1)

    def looks(self, updates: NDArray[np.integer]) -> NDArray[np.integer]:
        """The last steps up to each update."""
        steps = np.unique(updates[:, None] - np.arange(self.rounds))
        return steps[steps > 0]

    def look(self, view: NetworkView, rng: Generator) -> None:
        """Try the connections with the lowest draws on the next mini-batch."""
        drawn = draw(self.sampling, *self.posterior(view), rng)
        share = min(self.pulls / max(len(drawn), 1), 1.0)
        tried = np.concatenate(
            [
                at[lowest(drawn[at], int(np.ceil(share * len(at))), rng)]
                for at in (block.positions for block in view.blocks)
            ]
        )
        losses = view.masked_losses([tried[:0], *tried[:, None]])
        rises = losses[1:] - losses[0]
        self._scale += len(rises), np.sum(rises**2)
        unit = np.sqrt(self._scale[1] / max(self._scale[0], 1.0))
        self._trials["count"][tried] += 1
        self._trials["sum"][tried] += rises / max(unit, 1e-12)

    def posterior(self, view: NetworkView) -> tuple[Array, Array]:
        """Mean and standard deviation of each connection's arm, by position."""
        self._trials.align(view.structure.connection_ids)
        prior = np.empty(len(view.weights))
        for block in view.blocks:
            prior[block.positions] = rank_scores(np.abs(view.weights[block.positions]))
        precision = 1 + self._trials["count"]
        return (prior + self._trials["sum"]) / precision, 1 / np.sqrt(precision)

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,)."""
        mean, _ = self.posterior(view)
        for name in ("count", "sum"):  # what was tried long ago has changed since
            self._trials[name] = self.discount * self._trials[name]
        return mean

    def state(self) -> State:
        """The trials of every connection, and the scale of all."""
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

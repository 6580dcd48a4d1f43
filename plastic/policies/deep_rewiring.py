"""Deep Rewiring: a connection dies when its weight crosses zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from plastic.engine import Statistics
from plastic.errors import check_range
from plastic.policies.allocation import Allotment
from plastic.policies.growth import RandomGrowth
from plastic.policies.memory import Array, ById, State, take_first
from plastic.policies.parts import NOTHING, UpdateSchedule
from plastic.policies.rewiring import Rewiring
from plastic.signals import NetworkView


def deep_rewiring(
    every: int = 10, until: float = 0.75, drift: float = 1e-3, noise: float = 1e-3
) -> Rewiring:
    r"""Prune the connections whose weight has crossed zero, grow as many any others.

    Each connection has a sign `s` for life.  With the parameter :math:`\theta = s w`, the
    authors take a step

    .. math:: \theta \leftarrow \theta - \eta \frac{\partial E}{\partial \theta}
              - \eta \alpha + \sqrt{2 \eta T} \, \nu, \qquad \nu \sim N(0, 1)

    and a connection with :math:`\theta < 0` dies.  A policy acts between steps only and has no
    hand on the weights of the living, so the gradient term is what the optimizer did, and
    drift and noise of the steps since the last update are added up and decide who dies; those
    who live keep their weights without them.  (What pulls their weights in is the optimizer's
    weight decay.)  Crossings that are undone again before the next update go unseen.

    Parameters
    ----------
    every, until
        As for `plastic.policies.parts.UpdateSchedule`; how many are renewed is no choice.
    drift : float
        :math:`\eta \alpha`, in weight per step, at least 0.
    noise : float
        :math:`\sqrt{2 \eta T}`, in weight per square root of a step, at least 0.

    References
    ----------
    Bellec et al. (2018), Deep Rewiring: Training very sparse deep networks, arXiv:1711.05136,
    algorithm 1.
    """
    schedule = UpdateSchedule(every, until, fraction=1.0, anneal=False)
    return Rewiring(SignedWeight(drift, noise), RandomGrowth(), schedule, BelowZero())


@dataclass
class SignedWeight:
    """The weight times the connection's sign, after drift and noise; see `deep_rewiring`.

    A connection that the network began with has the sign that its weight has when it is first
    seen; one that was grown has either sign, with equal chances, as it began at zero.

    Parameters
    ----------
    drift, noise : float
        At least 0.
    """

    drift: float = 1e-3
    noise: float = 1e-3
    name: ClassVar[str] = "signed weight"
    statistics: ClassVar[Statistics] = NOTHING
    _sign: ById = field(default_factory=lambda: ById(["sign"]), init=False, repr=False)
    _step: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_range("drift", self.drift, 0)
        check_range("noise", self.noise, 0)

    def __call__(self, view: NetworkView, rng: Generator) -> Array:
        """Scores by position, shape (n_connections,); below zero for those that die."""
        weights = view.weights.astype(np.float64)
        is_first = not len(self._sign.ids)
        is_new = self._sign.align(view.structure.connection_ids)
        chance = rng.choice([-1.0, 1.0], len(weights))
        born_with = np.where(weights < 0, -1.0, 1.0) if is_first else chance
        sign = self._sign["sign"] = np.where(is_new, born_with, self._sign["sign"])
        elapsed, self._step = max(view.step - self._step, 0), view.step
        walk = self.noise * np.sqrt(elapsed) * rng.standard_normal(len(weights))
        return sign * weights - self.drift * elapsed + walk

    def state(self) -> State:
        """The signs, and the step of the last update."""
        return self._sign.state() | {"step": np.array(self._step)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Signs and step as they were."""
        (step,), signs = take_first(state, ["step"])
        self._sign.restore(signs)
        self._step = int(step)


@dataclass(frozen=True)
class BelowZero:
    """Every block renews the connections whose score is below zero, whatever the share."""

    def __call__(
        self, view: NetworkView, scores: Array, share: float, rng: Generator
    ) -> list[Allotment]:
        """As many grown as there are below zero in each block, where there is room."""
        counts = [
            min(int(np.sum(scores[block.positions] < 0)), view.count_missing(block))
            for block in view.blocks
        ]
        return [Allotment(count, count) for count in counts]

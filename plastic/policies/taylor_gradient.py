"""Saliency and gradient without a bandit: the control of all that samples."""

from __future__ import annotations

from plastic.engine import Statistics
from plastic.policies.growth import GradientGrowth
from plastic.policies.parts import Saliency, UpdateSchedule
from plastic.policies.rewiring import Rewiring


def taylor_gradient(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    observe_every: int = 5,
    saliency_rate: float = 0.1,
) -> Rewiring:
    """Prune by saliency, grow where the gradient is largest: RigL with another prune score.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    observe_every : int
        Steps from one observation of the saliency to the next.
    saliency_rate : float
        Weight of a new observation in its moving average.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    observed = Statistics(saliency=True, every=observe_every, rate=saliency_rate)
    return Rewiring(Saliency(observed), GradientGrowth(), schedule)

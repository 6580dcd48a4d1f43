"""RigL: SET with growth by gradient."""

from __future__ import annotations

from plastic.policies.growth import GradientGrowth
from plastic.policies.parts import Magnitude, UpdateSchedule
from plastic.policies.rewiring import Rewiring


def rigl(
    every: int = 40, until: float = 0.75, fraction: float = 0.3, anneal: bool = True
) -> Rewiring:
    """Prune the smallest weights, grow where the gradient is largest.

    It computes the gradient of every missing connection at each update.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.

    References
    ----------
    Evci et al. (2020), Rigging the Lottery: Making All Tickets Winners, arXiv:1911.11134,
    algorithm 1.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    return Rewiring(Magnitude(), GradientGrowth(), schedule)

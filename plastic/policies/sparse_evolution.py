"""SET: sparse evolutionary training."""

from __future__ import annotations

from plastic.policies.growth import RandomGrowth
from plastic.policies.parts import Magnitude, UpdateSchedule
from plastic.policies.rewiring import Rewiring


def sparse_evolution(
    every: int = 40, until: float = 0.75, fraction: float = 0.3, anneal: bool = True
) -> Rewiring:
    """Prune the smallest weights, grow any others.

    The annealed share is that of RigL's schedule, so that the two differ in growth alone; the
    authors renew a constant share (``anneal=False``) once an epoch.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.

    References
    ----------
    Mocanu et al. (2018), Scalable training of artificial neural networks with adaptive sparse
    connectivity inspired by network science, arXiv:1707.04780, algorithm 1.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    return Rewiring(Magnitude(), RandomGrowth(), schedule)

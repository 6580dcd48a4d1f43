"""Random rewiring: the control that tells whether scores matter at all."""

from __future__ import annotations

from plastic.policies.growth import RandomGrowth
from plastic.policies.parts import AnyOne, UpdateSchedule
from plastic.policies.rewiring import Rewiring


def random_rewiring(
    every: int = 40, until: float = 0.75, fraction: float = 0.3, anneal: bool = True
) -> Rewiring:
    """Prune any connections, grow any others.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    return Rewiring(AnyOne(), RandomGrowth(), schedule)

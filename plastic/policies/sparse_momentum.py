"""Sparse momentum: momentum says where connections are worth having."""

from __future__ import annotations

from plastic.policies.allocation import ByMomentum
from plastic.policies.averaging import AveragedGrowth
from plastic.policies.parts import Magnitude, UpdateSchedule
from plastic.policies.rewiring import Rewiring


def sparse_momentum(
    every: int = 40,
    until: float = 0.75,
    fraction: float = 0.3,
    anneal: bool = True,
    n_batches: int = 8,
) -> Rewiring:
    """Prune the smallest weights; grow by averaged gradients, most where momentum is largest.

    The authors keep a dense momentum for the connections that are not there.  Here nothing is
    computed for those while training, so their momentum is an average of their gradients over
    the last mini-batches, taken through the view and billed.  Momentum of the connections that
    are there, which says how many each block is to grow, is the optimizer's own.

    Parameters
    ----------
    every, until, fraction, anneal
        As for `plastic.policies.parts.UpdateSchedule`.
    n_batches : int
        Mini-batches that gradients are averaged over.

    References
    ----------
    Dettmers and Zettlemoyer (2019), Sparse Networks from Scratch: Faster Training without
    Losing Performance, arXiv:1907.04840, algorithm 1.
    """
    schedule = UpdateSchedule(every, until, fraction, anneal)
    return Rewiring(Magnitude(), AveragedGrowth(n_batches), schedule, ByMomentum())

"""Learning-rate schedules: a factor for every training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_range

Array = NDArray[np.floating]


class Schedule(Protocol):
    """What a schedule must offer."""

    def factors(self, steps: NDArray[np.integer], n_steps: int) -> Array:
        """Factor on the learning rate at each of `steps` (n,) out of `n_steps`."""


@dataclass(frozen=True)
class Constant:
    """The same rate all along."""

    def factors(self, steps: NDArray[np.integer], n_steps: int) -> Array:
        """Ones, shape (n,)."""
        return np.ones(len(steps)) * min(n_steps, 1)


@dataclass(frozen=True)
class Cosine:
    r"""From 1 down to a floor along half a cosine.

    .. math:: f(t) = f_0 + (1 - f_0) \tfrac12 (1 + \cos(\pi t / T))

    Parameters
    ----------
    floor : float
        :math:`f_0`, in [0, 1].

    References
    ----------
    Loshchilov and Hutter (2017), SGDR, arXiv:1608.03983, equation 5, one cycle.

    Examples
    --------
    >>> Cosine(floor=0.0).factors(np.array([0, 50, 100]), 100).round(3)
    array([1. , 0.5, 0. ])
    """

    floor: float = 0.01

    def __post_init__(self) -> None:
        check_range("floor", self.floor, 0, 1)

    def factors(self, steps: NDArray[np.integer], n_steps: int) -> Array:
        """Factors in [floor, 1], shape (n,)."""
        return self.floor + (1 - self.floor) * 0.5 * (1 + np.cos(np.pi * steps / n_steps))


@dataclass(frozen=True)
class Step:
    """Multiplied by a factor at each milestone.

    Parameters
    ----------
    milestones : sequence of float
        Fractions of training, in (0, 1), ascending.
    factor : float
        In (0, 1].

    Examples
    --------
    >>> Step(milestones=(0.5,), factor=0.1).factors(np.array([0, 49, 50]), 100)
    array([1. , 1. , 0.1])
    """

    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_range("factor", self.factor, 0, 1, open_low=True)
        marks = list(self.milestones)
        for mark in marks:
            check_range("milestones", mark, 0, 1, open_low=True, open_high=True)
        if marks != sorted(marks):
            raise InvalidParameter(f"milestones must ascend, got {marks}")

    def factors(self, steps: NDArray[np.integer], n_steps: int) -> Array:
        """Powers of the factor, shape (n,)."""
        passed = np.asarray(steps)[:, None] >= np.array(self.milestones) * n_steps
        return self.factor ** passed.sum(axis=1)

"""What is known of how relevant each hidden neuron is, and how sure that is.

Relevance falls by orders of magnitude while a network learns, and its noise is relative, so
beliefs are kept of its logarithm, centred on the median of the neurons looked at together:
a discounted Gaussian posterior for each neuron.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_range

Array = NDArray[Any]

FLOOR = 1e-8
"""Added to a relevance before its logarithm is taken: that of a silent neuron is 0."""

PRIOR_SPREAD = 0.5
"""Sum of squares that each neuron starts with, as if one observation had been that far off."""


@dataclass
class Beliefs:
    r"""A discounted Gaussian posterior of each hidden neuron's centred log relevance.

    A neuron that is looked at has its memory discounted by :math:`\gamma` and the new value
    added; one that is not computed keeps what is known of it.

    .. math:: n \leftarrow \gamma n + 1, \quad m \leftarrow m + (x - m) / n, \quad
              v \leftarrow \gamma v + (x - m_{old}) (x - m_{new})

    The posterior of the mean is :math:`N(m, (v + 0.5) / ((n + 1) n))`.

    Parameters
    ----------
    count, mean, spread : float arrays, shape (n_hidden,)
        :math:`n`, :math:`m` and :math:`v`.
    pulls : int array, shape (n_hidden,)
        How often each neuron was looked at, undiscounted.
    discount : float
        :math:`\gamma`, in (0, 1].

    Examples
    --------
    >>> beliefs = Beliefs.none(3)
    >>> for _ in range(4):
    ...     beliefs.observe(np.array([0, 2]), np.array([0.1, 0.4]))
    >>> beliefs.mean.round(2), beliefs.pulls
    (array([-0.69,  0.  ,  0.69]), array([4, 0, 4]))
    """

    count: Array
    mean: Array
    spread: Array
    pulls: NDArray[np.int64]
    discount: float = 0.99

    @classmethod
    def none(cls, n_hidden: int, discount: float = 0.99) -> Beliefs:
        """Nothing known of so many neurons."""
        check_range("discount", discount, 0, 1, open_low=True)
        count, mean, spread = np.zeros((3, n_hidden))
        return cls(count, mean, spread, np.zeros(n_hidden, np.int64), discount)

    def observe(self, neurons: NDArray[np.integer], relevance: Array) -> None:
        """Take note of the relevance of some neurons of one group, looked at together.

        Parameters
        ----------
        neurons : int array, shape (n,)
            Which of the hidden neurons.
        relevance : float array, shape (n,)
        """
        value = np.log(relevance + FLOOR)
        value -= np.median(value)
        count = self.discount * self.count[neurons] + 1
        change = value - self.mean[neurons]
        mean = self.mean[neurons] + change / count
        spread = self.discount * self.spread[neurons] + change * (value - mean)
        self.count[neurons], self.mean[neurons], self.spread[neurons] = count, mean, spread
        self.pulls[neurons] += 1

    def std(self) -> Array:
        """Standard deviation of each posterior; infinite where nothing is known."""
        with np.errstate(divide="ignore"):
            return np.sqrt((self.spread + PRIOR_SPREAD) / ((self.count + 1) * self.count))

    def state(self) -> dict[str, Array]:
        """Copies of the arrays, by name."""
        return {name: getattr(self, name).copy() for name in ARRAYS}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over the arrays of a `state`.

        Raises
        ------
        InvalidParameter
            If one is missing, or is of another number of neurons; nothing is changed then.
        """
        held = {name: taken(state, name, self.pulls.shape) for name in ARRAYS}
        for name, values in held.items():
            getattr(self, name)[:] = values


ARRAYS = ("count", "mean", "spread", "pulls")


def taken(state: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    """An array of a saved state.

    Raises
    ------
    InvalidParameter
        If it is missing or of another shape.
    """
    if name not in state or np.shape(state[name]) != shape:
        there = np.shape(state[name]) if name in state else "none"
        raise InvalidParameter(f"{name} must be of shape {shape}, got {there}")
    return state[name]

r"""What is known of how relevant each hidden neuron is, and how sure that is.

The Taylor relevance of a neuron on a mini-batch is what the loss would change by, to first
order, if the neuron were silenced:

.. math:: r_i = \left| \frac{1}{B} \sum_b y_{bi} \frac{\partial L_b}{\partial y_{bi}} \right|
              = \Big| \sum_{j} w_{ij} \frac{\partial L}{\partial w_{ij}} \Big|

(Molchanov et al., 2019, arXiv:1906.10771, section 3).  The second form, a sum over the
connections that leave the neuron, holds for any activation and needs nothing but the
gradients that a training step computes anyway.

Relevance falls by orders of magnitude while a network learns, and its noise is relative, so
beliefs are kept of its logarithm, centred on the median of the neurons looked at together:
a discounted Gaussian posterior for each neuron.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_range
from plastic.topology import Structure

Array = NDArray[Any]

FLOOR = 1e-8
"""Added to a relevance before its logarithm is taken: that of a silent neuron is 0."""

PRIOR_SPREAD = 0.5
"""Sum of squares that each neuron starts with, as if one observation had been that far off."""


def taylor_relevance(structure: Structure, weights: Array, gradients: Array) -> Array:
    """First-order effect on the loss of silencing each neuron, shape (n_neurons,).

    Parameters
    ----------
    structure : Structure
    weights, gradients : float arrays, shape (n_connections,)
        Of one mini-batch, gradients averaged over it.

    Returns
    -------
    float array, shape (n_neurons,)
        In units of the loss; 0 for neurons that lead nowhere.

    Examples
    --------
    >>> from plastic.engine import Network
    >>> from plastic.topology.wiring import dense
    >>> rng = np.random.default_rng(0)
    >>> network = Network(dense(2, 1, 1.0, rng, hidden=[1], output_activation="identity"), "mse")
    >>> network.weights[:] = [3, 0.5, 0.5]  # 3 is that of hidden -> output
    >>> X, Y = np.ones((1, 2)), np.zeros((1, 1))
    >>> gradients = network.gradients(X, Y)
    >>> taylor_relevance(network.topology.structure, network.weights, gradients.weights)
    array([4.5, 4.5, 0. , 9. ])
    """
    effect = weights * gradients
    return np.abs(np.bincount(structure.sources, effect, structure.n_neurons))


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
        zeros = (np.zeros(n_hidden) for _ in range(3))
        return cls(*zeros, np.zeros(n_hidden, np.int64), discount)

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
        """Standard deviation of each posterior, shape (n_hidden,); infinite where nothing is known."""
        with np.errstate(divide="ignore"):
            return np.sqrt((self.spread + PRIOR_SPREAD) / ((self.count + 1) * self.count))

    def state(self) -> dict[str, Array]:
        """Copies of the arrays, by name."""
        return {name: getattr(self, name).copy() for name in _ARRAYS}

    def restore(self, state: dict[str, Array]) -> None:
        """Take over the arrays of a `state`.

        Raises
        ------
        InvalidParameter
            If one is missing, or is of another number of neurons; nothing is changed then.
        """
        for name in _ARRAYS:
            shape = np.shape(state.get(name))
            if name not in state or shape != self.pulls.shape:
                raise InvalidParameter(
                    f"{name} must be of shape {self.pulls.shape}, got {shape or 'none'}"
                )
        for name in _ARRAYS:
            getattr(self, name)[:] = state[name]


_ARRAYS = tuple(item.name for item in fields(Beliefs) if item.name != "discount")

r"""How relevant each neuron was to the loss of one mini-batch.

Both measures are first-order estimates of what the loss would change by if something were
taken away (Molchanov et al., 2019, arXiv:1906.10771, section 3), and both need nothing but the
gradients that a training step computes anyway.

``taylor``
    The neuron is taken away.  For any activation

    .. math:: r_i = \Big| \frac{1}{B} \sum_b y_{bi} \frac{\partial L_b}{\partial y_{bi}} \Big|
                  = \Big| \sum_{j} w_{ij} \frac{\partial L}{\partial w_{ij}} \Big|,

    summed over the connections that leave it.
``saliency``
    The connections into the neuron are taken away, one at a time, and what each would cost is
    added up:

    .. math:: r_i = \sum_{j} \Big| w_{ji} \frac{\partial L}{\partial w_{ji}} \Big|

    In the sum of ``taylor`` harm and use cancel, and near an optimum they cancel altogether;
    here they do not.  In a sparse network it favours neurons of many connections.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.topology import Structure

Array = NDArray[Any]


def taylor(structure: Structure, weights: Array, gradients: Array) -> Array:
    """First-order effect on the loss of silencing each neuron.

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
    >>> from plastic.topology.wiring import dense
    >>> topology = dense(1, 1, 1.0, np.random.default_rng(0), hidden=[1])
    >>> weights, gradients = np.array([3.0, 0.5]), np.array([-0.5, 2.0])
    >>> taylor(topology.structure, weights, gradients)  # input, output, hidden
    array([1. , 0. , 1.5])
    """
    effect = weights * gradients
    return np.abs(np.bincount(structure.sources, effect, structure.n_neurons))


def saliency(structure: Structure, weights: Array, gradients: Array) -> Array:
    """First-order effects on the loss of the connections into each neuron, added up.

    Parameters and result are those of `taylor`; 0 for neurons that nothing leads to.

    Examples
    --------
    >>> from plastic.topology.wiring import dense
    >>> topology = dense(2, 1, 1.0, np.random.default_rng(0), hidden=[1])
    >>> weights, gradients = np.array([3.0, 0.5, 1.0]), np.array([-0.5, 2.0, -1.0])
    >>> saliency(topology.structure, weights, gradients)  # inputs, output, hidden
    array([0. , 0. , 1.5, 2. ])
    """
    effect = np.abs(weights * gradients)
    return np.bincount(structure.targets, effect, structure.n_neurons)


MEASURES = {"saliency": saliency, "taylor": taylor}
"""The measures by name."""

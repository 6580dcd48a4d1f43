"""Sampling from a posterior, and its two honest controls, switched by one value.

Whether sampling is what helps is a question that a comparison must answer, so whatever
samples in plastic does it through `draw`:

=========  ==============================================================================
sampling   value of each arm
=========  ==============================================================================
thompson   drawn from its posterior (Thompson, 1933)
mean       its posterior mean: the same statistics, no sampling
uniform    the same for every arm: no statistics either
=========  ==============================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.errors import check_in

SAMPLINGS = ("thompson", "mean", "uniform")

Array = NDArray[np.floating]


def draw(sampling: str, mean: Array, std: Array, rng: Generator) -> Array:
    """Value of each arm in this round.

    Parameters
    ----------
    sampling : {"thompson", "mean", "uniform"}
    mean, std : float arrays, shape (n_arms,)
        Of a Gaussian posterior.
    rng : Generator

    Returns
    -------
    float array, shape (n_arms,)

    Raises
    ------
    InvalidParameter
        If there is no such sampling.

    Examples
    --------
    >>> mean, std = np.array([1.0, 2.0]), np.array([0.1, 0.1])
    >>> draw("mean", mean, std, np.random.default_rng(0))
    array([1., 2.])
    """
    check_in("sampling", sampling, SAMPLINGS)
    if sampling == "thompson":
        return mean + std * rng.standard_normal(len(mean))
    return mean.copy() if sampling == "mean" else np.ones(len(mean))


def standard_error(count: Array, variance: Array) -> Array:
    r"""Standard deviation of the posterior of a mean, :math:`\sqrt{\sigma^2 / n}`.

    Parameters
    ----------
    count : float array, shape (n_arms,)
        Discounted number of observations; may be 0.
    variance : float array, shape (n_arms,)
        Of one observation.
    """
    return np.sqrt((variance + 1e-12) / np.maximum(count, 1e-3))

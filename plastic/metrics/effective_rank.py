"""Of how many dimensions what neurons say really is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.metrics.base import Metric, Need, Reading


@final
@dataclass(frozen=True)
class EffectiveRank(Metric):
    r"""Effective rank of the hidden neurons' activity on the probe samples.

    .. math:: \exp\Bigl(-\sum_k p_k \ln p_k\Bigr), \quad p_k = \sigma_k / \sum_j \sigma_j

    with the singular values :math:`\sigma` of the matrix of outputs, neurons by samples.
    Labels are ``hidden``, of all hidden neurons together, and ``group 1``, ``group 2``, ...,
    of those of each group alone.  Between 1 and the smaller side of the matrix; NaN where all
    is 0, or there are no hidden neurons.

    References
    ----------
    Roy and Vetterli (2007), The effective rank: a measure of effective dimensionality,
    European Signal Processing Conference, definition 1.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"activity"})

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """A rank for all, and one for each group."""
        outputs = reading.needed("activity")[reading.hidden]
        groups = reading.structure.groups[reading.hidden]
        found = {"hidden": effective_rank(outputs)}
        for group in np.unique(groups).tolist():
            found[f"group {group}"] = effective_rank(outputs[groups == group])
        return found


def effective_rank(matrix: NDArray[Any]) -> float:
    """Exponential of the entropy of the singular values' shares; NaN if all are 0.

    Parameters
    ----------
    matrix : float array, shape (n, m)

    Examples
    --------
    >>> round(effective_rank(np.eye(3)), 6), round(effective_rank(np.ones((3, 5))), 6)
    (3.0, 1.0)
    """
    if not matrix.size:
        return float("nan")
    singular = np.linalg.svd(np.asarray(matrix, np.float64), compute_uv=False)
    if singular[0] == 0:
        return float("nan")
    shares = singular[singular > 0] / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))

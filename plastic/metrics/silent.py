"""Neurons that say nothing, whatever they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.random import Generator

from plastic.errors import check_range
from plastic.metrics.base import Metric, Need, Reading


@final
@dataclass(frozen=True)
class Silent(Metric):
    r"""Shares of hidden neurons that are never active on the probe samples.

    Labels are ``never_active`` (the output is 0 on every sample, as of a dead relu),
    ``constant`` (the same on every sample, 0 or not) and ``dormant``: the mean absolute output
    is at most `threshold` times that of the neuron's group,

    .. math:: \frac{E|h_i|}{\frac{1}{|G|} \sum_{k \in G} E|h_k|} \le \tau

    NaN without hidden neurons; in a group in which all is 0, all are dormant.

    Parameters
    ----------
    threshold : float
        :math:`\tau`, at least 0.

    References
    ----------
    Sokar et al. (2023), The Dormant Neuron Phenomenon in Deep Reinforcement Learning,
    arXiv:2302.12902, equation 1.
    """

    threshold: float = 0.025

    needs: ClassVar[frozenset[Need]] = frozenset({"activity"})

    def __post_init__(self) -> None:
        check_range("threshold", self.threshold, 0)

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """Three shares."""
        hidden = reading.hidden
        if not len(hidden):
            return dict.fromkeys(("never_active", "constant", "dormant"), np.nan)
        outputs = np.asarray(reading.needed("activity")[hidden], np.float64)
        groups = np.unique(reading.structure.groups[hidden], return_inverse=True)[1]
        strength = np.abs(outputs).mean(axis=1)
        usual = np.bincount(groups, strength) / np.bincount(groups)
        shares = {
            "never_active": (outputs == 0).all(axis=1),
            "constant": (outputs == outputs[:, :1]).all(axis=1),
            "dormant": strength <= self.threshold * usual[groups],
        }
        return {label: float(of.mean()) for label, of in shares.items()}

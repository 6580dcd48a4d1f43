"""No rewiring at all: the control that every policy must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.policies.base import Policy, Proposal
from plastic.signals import NetworkView


@final
@dataclass
class Static(Policy):
    """Keeps the wiring that the run began with."""

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Never."""
        return np.arange(n_steps)[:0]

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Nothing."""
        return Proposal()

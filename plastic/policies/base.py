"""The contract of a policy.

A policy looks at a network between training steps and proposes edits.  In a run, at each of
the steps that it names:

1. `propose` gets a view and a random stream of the policy's own, and returns a `Proposal`;
2. the topology takes the edits, all or none;
3. `observe` is told, at the next such step, what became of them.

A policy owes its user: a budget kept (no more connections than the run asked for at the end),
inputs and outputs left alone, the same proposals under the same seed, and the same again
when it goes on from its saved `state`.
`plastic.checks.check_policy` holds any policy to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Edit
from plastic.engine import Statistics
from plastic.policies.memory import State, take
from plastic.signals import NetworkView


@dataclass(frozen=True)
class Proposal:
    """What a policy wants done.

    Parameters
    ----------
    edits : sequence of Edit
        Applied in turn, all or none; empty to leave the network as it is.
    arms : mapping of str to array, each of shape (n_arms,)
        Rows for the table of arms: ``arm``, ``pulls``, and what else of its columns there is.
    """

    edits: Sequence[Edit] = ()
    arms: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a proposal.

    Parameters
    ----------
    proposal : Proposal
    refusal : str
        The rule that it would have broken; empty if it was accepted.
    reward : float
        By how much the loss on the reward split fell from the proposal to now; NaN unless the
        policy `wants_reward`.
    """

    proposal: Proposal
    refusal: str
    reward: float


class Policy(ABC):
    """A policy; concrete ones are dataclasses whose fields are their configuration."""

    wants_reward: ClassVar[bool] = False
    """Whether outcomes are to carry a reward, which costs a look at the reward split."""

    @property
    def statistics(self) -> Statistics:
        """What the engine is to keep while it learns; by default nothing."""
        return Statistics()

    def begin(self, density: float) -> float:
        """Density of the wiring to start from, for a run that asks to end at `density`."""
        return density

    @abstractmethod
    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """After which of `n_steps` training steps the policy is to be asked, ascending."""

    @abstractmethod
    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Edits to the network that is seen, given a random stream of the policy's own."""

    def observe(self, outcome: Outcome) -> None:
        """Take note of what became of the last proposal."""

    def state(self) -> State:
        """All that it remembers from step to step: flat names, arrays of numbers."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on as the policy that this state is of.

        Asked of a new policy of the same configuration, in place of `begin`.

        Raises
        ------
        InvalidParameter
            If the state is not that of such a policy.
        """
        take(state, ())


def stack_arms(tables: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Rows for the table of arms, one table below the other; empty ones are left out."""
    tables = [table for table in tables if table]
    names = tables[0] if tables else ()
    return {name: np.concatenate([table[name] for table in tables]) for name in names}

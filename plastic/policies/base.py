"""The contract of a policy.

A policy looks at a network between training steps and proposes edits.  In a run, at each of
the steps that it names:

1. `propose` gets a view and a random stream of the policy's own, and returns a `Proposal`;
2. the topology takes the edits, all or none;
3. if the proposal asks for a trial, the network learns from the same mini-batches with the
   edits and without, and `judge` says which branch the run goes on with;
4. `observe` is told, at the next such step, what became of them.

A policy owes its user: a budget kept (at the end no more neurons in a group than its
`most_neurons`, and no more connections than the density that the run asked for allows),
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
from plastic.errors import ContractBroken
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
    trial_steps : int
        Learn for so many steps with the edits and without, and keep the better branch; the
        trial ends early where the policy is asked again or the run ends.  0 for no trial.
    pulled : str
        The arm that the edits come from; the trial's reward is written into its row.
    """

    edits: Sequence[Edit] = ()
    arms: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    trial_steps: int = 0
    pulled: str = ""


@dataclass(frozen=True)
class Branch:
    """Where one branch of a trial has led.

    Parameters
    ----------
    reward_loss : float
        Loss on the reward split at its end; infinite if it diverged.
    n_neurons, n_connections : int
        At its end.
    flops : int
        What it cost, the look at the reward split included.
    """

    reward_loss: float
    n_neurons: int
    n_connections: int
    flops: int


@dataclass(frozen=True)
class Trial:
    """Two branches that began as one network and learned from the same mini-batches.

    Parameters
    ----------
    edited, plain : Branch
        With the edits of the proposal, and without.
    kept : bool
        Whether the run goes on with the edits.
    """

    edited: Branch
    plain: Branch
    kept: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a proposal.

    Parameters
    ----------
    proposal : Proposal
    refusal : str
        The rule that it would have broken, or that it lost its trial; empty if it was
        accepted.
    reward : float
        After a trial, what the policy's `judge` said.  Otherwise by how much the loss on the
        reward split fell from the proposal to now; NaN unless the policy `wants_reward`.
    trial : Trial, optional
        If there was one.
    """

    proposal: Proposal
    refusal: str
    reward: float
    trial: Trial | None = None


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

    def most_neurons(self, sizes: NDArray[np.integer]) -> NDArray[np.integer]:
        """Most hidden neurons that each group may have at the end of a run.

        Parameters
        ----------
        sizes : int array, shape (n_groups,)
            Hidden neurons of each group at its start, groups ascending.
        """
        return sizes

    @abstractmethod
    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """After which of `n_steps` training steps the policy is to be asked, ascending."""

    @abstractmethod
    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Edits to the network that is seen, given a random stream of the policy's own."""

    def judge(self, edited: Branch, plain: Branch) -> float:
        """How much better the edited branch of a trial did; it is kept if that is above 0."""
        return plain.reward_loss - edited.reward_loss

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
    if len(tables) == 1:
        return dict(tables[0])
    names = tables[0] if tables else ()
    return {name: np.concatenate([table[name] for table in tables]) for name in names}


def checked(given: object, policy: Policy) -> Proposal:
    """What a policy has returned, if it is a proposal.

    Raises
    ------
    ContractBroken
        If it is none, as where a ``return`` was forgotten.
    """
    if not isinstance(given, Proposal):
        raise ContractBroken(
            f"{type(policy).__name__}.propose must return a Proposal, got {given!r}"
        )
    return given

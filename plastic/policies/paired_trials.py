"""Paired trials: Thompson sampling over edits, each tried against leaving the network alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits import SAMPLINGS, draw
from plastic.edits import Connect, Disconnect, Edit, PruneNeurons
from plastic.engine import Statistics
from plastic.errors import check_count, check_in, check_range
from plastic.policies.base import Branch, Outcome, Policy, Proposal
from plastic.policies.births import GradMaxBirth, SplitBirth
from plastic.policies.growth import GradientGrowth
from plastic.policies.memory import State, take
from plastic.policies.merging import merge_edits, mergers
from plastic.policies.neurons import (
    Array,
    Purse,
    birth_edits,
    hidden_groups,
    members,
    neuron_saliency,
    prune_edits,
    room_of,
    sweep,
    weakest,
)
from plastic.policies.parts import UpdateSchedule, highest, lowest
from plastic.signals import NetworkView

NOTHING = "nothing"
OF_GROUPS = ("add", "split", "prune", "merge")
OF_CONNECTIONS = ("connect", "disconnect")


@dataclass
class Arm:
    """What is remembered of one arm.

    Parameters
    ----------
    pulls : int
        How often it was pulled.
    count, total : float
        Number and sum of its rewards, both discounted.
    """

    pulls: int = 0
    count: float = 0.0
    total: float = 0.0


@final
@dataclass
class PairedTrials(Policy):
    r"""Pull an arm, try its edit against no edit, keep the branch of the lower objective.

    .. math:: J = \log L_{reward} + \lambda_t \log E, \qquad
        \lambda_t = \lambda \, \mathrm{clip}\Big(\frac{t/T - 1/4}{1/4}, 0, 1\Big)

    where `E` is the number of connections.  The arms are to do ``nothing``; for each group of
    hidden neurons to ``add`` some (as GradMax), to ``split`` some (as Net2Net), to ``prune``
    those of least saliency or to ``merge`` those whose outputs are all but multiples of each
    other's; to ``connect`` by gradient, and to ``disconnect`` small weights.
    Each has the Gaussian posterior :math:`N(S / (n + 1), \sigma^2 / (n + 1))` of its discounted
    rewards, :math:`\mathrm{clip}(J_{nothing} - J_{arm}, \pm 0.2)`; :math:`\sigma^2` is the mean
    square of all rewards so far.  Both branches of a trial learn from the same mini-batches,
    since the trend of training would drown the effect of an edit.

    It starts best from more neurons than needed.

    Parameters
    ----------
    every : int
        Steps from one arm to the next.
    until : float
        Fraction of training after which nothing changes any more, in (0, 1].
    price : float
        :math:`\lambda`, what a connection costs: to have ``price`` percent more loss is as bad
        as to have one percent more connections.
    sampling : {"thompson", "mean", "uniform"}
        Whether an arm's value is drawn from its posterior, taken at its mean, or the same for
        all; the last two are the controls.
    trial : float
        Share of the period that a trial takes, in (0, 1].
    discount : float
        What is left of old rewards at each new one, in [0, 1].
    most : int
        No group grows beyond so many neurons.
    add, split, prune, merge, connect, disconnect : float
        Shares of the neurons of a group, or of the connections of each block, that one pull
        adds or takes away; `add` is bounded by what `GradMaxBirth` can find.

    Notes
    -----
    Neurons younger than a period are not pruned: their saliency is not known yet.  In the table
    of arms, ``reward`` is that of the arm that was pulled in the round.
    """

    every: int = 40
    until: float = 0.75
    price: float = 0.5
    sampling: str = "thompson"
    trial: float = 0.5
    discount: float = 0.95
    most: int = 64
    add: float = 0.3
    split: float = 0.3
    prune: float = 0.15
    merge: float = 0.15
    connect: float = 0.2
    disconnect: float = 0.15
    _density: float = field(default=1.0, init=False, repr=False)
    _first_possible: int = field(default=0, init=False, repr=False)
    _arms: dict[str, Arm] = field(default_factory=dict, init=False, repr=False)
    _squares: Arm = field(default_factory=Arm, init=False, repr=False)
    _price_now: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        UpdateSchedule(self.every, self.until)  # checks both
        check_range("price", self.price, 0)
        check_in("sampling", self.sampling, SAMPLINGS)
        check_range("trial", self.trial, 0, 1, open_low=True)
        check_range("discount", self.discount, 0, 1)
        check_count("most", self.most)
        for name in (*OF_GROUPS, *OF_CONNECTIONS):
            check_range(name, getattr(self, name), 0, 1, open_low=True)

    @property
    def statistics(self) -> Statistics:
        """The saliency of connections."""
        return Statistics(saliency=True, every=2, rate=0.1)

    def begin(self, density: float) -> float:
        """The wiring asked for."""
        self._density, self._arms, self._squares = density, {}, Arm()
        self._first_possible = 0
        return density

    def most_neurons(self, sizes: NDArray[np.integer]) -> NDArray[np.integer]:
        """As configured, or those there were."""
        return np.maximum(sizes, self.most)

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Every so often."""
        return UpdateSchedule(self.every, self.until).steps(n_steps)

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """The edits of the arm of the highest value, if there is anything that it can do."""
        self._price_now = self.price * min(1.0, max(0.0, view.step / view.n_steps * 4 - 1))
        self._first_possible = self._first_possible or view.n_possible
        names = arm_names(hidden_groups(view))
        mean, spread = self._posteriors(names)
        values = draw(self.sampling, mean, spread, rng)
        for best in highest(values, len(names), rng).tolist():
            edits = self._edits(view, names[best], rng)
            if edits or names[best] == NOTHING:
                break  # else it can do nothing here, and the next one has its turn
        pulled = names[best]
        self._arms[pulled].pulls += 1
        rows = {
            "arm": np.array(names, object),
            "pulls": np.array([self._arms[name].pulls for name in names]),
            "posterior_mean": mean,
            "posterior_std": spread,
            "sampled": values,
            "reward": np.where(np.array(names) == NOTHING, 0.0, np.nan)
            if pulled == NOTHING
            else np.full(len(names), np.nan),
        }
        steps = max(1, round(self.trial * self.every)) if edits else 0
        return Proposal(edits, rows, steps, pulled)

    def judge(self, edited: Branch, plain: Branch) -> float:
        """By how much the objective is lower with the edits, clipped."""
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = self._objective(plain) - self._objective(edited)
        return float(np.clip(gain, -0.2, 0.2))

    def _objective(self, branch: Branch) -> float:
        size = max(branch.n_connections, 1)
        return float(np.log(branch.reward_loss) + self._price_now * np.log(size))

    def observe(self, outcome: Outcome) -> None:
        """Update the posterior of the arm that was pulled."""
        pulled = outcome.proposal.pulled
        reward = 0.0 if pulled == NOTHING else outcome.reward
        if not np.isfinite(reward):  # it was refused, or both branches went astray
            return
        for arm in (*self._arms.values(), self._squares):
            arm.count *= self.discount
            arm.total *= self.discount
        for arm, value in ((self._arms[pulled], reward), (self._squares, reward**2)):
            arm.count += 1
            arm.total += value

    def _posteriors(self, names: list[str]) -> tuple[Array, Array]:
        """Mean and standard deviation of each arm."""
        arms = [self._arms.setdefault(name, Arm()) for name in names]
        count = np.array([arm.count for arm in arms]) + 1
        squares = self._squares
        sigma = np.sqrt(squares.total / squares.count) if squares.count > 2 else 0.05
        return np.array([arm.total for arm in arms]) / count, sigma / np.sqrt(count)

    def _edits(self, view: NetworkView, name: str, rng: Generator) -> list[Edit]:
        """What an arm would do; nothing where it can do nothing."""
        kind, _, group = name.partition(":")
        if kind == NOTHING:
            return []
        if kind == "connect":
            return self._connect(view, rng)
        if kind == "disconnect":
            return self._disconnect(view, rng)
        held = len(members(view.structure, int(group)))
        count = max(1, round(getattr(self, kind) * held))
        if kind == "prune":
            worth = neuron_saliency(view)
            slots = weakest(view, int(group), count, worth, self.every, rng)
            edits = prune_edits(view, slots, "trial of prune", worth)
            return edits if self._affords(view, edits) else []
        if kind == "merge":
            merged = mergers(view, int(group), min(count, held - 1), self.every, rng)
            edits = merge_edits(view, merged, "trial of merge")
            return edits if self._affords(view, edits) else []
        birth = GradMaxBirth() if kind == "add" else SplitBirth()
        count, purse = min(count, self.most - held), Purse.of(view, self._density)
        births = birth(view, int(group), max(count, 0), purse, rng)
        return birth_edits(view, [births], f"trial of {kind}")

    def _connect(self, view: NetworkView, rng: Generator) -> list[Edit]:
        """More connections in each block, those of the largest gradients."""
        left, wanted = Purse.of(view, self._density).left, []
        for block in view.blocks:
            count = int(np.ceil(self.connect * len(block.positions)))
            wanted.append((block, min(count, view.count_missing(block), left)))
            left -= wanted[-1][1]
        if not any(count for _, count in wanted):
            return []
        grown, ids = GradientGrowth()(view, wanted, rng).grown, view.structure.neuron_ids
        sources, targets, scores = (
            np.concatenate([getattr(some, part) for some in grown])
            for part in ("sources", "targets", "scores")
        )
        fits = view.fitting(sources, targets, np.zeros(0, np.int64))
        if not fits.any():
            return []
        ends, scores = (ids[sources[fits]], ids[targets[fits]]), scores[fits]
        return [Connect(*ends, reason="trial of connect", scores=scores)]

    def _disconnect(self, view: NetworkView, rng: Generator) -> list[Edit]:
        """Fewer connections in each block, and no neurons that this leaves without a way."""
        structure, sizes = view.structure, np.abs(view.weights)
        gone = np.concatenate(
            [
                at[lowest(sizes[at], int(self.disconnect * len(at)), rng)]
                for at in (block.positions for block in view.blocks)
            ]
        )
        if not len(gone):
            return []
        reason, kept = "trial of disconnect", np.ones(structure.n_connections, bool)
        kept[gone] = False
        none = np.zeros(structure.n_neurons, bool)
        stranded = structure.neuron_ids[sweep(structure, none, kept) & view.prunable]
        ids = structure.connection_ids[gone]
        cut = Disconnect(ids, keep_stranded=True, reason=reason, scores=sizes[gone])
        swept: list[Edit] = [cut, PruneNeurons(stranded, keep_stranded=True, reason=reason)]
        return swept if len(stranded) and self._affords(view, swept) else [cut]

    def _affords(self, view: NetworkView, edits: Sequence[Edit]) -> bool:
        """Whether those who stay are not too many for the room that the pruned ones leave."""
        structure, n_possible = view.structure, view.n_possible
        kept, n_grown = np.ones(structure.n_connections, bool), 0
        for edit in edits:
            if isinstance(edit, Connect):
                n_grown += len(edit)
            elif isinstance(edit, PruneNeurons):
                slots = structure.slots_of(edit.ids)
                kept &= ~np.isin(structure.sources, slots) & ~np.isin(structure.targets, slots)
                groups = structure.groups[slots].tolist()
                n_possible -= sum(room_of(view, group) for group in groups)
            elif isinstance(edit, Disconnect):
                kept[structure.positions_of(edit.ids)] = False
        n_possible = max(n_possible, self._first_possible)
        held = int(kept.sum()) + n_grown
        return Purse(self._density, n_possible, held, len(view.blocks)).holds

    def state(self) -> State:
        """The density asked for, and what is remembered of every arm, in the order of names."""
        arms = [self._arms[name] for name in sorted(self._arms)]
        groups = sorted({int(n.partition(":")[2]) for n in self._arms if ":" in n})
        return {
            "density": np.array(self._density),
            "first_possible": np.array(self._first_possible),
            "price_now": np.array(self._price_now),
            "groups": np.array(groups, np.int64),
            "pulls": np.array([arm.pulls for arm in arms], np.int64),
            "counts": np.array([arm.count for arm in arms], np.float64),
            "totals": np.array([arm.total for arm in arms], np.float64),
            "squares": np.array([self._squares.count, self._squares.total]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` told."""
        density, price, possible, groups, *of_arms, squares = take(
            state,
            [
                "density", "price_now", "first_possible", "groups", "pulls", "counts", "totals",
                "squares",
            ],
        )  # fmt: skip
        self._density, self._price_now = float(density), float(price)
        self._first_possible = int(possible)
        kept = zip(*(held.tolist() for held in of_arms), strict=True)
        names = sorted(arm_names(groups.tolist())) if len(of_arms[0]) else []
        self._arms = {name: Arm(*values) for name, values in zip(names, kept, strict=True)}
        count, total = squares.tolist()
        self._squares = Arm(0, count, total)


def arm_names(groups: list[int]) -> list[str]:
    """Names of all arms.

    Examples
    --------
    >>> arm_names([1])
    ['nothing', 'add:1', 'split:1', 'prune:1', 'merge:1', 'connect', 'disconnect']
    """
    of_groups = [f"{kind}:{group}" for group in groups for kind in OF_GROUPS]
    return [NOTHING, *of_groups, *OF_CONNECTIONS]

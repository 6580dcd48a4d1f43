"""What policies for neurons share: their groups, ways in and out, worth, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.activations import relu
from plastic.edits import AddNeurons, Connect, Disconnect, Edit, PruneNeurons
from plastic.policies.headroom import Headroom
from plastic.policies.parts import lowest
from plastic.signals import NetworkView
from plastic.topology import Kind, Structure

Array = NDArray[Any]
Slots = NDArray[np.integer]

FIRST_GROUP = 1
"""The group of the first hidden neuron of a network whose groups say nothing of it."""


@dataclass(frozen=True, eq=False)
class Ways:
    """Where a new neuron of a group may be fed from, and what it may feed.

    Parameters
    ----------
    group : int
    activation : int
        Code of the activation that most neurons of the group have.
    sources, targets : int arrays
        Slots; all of them at once would close no cycle.
    """

    group: int
    activation: int
    sources: Slots
    targets: Slots

    def __len__(self) -> int:
        return len(self.sources) + len(self.targets)

    @property
    def gain(self) -> float:
        """Variance of all weights into the neuron together, as in `Network.initialize`."""
        return 2.0 if self.activation == relu.code else 1.0


@dataclass(frozen=True, eq=False)
class Newborn:
    """A neuron to be born.

    Parameters
    ----------
    ways : Ways
        What it could be connected to.
    sources, targets : int arrays
        Slots that it is connected to.
    in_weights, out_weights : float arrays, aligned with them
    bias : float
    score : float
        Why this one; NaN where chance decided.
    """

    ways: Ways
    sources: Slots
    targets: Slots
    in_weights: Array
    out_weights: Array
    bias: float = 0.0
    score: float = np.nan


@dataclass(frozen=True, eq=False)
class Births:
    """Neurons to be born, and connections of others that share their weight with them.

    Parameters
    ----------
    newborns : list of Newborn
    shared : dict of int to float
        Positions of connections, and what is left of their weight.
    """

    newborns: list[Newborn] = field(default_factory=list)
    shared: dict[int, float] = field(default_factory=dict)


@dataclass
class Purse:
    """Connections that a network may have, kept up to date while a proposal is written.

    Parameters
    ----------
    density : float
        That the run asked for.
    n_possible : float
        Connections there is room for.
    n_connections : int
    slack : int
        What rounding block by block may have added.
    room : Headroom
        What constraints leave, beside the density; by default there are none.
    """

    density: float
    n_possible: int
    n_connections: int
    slack: int
    room: Headroom = field(default_factory=Headroom)

    @classmethod
    def of(cls, view: NetworkView, density: float) -> Purse:
        """The purse of a network as it is."""
        held, slack = view.structure.n_connections, len(view.blocks)
        return cls(density, view.n_possible, held, slack, Headroom.of(view))

    @property
    def holds(self) -> bool:
        """Whether there are not too many already."""
        allowed = round(self.density * self.n_possible) + self.slack
        return self.n_connections <= allowed

    @property
    def left(self) -> int:
        """Connections that may be added to the neurons there are."""
        return self.left_with(0)

    def left_with(self, room: int) -> int:
        """Connections that may be added once there is room for so many more."""
        allowed = round(self.density * (self.n_possible + room)) + self.slack
        return max(int(min(allowed - self.n_connections, self.room.connections)), 0)

    def open(self, ways: Ways) -> Ways:
        """Those of the ways that the fan limits have room for."""
        into, out_of = self.room.leading(ways.sources), self.room.following(ways.targets)
        if into.all() and out_of.all():
            return ways
        return replace(ways, sources=ways.sources[into], targets=ways.targets[out_of])

    def afford(self, ways: Ways) -> tuple[int, int]:
        """Connections into and out of one more neuron; (0, 0) if there are not enough."""
        left = self.left_with(len(ways))
        none_left = left < 2 or self.room.neurons < 1
        if none_left or not len(ways.sources) or not len(ways.targets):
            return 0, 0
        shares = [max(1, round(self.density * len(s))) for s in (ways.sources, ways.targets)]
        n_in = int(min(shares[0], left - 1, self.room.fan_in))
        return n_in, int(min(shares[1], left - n_in, self.room.fan_out))

    def give_back(self, room: int, sources: Slots, targets: Slots) -> None:
        """Take note of a neuron that is to go: the room it had, what fed it, what it fed."""
        self.n_possible -= room
        self.n_connections -= len(sources) + len(targets)
        self.room.take(sources, targets, -1)

    def pay(self, ways: Ways, sources: Slots, targets: Slots) -> None:
        """Take note of a neuron that is to be born with these connections."""
        self.n_possible += len(ways)
        self.n_connections += len(sources) + len(targets)
        self.room.take(sources, targets)

    def copy(self) -> Purse:
        """One that may be spent on trial."""
        return replace(self, room=self.room.copy())


def hidden_groups(view: NetworkView) -> list[int]:
    """The groups that hidden neurons are in or could be in, ascending."""
    structure, pairs = view.structure, view.joined_groups
    held = set(structure.groups[structure.kinds == Kind.HIDDEN].tolist())
    if pairs is None:
        return sorted(held or {FIRST_GROUP})
    ends = set(structure.groups[structure.kinds != Kind.HIDDEN].tolist())
    between = {source for source, _ in pairs} & {target for _, target in pairs}
    return sorted(held | (between - ends))


def members(structure: Structure, group: int) -> Slots:
    """Slots of the hidden neurons of a group."""
    return np.flatnonzero((structure.groups == group) & (structure.kinds == Kind.HIDDEN))


def ways_of(view: NetworkView, group: int, rng: Generator, *, last: bool = False) -> Ways:
    """Where a new neuron of a group may be fed from, and what it may feed.

    Where neurons could be on either side of it, as in a group whose neurons may connect to
    each other, it is put at some place of their order, and who comes earlier feeds it.

    Parameters
    ----------
    view, group, rng
    last : bool
        Whether that place is the last one, or any, all equally likely.
    """
    structure, (leads, follows) = view.structure, _sides(view, group)
    either = np.flatnonzero(leads & follows)
    if len(either):
        either = either[np.argsort(structure.rank[either])]
        place = len(either) if last else int(rng.integers(len(either) + 1))
        follows[either[:place]] = False
        leads[either[place:]] = False
        follows &= (structure.kinds == Kind.HIDDEN) | (np.diff(structure.out.indptr) == 0)
    codes = structure.activations[members(structure, group)]
    activation = int(np.bincount(codes).argmax()) if len(codes) else relu.code
    return Ways(group, activation, np.flatnonzero(leads), np.flatnonzero(follows))


def room_of(view: NetworkView, group: int) -> int:
    """Connections that one neuron of a group has room for, at most."""
    leads, follows = _sides(view, group)
    return int(np.sum(leads | follows))


def _sides(view: NetworkView, group: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which neurons may feed those of a group, and which may be fed by them."""
    structure, pairs = view.structure, view.joined_groups
    leads, follows = structure.kinds != Kind.OUTPUT, structure.kinds != Kind.INPUT
    if pairs is not None:
        leads &= np.isin(structure.groups, [s for s, t in pairs if t == group])
        follows &= np.isin(structure.groups, [t for s, t in pairs if s == group])
    forbidden = view.constraints.forbidden
    leads &= ~np.isin(structure.groups, [s for s, t in forbidden if t == group])
    follows &= ~np.isin(structure.groups, [t for s, t in forbidden if s == group])
    return leads, follows


def neuron_saliency(view: NetworkView) -> Array:
    r"""What each neuron is worth: the saliency of the connections out of it, added up.

    .. math:: s_u = \sum_v \overline{|w_{uv} g_{uv}|}

    A first-order bound of the loss change of removing it (Molchanov et al., 2019,
    arXiv:1906.10771, with the sum taken outside of the average); shape (n_neurons,).
    """
    structure = view.structure
    return np.bincount(structure.sources, view.saliency, structure.n_neurons)


def birth_edits(view: NetworkView, births: Sequence[Births], reason: str) -> list[Edit]:
    """The edits that bring neurons into the world, with all their connections."""
    newborns = [newborn for some in births for newborn in some.newborns]
    if not newborns:
        return []
    edits, ids = shared_edits(view, births, reason), view.structure.neuron_ids
    first = view.next_neuron_id
    sources, targets, weights = [], [], []
    for new, newborn in enumerate(newborns, first):
        sources += [ids[newborn.sources], np.full(len(newborn.targets), new)]
        targets += [np.full(len(newborn.sources), new), ids[newborn.targets]]
        weights += [newborn.in_weights, newborn.out_weights]
    edits.append(
        AddNeurons(
            len(newborns),
            [newborn.ways.activation for newborn in newborns],
            [newborn.ways.group for newborn in newborns],
            ids=np.arange(first, first + len(newborns)),
            columns={"bias": np.array([newborn.bias for newborn in newborns])},
            reason=reason,
            scores=np.array([newborn.score for newborn in newborns]),
        )
    )
    edits.append(
        Connect(
            np.concatenate(sources),
            np.concatenate(targets),
            columns={"weight": np.concatenate(weights)},
            reason=reason,
        )
    )
    return edits


def shared_edits(view: NetworkView, births: Sequence[Births], reason: str) -> list[Edit]:
    """Take away the connections that share their weight, and bring them back with less."""
    left = {at: part for some in births for at, part in some.shared.items()}
    if not left:
        return []
    positions = np.array(sorted(left))
    structure = view.structure
    ids, columns = structure.neuron_ids, view.columns_of(positions)
    columns["weight"] = columns["weight"] * np.array([left[at] for at in positions.tolist()])
    return [
        Disconnect(structure.connection_ids[positions], keep_stranded=True, reason=reason),
        Connect(
            ids[structure.sources[positions]],
            ids[structure.targets[positions]],
            columns=columns,
            reason=reason,
        ),
    ]


def prunable(view: NetworkView, group: int, maturity: int) -> Slots:
    """Slots of a group's neurons that may be pruned, and have lived for so many steps."""
    slots = members(view.structure, group)
    return slots[(view.ages[slots] >= maturity) & view.prunable[slots]]


def weakest(
    view: NetworkView, group: int, count: int, worth: Array, maturity: int, rng: Generator
) -> Slots:
    """Slots of the mature neurons of a group that are worth least, but never all of them."""
    able = prunable(view, group, maturity)
    count = min(count, len(able), len(members(view.structure, group)) - 1)
    return able[lowest(worth[able], max(count, 0), rng)]


def prune_edits(
    view: NetworkView, slots: Slots, reason: str, worth: Array | None = None
) -> list[Edit]:
    """The edits that prune neurons, and those that would be left without a way in or out.

    A group is never emptied that way: then those without a way stay.
    """
    if not len(slots):
        return []
    structure = view.structure
    doomed = np.zeros(structure.n_neurons, bool)
    doomed[slots] = True
    swept = sweep(structure, doomed, np.ones(structure.n_connections, bool))
    doomed = keeping_groups(view, doomed, swept)
    scores = None if worth is None else worth[doomed]
    pruned = structure.neuron_ids[doomed]
    return [PruneNeurons(pruned, keep_stranded=True, reason=reason, scores=scores)]


def keeping_groups(
    view: NetworkView, doomed: NDArray[np.bool_], swept: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Those that were swept along, too, if they may go, and unless that would empty a group."""
    structure, all_of_them = view.structure, doomed | (swept & view.prunable)
    groups = np.unique(structure.groups[all_of_them]).tolist()
    emptied = any(all_of_them[members(structure, group)].all() for group in groups)
    return doomed if emptied else all_of_them


def sweep(
    structure: Structure,
    doomed: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    sources: Slots | None = None,
) -> NDArray[np.bool_]:
    """The neurons that go, and the hidden ones that this leaves without a way in or out.

    Parameters
    ----------
    structure : Structure
    doomed : bool array, shape (n_neurons,)
        Those to be pruned.
    kept : bool array, shape (n_connections,)
        The connections that stay.
    sources : int array, shape (n_connections,), optional
        Where they will lead from, if not from where they do now.
    """
    n, hidden = structure.n_neurons, structure.kinds == Kind.HIDDEN
    sources = structure.sources if sources is None else sources
    gone = doomed
    while True:
        live = kept & ~gone[sources] & ~gone[structure.targets]
        ways_in = np.bincount(structure.targets[live], minlength=n)
        ways_out = np.bincount(sources[live], minlength=n)
        more = hidden & ~gone & ((ways_in == 0) | (ways_out == 0))
        if not more.any():
            return gone
        gone = gone | more

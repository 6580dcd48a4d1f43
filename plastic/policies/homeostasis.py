"""Homeostasis: neurons grow and withdraw synaptic elements until their activity is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Connect, Disconnect
from plastic.engine import Statistics
from plastic.errors import InvalidParameter, check_range
from plastic.policies.base import Policy, Proposal
from plastic.policies.memory import State, take
from plastic.policies.neurons import Array, Purse
from plastic.policies.parts import UpdateSchedule
from plastic.signals import NetworkView
from plastic.topology import Kind

Slots = NDArray[np.integer]


def growth_curve(activity: Array, target: float, minimum: float) -> Array:
    r"""The Gaussian growth curve of synaptic elements, in [-1, 1].

    .. math::
        g(a) = 2 \exp\!\left(-\Big(\frac{a - \xi}{\zeta}\Big)^2\right) - 1, \quad
        \xi = \frac{\eta + \epsilon}{2}, \quad \zeta = \frac{\epsilon - \eta}{2\sqrt{\ln 2}}

    It is 0 at the minimum :math:`\eta` and at the target :math:`\epsilon`, above 0 between
    them, and below 0 elsewhere: who is silent withdraws, and so does who is too active.

    References
    ----------
    Butz and van Ooyen (2013), A Simple Rule for Dendritic Spine and Axonal Bouton Formation Can
    Account for Cortical Reorganization after Focal Retinal Lesions, PLoS Computational Biology
    9(10), equation 4; as NEST's growth curve ``gaussian``.

    Examples
    --------
    >>> growth_curve(np.array([0.0, 0.1, 0.2, 9.0]), target=0.2, minimum=0.0).round(3)
    array([ 0.,  1.,  0., -1.])
    """
    middle, width = (minimum + target) / 2, (target - minimum) / (2 * np.sqrt(np.log(2)))
    grown: Array = 2 * np.exp(-(((activity - middle) / width) ** 2)) - 1
    return grown


@final
@dataclass
class Homeostasis(Policy):
    """Connections form and go so that each hidden neuron's activity meets a set-point.

    A hidden neuron has synaptic elements for connections in and for connections out, as many as
    it had connections at first; their numbers follow the growth curve of its mean activity.
    Where it has more connections than elements, connections chosen at random go; elements that
    are free pair up at random with free ones of other neurons, at weight zero, as far as the
    density that the run asked for allows.  Inputs and outputs are no subjects of it: they offer
    whatever elements are asked of them.

    Parameters
    ----------
    target : float
        Mean of the activity's magnitude at which nothing changes.  It is in the units of the
        neurons, and what suits depends on activations and data: set-points that most neurons
        are far above take networks apart.
    minimum : float
        The other one, below which elements are withdrawn.  Below zero, where no activity is,
        it lets silent neurons grow back; from 0 on, a neuron that fell silent stays so.
    growth_rate : float
        Elements grown or withdrawn in an update, at most.
    every : int
        Steps from one update to the next.
    until : float
        Fraction of training after which nothing changes any more, in (0, 1].
    discount : float
        What is left of an old activity at each new observation, in [0, 1].

    References
    ----------
    Butz and van Ooyen (2013), as for `growth_curve`; van Ooyen and Butz-Ostendorf (2017), The
    Rewiring Brain, chapter 4, and NEST's ``SPManager`` for the way elements pair up.
    """

    target: float = 2.0
    minimum: float = -2.0
    growth_rate: float = 1.0
    every: int = 40
    until: float = 0.75
    discount: float = 0.9
    _density: float = field(default=1.0, init=False, repr=False)
    # elements in and out by neuron id
    _elements: tuple[dict[int, float], dict[int, float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_range("growth_rate", self.growth_rate, 0, open_low=True)
        UpdateSchedule(self.every, self.until)  # checks both
        check_range("discount", self.discount, 0, 1)
        if not self.minimum < self.target:
            raise InvalidParameter(
                f"minimum must be below target, got {self.minimum} and {self.target}"
            )
        self._elements = {}, {}

    @property
    def statistics(self) -> Statistics:
        """The activity of neurons."""
        return Statistics(moments=True, discount=self.discount)

    def begin(self, density: float) -> float:
        """The wiring asked for."""
        self._density, self._elements = density, ({}, {})
        return density

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """Every so often."""
        return UpdateSchedule(self.every, self.until).steps(n_steps)

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Let elements follow the activity, and connections the elements."""
        structure = view.structure
        elements = self._grow(view)
        gone = surplus(view, elements, rng)
        may_go = [block.positions for block in view.blocks]
        gone = gone[np.isin(gone, np.concatenate([*may_go, gone[:0]]))]
        held = structure.targets, structure.sources
        kept = np.ones(structure.n_connections, bool)
        kept[gone] = False
        free = []
        for side, ends in zip(elements, held, strict=True):
            used = np.bincount(ends[kept], minlength=structure.n_neurons)
            free.append(np.where(np.isinf(side), np.inf, np.floor(side) - used))
        purse = Purse.of(view, self._density)
        room = purse.left + len(gone)
        sources, targets = pair_up(view, free[0], free[1], room, rng)
        fits = view.fitting(sources, targets, gone)
        sources, targets = sources[fits], targets[fits]
        ids = structure.neuron_ids
        edits = [
            Disconnect(structure.connection_ids[gone], keep_stranded=True, reason="surplus"),
            Connect(ids[sources], ids[targets], reason="free elements"),
        ]
        return Proposal([edit for edit in edits if len(edit)])

    def _grow(self, view: NetworkView) -> list[Array]:
        """Elements in and out of each neuron after this update; no end of those of others."""
        structure = view.structure
        _, activity, _ = view.moments("activity")
        change = self.growth_rate * growth_curve(activity, self.target, self.minimum)
        hidden = np.flatnonzero(structure.kinds == Kind.HIDDEN)
        degrees = np.diff(structure.indptr), np.diff(structure.out.indptr)
        grown = []
        for held, degree in zip(self._elements, degrees, strict=True):
            side = np.full(structure.n_neurons, np.inf)
            for slot in hidden.tolist():
                neuron = int(structure.neuron_ids[slot])
                now = held.get(neuron, float(degree[slot])) + float(change[slot])
                held[neuron] = side[slot] = max(now, 0.0)
            grown.append(side)
        return grown

    def state(self) -> State:
        """The density asked for, and the elements of every neuron seen so far."""
        ways_in, ways_out = self._elements
        ids = sorted(ways_in)
        return {
            "density": np.array(self._density),
            "neurons": np.array(ids, np.int64),
            "elements_in": np.array([ways_in[i] for i in ids], np.float64),
            "elements_out": np.array([ways_out[i] for i in ids], np.float64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` told."""
        density, ids, *elements = take(
            state, ["density", "neurons", "elements_in", "elements_out"]
        )
        self._density = float(density)
        ways_in, ways_out = (
            dict(zip(ids.tolist(), held.tolist(), strict=True)) for held in elements
        )
        self._elements = ways_in, ways_out


def surplus(view: NetworkView, elements: list[Array], rng: Generator) -> Slots:
    """Positions of connections without an element at one of their ends, chosen at random."""
    structure = view.structure
    order = rng.permutation(structure.n_connections)
    gone = np.zeros(structure.n_connections, bool)
    for ends, side in zip((structure.targets, structure.sources), elements, strict=True):
        place = rank_within(ends[order])
        gone[order] |= place >= np.floor(side[ends[order]])
    return np.flatnonzero(gone)


def rank_within(labels: NDArray[np.integer]) -> Slots:
    """How many of the same label come before each item.

    Examples
    --------
    >>> rank_within(np.array([7, 3, 7, 7, 3]))
    array([0, 0, 1, 2, 1])
    """
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    first = np.searchsorted(ordered, ordered)
    places = np.empty(len(labels), np.int64)
    places[order] = np.arange(len(labels)) - first
    return places


def pair_up(
    view: NetworkView, free_in: Array, free_out: Array, room: int, rng: Generator
) -> tuple[Slots, Slots]:
    """Missing connections between free elements, in random order, up to so many.

    Parameters
    ----------
    view : NetworkView
    free_in, free_out : float arrays, shape (n_neurons,)
        Elements that each neuron has left; infinite for inputs and outputs.
    room : int
    rng : Generator

    Returns
    -------
    sources, targets : int arrays
        Slots.
    """
    pieces = [np.zeros((2, 0), np.int64)]
    for block in view.blocks:
        for sources, targets in view.missing(block):
            able = (free_out[sources] >= 1) & (free_in[targets] >= 1)
            # what nobody asks for is not offered: one end must be a neuron that has elements
            able &= np.isfinite(free_out[sources]) | np.isfinite(free_in[targets])
            pieces.append(np.stack([sources[able], targets[able]]))
    pairs = np.concatenate(pieces, axis=1)
    pairs = pairs[:, rng.permutation(pairs.shape[1])]
    left_in, left_out = free_in.copy(), free_out.copy()
    chosen: list[int] = []
    for at, (source, target) in enumerate(pairs.T.tolist()):
        if len(chosen) == room:
            break
        if left_out[source] >= 1 and left_in[target] >= 1:
            left_out[source] -= 1
            left_in[target] -= 1
            chosen.append(at)
    taken = pairs[:, chosen]
    return taken[0], taken[1]

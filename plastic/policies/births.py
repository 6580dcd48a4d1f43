"""How a neuron comes into the world: what it is connected to, and with which weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.random import Generator

from plastic.activations import BY_CODE, Activation, identity, tanh
from plastic.engine import Statistics
from plastic.errors import InvalidParameter, check_in, check_range
from plastic.policies.neurons import (
    Array,
    Births,
    Newborn,
    Purse,
    Slots,
    Ways,
    members,
    neuron_saliency,
    ways_of,
)
from plastic.policies.parts import KEEP_SALIENCY, NOTHING, Part, highest
from plastic.signals import NetworkView

ROUNDING = 1e-6
"""Singular values below this share of the largest count as 0."""

SIDES = ("outgoing", "incoming")


class Birth(Part, Protocol):
    """How neurons are born."""

    def __call__(
        self, view: NetworkView, group: int, count: int, purse: Purse, rng: Generator
    ) -> Births:
        """Up to so many neurons of a group; fewer where connections or parents run out."""


@dataclass(frozen=True)
class RandomBirth:
    """Random weights in, zero out: no prediction changes."""

    name: ClassVar[str] = "random"
    statistics: ClassVar[Statistics] = NOTHING

    def __call__(
        self, view: NetworkView, group: int, count: int, purse: Purse, rng: Generator
    ) -> Births:
        """Neurons that are connected to whatever chance picks."""
        births = Births()
        for _ in range(count):
            ways = purse.open(ways_of(view, group, rng))
            n_in, n_out = purse.afford(ways)
            if not n_in:
                break
            newborn = random_newborn(ways, n_in, n_out, rng)
            births.newborns.append(newborn)
            purse.pay(ways, newborn.sources, newborn.targets)
        return births


def random_newborn(ways: Ways, n_in: int, n_out: int, rng: Generator) -> Newborn:
    """A neuron with so many connections, drawn at random, and nothing going out of it yet."""
    sources = np.sort(rng.choice(ways.sources, n_in, replace=False))
    targets = np.sort(rng.choice(ways.targets, n_out, replace=False))
    weights = rng.standard_normal(n_in) * np.sqrt(ways.gain / n_in)
    return Newborn(ways, sources, targets, weights, np.zeros(n_out))


@dataclass(frozen=True)
class SplitBirth:
    r"""A copy of a neuron that matters; both give half of what it gave (Net2Net).

    The neuron of the largest `neuron_saliency` is copied; one that was copied counts half,
    a third, ... from then on.  A copy has its parent's ways in, bias and ways out, and where
    `k` copies share a way out with their parent, each of them has the :math:`(k+1)`-th part of
    its weight, so predictions stay what they were, but for the noise that lets the copies part.
    Where connections run out, a copy takes over only the largest of its parent's ways out.

    Parameters
    ----------
    noise : float
        Standard deviation of the copy's incoming weights, relative to their size.

    References
    ----------
    Chen et al. (2016), Net2Net, arXiv:1511.05641, section 2.2.
    """

    noise: float = 0.05
    name: ClassVar[str] = "split"
    statistics: ClassVar[Statistics] = KEEP_SALIENCY

    def __post_init__(self) -> None:
        check_range("noise", self.noise, 0)

    def __call__(
        self, view: NetworkView, group: int, count: int, purse: Purse, rng: Generator
    ) -> Births:
        """Copies of the neurons that matter most."""
        structure, slots = view.structure, members(view.structure, group)
        worth, copies = neuron_saliency(view), np.zeros(structure.n_neurons, int)
        sharers = np.ones(structure.n_connections, int)
        chosen: list[tuple[int, Ways, Slots]] = []
        for _ in range(count):
            ways = ways_of(view, group, rng)
            ranked = slots[highest(worth[slots] / (copies[slots] + 1), len(slots), rng)]
            fit = (
                (parent, _handed_on(view, parent, purse, len(ways), rng))
                for parent in ranked.tolist()
            )
            parent, out = next((pair for pair in fit if len(pair[1])), (-1, slots[:0]))
            if not len(out):
                break
            copies[parent] += 1
            sharers[out] += 1
            chosen.append((parent, ways, out))
            held = slice(structure.indptr[parent], structure.indptr[parent + 1])
            purse.pay(ways, structure.sources[held], structure.targets[out])
        parts = 1 / sharers
        newborns = [
            self._copy(view, parent, ways, out, parts, float(worth[parent]), rng)
            for parent, ways, out in chosen
        ]
        return Births(newborns, {at: parts[at] for at in np.flatnonzero(sharers > 1).tolist()})

    def _copy(
        self,
        view: NetworkView,
        parent: int,
        ways: Ways,
        out: Slots,
        parts: Array,
        score: float,
        rng: Generator,
    ) -> Newborn:
        """A copy that shares the connections at positions `out` with its parent."""
        structure = view.structure
        held = slice(structure.indptr[parent], structure.indptr[parent + 1])
        weights = view.weights[held].astype(float)
        return Newborn(
            replace(ways, activation=int(structure.activations[parent])),
            structure.sources[held],
            structure.targets[out],
            weights * (1 + self.noise * rng.standard_normal(len(weights))),
            view.weights[out] * parts[out],
            float(view.biases[parent]),
            score,
        )


def _handed_on(
    view: NetworkView, parent: int, purse: Purse, room: int, rng: Generator
) -> Slots:
    """Positions of the ways out that a copy takes over; none if so few may be added.

    A copy has all that its parent is fed by, so all of that must have room for it, too.
    """
    structure, out = view.structure, view.structure.out
    held = structure.sources[structure.indptr[parent] : structure.indptr[parent + 1]]
    if not len(held) or purse.room.neurons < 1 or not purse.room.leading(held).all():
        return np.zeros(0, np.int64)
    positions = out.positions[out.indptr[parent] : out.indptr[parent + 1]]
    able = purse.room.following(structure.targets[positions])
    protected = view.constraints.protected_connections
    able &= ~np.isin(structure.connection_ids[positions], protected)
    positions = positions[able]
    count = min(len(positions), purse.left_with(room) - len(held))
    taken = highest(np.abs(view.weights[positions]), max(count, 0), rng)
    return np.sort(positions[taken])


@dataclass(frozen=True)
class GradMaxBirth:
    r"""The weights under which the newborn's own weights get the largest gradients.

    With zero weights out and weights `a` in, the gradient of the outgoing weights is, for an
    activation that is linear around zero, :math:`G a`, where
    :math:`G_{vu} = \overline{\delta_v y_u}` holds the gradients of all connections that could
    lead past the newborn.  The first right singular vectors of `G` make it largest, one for
    each newborn; their norm is that of usual initial weights.  A vector's sign matters to a
    relu: both are tried on the batch.  Where connections are few, a vector's largest entries
    are taken.  No prediction changes.

    Parameters
    ----------
    zero : {"outgoing", "incoming"}
        The side that begins at zero.  With ``incoming`` the left singular vectors lead out, as
        in the paper's main text; that needs an activation with value 0 and a slope at 0, which
        tanh and identity have and the relu of this library has not.
    scale : float
        Norm of the other side's weights, relative to usual initial weights.

    Notes
    -----
    One mini-batch stands for the data.  There are no more singular vectors than the smaller
    side has neurons, so no more than that are born at once.  All gradients in `G` are on the
    bill, and so are the operations of its decomposition.

    References
    ----------
    Evci et al. (2022), GradMax: Growing Neural Networks using Gradient Information,
    arXiv:2201.05125, sections 3.1 and 3.2.
    """

    zero: str = "outgoing"
    scale: float = 1.0
    name: ClassVar[str] = "gradmax"
    statistics: ClassVar[Statistics] = NOTHING

    def __post_init__(self) -> None:
        check_in("zero", self.zero, SIDES)
        check_range("scale", self.scale, 0, open_low=True)

    def __call__(
        self, view: NetworkView, group: int, count: int, purse: Purse, rng: Generator
    ) -> Births:
        """Neurons whose gradients begin as large as can be."""
        births, ways = Births(), purse.open(ways_of(view, group, rng))
        activation = BY_CODE[ways.activation]
        if self.zero == "incoming" and activation not in (tanh, identity):
            raise InvalidParameter(
                "zero='incoming' needs an activation with value 0 and a slope at 0 (tanh, "
                f"identity), got {activation.name}"
            )
        if count == 0 or not purse.afford(ways)[0]:
            return births
        into, out_of = _singular_vectors(view, ways, rng)
        for vector_in, vector_out in zip(into[:count], out_of[:count], strict=True):
            left = purse.open(ways)
            n_in, n_out = purse.afford(left)
            if not n_in:
                break
            able_in = np.isin(ways.sources, left.sources)
            able_out = np.isin(ways.targets, left.targets)
            parts = vector_in[able_in], vector_out[able_out]
            newborn = self._newborn(view, left, *parts, n_in, n_out, rng)
            births.newborns.append(newborn)
            purse.pay(left, newborn.sources, newborn.targets)
        return births

    def _newborn(
        self,
        view: NetworkView,
        ways: Ways,
        vector_in: Array,
        vector_out: Array,
        n_in: int,
        n_out: int,
        rng: Generator,
    ) -> Newborn:
        to, of = (
            np.sort(highest(np.abs(vector).round(9), n, rng))  # ties are not left to rounding
            for vector, n in ((vector_out, n_out), (vector_in, n_in))
        )
        sources, targets = ways.sources[of], ways.targets[to]
        if self.zero == "incoming":
            weights = _of_norm(vector_out[to], self.scale)
            size = _incoming_gradient(view, sources, targets, weights)
            return Newborn(ways, sources, targets, np.zeros(n_in), weights, score=size)
        weights = _of_norm(vector_in[of], self.scale * np.sqrt(ways.gain))
        sizes = [_outgoing_gradient(view, sources, targets, w, BY_CODE[ways.activation])
                 for w in (weights, -weights)]  # fmt: skip
        weights = weights if sizes[0] >= sizes[1] else -weights
        return Newborn(ways, sources, targets, weights, np.zeros(n_out), score=max(sizes))


def _singular_vectors(view: NetworkView, ways: Ways, rng: Generator) -> tuple[Array, Array]:
    """Right and left singular vectors of the gradients past a newborn, a row each.

    A sign is chosen, as singular vectors have none of their own, and so is the direction of
    those whose singular value is nothing but rounding: any will do for them.
    """
    outputs, deltas = view.signals.outputs[ways.sources], view.signals.deltas[ways.targets]
    gradients = deltas.astype(float) @ outputs.T.astype(float) / outputs.shape[1]
    left, sizes, right = np.linalg.svd(gradients, full_matrices=False)
    view.bill.candidate_gradients += gradients.size
    # LAPACK's estimate for the thin decomposition of an m by n matrix, 6 m n min(m, n)
    view.bill.flops += 2 * outputs.shape[1] * gradients.size
    view.bill.flops += 6 * gradients.size * min(gradients.shape)
    largest = np.abs(right).argmax(axis=1)[:, None]
    signs = np.sign(np.take_along_axis(right, largest, axis=1))
    right, left = signs * right, signs * left.T
    empty = sizes <= ROUNDING * sizes.max(initial=0.0)
    for vectors in (right, left):
        drawn = rng.standard_normal((int(empty.sum()), vectors.shape[1]))
        drawn -= drawn @ vectors[~empty].T @ vectors[~empty]  # no gradient there, as it was
        vectors[empty] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return right, left


def _incoming_gradient(
    view: NetworkView, sources: Slots, targets: Slots, weights: Array
) -> float:
    """Norm of the gradients of the weights into a neuron of slope 1 with these weights out."""
    sensed = weights @ view.signals.deltas[targets]
    view.bill.candidate_gradients += len(sources)
    view.bill.flops += 2 * len(sensed) * (len(sources) + len(targets))
    return float(np.linalg.norm(view.signals.outputs[sources] @ sensed)) / len(sensed)


def _outgoing_gradient(
    view: NetworkView, sources: Slots, targets: Slots, weights: Array, activation: Activation
) -> float:
    """Norm of the gradients of the weights out of a neuron with these weights in."""
    outputs, deltas = view.signals.outputs, view.signals.deltas
    made = activation.function(weights @ outputs[sources])
    view.bill.candidate_gradients += len(targets)
    view.bill.flops += 2 * len(made) * (len(sources) + len(targets))
    return float(np.linalg.norm(deltas[targets] @ made)) / len(made)


def _of_norm(vector: Array, norm: float) -> Array:
    """The vector with this norm; where it has none, evenly spread."""
    length = float(np.linalg.norm(vector))
    if length == 0:
        return np.full(len(vector), norm / np.sqrt(len(vector)))
    scaled: Array = vector * (norm / length)
    return scaled

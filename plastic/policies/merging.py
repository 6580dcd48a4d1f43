"""How two neurons become one: where both do the same, one takes over what the other feeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.edits import Connect, Disconnect, Edit, PruneNeurons
from plastic.policies.neurons import Array, Slots, keeping_groups, members, prunable, sweep
from plastic.signals import NetworkView
from plastic.topology import Structure


@dataclass(frozen=True)
class Merger:
    r"""One neuron that goes, and another one that takes over what it did.

    Parameters
    ----------
    gone, heir : int
        Slots.
    factor : float
        :math:`\alpha`, by which the weights out of the one are multiplied as they are added to
        those of the other.
    damage : float
        What it changes: see `merge_damage`.
    """

    gone: int
    heir: int
    factor: float
    damage: float


def merge_damage(view: NetworkView, slots: Slots) -> tuple[Array, Array]:
    r"""What merging any two neurons would change, and the factor that makes it least.

    Where neuron `b` goes and `a` takes over, the neurons that `b` fed receive
    :math:`\alpha y_a` for :math:`y_b`.  The change is least in the mean square for

    .. math:: \alpha_{ab} = \frac{\overline{y_a y_b}}{\overline{y_a^2}}, \qquad
        D_{ab} = \Big(\overline{y_b^2} - \frac{\overline{y_a y_b}^2}{\overline{y_a^2}}\Big)
        \sum_j w_{bj}^2

    where `D`, the sum of the mean squares of what those neurons then lack, is 0 for neurons
    that are multiples of each other, and :math:`\overline{y_b^2} \sum_j w_{bj}^2`, what pruning
    `b` would do, for those that have nothing in common.

    Parameters
    ----------
    view : NetworkView
        A pass over its mini-batch and the products of the outputs are on its bill.
    slots : int array, shape (n,)
        Of hidden neurons.

    Returns
    -------
    damage, factor : float arrays, shape (n, n)
        A row for each neuron that goes, a column for each that takes over; damage is infinite
        on the diagonal and where the other one never says anything.

    References
    ----------
    Srinivas and Babu (2015), Data-free parameter pruning for deep neural networks,
    arXiv:1507.06149, section 3, which merges neurons of like weights; here those of like
    outputs, whatever their weights.
    """
    structure, outputs = view.structure, view.signals.outputs[slots].astype(float)
    products = outputs @ outputs.T / outputs.shape[1]
    view.bill.flops += 2 * outputs.size * len(slots)
    squares = np.diagonal(products)
    heard = squares > 0
    factor = np.divide(products, squares, out=np.zeros_like(products), where=heard)
    left = np.maximum(squares[:, None] - factor * products, 0.0)
    left[left < 1e-12 * squares[:, None]] = 0.0  # nothing but rounding
    weights = view.weights.astype(float)
    strength = np.bincount(structure.sources, weights**2, structure.n_neurons)[slots]
    damage = left * strength[:, None]
    damage[:, ~heard] = np.inf
    np.fill_diagonal(damage, np.inf)
    return damage, factor


def mergers(
    view: NetworkView, group: int, count: int, maturity: int, rng: Generator
) -> list[Merger]:
    """The mergers in a group that change least; no neuron is in two of them.

    Parameters
    ----------
    view : NetworkView
    group : int
    count : int
        At most so many.
    maturity : int
        A neuron goes only if it has lived for so many steps.
    rng : Generator
        Breaks ties.
    """
    slots = members(view.structure, group)
    able = np.isin(slots, prunable(view, group, maturity))
    if count < 1 or len(slots) < 2 or not able.any():
        return []
    damage, factor = merge_damage(view, slots)
    damage[~able] = np.inf
    damage[:, _stranded(view.structure)[slots]] = np.inf
    scale = damage[np.isfinite(damage)].max(initial=0.0) or 1.0
    keys = (damage / scale).round(9).ravel()  # ties are not left to rounding
    shuffled = rng.permutation(keys.size)
    ranked = shuffled[np.argsort(keys[shuffled], kind="stable")]
    chosen: list[Merger] = []
    taken = np.zeros(len(slots), bool)
    for pair in ranked[: int(np.isfinite(keys).sum())].tolist():
        gone, heir = divmod(pair, len(slots))
        if taken[gone] or taken[heir] or not _may(view, int(slots[gone]), int(slots[heir])):
            continue
        found = float(factor[gone, heir]), float(damage[gone, heir])
        chosen.append(Merger(int(slots[gone]), int(slots[heir]), *found))
        taken[[gone, heir]] = True
        if len(chosen) == count:
            break
    return chosen


def _may(view: NetworkView, gone: int, heir: int) -> bool:
    """Whether one neuron may take over all that another one feeds.

    It must come before all of that, not be fed by the other one itself, and have room to feed
    so many; and what would change must be open, and not protected.
    """
    structure, limits = view.structure, view.constraints
    fed, own = structure.targets[_out(structure, gone)], _out(structure, heir)
    if not len(fed) or heir in fed or structure.rank[heir] >= structure.rank[fed].min():
        return False
    shared = own[np.isin(structure.targets[own], fed)]
    if np.isin(structure.connection_ids[shared], limits.protected_connections).any():
        return False
    n_out = len(own) + len(fed) - len(shared)
    fits = limits.max_fan_out is None or n_out <= limits.max_fan_out
    return fits and bool(view.is_open[fed].all())


def _stranded(structure: Structure) -> NDArray[np.bool_]:
    """Hidden neurons without a way in or out, which is what `sweep` takes along."""
    none = np.zeros(structure.n_neurons, bool)
    return sweep(structure, none, np.ones(structure.n_connections, bool))


def _out(structure: Structure, slot: int) -> Slots:
    """Positions of the connections out of a neuron."""
    out = structure.out
    return out.positions[out.indptr[slot] : out.indptr[slot + 1]]


def merge_edits(view: NetworkView, chosen: list[Merger], reason: str) -> list[Edit]:
    """The edits that merge neurons, and prune those that are left without a way out by it.

    Connections that an heir has already are taken away and come back with what is added to
    their weight; those that it has not begin with the weight that it takes over.
    """
    if not chosen:
        return []
    structure, ids = view.structure, view.structure.neuron_ids
    doomed = _doomed(view, chosen)
    shared, added, sources, targets, weights = [], [], [], [], []
    for merger in chosen:
        if doomed[merger.heir]:  # all that both fed goes, too
            continue
        out = _out(structure, merger.gone)
        out = out[~doomed[structure.targets[out]]]
        fed, moved = structure.targets[out], merger.factor * view.weights[out].astype(float)
        held = structure.positions_between(np.full(len(fed), merger.heir), fed)
        shared.append(held[held >= 0])
        added.append(moved[held >= 0])
        sources.append(np.full(int((held < 0).sum()), merger.heir))
        targets.append(fed[held < 0])
        weights.append(moved[held < 0])
    edits: list[Edit] = []
    positions = np.concatenate([*shared, np.zeros(0, np.int64)])
    if len(positions):
        columns = view.columns_of(positions)
        columns["weight"] = columns["weight"] + np.concatenate(added)
        edits = [
            Disconnect(structure.connection_ids[positions], keep_stranded=True, reason=reason),
            Connect(
                ids[structure.sources[positions]],
                ids[structure.targets[positions]],
                columns=columns,
                reason=reason,
            ),
        ]
    scores = np.full(structure.n_neurons, np.nan)
    scores[[merger.gone for merger in chosen]] = [merger.damage for merger in chosen]
    edits.append(
        PruneNeurons(ids[doomed], keep_stranded=True, reason=reason, scores=scores[doomed])
    )
    if sum(map(len, sources)):
        edits.append(
            Connect(
                ids[np.concatenate(sources)],
                ids[np.concatenate(targets)],
                columns={"weight": np.concatenate(weights)},
                reason=reason,
            )
        )
    return edits


def _doomed(view: NetworkView, chosen: list[Merger]) -> NDArray[np.bool_]:
    """Those that go, and those that have no way left once the heirs have taken over."""
    structure, sources = view.structure, view.structure.sources.copy()
    doomed = np.zeros(structure.n_neurons, bool)
    for merger in chosen:
        doomed[merger.gone] = True
        sources[_out(structure, merger.gone)] = merger.heir
    swept = sweep(structure, doomed, np.ones(structure.n_connections, bool), sources)
    return keeping_groups(view, doomed, swept)

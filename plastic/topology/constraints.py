"""What a topology must not become, whoever edits it: budgets, protection, fan limits.

Constraints are kept by the topology itself: an edit that would break one is refused like any
other, so no policy can.  Policies that look at them (through `plastic.signals.NetworkView`)
propose what will be accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.errors import InvalidEdit, InvalidParameter, check_count
from plastic.topology.structure import Kind, Structure

Ids = NDArray[np.int64]


@final
@dataclass(frozen=True, eq=False)
class Constraints:
    """Limits on a topology; whatever is left out is not limited.

    Parameters
    ----------
    max_connections : int, optional
    max_hidden : int, optional
        Hidden neurons at most; inputs and outputs are never added.
    max_fan_in, max_fan_out : int, optional
        Connections into and out of any one neuron.
    protected_neurons, protected_connections : int arrays, shape (n,)
        Ids that are never pruned.
    forbidden : iterable of (source group, target group)
        Groups that may not connect.

    Raises
    ------
    InvalidParameter
        If a limit is below 1, an id is negative, or a pair of groups is none.

    Examples
    --------
    >>> from plastic.edits import Connect
    >>> from plastic.topology import Topology
    >>> topology = Topology(3, 1)
    >>> topology.constrain(Constraints(max_fan_in=2))
    >>> topology.apply(Connect([0, 1, 2], [3, 3, 3]))
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidEdit: neuron 3 would have 3 connections in, max_fan_in is 2
    """

    max_connections: int | None = None
    max_hidden: int | None = None
    max_fan_in: int | None = None
    max_fan_out: int | None = None
    protected_neurons: Any = ()
    protected_connections: Any = ()
    forbidden: Iterable[tuple[int, int]] = ()

    def __post_init__(self) -> None:
        for name in ("max_connections", "max_hidden", "max_fan_in", "max_fan_out"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), low=0 if name == "max_hidden" else 1)
        for name in ("protected_neurons", "protected_connections"):
            object.__setattr__(self, name, _checked_ids(name, getattr(self, name)))
        object.__setattr__(self, "forbidden", _checked_pairs(self.forbidden))

    def check(self, structure: Structure) -> None:
        """Refuse a structure that is outside the limits.

        Raises
        ------
        InvalidEdit
            Names the neuron, connection or count, and the limit.
        """
        self._check_counts(structure)
        self._check_fans(structure)
        self._check_protected(structure)
        self._check_groups(structure)

    def surplus(self, structure: Structure, rng: Generator) -> NDArray[np.int64]:
        """Positions of connections to take out, so that groups, fans and count are kept.

        Which ones of too many go is left to chance; protected ones stay where they may.
        """
        gone = np.zeros(structure.n_connections, bool)
        groups = structure.groups
        for source, target in self.forbidden:
            gone |= (groups[structure.sources] == source) & (
                groups[structure.targets] == target
            )
        order = rng.permutation(structure.n_connections)
        kept = np.isin(structure.connection_ids[order], self.protected_connections)
        order = order[np.argsort(~kept, kind="stable")]
        for ends, limit in (
            (structure.targets, self.max_fan_in),
            (structure.sources, self.max_fan_out),
        ):
            if limit is not None:
                left = order[~gone[order]]
                gone[left[place_in_line(ends[left]) >= limit]] = True
        if self.max_connections is not None:
            gone[order[~gone[order]][self.max_connections :]] = True
        return np.flatnonzero(gone)

    def _check_counts(self, structure: Structure) -> None:
        n_hidden = int(np.sum(structure.kinds == Kind.HIDDEN))
        for name, held, limit in (
            ("connections", structure.n_connections, self.max_connections),
            ("hidden neurons", n_hidden, self.max_hidden),
        ):
            if limit is not None and held > limit:
                key = "max_connections" if name == "connections" else "max_hidden"
                raise InvalidEdit(f"there would be {held} {name}, {key} is {limit}")

    def _check_fans(self, structure: Structure) -> None:
        for way, limit in (("in", self.max_fan_in), ("out", self.max_fan_out)):
            if limit is None:
                continue
            fans = fan(structure, way)
            over = np.flatnonzero(fans > limit)
            if len(over):
                neuron, n = structure.neuron_ids[over[0]], fans[over[0]]
                raise InvalidEdit(
                    f"neuron {neuron} would have {n} connections {way}, "
                    f"max_fan_{way} is {limit}"
                )

    def _check_protected(self, structure: Structure) -> None:
        for what, ids, alive in (
            ("neuron", self.protected_neurons, structure.neuron_ids),
            ("connection", self.protected_connections, structure.connection_ids),
        ):
            gone = ids[~np.isin(ids, alive)] if len(ids) else ids
            if len(gone):
                raise InvalidEdit(f"{what} {gone[0]} is protected and would be gone")

    def _check_groups(self, structure: Structure) -> None:
        groups = structure.groups
        for source, target in self.forbidden:
            wrong = (groups[structure.sources] == source) & (
                groups[structure.targets] == target
            )
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                ends = structure.sources[at], structure.targets[at]
                pair = "->".join(str(structure.neuron_ids[slot]) for slot in ends)
                raise InvalidEdit(
                    f"connection {pair} would join group {source} to group {target}, "
                    "which is forbidden"
                )


def fan(structure: Structure, way: str) -> NDArray[np.int64]:
    """Connections into (``"in"``) or out of (``"out"``) each neuron, shape (n_neurons,)."""
    if way == "in":
        return np.diff(structure.indptr)
    return np.bincount(structure.sources, minlength=structure.n_neurons)


def place_in_line(ends: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many of the same value come before each.

    Examples
    --------
    >>> place_in_line(np.array([5, 3, 5, 5]))
    array([0, 0, 1, 2])
    """
    in_order = np.argsort(ends, kind="stable")
    first = np.searchsorted(ends[in_order], ends[in_order])
    places = np.empty(len(ends), np.int64)
    places[in_order] = np.arange(len(ends)) - first
    return places


def _checked_ids(name: str, given: Any) -> Ids:
    ids = np.atleast_1d(np.asarray(given))
    if not ids.size:
        return np.zeros(0, np.int64)
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or ids.min() < 0:
        raise InvalidParameter(f"{name} must be whole ids of at least 0, got {given!r}")
    ids = ids.astype(np.int64)
    ids.flags.writeable = False
    return ids


def _checked_pairs(given: Any) -> frozenset[tuple[int, int]]:
    pairs = set()
    for pair in given:
        groups = tuple(pair) if isinstance(pair, Iterable) else (pair,)
        if len(groups) != 2 or not all(isinstance(g, int | np.integer) for g in groups):
            raise InvalidParameter(
                f"forbidden must hold pairs (source group, target group), got {pair!r}"
            )
        pairs.add((int(groups[0]), int(groups[1])))
    return frozenset(pairs)

"""What policies and their parts remember, and how it is saved: flat names, plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.errors import InvalidParameter
from plastic.signals import NetworkView

Array = NDArray[Any]
State = dict[str, Array]


@runtime_checkable
class Remembers(Protocol):
    """A part whose choices depend on more than the view."""

    def state(self) -> State:
        """All that it remembers; numbers only."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on as the part that this state is of, which had the same configuration."""


@runtime_checkable
class Watches(Protocol):
    """A part that looks at the network between updates, too."""

    def looks(self, updates: NDArray[np.integer]) -> NDArray[np.integer]:
        """Steps at which it wants to look, given those of the updates; ascending."""

    def look(self, view: NetworkView, rng: Generator) -> None:
        """Take note of what there is to see; what it costs goes on the view's bill."""


def _watching(parts: Mapping[str, object]) -> list[Watches]:
    """The parts that are `Watches`, which takes `isinstance` ten times as long to tell."""
    every: list[Any] = list(parts.values())
    return [part for part in every if hasattr(part, "looks") and hasattr(part, "look")]


def looking_steps(
    parts: Mapping[str, object], updates: NDArray[np.integer]
) -> NDArray[np.integer]:
    """The steps of the updates, and those before the last of them at which a part looks."""
    looks = [part.looks(updates) for part in _watching(parts)]
    steps = np.unique(np.concatenate([updates, *looks]))
    return steps[steps <= updates.max(initial=0)]


def let_look(
    parts: Mapping[str, object],
    updates: NDArray[np.integer],
    view: NetworkView,
    rng: Generator,
) -> bool:
    """Let the parts look that want to at this step; whether that is all that is due."""
    looking = [part for part in _watching(parts) if view.step in part.looks(updates)]
    for part in looking:
        part.look(view, rng)
    return bool(looking) and view.step not in updates


def gather(parts: Mapping[str, object]) -> State:
    """The state of a composition: that of its parts, each name with its part's before it.

    Examples
    --------
    >>> gather({"first": ById(["sign"]), "second": None})
    {'first.ids': array([], dtype=int64), 'first.sign': array([], dtype=float64)}
    """
    return {
        f"{name}.{key}": value
        for name, part in parts.items()
        if isinstance(part, Remembers)
        for key, value in part.state().items()
    }


def hand_out(parts: Mapping[str, object], state: Mapping[str, Array]) -> None:
    """Restore every part of a composition from the state that `gather` made.

    Raises
    ------
    InvalidParameter
        If the state holds a name that is none of theirs, or lacks one.
    """
    able = {name: part for name, part in parts.items() if isinstance(part, Remembers)}
    for key in state:
        if key.partition(".")[0] not in able:
            raise InvalidParameter(f"there is no memory {key!r} to restore")
    for name, part in able.items():
        start = f"{name}."
        part.restore(
            {key[len(start) :]: value for key, value in state.items() if key.startswith(start)}
        )


def take(state: Mapping[str, Array], names: Iterable[str]) -> list[Array]:
    """Copies of the arrays of a state, which must hold just these.

    Raises
    ------
    InvalidParameter
        If it does not.

    Examples
    --------
    >>> take({"n": np.array([2.0])}, ["n"])
    [array([2.])]
    >>> take({}, ["n"])
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: the state must hold just 'n', got nothing
    """
    names = list(names)
    if set(state) != set(names):
        listed = (", ".join(map(repr, some)) or "nothing" for some in (names, sorted(state)))
        raise InvalidParameter("the state must hold just {}, got {}".format(*listed))
    return [np.array(state[name]) for name in names]


def take_first(state: Mapping[str, Array], names: Iterable[str]) -> tuple[list[Array], State]:
    """Copies of some arrays of a state, which must hold these, and all the others.

    Examples
    --------
    >>> take_first({"n": np.array([2.0]), "part.n": np.array([3.0])}, ["n"])
    ([array([2.])], {'part.n': array([3.])})
    """
    names = list(names)
    first = take({name: state[name] for name in names if name in state}, names)
    return first, {name: values for name, values in state.items() if name not in names}


@dataclass(eq=False)
class ById:
    """Numbers remembered of every connection, or neuron, which may come and go.

    Parameters
    ----------
    names : sequence of str
        Of the numbers; a newborn's are 0.

    Examples
    --------
    >>> seen = ById(["times"])
    >>> for ids in ([4, 2], [2, 7]):
    ...     is_new = seen.align(np.array(ids))
    ...     seen["times"] += 1
    >>> is_new, seen["times"]
    (array([False,  True]), array([2., 1.]))
    """

    names: Iterable[str]
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _numbers: State = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._numbers = {name: np.zeros(len(self.ids)) for name in self.names}

    def __getitem__(self, name: str) -> Array:
        """One number of each, in the order of the last `align`."""
        return self._numbers[name]

    def __setitem__(self, name: str, values: Array) -> None:
        self._numbers[name] = values

    def align(self, ids: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Forget what is gone, begin with what is new; say which are new.

        Parameters
        ----------
        ids : int array, shape (n,)
            Of those that there are.
        """
        if np.array_equal(ids, self.ids):
            return np.zeros(len(ids), bool)
        by_id = np.argsort(self.ids)
        at = np.searchsorted(self.ids, ids, sorter=by_id)
        at = by_id[np.minimum(at, len(by_id) - 1)] if len(by_id) else np.zeros_like(ids)
        is_new = self.ids[at] != ids if len(by_id) else np.ones(len(ids), bool)
        for name, values in self._numbers.items():
            held = values[at] if len(values) else np.zeros(len(ids))
            self._numbers[name] = np.where(is_new, 0.0, held)
        self.ids = ids.astype(np.int64)
        return is_new

    def state(self) -> State:
        """Ids and numbers."""
        return {"ids": self.ids.copy()} | {k: v.copy() for k, v in self._numbers.items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Ids and numbers as they were."""
        self.ids, *numbers = take(state, ["ids", *self._numbers])
        self._numbers = dict(zip(self._numbers, numbers, strict=True))

"""Edits: what may be done to a topology.

An edit is frozen and holds arrays, so one edit may carry a million connections; the ids in it
are copies, and read-only.  `Topology.apply` applies a sequence of edits all or none, and
returns the edits that undo it.  Ids left out are assigned by the topology; ids given are how
an undo brings back what was there, and how a later edit of the same call names a newborn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.activations import BY_CODE, Activation, get_activation
from plastic.errors import InvalidEdit

Ids = Any  # int64 array; may be given as anything like it

Finds = Mapping[str, Callable[[], Mapping[str, Any]]]

LATER = "_later"
"""Where an edit holds how fields are found that nobody has asked for yet."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Edit(ABC):
    """What all edits have in common.

    Parameters
    ----------
    reason : str
        Why, in a word or two; written into the table of edits.
    scores : float array, shape (n_items,), optional
        What the policy thought of each item; written into the table of edits.
    """

    kind: ClassVar[str]
    _way_back: ClassVar[Any] = None  # of an undo: see `plastic.topology.way_back`
    reason: str = ""
    scores: NDArray[np.floating] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """How many neurons or connections it names."""

    @classmethod
    def of(cls, finds: Finds | None = None, **values: Any) -> Self:
        """An edit of arrays that are right and nobody else's: nothing is checked or copied.

        Parameters
        ----------
        finds : mapping of str to function, optional
            For fields that are found when they are asked for, once: by the name of each, what
            finds it, and perhaps others.  Most undos are never looked at, so what they would
            say need not be worked out.
        **values
            The other fields.

        Examples
        --------
        >>> edit = Disconnect.of({"ids": lambda: {"ids": np.array([3, 5])}}, reason="undo")
        >>> edit.ids
        array([3, 5])
        """
        edit = object.__new__(cls)
        held = vars(edit)
        held["reason"] = ""
        held["scores"] = None
        if finds is not None:
            held[LATER] = finds
        held.update(values)
        return edit

    def with_ids(self, ids: Ids) -> Self:
        """The same edit with these ids, which are neither checked nor copied."""
        self.complete()
        return self.of(**vars(self) | {"ids": ids})

    def complete(self) -> None:
        """Find what is still missing."""
        for name in vars(self).get(LATER, ()):
            getattr(self, name)
        vars(self).pop(LATER, None)

    if not TYPE_CHECKING:  # there, every name would be right

        def __getattr__(self, name: str) -> Any:
            """Find a field that is missing; Python asks here for what is not there alone."""
            find = vars(self).get(LATER, {}).get(name)
            if find is None:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            vars(self).update(find())
            return vars(self)[name]

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the one way into a frozen dataclass

    def _check_scores(self) -> None:
        if self.scores is not None:
            self._set(scores=_aligned("scores", np.asarray(self.scores, float), len(self)))


@final
@dataclass(frozen=True, eq=False)
class AddNeurons(Edit):
    """Add hidden neurons.

    Parameters
    ----------
    n : int
        How many.
    activation : str, Activation or int array of shape (n,)
        One for all, or the code of each.
    group : int or int array of shape (n,)
        The group (layer) that they join.
    ids : int array, shape (n,), optional
        Fresh ids to be used, or those of pruned neurons that come back.
    columns : mapping of str to array of shape (n, ...), optional
        What they start with, for example ``{"bias": ...}``; otherwise they start fresh.
    keep_stranded : bool
        Whether they may live without a way in and a way out.

    Examples
    --------
    >>> edit = AddNeurons(2, activation="tanh", group=1)
    >>> len(edit), edit.groups
    (2, array([1, 1], dtype=int32))
    """

    kind: ClassVar[str] = "add_neuron"
    n: int
    activation: str | Activation | ArrayLike = "relu"
    group: int | ArrayLike = 1
    ids: Ids = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    keep_stranded: bool = False
    activations: NDArray[np.int8] = field(init=False)
    groups: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int | np.integer) or self.n < 0:
            raise InvalidEdit(f"n must be a whole number of at least 0, got {self.n!r}")
        code: Any = self.activation
        if isinstance(code, str | Activation):
            code = get_activation(code).code
        self._set(
            activations=_codes(_spread("activation", code, self.n, np.int8)),
            groups=_spread("group", self.group, self.n, np.int32),
            ids=None if self.ids is None else _aligned("ids", _ids(self.ids), self.n),
            columns=_columns(self.columns, self.n),
        )
        self._check_scores()

    def __len__(self) -> int:
        return int(self.n)


@dataclass(frozen=True, eq=False)
class Removal(Edit):
    """What taking away neurons and taking away connections have in common.

    Parameters
    ----------
    ids : int array, shape (n,)
        What goes.
    keep_stranded : bool
        Whether neurons that lose their last way in or out by it may stay.
    """

    ids: Ids
    keep_stranded: bool = False

    def __post_init__(self) -> None:
        self._set(ids=_ids(self.ids))
        self._check_scores()

    def __len__(self) -> int:
        return len(self.ids)


@final
@dataclass(frozen=True, eq=False)
class PruneNeurons(Removal):
    """Prune hidden neurons, and every connection from and to them; see `Removal`."""

    kind: ClassVar[str] = "prune_neuron"


@final
@dataclass(frozen=True, eq=False)
class Disconnect(Removal):
    """Remove connections; see `Removal`."""

    kind: ClassVar[str] = "disconnect"


@final
@dataclass(frozen=True, eq=False)
class Connect(Edit):
    """Add connections.

    Parameters
    ----------
    sources, targets : int array, shape (n,)
        Neuron ids.
    ids : int array, shape (n,), optional
        Fresh ids to be used, or those of removed connections that come back.
    columns : mapping of str to array of shape (n, ...), optional
        What they start with, for example ``{"weight": ...}``; otherwise they start fresh:
        at weight zero, so that no prediction changes, and without optimizer state.

    Examples
    --------
    >>> len(Connect([0, 1], [2, 2]))
    2
    >>> Connect([0, 1], [2])
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidEdit: targets must hold 2 items, got 1
    """

    kind: ClassVar[str] = "connect"
    sources: Ids
    targets: Ids
    ids: Ids = field(default_factory=lambda: None)  # a class with an attribute is never asked
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sources = _ids(self.sources)
        n = len(sources)
        self._set(
            sources=sources,
            targets=_aligned("targets", _ids(self.targets), n),
            ids=None if self.ids is None else _aligned("ids", _ids(self.ids), n),
            columns=_columns(self.columns, n),
        )
        self._check_scores()

    def __len__(self) -> int:
        return len(self.sources)


def _ids(values: ArrayLike) -> Ids:
    array = np.atleast_1d(np.asarray(values))
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidEdit(f"ids must be a flat array of whole numbers, got {values!r}")
    own = array.flags.owndata and not array.flags.writeable  # then nobody else can write
    array = array.astype(np.int64, copy=not own)
    array.flags.writeable = False
    return array


def _aligned(name: str, array: NDArray[Any], n: int) -> NDArray[Any]:
    if array.shape[:1] != (n,):
        raise InvalidEdit(f"{name} must hold {n} items, got {array.size}")
    return array


def _spread(name: str, value: Any, n: int, dtype: type) -> NDArray[Any]:
    array = np.asarray(value)
    if array.size and (array.dtype.kind not in "iu" or array.min() < 0):
        raise InvalidEdit(f"{name} must be whole numbers of at least 0, got {value!r}")
    if array.ndim == 0:
        array = np.full(n, array)
    return _aligned(name, array.astype(dtype), n)


def _codes(activations: NDArray[np.int8]) -> NDArray[np.int8]:
    unknown = ~np.isin(activations, list(BY_CODE))
    if unknown.any():
        raise InvalidEdit(f"there is no activation of code {activations[unknown][0]}")
    return activations


def _columns(columns: Mapping[str, Any], n: int) -> dict[str, NDArray[Any]]:
    return {name: _aligned(name, np.asarray(values), n) for name, values in columns.items()}

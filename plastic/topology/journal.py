"""The history of edits: a row for every neuron and connection that came or went.

Rows are plain arrays, so they go into a table as they are, and `replay` makes the same
structure from them and the topology as it was at first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.activations import BY_CODE, get_activation
from plastic.edits import AddNeurons, Connect, Disconnect, Edit, PruneNeurons
from plastic.errors import InvalidEdit
from plastic.topology.structure import SPREAD, Kind
from plastic.topology.topology import Topology
from plastic.topology.way_back import forget_way

Rows = dict[str, NDArray[Any]]

PRUNED_WITH = "with its neuron"
"""Reason of a connection that went because a neuron at its end was pruned."""


@dataclass(frozen=True)
class Entry:
    """One applied batch of edits.

    Parameters
    ----------
    edits : tuple of Edit
        As applied, with ids.
    undo : tuple of Edit
        What leads back.
    rows : dict of str to array, each of shape (n_items,)
        ``step``, ``kind``, ``id``, ``source``, ``target``, ``activation``, ``group``,
        ``reason``, ``score``; -1, "" or NaN where one does not apply.
    """

    edits: tuple[Edit, ...]
    undo: tuple[Edit, ...]
    rows: Rows


class Journal:
    """Applies edits to a topology and remembers them.

    Parameters
    ----------
    topology : Topology
        What is edited.
    remember : int, optional
        How many of the last batches can be undone; by default all.  What is forgotten is
        only how to undo: a batch that removes a million connections keeps their state.

    Examples
    --------
    >>> topology = Topology(2, 1)
    >>> journal = Journal(topology)
    >>> entry = journal.apply(Connect([0, 1], [2, 2]))
    >>> entry.rows["source"]
    array([0, 1])
    >>> journal.undo()
    >>> topology.n_connections
    0
    """

    def __init__(self, topology: Topology, remember: int | None = None) -> None:
        self.topology = topology
        self.entries: list[Entry] = []
        self._remember = remember

    def apply(self, *edits: Edit) -> Entry:
        """Apply edits, all or none, and remember them.

        Raises
        ------
        InvalidEdit
            If they break a rule; neither topology nor journal change.
        """
        numbered = self.topology.number(*edits)
        undo = self.topology.apply(*numbered)
        entry = Entry(numbered, undo, edit_rows(self.topology.step, numbered, undo))
        for last in self.entries[-1:]:
            forget_way(last.undo)  # another one is to be undone first
        self.entries.append(entry)
        if self._remember is not None:
            del self.entries[: max(len(self.entries) - self._remember, 0)]
        if not self.entries:
            forget_way(undo)
        return entry

    def undo(self) -> None:
        """Undo the last batch and forget it.

        Raises
        ------
        InvalidEdit
            If there is nothing left to undo, or something else was done since then.
        """
        if not self.entries:
            raise InvalidEdit("there is nothing left in the journal to undo")
        self.topology.apply(*self.entries[-1].undo)
        self.entries.pop()

    def rows(self) -> Rows:
        """The rows of all entries, in order."""
        return stack_rows([entry.rows for entry in self.entries])


def edit_rows(step: int, edits: Sequence[Edit], undo: Sequence[Edit] = ()) -> Rows:
    """Rows of edits: a row a neuron or connection.

    Parameters
    ----------
    step : int
        Training step that they are dated with.
    edits : sequence of Edit
        As proposed or, with ids, as applied.
    undo : sequence of Edit
        What `Topology.apply` returned for them; without it (a refused batch), removed
        connections have no ends to show.
    """
    back = iter(reversed(undo))
    pieces = [piece for edit in edits for piece in _pieces(edit, back)]
    rows = stack_rows(pieces)
    rows["step"] = np.full(len(rows["id"]), step, np.int64)
    return rows


def wiring_rows(topology: Topology) -> Rows:
    """Rows of the table of edits that make this topology of its inputs and outputs."""
    structure = topology.structure
    hidden = structure.kinds == Kind.HIDDEN
    ids = structure.neuron_ids
    neurons = AddNeurons(
        int(hidden.sum()),
        structure.activations[hidden],
        structure.groups[hidden],
        ids=ids[hidden],
        reason="wiring",
    )
    connections = Connect(
        ids[structure.sources],
        ids[structure.targets],
        ids=structure.connection_ids,
        reason="wiring",
    )
    return edit_rows(topology.step, [neurons, connections])


def _pieces(edit: Edit, back: Iterator[Edit]) -> Iterator[Rows]:
    if isinstance(edit, Connect):
        next(back, None)
        yield _rows(edit, edit.ids, source=edit.sources, target=edit.targets)
    elif isinstance(edit, AddNeurons):
        next(back, None)
        yield _rows(edit, edit.ids, activation=_names(edit), group=edit.groups)
    elif isinstance(edit, Disconnect):
        gone = next(back, None) if len(edit) else None
        if isinstance(gone, Connect):
            at = _places(gone.ids, edit.ids)
            yield _rows(edit, edit.ids, source=gone.sources[at], target=gone.targets[at])
        else:
            yield _rows(edit, edit.ids)
    elif isinstance(edit, PruneNeurons):
        gone = next(back, None) if len(edit) else None
        if isinstance(gone, Connect):
            with_it = Disconnect(gone.ids, reason=PRUNED_WITH)
            yield _rows(with_it, gone.ids, source=gone.sources, target=gone.targets)
            gone = next(back, None)
        yield _rows(edit, edit.ids)


def _places(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.integer]:
    """Where the wanted ids, which are the same ones in another order, are among the ids."""
    low = int(ids.min())
    span = int(ids.max()) - low + 1
    if span > SPREAD * len(ids):
        place = np.argsort(ids)
        return place[np.searchsorted(ids[place], wanted)]
    table = np.empty(span, np.int32)
    table[ids - low] = np.arange(len(ids), dtype=np.int32)
    return table[wanted - low]


def _rows(edit: Edit, ids: NDArray[np.int64] | None, **given: Any) -> Rows:
    def all_of(value: Any, dtype: Any) -> NDArray[Any]:
        return np.broadcast_to(np.array(value, dtype), len(edit))  # one value, however many

    none = all_of(-1, np.int64)
    rows: Rows = {
        "kind": all_of(edit.kind, object),
        "id": none if ids is None else ids,
        "source": none,
        "target": none,
        "activation": all_of("", object),
        "group": none,
        "reason": all_of(edit.reason, object),
        "score": all_of(np.nan, float) if edit.scores is None else edit.scores,
    }
    return rows | given


def _names(edit: AddNeurons) -> NDArray[Any]:
    return np.array([BY_CODE[int(code)].name for code in edit.activations], object)


def stack_rows(pieces: Sequence[Rows]) -> Rows:
    """Put rows one below the other."""
    if not pieces:
        pieces = [_rows(Disconnect([]), None) | {"step": np.zeros(0, np.int64)}]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def replay(topology: Topology, rows: Mapping[str, Any]) -> None:
    """Apply the rows of a journal (or of the table of edits) to a topology.

    Parameters
    ----------
    topology : Topology
        As it was when the journal began; it is changed.
    rows : mapping of str to array, each of shape (n_items,)
        Accepted rows, in order, with the columns of `Entry.rows`.

    Raises
    ------
    InvalidEdit
        If a row does not fit the topology; the rows before it have been applied.
    """
    columns = {name: np.asarray(values) for name, values in rows.items()}
    keys = list(zip(columns["step"].tolist(), columns["kind"].tolist(), strict=True))
    starts = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
    for start, stop in pairwise([*starts, len(keys)]):
        part = {name: values[start:stop] for name, values in columns.items()}
        topology.step = int(part["step"][0])
        topology.apply(_edit_of(keys[start][1], part))


def _edit_of(kind: str, rows: Rows) -> Edit:
    ids = rows["id"]
    if kind == Connect.kind:
        return Connect(rows["source"], rows["target"], ids=ids)
    if kind == Disconnect.kind:
        return Disconnect(ids, keep_stranded=True)
    if kind == PruneNeurons.kind:
        return PruneNeurons(ids, keep_stranded=True)
    if kind == AddNeurons.kind:
        codes = [get_activation(name).code for name in rows["activation"]]
        return AddNeurons(len(ids), codes, rows["group"], ids=ids, keep_stranded=True)
    raise InvalidEdit(f"there is no edit of kind {kind!r}")

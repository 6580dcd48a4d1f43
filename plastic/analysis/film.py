"""A run's network as a film: every neuron and connection that ever was, with place and life.

The lives come from the table of edits, and the places are fixed for the whole film, so that
what moves in it is the wiring alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from plastic.analysis.results import Results
from plastic.errors import InvalidNetwork, InvalidParameter, ResultsError

Ints = NDArray[np.int64]

NETWORK = "network.safetensors"
"""As `plastic.interop.safetensors.NETWORK`, which is not imported for pictures alone."""

OUTPUTS = -1
"""The group of outputs, which the table of edits does not name; that of inputs is 0."""


@dataclass(frozen=True, eq=False)
class Film:
    """Lives and places.

    Parameters
    ----------
    steps : int array, shape (n_frames,)
        The steps at which the wiring changed, ascending; the first is that of the wiring.
    neuron, group, neuron_born, neuron_died : int arrays, shape (n_neurons,)
        Id; group (0 for inputs, `OUTPUTS`); the frames in which each is first there, and in
        which it is gone (``n_frames`` if never).
    x, y : float arrays, shape (n_neurons,)
        Place in [0, 1]: `x` by depth, `y` by group and id.
    connection, source, target, born, died : int arrays, shape (n_connections,)
        Id; the positions of its ends among the neurons; its life, as that of neurons.
    weight, bias : float arrays, shapes (n_connections,) and (n_neurons,), optional
        As the run ended, NaN of those that are gone by then; None if they were not kept.
    """

    steps: Ints
    neuron: Ints
    group: Ints
    neuron_born: Ints
    neuron_died: Ints
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    connection: Ints
    source: Ints
    target: Ints
    born: Ints
    died: Ints
    weight: NDArray[np.float64] | None = None
    bias: NDArray[np.float64] | None = None

    def alive(self, frame: int) -> NDArray[np.bool_]:
        """Which connections are there in a frame, shape (n_connections,)."""
        return (self.born <= frame) & (frame < self.died)


def run_of(results: Results, run_id: str | None = None) -> Results:
    """One run alone, so that only its tables are read.

    Parameters
    ----------
    results : Results
    run_id : str, optional
        By default the complete run of the most edits, as there is most to see.

    Raises
    ------
    InvalidParameter
        If there is no run of that name, or none at all.
    """
    if run_id is None:
        runs = results.complete if len(results.complete) else results.runs
        if runs.empty:
            raise InvalidParameter(f"none of the runs in {results.folder} can be read")
        run_id = str(runs.sort_values("n_edits", kind="stable")["run_id"].iloc[-1])
    if run_id not in results.folders:
        raise InvalidParameter(f"there is no run {run_id!r} in {results.folder}")
    return replace(results, run_folders=(results.folders[run_id],))


def film_of(edits: pd.DataFrame) -> Film:
    """The film of one run.

    Parameters
    ----------
    edits : DataFrame
        Its table of edits, from the initial wiring on; refused rows are left out.

    Raises
    ------
    InvalidParameter
        If it does not begin with a wiring, or a row fits nothing.
    """
    rows = edits[edits["accepted"].to_numpy(bool)]
    kind = rows["kind"].astype(str).to_numpy()
    step, ids, source, target, group = (
        rows[name].to_numpy(np.int64) for name in ("step", "id", "source", "target", "group")
    )
    wires = np.isin(kind, ("connect", "disconnect"))
    if not (kind == "connect").any():
        raise InvalidParameter("the table of edits holds no connection")
    steps = np.unique(step)
    frame = np.searchsorted(steps, step)
    connection, born, died, first = _lives(ids[wires], frame[wires], kind[wires] == "connect")
    ends = source[wires][first], target[wires][first]
    hidden, hidden_born, hidden_died, added = _lives(
        ids[~wires], frame[~wires], kind[~wires] == "add_neuron"
    )
    died, hidden_died = (np.where(d < 0, len(steps), d) for d in (died, hidden_died))
    edge = np.setdiff1d(np.concatenate(ends), hidden)  # inputs and outputs are never added
    first_output = int(np.intersect1d(edge, ends[1]).min(initial=np.iinfo(np.int64).max))
    edge_group = np.where(edge < first_output, 0, OUTPUTS)
    everyone = np.concatenate([edge, hidden])
    order = np.argsort(everyone, kind="stable")
    neuron = everyone[order]
    groups = np.concatenate([edge_group, group[~wires][added]])[order]
    none, ever = np.zeros(len(edge), np.int64), np.full(len(edge), len(steps))
    places = [np.searchsorted(neuron, end) for end in ends]
    depth = depths(len(neuron), places[0], places[1], groups)
    x, y = _places(depth, groups)
    return Film(
        steps,
        neuron,
        groups,
        np.concatenate([none, hidden_born])[order],
        np.concatenate([ever, hidden_died])[order],
        x,
        y,
        connection,
        places[0],
        places[1],
        born,
        died,
    )


def _lives(ids: Ints, frames: Ints, comes: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints, Ints]:
    """Id, birth, death (-1 if alive) and row of birth of every life, by birth."""
    order = np.argsort(ids, kind="stable")  # rows of an id stay in the order of time
    ids, frames, comes = ids[order], frames[order], comes[order]
    births = np.flatnonzero(comes)
    after = np.minimum(births + 1, len(ids) - 1) if len(ids) else births
    ends = (after > births) & (ids[after] == ids[births]) & ~comes[after]
    died = np.where(ends, frames[after], -1)
    by_birth = np.lexsort((ids[births], frames[births]))
    births = births[by_birth]
    return ids[births], frames[births], died[by_birth], order[births]


def depths(n: int, source: ArrayLike, target: ArrayLike, groups: ArrayLike) -> Ints:
    """Longest way from an input to each neuron; outputs are behind all others.

    Over a whole film there may be cycles, one half of it gone before the other came; the
    neurons of one share a depth.

    Parameters
    ----------
    n : int
        Number of neurons.
    source, target : int arrays, shape (n_connections,)
        Positions among the neurons.
    groups : int array, shape (n,)

    Examples
    --------
    >>> depths(4, [0, 0, 1, 2], [1, 3, 2, 3], [0, 1, 1, OUTPUTS]).tolist()
    [0, 1, 2, 3]
    """
    source, target, groups = (np.asarray(a, np.int64) for a in (source, target, groups))
    pairs = sparse.coo_array((np.ones(len(source), np.int8), (source, target)), (n, n))
    count, part = csgraph.connected_components(pairs.tocsr(), connection="strong")
    u, v = part[source], part[target]
    u, v = u[u != v], v[u != v]
    depth = np.zeros(count, np.int64)
    depth[part[groups != 0]] = 1
    order = np.argsort(u, kind="stable")
    u, v = u[order], v[order]
    starts = np.searchsorted(u, np.arange(count + 1))
    waiting = np.bincount(v, minlength=count)
    ready = np.flatnonzero(waiting == 0).tolist()
    while ready:
        here = ready.pop()
        nexts = v[starts[here] : starts[here + 1]]
        np.maximum.at(depth, nexts, depth[here] + 1)
        np.subtract.at(waiting, nexts, 1)
        ready += [int(i) for i in np.unique(nexts) if waiting[i] == 0]
    found = depth[part]
    inner = found[groups != OUTPUTS]
    found[groups == OUTPUTS] = max(int(inner.max(initial=0)) + 1, 1)
    return found


def _places(depth: Ints, group: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns, column = np.unique(depth, return_inverse=True)
    x = column / max(len(columns) - 1, 1)
    y = np.empty(len(depth))
    for number in range(len(columns)):
        members = np.flatnonzero(column == number)
        members = members[np.argsort(group[members], kind="stable")]
        y[members] = (np.arange(len(members)) + 0.5) / len(members)
    return x, y


def learned(film: Film, folder: Path) -> Film:
    """The film with the weights and biases of the network that its run kept, if it kept one.

    Parameters
    ----------
    film : Film
    folder : Path
        The run's.
    """
    from plastic.interop import load_parameters  # reads no table, and is not needed by plots

    try:
        found = load_parameters(folder / NETWORK)
    except (ResultsError, InvalidNetwork):  # not kept, or damaged: the wiring is there anyway
        return film
    last = film.died == len(film.steps), film.neuron_died == len(film.steps)
    ids = (film.connection, film.neuron), (found.connection, found.neuron)
    values = (found.weight, found.bias)
    weight, bias = (_held(*them) for them in zip(*ids, values, last, strict=True))
    return replace(film, weight=weight, bias=bias)


def _held(
    ids: Ints, held: Ints, values: NDArray[np.floating[Any]], last: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Values by id where they are held and the film's last frame has them; else NaN."""
    order = np.argsort(held)
    place = np.searchsorted(held, ids, sorter=order)
    place = order[np.minimum(place, len(held) - 1)] if len(held) else np.zeros_like(ids)
    there = last & (held[place] == ids) if len(held) else np.zeros(len(ids), bool)
    found = np.full(len(ids), np.nan)
    found[there] = values[place[there]]
    return found


def film_of_topology(topology: Any) -> Film:
    """A film of one frame: a `plastic.Topology` as it is, or that of a `plastic.Network`.

    Raises
    ------
    InvalidParameter
        If it is neither.
    """
    topology = getattr(topology, "topology", topology)
    structure = getattr(topology, "structure", None)
    if structure is None:
        raise InvalidParameter(
            f"needs a Network, a Topology or Results, got {type(topology).__name__}"
        )
    source, target = (np.asarray(a, np.int64) for a in (structure.sources, structure.targets))
    group = np.asarray(structure.groups, np.int64).copy()
    group[structure.inputs], group[structure.outputs] = 0, OUTPUTS
    neuron, ids = (
        np.asarray(a, np.int64) for a in (structure.neuron_ids, structure.connection_ids)
    )
    x, y = _places(depths(len(neuron), source, target, group), group)
    zeros, ones = np.zeros_like(neuron), np.ones_like(neuron)
    return Film(
        np.array([getattr(topology, "step", 0)]), neuron, group, zeros, ones, x, y,
        ids, source, target, np.zeros_like(ids), np.ones_like(ids),
    )  # fmt: skip

"""A topology as named arrays and a few JSON values, and back, bit for bit.

Every file that holds a network holds this: `plastic.interop.safetensors` a network, a
checkpoint a run in the middle.  What is read is checked before it becomes a topology, so a
file made elsewhere, or damaged on the way, is refused by the rule that it breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.activations import BY_CODE, softmax
from plastic.errors import InvalidNetwork
from plastic.topology.columns import Columns
from plastic.topology.constraints import Constraints
from plastic.topology.dates import Dates
from plastic.topology.state import State
from plastic.topology.structure import Kind, Structure, id_dtype
from plastic.topology.topology import Topology

Arrays = dict[str, NDArray[Any]]

DTYPES: dict[str, type[np.generic]] = {
    "neuron_ids": np.int64,
    "kinds": np.int8,
    "activations": np.int8,
    "groups": np.int32,
    "rank": np.int32,
    "indptr": np.int64,
    "sources": np.int32,
    "connection_ids": np.int64,  # or int32: see `id_dtype`
}
"""The arrays of a `Structure`."""

BIRTHS = ("neuron", "connection")
LIMITS = ("max_connections", "max_hidden", "max_fan_in", "max_fan_out")
PROTECTED = ("protected_neurons", "protected_connections")


def encode(topology: Topology) -> tuple[Arrays, dict[str, Any]]:
    """Everything that a topology holds.

    Parameters
    ----------
    topology : Topology

    Returns
    -------
    arrays : dict of str to array
        ``structure.*`` (see `Structure`), ``neuron.*`` and ``connection.*`` (the columns), and
        ``births.*``, int64 of shape (2, n_dates): the first id given out at each date, and the
        date.
    described : dict
        The rest, fit for JSON: ``step``, ``next_neuron``, ``next_connection``, ``blocks``,
        ``constraints`` and ``fills``, what newborns start with in each column.

    Examples
    --------
    >>> topology = Topology(2, 1)
    >>> arrays, described = encode(topology)
    >>> arrays["structure.kinds"], described["next_neuron"]
    (array([0, 0, 2], dtype=int8), 3)
    >>> decode(arrays, described)
    Topology(3 neurons: 2 inputs, 0 hidden, 1 outputs; 0 connections)
    """
    state = topology._state
    arrays: Arrays = {f"structure.{name}": getattr(state.structure, name) for name in DTYPES}
    fills: dict[str, float] = {}
    for what, columns in (("neuron", state.neurons), ("connection", state.connections)):
        arrays |= {f"{what}.{name}": values for name, values in columns.items()}
        fills |= {f"{what}.{name}": columns.fill_of(name) for name in columns}
    arrays |= {f"births.{what}": topology._births[what].table for what in BIRTHS}
    described = {
        "step": topology.step,
        "next_neuron": state.next_neuron,
        "next_connection": state.next_connection,
        "blocks": _pairs_of(topology.blocks),
        "constraints": _constraints_of(topology.constraints),
        "fills": {name: fill for name, fill in fills.items() if fill},
    }
    return arrays, described


def decode(arrays: Mapping[str, NDArray[Any]], described: Mapping[str, Any]) -> Topology:
    """The topology that `encode` has told of.

    Parameters
    ----------
    arrays, described : mapping
        As from `encode`; arrays of other names are left alone.

    Returns
    -------
    Topology
        With copies of the arrays.

    Raises
    ------
    InvalidNetwork
        If something is missing, or they do not describe a topology: the message names the
        rule that they break.
    """
    structure = _structure(arrays)
    check_structure(structure)
    n_each = {"neuron": structure.n_neurons, "connection": structure.n_connections}
    columns = {what: Columns(n) for what, n in n_each.items()}
    fills = described.get("fills", {})
    for name, values in arrays.items():
        what, _, column = name.partition(".")
        if what in columns:
            if values.shape[:1] != (n_each[what],) or values.dtype.kind not in "biuf":
                raise InvalidNetwork(
                    f"{name} must hold a number for each of {n_each[what]} {what}s, "
                    f"got {values.dtype} of shape {values.shape}"
                )
            columns[what].put(column, values, fills.get(name, 0))
    state = State(
        structure,
        columns["neuron"],
        columns["connection"],
        _whole(described, "next_neuron", int(structure.neuron_ids.max()) + 1),
        _whole(described, "next_connection", int(structure.connection_ids.max(initial=-1)) + 1),
    )
    births = {what: Dates(_births(arrays, f"births.{what}")) for what in BIRTHS}
    blocks = _read_pairs(described, "blocks")
    topology = Topology.of(state, births, blocks, _whole(described, "step", 0))
    topology.constrain(_read_constraints(described.get("constraints")))
    return topology


def check_structure(structure: Structure) -> None:
    """Refuse arrays that do not hold together as a directed acyclic graph of neurons.

    Raises
    ------
    InvalidNetwork
        Names the rule that is broken.
    """
    _check_neurons(structure)
    _check_rows(structure)
    targets, sources = structure.targets, structure.sources
    against = structure.rank[sources] >= structure.rank[targets]
    _refuse(against.any(), "a connection goes against the order of the neurons")
    into = structure.kinds[targets] == Kind.INPUT
    _refuse(into.any(), "a connection leads into an input neuron")
    out_of = structure.activations[sources] == softmax.code
    _refuse(out_of.any(), "a connection leads out of a softmax output")
    pairs = targets.astype(np.int64) << 32 | sources
    _refuse(len(np.unique(pairs)) < len(pairs), "two connections join the same neurons")


def _check_neurons(structure: Structure) -> None:
    ids, kinds, codes = structure.neuron_ids, structure.kinds, structure.activations
    n = structure.n_neurons
    _refuse((np.diff(ids) <= 0).any() or (ids < 0).any(), "neuron ids do not ascend from 0 on")
    _refuse(not np.isin(kinds, list(Kind)).all(), f"kinds must be among {[*map(int, Kind)]}")
    _refuse(not np.isin(codes, list(BY_CODE)).all(), "an activation has an unknown code")
    _refuse((structure.groups < 0).any(), "a group is negative")
    _refuse(not np.array_equal(np.sort(structure.rank), np.arange(n)), "the rank is no order")
    missing = {Kind.INPUT, Kind.OUTPUT} - set(kinds.tolist())
    _refuse(
        bool(missing), f"there is no {min(missing, default=Kind.INPUT).name.lower()} neuron"
    )
    wrong = (codes == softmax.code) & (kinds != Kind.OUTPUT)
    some = np.unique(codes[kinds == Kind.OUTPUT] == softmax.code)
    _refuse(wrong.any() or len(some) > 1, "softmax joins all outputs and no other neuron")


def _check_rows(structure: Structure) -> None:
    indptr, ids, n = structure.indptr, structure.connection_ids, structure.n_connections
    ends = indptr[0] == 0 and indptr[-1] == n and (np.diff(indptr) >= 0).all()
    _refuse(not ends, f"the rows do not end at {n} connections")
    sources = structure.sources
    _refuse(
        n > 0 and not (sources.min() >= 0 and sources.max() < structure.n_neurons),
        "a connection comes out of a neuron that is not there",
    )
    _refuse((ids < 0).any() or len(np.unique(ids)) < n, "connection ids are not unique from 0")
    rising = np.diff(ids) > 0
    firsts = indptr[1:-1][(indptr[1:-1] > 0) & (indptr[1:-1] < n)]
    rising[firsts - 1] = True
    _refuse(not rising.all(), "connection ids do not ascend within a row")


def _structure(arrays: Mapping[str, NDArray[Any]]) -> Structure:
    held = {}
    for name, dtype in DTYPES.items():
        array = _array(arrays, f"structure.{name}")
        if array.ndim != 1 or array.dtype.kind != "i":
            raise InvalidNetwork(
                f"structure.{name} must be a flat array of whole numbers, "
                f"got {array.dtype} of shape {array.shape}"
            )
        if name == "connection_ids":
            dtype = id_dtype(int(array.max(initial=0)))
        held[name] = array.astype(dtype)
    n, lengths = len(held["neuron_ids"]), {name: len(array) for name, array in held.items()}
    wanted = dict.fromkeys(("neuron_ids", "kinds", "activations", "groups", "rank"), n)
    wanted |= {"indptr": n + 1, "connection_ids": lengths["sources"]}
    for name, length in wanted.items():
        if lengths[name] != length:
            raise InvalidNetwork(
                f"structure.{name} must hold {length} items, got {lengths[name]}"
            )
    return Structure(**held)


def _births(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.int64]:
    births = _array(arrays, name)
    right = births.ndim == 2 and births.shape[0] == 2 and births.dtype.kind == "i"
    if not right or not births.shape[1] or births[0, 0] != 0 or (np.diff(births[0]) < 0).any():
        raise InvalidNetwork(f"{name} must hold first ids from 0 on, and their steps")
    return births.astype(np.int64)


def _array(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise InvalidNetwork(f"there is no array {name!r}, so this is no topology of plastic's")
    return np.asarray(arrays[name])


def _whole(described: Mapping[str, Any], name: str, low: int) -> int:
    value = described.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InvalidNetwork(f"{name} must be a whole number of at least {low}, got {value!r}")
    return value


def _pairs_of(pairs: Iterable[tuple[int, int]] | None) -> list[list[int]] | None:
    return (
        None
        if pairs is None
        else sorted([int(source), int(target)] for source, target in pairs)
    )


def _read_pairs(described: Mapping[str, Any], name: str) -> frozenset[tuple[int, int]] | None:
    pairs = described.get(name)
    if pairs is None:
        return None
    try:
        return frozenset((int(source), int(target)) for source, target in pairs)
    except (TypeError, ValueError):
        raise InvalidNetwork(f"{name} must hold pairs of groups, got {pairs!r}") from None


def _constraints_of(constraints: Constraints | None) -> dict[str, Any] | None:
    if constraints is None:
        return None
    held: dict[str, Any] = {name: getattr(constraints, name) for name in LIMITS}
    held |= {name: getattr(constraints, name).tolist() for name in PROTECTED}
    held["forbidden"] = _pairs_of(constraints.forbidden)
    return held


def _read_constraints(held: Any) -> Constraints | None:
    if held is None:
        return None
    try:
        return Constraints(**held)
    except (TypeError, ValueError) as refused:
        raise InvalidNetwork(f"constraints: {refused}") from None


def _refuse(broken: bool | np.bool_, rule: str) -> None:
    if broken:
        raise InvalidNetwork(f"the arrays make no topology: {rule}")

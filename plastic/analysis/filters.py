"""What of the tables is asked for: which runs, which rows, which columns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from plastic.columns import COLUMNS
from plastic.errors import InvalidParameter

TABLES = {
    table: tuple(column.name for column in columns)
    for table, columns in COLUMNS.items()
    if table != "run"
}
"""The columns of each table that grows while a run goes on."""

LAST = "last"
"""Instead of a step: the last one of each run and table."""


@dataclass(frozen=True)
class Selection:
    """Runs, rows and columns that were asked for; by default all.

    Parameters
    ----------
    columns : tuple of str, optional
        Of the tables, as in ``step`` or ``edits.reason``; a table of which none is named
        keeps all of its own.
    where : mapping of str to condition
        A column, and what its value must be: that value, one of a list, set or tuple, or
        within ``slice(low, high)``, both ends included and either left out.  A name that the
        run table has is that of a run; ``convergence.density`` is that of a table.  Missing
        values meet no condition.
    """

    columns: tuple[str, ...] | None = None
    where: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.columns is None and not self.where

    def of_runs(self, known: Iterable[str]) -> dict[str, Any]:
        """The conditions on runs, by column, given the columns that the runs have."""
        known = set(known)
        named = {name.removeprefix("run."): value for name, value in self.where.items()}
        return {name: value for name, value in named.items() if name in known}

    def of_rows(self, table: str, known: Iterable[str]) -> dict[str, Any]:
        """The conditions on rows of a table, by column."""
        known, found = set(known), {}
        for name, value in self.where.items():
            owner, _, column = name.rpartition(".")
            if column in TABLES[table] and (
                owner == table or (not owner and name not in known)
            ):
                found[column] = value
        return found

    def columns_of(self, table: str) -> list[str]:
        """The columns of a table that are wanted, in its own order."""
        wanted = {
            name.removeprefix(f"{table}.")
            for name in self.columns or ()
            if name.removeprefix(f"{table}.") in TABLES[table]
        }
        return [name for name in TABLES[table] if not wanted or name in wanted]

    def check(self, known: Iterable[str]) -> None:
        """Refuse columns that neither the runs nor a table have.

        Raises
        ------
        InvalidParameter
            Naming the column, and those near it.
        """
        tables = {name for names in TABLES.values() for name in names}
        tables |= {f"{table}.{name}" for table, names in TABLES.items() for name in names}
        for name in self.columns or ():
            if name not in tables:
                raise InvalidParameter(_unknown("the tables have", name, tables))
        both = tables | set(known)
        for name in self.where:
            if name.removeprefix("run.") not in both:
                raise InvalidParameter(_unknown("neither runs nor tables have", name, both))


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    no = "a" if what.startswith("neither") else "no"
    return f"{what} {no} column {name!r}" + (f"; near it are {', '.join(near)}" if near else "")


def fits(row: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    """Whether a run meets all conditions.

    Raises
    ------
    InvalidParameter
        If a value cannot be compared with the bounds.

    Examples
    --------
    >>> row = {"policy": "set", "density": 0.1}
    >>> fits(row, {"policy": ["set", "rigl"], "density": slice(0.05, None)})
    True
    >>> fits(row, {"policy.fraction": 0.3})
    False
    """
    return all(_meets(name, row.get(name), wanted) for name, wanted in conditions.items())


def _meets(name: str, value: Any, wanted: Any) -> bool:
    if value is None:
        return False
    if not isinstance(wanted, slice):
        return value in _listed(wanted)
    try:
        above = wanted.start is None or bool(value >= wanted.start)
        return above and (wanted.stop is None or bool(value <= wanted.stop))
    except TypeError as error:
        raise InvalidParameter(f"{name}: {error}") from None


def _listed(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]


def filter_rows(table: pa.Table, conditions: Mapping[str, Any]) -> pa.Table:
    """The rows of one run's table that meet all conditions.

    Raises
    ------
    InvalidParameter
        If a condition is of another kind than its column.

    Examples
    --------
    >>> table = pa.table({"step": [0, 10, 10], "split": ["test", "train", "test"]})
    >>> filter_rows(table, {"step": "last", "split": "test"}).to_pylist()
    [{'step': 10, 'split': 'test'}]
    """
    masks = [_mask(name, table[name], wanted) for name, wanted in conditions.items()]
    for mask in masks[1:]:
        masks[0] = pc.and_(masks[0], mask)
    return table.filter(masks[0]) if masks else table


def _mask(name: str, column: pa.ChunkedArray, wanted: Any) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if name == "step" and isinstance(wanted, str) and wanted == LAST:
        return pc.equal(column, pc.max(column))
    if not isinstance(wanted, slice):
        return pc.is_in(column, value_set=_as_kind(name, _listed(wanted), kind))
    mask = pc.is_valid(column)
    if wanted.start is not None:
        mask = pc.and_(mask, pc.greater_equal(column, _as_kind(name, [wanted.start], kind)[0]))
    if wanted.stop is not None:
        mask = pc.and_(mask, pc.less_equal(column, _as_kind(name, [wanted.stop], kind)[0]))
    return mask


def _as_kind(name: str, values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, type=kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise InvalidParameter(f"{name} holds {kind}, and was compared with {values}") from None

"""Reading a whole sweep: every table of every run in a folder, as pandas DataFrames."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plastic.analysis.filters import Selection, filter_rows, fits
from plastic.errors import InvalidParameter, ResultsError, check_in
from plastic.parts import PARTS, read_parts
from plastic.records import COLUMNS, PIECEWISE, SCHEMAS

ATTEMPTS = 3
"""How often a table is looked for that may be on its way from parts to one file."""

MOST_THREADS, FEW = 8, 16
"""Threads that read files at once, and how many files are not worth another one."""

_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


@dataclass(frozen=True, repr=False)
class Results:
    """The tables of many runs, read when they are first asked for.

    Parameters
    ----------
    folder : Path
        The folder that was searched.
    run_folders : tuple of Path
        The folders found in it that hold a run's tables.
    config : tuple of str
        Columns of the run table that every other table is given.
    selection : Selection
        The runs, rows and columns that are read.
    """

    folder: Path
    run_folders: tuple[Path, ...]
    config: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)

    def __repr__(self) -> str:
        n = len(self.run_folders)
        which = "" if self.selection.is_everything else ", a selection"
        return f"Results({self.folder.as_posix()!r}: {n} {'run' if n == 1 else 'runs'}{which})"

    @cached_property
    def _scan(self) -> _Scan:
        """Every run row; of a selection, only the columns that it and `config` need."""
        wanted = self.selection
        if wanted.is_everything:
            return _scan(self.run_folders, None, wanted)
        # the prefix of a choice's name stands for its parameters, too; those are few
        names = {"run_id", *self.config, *(name.removeprefix("run.") for name in wanted.where)}
        return _scan(self.run_folders, names, wanted)

    @cached_property
    def folders(self) -> dict[str, Path]:
        """The folder of each run, by run_id."""
        return self._scan.folders

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row for each run that could be read, whatever its status."""
        if self.selection.is_everything:
            return _run_frame(self._scan.rows)
        return _run_frame(_scan(tuple(self.folders.values()), None, Selection()).rows)

    @cached_property
    def convergence(self) -> pd.DataFrame:
        """The tables of evaluations of all runs, one after another."""
        return self.join("convergence", *self.config)

    @cached_property
    def edits(self) -> pd.DataFrame:
        """The tables of edits of all runs, one after another."""
        return self.join("edits", *self.config)

    @cached_property
    def arms(self) -> pd.DataFrame:
        """The tables of arms of all runs, one after another."""
        return self.join("arms", *self.config)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """What metrics read in all runs, one run after another; see docs/metrics.md."""
        return self.join("metrics", *self.config)

    @property
    def complete(self) -> pd.DataFrame:
        """The runs that came to their end."""
        return self.runs[self.runs["status"] == "complete"]

    @property
    def failed(self) -> pd.DataFrame:
        """The runs that raised; the column ``reason`` says what."""
        return self.runs[self.runs["status"] == "failed"]

    @property
    def unfinished(self) -> pd.DataFrame:
        """The runs that are still going, or were killed."""
        return self.runs[self.runs["status"] == "running"]

    @cached_property
    def unreadable(self) -> pd.DataFrame:
        """Each file that is missing or corrupt: folder, table, reason.  Reads every file."""
        problems = list(self._scan.problems)
        files = [(folder, table) for folder in self.folders.values() for table in PIECEWISE]
        reasons = _of_each(lambda file: _read(*file)[1], files)
        for (folder, table), reason in zip(files, reasons, strict=True):
            if reason:
                problems.append({"folder": str(folder), "table": table, "reason": reason})
        return pd.DataFrame(problems, columns=["folder", "table", "reason"], dtype="str")

    def join(self, table: str, *columns: str) -> pd.DataFrame:
        """A table of all runs, with these columns of the run table beside it.

        Parameters
        ----------
        table : str
            ``convergence``, ``edits``, ``arms`` or ``metrics``.
        *columns : str
            Columns of `runs`, such as ``policy`` or ``policy.fraction``.  One that the table
            has itself is joined as ``run.<name>``.

        Raises
        ------
        InvalidParameter
            If there is no such table or column.
        """
        check_in("table", table, PIECEWISE)
        rows_known = not self.selection.is_everything and set(columns) <= set(self.config)
        runs = _run_frame(self._scan.rows) if rows_known else self.runs
        for name in columns:
            _check_known(name, runs)
        frame, rows = self._table(table)
        joined = {}
        for name in columns:
            values = runs[name]
            if values.dtype == "str":
                values = values.astype("category")
            joined[f"run.{name}" if name in frame else name] = values.array.take(rows)
        return frame.assign(**joined)

    def _table(self, table: str) -> tuple[pd.DataFrame, NDArray[np.intp]]:
        columns = self.selection.columns_of(table)
        where = self.selection.of_rows(table, self._scan.names)

        def one(folder: Path) -> pa.Table | None:
            piece = _read(folder, table, list(dict.fromkeys([*columns, *where])))[0]
            # at once, so that memory holds what was asked for and little more
            # an empty table is false, too
            return None if piece is None else filter_rows(piece, where).select(columns)

        read = _of_each(one, list(self.folders.values()))
        found = [piece for piece in read if piece is not None]
        empty = filter_rows(SCHEMAS[table].empty_table(), where)  # refuses what cannot be met
        merged = pa.concat_tables([empty.select(columns), *found])
        lengths = [0 if piece is None else piece.num_rows for piece in read]
        # the row of `runs` that each row of the table belongs to
        rows = np.repeat(np.arange(len(read)), lengths)
        # several threads take longer, as most of this is copying
        frame = merged.unify_dictionaries().to_pandas(use_threads=False)
        for name in frame.select_dtypes("category"):
            if frame.empty:  # pandas would take categories for objects where there are none
                frame[name] = pd.Categorical([], pd.Index([], dtype="str"))
        return frame, rows


def _check_known(name: str, runs: Collection[str]) -> None:
    if name not in runs:
        near = difflib.get_close_matches(name, list(runs), n=3, cutoff=0.5)
        hint = f"; near it are {', '.join(near)}" if near else f"; there are {', '.join(runs)}"
        raise InvalidParameter(f"the runs have no column {name!r}{hint}")


@dataclass(frozen=True)
class _Scan:
    """The run rows of many folders.

    Parameters
    ----------
    folders : dict
        Of the runs that are selected, by run_id.
    rows : list of dict
        Of the same, in the same order.
    problems : list of dict
        What could not be read: folder, table, reason.
    names : set of str
        Columns of all run tables, those of runs that are not selected, too.
    """

    folders: dict[str, Path]
    rows: list[dict[str, Any]]
    problems: list[dict[str, str]]
    names: set[str]


def _scan(folders: Sequence[Path], wanted: Collection[str] | None, chosen: Selection) -> _Scan:
    read = _of_each(lambda folder: _read_row(folder, wanted), folders)
    names = {name for _, known, _ in read for name in known}
    names |= {column.name for column in COLUMNS["run"]}
    chosen.check(names)
    conditions = chosen.of_runs(names)
    found, scan = dict[str, Path](), _Scan({}, [], [], names)
    for folder, (row, _, reason) in zip(folders, read, strict=True):
        if not reason and row["run_id"] in found:
            reason = f"run_id {row['run_id']!r} is already that of {found[row['run_id']]}"
        if reason:
            scan.problems.append({"folder": str(folder), "table": "run", "reason": reason})
            continue
        found[row["run_id"]] = folder
        if fits(row, conditions):
            scan.folders[row["run_id"]] = folder
            scan.rows.append(row)
    return scan


def _read_row(
    folder: Path, wanted: Collection[str] | None
) -> tuple[dict[str, Any], Sequence[str], str]:
    """A run's row, the columns that it has, and why it could not be read."""
    known: list[str] = []
    table, reason = _read(folder, "run", wanted, known)
    if table is None:
        return {}, known, reason
    row = zip(table.schema.names, table.columns, strict=True)
    return {name: column[0].as_py() for name, column in row}, known, reason


def _of_each(read: Callable[[_Item], _Read], items: Sequence[_Item]) -> list[_Read]:
    """What is read of each, in their order, by as many threads as there are cores.

    Each thread reads many files in one go: handing them over one by one would cost as much as
    reading them.
    """
    n_threads = min(MOST_THREADS, os.cpu_count() or 1, len(items) // FEW)
    if n_threads < 2:
        return [read(item) for item in items]
    size = max(FEW, len(items) // (8 * n_threads))
    bundles = [items[at : at + size] for at in range(0, len(items), size)]
    with ThreadPoolExecutor(n_threads) as threads:
        found = threads.map(lambda bundle: [read(item) for item in bundle], bundles)
        return [each for bundle in found for each in bundle]


def _run_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    names = dict.fromkeys(column.name for column in COLUMNS["run"])
    names |= dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    for column in COLUMNS["run"]:
        values = [row.get(column.name, column.missing) for row in rows]
        columns[column.name] = pd.Series(values, dtype=column.dtype)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _read(
    folder: Path,
    table: str,
    columns: Collection[str] | None = None,
    known: list[str] | None = None,
) -> tuple[pa.Table | None, str]:
    """A table of a run, merged or in parts; or None, and why.

    Parameters
    ----------
    folder : Path
    table : str
    columns : collection of str, optional
        Those that are read; all without it.
    known : list of str, optional
        Is given the names of all columns that the file has.
    """
    for _ in range(ATTEMPTS):
        try:
            try:
                return _read_file(folder / f"{table}.parquet", table, columns, known)
            except FileNotFoundError:
                if table != "run":  # the run is still going, or was killed
                    whole = read_parts(folder, table, SCHEMAS[table])
                    return whole.select(list(columns or SCHEMAS[table].names)), ""
        except FileNotFoundError:
            pass  # it has no parts, or they are being merged just now
        except ResultsError as error:
            return None, str(error)
    return None, f"{table}.parquet is missing"


def _read_file(
    path: Path, table: str, columns: Collection[str] | None, known: list[str] | None
) -> tuple[pa.Table | None, str]:
    try:
        # read as one piece, which takes two thirds of the time of reading by columns
        content = pa.BufferReader(path.read_bytes())
        with pq.ParquetFile(content, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            if known is not None:
                known += names
            chosen = None if columns is None else [n for n in names if n in set(columns)]
            read = file.read(columns=chosen, use_threads=False)
        if table == "run":
            if read.num_rows != 1 or "run_id" not in names:
                return None, f"{path.name} does not hold one run"
            return (read if chosen is None else read.select(chosen)), ""
        schema = SCHEMAS[table]
        lacking = [name for name in schema.names if name not in names]
        if lacking:
            return None, f"{path.name} lacks column {', '.join(lacking)}"
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        read = read.select(schema.names)
        return (read if read.schema.equals(schema) else read.cast(schema)), ""
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        return None, f"{path.name} is corrupt: {str(error).splitlines()[0]}"


def load_results(
    folder: str | Path,
    *,
    config: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> Results:
    """The tables of all runs in a folder, at any depth.

    Nothing is read of a column that is not asked for, and rows that are not are dropped file
    by file, so a part of a large study takes a part of the time and memory::

        load_results("results/demo", config=["policy"], columns=["step", "score"],
                     where={"policy": ["set", "rigl"], "split": "test", "step": "last"})

    Parameters
    ----------
    folder : path
        A run's folder, a study's, or that of all results.
    config : sequence of str
        Columns of the run table that every other table shall have, too.
    columns : sequence of str, optional
        Columns of the other tables, as in ``step`` or ``edits.reason``; a table of which none
        is named keeps all of its own.
    where : mapping, optional
        A column of the runs or of a table, and what its value must be: a value, one of a list,
        or within ``slice(low, high)``, both ends included; ``"step": "last"`` is the last step
        of each table.  A name that both have, such as ``density``, is that of the runs;
        ``convergence.density`` is that of the table.

    Raises
    ------
    ResultsError
        If there is no such folder, or no run in it.
    InvalidParameter
        If there is no column that `config`, `columns` or `where` names, or a condition is of
        another kind than its column.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ResultsError(
            f"there is no folder {folder}; results are kept where runs wrote them"
        )
    names = {f"{table}.parquet" for table in COLUMNS}
    found = []
    for parent, children, files in os.walk(folder):
        children[:] = [one for one in children if not one.startswith(".") and one != PARTS]
        if not names.isdisjoint(files):
            found.append(Path(parent))
    if not found:
        raise ResultsError(f"{folder} holds no runs: no run.parquet in it or below it")
    chosen = Selection(None if columns is None else tuple(columns), dict(where or {}))
    results = Results(folder, tuple(sorted(found)), tuple(config), chosen)
    if not chosen.is_everything:
        chosen.check(results._scan.names)
    for name in config:
        _check_known(name, results._scan.names if not chosen.is_everything else results.runs)
    return results

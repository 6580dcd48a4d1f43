"""Reading a whole sweep: every table of every run in a folder, as pandas DataFrames."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, ResultsError, check_in
from plastic.parts import PARTS, read_parts
from plastic.records import COLUMNS, PIECEWISE, SCHEMAS

ATTEMPTS = 3
"""How often a table is looked for that may be on its way from parts to one file."""


@dataclass(frozen=True)
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
    """

    folder: Path
    run_folders: tuple[Path, ...]
    config: tuple[str, ...] = ()

    @cached_property
    def _scan(self) -> tuple[dict[str, Path], list[dict[str, Any]], list[dict[str, str]]]:
        folders: dict[str, Path] = {}
        rows, problems = [], []
        for folder in self.run_folders:
            table, reason = _read(folder, "run")
            row = table.to_pylist()[0] if table is not None else {}
            if not reason and row["run_id"] in folders:
                reason = f"run_id {row['run_id']!r} is already that of {folders[row['run_id']]}"
            if reason:
                problems.append({"folder": str(folder), "table": "run", "reason": reason})
            else:
                folders[row["run_id"]] = folder
                rows.append(row)
        return folders, rows, problems

    @cached_property
    def folders(self) -> dict[str, Path]:
        """The folder of each run, by run_id."""
        return self._scan[0]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row for each run that could be read, whatever its status."""
        rows = self._scan[1]
        names = dict.fromkeys(column.name for column in COLUMNS["run"])
        names |= dict.fromkeys(name for row in rows for name in row)
        frame = pd.DataFrame({name: [row.get(name) for row in rows] for name in names})
        for column in COLUMNS["run"]:
            values = [row.get(column.name, column.missing) for row in rows]
            frame[column.name] = pd.Series(values, dtype=column.dtype)
        return frame

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
        problems = list(self._scan[2])
        for folder in self.folders.values():
            for table in PIECEWISE:
                reason = _read(folder, table)[1]
                if reason:
                    problems.append({"folder": str(folder), "table": table, "reason": reason})
        return pd.DataFrame(problems, columns=["folder", "table", "reason"], dtype="str")

    def join(self, table: str, *columns: str) -> pd.DataFrame:
        """A table of all runs, with these columns of the run table beside it.

        Parameters
        ----------
        table : str
            ``convergence``, ``edits`` or ``arms``.
        *columns : str
            Columns of `runs`, such as ``policy`` or ``policy.fraction``.  One that the table
            has itself is joined as ``run.<name>``.

        Raises
        ------
        InvalidParameter
            If there is no such table or column.
        """
        check_in("table", table, PIECEWISE)
        for name in columns:
            _check_known(name, self.runs)
        frame, rows = self._table(table)
        joined = {}
        for name in columns:
            values = self.runs[name]
            if values.dtype == "str":
                values = values.astype("category")
            joined[f"run.{name}" if name in frame else name] = values.array.take(rows)
        return frame.assign(**joined)

    def _table(self, table: str) -> tuple[pd.DataFrame, NDArray[np.intp]]:
        read = [_read(folder, table)[0] for folder in self.folders.values()]
        found = [piece for piece in read if piece is not None]
        merged = pa.concat_tables([SCHEMAS[table].empty_table(), *found])
        lengths = [0 if piece is None else piece.num_rows for piece in read]
        # the row of `runs` that each row of the table belongs to
        rows = np.repeat(np.arange(len(read)), lengths)
        frame = merged.unify_dictionaries().to_pandas()
        for name in frame.select_dtypes("category"):
            if frame.empty:  # pandas would take categories for objects where there are none
                frame[name] = pd.Categorical([], pd.Index([], dtype="str"))
        return frame, rows


def _check_known(name: str, runs: pd.DataFrame) -> None:
    if name not in runs:
        near = difflib.get_close_matches(name, list(runs), n=3, cutoff=0.5)
        hint = f"; near it are {', '.join(near)}" if near else f"; there are {', '.join(runs)}"
        raise InvalidParameter(f"the runs have no column {name!r}{hint}")


def _read(folder: Path, table: str) -> tuple[pa.Table | None, str]:
    """A table of a run, merged or in parts; or None, and why."""
    for _ in range(ATTEMPTS):
        try:
            try:
                return _read_file(folder / f"{table}.parquet", table)
            except FileNotFoundError:
                if table != "run":  # the run is still going, or was killed
                    return read_parts(folder, table, SCHEMAS[table]), ""
        except FileNotFoundError:
            pass  # it has no parts, or they are being merged just now
        except ResultsError as error:
            return None, str(error)
    return None, f"{table}.parquet is missing"


def _read_file(path: Path, table: str) -> tuple[pa.Table | None, str]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            read = file.read(use_threads=False)
        if table == "run":
            if read.num_rows != 1 or "run_id" not in read.column_names:
                return None, f"{path.name} does not hold one run"
            return read, ""
        lacking = [name for name in SCHEMAS[table].names if name not in read.column_names]
        if lacking:
            return None, f"{path.name} lacks column {', '.join(lacking)}"
        return read.select(SCHEMAS[table].names).cast(SCHEMAS[table]), ""
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        return None, f"{path.name} is corrupt: {str(error).splitlines()[0]}"


def load_results(folder: str | Path, *, config: Sequence[str] = ()) -> Results:
    """The tables of all runs in a folder, at any depth.

    Parameters
    ----------
    folder : path
        A run's folder, a study's, or that of all results.
    config : sequence of str
        Columns of the run table that every other table shall have, too.

    Raises
    ------
    ResultsError
        If there is no such folder, or no run in it.
    InvalidParameter
        If the runs have no column that `config` names.
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
    results = Results(folder, tuple(sorted(found)), tuple(config))
    for name in config:
        _check_known(name, results.runs)
    return results

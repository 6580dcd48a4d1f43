"""Tables of runs: a `Recorder` writes them to Parquet.

The columns are documented in `plastic.columns`, and listed by `describe_columns`.
`plastic.analysis.load_results` reads a whole sweep back.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import plastic
from plastic.columns import (
    COLUMNS,
    EXECUTION_COLUMNS,
    RUN_FINDINGS,
    TIME_COLUMNS,
    Column,
    check_piece,
    flatten,
    is_execution,
)
from plastic.errors import ResultsError, check_in
from plastic.files import remove_temporaries, unwritable, write_whole
from plastic.parts import (
    PARTS,
    Part,
    as_parquet,
    as_part,
    merge,
    parts_in,
    read_part,
    write_part,
)

__all__ = [
    "COLUMNS",
    "EXECUTION_COLUMNS",
    "PIECEWISE",
    "SCHEMAS",
    "TIME_COLUMNS",
    "Column",
    "Recorder",
    "comparable",
    "describe_columns",
    "git_commit",
    "read_status",
]

_ARROW = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "str": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
}
SCHEMAS = {
    table: pa.schema([(column.name, _ARROW[column.dtype]) for column in columns])
    for table, columns in COLUMNS.items()
}
"""The columns of each file, as Arrow sees them."""

PIECEWISE = tuple(table for table in COLUMNS if table != "run")
"""The tables that grow while a run goes on."""


def describe_columns() -> pd.DataFrame:
    """Every column of every table: table, name, dtype, unit, meaning.

    Examples
    --------
    >>> columns = describe_columns().set_index(["table", "name"])
    >>> str(columns.loc[("edits", "accepted"), "meaning"])
    'Whether the topology took it, and no trial took it back.'
    """
    rows = [
        {"table": table} | asdict(column)
        for table, columns in COLUMNS.items()
        for column in columns
    ]
    return pd.DataFrame(rows).drop(columns="missing")


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without what depends on the clock, or says where and how the run was executed.

    Two runs of one configuration and seed are equal in all that is left, bit for bit.

    Examples
    --------
    >>> comparable(pd.DataFrame({"loss": [0.5], "seconds": [1.2], "engine.threads": [2]}))
       loss
    0   0.5
    """
    clock = {name for names in TIME_COLUMNS.values() for name in names}
    return frame[[name for name in frame if name not in clock and not is_execution(name)]]


@cache
def git_commit() -> str:
    """Commit of the checkout that plastic is imported from, with ``+`` if it was changed since.

    Empty if plastic is not imported from a checkout, or git is not there.  Never fails.
    """
    here = Path(plastic.__file__).parent
    # a repository that plastic was merely installed into does not track its files
    tracked = ["ls-files", "--error-unmatch", "__init__.py"]
    describe = ["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        for arguments in (tracked, describe):
            done = subprocess.run(
                ["git", "--no-optional-locks", *arguments],
                cwd=here,
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def read_status(folder: Path) -> str:
    """Status of the run in a folder, as its last row says; empty if none can be read.

    Examples
    --------
    >>> read_status(Path("nowhere"))
    ''
    """
    try:
        row = pq.read_table(folder / "run.parquet", columns=["status"])
        return str(row["status"][0].as_py())
    except (OSError, IndexError, pa.ArrowException):
        return ""


class Recorder:
    """Writes the tables of one run into its folder; use it as a context manager.

    The folder is written to at once, so that a run that could not keep its results fails
    before it has begun.  What is recorded goes to numbered parts (`plastic.parts`), which are
    merged at the end.  Leaving the context marks the run complete; leaving it by an exception
    marks it failed, keeps what was recorded, and adds ``traceback.txt``; by Ctrl-C it is left
    as if it had been killed.

    Parameters
    ----------
    folder : path
        The run's own folder; created.  Tables of an earlier run in it are removed.
    run : mapping
        The run row as far as it is known: columns of the run table, and the configuration,
        nested or with dotted names.  ``run_id`` is the folder's name unless given.
    config : str
        The resolved configuration as YAML, written to ``config.yaml``.
    resume : mapping, optional
        The `position` of an earlier recorder of this folder: its tables are gone on with from
        there, and what it recorded later is dropped.

    Raises
    ------
    ResultsError
        If the folder cannot be written, or no longer holds what the position tells of.
    InvalidParameter
        If a value of `run` is not of its column's kind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Recorder(Path(folder) / "first", {"policy": "static", "seed": 3}) as recorder:
    ...         arms = {"step": 10, "arm": ["grow", "prune"], "pulls": [1, 0]}
    ...         _ = recorder.add("arms", arms)
    ...         recorder.finish(final_test_score=0.9)
    ...     run = pd.read_parquet(Path(folder) / "first" / "run.parquet")
    ...     run[["run_id", "status", "final_test_score"]].to_numpy().tolist()
    [['first', 'complete', 0.9]]
    """

    def __init__(
        self,
        folder: str | Path,
        run: Mapping[str, Any],
        config: str = "",
        *,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.config = config
        known = {column.name: column.missing for column in COLUMNS["run"]}
        known |= {"run_id": self.folder.name, "version": plastic.__version__}
        self._row = known | {"git_commit": git_commit()} | flatten(run)
        self._row |= {
            "status": "running",
            "reason": "",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": 0.0,
        }
        self._parts: list[Part] = []
        self._number = 0
        if resume is not None:
            self._row |= _checked_row(resume.get("row"))
            self._number, self._parts = _checked_parts(resume)
            for part in self._parts:
                self._read(part)
        _row_table(self._row)  # raises now what it would raise when written
        self._pieces: dict[str, list[pa.Table]] = {table: [] for table in PIECEWISE}
        self._clock = time.perf_counter() - self._row["seconds"]

    def __enter__(self) -> Recorder:
        try:
            (self.folder / PARTS).mkdir(parents=True, exist_ok=True)
            (self.folder / "traceback.txt").unlink(missing_ok=True)
            # first of all, or the tables of an earlier run would pass for complete
            self._write_row()
            for table in PIECEWISE:
                (self.folder / f"{table}.parquet").unlink(missing_ok=True)
            for part in parts_in(self.folder):
                if part not in self._parts:
                    (self.folder / PARTS / part.name).unlink(missing_ok=True)
            for folder in (self.folder, self.folder / PARTS):
                remove_temporaries(folder)
        except OSError as error:
            if isinstance(error, ResultsError):
                raise
            raise unwritable(self.folder, error) from error
        self._write("config.yaml", self.config.encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._row["reason"] = f"{kind.__name__}: {error}".removesuffix(": ")
            if not issubclass(kind, Exception):  # as by Ctrl-C: cut off, to go on with later
                self.flush()
                return
            text = "".join(traceback.format_exception(kind, error, trace))
            self._write("traceback.txt", text.encode())
        for table in PIECEWISE:
            self._write_merged(table)
        # only now: who reads "complete" finds the tables
        self._row["status"] = "complete" if kind is None else "failed"
        self._write_row()
        shutil.rmtree(self.folder / PARTS, ignore_errors=True)

    def add(self, table: str, columns: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Append rows to a table; they are written by the next `flush`.

        Parameters
        ----------
        table : str
            ``convergence``, ``edits``, ``arms`` or ``metrics``.
        columns : mapping of str to scalar or array, shape (n_rows,)
            Scalars are repeated; ``run_id`` is filled in.

        Returns
        -------
        dict of str to array, shape (n_rows,)
            The rows as they are in the table, all columns of it.

        Raises
        ------
        InvalidParameter
            As `plastic.columns.check_piece`; nothing is appended then.
        """
        piece = check_piece(table, {**columns, "run_id": self._row["run_id"]})
        schema = SCHEMAS[table]
        arrays = [pa.array(piece[field.name]).cast(field.type) for field in schema]
        self._pieces[table].append(pa.Table.from_arrays(arrays, schema=schema))
        return piece

    def held(self) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """What has been written so far: pieces of one step each, as `add` returned them.

        They come in the order in which a run writes them: step by step, evaluations and metrics
        before edits and arms, but for the initial wiring, which comes first.
        """
        places = []
        for rank, table in enumerate(("convergence", "metrics", "edits", "arms")):
            whole = merge([SCHEMAS[table].empty_table(), *self._written(table)])
            steps = whole["step"].to_numpy()
            begins = np.flatnonzero(np.diff(steps, prepend=-1))
            for first, n_rows in zip(begins, np.diff(begins, append=len(steps)), strict=True):
                wiring = table == "edits" and steps[first] == 0
                where = (steps[first], not wiring, rank)
                places.append((where, table, whole.slice(first, n_rows)))
        for _, table, piece in sorted(places, key=lambda place: place[0]):
            yield (
                table,
                {name: piece[name].to_numpy() for name in piece.column_names},
            )

    def finish(self, **values: Any) -> None:
        """Set what the run found, in the run row; may be called more than once.

        Raises
        ------
        InvalidParameter
            If a name is none of `plastic.columns.RUN_FINDINGS`, or a value not of its kind.
        """
        for name in values:
            check_in("finding", name, [column.name for column in RUN_FINDINGS])
        row = self._row | {name: flatten({name: value})[name] for name, value in values.items()}
        _row_table(row)
        self._row = row

    def flush(self) -> None:
        """Write what was added since the last flush; a reader never sees half a file.

        Raises
        ------
        ResultsError
            If the folder cannot be written any more; the files keep what they held.
        """
        number, self._number = self._number, self._number + 1
        for table, pieces in self._pieces.items():
            if pieces:
                self._parts.append(write_part(self.folder, table, number, merge(pieces)))
                pieces.clear()
        self._write_row()

    def position(self) -> dict[str, Any]:
        """Where the tables are, for a recorder that goes on from here; JSON can hold it.

        What was added since the last flush is written first.
        """
        self.flush()
        names = ["started", "seconds", *(column.name for column in RUN_FINDINGS)]
        return {
            "number": self._number,
            "parts": [part.name for part in self._parts],
            "row": {name: self._row[name] for name in names},
        }

    def _write_merged(self, table: str) -> None:
        written = self._written(table)
        whole = merge([SCHEMAS[table].empty_table(), *written, *self._pieces[table]])
        self._write(f"{table}.parquet", as_parquet(whole))

    def _written(self, table: str) -> list[pa.Table]:
        return [self._read(part) for part in self._parts if part.table == table]

    def _read(self, part: Part) -> pa.Table:
        try:
            return read_part(self.folder, part, SCHEMAS[part.table])
        except FileNotFoundError:
            raise ResultsError(f"{PARTS}/{part.name} is missing") from None

    def _write_row(self) -> None:
        self._row["seconds"] = time.perf_counter() - self._clock
        self._write("run.parquet", as_parquet(_row_table(self._row)))

    def _write(self, name: str, content: bytes) -> None:
        write_whole(self.folder / name, content)


def _checked_row(row: Any) -> dict[str, Any]:
    """The findings of a position, which may be from a file."""
    names = {"started", "seconds", *(column.name for column in RUN_FINDINGS)}
    plain = isinstance(row, dict) and set(row) <= names and "seconds" in row
    try:
        if plain and all(isinstance(value, int | float | str) for value in row.values()):
            known = {column.name: column.missing for column in COLUMNS["run"]}
            _row_table(known | row)
            return dict(row)
    except (ValueError, OverflowError):
        pass  # a number for a text, or one beyond 64 bits
    raise ResultsError(f"a position must hold a run's findings, got {str(row)[:80]}")


def _checked_parts(position: Mapping[str, Any]) -> tuple[int, list[Part]]:
    """The next number, and the parts before it; names that are no part's lead nowhere."""
    number, names = position.get("number"), position.get("parts")
    listed = names if isinstance(names, list) else [None]
    parts = [as_part(name) if isinstance(name, str) else None for name in listed]
    found = [part for part in parts if part is not None and part.table in PIECEWISE]
    known = len(found) == len(parts)
    if not isinstance(number, int) or not known or any(p.number >= number for p in found):
        raise ResultsError(f"a position must name parts and a number, got {str(position)[:80]}")
    return number, found


def _row_table(row: Mapping[str, Any]) -> pa.Table:
    declared = {
        column.name: pa.array(
            column.convert(row[column.name]).reshape(1), _ARROW[column.dtype], from_pandas=False
        )
        for column in COLUMNS["run"]
    }
    # a configured value has the type that it has; None is a column of its own type, null
    return pa.table(declared | {k: pa.array([v]) for k, v in row.items() if k not in declared})

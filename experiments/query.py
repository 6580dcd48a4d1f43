"""SQL over the tables of a study: ``python -m experiments.query "select ..." results/demo``."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.answers import answered
from plastic.errors import InvalidParameter, require_extra

if TYPE_CHECKING:
    import duckdb

    from plastic.analysis import Results

MOST_ROWS = 100
"""Rows that are printed unless all are asked for."""

WIDEST = 40
"""Characters of a value that are printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Answer a query; 0, or 2 if it cannot be answered.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.
    """
    arguments = _parser().parse_args(argv)
    return answered(lambda: _answer(arguments))


def _answer(arguments: argparse.Namespace) -> None:
    engine: Any = require_extra("duckdb", "query")
    # not before: --help and wrong command lines are answered without pandas
    from plastic.analysis import load_results

    results = load_results(arguments.folder)
    with open_views(results) as connection:
        try:
            statements = connection.extract_statements(arguments.sql)
            if len(statements) != 1 or statements[0].type != engine.StatementType.SELECT:
                raise InvalidParameter("a query is one select, as in: select * from runs")
            answer = connection.sql(statements[0].query)
            frame = answer.to_df()
        except engine.Error as error:
            raise InvalidParameter(str(error).strip()) from None
    if arguments.csv:
        frame.to_csv(arguments.csv, index=False)
    if arguments.parquet:
        frame.to_parquet(arguments.parquet, index=False)
    written = [path for path in (arguments.csv, arguments.parquet) if path]
    for path in written:
        print(f"{len(frame)} rows: {path}")
    if not written:
        print(as_text(frame, None if arguments.all else MOST_ROWS))
    unread = {problem["folder"] for problem in results.unreadable.to_dict("records")}
    if unread:
        print(f"left out, as files of theirs cannot be read: {', '.join(sorted(unread))}",
              file=sys.stderr)  # fmt: skip


def open_views(results: Results) -> duckdb.DuckDBPyConnection:
    """A database in memory with a view of each table, which can read nothing else.

    Parameters
    ----------
    results : Results
        The view ``runs`` is its run table.  The other tables are read from their files as a
        query needs them, so that DuckDB reads only the columns and rows of it; those of runs
        that still go on, or whose file is damaged, are as `results` has them.

    Raises
    ------
    MissingExtra
        If DuckDB is not installed.
    """
    engine: Any = require_extra("duckdb", "query")
    from plastic.records import PIECEWISE

    connection: duckdb.DuckDBPyConnection = engine.connect(":memory:")
    connection.register("runs_frame", results.runs)
    connection.execute("create view runs as select * from runs_frame")
    broken = {(row.folder, row.table) for row in results.unreadable.itertuples()}
    allowed: list[str] = []
    for table in PIECEWISE:
        folders = [
            folder for folder in results.folders.values() if (str(folder), table) not in broken
        ]
        merged = [str(path) for f in folders if (path := f / f"{table}.parquet").is_file()]
        if len(merged) == len(folders) and merged:
            allowed += [*merged, *map(_plain, merged)]
            # a list of literals, in which a quote of a name is doubled; globs are not followed
            names = ", ".join(_literal(_plain(name)) for name in merged)
            connection.execute(f"create view {table} as from read_parquet([{names}])")
        else:  # some are in parts still
            connection.register(f"{table}_frame", getattr(results, table))
            connection.execute(f"create view {table} as select * from {table}_frame")
    listed = ", ".join(_literal(name) for name in dict.fromkeys(allowed))
    connection.execute(f"set allowed_paths = [{listed}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _literal(text: str) -> str:
    """A text as SQL writes it.

    Examples
    --------
    >>> _literal("Ada's runs")
    "'Ada''s runs'"
    """
    return "'" + text.replace("'", "''") + "'"


def _plain(path: str) -> str:
    """A path in which nothing stands for other names.

    Examples
    --------
    >>> _plain("results/a[1]*")
    'results/a[[]1][*]'
    """
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def as_text(frame: Any, most: int | None = MOST_ROWS) -> str:
    """A frame as a table that the terminal has room for; what is left out is told.

    Parameters
    ----------
    frame : DataFrame
    most : int, optional
        Rows that are shown; all without it.
    """
    shown = frame if most is None else frame.head(most)
    columns: list[list[str]] = []
    for name in shown:
        cells = [str(name), *(_cell(value) for value in shown[name])]
        wide = max(map(len, cells))
        left = frame[name].dtype.kind not in "iufb"
        columns.append([cell.ljust(wide) if left else cell.rjust(wide) for cell in cells])
    room, kept = shutil.get_terminal_size().columns, 0
    while kept < len(columns) and (room := room - len(columns[kept][0]) - 2 * (kept > 0)) >= 0:
        kept += 1
    kept = max(kept, 1)
    lines = ["  ".join(row).rstrip() for row in zip(*columns[:kept], strict=True)]
    if left_out := list(frame)[kept:]:
        lines.append(f"({len(left_out)} columns more: {', '.join(left_out[:5])}"
                     f"{', ...' if len(left_out) > 5 else ''}; --csv writes all)")  # fmt: skip
    if len(frame) > len(shown):
        lines.append(f"({len(frame) - len(shown)} rows more; --all prints them)")
    return "\n".join([*lines, f"{len(frame)} row{'s' * (len(frame) != 1)}"])


def _cell(value: Any) -> str:
    from plastic.analysis.rendering import printable  # as in `_answer`

    text = f"{value:.6g}" if isinstance(value, float) else printable(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plastic-query",
        description="SQL by DuckDB over the tables of a study, as the views runs, convergence, "
        "edits, arms and metrics; nothing can be written or read beside them.",
    )
    parser.add_argument(
        "sql", help='as in "select policy, avg(final_test_score) from runs ..."'
    )
    parser.add_argument("folder", type=Path, help="a folder of runs, such as results/demo")
    parser.add_argument("--csv", type=Path, help="write the answer here instead of printing it")
    parser.add_argument("--parquet", type=Path, help="the same, as Parquet")
    parser.add_argument("--all", action="store_true", help="print every row")
    return parser


if __name__ == "__main__":
    sys.exit(main())

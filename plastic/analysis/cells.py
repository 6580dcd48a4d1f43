"""Tables that a study is put together from, one small file for each piece of work."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from plastic.errors import ResultsError


def write_cell(
    folder: Path, name: str, rows: pd.DataFrame | Sequence[Mapping[str, Any]], config: str
) -> None:
    """Keep the rows of one piece of work and its configuration, below cells/.

    Raises
    ------
    ResultsError
        If the folder cannot be written.
    """
    cells = folder / "cells"
    try:
        cells.mkdir(parents=True, exist_ok=True)
        (cells / f"{name}.yaml").write_text(config, encoding="utf-8")
        frame = pd.DataFrame(rows)
        replace_file(cells / f"{name}.csv", lambda path: frame.to_csv(path, index=False))
    except OSError as error:
        raise ResultsError(f"cannot write {cells}: {error}") from error


def gather_cells(folder: Path, table_name: str, keys: Sequence[str]) -> pd.DataFrame:
    """Put all cells of a folder together, into one parquet and one csv file.

    Parameters
    ----------
    folder : Path
    table_name : str
        Of the two files.
    keys : sequence of str
        Columns to sort by.

    Raises
    ------
    ResultsError
        If there are no cells, or the folder cannot be written.
    """
    files = sorted((folder / "cells").glob("*.csv"))
    if not files:
        raise ResultsError(f"{folder} holds no cells")
    try:
        table = pd.concat([pd.read_csv(file) for file in files], ignore_index=True)
        table = table.sort_values(list(keys), ignore_index=True)
        name = folder / table_name
        replace_file(
            name.with_suffix(".parquet"), lambda path: table.to_parquet(path, index=False)
        )
        replace_file(name.with_suffix(".csv"), lambda path: table.to_csv(path, index=False))
    except (OSError, KeyError, ValueError) as error:
        raise ResultsError(f"cannot put {folder}/cells together: {error}") from error
    return table


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file aside, then put it in place, so that nobody reads half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)

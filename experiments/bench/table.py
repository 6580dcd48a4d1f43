"""The table on disk, and on the screen."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from experiments.bench.measure import Row

COLUMNS = tuple(field.name for field in fields(Row))
"""Columns of bench.csv."""

_HEADER = (
    f"{'case':24}  {'density':>8}  threads  {'peer':22}  {'ours':>10}  {'peer':>10}  ratio"
)


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as CSV, numbers to four digits.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "bench.csv"
    ...     write_table(path, [Row("a case", 0.1, 1, "a peer", 2.0, 6.0, 3.0, 2.9, 3.1)])
    ...     print(path.read_text(), end="")
    case,density,threads,peer,our_ms,peer_ms,ratio,ratio_low,ratio_high
    a case,0.1,1,a peer,2,6,3,2.9,3.1
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(_short(value) for value in asdict(row).values())


def format_rows(rows: Sequence[Row]) -> str:
    """Lines for the screen, one a row.

    Examples
    --------
    >>> print(format_rows([Row("a case", 0.1, 1, "a peer", 2.0, 6.0, 3.0, 2.9, 3.1)]))
    a case                         0.1        1  a peer                           2  \
         6  3 (2.9 to 3.1)
    """
    return "\n".join(
        f"{row.case:24}  {row.density:8.4g}  {row.threads:7d}  {row.peer:22}  "
        f"{row.our_ms:10.4g}  {row.peer_ms:10.4g}  "
        f"{row.ratio:.3g} ({row.ratio_low:.3g} to {row.ratio_high:.3g})"
        for row in rows
    )


def header() -> str:
    """What stands above `format_rows`."""
    return _HEADER


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value

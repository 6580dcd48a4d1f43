"""Tables that still grow: numbered Parquet files, until they are merged at the end of a run.

While a run goes on, the folder ``parts`` in its folder holds what was recorded so far::

    parts/convergence-000002-0f343b0931126a20.parquet
          table       number digest of the whole file

Each appears under its name when it is whole, and is not changed after that.  A table is its
parts in the order of their numbers; once ``convergence.parquet`` is there, it is the table,
and parts that are still there are left over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plastic.errors import ResultsError
from plastic.files import write_whole

PARTS = "parts"
"""Name of the folder in a run's folder."""

MOST_BYTES, INFLATION = 2**28, 2**10
"""A table may claim to be this large in memory, and so many times as large as its file."""

SHORT = 10_000
"""Most rows of a table that is packed to be read soon, not to be small."""

_NAME = re.compile(r"([a-z]+)-(\d{6})-([0-9a-f]{16})\.parquet")


@dataclass(frozen=True, order=True)
class Part:
    """A piece of a table, in a file of its own.

    Parameters
    ----------
    table : str
    number : int
        Ascends from one part of a table to the next; there may be gaps.
    digest : str
        The first 16 hexadecimal digits of the SHA-256 of the file.

    Examples
    --------
    >>> Part("arms", 7, "0f343b0931126a20").name
    'arms-000007-0f343b0931126a20.parquet'
    """

    table: str
    number: int
    digest: str

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.table}-{self.number:06d}-{self.digest}.parquet"


def as_part(name: str) -> Part | None:
    """The part that a file of this name holds; None if it is no part.

    Examples
    --------
    >>> as_part("arms-000007-0f343b0931126a20.parquet")
    Part(table='arms', number=7, digest='0f343b0931126a20')
    >>> as_part("../arms-000007-0f343b0931126a20.parquet") is None
    True
    """
    found = _NAME.fullmatch(name)
    return Part(found[1], int(found[2]), found[3]) if found else None


def parts_in(folder: Path) -> list[Part]:
    """The parts of all tables in a run's folder, by table and number.

    Raises
    ------
    FileNotFoundError
        If the folder has none to hold parts, as before and after a run.
    """
    named = [as_part(path.name) for path in (folder / PARTS).iterdir()]
    return sorted(part for part in named if part is not None)


def write_part(folder: Path, table: str, number: int, rows: pa.Table) -> Part:
    """Write the next part of a table; a reader never sees half of it.

    Raises
    ------
    ResultsError
        If it cannot be written.
    """
    content = as_parquet(rows)
    part = Part(table, number, _digest(content))
    write_whole(folder / PARTS / part.name, content)
    return part


def as_parquet(table: pa.Table) -> bytes:
    """A table as the content of a Parquet file.

    One row is not packed: there is nothing to gain, and unpacking each of its many columns
    would take three quarters of the time to read it.  Of other tables, what repeats itself is
    named once, and short ones are packed so that many are read soon: zstd would make them no
    smaller, and takes twice as long to unpack.
    """
    buffer = pa.BufferOutputStream()
    single = table.num_rows == 1
    repeating = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    packing = "none" if single else "lz4" if table.num_rows <= SHORT else "zstd"
    pq.write_table(
        table,
        buffer,
        compression=packing,
        use_dictionary=False if single else repeating,
        write_statistics=not single,
        write_page_checksum=True,
    )
    return buffer.getvalue().to_pybytes()


def read_parts(folder: Path, table: str, schema: pa.Schema) -> pa.Table:
    """What has been written so far of a table that is not merged yet.

    Parameters
    ----------
    folder : Path
        The run's.
    table : str
    schema : pyarrow.Schema
        The table's columns.

    Raises
    ------
    FileNotFoundError
        If there is no folder of parts, or one is merged while they are read.
    ResultsError
        If a part is damaged.
    """
    parts = [part for part in parts_in(folder) if part.table == table]
    read = [read_part(folder, part, schema) for part in parts]
    return merge([schema.empty_table(), *read])


def read_part(folder: Path, part: Part, schema: pa.Schema) -> pa.Table:
    """Read one part, if it is whole and of these columns.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ResultsError
        If it is not as it was written.
    """
    content = (folder / PARTS / part.name).read_bytes()
    if _digest(content) != part.digest:
        raise ResultsError(f"{PARTS}/{part.name} is corrupt: its content is of another digest")
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(schema):
                raise ResultsError(f"{PARTS}/{part.name} has other columns than {part.table}")
            _check_size(file.metadata, len(content), part)
            return file.read(use_threads=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, ResultsError):
            raise
        said = str(error).splitlines()[0]
        raise ResultsError(f"{PARTS}/{part.name} is corrupt: {said}") from None


def merge(pieces: Sequence[pa.Table]) -> pa.Table:
    """The pieces one after another, categories named once."""
    return pa.concat_tables(pieces).unify_dictionaries().combine_chunks()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _check_size(metadata: pq.FileMetaData, size: int, part: Part) -> None:
    """Refuse a file that would take memory out of all proportion, before it is read."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    packed = sum(group.total_byte_size for group in groups)
    claimed = max(packed, 8 * metadata.num_rows * metadata.num_columns)
    if claimed > MOST_BYTES + INFLATION * size:
        raise ResultsError(
            f"{PARTS}/{part.name} claims to hold {claimed} bytes in a file of {size}"
        )

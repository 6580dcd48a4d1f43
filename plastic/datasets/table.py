"""The user's own table: CSV, Parquet or NumPy's npz."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from plastic.datasets.base import TASKS, Dataset
from plastic.datasets.checking import listed
from plastic.datasets.preparing import MISSING, from_arrays
from plastic.errors import (
    DataUnavailable,
    InvalidData,
    InvalidParameter,
    check_count,
    check_in,
)

Table = tuple[NDArray[Any], NDArray[Any], Sequence[str] | None]  # X, y, names of the inputs

UNKNOWN = "?"
"""Stands for a missing value in many a published CSV, beside what pandas takes for one."""

QUOTES_AND_ENDS = '"\n\r'
"""What a CSV cannot have between its values."""


@dataclass(frozen=True)
class Reading:
    """What is asked of the columns of a file; see `table`."""

    target: str
    drop: tuple[str, ...]
    missing: str
    max_categories: int
    separator: str


def table(
    rng: np.random.Generator,
    *,
    path: str,
    target: str,
    task: str | None = None,
    drop: Sequence[str] = (),
    missing: str = "refuse",
    max_categories: int = 20,
    separator: str = ",",
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
) -> Dataset:
    r"""A table of one's own, read from a file.

    A numeric column is one input; a column of anything else is one input for each value that
    it holds anywhere in the file, 1 where it is that value and 0 elsewhere, so that all seeds
    have the same inputs.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the splits.
    path : str
        Ends in .csv (first row the names), .parquet, or .npz (holding an array `X`).
    target : str
        The column that is to be told from all others; for .npz the name of the array beside
        `X`, usually ``"y"``.
    task : {'classification', 'regression'}, optional
        By default a target that is not numeric, or has at most 20 different whole numbers,
        makes a classification.
    drop : sequence of str
        Columns to leave out: row numbers, names, whatever tells the target away.
    missing : {'refuse', 'fill'}
        As in `from_arrays`; in a column that is not numeric, ``fill`` makes "missing" a value
        like the others.
    max_categories : int
        A column that is not numeric and holds more different values is refused: each would
        be an input.
    separator : str
        The one character between the values of a CSV, as ";"; ``\t`` is a tab, also where
        a command line spells it.
    reward_size, test_size, scale
        As in `from_arrays`.

    Raises
    ------
    DataUnavailable
        If there is no such file.
    InvalidData
        If the file cannot be read or learned from; the message names the columns, and what
        to do about them.
    InvalidParameter
        As in `from_arrays`, and for a separator that is none.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sums.csv"
    ...     rows = [f"{n},1,{n + 1.5}" for n in range(10)]
    ...     _ = path.write_text("\n".join(["a,b,sum", *rows]))
    ...     dataset = table(np.random.default_rng(0), path=str(path), target="sum")
    >>> dataset.name, dataset.task, dataset.train
    ('sums', 'regression', Split(6 samples, 2 inputs, 1 output))
    >>> dataset.columns
    ('a', 'b')
    """
    if task is not None:
        check_in("task", task, TASKS)
    check_in("missing", missing, MISSING)
    check_count("max_categories", max_categories)
    separator = separator.replace(r"\t", "\t")
    if len(separator) != 1 or separator in QUOTES_AND_ENDS:
        raise InvalidParameter(
            f"separator must be one character, no quote and no end of a line, got {separator!r}"
        )
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataUnavailable(f"there is no file {file}")
    if file.suffix.lower() not in READERS:
        raise InvalidData(f"{file} must end in one of {', '.join(READERS)}")
    reading = Reading(target, tuple(drop), missing, max_categories, separator)
    X, y, columns = READERS[file.suffix.lower()](file, reading)
    if task == "regression" and y.dtype.kind not in "biuf":
        raise InvalidData(f"{file}: target {target!r} is not numeric, as a regression needs it")
    try:
        return from_arrays(
            file.stem,
            X,
            y,
            rng,
            task=task,
            reward_size=reward_size,
            test_size=test_size,
            scale=scale,
            columns=columns,
            missing=missing,
        )
    except InvalidData as error:
        raise InvalidData(f"{file}: {error}") from error


def _read_csv(file: Path, reading: Reading) -> Table:
    import pandas as pd

    try:
        frame = pd.read_csv(file, sep=reading.separator, na_values=UNKNOWN, low_memory=False)
    except pd.errors.EmptyDataError as error:
        raise InvalidData(f"{file} is empty") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InvalidData(f"{file} is not a CSV table: {str(error).strip()}") from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas took the first column for an index
        raise InvalidData(f"{file} has more values in a row than names in its first row")
    if len(frame.columns) == 1:
        other = next((mark for mark in ";\t|" if mark in str(frame.columns[0])), None)
        if other is not None:
            raise InvalidData(
                f"{file} has one column, named {str(frame.columns[0])!r}: "
                f"should the separator be {other!r}?"
            )
    return _from_frame(file, frame, reading)


def _read_parquet(file: Path, reading: Reading) -> Table:
    import pandas as pd
    import pyarrow as pa

    try:
        frame = pd.read_parquet(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidData(f"{file} is not a Parquet table: {error}") from error
    return _from_frame(file, frame, reading)


def _from_frame(file: Path, frame: Any, reading: Reading) -> Table:
    """Features, target and names of the inputs of a pandas DataFrame."""
    target, names = reading.target, [str(name) for name in frame.columns]
    frame = frame.set_axis(names, axis="columns")
    for name in (target, *reading.drop):
        if names.count(name) != 1:
            rule = "no column" if name not in names else "more than one column"
            raise InvalidData(f"{file} has {rule} {name!r}; its columns are {listed(names)}")
    if target in reading.drop:
        raise InvalidData(f"{file}: {target!r} is the target, so it cannot be dropped")
    if len(frame) == 0:
        raise InvalidData(f"{file} is empty: it has column names, but no rows")
    kept = frame.drop(columns=[target, *reading.drop])
    encoded = [_encode(file, kept.iloc[:, n], reading) for n in range(kept.shape[1])]
    inputs = [name for held, _ in encoded for name in held]
    empty = np.empty((len(frame), 0))
    return np.hstack([empty, *(X for _, X in encoded)]), _target(frame[target]), inputs


def _is_numeric(column: Any) -> bool:
    from pandas.api.types import is_complex_dtype, is_numeric_dtype

    return is_numeric_dtype(column.dtype) and not is_complex_dtype(column.dtype)


def _target(column: Any) -> NDArray[Any]:
    from pandas.api.types import is_bool_dtype

    if _is_numeric(column) and not is_bool_dtype(column.dtype):
        # a whole-number column stays one, unless values are missing
        missing = column.isna().any()
        return column.to_numpy(float, na_value=np.nan) if missing else column.to_numpy()
    return column.astype(object).where(column.notna(), None).to_numpy()


def _encode(file: Path, column: Any, reading: Reading) -> tuple[list[str], NDArray[Any]]:
    """Names and values of the inputs that a column makes, shape (n_samples, n_inputs)."""
    if _is_numeric(column):
        return [column.name], column.to_numpy(float, na_value=np.nan)[:, np.newaxis]
    there = column.notna().to_numpy()
    texts = np.where(there, column.astype(str).to_numpy(dtype=object), "")
    values = sorted(set(texts[there]))
    if len(values) > reading.max_categories:
        raise InvalidData(_too_many(file, column.name, values, reading.max_categories))
    names = [f"{column.name}={value}" for value in values]
    if not there.all():
        if reading.missing == "refuse":
            raise InvalidData(
                f"{file}: column {column.name!r} is empty in {np.sum(~there)} of {len(there)} "
                "rows; missing=fill makes that a value like the others"
            )
        values, names = [*values, ""], [*names, f"{column.name} missing"]
    return names, (np.array(values, object) == texts[:, np.newaxis]).astype(float)


def _too_many(file: Path, name: str, values: list[str], most: int) -> str:
    """What is wrong with a column of many different texts, and what to do about it."""
    words = [value for value in values if not _is_number(value)]
    if 2 * len(words) < len(values):
        return (
            f"{file}: column {name!r} would be numeric but for {listed(words)}; "
            "leave them empty if they mean that nothing is known"
        )
    return (
        f"{file}: column {name!r} is not numeric and holds {len(values)} different values, "
        f"{listed(values)}, more than max_categories={most}; leave it out by drop=[{name}], "
        "or raise max_categories"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_npz(file: Path, reading: Reading) -> Table:
    if reading.drop:
        raise InvalidData(f"{file} has no names of columns, so none can be dropped")
    target = reading.target
    if not is_zipfile(file):  # NumPy would take it for a pickle, and tell how to load that
        raise InvalidData(f"{file} is not an npz file")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            for name in ("X", target):
                if name not in arrays:
                    raise InvalidData(
                        f"{file} has no array {name!r}; its arrays are {listed(arrays.files)}"
                    )
            return arrays["X"], arrays[target], None
    except (BadZipFile, EOFError, ValueError) as error:
        if isinstance(error, InvalidData):
            raise
        raise InvalidData(f"{file} cannot be read without pickle as npz: {error}") from error


READERS: dict[str, Callable[[Path, Reading], Table]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
}

"""The user's own table: CSV, Parquet or NumPy's npz."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from plastic.datasets.base import TASKS, Dataset
from plastic.datasets.checking import listed
from plastic.datasets.preparing import from_arrays
from plastic.errors import DataUnavailable, InvalidData, check_in

Table = tuple[NDArray[Any], NDArray[Any], Sequence[str] | None]  # X, y, names of the columns


def table(
    rng: np.random.Generator,
    *,
    path: str,
    target: str,
    task: str | None = None,
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
) -> Dataset:
    r"""A table of one's own, read from a file.

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
    reward_size, test_size, scale
        As in `from_arrays`.

    Raises
    ------
    DataUnavailable
        If there is no such file.
    InvalidData
        If the file cannot be read or learned from; the message names the columns.
    InvalidParameter
        As in `from_arrays`.

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
    """
    if task is not None:
        check_in("task", task, TASKS)
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataUnavailable(f"there is no file {file}")
    if file.suffix.lower() not in READERS:
        raise InvalidData(f"{file} must end in one of {', '.join(READERS)}")
    X, y, columns = READERS[file.suffix.lower()](file, target)
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
        )
    except InvalidData as error:
        raise InvalidData(f"{file}: {error}") from error


def _read_csv(file: Path, target: str) -> Table:
    import pandas as pd

    try:
        frame = pd.read_csv(file, low_memory=False)
    except pd.errors.EmptyDataError as error:
        raise InvalidData(f"{file} is empty") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InvalidData(f"{file} is not a CSV table: {error}") from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas took the first column for an index
        raise InvalidData(f"{file} has more values in a row than names in its first row")
    return _from_frame(file, frame, target)


def _read_parquet(file: Path, target: str) -> Table:
    import pandas as pd
    import pyarrow as pa

    try:
        frame = pd.read_parquet(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidData(f"{file} is not a Parquet table: {error}") from error
    return _from_frame(file, frame, target)


def _from_frame(file: Path, frame: Any, target: str) -> Table:
    """Features, target and column names of a pandas DataFrame."""
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    names = [str(name) for name in frame.columns]
    frame = frame.set_axis(names, axis="columns")
    if names.count(target) != 1:
        rule = "no column" if target not in names else "more than one column"
        raise InvalidData(f"{file} has {rule} {target!r}; its columns are {listed(names)}")
    if len(frame) == 0:
        raise InvalidData(f"{file} is empty: it has column names, but no rows")
    features = frame.drop(columns=target)
    others = [
        name
        for name, dtype in zip(features.columns, features.dtypes, strict=True)
        if not is_numeric_dtype(dtype) or is_complex_dtype(dtype)
    ]
    if others:
        raise InvalidData(
            f"{file}: columns {listed(others)} are not numeric; "
            "encode them first, for example with pandas.get_dummies"
        )
    column = frame[target]
    if is_numeric_dtype(column.dtype) and not is_bool_dtype(column.dtype):
        # a whole-number column stays one, unless values are missing
        missing = column.isna().any()
        y = column.to_numpy(float, na_value=np.nan) if missing else column.to_numpy()
    else:
        y = column.astype(object).where(column.notna(), None).to_numpy()
    return features.to_numpy(float, na_value=np.nan), y, list(features.columns)


def _read_npz(file: Path, target: str) -> Table:
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


READERS: dict[str, Callable[[Path, str], Table]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
}

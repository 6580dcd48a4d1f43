"""The checks that all data pass before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.errors import InvalidData

Values = NDArray[np.floating]

N_LISTED = 5  # names in a message; a table may have thousands of columns


def listed(names: Sequence[object]) -> str:
    """Name the first few, and count the rest.

    Examples
    --------
    >>> listed("abcdefg")
    "'a', 'b', 'c', 'd', 'e' and 2 more"
    """
    text = ", ".join(repr(name) for name in names[:N_LISTED])
    rest = len(names) - N_LISTED
    return f"{text} and {rest} more" if rest > 0 else text


def check_features(
    X: ArrayLike, columns: Sequence[str] | None = None, *, missing: str = "refuse"
) -> Values:
    """Return features as a float array, or say why they cannot be learned from.

    Parameters
    ----------
    X : numeric array, shape (n_samples, n_inputs)
    columns : sequence of str, optional
        Names of the features, for the message.
    missing : {'refuse', 'fill'}
        Whether NaN is refused, or left to whoever fills it.

    Returns
    -------
    float array, shape (n_samples, n_inputs)
        In float32 if that holds the values exactly by their type, else in float64.

    Raises
    ------
    InvalidData
        If the array is empty, is not a numeric table, or holds NaN (unless it is filled),
        infinity or a value that float32 cannot hold.

    Examples
    --------
    >>> check_features([[1.0, np.nan], [2.0, np.nan]], columns=["age", "height"])
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidData: column 'height' holds NaN in 2 of 2 rows;
    missing='fill' puts the mean of the training samples there
    """
    values = _numeric("X", X)
    if values.ndim != 2:
        raise InvalidData(f"X must have shape (n_samples, n_inputs), got shape {values.shape}")
    if 0 in values.shape:
        raise InvalidData(f"X must hold samples and inputs, got shape {values.shape}")
    names = range(values.shape[1]) if columns is None else columns
    if len(names) != values.shape[1]:
        raise InvalidData(f"X has {values.shape[1]} columns, but {len(names)} are named")
    held = np.where(np.isnan(values), 0, values) if missing == "fill" else values
    hint = "; missing='fill' puts the mean of the training samples there"
    _check_finite(held, [f"column {name!r}" for name in names], {"NaN": hint})
    return values


def check_targets(y: ArrayLike, n_samples: int) -> Values:
    """Return the targets of a regression, shape (n_samples, n_outputs), in float64.

    Raises
    ------
    InvalidData
        If they are not numeric, not one row a sample, not finite, or all the same.

    Examples
    --------
    >>> check_targets([1, 1, 1], 3)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidData: target 0 is 1.0 in all samples; there is nothing to learn
    """
    values = _numeric("y", y).astype(np.float64)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n_samples or values.shape[1] == 0:
        raise InvalidData(
            f"y must have shape ({n_samples},) or ({n_samples}, n_outputs), "
            f"got shape {np.shape(y)}"
        )
    _check_finite(values, [f"target {index}" for index in range(values.shape[1])])
    constant = np.flatnonzero(np.ptp(values, axis=0) == 0)
    if len(constant):
        value = values[0, constant[0]]
        raise InvalidData(
            f"target {constant[0]} is {value} in all samples; there is nothing to learn"
        )
    return values


def check_classes(
    y: ArrayLike, n_samples: int, classes: Sequence[str] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the label of each sample and the names of the classes.

    Parameters
    ----------
    y : array, shape (n_samples,)
        Whole numbers that index `classes`, or without `classes` any labels: each different
        one is a class.
    n_samples : int
    classes : sequence of str, optional

    Raises
    ------
    InvalidData
        If a label is missing or out of range, or if there are fewer than two classes.

    Examples
    --------
    >>> check_classes(["no", "yes", "no"], 3)
    (array([0, 1, 0]), ('no', 'yes'))
    >>> check_classes([0, 3], 2, ["no", "yes"])
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidData: label 3 is out of range: labels must lie in 0 to 1
    """
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n_samples,):
        raise InvalidData(f"labels must have shape ({n_samples},), got shape {labels.shape}")
    if labels.dtype.kind == "O":
        missing = sum(label is None or label != label for label in labels)
    else:
        missing = int(np.sum(labels != labels))  # NaN differs from itself
    if missing:
        raise InvalidData(f"the label is missing in {missing} of {n_samples} rows")
    if classes is None:
        labels = labels.astype(str) if labels.dtype.kind == "O" else labels
        different, labels = np.unique(labels, return_inverse=True)
        classes = [str(label) for label in different]
    elif labels.dtype.kind not in "iu":
        raise InvalidData(
            f"labels must be whole numbers if classes are named, got {labels.dtype}"
        )
    outside = labels[(labels < 0) | (labels >= len(classes))]
    if len(outside):
        raise InvalidData(
            f"label {outside[0]} is out of range: labels must lie in 0 to {len(classes) - 1}"
        )
    if len(classes) < 2:
        raise InvalidData(f"there must be at least two classes, got only {listed(classes)}")
    return labels.astype(np.int64), tuple(classes)


def _numeric(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidData(f"{name} must be numeric, got {array.dtype}")
    exact = np.can_cast(array.dtype, np.float32)
    return array.astype(np.float32 if exact else np.float64)


def _check_finite(
    values: Values, names: Sequence[str], hints: Mapping[str, str] | None = None
) -> None:
    limit = float(np.finfo(np.float32).max)
    if (np.abs(values) <= limit).all():  # false for NaN, too
        return
    wrongs = {
        "NaN": np.isnan(values),
        "infinity": np.isinf(values),
        "values beyond float32": np.abs(values) > limit,
    }
    for what, wrong in wrongs.items():
        counts = wrong.sum(axis=0)
        found = [
            f"{names[column]} holds {what} in {counts[column]} of {len(values)} rows"
            for column in map(int, np.flatnonzero(counts))
        ]
        if found:
            rest = f"; so do {len(found) - N_LISTED} more" if len(found) > N_LISTED else ""
            hint = (hints or {}).get(what, "")
            raise InvalidData("; ".join(found[:N_LISTED]) + rest + hint)

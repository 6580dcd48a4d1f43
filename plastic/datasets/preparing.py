"""From raw arrays to a dataset: check, split, scale.

Every loader comes through `from_arrays` or `from_parts`, so the same checks guard all data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.datasets.base import TASKS, Dataset, Split, Truth
from plastic.datasets.checking import check_classes, check_features, check_targets
from plastic.errors import InvalidData, check_count, check_in, check_range, check_rng

Values = NDArray[np.floating]
Rows = NDArray[np.int64]

SCALES = ("standardize", "unit", "none")
"""What may be done to features: mean 0 and standard deviation 1; largest magnitude 1; nothing.

The statistics are always those of the training samples: of each feature for ``standardize``,
of all features together for ``unit``.
"""

MISSING = ("refuse", "fill")
"""What may be done about features that are missing (NaN): see `from_arrays`."""

MAX_GUESSED_CLASSES = 20


def from_arrays(
    name: str,
    X: ArrayLike,
    y: ArrayLike,
    rng: np.random.Generator,
    *,
    task: str | None = None,
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
    classes: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    missing: str = "refuse",
    truth: Truth | None = None,
) -> Dataset:
    """Make a dataset of one's own arrays.

    Parameters
    ----------
    name : str
    X : numeric array, shape (n_samples, n_inputs)
    y : array, shape (n_samples,) or, for regression, (n_samples, n_outputs)
        Labels (numbers or strings), or numeric targets.
    rng : numpy.random.Generator
        Draws the splits: stratified by class for classification.
    task : {'classification', 'regression'}, optional
        By default the one that `guess_task` tells from `y`.
    reward_size, test_size : int or float
        How many samples, or which fraction of all samples (rounded up); the others are for
        training.
    scale : {'standardize', 'unit', 'none'}
        One of `SCALES`.  Regression targets are standardized in any case.
    classes : sequence of str, optional
        Names of the classes; `y` must then hold whole numbers that index them.
    columns : sequence of str, optional
        Names of the features, for error messages and for whoever looks at the network.
    missing : {'refuse', 'fill'}
        What to do about NaN among the features: ``fill`` puts the mean of the training
        samples there, and gives each such column one more input, at the end, that is 1 where
        the value was missing.
    truth : Truth, optional
        How the targets were made, where it is known.

    Raises
    ------
    InvalidParameter
        If a size, the task, the scale or `missing` is not among its choices.
    InvalidData
        If the arrays cannot be learned from, or are too few for the splits asked for.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3))
    >>> dataset = from_arrays("sign", X, np.where(X[:, 0] > 0, "yes", "no"), rng)
    >>> dataset.train, dataset.classes
    (Split(60 samples, 3 inputs, 2 outputs), ('no', 'yes'))
    """
    check_rng(rng)
    check_in("scale", scale, SCALES)
    check_in("missing", missing, MISSING)
    features = check_features(X, columns, missing=missing)
    features, columns = _with_indicators(features, columns)
    targets = _targets(y, len(features), task, classes)
    n_reward = resolve_size("reward_size", reward_size, len(features))
    n_test = resolve_size("test_size", test_size, len(features))
    rows = split_rows(targets, n_reward, n_test, rng)
    return _assemble(name, features, targets, rows, scale, truth, tuple(columns or ()))


def from_parts(
    name: str,
    train: tuple[ArrayLike, ArrayLike],
    test: tuple[ArrayLike, ArrayLike],
    rng: np.random.Generator,
    *,
    task: str | None = None,
    reward_size: int | float = 0.2,
    scale: str = "standardize",
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Make a dataset whose test samples are published as such.

    Parameters
    ----------
    train, test : pair of arrays
        `X` and `y` as in `from_arrays`; reward samples are cut from `train`.
    name, rng, task, reward_size, scale, classes
        As in `from_arrays`; a fraction is one of the training samples.

    Raises
    ------
    InvalidParameter, InvalidData
        As in `from_arrays`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> from_parts("sign", (X[:80], y[:80]), (X[80:], y[80:]), rng, reward_size=10).train
    Split(70 samples, 3 inputs, 2 outputs)
    """
    check_rng(rng)
    check_in("scale", scale, SCALES)
    (X, X_test), (y, y_test) = (
        [np.asarray(part) for part in parts] for parts in zip(train, test, strict=True)
    )
    if X.shape[1:] != X_test.shape[1:] or y.shape[1:] != y_test.shape[1:]:
        raise InvalidData(
            "train and test must have the same inputs and outputs, got shapes "
            f"{X.shape} and {X_test.shape}, {y.shape} and {y_test.shape}"
        )
    if X.shape[:1] != y.shape[:1]:  # the check of all samples together would miss it
        raise InvalidData(f"train has X of shape {X.shape}, but y of shape {y.shape}")
    features = check_features(np.concatenate([X, X_test]))
    targets = _targets(np.concatenate([y, y_test]), len(features), task, classes)
    n_reward = resolve_size("reward_size", reward_size, len(X))
    learned, rewarded, _ = split_rows(targets.first(len(X)), n_reward, 0, rng)
    rows = (learned, rewarded, np.arange(len(X), len(features)))
    return _assemble(name, features, targets, rows, scale)


def guess_task(y: ArrayLike) -> str:
    """Tell the task from the targets.

    Whatever is not numeric, and whole numbers of at most 20 different values, are classes.

    Examples
    --------
    >>> guess_task(["a", "b"]), guess_task([0, 1, 1]), guess_task([0.5, 1.0])
    ('classification', 'classification', 'regression')
    """
    y = np.asarray(y)
    whole = y.dtype.kind in "iu" and len(np.unique(y)) <= MAX_GUESSED_CLASSES
    return "classification" if whole or y.dtype.kind not in "iuf" else "regression"


@dataclass(frozen=True, eq=False)
class Targets:
    """Checked targets: what a network should say, and the class that each sample counts to."""

    task: str
    values: Values  # (n_samples, n_outputs)
    labels: NDArray[np.int64]  # (n_samples,), all zero for regression
    classes: tuple[str, ...]

    def first(self, n: int) -> Targets:
        """Those of the first `n` samples."""
        return Targets(self.task, self.values[:n], self.labels[:n], self.classes)


def _targets(
    y: ArrayLike, n_samples: int, task: str | None, classes: Sequence[str] | None
) -> Targets:
    if task is None:
        task = "classification" if classes is not None else guess_task(y)
    check_in("task", task, TASKS)
    if task == "regression":
        values = check_targets(y, n_samples)
        return Targets(task, values, np.zeros(n_samples, np.int64), ())
    labels, names = check_classes(y, n_samples, classes)
    return Targets(task, np.eye(len(names), dtype=np.float32)[labels], labels, names)


def resolve_size(name: str, size: int | float, n_samples: int) -> int:
    """Turn a count or a fraction into a count.

    Examples
    --------
    >>> resolve_size("test_size", 30, 100), resolve_size("test_size", 0.07, 100)
    (30, 7)
    >>> resolve_size("test_size", 1.5, 100)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: test_size must lie in (0, 1), got 1.5
    """
    if isinstance(size, float | np.floating):
        check_range(name, float(size), 0, 1, open_low=True, open_high=True)
        return ceil(round(float(size) * n_samples, 6))  # 0.07 * 100 is a little over 7
    check_count(name, size)
    return int(size)


def split_rows(
    targets: Targets, n_reward: int, n_test: int, rng: np.random.Generator
) -> tuple[Rows, Rows, Rows]:
    """Draw which samples are for training, for the reward and for the test.

    Each class has its share of every split, and at least one sample of each.  Which samples
    are for the test does not depend on `n_reward`.

    Parameters
    ----------
    targets : Targets
    n_reward, n_test : int
        Exact sizes; with `n_test` 0 there is no test split.
    rng : numpy.random.Generator

    Returns
    -------
    tuple of int array
        Rows of train, reward and test: disjoint, in random order.

    Raises
    ------
    InvalidData
        If there are too few samples, altogether or of one class.
    """
    counts = np.bincount(targets.labels, minlength=max(1, len(targets.classes)))
    sizes = {"train": len(targets.labels) - n_reward - n_test, "reward": n_reward}
    if n_test:
        sizes["test"] = n_test
    _check_sizes(sizes, counts, targets)
    tested = _shares(n_test, counts, counts - 2) if n_test else np.zeros_like(counts)
    rewarded = _shares(n_reward, counts - tested, counts - tested - 1)

    order = rng.permutation(len(targets.labels))
    split = np.zeros(len(order), np.int8)  # 0 train, 1 reward, 2 test
    for label in range(len(counts)):
        rows = order[targets.labels[order] == label]
        split[rows[: tested[label] + rewarded[label]]] = 1
        split[rows[: tested[label]]] = 2
    train, reward, test = (order[split[order] == part] for part in range(3))
    return train, reward, test


def _check_sizes(sizes: dict[str, int], counts: NDArray[Any], targets: Targets) -> None:
    classification = targets.task == "classification"
    for count, name in zip(counts, targets.classes, strict=False):
        if count < len(sizes):
            raise InvalidData(
                f"class {name!r} has {count} samples, too few to be in {', '.join(sizes)}"
            )
    # two samples are the fewest that have a mean to be compared with
    least = len(counts) if classification else 2
    reason = "one of each class" if classification else "two"
    for name, size in sizes.items():
        if size < least:
            split = ", ".join(f"{key} {n}" for key, n in sizes.items())
            raise InvalidData(
                f"{len(targets.labels)} samples cannot be split into {split}: "
                f"{name} needs at least {least} ({reason})"
            )


def _shares(size: int, counts: NDArray[Any], most: NDArray[Any]) -> NDArray[Any]:
    """Share `size` samples among classes as `counts` are, 1 to `most` for each."""
    fair = size * counts / counts.sum()
    shares = np.clip(np.floor(fair).astype(np.int64), 1, most)
    while missing := size - shares.sum():
        step = np.sign(missing)
        movable = shares < most if step > 0 else shares > 1
        shares[np.argmax(np.where(movable, step * (fair - shares), -np.inf))] += step
    return shares


def _with_indicators(
    features: Values, columns: Sequence[str] | None
) -> tuple[Values, Sequence[str] | None]:
    """Add one column for each that has gaps, 1 where they are."""
    gaps = np.isnan(features)
    found = np.flatnonzero(gaps.any(axis=0)).tolist()
    if len(found) == 0:
        return features, columns
    if columns is not None:
        columns = [*columns, *(f"{columns[index]} missing" for index in found)]
    return np.hstack([features, gaps[:, found].astype(features.dtype)]), columns


def _filled(features: Values, learned: Rows) -> Values:
    """The same with the training samples' mean in each gap, 0 if they have nothing there."""
    gaps = np.isnan(features)
    if not gaps.any():
        return features
    there = ~gaps[learned]
    sums = np.where(there, features[learned], 0).sum(axis=0, dtype=np.float64)
    return np.where(gaps, sums / np.maximum(there.sum(axis=0), 1), features)


def _assemble(
    name: str,
    features: Values,
    targets: Targets,
    rows: tuple[Rows, Rows, Rows],
    scale: str,
    truth: Truth | None = None,
    columns: tuple[str, ...] = (),
) -> Dataset:
    learned = rows[0]
    features = _filled(features, learned)
    shift, divisor = scaling(features[learned], scale)
    values: Values = targets.values
    if targets.task == "regression":
        mean, deviation = scaling(values[learned], "standardize")
        if np.isinf(deviation).any():
            index = int(np.argmax(np.isinf(deviation)))
            raise InvalidData(f"target {index} has one value only in the training samples")
        values = (values - mean) / deviation
    with np.errstate(over="ignore"):  # what overflows float32 is refused by Split
        train, reward, test = (
            Split(((features[part] - shift) / divisor).astype(np.float32), values[part])
            for part in rows
        )
    return Dataset(name, targets.task, train, reward, test, targets.classes, truth, columns)


def scaling(values: Values, scale: str) -> tuple[Any, Any]:
    """Shift and divisor that do what `scale` says to values of shape (n_samples, n_columns)."""
    if scale == "none":
        return 0.0, 1.0
    largest = np.abs(values).max(axis=0).astype(np.float64)
    if scale == "unit":
        return 0.0, float(largest.max()) or 1.0
    mean = values.mean(axis=0, dtype=np.float64)
    centered = values - mean
    reach = np.abs(centered).max(axis=0)
    # what differs by rounding only is constant: divided by infinity, it is left at 0
    constant = np.ptp(values, axis=0) <= 16 * np.finfo(np.float64).eps * largest
    unit = np.where(constant, 1.0, reach)  # squares of tiny values must not underflow
    deviation = unit * np.sqrt(np.mean((centered / unit) ** 2, axis=0))
    return mean, np.where(constant, np.inf, deviation)

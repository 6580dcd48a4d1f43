"""What a dataset is: three disjoint splits, how they are scored, and the truth if it is known.

A policy is rewarded on ``reward`` and a run reports ``test``, so nothing that a policy
could adapt to enters a reported number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.errors import InvalidData, check_in

if TYPE_CHECKING:
    from plastic.datasets.drift import Drift

Array = NDArray[np.float32]

TASKS = ("classification", "regression")


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Samples and what a network should say to them; read-only.

    Parameters
    ----------
    X : float32 array, shape (n_samples, n_inputs)
    y : float32 array, shape (n_samples, n_outputs)
        One-hot for classification, standardized targets for regression.

    Raises
    ------
    InvalidData
        If the arrays do not have two axes and one row a sample, or hold NaN or infinity.

    Examples
    --------
    >>> Split([[0.0, 1.0]], [[1.0]])
    Split(1 sample, 2 inputs, 1 output)
    """

    X: Array
    y: Array

    def __post_init__(self) -> None:
        for name in ("X", "y"):
            with np.errstate(over="ignore"):  # what overflows is refused just below
                array = np.ascontiguousarray(getattr(self, name), dtype=np.float32).view()
            if array.ndim != 2:
                raise InvalidData(
                    f"{name} must have shape (n_samples, n_values), got shape {array.shape}"
                )
            if not np.isfinite(array).all():
                raise InvalidData(f"{name} must hold finite float32 values only")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.X) != len(self.y):
            raise InvalidData(f"X has {len(self.X)} samples, but y has {len(self.y)}")

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        counts = {"sample": len(self), "input": self.X.shape[1], "output": self.y.shape[1]}
        listed = (f"{n} {what}" + "s" * (n != 1) for what, n in counts.items())
        return f"Split({', '.join(listed)})"


@dataclass(frozen=True, eq=False)
class Truth:
    """How the targets of a generated dataset really depend on the inputs.

    Parameters
    ----------
    relevant_inputs : int array, shape (n_relevant,)
        Sorted indices of the inputs that the targets depend on.
    connections : bool array, shape (n_inputs, n_hidden)
        Which input feeds which hidden unit of the teacher.
    """

    relevant_inputs: NDArray[np.int64]
    connections: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name, dtype in (("relevant_inputs", np.int64), ("connections", np.bool_)):
            array = np.asarray(getattr(self, name), dtype=dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits of one learning task.

    Parameters
    ----------
    name : str
    task : {'classification', 'regression'}
    train : Split
        What the network learns from.
    reward : Split
        What a policy is rewarded on.
    test : Split
        What a run reports.
    classes : tuple of str
        The name of each output for classification, empty for regression.
    truth : Truth, optional
        How the targets were made, where it is known.
    columns : tuple of str
        What each input is called, empty where nobody said.
    image : pair of int, optional
        Height and width, where the inputs are the pixels of an image, row by row.
    drift : Drift, optional
        How the task changes while a network learns; `at` tells what it is at a step.

    Raises
    ------
    InvalidParameter
        If there is no such task.
    InvalidData
        If the splits do not agree with one another or with the task.

    Examples
    --------
    >>> points = Split([[0.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> dataset = Dataset("sign", "classification", points, points, points, ("-", "+"))
    >>> dataset.loss, dataset.output_activation, dataset.metric
    ('cross_entropy', 'softmax', 'accuracy')
    >>> dataset.score([[0.9, 0.1], [0.8, 0.2]], dataset.test.y)
    0.5
    """

    name: str
    task: str
    train: Split
    reward: Split
    test: Split
    classes: tuple[str, ...] = ()
    truth: Truth | None = None
    columns: tuple[str, ...] = ()
    image: tuple[int, int] | None = None
    drift: Drift | None = None

    def __post_init__(self) -> None:
        check_in("task", self.task, TASKS)
        for name, split in self.splits.items():
            _check_split(name, split, self)
        if self.task == "classification" and len(self.classes) != self.n_outputs:
            raise InvalidData(
                f"{self.n_outputs} outputs need as many classes, got {len(self.classes)}"
            )
        if self.task == "regression" and self.classes:
            raise InvalidData(f"regression has no classes, got {self.classes}")
        if self.columns and len(self.columns) != self.n_inputs:
            raise InvalidData(
                f"{self.n_inputs} inputs need as many columns, got {len(self.columns)}"
            )
        if self.image and self.image[0] * self.image[1] != self.n_inputs:
            raise InvalidData(f"{self.n_inputs} inputs are no image of shape {self.image}")

    def task_at(self, step: int) -> int:
        """Number of the task that a training step learns, from 0; always 0 without a drift.

        Parameters
        ----------
        step : int
            Training steps done before it.
        """
        return step // self.drift.every if self.drift else 0

    def changes(self, n_steps: int) -> NDArray[np.int64]:
        """The steps below `n_steps` at which another task begins."""
        every = self.drift.every if self.drift else n_steps
        return np.arange(every, n_steps, every)

    def at(self, step: int) -> Dataset:
        """The dataset that a training step learns from; itself without a drift.

        It is made anew by every call, so keep it while `task_at` says the same.
        """
        return self.drift.task(self, self.task_at(step)) if self.drift else self

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "reward": self.reward, "test": self.test}

    @property
    def n_inputs(self) -> int:
        """How many inputs a network for this task has."""
        return int(self.train.X.shape[1])

    @property
    def n_outputs(self) -> int:
        """How many outputs a network for this task has."""
        return int(self.train.y.shape[1])

    @property
    def loss(self) -> str:
        """The loss that fits the task, by its name in `plastic.losses.LOSSES`."""
        return "cross_entropy" if self.task == "classification" else "mse"

    @property
    def output_activation(self) -> str:
        """The activation of output neurons that fits the loss."""
        return "softmax" if self.task == "classification" else "identity"

    @property
    def metric(self) -> str:
        """What `score` measures."""
        return "accuracy" if self.task == "classification" else "r2"

    def score(self, outputs: ArrayLike, targets: ArrayLike) -> float:
        """How well outputs meet their targets; 1 is perfect.

        Parameters
        ----------
        outputs, targets : float array, shape (n_samples, n_outputs)
            What the network said, and what it should have said.

        Returns
        -------
        float
            `accuracy` for classification, `r2` for regression.

        Raises
        ------
        InvalidData
            If the arrays differ in shape or hold no samples.
        """
        outputs, targets = np.asarray(outputs, float), np.asarray(targets, float)
        shape = (len(targets), self.n_outputs)
        if outputs.shape != shape or targets.shape != shape or len(targets) == 0:
            raise InvalidData(
                "outputs and targets must both have shape "
                f"(n_samples, {self.n_outputs}) with at least one sample, "
                f"got {outputs.shape} and {targets.shape}"
            )
        measure = accuracy if self.task == "classification" else r2
        return measure(outputs, targets)


def accuracy(outputs: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Fraction of the samples whose largest output is that of their class.

    A sample with a NaN among its outputs counts as wrong.

    Parameters
    ----------
    outputs, targets : float array, shape (n_samples, n_outputs)
        The targets one-hot.

    Examples
    --------
    >>> accuracy(np.array([[0.2, 0.8], [np.nan, 0.1]]), np.array([[0, 1], [1, 0]]))
    0.5
    """
    hits = outputs.argmax(axis=1) == targets.argmax(axis=1)
    return float(np.mean(hits & ~np.isnan(outputs).any(axis=1)))


def r2(outputs: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    r"""Coefficient of determination, averaged uniformly over the outputs.

    .. math:: R^2 = 1 - \frac{\sum_b (t_b - y_b)^2}{\sum_b (t_b - \bar t)^2}

    where :math:`\bar t` is the mean of the targets given.  Targets that are all the same
    give 1 if they are met exactly and 0 otherwise.

    Parameters
    ----------
    outputs, targets : float array, shape (n_samples, n_outputs)

    Examples
    --------
    >>> r2(np.array([[1.0], [2.0], [2.0]]), np.array([[1.0], [2.0], [3.0]]))
    0.5
    """
    residual = np.sum((targets - outputs) ** 2, axis=0)
    total = np.sum((targets - targets.mean(axis=0)) ** 2, axis=0)
    varies = total > 0
    of_constant = np.where(residual == 0, 1.0, 0.0)
    return float(
        np.mean(np.where(varies, 1 - residual / np.where(varies, total, 1), of_constant))
    )


def _check_split(name: str, split: Split, dataset: Dataset) -> None:
    """Raise `InvalidData` unless `split` has samples of the dataset's shape and kind."""
    if len(split) == 0:
        raise InvalidData(f"{dataset.name}: {name} holds no samples")
    for side, n in (("inputs", dataset.n_inputs), ("outputs", dataset.n_outputs)):
        found = (split.X if side == "inputs" else split.y).shape[1]
        if found != n:
            raise InvalidData(f"{dataset.name}: train has {n} {side}, but {name} has {found}")
    if dataset.task == "classification":
        one_hot = np.isin(split.y, (0, 1)).all() and (split.y.sum(axis=1) == 1).all()
        if not one_hot:
            raise InvalidData(f"{dataset.name}: y of {name} must be one-hot")

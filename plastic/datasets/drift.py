"""Datasets that drift: every so many training steps, the task becomes another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import Generator

from plastic.datasets.base import Array, Dataset, Split
from plastic.errors import check_count

Change = Callable[[Dataset, Generator], Dataset]


@final
@dataclass(frozen=True)
class Drift:
    """When a dataset becomes another task, and which.

    A task depends on the seed and its own number alone, so a training that goes on in the
    middle needs to know no task before.

    Parameters
    ----------
    every : int
        Training steps of each task.
    seed : int
        Of all tasks.
    change : callable
        Makes a task out of the first one, with a generator of the task's own.

    Raises
    ------
    InvalidParameter
        If a number is outside its range.
    """

    every: int
    seed: int
    change: Change

    def __post_init__(self) -> None:
        check_count("every", self.every)
        check_count("seed", self.seed, low=0)

    def task(self, first: Dataset, number: int) -> Dataset:
        """A task, made of the first one, which is number 0."""
        if number == 0:
            return first
        plain = replace(first, drift=None)
        return self.change(plain, np.random.default_rng([self.seed, number]))


@final
class Tasks:
    """The tasks of a dataset, of which the one asked for last is kept.

    Parameters
    ----------
    dataset : Dataset
    """

    def __init__(self, dataset: Dataset) -> None:
        self._first = self._now = dataset
        self._number = 0

    def at(self, step: int) -> Dataset:
        """The dataset as this training step learns from it."""
        number = self._first.task_at(step)
        if number != self._number:
            self._number, self._now = number, self._first.at(step)
        return self._now


def drifting(name: str, base: Dataset, rng: Generator, every: int, change: Change) -> Dataset:
    """The base as a dataset that drifts; its first task is the base as it is.

    Parameters
    ----------
    name : str
    base : Dataset
    rng : Generator
        Draws the seed of the tasks.
    every : int
        Training steps of each task.
    change : callable
        As in `Drift`.

    Raises
    ------
    InvalidParameter
        If `every` is below 1.
    """
    return replace(base, name=name, drift=Drift(every, int(rng.integers(2**63)), change))


def with_splits(dataset: Dataset, change: Callable[[Split], Split]) -> Dataset:
    """The dataset with every split changed, each by itself."""
    train, reward, test = map(change, (dataset.train, dataset.reward, dataset.test))
    return replace(dataset, train=train, reward=reward, test=test)


def with_inputs(dataset: Dataset, change: Callable[[Array], Array]) -> Dataset:
    """The dataset with the inputs of every split changed; which of them matter is unknown."""
    changed = with_splits(dataset, lambda split: Split(change(split.X), split.y))
    return replace(changed, truth=None)

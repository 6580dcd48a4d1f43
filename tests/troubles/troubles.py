"""Parts of a user's own that fail in every way: of forty jobs, six, until all is mended."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info  # scikit-learn needs it, too

from plastic.datasets import Split, from_arrays
from plastic.policies import Policy, Proposal

RAISES_EARLY, RAISE_LATE = {3}, {11, 30}
DIES_EARLY, DIES_LATE = {7}, {20}
DIVERGES = {15}
ALL = RAISES_EARLY | RAISE_LATE | DIES_EARLY | DIES_LATE | DIVERGES


def is_mended():
    return Path(os.environ["TROUBLES_MENDED"]).exists()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def report_threads(number):
    """Leave word of how many threads this process's libraries would start."""
    most = max(pool["num_threads"] for pool in threadpool_info())
    Path(os.environ["TROUBLES_MENDED"]).with_name(f"threads-{number}").write_text(str(most))


def make(number, *, rng):
    """A small regression; as a dataset, it may fail before the run has begun."""
    report_threads(number)
    if not is_mended():
        if number in RAISES_EARLY:
            raise ValueError(f"number {number} is not to be had")
        if number in DIES_EARLY:
            die()
    X = rng.normal(size=(60, 3))
    y = X.sum(axis=1, keepdims=True)
    dataset = from_arrays("troubled", X, y, rng, reward_size=10, test_size=10)
    if number in DIVERGES and not is_mended():
        train = dataset.train
        return replace(dataset, train=Split(train.X, 1e30 * train.y))
    return dataset


@dataclass
class Late(Policy):
    """Does nothing, and may fail in the middle of the run."""

    number: int = 0

    def steps(self, n_steps):
        return np.array([n_steps // 2])

    def propose(self, view, rng):
        if not is_mended():
            if self.number in RAISE_LATE:
                raise KeyError(f"number {self.number} has no edits")
            if self.number in DIES_LATE:
                die()
        return Proposal()

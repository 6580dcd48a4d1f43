"""Where a run's randomness comes from, and the mini-batches that it draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from plastic.errors import check_count


@dataclass(frozen=True)
class Streams:
    """The random streams of a run, each with one use.

    They are independent, so two policies of one seed see the same split, initial wiring,
    initial weights and mini-batches, whatever they draw themselves.
    """

    split: Generator
    wiring: Generator
    weights: Generator
    batches: Generator
    policy: Generator
    selection: Generator
    plasticity: Generator  # new streams come last, so that the others stay what they were

    @classmethod
    def of(cls, seed: int) -> Streams:
        """The streams of a seed.

        Examples
        --------
        >>> a, b = Streams.of(3), Streams.of(3)
        >>> bool(a.policy.random() == b.policy.random() != a.split.random())
        True
        """
        check_count("seed", seed, low=0)
        return cls(*(np.random.default_rng(child) for child in SeedSequence(seed).spawn(7)))


class Batches:
    """Mini-batches in random order, each sample once an epoch; what is left over is dropped.

    Parameters
    ----------
    n_samples : int
    batch_size : int
        Cut down to `n_samples` where there are fewer.
    rng : Generator

    Examples
    --------
    >>> batches = Batches(4, 2, np.random.default_rng(0))
    >>> next_one = batches.peek()
    >>> bool((batches.take(3)[0] == next_one).all())
    True
    """

    def __init__(self, n_samples: int, batch_size: int, rng: Generator) -> None:
        check_count("batch_size", batch_size)
        self.size = min(batch_size, n_samples)
        self._n_samples, self._rng = n_samples, rng
        self._ready = np.zeros((0, self.size), np.int64)

    def take(self, n_steps: int) -> NDArray[np.int64]:
        """Samples of the next mini-batches, shape (n_steps, size)."""
        self._prepare(n_steps)
        taken, self._ready = self._ready[:n_steps], self._ready[n_steps:]
        return taken

    def peek(self) -> NDArray[np.int64]:
        """Samples of the next mini-batch, shape (size,), without taking it."""
        self._prepare(1)
        return self._ready[0]

    def put_back(self, rows: NDArray[np.int64]) -> None:
        """Put mini-batches (n_steps, size) back in front, to be taken once more."""
        self._ready = np.concatenate([rows, self._ready])

    def _prepare(self, n_steps: int) -> None:
        pieces = [self._ready]
        while sum(map(len, pieces)) < n_steps:
            epoch = self._rng.permutation(self._n_samples)
            whole = len(epoch) // self.size * self.size
            pieces.append(epoch[:whole].reshape(-1, self.size))
        self._ready = np.concatenate(pieces)

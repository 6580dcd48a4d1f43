"""Where a run's randomness comes from, and the mini-batches that it draws."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_count


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


READINGS = 2**16
"""First part of the keys of streams that metrics draw from; those of `Streams` are below."""


def reading_stream(seed: int, name: str, step: int) -> Generator:
    """The random stream of one reading of one metric.

    It depends on nothing else, so that what one metric draws changes neither the run nor what
    another one draws, and a reading can be repeated later.

    Examples
    --------
    >>> one, other = reading_stream(3, "modularity", 50), reading_stream(3, "modularity", 50)
    >>> bool(one.random() == other.random() != reading_stream(3, "modularity", 100).random())
    True
    """
    of_name = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return np.random.default_rng(SeedSequence(seed, spawn_key=(READINGS, of_name, step)))


MOST: dict[str, dict[str, Any]] = {
    "PCG64": {"state": 2**128, "inc": 2**128},
    "PCG64DXSM": {"state": 2**128, "inc": 2**128},
    "Philox": {"counter": (4, 2**64), "key": (2, 2**64)},
    "SFC64": {"state": (4, 2**64)},
    "MT19937": {"key": (624, 2**32), "pos": 625},
}
"""What the state of each kind of stream consists of: a bound, or how many numbers below it."""

BESIDE: dict[str, Any] = {
    "has_uint32": 2,
    "uinteger": 2**32,
    "buffer": (4, 2**64),
    "buffer_pos": 5,
}
"""What some kinds hold beside it."""


def stream_state(stream: Generator) -> dict[str, Any]:
    """Where a random stream is, fit for JSON.

    Examples
    --------
    >>> sorted(stream_state(np.random.default_rng(0)))
    ['bit_generator', 'has_uint32', 'state', 'uinteger']
    """
    state: dict[str, Any] = _listed(stream.bit_generator.state)
    return state


def check_stream(stream: Generator, told: Any) -> Any:
    """A `stream_state` as the bit generator of this stream takes it.

    NumPy does not check all of it, and would read beyond its own tables.

    Raises
    ------
    InvalidParameter
        If it is of another kind of stream, or a number is outside its range.

    Examples
    --------
    >>> one, other = np.random.default_rng(0), np.random.default_rng(1)
    >>> other.bit_generator.state = check_stream(other, stream_state(one))
    >>> bool(one.random() == other.random())
    True
    """
    own = stream.bit_generator.state
    kind = own["bit_generator"]
    if kind not in MOST:
        raise InvalidParameter(
            f"a stream of {kind} cannot be saved; there are {', '.join(MOST)}"
        )
    inner = told.get("state") if isinstance(told, dict) else None
    if not isinstance(inner, dict) or told.get("bit_generator") != kind:
        raise InvalidParameter(f"the stream is one of {kind}, got {str(told)[:80]}")
    state = {name: _number(name, inner.get(name), most) for name, most in MOST[kind].items()}
    beside = {
        name: _number(name, told.get(name), BESIDE[name]) for name in BESIDE if name in own
    }
    return {"bit_generator": kind, "state": state, **beside}


def _number(name: str, value: Any, most: Any) -> Any:
    n, most = most if isinstance(most, tuple) else (None, most)
    numbers = [value] if n is None else value
    right = isinstance(numbers, list) and len(numbers) == (n or 1)
    if not right or not all(type(one) is int and 0 <= one < most for one in numbers):
        raise InvalidParameter(f"{name} of a random stream is out of range: {str(value)[:80]}")
    return value if n is None else np.array(value, np.uint32 if most == 2**32 else np.uint64)


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _listed(one) for name, one in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


class Batches:
    """Mini-batches in random order, each sample once an epoch; what is left over is dropped.

    Parameters
    ----------
    n_samples : int
    batch_size : int
        Cut down to `n_samples` where there are fewer.
    rng : Generator

    Attributes
    ----------
    ready : int array, shape (n, size)
        Mini-batches drawn and not taken yet; with the random stream, the position in the data.

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
        self.ready = np.zeros((0, self.size), np.int64)

    def take(self, n_steps: int) -> NDArray[np.int64]:
        """Samples of the next mini-batches, shape (n_steps, size)."""
        self._prepare(n_steps)
        taken, self.ready = self.ready[:n_steps], self.ready[n_steps:]
        return taken

    def peek(self) -> NDArray[np.int64]:
        """Samples of the next mini-batch, shape (size,), without taking it."""
        self._prepare(1)
        return self.ready[0]

    def put_back(self, rows: NDArray[np.int64]) -> None:
        """Put mini-batches (n_steps, size) back in front, to be taken once more."""
        self.ready = np.concatenate([rows, self.ready])

    def checked(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """The rows, if they are mini-batches that could be `ready`.

        Raises
        ------
        InvalidParameter
            If they are of another shape, or name a sample that is not there.
        """
        fits = rows.ndim == 2 and rows.shape[1] == self.size and rows.dtype == np.int64
        if not fits or (rows.size and not 0 <= rows.min() <= rows.max() < self._n_samples):
            raise InvalidParameter(
                f"mini-batches must be of {self.size} of {self._n_samples} samples, "
                f"got {rows.dtype} of shape {rows.shape}"
            )
        return rows

    def _prepare(self, n_steps: int) -> None:
        pieces = [self.ready]
        while sum(map(len, pieces)) < n_steps:
            epoch = self._rng.permutation(self._n_samples)
            whole = len(epoch) // self.size * self.size
            pieces.append(epoch[:whole].reshape(-1, self.size))
        self.ready = np.concatenate(pieces)

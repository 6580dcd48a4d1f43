"""What is left of those that were born together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_count
from plastic.metrics.base import Metric, Reading, remembered


@final
@dataclass
class Survival(Metric):
    """Share of each birth cohort of connections that is still there.

    Training is cut into stretches of equal length.  The connections of one stretch are a
    cohort, and those of the initial wiring are one of their own.  The label is that of the
    steps in which they were born: ``0`` for the wiring, ``1-100``, ``101-200``, ...  A cohort
    has a number from the first reading at which one of it was there: those that are there now
    over all that were there at any reading so far.  What is born and pruned between two
    readings is not counted.

    Parameters
    ----------
    cohorts : int
        Number of stretches.
    """

    cohorts: int = 10
    _seen: NDArray[np.bool_] = field(
        default_factory=lambda: np.zeros(0, bool), init=False, repr=False
    )
    _sizes: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(0, np.int64), init=False, repr=False
    )

    def __post_init__(self) -> None:
        check_count("cohorts", self.cohorts)

    def read(self, reading: Reading, rng: Generator) -> Mapping[str, float]:
        """A share for each cohort, the oldest first."""
        ids = reading.structure.connection_ids
        length = -(-reading.n_steps // self.cohorts)
        cohort = -(-reading.born // length)  # 0 for the wiring, 1 for the steps 1 to length
        # an array of one bit an id that was ever given out, as ids come in order
        seen = np.zeros(max(int(ids.max(initial=-1)) + 1, len(self._seen)), bool)
        seen[: len(self._seen)] = self._seen
        alive = np.bincount(cohort, minlength=self.cohorts + 1)
        sizes = np.zeros(len(alive), np.int64)
        sizes[: len(self._sizes)] = self._sizes
        sizes += np.bincount(cohort[~seen[ids]], minlength=len(alive))
        seen[ids] = True
        self._seen, self._sizes = seen, sizes
        shown = np.flatnonzero(sizes).tolist()
        return {_label(number, length): alive[number] / sizes[number] for number in shown}

    def state(self) -> dict[str, NDArray[Any]]:
        """Which ids were seen, in bits and their number, and the size of each cohort."""
        n_ids = np.array([len(self._seen)])
        return {"seen": np.packbits(self._seen), "n_ids": n_ids, "sizes": self._sizes}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state."""
        seen, n_ids, sizes = remembered(state, seen="u", n_ids="i", sizes="i")
        if len(n_ids) != 1 or len(seen) != -(-int(n_ids[0]) // 8) or (sizes < 0).any():
            raise InvalidParameter(
                f"the state holds bits of {n_ids.tolist()} ids in {len(seen)} bytes"
            )
        self._seen = np.unpackbits(seen, count=int(n_ids[0])).astype(bool)
        self._sizes = sizes


def _label(number: int, length: int) -> str:
    return f"{(number - 1) * length + 1}-{number * length}" if number else "0"

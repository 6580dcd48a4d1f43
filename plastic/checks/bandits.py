"""The contract of a bandit, as a function that anyone can run on a bandit of their own.

Each promise is a small function that looks for a breach on a `Case`.  `check_bandit` goes
through all of them and names the first that is broken.  What a bandit says of itself decides
which ones apply: `Bandit.explores`, `Bandit.order_matters`, and `Bandit.has_preference`; one
that claims to have none is held to that.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from scipy.special import gammaincc

from plastic.bandits import Bandit
from plastic.checks.global_state import moved_by
from plastic.errors import ContractBroken, PlasticError, check_count

Array = NDArray[Any]

N_RUNS = 64
"""Independent runs of the promises about what is learned."""

MEANS = (0.1, 0.9, 0.1)
"""Of the arms of the easy instance."""

LEAST_SHARE = 0.45
"""Of the pulls in the end that must go to the best of them; chance is a third."""

MOST_LINES = 2000
"""Lines of code that a million arms may run beyond what a thousand arms run."""


@dataclass(frozen=True)
class Case:
    """A bandit to look for breaches on.

    Parameters
    ----------
    make : callable
        Returns a new bandit at each call.
    n_rounds : int
        Of the promises about what is learned.
    n_many : int
        Arms of the promise about many.
    seed : int
    """

    make: Callable[[], Bandit]
    n_rounds: int
    n_many: int
    seed: int

    def stream(self, number: int = 0) -> Generator:
        """A random stream; the same for the same number."""
        return default_rng([self.seed, number])

    def learned(self) -> Bandit:
        """A bandit that knows something of arms 3, 5, 8 and 13."""
        bandit, rng = self.make(), self.stream(1)
        arms = np.array([3, 5, 8, 13])
        for _ in range(20):
            pulled = bandit.select(arms, rng, 2)
            bandit.update(pulled, rng.random(2))
        return bandit

    def copy(self, bandit: Bandit) -> Bandit:
        """A new bandit with the state of another, by way of a file."""
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **bandit.state())
        file.seek(0)
        other = self.make()
        with np.load(file, allow_pickle=False) as state:
            other.restore(dict(state))
        return other


def check_bandit(
    make: Callable[[], Bandit],
    *,
    n_rounds: int = 300,
    n_many: int = 1_000_000,
    seed: int = 0,
) -> None:
    """Hold a bandit to its contract.

    Parameters
    ----------
    make : callable
        Returns a new bandit at each call; a class whose fields have defaults will do.
    n_rounds : int
        Rounds after which it must have found the best of three very different arms; raise it
        for a bandit that is slow by design.
    n_many : int
        Arms that it must update and sample in vectors.
    seed : int
        Of everything random.

    Raises
    ------
    ContractBroken
        If a promise is broken; the message names the promise and the breach.

    Examples
    --------
    >>> from plastic.bandits import BetaThompson
    >>> check_bandit(BetaThompson, n_many=10_000)
    """
    check_count("n_rounds", n_rounds, low=30)
    check_count("n_many", n_many, low=1000)
    case = Case(make, n_rounds, n_many, seed)
    for promise, find_breach in PROMISES.items():
        where = f"a bandit {promise}; this one does not"
        try:
            breach = find_breach(case)
        except Exception as error:
            raise ContractBroken(f"{where}: {type(error).__name__}: {error}") from error
        if breach:
            raise ContractBroken(f"{where}: {breach}")


def _chooses_wrong(case: Case) -> str:
    bandit, rng = case.make(), case.stream()
    for arms in (np.array([7]), np.array([4, 2, 9, 11]), np.arange(40)[::-1], rows_of(3, 6)):
        for count in {1, 2, arms.shape[-1]}:
            if count > arms.shape[-1]:
                continue
            chosen = bandit.select(arms, rng, count)
            if chosen.shape != (*arms.shape[:-1], count):
                return f"of arms of shape {arms.shape}, {count} come as {chosen.shape}"
            for offered, some in zip(np.atleast_2d(arms), np.atleast_2d(chosen), strict=True):
                if not np.isin(some, offered).all() or len(np.unique(some)) < count:
                    return f"of the arms {offered.tolist()} it chooses {some.tolist()}"
            bandit.update(chosen, rng.random(chosen.shape))
    return ""


def _differs(case: Case) -> str:
    first, second = trace(case.learned(), case), trace(case.learned(), case)
    return "" if first == second else f"two runs of seed {case.seed} are not the same"


def _draws_elsewhere(case: Case) -> str:
    return moved_by(lambda: trace(case.learned(), case))


def _forgets(case: Case) -> str:
    bandit = case.learned()
    state = bandit.state()
    for name, array in state.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            return f"its state holds {name}, which is not an array of numbers"
    other = case.copy(bandit)
    if trace(bandit, case) != trace(other, case):
        return "a saved and restored one goes on in another way"
    return ""


def _depends_on_order(case: Case) -> str:
    if case.make().order_matters:
        return ""
    rng, arms = case.stream(), np.arange(6)
    pulled, earned = rng.integers(0, 6, 60), rng.random(60)
    together, apart = case.make(), case.make()
    for bandit in (together, apart):
        bandit.select(arms, case.stream())
    together.update(pulled, earned)
    for some in np.array_split(rng.permutation(60), 7):
        apart.update(pulled[some], earned[some])
    one, other = (bandit.values(arms, case.stream()) for bandit in (together, apart))
    same = np.allclose(one, other, rtol=1e-9, atol=1e-9)
    return "" if same else f"all at once give {one}, late and in parts {other}"


def _misses_newborns(case: Case) -> str:
    bandit = case.make()
    if not bandit.explores:
        return ""
    rng, old = case.stream(), rows_of(N_RUNS, 3)
    for _ in range(case.n_rounds // 3):
        bandit.update(bandit.select(old, rng), np.full((N_RUNS, 1), 0.5))
    everything = np.hstack([old, old.size + rows_of(N_RUNS, 1)])
    pulled = np.zeros(N_RUNS, bool)
    for _ in range(case.n_rounds):
        chosen = bandit.select(everything, rng)
        pulled |= chosen[:, 0] >= old.size
        bandit.update(chosen, np.full((N_RUNS, 1), 0.5))
    share = pulled.mean()
    return "" if share > 0.8 else f"in {1 - share:.0%} of the runs a newborn is never pulled"


def _remembers_the_retired(case: Case) -> str:
    bandit = case.learned()
    size = sum(array.nbytes for array in bandit.state().values())
    rng, everything = case.stream(), np.array([3, 5, 8, 13, 21])
    for _ in range(5):
        bandit.select(everything, rng)
        bandit.update(np.full(3, 21), np.ones(3))
    bandit.retire([21])
    if bandit.knows([21]).any():
        return "it still knows an arm that has retired"
    if sum(array.nbytes for array in bandit.state().values()) > size:
        return "its state holds more than before the arm was born"
    values = []
    for arm in (21, 22):
        other, arms = case.copy(bandit), np.array([3, 5, 8, 13, arm])
        other.select(arms, case.stream(2))
        values.append(other.values(arms, case.stream(3)))
    again, newborn = values
    same = np.array_equal(again, newborn)
    return "" if same else f"offered again it is worth {again[-1]}, a newborn {newborn[-1]}"


def _loops(case: Case) -> str:
    lines = {}
    for n_arms in (1000, case.n_many):
        bandit, rng, arms = case.make(), case.stream(), np.arange(n_arms)
        with counted_lines() as counter:
            bandit.select(arms, rng, 100)
            bandit.update(arms, rng.random(n_arms))
            bandit.select(arms, rng)
        lines[n_arms] = counter["lines"]
    more = lines[case.n_many] - lines[1000]
    if more > MOST_LINES:
        return f"{case.n_many} arms run {more} lines of code more than 1000 arms"
    return ""


def _writes(case: Case) -> str:
    bandit, rng = case.make(), case.stream()
    arms, rewards = np.arange(10), np.linspace(0, 1, 10)
    bandit.select(arms, rng, 10)
    bandit.update(arms, rewards)
    bandit.retire(arms[:2])
    state = bandit.state()
    kept = contents(state)
    bandit.restore(state)
    bandit.update(arms[2:], rewards[2:])
    trace(bandit, case)
    if not np.array_equal(arms, np.arange(10)):
        return "arms are changed"
    if not np.array_equal(rewards, np.linspace(0, 1, 10)):
        return "rewards are changed"
    return "" if contents(state) == kept else "a state that was handed out changes"


def _takes_nonsense(case: Case) -> str:
    low, high = case.make().reward_range
    beyond = [value for value in (low - 1, high + 1) if np.isfinite(value)]
    nonsense: dict[str, tuple[Any, Any]] = {
        "an unknown arm": ([3, 4], [0.5, 0.5]),
        "a negative arm": ([3, -1], [0.5, 0.5]),
        "half an arm": ([3.5], [0.5]),
        "NaN as a reward": ([3, 5], [0.5, np.nan]),
        "an infinite reward": ([3, 5], [0.5, np.inf]),
        "fewer rewards than arms": ([3, 5], [0.5]),
    } | {f"{value} as a reward": ([3, 5], [0.5, value]) for value in beyond}
    for name, (arms, rewards) in nonsense.items():
        bandit = case.learned()
        before = contents(bandit.state())
        try:
            bandit.update(arms, rewards)
        except PlasticError:
            if contents(bandit.state()) != before:
                return f"{name} is refused, but something changes"
        else:
            return f"update takes {name}"
    return ""


def _misses_the_best(case: Case) -> str:
    bandit, rng, arms = case.make(), case.stream(), rows_of(N_RUNS, len(MEANS))
    pulls = np.zeros(len(MEANS))
    for number in range(case.n_rounds):
        places = bandit.select(arms, rng) % len(MEANS)
        pulled = np.take_along_axis(arms, places, axis=1)
        bandit.update(pulled, rng.random(places.shape) < np.array(MEANS)[places])
        if number >= case.n_rounds * 2 // 3:
            pulls += np.bincount(places[:, 0], minlength=len(MEANS))
    if not bandit.has_preference:
        statistic = ((pulls - pulls.mean()) ** 2 / pulls.mean()).sum()
        chance = gammaincc((len(MEANS) - 1) / 2, statistic / 2)
        return "" if chance > 1e-6 else f"it has no preference, but pulls {pulls.tolist()}"
    share = pulls[np.argmax(MEANS)] / pulls.sum()
    return (
        ""
        if share > LEAST_SHARE
        else f"in the end {share:.0%} of its pulls go to the best of three"
    )


# --------------------------------------------------------------------------------------- tools


def rows_of(n_rows: int, n_arms: int) -> NDArray[np.int64]:
    """Arms numbered row by row.

    Examples
    --------
    >>> rows_of(2, 3)
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    return np.arange(n_rows * n_arms).reshape(n_rows, n_arms)


def trace(bandit: Bandit, case: Case) -> list[bytes]:
    """What a bandit chooses and remembers in a few rounds with a birth and a retirement."""
    rng, arms, seen = case.stream(4), np.array([3, 5, 8, 13, 2]), []
    for number in range(12):
        chosen = bandit.select(arms, rng, 1 + number % 3)
        bandit.update(np.repeat(chosen, 2), rng.random(2 * len(chosen)))
        seen.append(chosen.tobytes())
        if number == 6:
            bandit.retire([5])
            arms = np.array([3, 8, 13, 2, 40])
    return [*seen, *contents(bandit.state())]


def contents(state: dict[str, Array]) -> list[bytes]:
    """Every bit of a state."""
    return [
        repr((name, array.dtype.str, array.shape)).encode() + array.tobytes()
        for name, array in sorted(state.items())
    ]


@contextmanager
def counted_lines() -> Any:
    """Count the lines of Python that run inside; a debugger's tracing waits so long."""
    counter = {"lines": 0}

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        counter["lines"] += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield counter
    finally:
        sys.settrace(before)


PROMISES: dict[str, Callable[[Case], str]] = {
    "chooses distinct arms of those offered": _chooses_wrong,
    "leaves what it is given as it is": _writes,
    "chooses the same under the same seed": _differs,
    "leaves the global random state alone": _draws_elsewhere,
    "goes on from a saved state bit for bit": _forgets,
    "learns the same from late and batched rewards": _depends_on_order,
    "explores newborn arms": _misses_newborns,
    "forgets retired arms": _remembers_the_retired,
    "treats many arms in vectors": _loops,
    "refuses what makes no sense before anything changes": _takes_nonsense,
    "finds the best arm, or has no preference": _misses_the_best,
}
"""What a bandit promises, and the function that looks for a breach: "" if there is none."""

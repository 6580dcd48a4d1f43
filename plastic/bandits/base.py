r"""The contract of a bandit.

A bandit chooses among arms, is told what they earned, and chooses again.  Arms are whole
numbers from 0, such as the ids of neurons.  An arm is born when it is first offered; nothing
announces it.  It is gone once it is no longer offered, and its memory once `Bandit.retire` is
told.  In a loop::

    chosen = bandit.select(arms, rng, count)   # arms on offer -> the arms to pull
    rewards = ...                              # now, later, in any order, several for one arm
    bandit.update(chosen, rewards)
    bandit.retire(gone)                        # optional: frees what is kept of them

What every bandit promises, and `plastic.checks.check_bandit` holds it to:

- `select` returns distinct arms of those offered, the top `count` of *one* joint sample or
  index, best first; ties are broken at random.  It draws from the generator that it is given
  and from nothing else.
- `update` adds up duplicates, and refuses what makes no sense before anything changes.
- `state` is all that it remembers, in plain arrays; a bandit of the same parameters that is
  given it by `restore` goes on bit for bit.
- Whatever is done for one arm is done for all in vectors: a million arms are no loop.
- Inputs are left as they are.

Arms may be a table, shape (n_choices, n_arms): each row is a choice of its own, all made in one
call.  Rows that share no arm are independent problems, which is how many runs are simulated
at once.  A round is a call of `update`: what forgets, forgets by rounds, and an empty call
lets one pass.

A bandit of one's own is a subclass with two hooks: `values`, what each offered arm is worth
this time, and `learn`, what to do with rewards; `columns` names what is kept of each arm.
Those that live on counts and means inherit `learn` from `plastic.bandits.Counting`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from plastic.bandits.arms import IDS, ArmTable
from plastic.errors import InvalidParameter, check_count

Array = NDArray[Any]
Ids = NDArray[np.int64]


@dataclass(kw_only=True, eq=False)
class Bandit(ABC):
    """A bandit; concrete ones are dataclasses whose fields are their configuration."""

    reward_range: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    """Rewards outside are refused."""

    def __post_init__(self) -> None:
        self._arms = ArmTable(self.columns())
        self._common = self.common()

    # ------------------------------------------------------------------ what a family writes

    @abstractmethod
    def values(self, arms: Ids, rng: Generator) -> Array:
        """What each arm is worth this time: its index, or a sample of its posterior.

        Parameters
        ----------
        arms : int array, shape (..., n_arms)
            Known arms, those on offer in each row.
        rng : Generator

        Returns
        -------
        float array, shape (..., n_arms)
            The highest are chosen; infinite is allowed, NaN is not.
        """

    @abstractmethod
    def learn(self, positions: Ids, rewards: Array) -> None:
        """Take rewards in; both of shape (n_rewards,), an arm may come several times.

        `positions` are those of the arms in the columns.
        """

    def columns(self) -> dict[str, Array]:
        """What is kept of each arm: names of columns, and what a newborn has there."""
        return {}

    def common(self) -> dict[str, Array]:
        """What is kept for all arms together: names, and arrays to start with."""
        return {}

    @property
    def has_preference(self) -> bool:
        """Whether it comes to prefer arms that earn more; False for uniform controls."""
        return True

    @property
    def explores(self) -> bool:
        """Whether an arm that was never pulled is pulled in the end, whatever others earn."""
        return True

    @property
    def order_matters(self) -> bool:
        """Whether late or batched rewards teach it something else than immediate ones."""
        return False

    # ---------------------------------------------------------------- what a user of it calls

    def select(self, arms: ArrayLike, rng: Generator, count: int = 1) -> Ids:
        """Choose the arms to pull.

        Parameters
        ----------
        arms : int array, shape (n_arms,) or (n_choices, n_arms)
            On offer, without duplicates in a row; those not seen before are born.
        rng : Generator
        count : int
            How many of each row, at most n_arms.

        Returns
        -------
        int array, shape (count,) or (n_choices, count)
            Distinct arms of each row, highest value first.

        Raises
        ------
        InvalidParameter
            If arms or count are not so.
        """
        offered = check_arms(arms)
        check_offer(offered, count)
        self._arms.admit(offered)
        values = self.values(offered, rng)
        if values.shape != offered.shape or np.isnan(values).any():
            raise InvalidParameter(
                f"{type(self).__name__}.values must give one number for each of the arms of "
                f"shape {offered.shape}, got shape {values.shape}, "
                f"{int(np.isnan(values).sum())} of them NaN"
            )
        return np.take_along_axis(offered, highest(values, count, rng), axis=-1)

    def update(self, arms: ArrayLike, rewards: ArrayLike) -> None:
        """Learn what arms have earned, and let one round pass.

        Parameters
        ----------
        arms : int array, any shape
            An arm may come several times.
        rewards : float array, same shape
            Of each pull.

        Raises
        ------
        InvalidParameter
            If an arm is unknown, a reward is not finite or outside of `reward_range`, or the
            shapes differ; nothing is learned then.
        """
        pulled = check_arms(arms)
        earned = check_rewards(rewards, pulled.shape, *self.reward_range)
        self.learn(self._arms.at(pulled.ravel()), earned.ravel())

    def knows(self, arms: ArrayLike) -> NDArray[np.bool_]:
        """Whether each arm has been offered and not retired: `update` takes its rewards."""
        return self._arms.find(check_arms(arms))[1]

    def retire(self, arms: ArrayLike) -> None:
        """Forget arms; offered again, they are newborns.

        Raises
        ------
        InvalidParameter
            If an arm is unknown; nothing is forgotten then.
        """
        gone = check_arms(arms).ravel()
        self._arms.at(gone)
        self.forget(gone)
        self._arms.drop(gone)

    def forget(self, arms: Ids) -> None:
        """Take what is kept of retiring arms out of `common`; the columns are seen to."""

    def state(self) -> dict[str, Array]:
        """All that it remembers: names, and copies of arrays of numbers, ready for np.savez."""
        return self._arms.state() | {name: a.copy() for name, a in self._common.items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from the state of a bandit with the same parameters.

        Raises
        ------
        InvalidParameter
            If an array is missing, is one too many, or has another kind or shape; nothing is
            changed then.
        """
        expected = {IDS, *self.columns(), *self._common}
        if set(state) != expected:
            listed, got = ", ".join(sorted(expected)), ", ".join(sorted(state))
            raise InvalidParameter(
                f"the state of a {type(self).__name__} must hold {listed}, got {got}"
            )
        self._arms.check(state)
        for name, value in self._common.items():
            if state[name].dtype != value.dtype or state[name].ndim != value.ndim:
                raise InvalidParameter(
                    f"a saved {name} must have {value.ndim} axes and kind {value.dtype}, "
                    f"got {state[name].ndim} and {state[name].dtype}"
                )
        self._arms.restore(state)
        self._common = {name: state[name].copy() for name in self._common}


def highest(values: Array, count: int, rng: Generator) -> Ids:
    """Indices of the highest values of each row, highest first; ties are broken at random.

    Parameters
    ----------
    values : float array, shape (..., n)
    count : int
        At most n.
    rng : Generator

    Examples
    --------
    >>> highest(np.array([[1.0, 3.0, 2.0], [9.0, 0.0, 8.0]]), 2, np.random.default_rng(0))
    array([[1, 2],
           [0, 2]])
    """
    if count == 1:
        ties = values == values.max(axis=-1, keepdims=True)
        return np.where(ties, rng.random(values.shape), -1.0).argmax(axis=-1, keepdims=True)
    # in random order first, so that neither the partition nor the sort favours a place
    order = rng.permuted(np.broadcast_to(np.arange(values.shape[-1]), values.shape), axis=-1)
    keys = np.take_along_axis(-values, order, axis=-1)
    top = np.argpartition(keys, count - 1, axis=-1)[..., :count]
    kept = np.take_along_axis(keys, top, axis=-1)
    top = np.take_along_axis(top, np.argsort(kept, axis=-1, kind="stable"), axis=-1)
    return np.take_along_axis(order, top, axis=-1)


def check_arms(arms: ArrayLike) -> Ids:
    """Arms as an array; raises `InvalidParameter` unless they are whole numbers from 0.

    Examples
    --------
    >>> check_arms([3, -1])
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: arms must be whole numbers from 0, got -1
    """
    array = np.asarray(arms)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InvalidParameter(f"arms must be whole numbers from 0, got kind {array.dtype}")
    if array.dtype != np.int64:
        array = array.astype(np.int64)  # beyond int64 they wrap, and are found to be negative
    if (lowest := array.min()) < 0:
        raise InvalidParameter(f"arms must be whole numbers from 0, got {lowest}")
    return array


def check_offer(arms: Ids, count: int) -> None:
    """Raise `InvalidParameter` unless `count` distinct arms can be chosen from each row."""
    if arms.ndim not in (1, 2) or arms.shape[-1] == 0:
        raise InvalidParameter(
            f"arms must have shape (n_arms,) or (n_choices, n_arms) with at least one arm, "
            f"got {arms.shape}"
        )
    check_count("count", count)
    if count > arms.shape[-1]:
        raise InvalidParameter(
            f"count must be at most the number of arms offered, {arms.shape[-1]}, got {count}"
        )
    if (arms[..., 1:] > arms[..., :-1]).all():
        return
    rows = np.sort(arms, axis=-1)
    twice = rows[..., 1:][rows[..., 1:] == rows[..., :-1]]
    if twice.size:
        raise InvalidParameter(f"arms must be distinct, got {twice[0]} twice in one choice")


def check_rewards(
    rewards: ArrayLike, shape: tuple[int, ...], low: float, high: float
) -> NDArray[np.float64]:
    """Rewards as an array; raises `InvalidParameter` unless they are numbers in their range.

    Examples
    --------
    >>> check_rewards([0.5, 1.5], (2,), 0.0, 1.0)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: rewards must be finite and lie in [0.0, 1.0], got 1.5
    """
    array = np.asarray(rewards)
    if array.dtype.kind not in "biuf":
        raise InvalidParameter(f"rewards must be numbers, got kind {array.dtype}")
    array = array.astype(np.float64)
    if array.shape != shape:
        raise InvalidParameter(
            f"there must be one reward for each of the arms of shape {shape}, "
            f"got shape {array.shape}"
        )
    right = np.isfinite(array) & (array >= low) & (array <= high)
    if not right.all():
        where = f" and lie in [{low}, {high}]" if np.isfinite(low) else ""
        raise InvalidParameter(f"rewards must be finite{where}, got {array[~right][0]}")
    return array

"""Bandits that live on counts and means: what an arm has earned, and how it is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plastic.bandits.base import Array, Bandit, Ids
from plastic.errors import InvalidParameter, check_count, check_range


@dataclass(kw_only=True, eq=False)
class Counting(Bandit):
    r"""Keeps count, total and scatter of the rewards of each arm.

    .. math:: n = \sum_s w_s, \quad S = \sum_s w_s r_s, \quad
              Q = \sum_s w_s (r_s - S/n)^2

    with :math:`w_s = \gamma^{t - s}` for a reward that came in round s, or
    :math:`w_s = [s > t - W]` with a window of W rounds.

    Parameters
    ----------
    discount : float
        :math:`\gamma` in (0, 1]; 1 forgets nothing.  After :math:`1 / (1 - \gamma)` rounds
        about a third is left, so choose it to be about half of the rounds from change to
        change.
    window : int, optional
        Rounds that are remembered, for which about half of those from change to change is a
        good choice; None remembers all.  An update costs in proportion to the rewards in it.

    Raises
    ------
    InvalidParameter
        If they are outside their ranges, or both are given.

    References
    ----------
    Garivier and Moulines (2011), On Upper-Confidence Bound Policies for Switching Bandit
    Problems, arXiv:0805.3415, sections 2.1 (discount) and 2.2 (window).
    """

    discount: float = 1.0
    window: int | None = None

    def __post_init__(self) -> None:
        check_range("discount", self.discount, 0, 1, open_low=True)
        if self.window is not None:
            check_count("window", self.window)
            if self.discount < 1:
                raise InvalidParameter(
                    f"choose a discount or a window, got discount {self.discount} "
                    f"and window {self.window}"
                )
        super().__post_init__()

    @property
    def order_matters(self) -> bool:
        """Only to those that forget."""
        return self.discount < 1 or self.window is not None

    def columns(self) -> dict[str, Array]:
        """Count, total and scatter; with a discount, the round that they were true in."""
        names = ("count", "total", "scatter")
        known = {name: np.zeros(()) for name in names}
        return known | ({"true_in": np.zeros((), np.int64)} if self.discount < 1 else {})

    def common(self) -> dict[str, Array]:
        """Rounds so far; with a window, every reward in it."""
        if self.window is None:
            return {"round": np.zeros((), np.int64)}
        return {
            "round": np.zeros((), np.int64),
            "log_arm": np.zeros(0, np.int64),
            "log_reward": np.zeros(0),
            "log_round": np.zeros(0, np.int64),
        }

    def learn(self, positions: Ids, rewards: Array) -> None:
        """Add rewards to what is known, and let what is old fade."""
        self._common["round"] += 1
        if self.window is not None:
            positions, rewards = self._slide(positions, rewards)
        if not len(positions):
            return
        touched, groups = np.unique(positions, return_inverse=True)
        old = self._faded(touched)
        merged = merge(old, summarize(groups, rewards, len(touched)))
        for name, values in zip(("count", "total", "scatter"), merged, strict=True):
            self._arms[name][touched] = values
        if self.discount < 1:
            self._arms["true_in"][touched] = self._common["round"]

    def forget(self, arms: Ids) -> None:
        """Take the rewards of retiring arms out of the window."""
        if self.window is not None:
            self._keep(~np.isin(self._common["log_arm"], arms))

    def statistics(self, arms: Ids) -> tuple[Array, Array, Array]:
        """Count, total and scatter of each arm as of now.

        Parameters
        ----------
        arms : int array, any shape
            Known arms.

        Returns
        -------
        three float arrays of the same shape
        """
        return self._faded(self._arms.at(arms))

    def _faded(self, positions: Ids) -> tuple[Array, Array, Array]:
        table = self._arms
        if self.discount == 1:
            return (
                table["count"][positions],
                table["total"][positions],
                table["scatter"][positions],
            )
        weight = self.discount ** (self._common["round"] - table["true_in"][positions])
        return (
            weight * table["count"][positions],
            weight * table["total"][positions],
            weight * table["scatter"][positions],
        )

    def _slide(self, positions: Ids, rewards: Array) -> tuple[Ids, Array]:
        """Move the window on; returns all rewards in it of the arms that it changes for.

        These are added up anew: to subtract what leaves would pile up rounding errors.
        """
        now, log = self._common["round"], self._common
        arms = self._arms.ids[positions]
        log["log_arm"] = np.concatenate([log["log_arm"], arms])
        log["log_reward"] = np.concatenate([log["log_reward"], rewards])
        log["log_round"] = np.concatenate([log["log_round"], np.full(len(arms), now)])
        kept = log["log_round"] > now - self.window
        changed = np.unique(np.concatenate([arms, log["log_arm"][~kept]]))
        self._keep(kept)
        at = self._arms.at(changed)
        for name in ("count", "total", "scatter"):
            self._arms[name][at] = 0.0
        again = np.isin(log["log_arm"], changed)
        return self._arms.at(log["log_arm"][again]), log["log_reward"][again]

    def _keep(self, rows: NDArray[np.bool_]) -> None:
        for name in ("log_arm", "log_reward", "log_round"):
            self._common[name] = self._common[name][rows]


Summary = tuple[Array, Array, Array]
"""Count, total and scatter (squared differences from the mean, added up) of groups."""


def summarize(groups: Ids, rewards: Array, n_groups: int) -> Summary:
    """Count, total and scatter of each group.

    Parameters
    ----------
    groups : int array, shape (n_rewards,)
        Group of each reward; none of the `n_groups` may be empty.
    rewards : float array, shape (n_rewards,)
    n_groups : int
    """
    count = np.bincount(groups, minlength=n_groups).astype(float)
    total = np.bincount(groups, rewards, minlength=n_groups)
    off = rewards - (total / count)[groups]
    return count, total, np.bincount(groups, off * off, minlength=n_groups)


def merge(old: Summary, new: Summary) -> Summary:
    r"""Count, total and scatter of two sets of rewards together.

    .. math:: Q = Q_a + Q_b + \frac{n_a n_b}{n_a + n_b} (\bar r_b - \bar r_a)^2

    which keeps its digits where the mean is large beside the spread.

    References
    ----------
    Chan, Golub and LeVeque (1979), Updating formulae and a pairwise algorithm for computing
    sample variances, equation 2.1.
    """
    (n_old, s_old, q_old), (n_new, s_new, q_new) = old, new
    count = n_old + n_new
    apart = s_new / n_new - s_old / np.where(n_old > 0, n_old, 1.0)
    return count, s_old + s_new, q_old + q_new + n_old * n_new / count * apart**2


def mean_of(count: Array, total: Array, unseen: float) -> Array:
    """Mean reward; `unseen` for arms without any."""
    return np.where(count > 0, total / np.where(count > 0, count, 1.0), unseen)

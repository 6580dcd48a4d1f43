"""Regret of a bandit in an environment: many independent runs at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits.base import Bandit
from plastic.bandits.environments import Environment, Rounds
from plastic.errors import InvalidParameter, check_count

Array = NDArray[np.floating]
Ids = NDArray[np.int64]


def simulate(
    bandit: Bandit,
    environment: Environment,
    horizons: Sequence[int],
    n_runs: int,
    rng: Generator,
    tell: Callable[[int], None] | None = None,
) -> Array:
    r"""Expected regret of each run up to each horizon.

    .. math:: R(T) = \sum_{t=1}^{T} \left( \mu^*_t - \mu_{a_t} \right)

    where :math:`\mu^*_t` is the best mean on offer in round t; with several pulls a round, the
    best so many means less those pulled.  The means are used, not the rewards that happened,
    which has the same expectation and less noise.  The runs share no arm, so they are the rows
    of one choice.  Bandits that are given the same stream meet the same world and the same
    luck: an arm that is pulled in a round earns what it would have earned anybody.

    Parameters
    ----------
    bandit : Bandit
        A new one; it knows all runs afterwards.
    environment : Environment
    horizons : sequence of int
        Rounds, ascending.
    n_runs : int
    rng : Generator
    tell : callable, optional
        Called with the rounds done, after each block.

    Returns
    -------
    float array, shape (n_horizons, n_runs)

    Raises
    ------
    InvalidParameter
        If horizons or n_runs are not so, or the environment's arms are fewer than its pulls.

    Examples
    --------
    >>> from plastic.bandits import BetaThompson
    >>> from plastic.bandits.environments import Stationary
    >>> two = Stationary(means=[0.6, 0.5])
    >>> rng = np.random.default_rng(0)
    >>> regret = simulate(BetaThompson(), two, [10, 1000], n_runs=50, rng=rng)
    >>> regret.mean(axis=1).round(1)
    array([ 0.4, 10.1])
    """
    check_count("n_runs", n_runs)
    for horizon in horizons:
        check_count("horizons", horizon)
    if not len(horizons) or not (np.diff(horizons) > 0).all():
        raise InvalidParameter(f"horizons must ascend, got {list(horizons)}")
    marks = np.array(horizons)
    world_stream, luck, choices = rng.spawn(3)
    world = environment.start(n_runs, world_stream)
    on_the_way: deque[tuple[int, Ids, NDArray[Any]]] = deque()
    regret, found, done = np.zeros(n_runs), np.empty((len(horizons), n_runs)), 0
    while done < horizons[-1]:
        n_rounds = min(environment.feedback_every, horizons[-1] - done)
        rounds = world.advance(n_rounds)
        pulled, rewards, lost = _play(bandit, rounds, environment.pulls, luck, choices)
        for row in np.flatnonzero((done < marks) & (marks <= done + n_rounds)):
            found[row] = regret + lost[: marks[row] - done].sum(axis=0)
        regret += lost.sum(axis=0)
        done += n_rounds
        on_the_way.append((done + environment.delay, pulled, rewards))
        _retire(bandit, rounds.retired)
        _deliver(bandit, on_the_way, done)
        if tell is not None:
            tell(done)
    return found


def _play(
    bandit: Bandit, rounds: Rounds, pulls: int, luck: Generator, choices: Generator
) -> tuple[Ids, NDArray[Any], Array]:
    """Arms pulled and their rewards, shape (n_rounds x n_runs, pulls), and what was lost."""
    n_rounds, n_runs, n_arms = rounds.arms.shape
    arms, means = rounds.arms.reshape(-1, n_arms), rounds.means.reshape(-1, n_arms)
    pulled = bandit.select(arms, choices, pulls)
    # one position for each pull; arms of a row are distinct
    places = (arms[:, None, :] == pulled[:, :, None]).argmax(axis=-1)
    earned = luck.random(arms.shape) < means
    best = means.max(axis=-1) if pulls == 1 else np.sort(means)[:, -pulls:].sum(axis=-1)
    lost = best - np.take_along_axis(means, places, axis=-1).sum(axis=-1)
    rewards = np.take_along_axis(earned, places, axis=-1)
    return pulled, rewards, lost.reshape(n_rounds, n_runs)


def _retire(bandit: Bandit, arms: Ids) -> None:
    if len(arms):
        bandit.retire(arms[bandit.knows(arms)])  # one may come and go without an offer


def _deliver(
    bandit: Bandit, on_the_way: deque[tuple[int, Ids, NDArray[Any]]], now: int
) -> None:
    """Hand over the rewards that have arrived, in one update, but for arms that are gone."""
    pulled, rewards = [np.zeros((0, 1), np.int64)], [np.zeros((0, 1), bool)]
    while on_the_way and on_the_way[0][0] <= now:
        _, some_pulled, some_rewards = on_the_way.popleft()
        pulled.append(some_pulled.reshape(-1, 1))
        rewards.append(some_rewards.reshape(-1, 1))
    arms, earned = np.concatenate(pulled), np.concatenate(rewards)
    known = bandit.knows(arms)
    bandit.update(arms[known], earned[known])

"""Prune neurons once, by what whole masks cost: no gradient is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.bandits.masks import RULES, make_search, rank_normal, search
from plastic.errors import check_count, check_in, check_range
from plastic.policies.base import Policy, Proposal
from plastic.policies.neurons import prune_edits
from plastic.signals import NetworkView

Array = NDArray[Any]
Slots = NDArray[np.int64]

COSTS = ("loss", "error")

SCORES = ("magnitude", "fisher", "straight_through")


@final
@dataclass
class MaskPruning(Policy):
    """Prune a fraction of the hidden neurons at once, chosen by a bandit over whole masks.

    A pull is one forward pass of a mini-batch without the neurons of a mask.  It works on
    neurons that have no gradient, too.

    Parameters
    ----------
    fraction : float
        Of the hidden neurons that may be pruned, in [0, 1).
    pulls : int
        Forward passes.
    sampling : one of `plastic.bandits.masks.RULES`
        ``thompson`` samples the posterior; the others are its controls.
    cost : {"loss", "error"}
        What a pull tells: log(loss + 0.05), or four times the error rate.
    batch_size : int
        Samples of a pull.
    at : float
        Fraction of training after which to prune, in (0, 1]; at 1, before the last step.

    See Also
    --------
    plastic.bandits.masks.LinearMasks : the posterior.
    """

    fraction: float = 0.75
    pulls: int = 1500
    sampling: str = "thompson"
    cost: str = "loss"
    batch_size: int = 32
    at: float = 1.0

    def __post_init__(self) -> None:
        check_range("fraction", self.fraction, 0, 1, open_high=True)
        check_count("pulls", self.pulls)
        check_in("sampling", self.sampling, RULES)
        check_in("cost", self.cost, COSTS)
        check_count("batch_size", self.batch_size)
        check_range("at", self.at, 0, 1, open_low=True)

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """One."""
        return one_step(self.at, n_steps)

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Search for the mask that costs least, and prune what it leaves out."""
        slots = np.flatnonzero(view.prunable)
        silent = np.zeros(view.structure.n_neurons, bool)

        def cost(mask: NDArray[np.bool_]) -> float:
            silent[slots] = mask
            rows = rng.integers(0, view.n_samples, self.batch_size)
            loss, answers = view.without(silent, rows)
            if self.cost == "loss":
                return float(np.log(loss + 0.05))
            return 4 * error_rate(answers, view.samples(rows)[1])

        if not len(slots):
            return Proposal()
        worth = relative_magnitude(view)[slots]
        n_pruned = min(round(self.fraction * len(slots)), len(slots) - 1)
        found = search(make_search(self.sampling, worth, n_pruned), cost, self.pulls, rng)
        ids = view.structure.neuron_ids[slots]
        arms = {
            "arm": np.array([f"without:{neuron}" for neuron in ids], object),
            "pulls": found.pulls,
        }
        scores = np.zeros(view.structure.n_neurons)
        scores[slots] = rank_normal(worth)
        edits = prune_edits(view, slots[found.pruned], f"{self.sampling} mask", scores)
        return Proposal(edits, arms)


@final
@dataclass
class ScorePruning(Policy):
    """Prune a fraction of the hidden neurons at once, by a score: the controls of the masks.

    Parameters
    ----------
    fraction : float
        Of the hidden neurons that may be pruned, in [0, 1).
    score : {"magnitude", "fisher", "straight_through"}
        The size of a neuron's weights; the mean square of each sample's gate gradient, in
        `rounds`; or scores learned by gradient descent through the mask.
    rounds : int
        Of ``fisher``, each pruning the same share of what is left.
    pulls : int
        Mini-batches of ``straight_through``.
    rate : float
        Its learning rate, in units of the scores' spread; it falls linearly to 0.
    batch_size : int
        Of its mini-batches; ``fisher`` looks at 1,000 samples.
    at : float
        As for `MaskPruning`.

    References
    ----------
    Molchanov et al. (2019), Importance Estimation for Neural Network Pruning,
    arXiv:1906.10771, equation 8, for ``fisher``.  Ramanujan et al. (2020), What's Hidden in a
    Randomly Weighted Neural Network?, arXiv:1911.13299, section 3, for ``straight_through``,
    over neurons where they have weights.
    """

    fraction: float = 0.75
    score: str = "magnitude"
    rounds: int = 8
    pulls: int = 1500
    rate: float = 0.1
    batch_size: int = 32
    at: float = 1.0

    def __post_init__(self) -> None:
        check_range("fraction", self.fraction, 0, 1, open_high=True)
        check_in("score", self.score, SCORES)
        check_count("rounds", self.rounds)
        check_count("pulls", self.pulls)
        check_range("rate", self.rate, 0)
        check_count("batch_size", self.batch_size)
        check_range("at", self.at, 0, 1, open_low=True)

    def steps(self, n_steps: int) -> NDArray[np.integer]:
        """One."""
        return one_step(self.at, n_steps)

    def propose(self, view: NetworkView, rng: Generator) -> Proposal:
        """Prune the neurons of the lowest scores."""
        slots = np.flatnonzero(view.prunable)
        if not len(slots):
            return Proposal()
        n_pruned = min(round(self.fraction * len(slots)), len(slots) - 1)
        if self.score == "magnitude":
            worth = relative_magnitude(view)
            gone = slots[np.argsort(worth[slots], kind="stable")[:n_pruned]]
        elif self.score == "fisher":
            gone, worth = self._fisher(view, slots, n_pruned, rng)
        else:
            gone, worth = self._straight_through(view, slots, n_pruned, rng)
        return Proposal(prune_edits(view, gone, f"low {self.score}", worth))

    def _fisher(
        self, view: NetworkView, slots: Slots, n_pruned: int, rng: Generator
    ) -> tuple[Slots, Array]:
        """Round by round, the lowest mean square of the gates of those left."""
        rows = rng.permutation(view.n_samples)[:1000]
        silent = np.zeros(view.structure.n_neurons, bool)
        n, kept = len(slots), len(slots) - n_pruned
        worth = np.zeros(len(silent))
        for turn in range(1, self.rounds + 1):
            left = slots[~silent[slots]]
            want = kept if turn == self.rounds else int(n * (kept / n) ** (turn / self.rounds))
            worth[left] = np.mean(view.gates(silent, rows)[left] ** 2, axis=1)
            silent[left[np.argsort(worth[left], kind="stable")[: len(left) - want]]] = True
        return np.flatnonzero(silent), worth

    def _straight_through(
        self, view: NetworkView, slots: Slots, n_pruned: int, rng: Generator
    ) -> tuple[Slots, Array]:
        """Gradient descent on scores, as if the mask were the scores themselves."""
        scores = np.zeros(view.structure.n_neurons)
        scores[slots] = rank_normal(relative_magnitude(view)[slots])
        silent = np.zeros(len(scores), bool)
        for pull in range(self.pulls):
            silent[slots] = False
            silent[slots[np.argpartition(scores[slots], n_pruned)[:n_pruned]]] = True
            rows = rng.integers(0, view.n_samples, self.batch_size)
            gradient = view.gates(silent, rows)[slots].mean(axis=1)
            size = float(np.sqrt(np.mean(gradient**2))) + 1e-12
            scores[slots] -= self.rate * (1 - pull / self.pulls) * gradient / size
        return slots[np.argsort(scores[slots], kind="stable")[:n_pruned]], scores


def relative_magnitude(view: NetworkView) -> Array:
    """Size of what enters a neuron times that of what leaves it, over the mean of its group.

    Returns
    -------
    float array, shape (n_neurons,)
    """
    structure, squares = view.structure, view.weights.astype(float) ** 2
    n = structure.n_neurons
    ways_in = np.bincount(structure.targets, squares, n) + view.biases.astype(float) ** 2
    size = np.sqrt(ways_in * np.bincount(structure.sources, squares, n))
    groups, of_group = np.unique(structure.groups, return_inverse=True)
    mean = np.bincount(of_group, size) / np.bincount(of_group, minlength=len(groups))
    return size / np.maximum(mean, 1e-12)[of_group]


def error_rate(answers: Array, targets: Array) -> float:
    """Share of samples whose class is missed; with one output, that are off by a half or more.

    Examples
    --------
    >>> error_rate(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[1, 0], [0, 1]]))
    0.5
    """
    if answers.shape[1] == 1:
        return float(np.mean(np.abs(answers - targets) >= 0.5))
    return float(np.mean(answers.argmax(axis=1) != targets.argmax(axis=1)))


def one_step(at: float, n_steps: int) -> NDArray[np.int64]:
    """The step at a fraction of training, but before the last."""
    return np.array([max(1, min(int(at * n_steps), n_steps - 1))])

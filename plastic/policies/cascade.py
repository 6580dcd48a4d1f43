"""Cascade-correlation: a newborn's incoming weights follow what the outputs still get wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.random import Generator

from plastic.activations import BY_CODE, Activation
from plastic.engine import Statistics
from plastic.errors import check_count, check_range
from plastic.policies.neurons import Array, Births, Newborn, Purse, Ways, ways_of
from plastic.policies.parts import NOTHING
from plastic.signals import NetworkView


@final
@dataclass(frozen=True)
class CascadeBirth:
    r"""The best of a pool of candidates, each trained to vary with the remaining error.

    A candidate with output `V` on a sample climbs

    .. math:: S = \sum_o \Big| \sum_p (V_p - \bar V)(E_{po} - \bar E_o) \Big|

    by gradient steps on its incoming weights and bias; the one of the largest `S` is born with
    weight zero out.  It comes last in the order of its group, so where hidden neurons may
    connect to each other it is fed by all before it: a cascade.

    Parameters
    ----------
    candidates : int
        In the pool.
    training_steps : int
        Gradient steps that each of them takes.
    rate : float
        Length of a step, relative to the length of the weights.

    Notes
    -----
    It differs from the paper where this library's networks do.  The samples are those of one
    mini-batch, so batches should be large; the error `E` is the delta of what the newborn may
    feed, which are the outputs in a cascade and the next layer where there are layers;
    candidates take normalized gradient steps instead of Quickprop's; neurons are born on a
    schedule, not when the error stalls; and incoming weights are not frozen afterwards, since
    all connections of a network learn.  What the candidates compute is on the bill: a
    candidate gradient for each incoming weight and step.

    References
    ----------
    Fahlman and Lebiere (1990), The Cascade-Correlation Learning Architecture, Advances in
    Neural Information Processing Systems 2, section 2.
    """

    candidates: int = 8
    training_steps: int = 30
    rate: float = 0.1
    name: ClassVar[str] = "cascade"
    statistics: ClassVar[Statistics] = NOTHING

    def __post_init__(self) -> None:
        check_count("candidates", self.candidates)
        check_count("training_steps", self.training_steps, low=0)
        check_range("rate", self.rate, 0, open_low=True)

    def __call__(
        self, view: NetworkView, group: int, count: int, purse: Purse, rng: Generator
    ) -> Births:
        """Neurons that vary with the error, one after the other from pools of their own."""
        births = Births()
        for _ in range(count):
            ways = purse.open(ways_of(view, group, rng, last=True))
            n_in, n_out = purse.afford(ways)
            if not n_in:
                break
            newborn = self._best(view, ways, n_in, n_out, rng)
            births.newborns.append(newborn)
            purse.pay(ways, newborn.sources, newborn.targets)
        return births

    def _best(
        self, view: NetworkView, ways: Ways, n_in: int, n_out: int, rng: Generator
    ) -> Newborn:
        """The candidate of the largest correlation, out of a new pool."""
        pool = range(self.candidates)
        chosen = np.array([rng.choice(ways.sources, n_in, replace=False) for _ in pool])
        weights = rng.standard_normal(chosen.shape) * np.sqrt(ways.gain / n_in)
        targets = np.sort(rng.choice(ways.targets, n_out, replace=False))
        errors = view.signals.deltas[targets].astype(float)
        errors -= errors.mean(axis=1, keepdims=True)
        inputs = view.signals.outputs[chosen].astype(float)
        scores, weights, biases = climb(
            inputs, errors, weights, BY_CODE[ways.activation], self.training_steps, self.rate
        )
        n_passes = self.training_steps + 1
        view.bill.candidate_gradients += weights.size * self.training_steps
        view.bill.flops += (
            n_passes * 2 * errors.shape[1] * (2 * weights.size + len(pool) * n_out)
        )
        best = int(scores.argmax())
        return Newborn(
            ways, chosen[best], targets, weights[best], np.zeros(n_out),
            float(biases[best]), float(scores[best]),
        )  # fmt: skip


def climb(
    inputs: Array,
    errors: Array,
    weights: Array,
    activation: Activation,
    n_steps: int,
    rate: float,
) -> tuple[Array, Array, Array]:
    """Train candidates to vary with errors.

    Parameters
    ----------
    inputs : float array, shape (n_candidates, n_in, n_samples)
    errors : float array, shape (n_errors, n_samples)
        With mean 0 each.
    weights : float array, shape (n_candidates, n_in)
        Where they begin; biases begin at 0.
    activation : Activation
    n_steps : int
    rate : float
        Length of a step, relative to that of the first weights.

    Returns
    -------
    scores : float array, shape (n_candidates,)
        Covariances with all errors together, averaged over samples.
    weights : float array, shape (n_candidates, n_in)
    biases : float array, shape (n_candidates,)
    """
    biases = np.zeros(len(weights))
    lengths = rate * np.linalg.norm(weights, axis=1)
    for step in range(n_steps + 1):
        values = activation.function(np.einsum("ci,cib->cb", weights, inputs) + biases[:, None])
        covariances = (
            values @ errors.T / errors.shape[1]
        )  # errors have mean 0, so means drop out
        if step == n_steps:
            break
        slopes = (np.sign(covariances) @ errors) * activation.derivative(values)
        uphill = np.einsum("cb,cib->ci", slopes, inputs)
        lean = slopes.sum(axis=1)
        size = np.sqrt((uphill**2).sum(axis=1) + lean**2) + 1e-12
        weights = weights + (lengths / size)[:, None] * uphill
        biases = biases + lengths / size * lean
    return np.abs(covariances).sum(axis=1), weights, biases

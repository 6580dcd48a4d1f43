"""A drift of inputs: in every task the features come in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from numpy.random import Generator

from plastic.datasets.base import Dataset
from plastic.datasets.drift import drifting, with_inputs


def permuted_inputs(
    rng: Generator, *, base: Callable[[Generator], Dataset], every: int = 500
) -> Dataset:
    """A dataset whose features change places every so many training steps.

    All samples of a task have the same new order; the first task is the base as it is.

    Parameters
    ----------
    rng : Generator
        Draws the splits of the base, and the seed of the tasks.
    base : callable
        A loader, as ``functools.partial(digits, scale="unit")``.
    every : int
        Training steps of each task.

    Raises
    ------
    InvalidParameter
        If `every` is below 1, or as the base raises.

    References
    ----------
    Goodfellow et al. (2013), An Empirical Investigation of Catastrophic Forgetting in
    Gradient-Based Neural Networks, arXiv:1312.6211; as a stream of hundreds of tasks in Dohare
    et al. (2024), Loss of plasticity in deep continual learning, Nature 632.

    Examples
    --------
    >>> import numpy as np
    >>> from plastic.datasets import digits
    >>> dataset = permuted_inputs(np.random.default_rng(0), base=digits, every=300)
    >>> first, second = (dataset.at(step).test.X for step in (0, 300))
    >>> bool((first == second).all()), bool((np.sort(first) == np.sort(second)).all())
    (False, True)
    """
    return drifting("permuted_inputs", base(rng), rng, every, permute_inputs)


def permute_inputs(dataset: Dataset, rng: Generator) -> Dataset:
    """The dataset with its features in another order."""
    order = rng.permutation(dataset.n_inputs)
    columns = tuple(dataset.columns[i] for i in order) if dataset.columns else ()
    return replace(with_inputs(dataset, lambda X: X[:, order]), columns=columns, image=None)

"""A drift of labels: in every task the classes have other names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from numpy.random import Generator

from plastic.datasets.base import Dataset, Split
from plastic.datasets.drift import drifting, with_splits
from plastic.errors import InvalidData


def permuted_labels(
    rng: Generator, *, base: Callable[[Generator], Dataset], every: int = 500
) -> Dataset:
    """A dataset whose classes swap their outputs every so many training steps.

    What there is to see stays the same, and so does which samples belong together; what they
    are called has to be learned anew.  The first task is the base as it is.

    Parameters
    ----------
    rng : Generator
        Draws the splits of the base, and the seed of the tasks.
    base : callable
        A loader of a classification, as ``functools.partial(digits, scale="unit")``.
    every : int
        Training steps of each task.

    Raises
    ------
    InvalidData
        If the base has no classes.
    InvalidParameter
        If `every` is below 1, or as the base raises.

    References
    ----------
    Lyle et al. (2023), Understanding plasticity in neural networks, arXiv:2303.01486; Kumar et
    al. (2023), Maintaining Plasticity in Continual Learning via Regenerative Regularization,
    arXiv:2308.11958, there "permuted labels" too.

    Examples
    --------
    >>> import numpy as np
    >>> from plastic.datasets import digits
    >>> dataset = permuted_labels(np.random.default_rng(0), base=digits, every=300)
    >>> first, second = dataset.at(299), dataset.at(300)
    >>> bool((first.train.X == second.train.X).all())
    True
    >>> names = [np.unique(task.train.y.argmax(axis=1)[:20]).size for task in (first, second)]
    >>> names[0] == names[1], bool((first.train.y == second.train.y).all())
    (True, False)
    """
    first = base(rng)
    if first.task != "classification":
        raise InvalidData(f"permuted_labels needs classes, but {first.name} is a regression")
    return drifting("permuted_labels", first, rng, every, permute_labels)


def permute_labels(dataset: Dataset, rng: Generator) -> Dataset:
    """The dataset with its classes at other outputs; ``classes`` tells which went where."""
    order = rng.permutation(dataset.n_outputs)
    changed = with_splits(dataset, lambda split: Split(split.X, split.y[:, order]))
    return replace(changed, classes=tuple(dataset.classes[i] for i in order))

"""Exclusive or."""

from __future__ import annotations

import numpy as np

from plastic.datasets.base import Dataset, Split
from plastic.datasets.preparing import SCALES, scaling
from plastic.errors import check_in, check_rng


def xor(rng: np.random.Generator, *, scale: str = "none") -> Dataset:
    """Exclusive or: four points that no network without a hidden neuron tells apart.

    The one dataset whose three splits are the same: all four points are needed to learn
    the task, and none is left to be held out.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the order of the points.
    scale : {'none', 'standardize', 'unit'}
        As in `from_arrays`.

    Raises
    ------
    InvalidParameter
        If there is no such scale.

    Examples
    --------
    >>> dataset = xor(np.random.default_rng(0))
    >>> dataset.test is dataset.train, dataset.classes
    (True, ('same', 'different'))
    """
    check_rng(rng)
    check_in("scale", scale, SCALES)
    points = rng.permutation(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    different = points[:, 0] != points[:, 1]
    shift, divisor = scaling(points, scale)
    one_hot = np.column_stack([~different, different])
    split = Split((points - shift) / divisor, one_hot)
    return Dataset("xor", "classification", split, split, split, classes=("same", "different"))

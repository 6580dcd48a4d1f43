"""Progression of diabetes: a small regression."""

from __future__ import annotations

import numpy as np

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_arrays


def diabetes(
    rng: np.random.Generator,
    *,
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
) -> Dataset:
    """Progression of diabetes after one year in 442 patients, from 10 baseline measures.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the splits.
    reward_size, test_size, scale
        As in `from_arrays`.

    Raises
    ------
    InvalidParameter, InvalidData
        As in `from_arrays`.

    References
    ----------
    Efron, Hastie, Johnstone & Tibshirani (2004), Least Angle Regression, Annals of
    Statistics 32(2), 407-499; as distributed with scikit-learn.

    Examples
    --------
    >>> diabetes(np.random.default_rng(0)).train
    Split(264 samples, 10 inputs, 1 output)
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    return from_arrays(
        "diabetes",
        bunch.data,
        bunch.target,
        rng,
        task="regression",
        reward_size=reward_size,
        test_size=test_size,
        scale=scale,
        columns=bunch.feature_names,
    )

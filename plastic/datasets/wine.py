"""Wines of three growers."""

from __future__ import annotations

import numpy as np

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_arrays


def wine(
    rng: np.random.Generator,
    *,
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
) -> Dataset:
    """178 wines of three growers, described by 13 chemical measures.

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
    Aeberhard & Forina (1992), Wine, UCI Machine Learning Repository, doi:10.24432/C5PC7J;
    as distributed with scikit-learn.

    Examples
    --------
    >>> wine(np.random.default_rng(0)).train
    Split(106 samples, 13 inputs, 3 outputs)
    """
    from sklearn.datasets import load_wine

    bunch = load_wine()
    return from_arrays(
        "wine",
        bunch.data,
        bunch.target,
        rng,
        task="classification",
        reward_size=reward_size,
        test_size=test_size,
        scale=scale,
        classes=[str(name) for name in bunch.target_names],
        columns=[str(name) for name in bunch.feature_names],
    )

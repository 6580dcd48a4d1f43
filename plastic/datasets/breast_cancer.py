"""Breast cancer diagnosis from cell nuclei."""

from __future__ import annotations

import numpy as np

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_arrays


def breast_cancer(
    rng: np.random.Generator,
    *,
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
) -> Dataset:
    """569 tumours, malignant or benign, described by 30 measures of their cell nuclei.

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
    Wolberg, Mangasarian, Street & Street (1995), Breast Cancer Wisconsin (Diagnostic), UCI
    Machine Learning Repository, doi:10.24432/C5DW2B; as distributed with scikit-learn.

    Examples
    --------
    >>> breast_cancer(np.random.default_rng(0)).train
    Split(341 samples, 30 inputs, 2 outputs)
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    return from_arrays(
        "breast_cancer",
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

"""Handwritten digits of 8 by 8 pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_arrays


def digits(
    rng: np.random.Generator,
    *,
    reward_size: int | float = 250,
    test_size: int | float = 547,
    scale: str = "unit",
) -> Dataset:
    """1797 handwritten digits of 8 by 8 pixels with 17 grey levels.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the splits.
    reward_size, test_size, scale
        As in `from_arrays`.  The largest grey level is 16, so ``unit`` divides by 16.

    Raises
    ------
    InvalidParameter, InvalidData
        As in `from_arrays`.

    References
    ----------
    Alpaydin & Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, doi:10.24432/C50P49; as distributed with scikit-learn.

    Examples
    --------
    >>> digits(np.random.default_rng(0)).train
    Split(1000 samples, 64 inputs, 10 outputs)
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    dataset = from_arrays(
        "digits",
        bunch.data,
        bunch.target,
        rng,
        task="classification",
        reward_size=reward_size,
        test_size=test_size,
        scale=scale,
        classes=[str(digit) for digit in bunch.target_names],
    )
    return replace(dataset, image=(8, 8))

"""Two interleaved half circles."""

from __future__ import annotations

import numpy as np

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_arrays
from plastic.errors import check_count, check_range, check_rng


def two_moons(
    rng: np.random.Generator,
    *,
    n_samples: int = 1000,
    noise: float = 0.2,
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
) -> Dataset:
    """Two interleaved half circles in the plane, one a class.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the noise and the splits.
    n_samples : int
        Of both classes together.
    noise : float
        Standard deviation of what is added to each coordinate; the radius is 1.
    reward_size, test_size, scale
        As in `from_arrays`.

    Raises
    ------
    InvalidParameter, InvalidData
        As in `from_arrays`, and if `n_samples` or `noise` is out of range.

    Examples
    --------
    >>> two_moons(np.random.default_rng(0), n_samples=200).test
    Split(40 samples, 2 inputs, 2 outputs)
    """
    from sklearn.datasets import make_moons

    check_rng(rng)
    check_count("n_samples", n_samples, low=6)
    check_range("noise", noise, 0, open_high=True)
    points, labels = make_moons(n_samples, shuffle=False)
    return from_arrays(
        "two_moons",
        points + noise * rng.standard_normal(points.shape),
        labels,
        rng,
        reward_size=reward_size,
        test_size=test_size,
        scale=scale,
        classes=["upper", "lower"],
    )

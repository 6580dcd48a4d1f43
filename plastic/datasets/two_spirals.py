"""Two intertwined spirals."""

from __future__ import annotations

import numpy as np

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_arrays
from plastic.errors import check_count, check_range, check_rng


def two_spirals(
    rng: np.random.Generator,
    *,
    n_samples: int = 1000,
    turns: float = 1.5,
    noise: float = 0.02,
    reward_size: int | float = 0.2,
    test_size: int | float = 0.2,
    scale: str = "standardize",
) -> Dataset:
    r"""Two spirals in the plane, each a class, the one half a turn ahead of the other.

    .. math:: x = r \cos(2 \pi n r + \varphi), \quad y = r \sin(2 \pi n r + \varphi)

    with radius :math:`r \in [0, 1]`, :math:`n` turns, and :math:`\varphi` 0 or :math:`\pi`.
    Radii are drawn so that the points lie evenly in the plane, and not crowded at the centre.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the points, the noise and the splits.
    n_samples : int
        Of both classes together.
    turns : float
        How often each spiral winds around the centre.
    noise : float
        Standard deviation of what is added to each coordinate.
    reward_size, test_size, scale
        As in `from_arrays`.

    Raises
    ------
    InvalidParameter, InvalidData
        As in `from_arrays`, and if `n_samples`, `turns` or `noise` is out of range.

    References
    ----------
    Lang & Witbrock (1988), Learning to Tell Two Spirals Apart, Proceedings of the 1988
    Connectionist Models Summer School; its 194 points wind three times.

    Examples
    --------
    >>> two_spirals(np.random.default_rng(0), n_samples=200).test
    Split(40 samples, 2 inputs, 2 outputs)
    """
    check_rng(rng)
    check_count("n_samples", n_samples, low=6)
    check_range("turns", turns, 0, open_low=True, open_high=True)
    check_range("noise", noise, 0, open_high=True)
    labels = np.arange(n_samples) % 2
    radius = np.sqrt(rng.random(n_samples))
    angle = 2 * np.pi * turns * radius + np.pi * labels
    points = radius[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return from_arrays(
        "two_spirals",
        points + noise * rng.standard_normal(points.shape),
        labels,
        rng,
        reward_size=reward_size,
        test_size=test_size,
        scale=scale,
        classes=["first", "second"],
    )

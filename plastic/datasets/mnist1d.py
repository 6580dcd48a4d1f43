"""MNIST-1D: signals of 40 values that look a little like the ten digits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_parts

Array = NDArray[np.float64]

PUBLISHED_SEED = 42
N_A_CLASS = 500
N_PUBLISHED_TRAIN = 4000
N_POINTS = 40  # of a finished signal
N_DILATED = 72  # of a signal while noise is added: 12 of the stroke and up to 60 of padding
PADDINGS = range(36, 61)
N_SHIFTS = 48
SCALE_RANGE, SHEAR_RANGE = 0.4, 0.75
SMOOTH_NOISE, WHITE_NOISE = 0.25, 0.02

# how far right the pen is, at 12 heights, as it draws each digit in one stroke
STROKES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)


def mnist1d(
    rng: np.random.Generator,
    *,
    reward_size: int | float = 500,
    scale: str = "none",
) -> Dataset:
    """The published 5000 signals of MNIST-1D, 40 values each, in ten classes.

    The signals are made, not loaded, and equal to the published ones up to rounding.  The
    published 1000 test samples are the test split; reward samples are cut from the other 4000.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the reward samples; the signals themselves are always the same.
    reward_size : int or float
        How many of the 4000 samples, or which fraction of them.
    scale : {'none', 'standardize', 'unit'}
        As in `from_arrays`; altogether the signals already have mean 0 and
        standard deviation 1.

    Raises
    ------
    InvalidParameter, InvalidData
        As in `from_arrays`.

    References
    ----------
    Greydanus (2020), Scaling down Deep Learning with MNIST-1D, arXiv:2011.14439.

    Examples
    --------
    >>> mnist1d(np.random.default_rng(0)).splits  # doctest: +ELLIPSIS
    {'train': Split(3500 samples, 40 inputs, 10 outputs), 'reward': Split(500 samples, ...
    """
    X, y = published_signals()
    cut = N_PUBLISHED_TRAIN
    return from_parts(
        "mnist1d",
        (X[:cut], y[:cut]),
        (X[cut:], y[cut:]),
        rng,
        reward_size=reward_size,
        scale=scale,
        classes=[str(digit) for digit in range(10)],
    )


def published_signals() -> tuple[Array, NDArray[np.int64]]:
    """All 5000 signals, shape (5000, 40), and their digits, in the published order.

    Each stroke is padded, dilated, scaled and shifted; smooth noise fills where there is no
    stroke, white noise goes everywhere; a shear and a coarser grid finish the signal.

    Examples
    --------
    >>> X, y = published_signals()
    >>> y[:4], X[0, :3].round(4)
    (array([2, 6, 4, 5]), array([-0.332 , -0.4719, -0.7787]))
    """
    from scipy.ndimage import gaussian_filter1d  # a seventh of a second for who needs it

    # the published data were drawn from numpy's legacy generator; this is one of our own
    random = np.random.RandomState(PUBLISHED_SEED)
    digits = np.repeat(np.arange(10), N_A_CLASS)
    drawn = _draw(random, len(digits))
    order = random.permutation(len(digits))

    signals = _dilated_strokes()[digits, drawn.padding]
    signals = signals * (1 + SCALE_RANGE * (drawn.scale - 0.5))[:, np.newaxis]
    places = (np.arange(N_DILATED) - drawn.shift[:, np.newaxis]) % N_DILATED
    signals = np.take_along_axis(signals, places, axis=1)
    smooth = gaussian_filter1d(SMOOTH_NOISE * drawn.smooth, sigma=2, axis=1)
    signals = np.where(signals != 0, signals, smooth) + WHITE_NOISE * drawn.white
    slope = SHEAR_RANGE * (drawn.shear - 0.5)
    signals = signals - slope[:, np.newaxis] * np.linspace(-0.5, 0.5, N_DILATED)
    signals = np.stack([_resampled(signal, N_POINTS) for signal in signals])[order]
    return (signals - signals.mean()) / signals.std(), digits[order]


class _Drawn(NamedTuple):
    """What chance decides about each signal."""

    padding: NDArray[np.int64]  # (n_signals,), position in PADDINGS
    scale: Array  # (n_signals,), in [0, 1)
    shift: NDArray[np.int64]  # (n_signals,), in points
    smooth: Array  # (n_signals, N_DILATED), standard normal
    white: Array  # (n_signals, N_DILATED), standard normal
    shear: Array  # (n_signals,), in [0, 1)


def _draw(random: np.random.RandomState, n_signals: int) -> _Drawn:
    """Draw signal after signal: the order of the draws is what makes the data the published."""
    rows = [
        (
            int(random.rand() * len(PADDINGS)),
            random.rand(),
            random.choice(N_SHIFTS),
            random.randn(N_DILATED),
            random.randn(N_DILATED),
            random.rand(),
        )
        for _ in range(n_signals)
    ]
    return _Drawn(*(np.array(column) for column in zip(*rows, strict=True)))


def _dilated_strokes() -> Array:
    """Each stroke under each padding, shape (10, len(PADDINGS), N_DILATED); 0 is padding."""
    strokes = STROKES - STROKES.mean(axis=1, keepdims=True)
    strokes = strokes / strokes.std(axis=1, keepdims=True)
    strokes = (strokes - strokes[:, :1]) / 6 + 1e-8  # a stroke's own zeros are no padding
    return np.array(
        [
            [_resampled(np.pad(stroke, (0, padding)), N_DILATED) for padding in PADDINGS]
            for stroke in strokes
        ]
    )


def _resampled(signal: Array, n_points: int) -> Array:
    """Linear interpolation at `n_points` evenly spaced points, both ends kept."""
    return np.interp(np.linspace(0, 1, n_points), np.linspace(0, 1, len(signal)), signal)

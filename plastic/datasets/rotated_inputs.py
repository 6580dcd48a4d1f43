"""A drift of inputs: in every task they are rotated by another angle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from plastic.datasets.base import Dataset
from plastic.datasets.drift import drifting, with_inputs
from plastic.errors import check_range

Array = NDArray[np.float64]


def rotated_inputs(
    rng: Generator,
    *,
    base: Callable[[Generator], Dataset],
    every: int = 500,
    most_degrees: float = 180.0,
) -> Dataset:
    """A dataset whose inputs turn every so many training steps.

    Images (`digits`, `fashion_mnist`) turn about their middle, each pixel taken from the four
    nearest ones, 0 beyond the edge.  Any other inputs turn in the space that they span, by an
    orthogonal matrix drawn evenly from all rotations.  The first task is the base as it is.

    Parameters
    ----------
    rng : Generator
        Draws the splits of the base, and the seed of the tasks.
    base : callable
        A loader, as ``functools.partial(digits, scale="unit")``.
    every : int
        Training steps of each task.
    most_degrees : float
        Angles of images are drawn evenly from minus to plus this, in (0, 180].

    Raises
    ------
    InvalidParameter
        If a number is outside its range, or as the base raises.

    Examples
    --------
    >>> from plastic.datasets import two_moons
    >>> dataset = rotated_inputs(np.random.default_rng(0), base=two_moons, every=300)
    >>> first, second = (dataset.at(step).test.X for step in (0, 300))
    >>> np.allclose(first, second), np.allclose(np.hypot(*first.T), np.hypot(*second.T))
    (False, True)
    """
    check_range("most_degrees", most_degrees, 0, 180, open_low=True)
    change = partial(rotate_inputs, most_degrees=most_degrees)
    return drifting("rotated_inputs", base(rng), rng, every, change)


def rotate_inputs(dataset: Dataset, rng: Generator, *, most_degrees: float) -> Dataset:
    """The dataset with its images, or its space of inputs, rotated by chance."""
    if dataset.image is not None:
        turn = image_rotation(*dataset.image, rng.uniform(-most_degrees, most_degrees))
        return with_inputs(dataset, partial(_times, turn=turn))
    turned = with_inputs(dataset, partial(_times, turn=rotation(dataset.n_inputs, rng)))
    return replace(turned, columns=())  # each is a mixture of all


def rotation(n: int, rng: Generator) -> Array:
    """A rotation of a space of `n` dimensions, drawn evenly: an orthogonal matrix (n, n).

    The columns of a Gaussian matrix, made orthogonal one after the other, with determinant 1.
    Nothing here is left to BLAS, whose last bits depend on its number of threads.

    References
    ----------
    Stewart (1980), The efficient generation of random orthogonal matrices, SIAM Journal on
    Numerical Analysis 17(3).

    Examples
    --------
    >>> turn = rotation(3, np.random.default_rng(0))
    >>> np.allclose(turn.T @ turn, np.eye(3)), round(float(np.linalg.det(turn)), 6)
    (True, 1.0)
    """
    turn = rng.standard_normal((n, n))
    for column in range(n):
        axis = turn[column] / np.sqrt(np.sum(turn[column] ** 2))
        turn[column] = axis
        shares = np.sum(turn[column + 1 :] * axis, axis=1)
        turn[column + 1 :] -= shares[:, np.newaxis] * axis
    turn[0] *= np.sign(np.linalg.det(turn))
    return turn


def image_rotation(height: int, width: int, degrees: float) -> Array:
    """What turns a flat image counter-clockwise, as a matrix (n_pixels, n_pixels).

    An image times the matrix is the image turned, by bilinear interpolation.

    Examples
    --------
    >>> image = np.array([[0, 1, 0], [0, 1, 0], [0, 0, 0]])
    >>> (image.reshape(1, 9) @ image_rotation(3, 3, 90)).reshape(3, 3).round(6)
    array([[0., 0., 0.],
           [1., 1., 0.],
           [0., 0., 0.]])
    """
    from scipy.ndimage import rotate

    pixels = np.eye(height * width).reshape(-1, height, width)
    turned = rotate(pixels, degrees, axes=(2, 1), reshape=False, order=1)
    return np.asarray(turned.reshape(height * width, -1))


def _times(X: NDArray[Any], turn: Array) -> NDArray[np.float32]:
    """``X @ turn``, by sums in one fixed order."""
    from scipy.sparse import csr_array

    return np.asarray((csr_array(turn.T.astype(np.float32)) @ X.T).T)

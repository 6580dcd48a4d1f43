"""A sparse teacher: targets that depend on few inputs, through few known connections."""

from __future__ import annotations

import numpy as np

from plastic.datasets.base import Dataset, Truth
from plastic.datasets.preparing import from_arrays
from plastic.errors import check_count, check_in, check_range, check_rng


def sparse_teacher(
    rng: np.random.Generator,
    *,
    task: str = "classification",
    n_samples: int = 5500,
    n_inputs: int = 100,
    n_relevant: int = 10,
    n_hidden: int = 12,
    fan_in: int = 4,
    n_outputs: int = 4,
    output_density: float = 0.6,
    noise: float = 0.0,
    reward_size: int | float = 500,
    test_size: int | float = 2000,
    scale: str = "none",
) -> Dataset:
    r"""Normal inputs, most of which do not matter, seen through a sparse network.

    .. math:: h = \max(0, x W_1), \quad z = \frac{(h - \bar h) W_2}{\sigma}

    Each hidden unit of the teacher is fed by `fan_in` of the relevant inputs, with weights of
    magnitude 0.7 to 1.3 and either sign; each entry of :math:`W_2` is standard normal with a
    given probability and zero otherwise; :math:`\sigma` gives each output standard deviation 1.
    The class is the largest of the outputs; a regression is to meet them all.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the teacher, the samples and the splits.
    task : {'classification', 'regression'}
    n_samples, n_inputs : int
    n_relevant : int
        How many inputs the teacher may look at.
    n_hidden : int
        Hidden units of the teacher.
    fan_in : int
        Connections into each of them.
    n_outputs : int
        Classes, or targets of a regression.
    output_density : float
        Probability that a hidden unit feeds an output, in (0, 1].
    noise : float
        Standard deviation of normal noise on the outputs, which have 1 without it.  No
        network reaches an R2 above ``1 / (1 + noise**2)``.
    reward_size, test_size, scale
        As in `from_arrays`.

    Returns
    -------
    Dataset
        Its `truth` counts only hidden units that feed an output, and only inputs that feed
        such a unit: no network could tell the others.  The columns of the others in
        ``truth.connections`` are False.

    Raises
    ------
    InvalidParameter, InvalidData
        As in `from_arrays`, and unless ``fan_in <= n_relevant <= n_inputs``.

    Examples
    --------
    >>> dataset = sparse_teacher(np.random.default_rng(0))
    >>> dataset.train, len(dataset.truth.relevant_inputs)
    (Split(3000 samples, 100 inputs, 4 outputs), 10)
    """
    check_rng(rng)
    check_in("task", task, ("classification", "regression"))
    check_count("n_samples", n_samples)
    check_count("n_hidden", n_hidden)
    check_count("n_outputs", n_outputs, low=2 if task == "classification" else 1)
    check_count("fan_in", fan_in)
    check_count("n_relevant", n_relevant, low=fan_in)
    check_count("n_inputs", n_inputs, low=n_relevant)
    check_range("output_density", output_density, 0, 1, open_low=True)
    check_range("noise", noise, 0)
    inner = _inner_weights(rng, n_inputs, n_relevant, n_hidden, fan_in)
    outer = rng.standard_normal((n_hidden, n_outputs)) * (
        rng.random((n_hidden, n_outputs)) < output_density
    )
    X = rng.standard_normal((n_samples, n_inputs))
    hidden = np.maximum(X @ inner, 0)
    z = (hidden - hidden.mean(axis=0)) @ outer
    z /= z.std(axis=0) + 1e-9  # an output that nothing feeds stays 0
    if noise:
        z += noise * rng.standard_normal(z.shape)

    connections = (inner != 0) & (outer != 0).any(axis=1)
    return from_arrays(
        "sparse_teacher",
        X,
        z.argmax(axis=1) if task == "classification" else z,
        rng,
        task=task,
        reward_size=reward_size,
        test_size=test_size,
        scale=scale,
        classes=[str(k) for k in range(n_outputs)] if task == "classification" else None,
        truth=Truth(np.flatnonzero(connections.any(axis=1)), connections),
    )


def _inner_weights(
    rng: np.random.Generator, n_inputs: int, n_relevant: int, n_hidden: int, fan_in: int
) -> np.ndarray:
    """Weights of the teacher's first layer, shape (n_inputs, n_hidden), most of them 0."""
    relevant = rng.choice(n_inputs, n_relevant, replace=False)
    weights = np.zeros((n_inputs, n_hidden))
    for unit in range(n_hidden):
        sources = rng.choice(relevant, fan_in, replace=False)
        sign = rng.choice([-1, 1], fan_in)
        weights[sources, unit] = sign * rng.uniform(0.7, 1.3, fan_in)
    return weights

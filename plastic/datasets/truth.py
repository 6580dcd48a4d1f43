"""How much of a known truth a network's wiring has found."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plastic.datasets.base import Truth
from plastic.errors import InvalidData


def recovered(truth: Truth, inputs: ArrayLike, neurons: ArrayLike) -> dict[str, float]:
    """Both measures by name, as columns for a table.

    Parameters
    ----------
    truth : Truth
    inputs, neurons : int array, shape (n_connections,)
        Index of the input that each connection leaves, and id of the neuron that it enters.

    Examples
    --------
    >>> truth = Truth(np.array([0, 1]), np.array([[1, 0], [1, 1], [0, 0]], bool))
    >>> recovered(truth, [0, 1, 1, 2], [7, 7, 8, 8])
    {'truth_precision': 0.75, 'truth_recall': 1.0}
    """
    return {
        "truth_precision": truth_precision(truth, inputs, neurons),
        "truth_recall": truth_recall(truth, inputs, neurons),
    }


def truth_precision(truth: Truth, inputs: ArrayLike, neurons: ArrayLike) -> float:
    """Share of the connections leaving inputs that leave a relevant input.

    Random wiring has ``n_relevant / n_inputs``.

    Parameters
    ----------
    truth, inputs, neurons
        As in `recovered`.

    Returns
    -------
    float
        In [0, 1]; NaN if the network has no connection that leaves an input.

    Raises
    ------
    InvalidData
        If the arrays differ in length, or if there is no such input.

    Examples
    --------
    >>> truth = Truth(np.array([2]), np.array([[0], [0], [1]], bool))
    >>> truth_precision(truth, [2, 2, 0, 1], [5, 6, 5, 5])
    0.5
    """
    pairs = _pairs(truth, inputs, neurons)
    if len(pairs) == 0:
        return float("nan")
    return float(np.isin(pairs[:, 0], truth.relevant_inputs).mean())


def truth_recall(truth: Truth, inputs: ArrayLike, neurons: ArrayLike) -> float:
    """Share of the teacher's connections that the network has, neurons matched to units.

    Each hidden unit of the teacher is matched to at most one neuron and the other way
    round, so that as many connections as possible agree.  A network that connects all
    inputs to at least as many neurons as there are units has all of them: read it beside
    `truth_precision`.

    Parameters
    ----------
    truth, inputs, neurons
        As in `recovered`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InvalidData
        If the arrays differ in length, if there is no such input, or if the teacher has no
        connections.

    Examples
    --------
    >>> truth = Truth(np.array([0, 1]), np.array([[1, 0], [1, 1], [0, 0]], bool))
    >>> round(truth_recall(truth, [0, 2], [5, 5]), 3)
    0.333
    """
    from scipy.optimize import linear_sum_assignment  # an eighth of a second for who needs it

    pairs = _pairs(truth, inputs, neurons)
    n_true = int(truth.connections.sum())
    if n_true == 0:
        raise InvalidData("the truth has no connections, so there is nothing to recover")
    ids, positions = np.unique(pairs[:, 1], return_inverse=True)
    agreeing = np.zeros((len(ids), truth.connections.shape[1]), np.int64)
    np.add.at(agreeing, positions, truth.connections[pairs[:, 0]])
    matched = linear_sum_assignment(agreeing, maximize=True)
    return float(agreeing[matched].sum() / n_true)


def _pairs(truth: Truth, inputs: ArrayLike, neurons: ArrayLike) -> NDArray[np.int64]:
    """The different connections, shape (n_connections, 2)."""
    sources, targets = np.asarray(inputs, np.int64), np.asarray(neurons, np.int64)
    if sources.shape != targets.shape or sources.ndim != 1:
        raise InvalidData(
            "inputs and neurons must be flat arrays of the same length, "
            f"got shapes {sources.shape} and {targets.shape}"
        )
    n_inputs = len(truth.connections)
    wrong = sources[(sources < 0) | (sources >= n_inputs)]
    if len(wrong):
        raise InvalidData(f"input {wrong[0]} does not exist: there are {n_inputs} inputs")
    return np.unique(np.column_stack([sources, targets]), axis=0)

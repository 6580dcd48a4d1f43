r"""Loss functions: the mean over samples of a sum over output neurons.

Both engines need two things of a loss: its value, and the *output delta*
:math:`\partial L_b / \partial x_o` of each sample `b` with respect to `x_o`, what
enters the activation of output neuron `o`.  Everything else is backpropagation.

==============  ========================  =======================================
loss            activation of outputs     value for one sample
==============  ========================  =======================================
mse             any                       ``0.5 * sum((y - target)**2)``, as the post
cross_entropy   softmax                   ``-sum(target * log(y))``
cross_entropy   sigmoid                   ``-sum(target*log(y) + (1-target)*log(1-y))``
==============  ========================  =======================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plastic.activations import Activation, sigmoid, softmax
from plastic.errors import InvalidNetwork, check_in

Array = Any  # a number, or a float array of shape (n_outputs, n_samples)

LOSSES: dict[str, int] = {"mse": 0, "cross_entropy": 1}
"""Each loss by name, with the number that the compiled kernels switch on."""


def check_pair(loss: str, activation: Activation) -> None:
    """Raise unless this loss is defined on outputs of this activation.

    Raises
    ------
    InvalidParameter
        If there is no such loss.
    InvalidNetwork
        If the two do not go together.

    Examples
    --------
    >>> from plastic.activations import relu
    >>> check_pair("cross_entropy", relu)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidNetwork: cross_entropy needs softmax or sigmoid outputs, got relu
    """
    check_in("loss", loss, LOSSES)
    if loss == "cross_entropy" and activation not in (softmax, sigmoid):
        raise InvalidNetwork(
            f"cross_entropy needs softmax or sigmoid outputs, got {activation.name}"
        )


def loss_value(loss: str, activation: Activation, outputs: Array, targets: Array) -> float:
    """Loss, averaged over the samples.

    Parameters
    ----------
    loss : str
        One of `LOSSES`.
    activation : Activation
        Of the output neurons.
    outputs, targets : float array, shape (n_outputs, n_samples)
        What the network said, and what it should have said.

    Examples
    --------
    >>> loss_value("mse", sigmoid, np.array([[0.5]]), np.array([[1.0]]))
    0.125
    """
    outputs, targets = np.atleast_2d(outputs), np.atleast_2d(targets)
    n_samples = outputs.shape[1]
    if loss == "mse":
        return float(0.5 * np.sum((outputs - targets) ** 2) / n_samples)
    # a probability that underflowed to 0 must cost much, but not infinitely much
    limits = np.finfo(outputs.dtype)
    cost = targets * np.log(np.maximum(outputs, limits.tiny))
    if activation is sigmoid:
        cost = cost + (1.0 - targets) * np.log(np.maximum(1.0 - outputs, limits.eps))
    return float(-np.sum(cost) / n_samples)


def output_delta(loss: str, activation: Activation, outputs: Array, targets: Array) -> Array:
    r"""Derivative of each sample's loss with respect to what enters the output neurons.

    With cross-entropy it is ``outputs - targets`` for softmax and sigmoid alike; with MSE the
    same difference goes through the activation's derivative, which for softmax is the whole
    Jacobian: :math:`y_o (e_o - \sum_k e_k y_k)` with :math:`e = y - t`.

    Parameters
    ----------
    loss, activation, outputs, targets
        As in `loss_value`.

    Returns
    -------
    float array, shape (n_outputs, n_samples)
        Not divided by the number of samples.
    """
    error = outputs - targets
    if loss == "cross_entropy":
        return error
    if activation is softmax:
        return outputs * (error - np.sum(error * outputs, axis=0))
    return error * activation.derivative(outputs)

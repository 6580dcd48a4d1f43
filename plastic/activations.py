"""Activation functions and their derivatives, one table for both engines.

A derivative is written in the *output* ``y = f(x)``, so that the backward pass
needs nothing but what the forward pass left behind.  The compiled kernels
switch on `Activation.code`; `plastic.nodes` calls the functions below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from plastic.errors import InvalidNetwork, check_in

Values = Any  # a number or an array of one number a sample


@dataclass(frozen=True)
class Activation:
    """An activation function with its derivative.

    Parameters
    ----------
    name : str
        The name used in configurations and tables.
    code : int
        The number that the compiled kernels switch on.
    function : callable
        ``x -> y``, elementwise (softmax: over the first axis).
    derivative : callable
        ``y -> f'(x)``, elementwise, written in the output.
    differentiable : bool
        Whether there is a derivative; without one, a network predicts but does not learn.

    Examples
    --------
    >>> y = float(sigmoid(0.0))
    >>> y, sigmoid.derivative(y)
    (0.5, 0.25)
    """

    name: str
    code: int
    function: Callable[[Values], Values]
    derivative: Callable[[Values], Values]
    differentiable: bool = True

    def __call__(self, x: Values) -> Values:
        """Apply the function."""
        return self.function(x)

    def __repr__(self) -> str:
        return self.name


def _sigmoid(x: Values) -> Values:
    # exp of a non-positive number only, so that no input overflows
    tail = np.exp(-np.abs(x))
    return np.where(np.asarray(x) >= 0, 1.0, tail)[()] / (1.0 + tail)


def _softmax(x: Values) -> Values:
    shifted = np.exp(x - np.max(x, axis=0))
    return shifted / np.sum(shifted, axis=0)


def _threshold(x: Values) -> Values:
    return np.where(np.isnan(x), x, np.asarray(x) > 0)[()]


def _no_derivative(_: Values) -> Values:
    raise InvalidNetwork("a hard threshold has no derivative, so nothing can be learned")


sigmoid = Activation("sigmoid", 0, _sigmoid, lambda y: y * (1.0 - y))
tanh = Activation("tanh", 1, np.tanh, lambda y: 1.0 - y * y)
relu = Activation("relu", 2, lambda x: np.maximum(x, 0.0), lambda y: (np.asarray(y) > 0) * 1.0)
identity = Activation("identity", 3, lambda x: x, lambda y: np.ones_like(y))
softmax = Activation("softmax", 4, _softmax, lambda y: y * (1.0 - y))
"""Softmax couples the output neurons, so its derivative here is only the diagonal of the
Jacobian; the full one is applied in `plastic.losses`."""
threshold = Activation("threshold", 5, _threshold, _no_derivative, differentiable=False)
"""1 where the sum is above 0, else 0: units that can be computed but not differentiated."""
straight_through = Activation("straight_through", 6, _threshold, lambda y: np.ones_like(y))
"""The same units with the identity's derivative in place of their own (Bengio et al., 2013,
arXiv:1308.3432, section 4): what is computed of them is an estimate and no gradient."""

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (sigmoid, tanh, relu, identity, softmax, threshold, straight_through)
}
BY_CODE: dict[int, Activation] = {
    activation.code: activation for activation in ACTIVATIONS.values()
}


def get_activation(name: str | Activation) -> Activation:
    """The activation of this name.

    Raises
    ------
    InvalidParameter
        If there is none of this name.

    Examples
    --------
    >>> get_activation("relu")(-1.0)
    np.float64(0.0)
    """
    if isinstance(name, Activation):
        return name
    check_in("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]

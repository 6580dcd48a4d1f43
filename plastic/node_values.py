"""What the nodes of `plastic.nodes` hold: a number, or an array with one entry a sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidEdit, InvalidNetwork

Values = Any  # a number, or a float array of shape (n_samples,)


def floats(value: Values) -> NDArray[np.float64]:
    """The value as an array; NaN, which is refused everywhere, if it cannot be one."""
    try:
        return np.array(value, dtype=float)
    except (TypeError, ValueError):
        return np.array(np.nan)


def finite(name: str, value: float) -> float:
    """The value as a number; raises InvalidEdit if it is no finite one.

    Examples
    --------
    >>> finite("bias", "one")
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidEdit: bias must be a finite number, got 'one'
    """
    if isinstance(value, float) and math.isfinite(value):
        return float(value)  # at once: a training step writes every weight
    number = floats(value)
    if number.ndim or not np.isfinite(number):
        raise InvalidEdit(f"{name} must be a finite number, got {value!r}")
    return float(number)


def held(node: object, name: str) -> Values:
    """What a pass left on the node under this name; raises InvalidNetwork if none did."""
    value = getattr(node, name, None)
    if value is None:
        raise InvalidNetwork(f"{node!r} holds no {name} yet: run a pass first")
    return value


def common_shape(values: Iterable[Values]) -> tuple[int, ...]:
    """The shape of all that one pass left; raises InvalidNetwork if there were several.

    Examples
    --------
    >>> common_shape([np.zeros(3), np.ones(3)])
    (3,)
    """
    shapes = set(map(np.shape, values))
    if len(shapes) > 1:
        raise InvalidNetwork(f"outputs or deltas of different passes, of shapes {shapes}")
    return next(iter(shapes), ())


def summary(value: Values) -> str:
    """A number as it is, an array by its length.

    Examples
    --------
    >>> summary(0.5), summary([0.5, 1.0])
    ('0.5', '(2 samples)')
    """
    return f"{value:g}" if np.ndim(value) == 0 else f"({len(value)} samples)"

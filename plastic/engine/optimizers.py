"""Optimizers: how a gradient becomes a step.

An optimizer is a frozen description.  Its state lies in columns of the topology, aligned
with the connections (and with the neurons, for biases), so survivors of an edit keep theirs
bit for bit and newborns start fresh.  `step` is the readable rule, in NumPy; the compiled
kernel `plastic.engine.updates.update` is checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_range

Array = NDArray[np.floating]
State = Mapping[str, NDArray[Any]]

MOST_AGES = 2**20
"""Where tables of Adam's corrections end; by then a correction is 1 for any usual beta."""


class Optimizer(Protocol):
    """What an optimizer must offer.

    Attributes
    ----------
    learning_rate : float
        Before the schedule.
    code : int
        The rule that the compiled kernel switches on.
    slots : tuple of three str
        Columns that hold its first moment, second moment and age; "" for none.
    """

    code: ClassVar[int]
    slots: ClassVar[tuple[str, str, str]]

    @property
    def learning_rate(self) -> float:
        """Learning rate before the schedule."""

    @property
    def numbers(self) -> tuple[float, ...]:
        """The kernel's constants; the fourth is the weight decay."""

    def corrections(self) -> tuple[Array, Array]:
        """Factors by age that make up for moments that started at zero."""

    def step(
        self, values: Array, gradient: Array, state: State, rate: float, *, decay: bool
    ) -> None:
        """Change `values` (n,) and `state` in place by one step along `gradient` (n,)."""


def check_optimizer(given: object) -> None:
    """Raise `InvalidParameter` for what is no optimizer, such as its name or its class.

    Examples
    --------
    >>> check_optimizer("sgd")
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: optimizer must be one, as SGD(0.1), got 'sgd'
    """
    if isinstance(given, type) or not hasattr(given, "slots"):
        raise InvalidParameter(f"optimizer must be one, as SGD(0.1), got {given!r}")


@dataclass(frozen=True)
class SGD:
    r"""Stochastic gradient descent with momentum and weight decay.

    .. math:: v \leftarrow \mu v + g + \lambda w, \qquad w \leftarrow w - \eta v

    Parameters
    ----------
    learning_rate : float
        :math:`\eta`, above 0.
    momentum : float
        :math:`\mu`, in [0, 1).
    weight_decay : float
        :math:`\lambda`, at least 0; not applied to biases.

    Raises
    ------
    InvalidParameter
        If one is outside its range.

    Examples
    --------
    >>> weights, state = np.array([1.0]), {"momentum": np.array([0.0])}
    >>> SGD(0.1, momentum=0.9).step(weights, np.array([2.0]), state, 0.1, decay=True)
    >>> float(weights[0])
    0.8
    """

    code: ClassVar[int] = 0
    slots: ClassVar[tuple[str, str, str]] = ("momentum", "", "")
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, 0, open_low=True, high=1e6)
        check_range("momentum", self.momentum, 0, 1, open_high=True)
        check_range("weight_decay", self.weight_decay, 0, open_high=True)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Momentum and weight decay, for the kernel."""
        return self.momentum, 0.0, 0.0, self.weight_decay, 0.0

    def corrections(self) -> tuple[Array, Array]:
        """Plain momentum needs none."""
        return np.ones(1), np.ones(1)

    def step(
        self, values: Array, gradient: Array, state: State, rate: float, *, decay: bool
    ) -> None:
        """Change `values` (n,) and `state` in place by one step along `gradient` (n,)."""
        momentum = state["momentum"]
        momentum *= self.momentum
        momentum += gradient + (self.weight_decay * values if decay else 0.0)
        values -= rate * momentum


@dataclass(frozen=True)
class Adam:
    r"""Adam, or AdamW where the weight decay is decoupled.

    A connection's moments are corrected by its own age, so a newborn takes the same first step
    as it would have taken at the start of training.

    Parameters
    ----------
    learning_rate : float
        Above 0.
    beta1, beta2 : float
        Memory of the mean and of the mean square, in [0, 1).
    epsilon : float
        Above 0.
    weight_decay : float
        At least 0; not applied to biases.
    decoupled : bool
        Whether the decay acts on the weight (AdamW) or on the gradient (Adam).

    References
    ----------
    Kingma and Ba (2015), Adam, arXiv:1412.6980, algorithm 1.  Loshchilov and Hutter (2019),
    Decoupled Weight Decay Regularization, arXiv:1711.05101, algorithm 2.
    """

    code: ClassVar[int] = 1
    slots: ClassVar[tuple[str, str, str]] = ("adam_mean", "adam_square", "adam_age")
    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = True

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, 0, open_low=True, high=1e6)
        check_range("beta1", self.beta1, 0, 1, open_high=True)
        check_range("beta2", self.beta2, 0, 1, open_high=True)
        check_range("epsilon", self.epsilon, 0, open_low=True, open_high=True)
        check_range("weight_decay", self.weight_decay, 0, open_high=True)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Betas, epsilon, weight decay and whether it is coupled, for the kernel."""
        coupled = 0.0 if self.decoupled else 1.0
        return self.beta1, self.beta2, self.epsilon, self.weight_decay, coupled

    def corrections(self) -> tuple[Array, Array]:
        """``1 / (1 - beta ** age)`` by age, up to the age where both are 1."""
        return _adam_corrections(self.beta1, self.beta2)

    def step(
        self, values: Array, gradient: Array, state: State, rate: float, *, decay: bool
    ) -> None:
        """Change `values` (n,) and `state` in place by one step along `gradient` (n,)."""
        mean, square, age = (state[name] for name in self.slots)
        weight_decay = self.weight_decay if decay else 0.0
        if not self.decoupled:
            gradient = gradient + weight_decay * values
            weight_decay = 0.0
        age += 1
        mean += (1 - self.beta1) * (gradient - mean)
        square += (1 - self.beta2) * (gradient * gradient - square)
        first, second = self.corrections()
        at = np.minimum(age, len(first) - 1)
        spread = np.sqrt(square * second[at]) + self.epsilon
        values -= rate * (mean * first[at] / spread + weight_decay * values)


@lru_cache(maxsize=8)
def _adam_corrections(beta1: float, beta2: float) -> tuple[Array, Array]:
    slowest = max(beta1, beta2)
    ages = int(np.log(1e-17) / np.log(slowest)) + 2 if slowest > 0 else 2
    age = np.arange(1, min(ages, MOST_AGES) + 1)
    tables = []
    for beta in (beta1, beta2):
        table = np.concatenate([[1.0], 1.0 / (1.0 - beta**age)])
        table.flags.writeable = False
        tables.append(table)
    return tables[0], tables[1]

"""micrograd: autograd on single numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.bench.problems import Problem


class MicrogradScalar:
    """`micrograd.nn.MLP`, for relu, identity and the squared error.

    micrograd has no optimizer; momentum is kept in a list beside the parameters.
    """

    name = "micrograd"
    stretch = 1

    def __init__(self, problem: Problem) -> None:
        from micrograd.nn import MLP

        self._problem = problem
        self._matrices = [matrix.toarray() for matrix in problem.layer_matrices()]
        n_inputs, *sizes = (
            self._matrices[0].shape[1],
            *(len(matrix) for matrix in self._matrices),
        )
        self._net: Any = MLP(n_inputs, sizes)
        self._parameters = self._net.parameters()
        self._samples = problem.X.tolist()
        self._targets = problem.Y.tolist()
        self.reset()

    def reset(self) -> None:
        """Take up the first weights; forget the momentum."""
        self._velocity = [0.0] * len(self._parameters)
        for layer, matrix in zip(self._net.layers, self._matrices, strict=True):
            for neuron, row in zip(layer.neurons, matrix.tolist(), strict=True):
                neuron.b.data = 0.0
                for weight, value in zip(neuron.w, row, strict=True):
                    weight.data = value

    def losses(self, n_steps: int) -> NDArray[Any]:
        """Take steps on the whole batch."""
        return np.array([self._step() for _ in range(n_steps)])

    def _step(self) -> float:
        error: Any = 0.0
        for sample, (target,) in zip(self._samples, self._targets, strict=True):
            error = error + (self._net(sample) - target) ** 2
        loss = error * (0.5 / len(self._samples))
        self._net.zero_grad()
        loss.backward()
        for k, parameter in enumerate(self._parameters):
            self._velocity[k] = self._problem.momentum * self._velocity[k] + parameter.grad
            parameter.data -= self._problem.rate * self._velocity[k]
        return float(loss.data)

"""PyTorch: layers dense, dense with a mask, and sparse (CSR) with and without autograd."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.bench.problems import Problem

Array = NDArray[Any]


class TorchLayers:
    """Dense layers by autograd, optionally ``weight * mask`` in each forward pass.

    The mini-batch is a tensor already, the optimizer is the fused one (the fastest of the
    three that PyTorch has), gradients are set to None, and losses are read once a call.

    Parameters
    ----------
    problem : Problem
    masked : bool
        Whether missing connections are kept at zero.  Without, they are there to begin with
        at weight zero, and then learn like all others.
    optimizer : {"SGD", "Adam"}
    """

    def __init__(self, problem: Problem, *, masked: bool, optimizer: str = "SGD") -> None:
        import torch

        self.name, self.stretch = "torch masked" if masked else "torch dense", 1
        self._torch, self._loss, self._n_outputs = torch, problem.loss, problem.Y.shape[1]
        matrices = problem.layer_matrices()
        self._start = [torch.from_numpy(matrix.toarray()) for matrix in matrices]
        self._weights = [torch.nn.Parameter(start.clone()) for start in self._start]
        self._biases = [
            torch.nn.Parameter(torch.zeros(len(start), dtype=start.dtype))
            for start in self._start
        ]
        self._masks: list[Any] = []
        if masked:
            self._masks = [(start != 0).to(start.dtype) for start in self._start]
        self._hidden, self._output = (
            _function(torch, name) for name in (problem.activation, problem.output_activation)
        )
        self._X, self._Y = torch.from_numpy(problem.X), torch.from_numpy(problem.Y)
        self._labels = self._Y.argmax(dim=1)
        options = {"momentum": problem.momentum} if optimizer == "SGD" else {}
        self._optimizer = getattr(torch.optim, optimizer)(
            [*self._weights, *self._biases], lr=problem.rate, fused=True, **options
        )

    def reset(self) -> None:
        """Take up the first weights; forget the momentum."""
        with self._torch.no_grad():
            for weight, start in zip(self._weights, self._start, strict=True):
                weight.copy_(start)
            for bias in self._biases:
                bias.zero_()
            for state in self._optimizer.state.values():
                state["momentum_buffer"].zero_()

    def losses(self, n_steps: int) -> Array:
        """Take steps on the whole batch."""
        losses = []
        for _ in range(n_steps):
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._forward()
            loss.backward()
            self._optimizer.step()
            losses.append(loss.detach())
        return self._torch.stack(losses).numpy()

    def held_bytes(self) -> int:
        """Of parameters, gradients, masks and the optimizer's state, after a step."""
        learned = [*self._weights, *self._biases]
        states = [value for of in self._optimizer.state.values() for value in of.values()]
        tensors = [*learned, *(one.grad for one in learned), *self._masks, *states]
        return sum(one.nbytes for one in tensors if self._torch.is_tensor(one))

    def _forward(self) -> Any:
        functional = self._torch.nn.functional
        x = self._X
        for layer, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            used = weight * self._masks[layer] if self._masks else weight
            x = functional.linear(x, used, bias)
            x = (self._hidden if layer < len(self._weights) - 1 else self._output)(x)
        if self._loss == "cross_entropy":  # which has the softmax in it
            return functional.cross_entropy(x, self._labels)
        return 0.5 * functional.mse_loss(x, self._Y) * self._n_outputs


class TorchCsr:
    """Layers as `torch.sparse_csr_tensor`, for relu and softmax.

    Autograd gives such a matrix a dense gradient, at the cost of a dense layer.  The backward
    pass is therefore written out with what `torch.sparse` offers for it: products with a
    transposed copy, and `sampled_addmm` for the gradient of the connections that exist.
    """

    name = "torch csr"
    stretch = 1

    def __init__(self, problem: Problem) -> None:
        import torch

        self._torch, self._problem = torch, problem
        self._layers = [_CsrLayer(torch, matrix) for matrix in problem.layer_matrices()]
        self._X = torch.from_numpy(np.ascontiguousarray(problem.X.T))
        self._Y = torch.from_numpy(np.ascontiguousarray(problem.Y.T))
        self._labels = self._Y.argmax(dim=0)

    def reset(self) -> None:
        """Take up the first weights; forget the momentum."""
        for layer in self._layers:
            layer.reset()

    def losses(self, n_steps: int) -> Array:
        """Take steps on the whole batch."""
        with self._torch.no_grad():
            losses = [self._step() for _ in range(n_steps)]
            return self._torch.stack(losses).numpy()

    def _step(self) -> Any:
        functional, problem = self._torch.nn.functional, self._problem
        values = [self._X]
        for layer in self._layers[:-1]:
            values.append(layer.forward(values[-1]).relu_())
        scores = functional.log_softmax(self._layers[-1].forward(values[-1]), dim=0)
        loss = functional.nll_loss(scores.T, self._labels)
        delta = (scores.exp() - self._Y) / problem.batch
        for at in range(len(self._layers) - 1, -1, -1):
            layer = self._layers[at]
            below = layer.backward(delta) * (values[at] > 0) if at else None
            layer.update(delta, values[at], problem.rate, problem.momentum)
            delta = below
        return loss


class TorchCsrAutograd:
    """Layers as `torch.sparse_csr_tensor` by plain autograd: what is written in a minute.

    The values are the parameters, and the matrix is put together from them in each forward
    pass: so their gradient comes as values too, and any optimizer takes it.  (A parameter that
    is such a matrix itself gets a dense gradient, which no optimizer takes.)
    """

    name = "torch csr autograd"
    stretch = 1

    def __init__(self, problem: Problem) -> None:
        import torch

        self._torch = torch
        matrices = problem.layer_matrices()
        self._matrices = [
            _csr_tensor(torch, matrix, torch.from_numpy(matrix.data)) for matrix in matrices
        ]
        self._start = [torch.from_numpy(matrix.data.copy()) for matrix in matrices]
        self._values = [torch.nn.Parameter(start.clone()) for start in self._start]
        self._biases = [torch.nn.Parameter(torch.zeros(m.shape[0], 1)) for m in matrices]
        self._X = torch.from_numpy(np.ascontiguousarray(problem.X.T))
        self._labels = torch.from_numpy(problem.Y).argmax(dim=1)
        self._optimizer = torch.optim.SGD(
            [*self._values, *self._biases],
            lr=problem.rate,
            momentum=problem.momentum,
            fused=True,
        )

    def reset(self) -> None:
        """Take up the first weights; forget the momentum."""
        with self._torch.no_grad():
            for values, start in zip(self._values, self._start, strict=True):
                values.copy_(start)
            for bias in self._biases:
                bias.zero_()
            for state in self._optimizer.state.values():
                state["momentum_buffer"].zero_()

    def losses(self, n_steps: int) -> Array:
        """Take steps on the whole batch."""
        losses = []
        for _ in range(n_steps):
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._forward()
            loss.backward()
            self._optimizer.step()
            losses.append(loss.detach())
        return self._torch.stack(losses).numpy()

    def _forward(self) -> Any:
        x = self._X
        layers = zip(self._matrices, self._values, self._biases, strict=True)
        for layer, (matrix, values, bias) in enumerate(layers):
            places = matrix.crow_indices(), matrix.col_indices()
            used = self._torch.sparse_csr_tensor(*places, values, size=matrix.shape)
            x = used @ x + bias
            if layer < len(self._values) - 1:
                x = self._torch.relu(x)
        return self._torch.nn.functional.cross_entropy(x.T, self._labels)


class _CsrLayer:
    """A sparse matrix, its transposed copy, biases and momentum."""

    def __init__(self, torch: Any, matrix: Any) -> None:
        self._torch = torch
        numbered = matrix.copy()
        numbered.data = np.arange(matrix.nnz, dtype=np.int64)
        turned = numbered.T.tocsr()
        self._places = torch.from_numpy(turned.data)
        self._start = torch.from_numpy(matrix.data.copy())
        self._matrix = _csr_tensor(torch, matrix, self._start.clone())
        self._turned = _csr_tensor(torch, turned, self._start[self._places])
        self._velocity = torch.zeros_like(self._start)
        self._bias = torch.zeros(matrix.shape[0], 1)
        self._bias_velocity = torch.zeros_like(self._bias)

    def reset(self) -> None:
        self._matrix.values().copy_(self._start)
        self._turned.values().copy_(self._start[self._places])
        for tensor in (self._velocity, self._bias, self._bias_velocity):
            tensor.zero_()

    def forward(self, values: Any) -> Any:
        return (self._matrix @ values).add_(self._bias)

    def backward(self, delta: Any) -> Any:
        return self._turned @ delta

    def update(self, delta: Any, values: Any, rate: float, momentum: float) -> None:
        gradient = self._torch.sparse.sampled_addmm(self._matrix, delta, values.T, beta=0.0)
        self._velocity.mul_(momentum).add_(gradient.values())
        self._matrix.values().add_(self._velocity, alpha=-rate)
        self._torch.index_select(
            self._matrix.values(), 0, self._places, out=self._turned.values()
        )
        self._bias_velocity.mul_(momentum).add_(delta.sum(dim=1, keepdim=True))
        self._bias.add_(self._bias_velocity, alpha=-rate)


def _csr_tensor(torch: Any, matrix: Any, values: Any) -> Any:
    indices = (torch.from_numpy(a.astype(np.int32)) for a in (matrix.indptr, matrix.indices))
    with warnings.catch_warnings():  # PyTorch says once that CSR is in beta
        warnings.simplefilter("ignore")
        return torch.sparse_csr_tensor(*indices, values, size=matrix.shape)


def _function(torch: Any, name: str) -> Any:
    functions = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
    return functions.get(name, lambda x: x)

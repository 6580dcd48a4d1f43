"""neat-python: a forward pass, a sample and a node at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.bench.problems import Problem
from plastic.activations import BY_CODE


class NeatForward:
    """`neat.nn.FeedForwardNetwork.activate` on each sample of the batch.

    The network is made from the topology, in topological order; a softmax over the outputs,
    which neat-python does not have, is taken in Python afterwards.
    """

    name = "neat-python (forward)"

    def __init__(self, problem: Problem) -> None:
        from neat.activations import identity_activation, relu_activation, sigmoid_activation
        from neat.aggregations import sum_aggregation
        from neat.nn import FeedForwardNetwork

        functions = {
            "relu": relu_activation,
            "sigmoid": lambda x: sigmoid_activation(x / 5.0),  # neat-python's is of 5 x
            "identity": identity_activation,
            "softmax": identity_activation,
        }
        structure = problem.structure
        weights, sources = problem.weights.tolist(), structure.sources.tolist()
        inputs = set(structure.inputs.tolist())
        evaluations = []
        for slot in structure.order.tolist():
            if slot in inputs:
                continue
            start, stop = structure.indptr[slot : slot + 2].tolist()
            links = list(zip(sources[start:stop], weights[start:stop], strict=True))
            function = functions[BY_CODE[int(structure.activations[slot])].name]
            evaluations.append((slot, function, sum_aggregation, 0.0, 1.0, links))
        self._network = FeedForwardNetwork(
            structure.inputs.tolist(), structure.outputs.tolist(), evaluations
        )
        self._softmax = problem.output_activation == "softmax"
        self._samples = problem.X.tolist()

    def answers(self) -> NDArray[Any]:
        """Answers to the batch, shape (batch, n_outputs)."""
        rows = [self._network.activate(sample) for sample in self._samples]
        if self._softmax:
            powers = [[math.exp(x) for x in row] for row in rows]
            rows = [[p / sum(row) for p in row] for row in powers]
        return np.array(rows)

"""What the tests of the node engine share: a small network, and a way to look at one."""

from __future__ import annotations

import numpy as np

from plastic.nodes import (
    Neuron,
    OnlyValueNode,
    connect_layer_forward,
    softmax,
    softmax_layer,
    tanh,
)


def snapshot(nodes):
    """Everything that the nodes hold, down to the state of their random generators."""

    def plain(name, held):
        if name == "rng":
            return held and held.bit_generator.state
        if name == "softmax_group":
            return held and list(held.neurons)
        if isinstance(held, list | dict):
            return held.copy()
        return np.asarray(held).tolist()

    return [{name: plain(name, held) for name, held in vars(node).items()} for node in nodes]


class SmallNetwork:
    """Two values, two hidden neurons of which one feeds the other, softmax; two to spare."""

    def __init__(self):
        rng = np.random.default_rng(7)
        self.batch, self.number = OnlyValueNode([0.5, -1.0]), OnlyValueNode(2.0)
        self.early, self.late = Neuron(tanh, bias=0.1, rng=rng), Neuron(rng=rng)
        self.outputs = softmax_layer(
            [Neuron(softmax, bias=bias, rng=rng) for bias in (None, 0)]
        )
        self.spare, self.spare_too = Neuron(rng=rng), Neuron(rng=rng)
        connect_layer_forward([self.batch, self.number], [self.early, self.late])
        self.early.connect_forward(self.late)
        connect_layer_forward([self.early, self.late], self.outputs)
        self.neurons = [self.early, self.late, *self.outputs, self.spare, self.spare_too]
        self.nodes = [self.batch, self.number, *self.neurons]

"""Networks of hard thresholds, made of trained ones: units that no gradient passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from plastic.activations import BY_CODE, Activation, tanh, threshold
from plastic.edits import AddNeurons, Connect
from plastic.engine import Network
from plastic.errors import InvalidNetwork
from plastic.topology import Kind, Topology


def harden(network: Network, units: Activation = threshold) -> Network:
    r"""The same network with the sign in place of each tanh.

    A neuron's output :math:`\operatorname{sign}(x)` is written as
    :math:`2 [x > 0] - 1`: the weights out of it double, and what they lead to takes their sum
    off its bias.

    Parameters
    ----------
    network : Network
        All its hidden neurons are tanh.
    units : Activation
        `threshold`, or `straight_through` for units that an estimate of a gradient passes.

    Raises
    ------
    InvalidNetwork
        If one is not.
    """
    old = network.topology.structure
    hidden = old.kinds == Kind.HIDDEN
    soft = old.activations == tanh.code
    if (hidden & ~soft).any():
        raise InvalidNetwork(
            f"neuron {old.neuron_ids[hidden & ~soft][0]} is not tanh, so it has no sign"
        )
    topology = Topology(
        len(old.inputs),
        len(old.outputs),
        [_name(code) for code in old.activations[old.outputs]],
        output_group=int(old.groups[old.outputs[0]]),
        blocks=network.topology.blocks,
        ids=old.neuron_ids[np.concatenate([old.inputs, old.outputs])],
    )
    ids = old.neuron_ids
    topology.apply(
        AddNeurons(
            int(hidden.sum()),
            units,
            old.groups[hidden],
            ids=ids[hidden],
            keep_stranded=True,
        ),
        Connect(ids[old.sources], ids[old.targets], ids=old.connection_ids),
    )
    hard = Network(topology, network.loss, dtype=network.dtype)
    doubled = hidden[old.sources]
    hard.weights[:] = np.where(doubled, 2 * network.weights, network.weights)
    sums = np.bincount(old.targets, network.weights * doubled, old.n_neurons)
    hard.biases[:] = network.biases - sums
    return hard


def _name(code: Any) -> str:
    return BY_CODE[int(code)].name

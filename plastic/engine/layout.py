"""What the kernels take: named tuples of arrays, and the memory behind them.

Where everything lies, and why, is told at the top of `plastic.engine.kernels`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
IntArray = NDArray[np.integer]


class Graph(NamedTuple):
    """What is connected to what; shapes as in `Structure`."""

    indptr: IntArray
    sources: IntArray
    out_indptr: IntArray
    out_targets: IntArray
    out_positions: IntArray  # of small networks alone
    order: IntArray  # slots of all but the inputs, in topological order
    spans: IntArray  # (n_spans, 5), of the order; see `plastic.engine.spans`
    out_order: IntArray  # the order backwards, then the inputs
    out_spans: IntArray  # (n_out_spans, 5), of connections by source
    alike: IntArray  # (n_neurons,), see `spans.find_alike`
    swept: IntArray  # (n_neurons,), see `spans.find_swept`
    activations: IntArray
    kinds: IntArray
    inputs: IntArray
    outputs: IntArray


class Buffers(NamedTuple):
    """Working memory."""

    outputs: Array  # (n_tiles, n_neurons, LANES)
    deltas: Array  # (n_tiles, n_neurons, LANES)
    exchange: Array  # (n_connections,), by source: weights, then gradients, then weights
    of_biases: Array  # (n_neurons,): their gradients, those of outputs from the update on
    losses: Array  # (n_tiles,)


class SmallBuffers(NamedTuple):
    """Working memory of `plastic.engine.small`.

    Flat arrays hold all parameters: weights, zeros up to a whole eight, biases in topological
    order, zeros up to a whole eight.
    """

    outputs: Array  # (n_tiles, n_neurons + 1, n_lanes); the last row stays 0
    deltas: Array  # (n_tiles, n_neurons + 1, n_lanes); the last row stays 0
    targets: Array  # (n_tiles, n_outputs, n_lanes)
    present: Array  # (n_tiles, n_lanes): 1 where there is a sample, else 0
    neurons: IntArray  # (n_computed, 8), in topological order; see `plan_small_buffers`
    sources: IntArray  # (n_weights,): where each source begins in a tile of `outputs`
    targets_of: IntArray  # (n_flat,): where targets, and neurons of biases, do in `deltas`
    out_targets: IntArray  # (n_connections,): the same of targets, by source
    gradient: Array  # (n_flat,), summed over the batch
    values: Array  # (n_flat,)
    first: Array  # (n_flat,), as all below: the optimizer's state
    second: Array
    age: IntArray


class Parameters(NamedTuple):
    """What is learned, and the optimizer's state; empty arrays where there is none."""

    weights: Array  # (n_connections,)
    biases: Array  # (n_neurons,)
    weight_first: Array  # momentum, or Adam's mean
    weight_second: Array  # Adam's mean square
    weight_age: IntArray
    bias_first: Array
    bias_second: Array
    bias_age: IntArray
    use_biases: bool


class Rule(NamedTuple):
    """The optimizer: its code, numbers and corrections (see `optimizers`)."""

    code: int
    numbers: Array  # momentum, weight decay | beta1, beta2, epsilon, decay, decoupled
    first_correction: Array  # by age
    second_correction: Array


class Watch(NamedTuple):
    """Moving averages to be kept; empty arrays where there are none (see `statistics`)."""

    saliency: Array  # (n_connections,)
    activity: Array  # (n_neurons,), as all below
    activity_square: Array
    sensitivity: Array
    sensitivity_square: Array
    observations: Array
    every: int
    rate: float
    discount: float


class Batches(NamedTuple):
    """The data and the rows of it that make each mini-batch."""

    X: Array  # (n_samples, n_inputs)
    Y: Array  # (n_samples, n_outputs)
    rows: IntArray  # (n_steps, batch_size)

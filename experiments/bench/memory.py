"""Bytes a connection of a network that learns, optimizer's state and all."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from experiments.bench.measure import Row
from experiments.bench.peers import is_installed
from experiments.bench.peers.torch_layers import TorchLayers
from experiments.bench.problems import Problem
from plastic.engine import SGD, Adam, Network, Optimizer

OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {"SGD": lambda: SGD(0.01, 0.9), "Adam": Adam}


def held_bytes(make: Callable[[], Any]) -> int:
    """Memory that an object holds, as Python's and NumPy's allocators tell it.

    Examples
    --------
    >>> 8_000_000 <= held_bytes(lambda: np.zeros(1_000_000)) < 8_010_000
    True
    """
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        del made
    finally:
        tracemalloc.stop()
    return held


def training_rows(problem: Problem, density: float) -> list[Row]:
    """Bytes a connection after a step on one sample, in the columns of milliseconds.

    The peer is PyTorch's masked layers: all its tensors that outlive a step.
    """
    if not is_installed("torch"):
        return []
    one = replace(problem, X=problem.X[:1], Y=problem.Y[:1])
    n = problem.structure.n_connections
    rows = []
    for name, make in OPTIMIZERS.items():
        _trained(one, make())  # what is loaded once, such as kernels, is not the network's
        ours = held_bytes(partial(_trained, one, make())) / n
        peer = TorchLayers(one, masked=True, optimizer=name)
        peer.losses(1)
        theirs = peer.held_bytes() / n
        ratio = theirs / ours
        case = f"bytes, {name} training"
        rows.append(Row(case, density, 1, peer.name, ours, theirs, ratio, ratio, ratio))
    return rows


def _trained(problem: Problem, optimizer: Optimizer) -> Network:
    network = Network(problem.build(), problem.loss)
    network.learn(problem.X, problem.Y, np.zeros((1, 1), np.int64), optimizer)
    return network

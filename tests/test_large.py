"""A network of 100 million connections; only with ``pytest -m slow``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from topologies import assert_rows_ascend

from plastic.edits import Connect, Disconnect
from plastic.engine import SGD, Network
from plastic.topology.wiring import erk

SIZES = [784, 16_000, 16_000, 10]
N_CONNECTIONS = 100_000_000
MOVED = 100_000
MOST_GIB = 12
"""Peak of the process: half of a machine of 24 GiB."""


@contextmanager
def told(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(f"{what}: {seconds:.1f} s, at most {memory('VmHWM'):.2f} GiB so far")


def memory(field: str) -> float:
    """GiB of this process as Linux tells it: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in status if line.startswith(field))
    return int(line.split()[1]) / 2**20


@pytest.mark.slow
def test_a_hundred_million_connections_train_and_are_edited():
    rng = np.random.default_rng(0)
    density = N_CONNECTIONS / sum(a * b for a, b in pairwise(SIZES))
    with told("wiring"):
        topology = erk(SIZES[0], SIZES[-1], density, rng, hidden=SIZES[1:-1])
    assert abs(topology.n_connections - N_CONNECTIONS) < 10
    with told("weights"):
        network = Network(topology).initialize(rng)
    X = rng.normal(size=(256, 784)).astype(np.float32)
    Y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 256)]
    rows = np.tile(np.arange(128), (3, 1))
    with told("three steps"):
        losses = network.learn(X, Y, rows, SGD(2e-4))
    assert losses[-1] < losses[0]
    held = memory("VmRSS")

    structure, before = topology.structure, network.weights.copy()
    cut = np.sort(rng.choice(topology.n_connections, MOVED, replace=False))
    ends = structure.sources[cut], np.searchsorted(structure.indptr, cut, side="right") - 1
    ids, neurons = structure.connection_ids[cut], structure.neuron_ids
    with told(f"{MOVED} go, and come again with other ids"):
        undo = network.apply(
            Disconnect(ids, keep_stranded=True), Connect(*(neurons[slots] for slots in ends))
        )
    with told("their undo"):
        network.apply(*undo)
    np.testing.assert_array_equal(network.weights, before)
    del before, structure
    assert_rows_ascend(topology.structure)
    with told("three more steps"):
        assert network.learn(X, Y, rows, SGD(2e-4))[-1] < losses[-1]
    print(f"{held:.2f} GiB held while it trained; {memory('VmHWM'):.2f} GiB at most")
    assert memory("VmHWM") < MOST_GIB

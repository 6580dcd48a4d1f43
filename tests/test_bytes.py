"""Law: what a network holds for each connection while it trains, and while it is edited."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from plastic.edits import Connect, Disconnect
from plastic.engine import SGD, Adam, Network
from plastic.topology import Topology
from plastic.topology.structure import id_dtype
from plastic.topology.way_back import forget_way
from plastic.topology.wiring import erdos_renyi

BYTES = {SGD(0.01): 24, Adam(0.01): 32}
"""Id, source, weight, and by source target and weight: 4 each; and the optimizer's state."""

PEAK = {SGD(0.01): 48, Adam(0.01): 64}
"""While one connection goes and one comes: what was, what will be, and where it comes from."""


def trained(optimizer, density):
    """A network that has learned, been edited, and learned again; how much, when, in bytes."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(4, 300)), np.eye(300)[:4]
    rows = np.tile(np.arange(4), (2, 16))  # no small network, whatever its density
    gc.collect()
    tracemalloc.start()
    try:
        topology = erdos_renyi(300, 300, density, rng, hidden=[300])
        network = Network(topology).initialize(rng)
        network.learn(X, Y, rows, optimizer)
        structure = topology.structure
        gone, kept = structure.connection_ids[:1].copy(), structure.neuron_ids
        pair = kept[structure.sources[:1]], kept[structure.targets[:1]]
        del structure
        tracemalloc.reset_peak()
        network.apply(Disconnect(gone, keep_stranded=True), Connect(*pair))
        _, peak = tracemalloc.get_traced_memory()
        network.learn(X, Y, rows, optimizer)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        return topology.n_connections, held, peak
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("optimizer", BYTES, ids=lambda optimizer: type(optimizer).__name__)
def test_bytes_a_connection(optimizer):
    """From one density to another: neurons, data and code are the same in both."""
    trained(optimizer, 0.1)  # tables that are kept for the next time
    few, many = (np.array(trained(optimizer, density)) for density in (0.3, 0.9))
    n, held, peak = many - few
    assert held / n == pytest.approx(BYTES[optimizer], abs=0.1)
    assert peak / n == pytest.approx(PEAK[optimizer], abs=0.1)


@pytest.mark.parametrize("optimizer", BYTES, ids=lambda optimizer: type(optimizer).__name__)
def test_bytes_a_connection_of_an_undo(optimizer):
    """The structure and columns that it leads to, and the way, until that is forgotten."""
    rng = np.random.default_rng(0)
    tracemalloc.start()
    try:
        topology = erdos_renyi(300, 300, 0.9, rng, hidden=[300])
        network = Network(topology).initialize(rng)
        samples = np.ones((4, 300)), np.eye(300)[:4], [[0, 1]]
        network.learn(*samples, optimizer)
        undo = network.apply(Disconnect(topology.structure.connection_ids[:1]))
        network.learn(*samples, optimizer)  # the engine, too, lets go of what was
        held, _ = tracemalloc.get_traced_memory()
        forget_way(undo)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    n, columns = topology.n_connections, topology.connection_columns.values()
    of_columns = sum(values.itemsize for values in columns)
    assert of_columns == BYTES[optimizer] - 16
    assert (held - left) / n == pytest.approx(16 + of_columns, abs=0.1)


def test_ids_take_four_bytes_until_one_needs_eight():
    """There and back over the border, with all that goes by id."""
    assert (id_dtype(2**31 - 1), id_dtype(2**31)) == (np.int32, np.int64)
    topology = Topology(4, 1)
    weights = topology.connection_columns.add("weight", np.float32)
    topology.apply(Connect([0], [4], ids=[2**31 - 2]))
    topology.connection_columns["weight"][:] = 0.5
    undos = []

    def dtype():
        return topology.structure.connection_ids.dtype

    assert (dtype(), weights.dtype) == (np.int32, np.float32)
    for source, number, expected in ((1, 2**31 - 1, "int32"), (2, 2**31, "int64")):
        undos.append(topology.apply(Connect([source], [4])))
        assert topology.structure.connection_ids[-1] == number
        assert dtype() == expected
    cut = [2**31 - 2]
    undos.append(
        topology.apply(Disconnect(cut, keep_stranded=True), Connect([3], [4], ids=[2**40]))
    )
    ids = [2**31 - 1, 2**31, 2**40]
    assert topology.structure.connection_ids.tolist() == ids
    np.testing.assert_array_equal(topology.structure.positions_of(ids[::-1]), [2, 1, 0])
    assert dict(topology.graph[3])[4]["id"] == 2**40
    for expected in ("int64", "int32", "int32"):
        topology.apply(*undos.pop())
        assert dtype() == expected
    assert topology.structure.connection_ids.tolist() == [2**31 - 2]
    assert topology.connection_columns["weight"].tolist() == [0.5]
    topology.apply(Connect([1], [4]))  # ids given out stay given out
    assert topology.structure.connection_ids.tolist() == [2**31 - 2, 2**40 + 1]

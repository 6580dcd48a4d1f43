"""Law: one seed, one result, at any number of threads and in any process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from networks import assert_same_columns, random_data, random_network, random_rows

from plastic.engine import SGD, Adam, Network, Statistics
from plastic.errors import Diverged
from plastic.topology import Topology
from plastic.topology.wiring import erk

pytestmark = pytest.mark.usefixtures("kernels_of")

WATCHED = Statistics(saliency=True, moments=True, every=2)
SCRIPT = """
import hashlib
import sys

import numpy as np

from plastic.edits import Connect, Disconnect
from plastic.engine import Adam, Network, Statistics
from plastic.topology.wiring import random_dag

rng = np.random.default_rng(0)
topology = random_dag(6, 3, 0.4, rng, n_hidden=20, activation="tanh")
network = Network(topology, engine=sys.argv[1], threads=int(sys.argv[2])).initialize(rng)
X, Y = rng.normal(size=(100, 6)), np.eye(3)[rng.integers(0, 3, 100)]
watched = Statistics(saliency=True, moments=True)
digest = hashlib.sha256()
for _ in range(3):
    rows = rng.integers(0, 100, (20, 70))
    digest.update(network.learn(X, Y, rows, Adam(0.01), statistics=watched))
    gone = rng.choice(topology.structure.connection_ids, 5, replace=False)
    network.apply(Disconnect(gone, keep_stranded=True))
    digest.update(network.predict(X).tobytes())
for columns in (topology.connection_columns, topology.neuron_columns):
    for name in sorted(columns):
        digest.update(columns[name])
print(digest.hexdigest())
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_company_changes_no_bit_of_a_prediction(dtype):
    X, _ = random_data(0, 330)
    network = random_network(2, dtype=dtype)
    together = network.predict(X)
    for size in (1, 7, 40, 70, 100, 129):  # one tile, two, three, four and five
        pieces = [network.predict(X[k : k + size]) for k in range(0, len(X), size)]
        assert np.array_equal(np.concatenate(pieces), together)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [33, 70, 330])  # the last in more tiles than NumPy's
@pytest.mark.parametrize("optimizer", [SGD(0.05, weight_decay=0.01), Adam(0.01)], ids=repr)
def test_threads_change_no_bit(optimizer, batch_size, dtype):
    X, Y = random_data(0, 400)
    rows = random_rows(1, 12, batch_size, 400)
    alone = random_network(2, dtype=dtype)
    losses = alone.learn(X, Y, rows, optimizer, statistics=WATCHED)
    for threads in (2, 3):
        shared = random_network(2, dtype=dtype, threads=threads)
        assert np.array_equal(shared.learn(X, Y, rows, optimizer, statistics=WATCHED), losses)
        assert_same_columns(shared.topology, alone.topology)
        assert shared.topology.step == alone.topology.step


def test_losses_of_many_tiles_add_up_in_order():
    X, Y = random_data(3, 900)
    rows = random_rows(4, 40, 700, 900)
    losses = [
        random_network(5, threads=threads).learn(X, Y, rows, SGD(0.05)) for threads in (1, 2)
    ]
    assert losses[0].tobytes() == losses[1].tobytes()


@pytest.mark.parametrize("threads", [7, 64])
def test_more_threads_than_work(threads):
    X, Y = random_data(6, 40)
    for batch_size in (1, 40):
        rows = random_rows(7, 4, batch_size, 40)
        alone, shared = random_network(8), random_network(8, threads=threads)
        losses = [n.learn(X, Y, rows, Adam(0.01), statistics=WATCHED) for n in (alone, shared)]
        assert np.array_equal(*losses)
        assert_same_columns(shared.topology, alone.topology)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_without_connections(threads):
    X, Y = random_data(9, 40)
    rows = random_rows(10, 4, 33, 40)
    pair = [Network(Topology(4, 3, "softmax"), threads=t) for t in (1, threads)]
    losses = [network.learn(X, Y, rows, SGD(0.1), statistics=WATCHED) for network in pair]
    assert np.array_equal(*losses)
    assert_same_columns(pair[0].topology, pair[1].topology)
    assert pair[0].biases[4:].all()


def test_threads_on_a_layered_network():
    X, Y = random_data(11, 300, 64, 10)
    rows = random_rows(12, 5, 256, 300)
    networks = []
    for threads in (1, 2, 3):
        topology = erk(64, 10, 0.2, np.random.default_rng(13), hidden=[50, 40])
        network = Network(topology, threads=threads).initialize(np.random.default_rng(14))
        network.learn(X, Y, rows, Adam(0.01), statistics=WATCHED)
        networks.append(network)
    for network in networks[1:]:
        assert_same_columns(network.topology, networks[0].topology)
        assert np.array_equal(network.predict(X), networks[0].predict(X))


def test_threads_stop_at_divergence_alike():
    X, Y = random_data(15, 100)
    rows = random_rows(16, 100, 70, 100)
    networks = []
    for threads in (1, 2):
        network = random_network(17, "identity", "identity", "mse", threads=threads)
        with pytest.raises(Diverged):
            network.learn(X, Y, rows, SGD(30.0), statistics=WATCHED)
        networks.append(network)
    assert 0 < networks[0].topology.step == networks[1].topology.step
    assert_same_columns(networks[0].topology, networks[1].topology)


def digest_of(engine, threads, hash_seed):
    """Digest of all that a run of `SCRIPT` leaves, in a process of its own."""
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, engine, str(threads)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_processes_of_any_number_of_threads_give_the_same_bytes():
    digests = {digest_of("fast", 1, 1), digest_of("fast", 1, 2), digest_of("fast", 3, 3)}
    assert len(digests) == 1


def test_processes_of_the_node_engine_give_the_same_bytes():
    assert digest_of("nodes", 1, 1) == digest_of("nodes", 1, 2)

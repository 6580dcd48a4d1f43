"""Laws of the kernels of small networks: they compute what those of large ones compute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    PAIRS,
    assert_same_columns,
    drawn,
    random_data,
    random_network,
    random_rows,
)

from plastic.edits import Connect, Disconnect
from plastic.engine import SGD, Adam, Network, Statistics, fast, kernels, small
from plastic.errors import Diverged
from plastic.topology import Topology
from plastic.topology.wiring import erdos_renyi

BOUNDS = {"small": 2**62, "large": -1}
OPTIMIZERS = (
    SGD(0.05, momentum=0.0),
    SGD(0.05, momentum=0.9, weight_decay=1e-3),
    Adam(0.01, weight_decay=0.02, decoupled=False),
    Adam(0.01, weight_decay=0.02, decoupled=True),
)
WATCHED = Statistics(saliency=True, moments=True, every=3, rate=0.2, discount=0.8)


def pair(make):
    """The same network on the kernels of small ones and of large ones."""
    networks = []
    for bound in BOUNDS.values():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fast, "SMALL", bound)
            networks.append(make())
    return networks


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 8, 9, 32, 33, 70])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_both_learn_the_same(optimizer, batch_size, biases):
    X, Y = random_data(0, 80)
    rows = random_rows(1, 40, batch_size, len(X))
    rates = optimizer.learning_rate * np.linspace(1, 0, len(rows))
    networks = pair(lambda: random_network(2, biases=biases))
    losses = [n.learn(X, Y, rows, optimizer, rates=rates, statistics=WATCHED) for n in networks]
    np.testing.assert_allclose(*losses, rtol=1e-12)
    assert_same_columns(networks[0].topology, networks[1].topology, tolerance=1e-12)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_compute_the_same(output, loss, dtype):
    tolerance = {"float32": 2e-6, "float64": 1e-12}[dtype]
    for batch_size in (1, 5, 8, 31, 40):
        X, Y = random_data(batch_size, batch_size)
        networks = pair(lambda: random_network(3, "mixed", output, loss, dtype=dtype))
        one, other = (network.signals(X, Y) for network in networks)
        np.testing.assert_allclose(one.outputs, other.outputs, atol=tolerance)
        np.testing.assert_allclose(one.deltas, other.deltas, atol=tolerance)
        one, other = (network.gradients(X, Y) for network in networks)
        np.testing.assert_allclose(one.weights, other.weights, atol=tolerance)
        np.testing.assert_allclose(one.biases, other.biases, atol=tolerance)
        assert one.loss == pytest.approx(other.loss, rel=tolerance)
        one, other = (network.predict(X) for network in networks)
        np.testing.assert_allclose(one, other, atol=tolerance)


@settings(deadline=None)
@given(
    n_sources=st.integers(0, 40),
    batch_size=st.integers(1, 70),
    n_steps=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_agree_at_every_size(n_sources, batch_size, n_steps, seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(20, 40)), rng.normal(size=(20, 2))
    rows = rng.integers(0, 20, (n_steps, batch_size))
    rows[1::2] = rows[::2][: n_steps // 2]  # every other batch is that of the step before

    def make():
        topology = Topology(40, 2, "tanh")
        sources = np.arange(n_sources)
        topology.apply(Connect(sources, 40 + sources % 2))
        return drawn(Network(topology, "mse", dtype="float64"), seed)

    networks = pair(make)
    losses = [n.learn(X, Y, rows, SGD(0.1), statistics=WATCHED) for n in networks]
    np.testing.assert_allclose(*losses, rtol=1e-12)
    assert_same_columns(networks[0].topology, networks[1].topology, tolerance=1e-12)


@pytest.mark.parametrize("batch_size", [4, 40])
def test_both_stop_at_the_same_divergence(batch_size):
    X, Y = random_data(4, 40)
    rows = random_rows(5, 100, batch_size, len(X))
    networks = pair(lambda: random_network(6, "identity", "identity", "mse"))
    for network in networks:
        with pytest.raises(
            Diverged, match=r"the loss is .* at step \d+; a lower learning rate"
        ):
            network.learn(X, Y, rows, SGD(30.0), statistics=WATCHED)
    assert 0 < networks[0].topology.step == networks[1].topology.step < 100
    for columns in ("connection_columns", "neuron_columns"):
        one, other = (getattr(network.topology, columns) for network in networks)
        for name, column in one.items():
            np.testing.assert_allclose(column, other[name], rtol=1e-9)


def test_an_edit_renews_what_is_planned():
    X, Y = random_data(7, 8)
    rows = np.tile(np.arange(8), (5, 1))
    networks = pair(lambda: random_network(8))
    for network in networks:
        network.learn(X, Y, rows, Adam(0.01))
        gone = network.topology.structure.connection_ids[::3]
        network.apply(Disconnect(gone, keep_stranded=True))
        network.learn(X, Y, rows, Adam(0.01))
    assert_same_columns(networks[0].topology, networks[1].topology, tolerance=1e-12)
    np.testing.assert_allclose(*(network.predict(X) for network in networks), atol=1e-12)


def test_what_an_earlier_stretch_left_behind_does_not_matter():
    X, Y = random_data(9, 40)
    used, fresh = random_network(10), random_network(10)
    held = {name: column.copy() for name, column in used.topology.connection_columns.items()}
    used.learn(X, Y, random_rows(11, 5, 4, 40), SGD(0.1))
    used.learn(100 * X, Y, random_rows(12, 1, 3, 40), SGD(1e-9))
    for name, column in used.topology.connection_columns.items():
        column[:] = held.get(name, 0)
    used.topology.neuron_columns["momentum"][:] = 0
    used.biases[:] = fresh.biases
    rows = random_rows(13, 6, 4, 40)
    assert np.array_equal(used.learn(X, Y, rows, SGD(0.1)), fresh.learn(X, Y, rows, SGD(0.1)))


@pytest.fixture
def called(monkeypatch):
    """Names of the kernels that are called from now on."""
    names = []
    for module in (small, kernels):
        for name in ("learn", "predict"):
            kernel = getattr(module, name)

            def noted(*arguments, kernel=kernel, module=module, name=name):
                names.append(f"{module.__name__.rpartition('.')[2]}.{name}")
                return kernel(*arguments)

            monkeypatch.setattr(module, name, noted)
    return names


@pytest.mark.parametrize(("bound", "path"), [(0, "small"), (-1, "kernels")])
def test_sizes_alone_choose(called, monkeypatch, bound, path):
    network = random_network(14)
    monkeypatch.setattr(fast, "SMALL", 48 * network.topology.n_connections + bound)
    X, Y = random_data(15, 64)
    network = random_network(14)
    network.learn(X, Y, random_rows(16, 3, 48, 64), SGD())
    network.learn(X, Y, random_rows(16, 3, 49, 64), SGD())
    network.learn(X, Y, random_rows(16, 3, 40, 64), SGD())
    assert called == [f"{path}.learn", "kernels.learn", "small.learn"]


@pytest.mark.parametrize(("lanes", "bound"), [(32, 0), (32, -1), (8, 0), (8, -1)])
def test_where_there_is_one_tile_its_lanes_count(called, monkeypatch, lanes, bound):
    n = random_network(14).topology.n_connections
    monkeypatch.setattr(fast, "ONE_TILE", 1)
    monkeypatch.setattr(fast, "SMALL", lanes * n + bound)
    network, (X, Y) = random_network(14), random_data(15, 64)
    sizes = (lanes, lanes // 2 + 1, lanes + 1)
    for size in sizes:
        network.learn(X, Y, random_rows(16, 3, size, 64), SGD())
    alone = "kernels" if bound else "small"
    # a mini-batch that leaves lanes of its tile empty may still be small by its samples
    assert called == [f"{alone}.learn", "small.learn", "kernels.learn"]


def test_one_path_answers_any_number_of_samples(called, monkeypatch):
    X, _ = random_data(17, 500)
    most = 32 * random_network(18).topology.n_connections
    for bound, path in ((most, "small"), (most - 1, "kernels")):
        monkeypatch.setattr(fast, "SMALL", bound)
        network = random_network(18)
        for n_samples in (1, 32, 33, 500):
            network.predict(X[:n_samples])
        assert called == [f"{path}.predict"] * 4
        called.clear()


def test_threads_do_not_choose():
    X, Y = random_data(19, 40)
    rows = random_rows(20, 10, 8, 40)
    networks = [random_network(21, threads=threads) for threads in (1, 3)]
    losses = [network.learn(X, Y, rows, Adam(0.01), statistics=WATCHED) for network in networks]
    assert losses[0].tobytes() == losses[1].tobytes()
    assert_same_columns(networks[0].topology, networks[1].topology)


def test_momentum_of_what_gets_no_gradient_ends_at_zero():
    topology = Topology(1, 1, "relu")
    topology.apply(Connect([0], [1]))
    network = Network(topology, "mse", dtype="float32")
    network.weights[:], network.biases[:] = -1, -1  # silent for the sample below
    topology.connection_columns.add("momentum", np.float32)[:] = 1
    X = np.ones((1, 1))
    network.learn(X, X, np.zeros((1000, 1), int), SGD(0.01))
    # in single precision, 0.9 times the smallest number is the smallest number again
    assert topology.connection_columns["momentum"][0] == 0


@pytest.mark.parametrize("density", [0.02, 0.3])
def test_preparing_compiles_what_will_be_used(density):
    rng = np.random.default_rng(22)
    topology = erdos_renyi(60, 3, density, rng, hidden=[300, 60])
    network = Network(topology).initialize(rng)
    network.prepare(64)
    modules = (small, kernels)
    before = [len(m.learn.signatures) + len(m.predict.signatures) for m in modules]
    X, Y = random_data(23, 64, 60)
    network.learn(X, Y, random_rows(24, 2, 64, 64), SGD())
    network.predict(X)
    assert before == [len(m.learn.signatures) + len(m.predict.signatures) for m in modules]
    assert (topology.n_connections * 64 <= fast.SMALL) == (density < 0.1)

"""Laws of the statistics that an engine keeps while it learns."""

from __future__ import annotations

import numpy as np
import pytest
from networks import random_data, random_network, random_rows

from plastic.engine import SGD, Statistics
from plastic.engine.statistics import MOMENTS, SALIENCY
from plastic.errors import InvalidParameter

pytestmark = pytest.mark.usefixtures("kernels_of")

ENGINES = ("fast", "nodes")


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_every_is_checked(every):
    message = f"every must be a whole number of at least 1, got {every}"
    with pytest.raises(InvalidParameter, match=message):
        Statistics(every=every)


@pytest.mark.parametrize("rate", [0, -0.1, 1.1, float("nan")])
def test_rate_is_checked(rate):
    with pytest.raises(InvalidParameter, match=rf"rate must lie in \(0, 1\], got {rate}"):
        Statistics(rate=rate)


@pytest.mark.parametrize("discount", [-0.1, 1.1, float("nan")])
def test_discount_is_checked(discount):
    with pytest.raises(
        InvalidParameter, match=rf"discount must lie in \[0, 1\], got {discount}"
    ):
        Statistics(discount=discount)


@pytest.mark.parametrize("saliency", [True, False])
@pytest.mark.parametrize("moments", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_only_what_is_wanted_is_kept(engine, saliency, moments):
    statistics = Statistics(saliency=saliency, moments=moments, every=1)
    assert statistics.wanted == (saliency or moments)
    network = random_network(0, engine=engine)
    X, Y = random_data(0, 10)
    network.learn(X, Y, random_rows(0, 2, 5, 10), SGD(), statistics=statistics)
    topology = network.topology
    assert (SALIENCY in topology.connection_columns) == saliency
    for name in MOMENTS:
        assert (name in topology.neuron_columns) == moments
        assert not moments or topology.neuron_columns[name].dtype == np.float64


def test_attach_keeps_what_is_there():
    network = random_network(1, dtype="float32")
    statistics = Statistics(saliency=True, moments=True)
    statistics.attach(network.topology, network.dtype)
    network.topology.connection_columns[SALIENCY][:] = 2
    network.topology.neuron_columns["activity"][:] = 3
    statistics.attach(network.topology, network.dtype)
    assert set(network.topology.connection_columns[SALIENCY]) == {2}
    assert network.topology.connection_columns[SALIENCY].dtype == np.float32
    assert set(network.topology.neuron_columns["activity"]) == {3}


def expected_statistics(network, X, Y, rows, statistics, rate):
    """The table of `plastic.engine.statistics`, written out item by item."""
    structure = network.topology.structure
    saliency = [0.0] * structure.n_connections
    moments = {name: [0.0] * structure.n_neurons for name in MOMENTS}
    for k, batch in enumerate(rows):
        signals = network.signals(X[batch], Y[batch])
        gradients = network.gradients(X[batch], Y[batch])
        if (network.topology.step + 1) % statistics.every == 0:
            for e in range(structure.n_connections):
                effect = abs(network.weights[e] * gradients.weights[e])
                saliency[e] += statistics.rate * (effect - saliency[e])
            for v in range(structure.n_neurons):
                active = np.mean([abs(y) for y in signals.outputs[v]])
                sensed = np.mean([abs(d) for d in signals.deltas[v]])
                for name, new in zip(
                    MOMENTS, (active, active**2, sensed, sensed**2, 1), strict=True
                ):
                    moments[name][v] = statistics.discount * moments[name][v] + new
        network.learn(X, Y, rows[k : k + 1], SGD(rate))
    return saliency, moments


@pytest.mark.parametrize("batch_size", [5, 32, 45])
@pytest.mark.parametrize("engine", ENGINES)
def test_statistics_are_their_formulas(engine, batch_size):
    statistics = Statistics(saliency=True, moments=True, every=3, rate=0.3, discount=0.7)
    X, Y = random_data(2, 50)
    rows = random_rows(3, 10, batch_size, 50)
    network, twin = (random_network(4, engine=engine) for _ in range(2))
    network.topology.step = twin.topology.step = 4  # observed at steps 6, 9 and 12
    network.learn(X, Y, rows, SGD(0.1), statistics=statistics)
    saliency, moments = expected_statistics(twin, X, Y, rows, statistics, 0.1)
    np.testing.assert_allclose(
        network.topology.connection_columns[SALIENCY], saliency, atol=1e-12
    )
    for name, values in moments.items():
        np.testing.assert_allclose(network.topology.neuron_columns[name], values, atol=1e-12)
    seen = network.topology.neuron_columns["observations"]
    np.testing.assert_allclose(seen, 1 + 0.7 + 0.7**2)


def test_observe_is_its_formulas():
    network = random_network(5)
    topology, rng = network.topology, np.random.default_rng(6)
    statistics = Statistics(saliency=True, moments=True, rate=0.25, discount=0.5)
    statistics.attach(topology, network.dtype)
    gradient = rng.normal(size=topology.n_connections)
    outputs, deltas = rng.normal(size=(2, topology.n_neurons, 7))
    for _ in range(2):
        statistics.observe(topology, gradient, outputs, deltas)
    effect = np.abs(network.weights * gradient)
    np.testing.assert_allclose(
        topology.connection_columns[SALIENCY], (0.25 + 0.75 * 0.25) * effect
    )
    columns = topology.neuron_columns
    active, sensed = np.abs(outputs).mean(axis=1), np.abs(deltas).mean(axis=1)
    np.testing.assert_allclose(columns["activity"], 1.5 * active)
    np.testing.assert_allclose(columns["activity_square"], 1.5 * active**2)
    np.testing.assert_allclose(columns["sensitivity"], 1.5 * sensed)
    np.testing.assert_allclose(columns["sensitivity_square"], 1.5 * sensed**2)
    assert set(columns["observations"]) == {1.5}


@pytest.mark.parametrize("engine", ENGINES)
def test_watching_does_not_change_what_is_learned(engine):
    X, Y = random_data(7, 40)
    rows = random_rows(8, 12, 33, 40)
    watched, plain = (random_network(9, engine=engine) for _ in range(2))
    statistics = Statistics(saliency=True, moments=True, every=1)
    losses = watched.learn(X, Y, rows, SGD(0.1), statistics=statistics)
    assert np.array_equal(plain.learn(X, Y, rows, SGD(0.1)), losses)
    assert np.array_equal(plain.weights, watched.weights)
    assert np.array_equal(plain.biases, watched.biases)


@pytest.mark.parametrize("engine", ENGINES)
def test_extremes_of_rate_and_discount(engine):
    X, Y = random_data(10, 40)
    rows = random_rows(11, 6, 8, 40)
    network = random_network(12, engine=engine)
    statistics = Statistics(saliency=True, moments=True, every=1, rate=1.0, discount=0.0)
    network.learn(X, Y, rows[:-1], SGD(0.1), statistics=statistics)
    gradients = network.gradients(X[rows[-1]], Y[rows[-1]])
    effect = np.abs(network.weights * gradients.weights)
    network.learn(X, Y, rows[-1:], SGD(0.1), statistics=statistics)
    np.testing.assert_allclose(
        network.topology.connection_columns[SALIENCY], effect, atol=1e-14
    )
    columns = network.topology.neuron_columns
    np.testing.assert_allclose(columns["activity_square"], columns["activity"] ** 2)
    assert set(columns["observations"]) == {1}

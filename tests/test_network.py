"""Laws of a network: how it is made, what data it takes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from networks import (
    ENGINES,
    OPTIMIZERS,
    PAIRS,
    WATCHED,
    assert_same_columns,
    random_data,
    random_network,
    random_rows,
    random_topology,
)

from plastic.activations import relu
from plastic.edits import Connect
from plastic.engine import SGD, Adam, Network
from plastic.engine.results import LOSS_BOUND
from plastic.errors import Diverged, InvalidData, InvalidNetwork, InvalidParameter
from plastic.topology import Topology
from plastic.topology.wiring import dense, erk


def small_network(output="sigmoid", loss="mse", **options):
    topology = Topology(2, 1, output)
    topology.apply(Connect([0, 1], [2, 2]))
    return Network(topology, loss, **options)


# ---------------------------------------------------------------------------------- making one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "gpu"}, "engine must be one of 'fast', 'nodes', got 'gpu'"),
        ({"dtype": "float16"}, "dtype must be one of 'float32', 'float64', got 'float16'"),
        ({"dtype": "number"}, "dtype must be one of 'float32', 'float64', got 'number'"),
        ({"dtype": int}, "dtype must be one of"),
        ({"threads": 0}, "threads must be a whole number of at least 1, got 0"),
        ({"threads": 1.5}, "threads must be a whole number of at least 1, got 1.5"),
        ({"loss": "hinge"}, "loss must be one of 'mse', 'cross_entropy', got 'hinge'"),
    ],
)
def test_choices_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        small_network(**options)


@pytest.mark.parametrize("output", ["relu", "tanh", "identity"])
def test_cross_entropy_needs_probabilities(output):
    message = f"cross_entropy needs softmax or sigmoid outputs, got {output}"
    with pytest.raises(InvalidNetwork, match=message):
        small_network(output, "cross_entropy")
    with pytest.raises(InvalidNetwork, match=message):
        Network(Topology(1, 2, ["sigmoid", output]), "cross_entropy")


def test_a_refused_network_leaves_the_topology_alone():
    topology = Topology(2, 1, "relu")
    with pytest.raises(InvalidNetwork):
        Network(topology, "cross_entropy")
    assert not topology.neuron_columns
    assert not topology.connection_columns


@pytest.mark.parametrize("dtype", [np.float64, "f8", ">f8", np.dtype("float64")])
def test_any_spelling_of_a_dtype(dtype):
    network = small_network(dtype=dtype)
    assert network.dtype == np.float64
    assert network.dtype.isnative
    assert "float64" in repr(network)


def test_parameters_that_are_there_are_taken_over():
    topology = erk(4, 3, 0.5, np.random.default_rng(0), hidden=[6])
    double = Network(topology, dtype="float64").initialize(np.random.default_rng(1))
    held = double.weights.copy()
    again = Network(topology, dtype="float64")
    assert np.array_equal(again.weights, held)
    single = Network(topology)
    assert np.array_equal(single.weights, held.astype(np.float32))
    assert single.biases.dtype == np.float32


def test_initialize_draws_by_true_fan_in():
    topology = erk(400, 200, 0.1, np.random.default_rng(0), hidden=[300], activation="relu")
    network = Network(topology, dtype="float64")
    network.biases[:] = 3
    assert network.initialize(np.random.default_rng(1)) is network
    assert not network.biases.any()
    structure = topology.structure
    fan_in = np.diff(structure.indptr)[structure.targets]
    gain = np.where(structure.activations == relu.code, 2.0, 1.0)[structure.targets]
    scaled = network.weights * np.sqrt(fan_in / gain)
    for group in (1, 2):
        of = structure.groups[structure.targets] == group
        assert abs(scaled[of].mean()) < 5 / np.sqrt(of.sum())
        assert abs(scaled[of].std() - 1) < 5 / np.sqrt(2 * of.sum())
    twin = Network(topology, dtype="float64").initialize(np.random.default_rng(1))
    assert np.array_equal(twin.weights, network.weights)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_without_biases_none_is_used_or_learned(optimizer):
    X, Y = random_data(0, 20)
    rows = random_rows(1, 20, 8, 20)
    answers = []
    for engine in ENGINES:
        network = random_network(2, engine=engine, biases=False)
        held = network.biases.copy()
        assert held.any()
        network.learn(X, Y, rows, optimizer)
        assert np.array_equal(network.biases, held)
        answers.append(network.predict(X))
        network.biases[:] = 0
        assert np.array_equal(network.predict(X), answers[-1])
    np.testing.assert_allclose(*answers, atol=1e-10)


# ------------------------------------------------------------------------------------ its data


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.zeros((4, 3)), np.zeros((4, 1)), r"X must be of shape \(n_samples, 2\)"),
        (np.zeros(4), np.zeros((4, 1)), r"X must be of shape .* got \(4,\)"),
        (np.float64(1.0), np.zeros((4, 1)), r"X must be of shape .* got \(\)"),
        (np.zeros((0, 2)), np.zeros((0, 1)), "X must hold at least one sample"),
        (np.zeros((4, 2)), np.zeros((3, 1)), r"Y must be of shape \(4, 1\), got \(3, 1\)"),
        (np.zeros((4, 2)), np.zeros((4, 2)), r"Y must be of shape \(4, 1\), got \(4, 2\)"),
        (np.zeros((4, 2)), np.zeros(4), r"Y must be of shape \(4, 1\), got \(4,\)"),
        (np.array([["a", "b"]]), np.zeros((1, 1)), "X must hold numbers, got <U1"),
        (np.array([[0, 0], [0, np.nan]]), np.zeros((2, 1)), "X must be finite.*row 1 is not"),
        (np.zeros((3, 2)), np.array([[0], [0], [np.inf]]), "Y must be finite.*row 2 is not"),
        (np.array([[1e300, 0]]), np.zeros((1, 1)), "X must be finite in float32; row 0 is not"),
    ],
)
def test_data_is_checked(engine, X, Y, message):
    network = small_network(engine=engine)
    rows = np.zeros((1, 1), int)
    for use in (
        lambda: network.evaluate(X, Y),
        lambda: network.gradients(X, Y),
        lambda: network.signals(X, Y),
        lambda: network.learn(X, Y, rows, SGD()),
    ):
        with pytest.raises(InvalidData, match=message):
            use()
    if message.startswith("X"):
        with pytest.raises(InvalidData, match=message):
            network.predict(X)
    assert network.topology.step == 0
    assert not network.weights.any()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 4]], "rows must name samples 0 to 3, got 4"),
        ([[-1, 0]], "rows must name samples 0 to 3, got -1"),
        ([0, 1], r"rows must be whole numbers of shape .* got int64 of shape \(2,\)"),
        ([[0.0, 1.0]], "rows must be whole numbers of shape .* got float64"),
        (np.zeros((0, 3), int), r"rows must be .* got int64 of shape \(0, 3\)"),
        (np.zeros((3, 0), int), r"rows must be .* got int64 of shape \(3, 0\)"),
    ],
)
def test_rows_are_checked(engine, rows, message):
    network = small_network(engine=engine)
    with pytest.raises(InvalidData, match=message):
        network.learn(np.ones((4, 2)), np.ones((4, 1)), rows, SGD())
    assert not network.weights.any()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ([0.1], r"rates must be of shape \(3,\), got \(1,\)"),
        (np.ones((3, 1)), r"rates must be of shape \(3,\), got \(3, 1\)"),
        ([0.1, -0.1, 0.1], r"rates must lie in \[0, 1e\+06\], got -0.1"),
        ([0.1, np.nan, 0.1], r"rates must lie in \[0, 1e\+06\], got nan"),
        ([0.1, 0.1, 1e9], r"rates must lie in \[0, 1e\+06\], got 1000000000.0"),
    ],
)
def test_rates_are_checked(engine, rates, message):
    network = small_network(engine=engine)
    with pytest.raises(InvalidParameter, match=message):
        network.learn(
            np.ones((4, 2)), np.ones((4, 1)), np.zeros((3, 2), int), SGD(), rates=rates
        )
    assert not network.weights.any()
    assert "momentum" not in network.topology.connection_columns


@pytest.mark.parametrize("engine", ENGINES)
def test_rates_by_default_are_those_of_the_optimizer(engine):
    X, Y = random_data(3, 20)
    rows = random_rows(4, 10, 8, 20)
    one, other = (random_network(5, engine=engine) for _ in range(2))
    one.learn(X, Y, rows, SGD(0.25))
    other.learn(X, Y, rows, SGD(0.1), rates=np.full(10, 0.25))
    assert_same_columns(one.topology, other.topology)
    held = one.weights.copy()
    one.learn(X, Y, rows, SGD(0.25), rates=np.zeros(10))
    assert np.array_equal(one.weights, held)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_evaluate_is_the_loss_of_the_answers(output, loss):
    network = random_network(6, output=output, loss=loss)
    X, Y = random_data(7, 40)
    value, answers = network.evaluate(X, Y)
    assert np.array_equal(answers, network.predict(X))
    if loss == "mse":
        expected = 0.5 * ((answers - Y) ** 2).sum() / len(X)
    elif output == "softmax":
        expected = -(Y * np.log(answers)).sum() / len(X)
    else:
        expected = -(Y * np.log(answers) + (1 - Y) * np.log(1 - answers)).sum() / len(X)
    assert value == pytest.approx(expected, rel=1e-12)


# ---------------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("optimizer", [SGD(30.0), Adam(1e4)], ids=repr)
def test_divergence_stops_before_the_update(optimizer):
    X, Y = random_data(8, 40)
    rows = random_rows(9, 200, 16, 40)
    networks = []
    for engine in ENGINES:
        network = random_network(10, "identity", "identity", "mse", engine=engine)
        network.topology.step = 7
        with pytest.raises(Diverged) as caught:
            network.learn(X, Y, rows, optimizer, statistics=WATCHED)
        done = network.topology.step - 7
        assert 0 < done < len(rows)
        assert f"at step {network.topology.step};" in str(caught.value)
        assert np.isfinite(network.weights).all()
        assert network.gradients(X[rows[done]], Y[rows[done]]).loss > LOSS_BOUND
        twin = random_network(10, "identity", "identity", "mse", engine=engine)
        twin.topology.step = 7
        losses = twin.learn(X, Y, rows[:done], optimizer, statistics=WATCHED)
        assert len(losses) == done
        assert losses.max() <= LOSS_BOUND
        assert_same_columns(network.topology, twin.topology)
        networks.append(network)
    assert networks[0].topology.step == networks[1].topology.step


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_a_loss_that_is_no_number_is_seen(output, loss, threads):
    X, Y = random_data(11, 40)
    network = random_network(12, "relu", output, loss, dtype="float32", threads=threads)
    structure = network.topology.structure
    into_output = structure.kinds[structure.targets] == 2
    network.weights[np.flatnonzero(into_output)[0]] = np.nan
    held = network.weights.copy()
    with pytest.raises(Diverged, match="the loss is nan at step 0"):
        network.learn(X, Y, random_rows(13, 3, 8, 40), SGD())
    assert network.weights.tobytes() == held.tobytes()
    assert network.topology.step == 0


# ------------------------------------------------------------------------------------- its use


def test_a_dense_network_learns_xor():
    rng = np.random.default_rng(27)
    topology = dense(2, 2, 1.0, rng, hidden=[8], activation="tanh")
    network = Network(topology).initialize(rng)
    X, Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.eye(2)[[0, 1, 1, 0]]
    network.learn(X, Y, np.tile(np.arange(4), (300, 1)), Adam(0.05))
    assert network.predict(X).argmax(axis=1).tolist() == [0, 1, 1, 0]


def test_shared_topology_is_seen_by_both():
    topology = random_topology(28)
    fast, nodes = (Network(topology, engine=e, dtype="float64") for e in ENGINES)
    fast.initialize(np.random.default_rng(29))
    X, Y = random_data(30, 20)
    fast.learn(X, Y, random_rows(31, 10, 8, 20), SGD(0.1))
    np.testing.assert_allclose(nodes.predict(X), fast.predict(X), atol=1e-12)


@pytest.mark.parametrize("engine", ["fast", "nodes"])
def test_preparing_changes_nothing(engine):
    network = random_network(3, engine=engine)
    step = network.topology.step
    before = network.weights.copy(), network.biases.copy(), set(network.topology.neuron_columns)
    network.prepare()
    after = network.weights, network.biases, set(network.topology.neuron_columns)
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one, other)
    assert network.topology.step == step


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True])
def test_preparing_asks_for_a_size(batch_size):
    message = f"batch_size must be a whole number of at least 1, got {batch_size}"
    with pytest.raises(InvalidParameter, match=message):
        random_network(4).prepare(batch_size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_numbers_are_numbers(dtype):
    network = random_network(5, dtype=dtype)
    X = np.full((3, 4), np.finfo(dtype).max)
    network.weights[:] = 0
    assert np.isfinite(network.predict(X)).all()  # and no warning says otherwise

"""Laws of computing: both engines give the same gradients and learn the same.

The relative error of a gradient is the largest absolute difference of any of its components,
over the largest absolute component of the gradient it is compared with; weights and biases
count as one gradient.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import (
    HIDDEN,
    PAIRS,
    assert_same_columns,
    drawn,
    random_data,
    random_network,
    random_rows,
    random_topology,
    smooth_data,
)

from plastic.edits import AddNeurons, Connect, Disconnect
from plastic.engine import SGD, Adam, Network, Statistics, kernels, small
from plastic.topology import Topology, wiring

pytestmark = pytest.mark.usefixtures("kernels_of")

BATCH_SIZES = (1, 31, 32, 33, 70)
ENGINES = ("fast", "nodes")
STEP = 1e-6
WIRINGS = ("dense", "erdos_renyi", "erk", "random_dag", "small_world", "scale_free", "minimal")
OPTIMIZERS = (
    SGD(0.05, momentum=0.0),
    SGD(0.05, momentum=0.9, weight_decay=1e-3),
    Adam(0.01),
    Adam(0.01, weight_decay=0.02, decoupled=False),
    Adam(0.01, weight_decay=0.02, decoupled=True),
)


def relative_error(gradients, expected):
    mine, theirs = (np.concatenate([g.weights, g.biases]) for g in (gradients, expected))
    return np.abs(mine - theirs).max() / np.abs(theirs).max()


def difference_quotients(network, X, Y):
    """Central finite differences of the loss by every weight and bias."""
    quotients = []
    learned = np.flatnonzero(network.topology.structure.kinds != 0)
    for values, places in (
        (network.weights, np.arange(len(network.weights))),
        (network.biases, learned),
    ):
        found = np.zeros(len(values))
        for place in places:
            held, losses = values[place], []
            for value in (held + STEP, held - STEP):
                values[place] = value
                losses.append(network.evaluate(X, Y)[0])
            values[place] = held
            found[place] = (losses[0] - losses[1]) / (2 * STEP)
        quotients.append(found)
    loss, _ = network.evaluate(X, Y)
    return type(network.gradients(X, Y))(loss, *quotients)


def check_gradients(seed, hidden, output, loss, batch_size):
    fast, nodes = (
        random_network(seed, hidden, output, loss, engine=engine) for engine in ENGINES
    )
    X, Y = smooth_data(nodes, seed, batch_size)
    gradients, expected = fast.gradients(X, Y), nodes.gradients(X, Y)
    assert relative_error(gradients, expected) < 1e-10
    assert relative_error(gradients, difference_quotients(fast, X, Y)) < 1e-6
    assert gradients.loss == pytest.approx(expected.loss, rel=1e-12)
    assert gradients.loss == pytest.approx(fast.evaluate(X, Y)[0], rel=1e-12)
    np.testing.assert_allclose(fast.predict(X), nodes.predict(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradients_match_finite_differences_and_nodes(hidden, output, loss):
    first = 100 * (HIDDEN.index(hidden) * len(PAIRS) + PAIRS.index((output, loss)))
    for seed, batch_size in enumerate(BATCH_SIZES, start=first):
        check_gradients(seed, hidden, output, loss, batch_size)


@pytest.mark.parametrize("output", [["sigmoid", "identity", "relu"], ["tanh", "relu", "tanh"]])
def test_gradients_of_mixed_activations(output):
    for seed, batch_size in enumerate(BATCH_SIZES, start=9000):
        check_gradients(seed, "mixed", output, "mse", batch_size)


def test_random_topologies_hold_every_oddity():
    for seed in range(5):
        structure = random_topology(seed, "tanh", "sigmoid").structure
        ways_in, ways_out = np.diff(structure.indptr), np.diff(structure.out.indptr)
        hidden = structure.kinds == 1
        assert (ways_in[hidden] == 0).any()
        assert (ways_out[hidden] == 0).any()
        assert ways_out[structure.inputs[0]] == 0
        assert ways_out[structure.outputs].any()
        assert (np.diff(structure.neuron_ids) > 1).any()
        skips = structure.kinds[structure.sources] == 0
        assert (structure.kinds[structure.targets[skips]] == 2).any()


@pytest.mark.parametrize("name", WIRINGS)
def test_engines_agree_on_every_wiring(name):
    options = {"density": 1.0 if name == "dense" else 0.4}
    if name in ("dense", "erdos_renyi", "erk"):
        options |= {"hidden": [12, 9]}
    elif name != "minimal":
        options |= {"n_hidden": 20}
    networks = [
        Network(
            getattr(wiring, name)(20, 3, rng=np.random.default_rng(1), **options),
            engine=engine,
            dtype="float64",
        )
        for engine in ENGINES
    ]
    X, Y = random_data(2, 40, n_inputs=20)
    for network in networks:
        network.initialize(np.random.default_rng(3))
    fast, nodes = (network.gradients(X, Y) for network in networks)
    assert relative_error(fast, nodes) < 1e-10


@pytest.mark.parametrize("n_sources", [1, 7, 8, 9, 15, 16, 17, 24, 31])
def test_rows_of_every_length(n_sources):
    topology = Topology(n_sources, 1)
    topology.apply(Connect(np.arange(n_sources), np.full(n_sources, n_sources)))
    network = drawn(Network(topology, "mse", dtype="float64"), n_sources)
    X, Y = random_data(n_sources, 45, n_sources, 1)
    error = X @ network.weights + network.biases[-1] - Y[:, 0]
    gradients = network.gradients(X, Y)
    np.testing.assert_allclose(gradients.weights, error @ X / 45, atol=1e-13)
    np.testing.assert_allclose(gradients.biases[-1], error.mean(), atol=1e-13)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_signals_agree_and_make_up_the_gradient(output):
    fast, nodes = (random_network(4, output=output, engine=e) for e in ENGINES)
    X, Y = random_data(5, 33)
    mine, theirs = fast.signals(X, Y), nodes.signals(X, Y)
    np.testing.assert_allclose(mine.outputs, theirs.outputs, atol=1e-12)
    np.testing.assert_allclose(mine.deltas, theirs.deltas, atol=1e-12)
    assert mine.loss == pytest.approx(theirs.loss, rel=1e-12)
    structure = fast.topology.structure
    assert not mine.deltas[structure.inputs].any()
    assert np.array_equal(mine.outputs[structure.inputs], X.T)
    assert np.array_equal(mine.outputs[structure.outputs].T, fast.predict(X))
    products = mine.outputs[structure.sources] * mine.deltas[structure.targets]
    gradients = fast.gradients(X, Y)
    np.testing.assert_allclose(gradients.weights, products.mean(axis=1), atol=1e-14)
    np.testing.assert_allclose(gradients.biases, mine.deltas.mean(axis=1), atol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n_samples", [8, 40])
def test_results_outlive_the_next_pass(engine, n_samples):
    network = random_network(6, engine=engine)
    X, Y = random_data(7, 2 * n_samples)
    signals = network.signals(X[:n_samples], Y[:n_samples])
    gradients = network.gradients(X[:n_samples], Y[:n_samples])
    kept = [a.copy() for a in (signals.outputs, signals.deltas, gradients.weights)]
    network.signals(X[n_samples:], Y[n_samples:])
    network.gradients(X[n_samples:], Y[n_samples:])
    for before, after in zip(
        kept, (signals.outputs, signals.deltas, gradients.weights), strict=True
    ):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_engines_learn_the_same(optimizer, biases):
    X, Y = random_data(8, 60)
    rows = random_rows(9, 64, 37, len(X))
    rates = optimizer.learning_rate * np.linspace(1, 0, len(rows))
    watched = Statistics(saliency=True, moments=True, every=3, rate=0.2, discount=0.8)
    fast, nodes = (random_network(10, engine=e, biases=biases) for e in ENGINES)
    start = fast.weights.copy()
    losses = [
        network.learn(X, Y, rows, optimizer, rates=rates, statistics=watched)
        for network in (fast, nodes)
    ]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-9)
    assert_same_columns(fast.topology, nodes.topology, tolerance=1e-9)
    np.testing.assert_allclose(fast.predict(X), nodes.predict(X), atol=1e-9)
    assert np.abs(fast.weights - start).max() > 0.01
    assert fast.topology.step == nodes.topology.step == len(rows)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_engines_learn_the_same_at_every_output(output, loss):
    X, Y = random_data(11, 40)
    rows = random_rows(12, 60, 8, len(X))
    fast, nodes = (random_network(13, "tanh", output, loss, engine=e) for e in ENGINES)
    losses = [network.learn(X, Y, rows, SGD(0.02)) for network in (fast, nodes)]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-9)
    assert_same_columns(fast.topology, nodes.topology, tolerance=1e-9)
    assert losses[0][-10:].mean() < losses[0][:10].mean()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_single_precision_stays_close_to_double(optimizer):
    X, Y = random_data(14, 60)
    rows = random_rows(15, 60, 37, len(X))
    watched = Statistics(saliency=True, moments=True, every=2)
    single, double = (random_network(16, "tanh", dtype=d) for d in ("float32", "float64"))
    losses = [
        network.learn(X, Y, rows, optimizer, statistics=watched) for network in (single, double)
    ]
    assert single.weights.dtype == np.float32
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert_same_columns(single.topology, double.topology, tolerance=1e-3)
    np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-3)


@pytest.mark.parametrize("optimizer", [SGD(0.1, weight_decay=0.01), Adam(0.01)], ids=repr)
def test_one_stretch_equals_many(optimizer):
    X, Y = random_data(17, 50)
    rows = random_rows(18, 30, 33, len(X))
    watched = Statistics(saliency=True, moments=True, every=4)
    whole, pieces = random_network(19), random_network(19)
    losses = whole.learn(X, Y, rows, optimizer, statistics=watched)
    parts = [
        pieces.learn(X, Y, part, optimizer, statistics=watched)
        for part in (rows[:1], rows[1:10], rows[10:])
    ]
    assert np.array_equal(losses, np.concatenate(parts))
    assert_same_columns(whole.topology, pieces.topology)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("n_samples", [31, 33, 70])
def test_the_place_of_a_sample_in_its_tile_does_not_matter(output, n_samples):
    network = random_network(20, output=output)
    X, Y = random_data(21, n_samples)
    turned = np.roll(np.arange(n_samples), 13)
    straight, rolled = network.signals(X, Y), network.signals(X[turned], Y[turned])
    np.testing.assert_allclose(rolled.outputs, straight.outputs[:, turned], atol=1e-12)
    np.testing.assert_allclose(rolled.deltas, straight.deltas[:, turned], atol=1e-12)
    gradients = network.gradients(X, Y)
    assert relative_error(network.gradients(X[turned], Y[turned]), gradients) < 1e-12
    one_by_one = [network.gradients(X[k : k + 1], Y[k : k + 1]) for k in range(n_samples)]
    mean = np.mean([single.weights for single in one_by_one], axis=0)
    np.testing.assert_allclose(gradients.weights, mean, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_predictions_at_once_are_those_one_by_one(output, dtype):
    network = random_network(22, output=output, loss="mse", dtype=dtype)
    X, _ = random_data(23, 70)
    at_once = network.predict(X)
    one_by_one = np.concatenate([network.predict(X[k : k + 1]) for k in range(len(X))])
    assert at_once.dtype == dtype
    assert at_once.tobytes() == one_by_one.tobytes()


def test_what_a_larger_batch_left_behind_does_not_matter():
    X, Y = random_data(24, 64)
    used, fresh = random_network(25), random_network(25)
    used.gradients(100 * X, Y)  # fills every lane of two tiles
    for n_samples in (40, 33):
        mine, theirs = (n.gradients(X[:n_samples], Y[:n_samples]) for n in (used, fresh))
        assert np.array_equal(mine.weights, theirs.weights)
        assert np.array_equal(mine.biases, theirs.biases)
        assert mine.loss == theirs.loss


def test_batches_of_changing_size_need_no_new_network():
    X, Y = random_data(26, 100)
    used = random_network(27)
    for n_samples in (70, 1, 33, 100, 32):
        mine = used.gradients(X[:n_samples], Y[:n_samples])
        theirs = random_network(27).gradients(X[:n_samples], Y[:n_samples])
        assert np.array_equal(mine.weights, theirs.weights)
        used.predict(X[:5])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_edit_of_the_topology_itself_renews_the_plan(engine):
    network = random_network(28, "tanh", engine=engine)
    X, Y = random_data(29, 40)
    before = network.predict(X)
    topology = network.topology
    topology.apply(Disconnect(topology.structure.connection_ids[:3], keep_stranded=True))
    topology.apply(AddNeurons(1, "tanh", keep_stranded=True))
    newborn = int(topology.structure.neuron_ids[-1])
    topology.apply(Connect([1, newborn], [newborn, 5], columns={"weight": np.array([0.5, 2])}))
    fresh = Network(topology, engine=engine, dtype="float64")
    assert np.array_equal(network.predict(X), fresh.predict(X))
    assert not np.allclose(network.predict(X), before)
    mine, theirs = network.gradients(X, Y), fresh.gradients(X, Y)
    assert np.array_equal(mine.weights, theirs.weights)
    assert mine.weights.shape == (topology.n_connections,)
    assert mine.biases.shape == (topology.n_neurons,)


@pytest.mark.parametrize("optimizer", [SGD(0.5), Adam(0.1)], ids=repr)
def test_without_a_connection_only_biases_learn(optimizer):
    X, Y = random_data(30, 40)
    rows = random_rows(31, 20, 8, len(X))
    pair = [Network(Topology(4, 3, "softmax"), engine=e, dtype="float64") for e in ENGINES]
    losses = [n.learn(X, Y, rows, optimizer, statistics=Statistics(True, True)) for n in pair]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-12)
    np.testing.assert_allclose(pair[0].biases, pair[1].biases, atol=1e-12)
    assert pair[0].biases[4:].all()


@pytest.mark.parametrize("weight", [-800.0, 800.0])
@pytest.mark.parametrize(("output", "loss"), PAIRS[:2] + PAIRS[4:])
def test_saturated_outputs_stay_finite(output, loss, weight):
    X, Y = np.ones((3, 1)), np.eye(2)[[0, 1, 0]]
    values = []
    for engine in ENGINES:
        topology = Topology(1, 2, output)
        topology.apply(Connect([0, 0], [1, 2], columns={}))
        network = Network(topology, loss, engine=engine, dtype="float64")
        network.weights[:] = weight, -weight
        gradients = network.gradients(X, Y)
        assert np.isfinite(gradients.loss)
        assert np.isfinite(gradients.weights).all()
        assert gradients.loss == pytest.approx(network.evaluate(X, Y)[0])
        values.append(gradients)
    assert values[0].loss == pytest.approx(values[1].loss, rel=1e-12)
    np.testing.assert_allclose(values[0].weights, values[1].weights, atol=1e-12)


def test_data_of_any_layout_gives_the_same_without_compiling_again(kernels_of):
    X, Y = (np.round(16 * array) / 16 for array in random_data(32, 40))
    rows = random_rows(33, 5, 8, len(X))
    reference = random_network(34, loss="mse")
    losses = reference.learn(X, Y, rows, SGD())
    expected = reference.predict(X)
    used = {"small": small, "large": kernels}[kernels_of]
    compiled = len(used.learn.signatures), len(used.predict.signatures)
    locked = X.copy()
    locked.flags.writeable = False
    bytes_before = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:]
    unaligned = bytes_before.view(np.float64).reshape(X.shape)
    kinds = {
        "locked": (locked, Y, rows),
        "columns first": (np.asfortranarray(X), np.asfortranarray(Y), np.asfortranarray(rows)),
        "strided": (np.repeat(X, 2, axis=0)[::2], Y, np.repeat(rows, 2, axis=1)[:, ::2]),
        "single": (X.astype(np.float32), Y, rows.astype(np.int32)),
        "swapped": (X.astype(">f8"), Y.astype(">f8"), rows.astype(">i8")),
        "unaligned": (unaligned, Y, rows),
        "lists": (X.tolist(), Y.tolist(), rows.tolist()),
    }
    for name, (inputs, targets, batches) in kinds.items():
        network = random_network(34, loss="mse")
        assert np.array_equal(network.learn(inputs, targets, batches, SGD()), losses), name
        assert np.array_equal(network.predict(inputs), expected), name
    assert compiled == (len(used.learn.signatures), len(used.predict.signatures))

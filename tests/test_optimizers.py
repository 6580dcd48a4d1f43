"""Laws of the optimizers: the rule as written, in NumPy and in the kernel."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numba import njit

from plastic.edits import Connect
from plastic.engine import SGD, Adam, Network
from plastic.engine.layout import Rule
from plastic.engine.optimizers import MOST_AGES
from plastic.engine.simd import pointer
from plastic.engine.updates import terms_of, update
from plastic.errors import InvalidParameter
from plastic.topology import Topology

OPTIMIZERS = (
    SGD(0.1, momentum=0.0),
    SGD(0.1, momentum=0.8, weight_decay=0.03),
    Adam(0.02),
    Adam(0.02, beta1=0.7, beta2=0.9, epsilon=1e-3, weight_decay=0.05, decoupled=False),
    Adam(0.02, beta1=0.7, beta2=0.9, epsilon=1e-3, weight_decay=0.05, decoupled=True),
    Adam(0.02, beta1=0.0, beta2=0.0),
)


def fresh_state(optimizer, n, dtype=np.float64):
    kinds = dtype, dtype, np.int32
    pairs = zip(optimizer.slots, kinds, strict=True)
    return {name: np.zeros(n, kind) for name, kind in pairs if name}


def problem(seed, n=5, n_steps=12):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(size=(n_steps, n)), rng.uniform(0.01, 0.1, n_steps)


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.9, 0.0), (0.5, 0.1)])
def test_sgd_is_its_formula(momentum, weight_decay, decay):
    start, gradients, rates = problem(0)
    optimizer = SGD(momentum=momentum, weight_decay=weight_decay)
    values, state = start.copy(), fresh_state(optimizer, len(start))
    w, v = start.tolist(), [0.0] * len(start)
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.step(values, gradient, state, rate, decay=decay)
        for i, g in enumerate(gradient):
            v[i] = momentum * v[i] + g + (weight_decay * w[i] if decay else 0)
            w[i] -= rate * v[i]
    np.testing.assert_allclose(values, w, rtol=1e-12)
    np.testing.assert_allclose(state["momentum"], v, rtol=1e-12)


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.0, 0.5), (0.6, 0.0)])
def test_adam_is_its_formula(beta1, beta2, decoupled, decay):
    start, gradients, rates = problem(1)
    optimizer = Adam(
        beta1=beta1, beta2=beta2, epsilon=1e-6, weight_decay=0.1, decoupled=decoupled
    )
    values, state = start.copy(), fresh_state(optimizer, len(start))
    w, m, v = start.tolist(), [0.0] * len(start), [0.0] * len(start)
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        optimizer.step(values, gradient, state, rate, decay=decay)
        shrink = 0.1 if decay else 0.0
        for i, g in enumerate(gradient):
            g = g if decoupled else g + shrink * w[i]
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            step = m[i] / (1 - beta1**t) / (np.sqrt(v[i] / (1 - beta2**t)) + 1e-6)
            w[i] -= rate * (step + (shrink * w[i] if decoupled else 0))
    np.testing.assert_allclose(values, w, rtol=1e-12)
    np.testing.assert_allclose(state["adam_mean"], m, rtol=1e-12)
    np.testing.assert_allclose(state["adam_square"], v, rtol=1e-12)
    assert set(state["adam_age"]) == {len(gradients)}


@njit
def updated(rule, rate, values, first, second, age, start, gradient, count, scale, decay):
    update(
        terms_of(rule), rate, pointer(values), pointer(first), pointer(second), pointer(age),
        start, pointer(gradient), count, scale, decay,
    )  # fmt: skip


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_the_kernel_is_the_rule(optimizer, decay, dtype, tolerance):
    start, gradients, rates = problem(2)
    values, state = start.copy(), fresh_state(optimizer, len(start))
    kind = np.dtype(dtype).type
    tables = [table.astype(dtype) for table in optimizer.corrections()]
    rule = Rule(optimizer.code, np.array(optimizer.numbers, dtype), *tables)
    mine = np.concatenate([[7.0], start, [9.0]]).astype(dtype)
    columns = [np.zeros(len(mine), dtype), np.zeros(len(mine), dtype)]
    age = np.zeros(len(mine), np.int32)
    held = kind(optimizer.numbers[3] if decay else 0)
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.step(values, gradient, state, rate, decay=decay)
        summed = (4 * gradient).astype(dtype)
        updated(rule, kind(rate), mine, *columns, age, 1, summed, len(start), kind(0.25), held)
    np.testing.assert_allclose(mine[1:-1], values, atol=tolerance)
    assert mine[[0, -1]].tolist() == [7.0, 9.0]
    for name, column in zip(optimizer.slots, [*columns, age], strict=True):
        if name:
            np.testing.assert_allclose(column[1:-1], state[name], atol=tolerance)
        assert not column[[0, -1]].any()


N = 100
"""Several whole vectors, and a rest."""


def ages(kind: str, rng: np.random.Generator) -> np.ndarray:
    """All of one age; or the young among the old; or every one of its own."""
    age = np.full(N, 3, np.int32)
    if kind == "some are young":
        age[[5, 40]] = 0
    elif kind == "all differ":
        age[:] = rng.integers(0, 10_000, N)
    return age


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["one age", "some are young", "all differ"])
@pytest.mark.parametrize(
    "optimizer",
    OPTIMIZERS,
    ids=repr,
)
def test_many_at_once_are_updated_as_one_by_one(optimizer, kind, dtype):
    rng = np.random.default_rng(1)
    first, second = (table.astype(dtype) for table in optimizer.corrections())
    rule = Rule(optimizer.code, np.array(optimizer.numbers, dtype), first, second)
    values, velocity, square, gradient = rng.standard_normal((4, N)).astype(dtype)
    start = (values, velocity, square**2, ages(kind, rng))
    rate, scale = np.dtype(dtype).type(0.01), np.dtype(dtype).type(0.125)
    together, apart = [[array.copy() for array in start] for _ in range(2)]
    updated(rule, rate, *together, 3, gradient, N - 5, scale, rule.numbers[3])
    for k in range(N - 5):
        updated(rule, rate, *apart, 3 + k, gradient[k:], 1, scale, rule.numbers[3])
    for name, one, other, before in zip(
        ("value", "first", "second", "age"), together, apart, start, strict=True
    ):
        np.testing.assert_array_equal(one, other, err_msg=name)
        np.testing.assert_array_equal(one[[0, 1, 2, -2, -1]], before[[0, 1, 2, -2, -1]])
    assert (together[0][3:-2] != start[0][3:-2]).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_item_is_on_its_own(optimizer):
    start, gradients, rates = problem(3)
    together, state = start.copy(), fresh_state(optimizer, len(start))
    alone = [(start[i : i + 1].copy(), fresh_state(optimizer, 1)) for i in range(len(start))]
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.step(together, gradient, state, rate, decay=True)
        for i, (value, own) in enumerate(alone):
            optimizer.step(value, gradient[i : i + 1], own, rate, decay=True)
    assert together.tolist() == [value[0] for value, _ in alone]


@pytest.mark.parametrize("decoupled", [True, False])
def test_first_step_of_a_newborn_is_that_of_a_fresh_adam(decoupled):
    optimizer = Adam(0.01, weight_decay=0.1, decoupled=decoupled)
    start, gradients, rates = problem(4)
    values, state = start.copy(), fresh_state(optimizer, len(start))
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.step(values, gradient, state, rate, decay=True)
    values = np.append(values, 0.3)
    state = {
        name: np.append(column, np.zeros(1, column.dtype)) for name, column in state.items()
    }
    optimizer.step(values, np.full(6, 0.5), state, 0.01, decay=True)
    fresh = np.array([0.3])
    optimizer.step(fresh, np.array([0.5]), fresh_state(optimizer, 1), 0.01, decay=True)
    assert values[-1] == fresh[0]
    assert state["adam_age"].tolist() == [13] * 5 + [1]


@pytest.mark.parametrize("engine", ["fast", "nodes"])
def test_a_grown_connection_takes_the_first_step_of_a_fresh_adam(engine):
    X, Y = np.array([[0.5, -2.0]]), np.array([[1.0]])
    topology = Topology(2, 1)
    topology.apply(Connect([0], [2]))
    network = Network(topology, "mse", engine=engine, dtype="float64", biases=False)
    optimizer = Adam(0.01)
    network.learn(X, Y, np.zeros((50, 1), int), optimizer)
    topology.apply(Connect([1], [2]))
    gradient = network.gradients(X, Y).weights[1:]
    network.learn(X, Y, [[0]], optimizer)
    fresh = np.zeros(1)
    optimizer.step(fresh, gradient, fresh_state(optimizer, 1), 0.01, decay=True)
    assert network.weights[1] == pytest.approx(fresh[0], rel=1e-12)
    assert abs(network.weights[1]) == pytest.approx(0.01, rel=1e-6)
    assert topology.connection_columns["adam_age"].tolist() == [51, 1]


@pytest.mark.parametrize("engine", ["fast", "nodes"])
@pytest.mark.parametrize(
    "optimizer", [SGD(0.1, weight_decay=0.5), Adam(0.1, weight_decay=0.5)], ids=repr
)
def test_weights_decay_but_biases_do_not(optimizer, engine):
    topology = Topology(1, 1)
    topology.apply(Connect([0], [1]))
    network = Network(topology, "mse", engine=engine, dtype="float64")
    network.weights[:], network.biases[1] = 2.0, 1.0
    X, Y = np.zeros((1, 1)), np.ones((1, 1))  # all gradients are zero
    network.learn(X, Y, [[0]], optimizer)
    np.testing.assert_allclose(network.weights, 2.0 * (1 - 0.05), rtol=1e-12)
    assert network.biases[1] == 1.0


@pytest.mark.parametrize(
    ("beta1", "beta2"), [(0.9, 0.999), (0.0, 0.0), (0.5, 0.0), (0.99, 0.9)]
)
def test_corrections_end_where_they_are_one(beta1, beta2):
    for table, beta in zip(
        Adam(beta1=beta1, beta2=beta2).corrections(), (beta1, beta2), strict=True
    ):
        ages = np.arange(1, len(table))
        np.testing.assert_allclose(table[1:], 1 / (1 - beta**ages), rtol=1e-15)
        assert table[-1] == 1.0
        assert not table.flags.writeable


def test_corrections_of_an_extreme_beta_are_bounded():
    first, second = Adam(beta2=1 - 1e-9).corrections()
    assert len(first) == len(second) == MOST_AGES + 1


@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize(
    ("name", "value", "interval"),
    [
        ("learning_rate", 0.0, r"\(0, 1000000.0\]"),
        ("learning_rate", -0.1, r"\(0, 1000000.0\]"),
        ("learning_rate", float("nan"), r"\(0, 1000000.0\]"),
        ("learning_rate", float("inf"), r"\(0, 1000000.0\]"),
        ("weight_decay", -1e-9, r"\[0, inf\)"),
        ("weight_decay", float("nan"), r"\[0, inf\)"),
        ("weight_decay", float("inf"), r"\[0, inf\)"),
    ],
)
def test_rates_and_decays_are_checked(kind, name, value, interval):
    with pytest.raises(InvalidParameter, match=f"{name} must lie in {interval}, got {value}"):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("kind", "name"), [(SGD, "momentum"), (Adam, "beta1"), (Adam, "beta2")]
)
@pytest.mark.parametrize("value", [1, 1.0, 1.5, -0.1, float("nan")])
def test_memories_are_checked(kind, name, value):
    with pytest.raises(InvalidParameter, match=rf"{name} must lie in \[0, 1\), got {value}"):
        kind(**{name: value})


@pytest.mark.parametrize("value", [0.0, -1e-8, float("nan"), float("inf")])
def test_epsilon_is_checked(value):
    with pytest.raises(InvalidParameter, match=rf"epsilon must lie in \(0, inf\), got {value}"):
        Adam(epsilon=value)


def test_optimizers_are_frozen_descriptions():
    assert SGD(0.1) == SGD(0.1)
    assert Adam(0.1) != Adam(0.2)
    with pytest.raises(FrozenInstanceError):
        SGD().momentum = 0.5

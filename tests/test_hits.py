"""Laws of right answers: they are those of predictions made just before each step."""

from __future__ import annotations

import numpy as np
import pytest
from networks import random_data, random_network, random_rows

from plastic.engine import SGD, Network, fast
from plastic.errors import Diverged, InvalidParameter
from plastic.selection import Selected, successive_elimination
from plastic.topology.wiring import dense, erk

PATHS = {
    "nodes": {"engine": "nodes"},
    "small": {"bound": 2**62},
    "large": {"bound": -1},
    "threads": {"bound": -1, "threads": 3},
}


@pytest.fixture(params=PATHS)
def make(request, monkeypatch):
    options = dict(PATHS[request.param])
    if (bound := options.pop("bound", None)) is not None:
        monkeypatch.setattr(fast, "SMALL", bound)
    return lambda *arguments: random_network(*arguments, **options)


def hits_one_by_one(network, X, Y, rows, optimizer):
    """Right answers of each mini-batch, by predictions before each step."""
    found = []
    for batch in rows:
        said = network.predict(X[batch]).argmax(axis=1)
        found.append(int(np.sum(said == Y[batch].argmax(axis=1))))
        network.learn(X, Y, batch[None], optimizer)
    return found


@pytest.mark.parametrize("batch_size", [1, 8, 9, 32, 45, 140])
def test_they_are_those_of_predictions_before_each_step(make, batch_size):
    X, Y = random_data(0, 150)
    rows = random_rows(1, 6, batch_size, len(X))
    hits = np.full(len(rows), -1)
    network, twin = make(2), make(2)
    losses = network.learn(X, Y, rows, SGD(0.2), hits=hits)
    assert hits.tolist() == hits_one_by_one(twin, X, Y, rows, SGD(0.2))
    assert 0 < hits.sum() < rows.size or batch_size == 1
    plain = make(2)
    assert plain.learn(X, Y, rows, SGD(0.2)).tobytes() == losses.tobytes()
    assert plain.weights.tobytes() == network.weights.tobytes()


def test_of_equal_outputs_the_first_counts(make):
    network = make(3)
    network.weights[:] = 0
    network.biases[:] = 0
    Y, hits = np.eye(3)[[0, 0, 1, 2, 2]], np.zeros(1, np.int64)
    network.learn(np.ones((5, 4)), Y, np.arange(5)[None], SGD(0.1), hits=hits)
    assert hits.tolist() == [2]


def test_steps_that_were_not_taken_have_none(make):
    X, Y = random_data(4, 40)
    hits = np.full(60, -1)
    network = make(5, "identity", "identity", "mse")
    with pytest.raises(Diverged):
        network.learn(X, Y, random_rows(6, 60, 20, 40), SGD(3.0), hits=hits)
    done = int(np.argmax(hits < 0))
    assert done == network.topology.step > 0
    assert (hits[:done] >= 0).all()
    assert (hits[done:] == -1).all()


@pytest.mark.parametrize("engine", ["fast", "nodes"])
def test_a_selection_answers_with_the_selected(engine):
    X, Y = random_data(7, 90)
    found = []
    for one_by_one in (False, True):
        rng = np.random.default_rng(8)
        network = Selected(
            dense(4, 3, 1.0, rng, hidden=[16]), selector=successive_elimination(keep=0.25),
            n_steps=60, rng=rng, engine=engine,
        ).initialize(rng)  # fmt: skip
        rows = random_rows(9, network.timetable.n_steps, 30, len(X))
        hits = np.full(len(rows), -1)
        if one_by_one:
            for k in range(len(rows)):
                network.learn(X, Y, rows[k : k + 1], SGD(0.1), hits=hits[k : k + 1])
        else:
            network.learn(X, Y, rows, SGD(0.1), hits=hits)
        found.append(hits.tolist())
    assert found[0] == found[1]
    assert all(0 <= count <= 30 for count in found[0])
    with pytest.raises(InvalidParameter, match="hits must be a contiguous, writable int64"):
        network.learn(X, Y, rows, SGD(0.1), hits=np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("hits", "message"),
    [
        (np.zeros(4, np.int64), r"of shape \(3,\), got int64 of shape \(4,\)"),
        (np.zeros(3), r"of shape \(3,\), got float64 of shape \(3,\)"),
        ([0, 0, 0], r"of shape \(3,\), got list of shape \(3,\)"),
        (np.zeros(6, np.int64)[::2], r"a contiguous, writable int64 array"),
        (np.broadcast_to(np.int64(0), 3), r"a contiguous, writable int64 array"),
    ],
)
def test_there_must_be_room_for_them(hits, message):
    network = Network(erk(4, 3, 0.5, np.random.default_rng(0), hidden=[6]))
    X, Y = random_data(10, 20)
    with pytest.raises(InvalidParameter, match=message):
        network.learn(X, Y, random_rows(11, 3, 5, 20), SGD(0.1), hits=hits)
    assert network.topology.step == 0

"""How much of a known truth a network recovers, whatever its neurons are called."""

import numpy as np
import pytest

from plastic import datasets
from plastic.datasets import Truth
from plastic.errors import InvalidData


@pytest.fixture(scope="module")
def truth():
    return datasets.sparse_teacher(np.random.default_rng(0)).truth


def test_a_network_wired_like_the_teacher_recovers_all(truth):
    inputs, units = np.nonzero(truth.connections)
    renamed = np.random.default_rng(1).permutation(1000)[units]  # neuron ids are arbitrary
    assert datasets.recovered(truth, inputs, renamed) == {
        "truth_precision": 1.0,
        "truth_recall": 1.0,
    }
    twice = np.tile(inputs, 2), np.tile(renamed, 2)
    assert datasets.truth_recall(truth, *twice) == 1


def test_an_empty_network_recovers_nothing(truth):
    assert np.isnan(datasets.truth_precision(truth, [], []))
    assert datasets.truth_recall(truth, [], []) == 0


def test_a_random_network_is_as_precise_as_chance(truth):
    random = np.random.default_rng(2)
    inputs, neurons = np.nonzero(random.random((100, 500)) < 0.1)
    precision = datasets.truth_precision(truth, inputs, neurons)
    assert precision == pytest.approx(len(truth.relevant_inputs) / 100, abs=0.02)
    few = neurons < 12
    assert 0 < datasets.truth_recall(truth, inputs[few], neurons[few]) < 0.5


def test_recall_matches_one_to_one(truth):
    relevant = truth.relevant_inputs
    one = datasets.truth_recall(truth, relevant, np.zeros_like(relevant))
    most = truth.connections.sum(axis=0).max()
    assert one == most / truth.connections.sum()  # one neuron stands for one unit only
    n_units = truth.connections.shape[1]
    all_of_them = np.repeat(relevant, n_units), np.tile(np.arange(n_units), len(relevant))
    assert datasets.truth_recall(truth, *all_of_them) == 1


def test_recall_is_the_best_matching():
    from itertools import permutations

    random = np.random.default_rng(5)
    connections = random.random((6, 4)) < 0.5
    network = random.random((6, 4)) < 0.5
    known = Truth(np.flatnonzero(connections.any(axis=1)), connections)
    best = max((connections & network[:, list(p)]).sum() for p in permutations(range(4)))
    assert datasets.truth_recall(known, *np.nonzero(network)) == best / connections.sum()


def test_bad_pairs_are_refused(truth):
    with pytest.raises(InvalidData, match="flat arrays of the same length"):
        datasets.truth_recall(truth, [1, 2], [1])
    with pytest.raises(InvalidData, match="input 100 does not exist: there are 100 inputs"):
        datasets.truth_precision(truth, [1, 100], [1, 1])
    with pytest.raises(InvalidData, match="the truth has no connections"):
        datasets.truth_recall(Truth([], np.zeros((3, 2))), [1], [1])

"""Pruning by whole masks and by scores: what is looked at, billed and pruned."""

from __future__ import annotations

import numpy as np
import pytest

from plastic.bandits.masks import RULES
from plastic.checks import check_policy
from plastic.engine import SGD, Network
from plastic.errors import InvalidParameter
from plastic.policies import MaskPruning, ScorePruning
from plastic.policies.mask_pruning import SCORES, error_rate, one_step, relative_magnitude
from plastic.signals import NetworkView
from plastic.topology import Constraints, Kind
from plastic.topology.wiring import dense


@pytest.fixture
def task():
    """A trained network in which half of the hidden neurons are of no use, and its view."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    Y = np.eye(3)[(X @ rng.normal(size=(6, 3))).argmax(axis=1)]
    topology = dense(6, 3, 1.0, rng, hidden=[16], output_activation="softmax")
    network = Network(topology).initialize(rng)
    structure = topology.structure
    useless = np.flatnonzero(structure.kinds == Kind.HIDDEN)[::2]
    network.weights[np.isin(structure.sources, useless)] = 0
    network.weights[np.isin(structure.targets, useless)] = 3  # large, to mislead magnitude
    kept = np.isin(structure.sources, useless)
    for rows in rng.integers(0, 400, (300, 1, 32)):
        network.learn(X, Y, rows, SGD(0.1))
        network.weights[kept] = 0
    network.weights[kept] = 1e-3
    view = NetworkView(network, X[:20], Y[:20], 100, data=(X, Y))
    return network, view, X, Y, set(structure.neuron_ids[useless].tolist())


@pytest.mark.parametrize("policy", [MaskPruning(0.5, 600), ScorePruning(0.5, "fisher")])
def test_neurons_of_no_use_are_found(task, policy):
    network, view, X, Y, useless = task
    before = network.evaluate(X, Y)[0]
    (edit,) = policy.propose(view, np.random.default_rng(1)).edits
    assert len(edit) == 8
    assert len(useless & set(edit.ids.tolist())) >= 7
    network.apply(edit)
    assert network.evaluate(X, Y)[0] < before + 0.1


@pytest.mark.parametrize("rule", RULES)
def test_pulls_are_counted_and_billed(task, rule):
    network, view, *_ = task
    proposal = MaskPruning(0.5, 50, rule, batch_size=16).propose(view, np.random.default_rng(0))
    assert view.bill.flops == 50 * 2 * 16 * network.topology.n_connections
    assert proposal.arms["pulls"].sum() == 50 * 8
    assert len(proposal.arms["arm"]) == 16


def test_an_error_rate_is_enough(task):
    _, view, _, _, useless = task
    policy = MaskPruning(0.5, 900, cost="error")
    (edit,) = policy.propose(view, np.random.default_rng(1)).edits
    assert len(useless & set(edit.ids.tolist())) >= 6


def test_looking_changes_no_weight(task):
    network, view, *_ = task
    before = network.weights.tobytes()
    for policy in (MaskPruning(pulls=40), *(ScorePruning(score=s, pulls=40) for s in SCORES)):
        policy.propose(view, np.random.default_rng(0))
    assert network.weights.tobytes() == before


def test_gates_are_the_gradient_by_a_factor_on_each_output(task):
    """Central differences of each sample's loss by a factor on the weights out of a neuron."""
    network, *_ = task
    network = Network(network.topology, dtype="float64")
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(5, 6)), np.eye(3)[rng.integers(0, 3, 5)]
    view = NetworkView(network, X, Y, 10)
    structure = network.topology.structure
    hidden = np.flatnonzero(structure.kinds == Kind.HIDDEN)
    silent = np.zeros(structure.n_neurons, bool)
    silent[hidden[3]] = True
    gates = view.gates(silent, np.arange(5))
    weights, whole = network.weights, network.weights.copy()
    for slot in hidden:
        out = structure.sources == slot
        for sample in range(5):
            losses = []
            for factor in (1e-5, -1e-5):
                gate = np.where(silent, 0.0, 1.0)
                gate[slot] += factor
                weights[:] = whole * gate[structure.sources]
                one = slice(sample, sample + 1)
                losses.append(network.evaluate(X[one], Y[one])[0])
            weights[:] = whole
            slope = (losses[0] - losses[1]) / 2e-5
            assert gates[slot, sample] == pytest.approx(slope, abs=1e-7)
        assert out.any()


def test_magnitudes_are_relative_to_the_group(task):
    _, view, *_ = task
    worth = relative_magnitude(view)
    hidden = view.structure.kinds == Kind.HIDDEN
    assert worth[hidden].mean() == pytest.approx(1)


def test_protected_neurons_are_not_pruned(task):
    network, view, X, Y, useless = task
    kept = sorted(useless)[:4]
    network.topology.constrain(Constraints(protected_neurons=kept))
    view = NetworkView(network, X[:20], Y[:20], 100, data=(X, Y))
    for policy in (MaskPruning(0.9, 60), ScorePruning(0.9)):
        (edit,) = policy.propose(view, np.random.default_rng(0)).edits
        network.apply(*network.apply(edit))
        assert not set(kept) & set(edit.ids.tolist())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_keeps_the_contract(rule):
    check_policy(lambda: MaskPruning(0.5, 30, rule, at=0.5), n_steps=60)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_keeps_the_contract(score):
    check_policy(lambda: ScorePruning(0.5, score, pulls=30, at=0.5), n_steps=60)


def test_the_one_step_is_never_the_last():
    assert [one_step(at, 10).item() for at in (0.01, 0.5, 1.0)] == [1, 5, 9]


def test_error_rate_of_a_single_output():
    answers, targets = np.array([[0.9], [0.4], [2.0]]), np.array([[1.0], [0.0], [1.0]])
    assert error_rate(answers, targets) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: MaskPruning(fraction=1), r"fraction must lie in \[0, 1\)"),
        (lambda: MaskPruning(pulls=0), "pulls must be a whole number"),
        (lambda: MaskPruning(sampling="best"), "sampling must be one of"),
        (lambda: MaskPruning(cost="time"), "cost must be one of"),
        (lambda: MaskPruning(batch_size=0), "batch_size must be a whole number"),
        (lambda: MaskPruning(at=0), "at must lie in"),
        (lambda: ScorePruning(fraction=-1), "fraction must lie in"),
        (lambda: ScorePruning(score="size"), "score must be one of"),
        (lambda: ScorePruning(rounds=0), "rounds must be a whole number"),
        (lambda: ScorePruning(pulls=0), "pulls must be a whole number"),
        (lambda: ScorePruning(rate=-1), "rate must lie in"),
        (lambda: ScorePruning(batch_size=0), "batch_size must be a whole number"),
        (lambda: ScorePruning(at=2), "at must lie in"),
    ],
)
def test_bad_parameters_are_refused(make, rule):
    with pytest.raises(InvalidParameter, match=rule):
        make()

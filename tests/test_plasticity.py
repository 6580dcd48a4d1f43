"""Critical periods: openness by step, group and age, and what it closes to policies."""

from __future__ import annotations

import numpy as np
import pytest

from plastic.engine import Network
from plastic.errors import InvalidParameter
from plastic.plasticity import (
    Constant,
    CosineFall,
    CriticalPeriod,
    Juvenile,
    Moment,
    ReopensOnPlateau,
    draw_open,
)
from plastic.policies import GradualNeurons, rigl
from plastic.signals import NetworkView
from plastic.topology import Kind
from plastic.topology.wiring import erk

RULES = [
    Constant(),
    Constant(0.3),
    CosineFall(0.5),
    CriticalPeriod(0.4, [(1, 0.1)]),
    Juvenile(50),
    ReopensOnPlateau(),
]


def moment(step=0, n_steps=100, groups=(0, 1, 2), ages=None):
    groups = np.array(groups)
    return Moment(
        step, n_steps, groups, np.full(len(groups), step) if ages is None else np.array(ages)
    )


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("step", [0, 1, 50, 99, 100])
def test_openness_is_a_probability_for_each_neuron(rule, step):
    openness = rule.openness(moment(step))
    assert openness.shape == (3,)
    assert ((openness >= 0) & (openness <= 1)).all()


def test_a_group_closes_at_its_own_time():
    rule = CriticalPeriod(0.8, [(1, 0.2)])
    assert rule.openness(moment(10)).tolist() == [1, 1, 1]
    assert rule.openness(moment(20)).tolist() == [1, 0, 1]
    assert rule.openness(moment(80)).tolist() == [0, 0, 0]


def test_the_young_are_open():
    rule = Juvenile(half_life=10, floor=0.1)
    assert rule.openness(moment(50, ages=[0, 10, 50])).tolist() == [1, 0.5, 0.1]


def test_it_reopens_when_the_loss_stalls_and_closes_again():
    rule = ReopensOnPlateau(closes=0.2, patience=2, tolerance=0.01, window=0.1)
    for step, loss in ((10, 1.0), (20, 0.8), (30, 0.6)):
        rule.observe(moment(step), loss)
    assert rule.openness(moment(30)).max() == 0  # falling, so it stays closed
    rule.observe(moment(40), 0.6)
    assert rule.openness(moment(40)).max() == 0
    rule.observe(moment(50), 0.599)  # too little progress, twice
    assert rule.openness(moment(50)).min() == 1
    assert rule.openness(moment(59)).min() == 1
    assert rule.openness(moment(60)).max() == 0


def test_no_plateau_is_counted_before_it_first_closes():
    rule = ReopensOnPlateau(closes=0.5, patience=1, window=0.2)
    rule.observe(moment(10), 1.0)
    rule.observe(moment(20), 1.0)
    assert rule.openness(moment(60)).max() == 0


def test_a_restored_rule_goes_on_alike():
    rule, twin = ReopensOnPlateau(patience=2), ReopensOnPlateau(patience=2)
    for step in (10, 20, 40):
        rule.observe(moment(step), 1.0)
    twin.restore(rule.state())
    assert twin == rule
    with pytest.raises(InvalidParameter, match="memory must have shape"):
        twin.restore({"memory": np.zeros(2)})


def test_neurons_are_open_as_often_as_the_openness_says():
    rng = np.random.default_rng(0)
    openness = np.linspace(0, 1, 5)
    rates = np.mean([draw_open(openness, rng) for _ in range(4000)], axis=0)
    assert rates[0] == 0
    assert rates[-1] == 1
    assert np.abs(rates - openness).max() < 5 * 0.5 / np.sqrt(4000)


def test_a_policy_leaves_closed_neurons_alone():
    rng = np.random.default_rng(0)
    network = Network(erk(6, 3, 0.4, rng, hidden=[10, 8])).initialize(rng)
    X, Y = rng.normal(size=(20, 6)), np.eye(3)[rng.integers(0, 3, 20)]
    structure = network.topology.structure
    is_open = structure.groups == 2
    view = NetworkView(network, X, Y, 100, is_open)
    disconnect, connect = rigl(every=5, fraction=0.5).propose(view, rng).edits
    lost = structure.positions_of(disconnect.ids)
    assert len(lost) > 0
    assert (structure.groups[structure.targets[lost]] == 2).all()
    assert (structure.groups[structure.slots_of(connect.targets)] == 2).all()
    assert (view.prunable == (is_open & (structure.kinds == Kind.HIDDEN))).all()


def test_a_policy_for_neurons_prunes_open_ones_alone():
    rng = np.random.default_rng(0)
    network = Network(erk(6, 3, 0.8, rng, hidden=[20, 16])).initialize(rng)
    X, Y = rng.normal(size=(20, 6)), np.eye(3)[rng.integers(0, 3, 20)]
    structure = network.topology.structure
    is_open = structure.groups == 2
    network.topology.step = 50
    view = NetworkView(network, X, Y, 100, is_open)
    policy = GradualNeurons(4, "magnitude", every=1, until=0.01)
    (pruned,) = policy.propose(view, rng).edits
    gone = structure.slots_of(pruned.ids)
    assert len(gone) >= 12
    assert is_open[gone].all()


def test_when_all_is_closed_nothing_is_proposed():
    rng = np.random.default_rng(0)
    network = Network(erk(6, 3, 0.4, rng, hidden=[10, 8])).initialize(rng)
    X, Y = rng.normal(size=(20, 6)), np.eye(3)[rng.integers(0, 3, 20)]
    shut = np.zeros(network.topology.n_neurons, bool)
    view = NetworkView(network, X, Y, 100, shut)
    assert sum(map(len, rigl().propose(view, rng).edits)) == 0


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Constant(1.2), "level must lie in"),
        (lambda: CosineFall(0), "until must lie in"),
        (lambda: CriticalPeriod(-0.1), "closes must lie in"),
        (lambda: CriticalPeriod(0.5, [(3, 2.0)]), "by_group of 3 must lie in"),
        (lambda: CriticalPeriod(0.5, [3]), r"by_group must hold pairs .* got 3"),
        (lambda: Juvenile(0), "half_life must be a whole number"),
        (lambda: Juvenile(5, -1), "floor must lie in"),
        (lambda: ReopensOnPlateau(patience=0), "patience must be a whole number"),
        (lambda: ReopensOnPlateau(tolerance=1), "tolerance must lie in"),
        (lambda: ReopensOnPlateau(window=0), "window must lie in"),
        (lambda: ReopensOnPlateau(closes=3), "closes must lie in"),
    ],
)
def test_bad_rules_are_refused(make, rule):
    with pytest.raises(InvalidParameter, match=rule):
        make()

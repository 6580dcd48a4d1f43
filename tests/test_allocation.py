"""Allocation: totals kept, room respected, worth followed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plastic.engine import SGD, Network
from plastic.policies import Rewiring
from plastic.policies.allocation import ByScore, InPlace, spread
from plastic.policies.growth import RandomGrowth
from plastic.policies.parts import Magnitude, UpdateSchedule
from plastic.signals import NetworkView
from plastic.topology.wiring import erk, random_dag


def view_of(topology, rng):
    network = Network(topology, engine="nodes").initialize(rng)
    X = rng.normal(size=(20, topology.n_inputs))
    Y = np.eye(topology.n_outputs)[rng.integers(0, topology.n_outputs, 20)]
    network.learn(X, Y, np.arange(20).reshape(2, 10), SGD(0.1))
    return NetworkView(network, X, Y, 100)


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 20)), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_spread_adds_up_and_respects_room(parts, fraction):
    weights, room = (np.array(side) for side in zip(*parts, strict=True))
    total = int(fraction * room.sum())
    counts = spread(weights, room, total)
    assert counts.sum() == total
    assert (counts >= 0).all()
    assert (counts <= room).all()


def test_spread_follows_the_weights():
    assert spread(np.array([1.0, 2.0, 1.0]), np.array([99, 99, 99]), 40).tolist() == [
        10,
        20,
        10,
    ]
    assert spread(np.zeros(2), np.array([5, 15]), 8).tolist() == [2, 6]


@pytest.mark.parametrize("seed", range(4))
def test_in_place_renews_the_share_of_each_block(seed):
    rng = np.random.default_rng(seed)
    view = view_of(erk(8, 3, 0.4, rng, hidden=[12, 12]), rng)
    allotments = InPlace()(view, np.abs(view.weights), 0.3, rng)
    for block, allotment in zip(view.blocks, allotments, strict=True):
        assert allotment.prune == allotment.grow <= int(0.3 * len(block.positions))
        assert allotment.grow <= view.count_missing(block)


@pytest.mark.parametrize("wiring", [erk, random_dag])
def test_by_score_moves_connections_to_where_they_are_worth_more(wiring):
    rng = np.random.default_rng(0)
    sizes = {"hidden": [12, 12]} if wiring is erk else {"n_hidden": 24}
    view = view_of(wiring(8, 3, 0.3, rng, **sizes), rng)
    rich = view.blocks[1]
    scores = np.full(len(view.weights), 0.1)
    scores[rich.positions] = 10.0
    allotments = ByScore()(view, scores, 0.3, rng)
    total = sum(a.prune for a in allotments)
    assert total == sum(a.grow for a in allotments) > 0
    assert allotments[1].grow > allotments[1].prune
    assert allotments[1].grow >= min(view.count_missing(rich), int(0.9 * total))


@pytest.mark.parametrize("allocation", [InPlace(), ByScore()])
@pytest.mark.parametrize("density", [0.3, 0.9, 1.0])
def test_rewiring_keeps_the_number_of_connections(allocation, density):
    rng = np.random.default_rng(1)
    topology = erk(8, 3, density, rng, hidden=[12, 12])
    view = view_of(topology, rng)
    policy = Rewiring(Magnitude(), RandomGrowth(), UpdateSchedule(2), allocation)
    before = topology.n_connections
    topology.apply(*policy.propose(view, rng).edits)
    assert topology.n_connections == before

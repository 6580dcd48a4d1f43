"""What constraints leave room for: counted right, and kept by whoever is born or merged."""

from __future__ import annotations

import numpy as np
import pytest
from views import SHAPES, learned, view_of

from plastic.checks.limits import limits_of
from plastic.edits import Disconnect
from plastic.policies.births import GradMaxBirth, RandomBirth, SplitBirth
from plastic.policies.cascade import CascadeBirth
from plastic.policies.headroom import Headroom
from plastic.policies.neurons import (
    Purse,
    birth_edits,
    hidden_groups,
    members,
    prune_edits,
    room_of,
    ways_of,
)
from plastic.topology import Constraints, Kind
from plastic.topology.constraints import fan

BIRTHS = [RandomBirth(), SplitBirth(), GradMaxBirth(), CascadeBirth(2, 2)]


def rng_of(seed=0):
    return np.random.default_rng(seed)


def limited(shape="layers", density=0.5, **limits):
    network = learned(shape, density=density)
    hold(network, Constraints(**limits))
    return network


def hold(network, limits):
    """Cut a network down to limits, and hold it to them."""
    structure = network.topology.structure
    gone = structure.connection_ids[limits.surplus(structure, rng_of())]
    network.apply(Disconnect(gone, keep_stranded=True))
    network.topology.constrain(limits)


def test_without_limits_there_is_no_end_of_room():
    room = Headroom.of(view_of(learned()))
    assert (room.connections, room.neurons, room.fan_in, room.fan_out) == (np.inf,) * 4
    assert room.ways_in is room.ways_out is None
    assert room.leading(np.arange(3)).all()
    assert room.following(np.arange(3)).all()


def test_room_is_what_the_limits_leave():
    structure = learned(density=0.5).topology.structure
    widest = int(fan(structure, "in").max())
    network = limited(
        max_connections=structure.n_connections + 7, max_hidden=30, max_fan_in=widest
    )
    room = Headroom.of(view_of(network))
    assert (room.connections, room.neurons) == (7, 30 - 25)
    assert (room.fan_in, room.fan_out) == (widest, np.inf)
    np.testing.assert_array_equal(room.ways_in, widest - fan(structure, "in"))
    full = np.flatnonzero(room.ways_in == 0)
    assert len(full)
    assert not room.following(full).any()
    assert room.leading(full).all()


def test_what_is_taken_comes_back_when_it_goes():
    network = limited(max_connections=200, max_hidden=30, max_fan_in=20, max_fan_out=20)
    room = Headroom.of(view_of(network))
    copy = room.copy()
    sources, targets = np.array([0, 1, 1]), np.array([7, 8])
    copy.take(sources, targets)
    assert copy.connections == room.connections - 5
    assert copy.neurons == room.neurons - 1
    assert (room.ways_out - copy.ways_out)[[0, 1, 2]].tolist() == [1, 2, 0]
    assert (room.ways_in - copy.ways_in)[[7, 8, 9]].tolist() == [1, 1, 0]
    copy.take(sources, targets, -1)
    assert repr(copy) == repr(room)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("birth", BIRTHS, ids=lambda birth: birth.name)
@pytest.mark.parametrize(
    "kind", ["max_connections", "max_hidden", "max_fan_in", "max_fan_out", "forbidden", "all"]
)
def test_births_keep_every_limit_and_do_happen(shape, birth, kind):
    network = learned(shape, density=0.5)
    everything = limits_of(network.topology)
    only = Constraints(**{} if kind == "all" else {kind: getattr(everything, kind)})
    hold(network, everything if kind == "all" else only)
    n_hidden = sum(network.topology.structure.kinds == Kind.HIDDEN)
    for seed in range(3):
        view = view_of(network, seed=seed)
        purse = Purse.of(view, 1.0)
        born = [birth(view, group, 4, purse, rng_of(seed)) for group in hidden_groups(view)]
        network.apply(*birth_edits(view, born, "test"))  # refused if a limit were broken
    assert sum(network.topology.structure.kinds == Kind.HIDDEN) > n_hidden


def test_a_purse_that_is_copied_is_spent_alone():
    view = view_of(limited(max_hidden=30, max_fan_out=20))
    purse = Purse.of(view, 1.0)
    copy = purse.copy()
    ways = ways_of(view, 1, rng_of())
    copy.pay(ways, ways.sources, ways.targets)
    assert (purse.n_connections, purse.room.neurons) == (view.structure.n_connections, 5)
    assert copy.room.neurons == 4
    copy.give_back(len(ways), ways.sources, ways.targets)
    assert repr(copy) == repr(purse)


def test_forbidden_groups_are_no_ways():
    view = view_of(limited("graph", forbidden=[(1, 1)]))
    hidden = members(view.structure, 1)
    for seed in range(5):
        ways = ways_of(view, 1, rng_of(seed))
        assert not np.isin(hidden, [*ways.sources, *ways.targets]).any()
    assert room_of(view, 1) == 6 + 3


def test_who_is_protected_is_not_swept_along():
    network = learned("layers", density=0.2)
    view = view_of(network)
    group = members(view.structure, 2)
    swept = prune_edits(view, group[:6], "test")[0].ids
    along = np.setdiff1d(swept, view.structure.neuron_ids[group])
    assert len(along) > 0
    network.topology.constrain(Constraints(protected_neurons=along[:1]))
    kept = prune_edits(view_of(network), group[:6], "test")[0].ids
    assert set(kept.tolist()) == set(swept.tolist()) - {int(along[0])}

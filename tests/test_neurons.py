"""What policies for neurons share: ways that close no cycle, a purse that adds up, sweeping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from views import SHAPES, learned, view_of

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.engine import Network
from plastic.policies.neurons import (
    Births,
    Newborn,
    Purse,
    birth_edits,
    hidden_groups,
    members,
    neuron_saliency,
    prunable,
    prune_edits,
    sweep,
    ways_of,
    weakest,
)
from plastic.signals import NetworkView
from plastic.topology import Kind, Topology
from plastic.topology.wiring import dense, minimal


def rng_of(seed=0):
    return np.random.default_rng(seed)


def born_everywhere(view, group, rng, last=False):
    """A newborn with every way that it could have."""
    ways = ways_of(view, group, rng, last=last)
    weights = (np.ones(len(side)) for side in (ways.sources, ways.targets))
    return Newborn(ways, ways.sources, ways.targets, *weights)


# -------------------------------------------------------------------------------- groups, ways


def test_the_groups_that_hidden_neurons_may_be_in():
    assert hidden_groups(view_of(learned("layers"))) == [1, 2]
    assert hidden_groups(view_of(learned("graph"))) == [1]
    nothing_yet = Network(minimal(6, 3, 1.0, rng_of()), dtype="float64")
    assert hidden_groups(view_of(nothing_yet)) == [1]
    anywhere = Network(Topology(6, 3, "softmax"), dtype="float64")
    assert hidden_groups(view_of(anywhere)) == [1]
    anywhere.apply(AddNeurons(1, group=5, keep_stranded=True))
    assert hidden_groups(view_of(anywhere)) == [5]


def test_ways_in_layers_are_the_neighbouring_layers():
    view = view_of(learned("layers"))
    structure = view.structure
    ways = ways_of(view, 1, rng_of())
    np.testing.assert_array_equal(ways.sources, structure.inputs)
    np.testing.assert_array_equal(ways.targets, np.flatnonzero(structure.groups == 2))
    assert (ways.activation, ways.gain) == (2, 2.0)


@settings(max_examples=30, deadline=None)
@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 500), last=st.booleans())
def test_all_ways_at_once_close_no_cycle(shape, seed, last):
    network, rng = learned(shape, seed=seed % 7, n_steps=2), rng_of(seed)
    for _ in range(4):  # newborns among newborns, too
        view = view_of(network)
        for group in hidden_groups(view):
            view = view_of(network)
            newborn = born_everywhere(view, group, rng, last)
            network.apply(*birth_edits(view, [Births([newborn])], "test"))


def test_the_last_one_is_fed_by_all_of_its_group():
    view = view_of(learned("graph"))
    ways = ways_of(view, 1, rng_of(), last=True)
    hidden = members(view.structure, 1)
    assert set(hidden.tolist()) <= set(ways.sources.tolist())
    assert set(ways.targets.tolist()) == set(view.structure.outputs.tolist())


def test_in_a_graph_every_place_in_the_order_comes_up():
    view, rng = view_of(learned("graph")), rng_of()
    feeders = {len(ways_of(view, 1, rng).sources) for _ in range(600)}
    n_hidden = len(members(view.structure, 1))
    assert feeders == {6 + k for k in range(n_hidden + 1)}


# ------------------------------------------------------------------------------------- births


def test_birth_edits_make_the_neuron_that_was_described():
    network = learned("layers")
    view = view_of(network)
    ways = ways_of(view, 2, rng_of())
    newborn = Newborn(ways, ways.sources[:3], ways.targets[1:], np.array([1.0, 2, 3]),
                      np.array([-1.0, 0.5]), bias=0.25, score=9.0)  # fmt: skip
    new, ids = view.next_neuron_id, view.structure.neuron_ids
    undo = network.apply(*birth_edits(view, [Births([newborn])], "why"))
    structure = network.topology.structure
    slot = int(structure.slots_of([new])[0])
    into, out = structure.targets == slot, structure.sources == slot
    held = structure.neuron_ids[structure.sources[into]]
    np.testing.assert_array_equal(held, ids[ways.sources[:3]])
    np.testing.assert_array_equal(network.weights[into], [1, 2, 3])
    np.testing.assert_array_equal(network.weights[out], [-1, 0.5])
    assert network.biases[slot] == 0.25
    assert structure.groups[slot] == 2
    network.apply(*undo)
    assert birth_edits(view, [Births(), Births()], "why") == []


# ----------------------------------------------------------------------------------- the purse


def test_a_purse_holds_what_the_density_allows():
    view = view_of(learned("layers", density=0.3))
    purse = Purse.of(view, 0.3)
    n = view.structure.n_connections
    assert purse.left == round(0.3 * view.n_possible) + 2 + 1 - n
    ways = ways_of(view, 1, rng_of())  # 6 sources, 11 targets
    assert purse.afford(ways) == (2, 3)
    purse.n_connections += 100
    assert (purse.left, purse.afford(ways)) == (0, (0, 0))


@settings(max_examples=30, deadline=None)
@given(shape=st.sampled_from(SHAPES), density=st.floats(0.05, 1.0), seed=st.integers(0, 99))
def test_whatever_is_afforded_stays_within_the_density(shape, density, seed):
    network, rng = learned(shape, n_steps=2), rng_of(seed)
    first = network.topology.n_connections
    for _ in range(5):
        view = view_of(network)
        purse, born = Purse.of(view, density), []
        for group in hidden_groups(view):
            ways = ways_of(view, group, rng)
            n_in, n_out = purse.afford(ways)
            assert (n_in > 0) == (n_out > 0)
            if n_in:
                parts = ways.sources[:n_in], ways.targets[:n_out], np.ones(n_in), np.ones(n_out)
                born.append(Newborn(ways, *parts))
                purse.pay(ways, *parts[:2])
        network.apply(*birth_edits(view, [Births(born)], "test"))
        topology = network.topology
        # between two that are born at once there is room, too, which the purse leaves out
        assert topology.n_possible - len(born) <= purse.n_possible <= topology.n_possible
        assert purse.n_connections == topology.n_connections
        allowed = round(density * topology.n_possible) + len(view.blocks)
        assert topology.n_connections <= max(first, allowed)


# ----------------------------------------------------------------------------- worth and deaths


def test_saliency_of_a_neuron_is_that_of_its_ways_out():
    view = view_of(learned("layers"))
    worth, structure = neuron_saliency(view), view.structure
    for slot in range(structure.n_neurons):
        expected = view.saliency[structure.sources == slot].sum()
        assert worth[slot] == pytest.approx(expected)


def test_the_weakest_are_mature_and_never_all():
    network = learned("layers")
    network.topology.step = 50
    view = view_of(network)
    born = born_everywhere(view, 1, rng_of())
    network.apply(*birth_edits(view, [Births([born])], "test"))
    network.topology.step = 60
    view = view_of(network)
    assert view.ages[view.structure.slots_of([view.next_neuron_id - 1])].tolist() == [10]
    old = prunable(view, 1, 11)
    assert len(old) == len(members(view.structure, 1)) - 1 == 14
    worth = rng_of(1).random(view.structure.n_neurons)
    lowest = weakest(view, 1, 3, worth, 11, rng_of())
    np.testing.assert_array_equal(worth[lowest], np.sort(worth[old])[:3])
    assert len(weakest(view, 1, 99, worth, 0, rng_of())) == 14
    assert set(weakest(view, 1, 99, worth, 11, rng_of()).tolist()) == set(old.tolist())


def ways_left(structure):
    """Hidden neurons without a way in or out."""
    ways_in = np.diff(structure.indptr)
    ways_out = np.bincount(structure.sources, minlength=structure.n_neurons)
    return (structure.kinds == Kind.HIDDEN) & ((ways_in == 0) | (ways_out == 0))


@settings(max_examples=40, deadline=None)
@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 200), share=st.floats(0.0, 0.9))
def test_sweeping_leaves_nobody_without_a_way(shape, seed, share):
    network, rng = learned(shape, n_steps=1), rng_of(seed)
    structure = network.topology.structure
    kept = rng.random(structure.n_connections) >= share
    none = np.zeros(structure.n_neurons, bool)
    gone = sweep(structure, none, kept)
    network.apply(
        Disconnect(structure.connection_ids[~kept], keep_stranded=True),
        PruneNeurons(structure.neuron_ids[gone], keep_stranded=True),
    )
    assert not ways_left(network.topology.structure).any()
    bare = sweep(structure, none, np.ones(structure.n_connections, bool))
    assert (bare <= gone).all()
    assert not gone[structure.kinds != Kind.HIDDEN].any()


def test_pruning_takes_the_stranded_along_but_never_a_whole_group():
    topology = dense(1, 1, 1.0, rng_of(), hidden=[1, 2], output_activation="identity")
    network = Network(topology, "mse", dtype="float64").initialize(rng_of())
    network.apply(Disconnect(topology.structure.connection_ids[:0], keep_stranded=True))
    view = view_of_regression(network)
    (only,) = members(view.structure, 1)
    (edit,) = prune_edits(view, np.array([only]), "test")
    assert edit.ids.tolist() == view.structure.neuron_ids[[only]].tolist()
    wide = dense(1, 1, 1.0, rng_of(), hidden=[2, 2], output_activation="identity")
    network = Network(wide, "mse", dtype="float64").initialize(rng_of())
    structure = wide.structure
    first, second = members(structure, 1), members(structure, 2)
    lead = structure.positions_between(first[:1], second[1:])
    network.apply(Disconnect(structure.connection_ids[lead]))
    view = view_of_regression(network)  # the second of group 2 now lives on the second of 1
    (edit,) = prune_edits(view, first[1:], "test")
    assert edit.ids.tolist() == structure.neuron_ids[[first[1], second[1]]].tolist()
    assert prune_edits(view, first[:0], "test") == []


def view_of_regression(network):
    return NetworkView(network, np.ones((4, 1)), np.ones((4, 1)), 100)


def test_a_connect_of_what_is_taken_away_is_no_double():
    network = learned("layers")
    structure = network.topology.structure
    pair = structure.neuron_ids[[structure.sources[0], structure.targets[0]]]
    network.apply(
        Disconnect(structure.connection_ids[:1], keep_stranded=True),
        Connect(pair[:1], pair[1:], columns={"weight": np.array([3.0])}),
    )
    assert 3.0 in network.weights

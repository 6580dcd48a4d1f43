"""Merging: exact for copies and multiples, the least damage first, and only where it may be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from views import SHAPES, learned, task, view_of

from plastic.costs import pass_flops
from plastic.engine import Network
from plastic.policies.births import SplitBirth
from plastic.policies.merging import merge_damage, merge_edits, mergers
from plastic.policies.neurons import Purse, birth_edits, members
from plastic.signals import NetworkView
from plastic.topology import Constraints, Kind
from plastic.topology.wiring import dense


def rng_of(seed=0):
    return np.random.default_rng(seed)


def with_copies(shape, count=1, group=1, seed=0):
    """A network of neurons that all have a way in and out; some were copied exactly."""
    network = learned(shape, seed=seed, density=0.8)
    view = view_of(network)
    births = SplitBirth(0.0)(view, group, count, Purse.of(view, 1.0), rng_of(seed))
    network.apply(*birth_edits(view, [births], "copies"))
    return network


def merge(network, group=1, count=1, maturity=0, view=None):
    view = view or view_of(network)
    chosen = mergers(view, group, count, maturity, rng_of())
    undo = network.apply(*merge_edits(view, chosen, "test"))
    return chosen, undo


# ------------------------------------------------------------------------------------- exact


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 3])
def test_copies_become_one_and_no_prediction_changes(shape, count):
    network = with_copies(shape, count)
    X, _ = task(network)
    before, n = network.predict(X), network.topology.n_neurons
    chosen, _ = merge(network)
    assert chosen[0].damage == 0
    assert network.topology.n_neurons == n - 1
    np.testing.assert_allclose(network.predict(X), before, rtol=0, atol=1e-12)


@given(st.integers(0, 30), st.floats(0.1, 10.0))
def test_multiples_become_one_and_no_prediction_changes(seed, factor):
    network = Network(dense(5, 2, 1.0, rng_of(seed), hidden=[4]), dtype="float64")
    network.initialize(rng_of(seed))
    structure = network.topology.structure
    one, other = members(structure, 1)[:2]
    ways_in = [np.flatnonzero(structure.targets == slot) for slot in (one, other)]
    network.weights[ways_in[1]] = factor * network.weights[ways_in[0]]
    network.biases[[one, other]] = 0.3 * np.array([1, factor])
    X, _ = task(network)
    network.topology.connection_columns.add("saliency", np.float64)
    before = network.predict(X)
    chosen, _ = merge(network)
    if not chosen:
        return  # a relu that none of the samples wakes has no multiple
    np.testing.assert_allclose(network.predict(X), before, rtol=0, atol=1e-9)
    if {chosen[0].gone, chosen[0].heir} == {int(one), int(other)}:
        expected = factor if chosen[0].gone == other else 1 / factor
        assert chosen[0].factor == pytest.approx(expected)


def test_damage_is_what_the_targets_lack():
    network = learned("layers", density=0.8)
    view = view_of(network, n_samples=40)
    structure, weights = view.structure, view.weights
    slots = members(structure, 1)
    damage, factor = merge_damage(view, slots)
    outputs = view.signals.outputs
    for row, gone in enumerate(slots[:4]):
        for column, heir in enumerate(slots[:4]):
            if gone == heir or not outputs[heir].any():
                assert damage[row, column] == np.inf
                continue
            found = np.linalg.lstsq(outputs[heir][:, None], outputs[gone], rcond=None)[0][0]
            assert factor[row, column] == pytest.approx(found, abs=1e-12)
            lacking = outputs[gone] - found * outputs[heir]
            out = weights[structure.sources == gone]
            expected = np.mean(np.outer(out, lacking) ** 2, axis=1).sum()
            assert damage[row, column] == pytest.approx(expected, abs=1e-14)


def test_the_pass_and_the_products_are_paid_for():
    view = view_of(learned("layers"))
    slots = members(view.structure, 1)
    merge_damage(view, slots)
    assert view.bill.flops == pass_flops(view.structure, 16) + 2 * 16 * len(slots) ** 2


# ------------------------------------------------------------------------------------ choosing


@pytest.mark.parametrize("shape", SHAPES)
def test_the_least_damage_goes_first_and_nobody_is_in_two(shape):
    network = learned(shape, density=0.8)
    view = view_of(network)
    chosen = mergers(view, 1, 99, 0, rng_of())
    damages = [merger.damage for merger in chosen]
    assert len(chosen) > 2
    assert damages == sorted(damages)
    both = [slot for merger in chosen for slot in (merger.gone, merger.heir)]
    assert len(set(both)) == len(both)
    assert mergers(view, 1, 2, 0, rng_of()) == chosen[:2]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_left_is_whole_and_undo_brings_all_back(shape):
    for seed in range(5):
        network = learned(shape, seed=seed, density=0.25)
        X, _ = task(network)
        before = network.predict(X)
        chosen, undo = merge(network, count=4)
        structure = network.topology.structure
        hidden = structure.kinds == Kind.HIDDEN
        fed = np.diff(structure.indptr)[hidden]
        feeding = np.bincount(structure.sources, minlength=structure.n_neurons)[hidden]
        assert chosen
        assert fed.min() > 0
        assert feeding.min() > 0
        network.apply(*undo)
        np.testing.assert_array_equal(network.predict(X), before)


def test_survivors_keep_what_they_have():
    network = with_copies("layers")
    momentum = carried(network)
    merge(network)
    after = carried(network)
    assert len(after) < len(momentum)
    assert all(after[pair] == momentum[pair] for pair in after.keys() & momentum.keys())
    assert all(after[pair] == 0 for pair in after.keys() - momentum.keys())


def carried(network):
    structure = network.topology.structure
    ids, columns = structure.neuron_ids, network.topology.connection_columns
    pairs = zip(ids[structure.sources].tolist(), ids[structure.targets].tolist(), strict=True)
    return dict(zip(pairs, columns["momentum"].tolist(), strict=True))


def test_the_young_stay_and_so_do_the_last_of_a_group():
    network = with_copies("layers")
    assert mergers(view_of(network), 1, 3, 1000, rng_of()) == []
    lone = Network(dense(5, 2, 1.0, rng_of(), hidden=[1]), dtype="float64").initialize(rng_of())
    assert mergers(view_of(lone), 1, 1, 0, rng_of()) == []
    assert merge_edits(view_of(lone), [], "test") == []


def test_a_neuron_that_says_nothing_is_no_heir():
    network = Network(dense(5, 2, 1.0, rng_of(), hidden=[3]), dtype="float64")
    network.initialize(rng_of())
    silent = members(network.topology.structure, 1)[0]
    network.biases[silent] = -1e6
    chosen = mergers(view_of(network), 1, 1, 0, rng_of())
    assert chosen[0].gone == silent  # to take it out costs nothing
    assert chosen[0].damage == chosen[0].factor == 0


# ----------------------------------------------------------------------------------- what may


def test_nobody_takes_over_what_comes_before_it():
    network = learned("graph", density=0.9)
    view = view_of(network)
    structure = view.structure
    for merger in mergers(view, 1, 99, 0, rng_of()):
        fed = structure.targets[structure.sources == merger.gone]
        assert merger.heir not in fed
        assert structure.rank[merger.heir] < structure.rank[fed].min()


def test_protected_neurons_and_connections_stay():
    network = with_copies("layers", count=3)
    free = mergers(view_of(network), 1, 1, 0, rng_of())[0]
    structure = network.topology.structure
    ids = structure.neuron_ids[[free.gone, free.heir]]
    network.topology.constrain(Constraints(protected_neurons=ids))
    bound = mergers(view_of(network), 1, 99, 0, rng_of())
    assert bound
    assert not {merger.gone for merger in bound} & {free.gone, free.heir}
    held = structure.connection_ids[structure.sources == free.heir]
    network.topology.constrain(Constraints(protected_connections=held))
    chosen, _ = merge(network, count=99)  # would be refused if one of them went
    assert chosen
    assert np.isin(held, network.topology.structure.connection_ids).all()


def test_heirs_have_room_to_feed_so_many():
    network = learned("layers", density=0.35)
    structure = network.topology.structure
    fan_out = int(np.bincount(structure.sources).max())
    network.topology.constrain(Constraints(max_fan_out=fan_out))
    chosen, _ = merge(network, count=99)
    assert chosen
    assert np.bincount(network.topology.structure.sources).max() <= fan_out


def test_nothing_that_is_closed_changes():
    network = with_copies("layers")
    X, Y = task(network, 1, 16)
    is_open = np.ones(network.topology.n_neurons, bool)
    is_open[network.topology.structure.groups == 2] = False
    view = NetworkView(network, X, Y, 100, is_open)
    assert mergers(view, 1, 99, 0, rng_of()) == []
    assert mergers(view_of(network), 1, 99, 0, rng_of()) != []

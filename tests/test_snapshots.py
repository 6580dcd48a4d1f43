"""A snapshot brings a network back bit for bit, and no id is ever given out twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trials import contents
from views import EVERYTHING, SHAPES, learned, task, view_of

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.engine import SGD, Adam
from plastic.errors import InvalidParameter
from plastic.policies.growth import draw_missing


def live(network, choice, rng):
    """Do one thing to a network: learn, or an edit of some kind."""
    topology, structure = network.topology, network.topology.structure
    if choice == "learn":
        optimizer = Adam(0.01) if rng.random() < 0.5 else SGD(0.1)
        rows = rng.integers(0, 60, (3, 8))
        network.learn(*task(network), rows, optimizer, statistics=EVERYTHING)
    elif choice == "connect":
        view = view_of(network)
        block = max(view.blocks, key=view.count_missing)
        sources, targets = draw_missing(view, block, 2, rng)
        network.apply(Connect(structure.neuron_ids[sources], structure.neuron_ids[targets]))
    elif choice == "disconnect":
        ids = rng.choice(structure.connection_ids, 2, replace=False)
        network.apply(Disconnect(ids, keep_stranded=True))
    elif choice == "add":
        network.apply(AddNeurons(2, group=1, keep_stranded=True))
    else:
        hidden = np.flatnonzero(structure.kinds == 1)
        ids = structure.neuron_ids[rng.choice(hidden, 1)]
        network.apply(PruneNeurons(ids, keep_stranded=True))
    return topology


CHOICES = st.sampled_from(["learn", "connect", "disconnect", "add", "prune"])


@settings(max_examples=40, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    before=st.lists(CHOICES, max_size=3),
    between=st.lists(CHOICES, min_size=1, max_size=5),
    seed=st.integers(0, 1000),
)
def test_restore_brings_back_every_bit_and_no_id_comes_twice(shape, before, between, seed):
    network, rng = learned(shape), np.random.default_rng(seed)
    for choice in before:
        live(network, choice, rng)
    held, step = contents(network), network.topology.step
    X, _ = task(network)
    answers = network.predict(X)
    snapshot = network.snapshot()
    used = {"neuron": set(), "connection": set()}
    for _ in range(2):  # a snapshot may be restored more than once
        for choice in between:
            structure = live(network, choice, rng).structure
            used["neuron"] |= set(structure.neuron_ids.tolist())
            used["connection"] |= set(structure.connection_ids.tolist())
        network.restore(snapshot)
        assert contents(network) == held
        assert network.topology.step == step
        np.testing.assert_array_equal(network.predict(X), answers)
    (born,) = network.topology.number(AddNeurons(1))
    (made,) = network.topology.number(Connect([0], [6]))
    assert born.ids[0] > max(used["neuron"])
    assert made.ids[0] > max(used["connection"])


def test_learning_goes_on_as_if_nothing_had_been():
    one, other = learned("layers"), learned("layers")
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 60, (20, 8))
    snapshot = one.snapshot()
    for choice in ("add", "prune", "learn", "connect", "disconnect", "learn"):
        live(one, choice, rng)
    one.restore(snapshot)
    for network in (one, other):
        network.learn(*task(network), rows, SGD(0.1), statistics=EVERYTHING)
    assert contents(one) == contents(other)


def test_a_snapshot_is_not_touched_by_what_comes_after():
    network = learned("layers")
    snapshot, held = network.snapshot(), contents(network)
    network.weights[:] = 7
    network.restore(snapshot)
    network.weights[:] = 8  # nor does what is restored share memory with it
    network.restore(snapshot)
    assert contents(network) == held


def test_birth_steps_are_right_after_a_restore():
    network = learned("layers")
    topology = network.topology
    topology.step = 30
    snapshot = network.snapshot()
    network.apply(AddNeurons(2, group=1, keep_stranded=True))
    topology.step = 40
    network.apply(AddNeurons(1, group=1, keep_stranded=True))
    network.restore(snapshot)
    assert topology.step == 30
    topology.step = 35
    (undo,) = network.apply(AddNeurons(1, group=1, keep_stranded=True))
    assert topology.birth_steps("neuron", undo.ids).tolist() == [35]


def test_a_snapshot_of_another_network_is_refused():
    one, other = learned("layers"), learned("layers")
    held = contents(one)
    with pytest.raises(
        InvalidParameter, match="topology that it was taken of, not in Topology"
    ):
        one.restore(other.snapshot())
    assert contents(one) == held

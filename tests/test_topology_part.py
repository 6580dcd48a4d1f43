"""A part of a topology: some neurons, and what connects them, as a topology of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from topologies import SEEDS, assert_consistent, random_topology, snapshot, without_counters

from plastic.edits import PruneNeurons
from plastic.errors import InvalidNetwork
from plastic.topology import Kind


def columns(topology, rng):
    for held, n in (
        (topology.connection_columns, topology.n_connections),
        (topology.neuron_columns, topology.n_neurons),
    ):
        held.add("drawn", np.float32)[:] = rng.normal(size=n)


@given(st.sampled_from(SEEDS), st.integers(0, 50), st.floats(0, 1))
def test_a_part_is_what_pruning_the_others_leaves(seed, draw, share):
    rng = np.random.default_rng(draw)
    whole = random_topology(seed)
    columns(whole, rng)
    structure = whole.structure
    keep = (structure.kinds != Kind.HIDDEN) | (rng.random(whole.n_neurons) < share)
    before = snapshot(whole)
    part, neurons, connections = whole.part(keep)
    assert snapshot(whole) == before
    assert_consistent(part)
    np.testing.assert_array_equal(
        part.neuron_columns["drawn"], whole.neuron_columns["drawn"][neurons]
    )
    weights = whole.connection_columns["drawn"][connections]
    np.testing.assert_array_equal(part.connection_columns["drawn"], weights)
    np.testing.assert_array_equal(
        part.structure.connection_ids, structure.connection_ids[connections]
    )
    whole.apply(PruneNeurons(structure.neuron_ids[~keep], keep_stranded=True))
    assert without_counters(snapshot(part)) == without_counters(snapshot(whole))
    np.testing.assert_array_equal(part.structure.rank, whole.structure.rank)


def test_what_happens_to_a_part_does_not_happen_to_the_whole():
    whole = random_topology(0)
    columns(whole, np.random.default_rng(0))
    before = snapshot(whole)
    part, _, _ = whole.part(np.ones(whole.n_neurons, bool))
    part.connection_columns["drawn"][:] = 7
    part.step = 40
    hidden = part.structure.neuron_ids[part.structure.kinds == Kind.HIDDEN]
    part.apply(PruneNeurons(hidden[:3], keep_stranded=True))
    assert snapshot(whole) == before


@pytest.mark.parametrize("slot", ["inputs", "outputs"])
def test_a_part_keeps_inputs_and_outputs(slot):
    whole = random_topology(0)
    keep = np.ones(whole.n_neurons, bool)
    gone = getattr(whole.structure, slot)[0]
    keep[gone] = False
    with pytest.raises(InvalidNetwork, match=f"but lacks {whole.structure.neuron_ids[gone]}"):
        whole.part(keep)

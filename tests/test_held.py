"""Connections by block: what masks of groups say."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.engine.held import held_by_block, slots_by_group
from plastic.topology.wiring import random_dag


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(0, 6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_positions_and_counts_are_those_of_masks(seed, n_groups, n_blocks, layered):
    rng = np.random.default_rng(seed)
    structure = random_dag(5, 3, 0.4, rng, n_hidden=20).structure
    group_of = rng.integers(0, n_groups, structure.n_neurons, dtype=np.int32)
    if layered:
        group_of.sort()
    block_of = rng.integers(0, n_blocks + 1, (n_groups, n_groups))
    is_open = rng.random(structure.n_neurons) < 0.7
    positions, *counts = held_by_block(structure, group_of, block_of, n_blocks, is_open)
    of = block_of[group_of[structure.targets], group_of[structure.sources]]
    assert len(positions) == len(counts[0]) == len(counts[1]) == n_blocks
    for block in range(n_blocks):
        mine = of == block
        expected = np.flatnonzero(mine & is_open[structure.targets])
        assert positions[block].tolist() == expected.tolist()
        assert [count[block] for count in counts] == [np.count_nonzero(mine), len(expected)]
    for group, slots in enumerate(slots_by_group(group_of, n_groups, is_open)):
        assert slots.tolist() == np.flatnonzero((group_of == group) & is_open).tolist()

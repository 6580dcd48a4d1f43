"""Cutting and connecting in one pass, and the look-ups that it rests on."""

import numpy as np
import pytest
from topologies import (
    assert_consistent,
    random_topology,
    snapshot,
    two_in_a_row,
    without_counters,
)

from plastic.edits import Connect, Disconnect
from plastic.errors import InvalidEdit
from plastic.topology import Topology
from plastic.topology.structure import SPREAD, find


@pytest.fixture
def topology():
    return two_in_a_row()


class TestOnePass:
    """Disconnecting and connecting at once leads where one after the other does."""

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("revived", [False, True])
    def test_as_one_after_the_other(self, seed, revived):
        one, other = random_topology(seed), random_topology(seed)
        rng, structure = np.random.default_rng(seed), one.structure
        cut = rng.choice(structure.connection_ids, 60, replace=False)
        back = rng.choice(cut, 25, replace=False)
        at = structure.positions_of(back)
        ends = (
            structure.neuron_ids[structure.sources[at]],
            structure.neuron_ids[structure.targets[at]],
        )
        born = Connect(*ends, ids=back if revived else None, columns={"weight": rng.random(25)})
        batch = Disconnect(cut, keep_stranded=True), born
        undo = one.apply(*batch)
        undone = [edit for step in batch for edit in other.apply(step)]
        assert snapshot(one) == snapshot(other)
        assert_consistent(one)
        for edit, twin in zip(undo, reversed(undone), strict=True):
            np.testing.assert_array_equal(edit.ids, twin.ids)
        one.apply(*undo)
        assert without_counters(snapshot(one)) == without_counters(
            snapshot(random_topology(seed))
        )

    def test_what_is_not_cut_still_stands(self, topology):
        before = snapshot(topology)
        for refused in (Connect([0], [4]), Connect([0, 4], [5, 5]), Connect([0], [3], ids=[1])):
            with pytest.raises(InvalidEdit, match="already"):
                topology.apply(Disconnect([3], keep_stranded=True), refused)
        assert snapshot(topology) == before
        topology.apply(Disconnect([3]), Connect([1], [3], ids=[3]))
        assert topology.structure.connection_ids.tolist() == [2, 3, 0, 1]


@pytest.mark.parametrize("spacing", [1, 3, 2**10, 2**40])
@pytest.mark.parametrize("n_ids", [0, 1, 2, 40, 500])
@pytest.mark.parametrize("first", [0, 700, 2**61])
@pytest.mark.parametrize("repeats", [False, True])
def test_find_is_numpy_isin(spacing, n_ids, first, repeats):
    """However far the ids lie from each other."""
    rng = np.random.default_rng(n_ids)
    pool = first + spacing * np.arange(1200)
    held = rng.permutation(pool)[:900]
    ids = rng.choice(pool, n_ids, replace=repeats)
    cut, expected = find(held, ids), np.isin(held, ids)
    np.testing.assert_array_equal(cut.gone, expected)
    np.testing.assert_array_equal(cut.positions, np.flatnonzero(expected))
    assert cut.twice == (len(np.unique(ids)) < len(ids))
    assert not len(find(held[:0], ids))


@pytest.mark.parametrize("spacing", [1, 2, 2 * SPREAD, 10**6])
def test_slots_of_ids_with_gaps(spacing):
    topology = Topology(40, 2, ids=5 + spacing * np.arange(42))
    ids = np.random.default_rng(0).permutation(topology.structure.neuron_ids)
    slots = topology.structure.slots_of(ids)
    np.testing.assert_array_equal(topology.structure.neuron_ids[slots], ids)
    for stranger in (4, 5 + 42 * spacing, -1, *([6] if spacing > 1 else [])):
        with pytest.raises(InvalidEdit, match=f"there is no neuron {stranger}"):
            topology.structure.slots_of([5, stranger])


@pytest.mark.parametrize("n_pairs", [0, 1, 3, 200])
def test_positions_between_looks_at_few_rows_and_at_all(n_pairs):
    structure = random_topology(1, n_hidden=120, density=0.1).structure
    rng = np.random.default_rng(n_pairs)
    sources, targets = rng.integers(0, structure.n_neurons, (2, n_pairs))
    some = rng.integers(0, structure.n_connections, n_pairs // 2)
    sources[: len(some)], targets[: len(some)] = (
        structure.sources[some],
        structure.targets[some],
    )
    found = structure.positions_between(sources, targets)
    place = {
        pair: i
        for i, pair in enumerate(
            zip(structure.sources.tolist(), structure.targets.tolist(), strict=True)
        )
    }
    pairs = zip(sources.tolist(), targets.tolist(), strict=True)
    assert found.tolist() == [place.get(pair, -1) for pair in pairs]

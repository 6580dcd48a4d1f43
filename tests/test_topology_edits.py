"""Edits do what they say, and what they did can be undone to the last bit."""

import networkx as nx
import numpy as np
import pytest
from networkx.utils import graphs_equal
from topologies import (
    assert_consistent,
    plain_graph,
    random_batch,
    random_topology,
    snapshot,
    two_in_a_row,
    without_counters,
)

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.errors import InvalidEdit, InvalidParameter
from plastic.topology import Kind, Topology
from plastic.topology.wiring import random_dag


@pytest.fixture
def topology():
    return two_in_a_row()


class TestApply:
    def test_nothing_to_do_is_done(self, topology):
        before = snapshot(topology)
        assert topology.apply() == ()
        empty = [AddNeurons(0), Connect([], []), Disconnect([]), PruneNeurons([])]
        undo = topology.apply(*empty)
        assert snapshot(topology) == before
        topology.apply(*undo)
        assert snapshot(topology) == before

    def test_numbered_edits_do_what_the_unnumbered_do(self, topology):
        batch = AddNeurons(2), Connect([0, 6, 0, 7], [6, 2, 7, 3]), PruneNeurons([4, 5])
        numbered = topology.number(*batch)
        np.testing.assert_array_equal(numbered[0].ids, [6, 7])
        np.testing.assert_array_equal(numbered[1].ids, [4, 5, 6, 7])
        other = Topology(2, 2)
        other.connection_columns.add("weight", np.float32)
        other.apply(AddNeurons(2), Connect([0, 4, 5, 1], [4, 5, 2, 3]))
        topology.apply(*batch)
        other.apply(*numbered)
        assert snapshot(topology) == snapshot(other)

    def test_what_would_be_stranded_may_stay_if_asked(self, topology):
        topology.apply(AddNeurons(1, keep_stranded=True))
        topology.apply(Disconnect([0], keep_stranded=True))
        topology.apply(PruneNeurons([5], keep_stranded=True))
        assert_consistent(topology)
        assert [dict(topology.graph.degree)[i] for i in (4, 6)] == [0, 0]
        topology.apply(Connect([0], [2]))  # who was stranded before is no concern of this one

    def test_a_stranded_neuron_may_be_pruned_in_the_same_batch(self, topology):
        topology.apply(Disconnect([0]), PruneNeurons([4, 5]))
        assert topology.n_neurons == 4
        assert_consistent(topology)

    def test_columns_follow_their_connections(self, topology):
        weights = topology.connection_columns["weight"]
        weights[:] = topology.structure.connection_ids + 0.5
        topology.apply(
            Disconnect([3]), Connect([0, 1], [3, 4], columns={"weight": [-1.0, -2.0]})
        )
        topology.apply(Connect([1], [2]))
        by_id = dict(
            zip(
                topology.structure.connection_ids.tolist(),
                topology.connection_columns["weight"].tolist(),
                strict=True,
            )
        )
        assert by_id == {0: 0.5, 1: 1.5, 2: 2.5, 4: -1.0, 5: -2.0, 6: 0.0}

    def test_newborns_get_the_fill_value(self, topology):
        topology.connection_columns.add("age", np.int16, fill=-3)
        topology.connection_columns.replace("velocity", np.ones((4, 2)))
        topology.neuron_columns.add("trace", bool, fill=True)
        topology.apply(AddNeurons(1), Connect([0, 6], [6, 2]))
        columns, at = topology.connection_columns, topology.structure.positions_of([4, 5])
        assert columns["age"][at].tolist() == [-3, -3]
        assert columns["age"].dtype == np.int16
        assert columns["velocity"][at].tolist() == [[0, 0], [0, 0]]
        assert columns["velocity"].sum() == 8
        assert topology.neuron_columns["trace"].all()

    def test_births_are_dated(self):
        topology = Topology(1, 1)
        dates = {0: 0, 1: 0}
        for step in (3, 3, 8):
            topology.step = step
            neuron = topology.next_neuron_id
            topology.apply(AddNeurons(1), Connect([0, neuron], [neuron, 1]))
            dates[neuron] = step
        births = topology.birth_steps("neuron", list(dates))
        np.testing.assert_array_equal(births, list(dates.values()))
        births = topology.birth_steps("connection", np.arange(6))
        np.testing.assert_array_equal(births, [3, 3, 3, 3, 8, 8])
        undo = topology.apply(PruneNeurons([2]))
        topology.step = 20
        topology.apply(*undo)
        assert topology.birth_steps("neuron", 2) == 3

    def test_births_of_nothing_else(self, topology):
        with pytest.raises(InvalidParameter, match="what must be one of 'neuron', 'conn"):
            topology.birth_steps("edge", [0])

    @pytest.mark.parametrize("seed", range(3))
    def test_structure_does_not_depend_on_the_way_to_it(self, seed):
        """The same ids lead to the same rows, so the same sums, whatever happened between."""
        topology = random_topology(seed)
        before = snapshot(topology)
        rng = np.random.default_rng(seed)
        for _ in range(3):
            topology.apply(*topology.apply(*random_batch(topology, rng)))
        assert without_counters(snapshot(topology)) == without_counters(before)


class TestUndo:
    def add_columns(self, topology, rng):
        n, m = topology.n_neurons, topology.n_connections
        connections, neurons = topology.connection_columns, topology.neuron_columns
        connections.add("rate", np.float64)[:] = rng.normal(size=m)
        connections.add("age", np.int64)[:] = rng.integers(0, 9, m)
        connections.add("fixed", bool)[:] = rng.random(m) < 0.5
        connections.replace("moments", rng.normal(size=(m, 2)).astype(np.float32))
        neurons.add("last_seen", np.float64, fill=np.nan)[: n // 2] = 1.0
        connections["weight"][::7] = np.inf  # a network that has diverged is undone, too

    @pytest.mark.parametrize("seed", range(10))
    def test_undo_brings_back_every_bit(self, seed):
        topology, rng = random_topology(seed), np.random.default_rng(seed)
        self.add_columns(topology, rng)
        before = snapshot(topology)
        undo = topology.apply(*random_batch(topology, rng))
        after = snapshot(topology)
        assert without_counters(after) != without_counters(before)
        redo = topology.apply(*undo)
        assert_consistent(topology)
        assert without_counters(snapshot(topology)) == without_counters(before)
        undo = topology.apply(*redo)
        assert_consistent(topology)
        assert without_counters(snapshot(topology)) == without_counters(after)
        topology.apply(*undo)
        assert without_counters(snapshot(topology)) == without_counters(before)

    def test_a_stack_of_undos(self):
        topology, rng = random_topology(11), np.random.default_rng(11)
        held, undos = [], []
        for _ in range(8):
            held.append(without_counters(snapshot(topology)))
            undos.append(topology.apply(*random_batch(topology, rng)))
        while undos:
            topology.apply(*undos.pop())
            assert_consistent(topology)
            assert without_counters(snapshot(topology)) == held.pop()

    def test_ids_given_out_stay_given_out(self, topology):
        topology.apply(*topology.apply(AddNeurons(1), Connect([0, 6], [6, 2])))
        (numbered,) = topology.number(AddNeurons(1))
        assert numbered.ids == [7]

    def test_survivors_keep_what_they_have_learned_since(self, topology):
        topology.connection_columns["weight"][:] = 1
        undo = topology.apply(Disconnect([3]))
        topology.connection_columns["weight"][:] = 2
        topology.apply(*undo)
        assert topology.connection_columns["weight"].tolist() == [2, 1, 2, 2]

    def test_a_newborn_must_be_finite_though_what_comes_back_need_not(self, topology):
        topology.connection_columns["weight"][:] = np.nan
        undo = topology.apply(PruneNeurons([4, 5]))
        topology.apply(*undo)
        assert np.isnan(topology.connection_columns["weight"]).all()
        with pytest.raises(InvalidEdit, match="must be given finite values, got nan"):
            topology.apply(Connect([0], [5], columns={"weight": [np.nan]}))


def test_a_large_batch():
    """200,000 connections, of which 30% are rewired at once."""
    rng = np.random.default_rng(0)
    topology = random_dag(300, 10, 0.4304, rng, n_hidden=700)
    weights = topology.connection_columns.add("weight", np.float32)
    weights[:] = rng.normal(size=topology.n_connections)
    before, structure = snapshot(topology), topology.structure
    assert topology.n_connections == pytest.approx(200_000, rel=0.01)

    cut = rng.random(topology.n_connections) < 0.3
    ends = structure.order[np.sort(rng.integers(0, structure.n_neurons, (2, 400_000)), axis=0)]
    sources, targets = np.unique(ends, axis=1)
    free = (sources != targets) & (structure.positions_between(sources, targets) < 0)
    free &= structure.kinds[targets] != Kind.INPUT
    free &= structure.kinds[sources] != Kind.OUTPUT
    drawn = rng.permutation(np.flatnonzero(free))[: cut.sum()]
    sources, targets = (structure.neuron_ids[slots[drawn]] for slots in (sources, targets))
    undo = topology.apply(
        Disconnect(structure.connection_ids[cut], keep_stranded=True), Connect(sources, targets)
    )

    assert_consistent(topology)
    assert topology.n_connections == structure.n_connections
    after, learned = topology.structure, topology.connection_columns["weight"]
    fresh = after.positions_between(after.slots_of(sources), after.slots_of(targets))
    assert (fresh >= 0).all()
    assert (learned[fresh] == 0).all()
    survivors = after.positions_of(structure.connection_ids[~cut])
    np.testing.assert_array_equal(learned[survivors], weights[~cut])
    assert len(np.union1d(fresh, survivors)) == topology.n_connections

    topology.apply(*undo)
    assert_consistent(topology)
    assert without_counters(snapshot(topology)) == without_counters(before)


def test_the_arrays_hold_what_was_asked_for():
    """The same edits on a `networkx.DiGraph`, by hand."""
    topology = Topology(2, 1)
    topology.apply(AddNeurons(3, "tanh"), Connect([0, 1, 3, 4, 5], [3, 4, 5, 5, 2]))
    topology.apply(PruneNeurons([4]), Connect([1], [3]))
    graph = nx.DiGraph([(0, 3), (3, 5), (5, 2), (1, 3)])
    assert nx.is_isomorphic(plain_graph(topology), graph)
    assert set(topology.graph.edges) == set(graph.edges)
    assert graphs_equal(topology.graph, plain_graph(topology))

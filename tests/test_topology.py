"""A topology: how it is made, how things are looked up in it, and its columns."""

import numpy as np
import pytest
from topologies import assert_consistent, random_topology, two_in_a_row

from plastic.edits import AddNeurons, Connect
from plastic.errors import InvalidEdit, InvalidNetwork, InvalidParameter
from plastic.topology import Topology
from plastic.topology.columns import Columns


@pytest.fixture
def topology():
    return two_in_a_row()


class TestConstruction:
    def test_inputs_and_outputs_are_numbered_in_turn(self):
        topology = Topology(3, 2, ["tanh", "identity"], output_group=7)
        assert_consistent(topology)
        structure = topology.structure
        np.testing.assert_array_equal(structure.neuron_ids[structure.inputs], [0, 1, 2])
        np.testing.assert_array_equal(structure.neuron_ids[structure.outputs], [3, 4])
        np.testing.assert_array_equal(structure.groups, [0, 0, 0, 7, 7])
        assert [topology.graph.nodes[i]["activation"] for i in (0, 3, 4)] == [
            "identity", "tanh", "identity",
        ]  # fmt: skip
        assert repr(topology) == (
            "Topology(5 neurons: 3 inputs, 0 hidden, 2 outputs; 0 connections)"
        )

    def test_ids_may_be_given(self):
        topology = Topology(2, 1, ids=[9, 2, 5])
        assert_consistent(topology)
        structure = topology.structure
        np.testing.assert_array_equal(structure.neuron_ids[structure.inputs], [2, 9])
        np.testing.assert_array_equal(structure.neuron_ids[structure.outputs], [5])
        assert topology.next_neuron_id == 10

    @pytest.mark.parametrize("ids", [[0, 1], [0, 1, 1], [-1, 0, 1], [0.0, 1, 2], [[0, 1, 2]]])
    def test_ids_must_be_of_use(self, ids):
        message = "3 neurons need 3 different whole ids of at least 0, got"
        with pytest.raises(InvalidNetwork, match=message):
            Topology(2, 1, ids=ids)

    @pytest.mark.parametrize("count", [0, -1, 1.5, True])
    @pytest.mark.parametrize("name", ["n_inputs", "n_outputs"])
    def test_counts_are_at_least_one(self, name, count):
        counts = {"n_inputs": 1, "n_outputs": 1, name: count}
        with pytest.raises(InvalidParameter, match=f"{name} must be a whole number"):
            Topology(**counts)

    @pytest.mark.parametrize(
        ("activation", "error", "message"),
        [
            ("step", InvalidParameter, "activation must be one of"),
            (["tanh"], InvalidNetwork, "there are 2 outputs but 1 activations"),
            (["softmax", "tanh"], InvalidNetwork, "softmax joins all outputs or none, got"),
        ],
    )
    def test_output_activations_must_fit(self, activation, error, message):
        with pytest.raises(error, match=message):
            Topology(1, 2, activation)


class TestLookUps:
    @pytest.mark.parametrize("seed", range(3))
    def test_slots_and_positions(self, seed):
        structure = random_topology(seed).structure
        rng = np.random.default_rng(seed)
        neurons = rng.permutation(structure.neuron_ids)
        np.testing.assert_array_equal(
            structure.neuron_ids[structure.slots_of(neurons)], neurons
        )
        connections = rng.permutation(structure.connection_ids)[:20]
        found = structure.connection_ids[structure.positions_of(connections)]
        np.testing.assert_array_equal(found, connections)

    @pytest.mark.parametrize("seed", range(3))
    def test_positions_between_all_pairs(self, seed):
        structure = random_topology(seed).structure
        n = structure.n_neurons
        sources, targets = np.divmod(np.arange(n * n), n)
        expected = np.full(n * n, -1)
        joined = structure.sources.astype(int) * n + structure.targets
        expected[joined] = np.arange(structure.n_connections)
        np.testing.assert_array_equal(structure.positions_between(sources, targets), expected)
        assert len(structure.positions_between(sources[:0], targets[:0])) == 0

    def test_what_is_not_there_is_named(self, topology):
        with pytest.raises(InvalidEdit, match="there is no neuron 17"):
            topology.structure.slots_of([0, 17])
        with pytest.raises(InvalidEdit, match="there is no connection 17"):
            topology.structure.positions_of([0, 17])
        with pytest.raises(InvalidEdit, match="there is no connection 0"):
            Topology(1, 1).structure.positions_of([0])

    def test_arrays_are_locked(self, topology):
        with pytest.raises(ValueError, match="read-only"):
            topology.structure.sources[0] = 1
        with pytest.raises(ValueError, match="read-only"):
            topology.structure.out.positions[0] = 1

    @pytest.mark.parametrize("output_activation", ["softmax", "identity"])
    @pytest.mark.parametrize(
        "blocks", [None, [(0, 1), (1, 2)], [(0, 1), (1, 1), (1, 2), (0, 2), (2, 1), (2, 2)]]
    )
    def test_density_is_of_the_room_there_is(self, blocks, output_activation):
        topology = Topology(3, 2, output_activation, blocks=blocks)
        topology.apply(AddNeurons(5, group=[1, 1, 1, 2, 2], keep_stranded=True))
        topology.apply(Connect([0, 0, 6], [5, 6, 3]))
        nodes = topology.graph.nodes

        def may_join(u, v):
            dead_end = nodes[u]["activation"] == "softmax" or nodes[v]["kind"] == "input"
            pair = nodes[u]["group"], nodes[v]["group"]
            return u != v and not dead_end and (blocks is None or pair in blocks)

        room = {frozenset((u, v)) for u in nodes for v in nodes if may_join(u, v)}
        assert topology.n_possible == len(room)
        assert topology.density == 3 / len(room)


class TestColumns:
    def test_adding_again_gives_the_same_array(self):
        columns = Columns(3)
        first = columns.add("weight", np.float32, fill=2)
        first[0] = 5
        assert columns.add("weight", np.float32) is first
        assert dict(columns)["weight"].tolist() == [5, 2, 2]
        assert len(columns) == 1

    def test_a_column_has_one_dtype(self):
        columns = Columns(3)
        columns.add("weight", np.float32)
        with pytest.raises(InvalidParameter, match="'weight' holds float32, not float64"):
            columns.add("weight", np.float64)

    def test_a_column_has_one_length(self):
        columns = Columns(3)
        with pytest.raises(InvalidParameter, match="column 'w' must hold 3 values, got 2"):
            columns.replace("w", np.zeros(2))
        assert not columns

    def test_replaced_values_are_a_copy(self):
        columns, values = Columns(2), np.array([1, 2])
        columns.replace("w", values)[0] = 9
        assert values.tolist() == [1, 2]
        assert columns["w"].tolist() == [9, 2]

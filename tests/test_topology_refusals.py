"""An edit that breaks a rule is refused by name, and leaves a topology as it was."""

import numpy as np
import pytest
from topologies import snapshot, two_in_a_row

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons, Removal
from plastic.errors import CycleError, InvalidEdit
from plastic.topology import Topology, moves


@pytest.fixture
def topology():
    return two_in_a_row()


class TestRefusals:
    """Each rule is named, with the values that broke it, and nothing has changed."""

    @pytest.mark.parametrize(
        ("edits", "message"),
        [
            ([Connect([5], [5])], "connection 5->5 would join a neuron to itself"),
            ([Connect([4], [1])], "connection 4->1 would lead into an input neuron"),
            ([Connect([0], [4])], "connection 0->4 already exists"),
            ([Connect([0, 1, 0], [5, 5, 5])], "connection 0->5 is asked for twice"),
            ([Connect([5], [4])], "connection 5->4 would close a cycle"),
            ([Connect([2], [4])], "connection 2->4 would close a cycle"),
            ([Connect([9], [4])], "there is no neuron 9"),
            ([Connect([0], [9])], "there is no neuron 9"),
            ([Connect([0], [5], ids=[1])], "connection 1 is alive already; ids are for life"),
            ([Connect([0], [5], ids=[-4])], "a connection id must not be negative, got -4"),
            ([Connect([0, 1], [5, 5], ids=[8, 8])], "connection 8 is named twice in one edit"),
            ([Disconnect([7])], "there is no connection 7"),
            ([Disconnect([0, 0])], "connection 0 is named twice in one edit"),
            ([Disconnect([0])], "neuron 4 would be left without a way in; prune it, too, or"),
            ([Disconnect([2])], "neuron 5 would be left without a way out; prune it, too, or"),
            ([PruneNeurons([0])], "neuron 0 is an input, which is never pruned"),
            ([PruneNeurons([4, 3])], "neuron 3 is an output, which is never pruned"),
            ([PruneNeurons([6])], "there is no neuron 6"),
            ([PruneNeurons([4, 4])], "neuron 4 is named twice in one edit"),
            ([PruneNeurons([4])], "neuron 5 would be left without a way in"),
            ([PruneNeurons([5])], "neuron 4 would be left without a way out"),
            ([AddNeurons(1)], "neuron 6 would be left without a way in"),
            ([AddNeurons(1), Connect([0], [6])], "neuron 6 would be left without a way out"),
            ([AddNeurons(1, ids=[5])], "neuron 5 is alive already; ids are for life"),
            ([AddNeurons(1, ids=[-1])], "a neuron id must not be negative, got -1"),
            ([AddNeurons(2, ids=[7, 7])], "neuron 7 is named twice in one edit"),
            ([AddNeurons(1, "softmax")], "softmax joins the output neurons; a hidden neuron"),
            ([Removal([1])], "not an edit: Removal"),
            (["prune"], "not an edit: 'prune'"),
        ],
    )
    def test_a_broken_rule_is_named(self, topology, edits, message):
        before, structure = snapshot(topology), topology.structure
        good = Connect([0], [3], ids=[60]), Disconnect([3])
        for batch in (edits, [*good, *edits]):
            with pytest.raises(InvalidEdit, match=message.replace(">", "\\>")) as caught:
                topology.apply(*batch)
            assert isinstance(caught.value, CycleError) == ("would close" in message)
            assert topology.structure is structure
            assert snapshot(topology) == before

    def test_nothing_leads_out_of_softmax(self):
        topology = Topology(1, 2, "softmax")
        with pytest.raises(InvalidEdit, match="1->2 would lead out of a softmax output"):
            topology.apply(Connect([1], [2]))
        Topology(1, 2, "identity").apply(Connect([1], [2]))

    def test_only_some_groups_may_connect(self):
        topology = Topology(2, 1, blocks=[(0, 1), (1, 2)])
        topology.apply(AddNeurons(1, group=1), Connect([0, 3], [3, 2]))
        far = AddNeurons(1, group=10**6, keep_stranded=True)
        for batch in ([Connect([1], [2])], [far, Connect([3], [4])], [far, Connect([4], [2])]):
            with pytest.raises(InvalidEdit, match=r"\d->\d joins groups that may not"):
                topology.apply(*batch)
        topology.apply(Connect([1], [3]))

    def test_no_block_at_all_allows_no_connection(self):
        topology = Topology(1, 1, blocks=[])
        with pytest.raises(InvalidEdit, match="joins groups that may not"):
            topology.apply(Connect([0], [1]))
        assert topology.n_possible == 0
        assert topology.density == 0

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"speed": [1.0]}, "there is no column 'speed'; there are: weight"),
            ({"weight": [np.nan]}, "column 'weight' must be given finite values, got nan"),
            ({"weight": [-np.inf]}, "column 'weight' must be given finite values, got -inf"),
            ({"weight": [1e300]}, r"column 'weight' must be given finite values, got 1e\+300"),
            ({"weight": ["1"]}, "column 'weight' must be given numbers, got <U1"),
            ({"weight": np.ones((1, 2))}, r"values of shape \(1,\), got \(1, 2\)"),
        ],
    )
    def test_columns_must_fit(self, topology, columns, message):
        before = snapshot(topology)
        with pytest.raises(InvalidEdit, match=message):
            topology.apply(Connect([0], [5], columns=columns))
        assert snapshot(topology) == before

    def test_where_there_are_no_columns_the_message_says_so(self):
        with pytest.raises(InvalidEdit, match="there is no column 'weight'; there are: none"):
            Topology(1, 1).apply(Connect([0], [1], columns={"weight": [1.0]}))


def test_there_is_room_for_so_many(topology, monkeypatch):
    monkeypatch.setattr(moves, "MOST_CONNECTIONS", 5)
    topology.apply(Connect([0], [5]))
    before = snapshot(topology)
    with pytest.raises(InvalidEdit, match="there is room for 5 connections, not for 6"):
        topology.apply(Connect([1], [5]))
    assert snapshot(topology) == before

import networkx as nx
import numpy as np
import pytest
from networkx.utils import graphs_equal
from topologies import (
    assert_consistent,
    plain_graph,
    random_topology,
    snapshot,
    without_counters,
)

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons, Removal
from plastic.errors import CycleError, InvalidEdit, InvalidNetwork, InvalidParameter
from plastic.topology import Kind, Topology
from plastic.topology.columns import Columns
from plastic.topology.structure import SPREAD, among
from plastic.topology.wiring import random_dag


@pytest.fixture
def topology():
    """Inputs 0 and 1, outputs 2 and 3, hidden neurons 4 and 5 in a row between them."""
    topology = Topology(2, 2)
    topology.connection_columns.add("weight", np.float32)
    topology.apply(AddNeurons(2), Connect([0, 4, 5, 1], [4, 5, 2, 3]))
    return topology


def random_batch(topology, rng):
    """Edits of all four kinds that go through together."""
    structure = topology.structure
    hidden = structure.neuron_ids[structure.kinds == Kind.HIDDEN]
    pruned, kept = np.split(rng.permutation(hidden), [3])
    cut = rng.choice(structure.connection_ids, 15, replace=False)
    born = topology.next_neuron_id + np.arange(2)
    outputs = structure.neuron_ids[structure.outputs]
    return (
        Disconnect(cut, keep_stranded=True),
        PruneNeurons(pruned, keep_stranded=True),
        AddNeurons(2, "tanh", columns={"bias": rng.normal(size=2)}),
        Connect([0, 1, *born, born[0]], [*born, *outputs[:2], kept[0]]),
    )


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


@pytest.mark.parametrize("spacing", [1, 3, 2**10, 2**40])
@pytest.mark.parametrize("n_ids", [0, 1, 2, 40, 500])
@pytest.mark.parametrize("first", [0, -700, 2**61])
def test_among_is_numpy_isin(spacing, n_ids, first):
    """However far the ids lie from each other, and where all fall on one place of the table."""
    rng = np.random.default_rng(n_ids)
    pool = first + spacing * np.arange(1200)
    values = rng.permutation(pool)[:900]
    ids = rng.choice(pool, n_ids)  # some of them twice
    np.testing.assert_array_equal(among(values, ids), np.isin(values, ids))
    assert not len(among(values[:0], ids))


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

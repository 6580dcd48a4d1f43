from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from topologies import (
    assert_consistent,
    plain_graph,
    random_topology,
    snapshot,
    without_counters,
)

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.errors import InvalidEdit, InvalidParameter
from plastic.topology import Journal, Topology, replay
from plastic.topology.journal import PRUNED_WITH, edit_rows

SHAPE = ("neuron_ids", "kinds", "activations", "groups", "indptr", "sources", "connection_ids")
COLUMNS = {
    "step", "kind", "id", "source", "target", "activation", "group", "reason", "score",
}  # fmt: skip


def assert_same_shape(one, other):
    for name in SHAPE:
        np.testing.assert_array_equal(
            getattr(one.structure, name), getattr(other.structure, name)
        )


def short(rows, *names):
    """Some columns of the rows, as tuples."""
    return list(zip(*(rows[name].tolist() for name in names), strict=True))


@pytest.fixture
def journal():
    """Inputs 0 and 1, output 2, hidden neurons 3 and 4 in a row."""
    topology = Topology(2, 1)
    topology.connection_columns.add("weight", np.float32)
    topology.neuron_columns.add("bias", np.float64)
    journal = Journal(topology)
    journal.apply(AddNeurons(2, "tanh", [1, 5]), Connect([0, 3, 4, 1], [3, 4, 2, 2]))
    return journal


def busy_journal(seed, remember=None):
    """Thirty batches of all kinds on a random topology."""
    topology, rng = random_topology(seed), np.random.default_rng(seed)
    journal = Journal(topology, remember)
    for step in range(100, 130):
        topology.step = step
        structure = topology.structure
        cut = rng.choice(structure.connection_ids, 4, replace=False)
        born = topology.next_neuron_id + np.arange(2)
        hidden = structure.neuron_ids[structure.kinds == 1]
        journal.apply(
            AddNeurons(2, [0, 2], scores=rng.random(2), reason="grow"),
            Connect([0, 1, *born], [*born, 6, 7], reason="grow"),
            Disconnect(cut, keep_stranded=True, reason="drop", scores=rng.random(4)),
            PruneNeurons(rng.choice(hidden, 2, replace=False), keep_stranded=True),
        )
    return journal


class TestRows:
    def test_a_row_for_each_item(self, journal):
        rows = journal.rows()
        assert set(rows) == COLUMNS
        assert short(rows, "kind", "id", "source", "target", "activation", "group") == [
            ("add_neuron", 3, -1, -1, "tanh", 1),
            ("add_neuron", 4, -1, -1, "tanh", 5),
            ("connect", 0, 0, 3, "", -1),
            ("connect", 1, 3, 4, "", -1),
            ("connect", 2, 4, 2, "", -1),
            ("connect", 3, 1, 2, "", -1),
        ]
        assert np.isnan(rows["score"]).all()
        assert rows["step"].tolist() == [0] * 6

    def test_steps_reasons_and_scores(self, journal):
        journal.topology.step = 12
        entry = journal.apply(
            Disconnect([3], scores=[0.5], reason="weak"), Connect([0], [2], reason="new")
        )
        assert short(entry.rows, "step", "kind", "reason") == [
            (12, "disconnect", "weak"), (12, "connect", "new"),
        ]  # fmt: skip
        np.testing.assert_array_equal(entry.rows["score"], [0.5, np.nan])

    @pytest.mark.parametrize("ids", list(permutations([0, 1, 3])))
    def test_what_is_removed_shows_its_ends(self, journal, ids):
        entry = journal.apply(Disconnect(ids, keep_stranded=True))
        ends = {0: (0, 3), 1: (3, 4), 3: (1, 2)}
        expected = [("disconnect", number, *ends[number]) for number in ids]
        assert short(entry.rows, "kind", "id", "source", "target") == expected

    def test_what_goes_with_a_neuron_has_rows_of_its_own(self, journal):
        entry = journal.apply(PruneNeurons([4, 3], reason="idle"))
        rows = short(entry.rows, "kind", "id", "source", "target", "reason")
        assert sorted(rows[:3]) == [
            ("disconnect", 0, 0, 3, PRUNED_WITH),
            ("disconnect", 1, 3, 4, PRUNED_WITH),
            ("disconnect", 2, 4, 2, PRUNED_WITH),
        ]
        idle = [("prune_neuron", 4, -1, -1, "idle"), ("prune_neuron", 3, -1, -1, "idle")]
        assert rows[3:] == idle

    def test_edits_of_a_mixed_batch_find_their_own_ends(self, journal):
        entry = journal.apply(
            Disconnect([]),
            PruneNeurons([]),
            AddNeurons(1, keep_stranded=True),
            PruneNeurons([5]),
            Disconnect([3]),
            Connect([1], [4]),
            PruneNeurons([3, 4]),
            Connect([1], [2]),
        )
        rows = short(entry.rows, "kind", "id", "source", "target")
        assert rows[:4] == [
            ("add_neuron", 5, -1, -1),
            ("prune_neuron", 5, -1, -1),
            ("disconnect", 3, 1, 2),
            ("connect", 4, 1, 4),
        ]
        assert set(rows[4:8]) == {
            ("disconnect", 0, 0, 3),
            ("disconnect", 1, 3, 4),
            ("disconnect", 2, 4, 2),
            ("disconnect", 4, 1, 4),
        }
        assert rows[8:] == [
            ("prune_neuron", 3, -1, -1), ("prune_neuron", 4, -1, -1), ("connect", 5, 1, 2),
        ]  # fmt: skip

    def test_a_proposal_that_was_never_applied_has_rows_too(self):
        proposal = (
            AddNeurons(1, "relu", 3),
            Connect([0], [9]),
            Disconnect([4]),
            PruneNeurons([5]),
        )
        rows = edit_rows(7, proposal)
        assert short(rows, "step", "kind", "id", "source", "target", "activation", "group") == [
            (7, "add_neuron", -1, -1, -1, "relu", 3),
            (7, "connect", -1, 0, 9, "", -1),
            (7, "disconnect", 4, -1, -1, "", -1),
            (7, "prune_neuron", 5, -1, -1, "", -1),
        ]

    def test_nothing_has_no_rows_but_all_columns(self):
        for rows in (Journal(Topology(1, 1)).rows(), edit_rows(3, [])):
            assert set(rows) == COLUMNS
            assert {len(values) for values in rows.values()} == {0}

    def test_the_dtypes_do_not_depend_on_the_edits(self):
        kinds = {name: values.dtype.kind for name, values in busy_journal(0).rows().items()}
        empty = {name: values.dtype.kind for name, values in edit_rows(0, []).items()}
        assert kinds == empty


class TestUndo:
    def test_undo_brings_back_every_bit(self):
        journal = busy_journal(1)
        topology, edited = random_topology(1), []
        other = Journal(topology)
        for entry in journal.entries:
            edited.append(without_counters(snapshot(topology) | {"step": 0}))
            other.apply(*entry.edits)
        while edited:
            other.undo()
            assert_consistent(topology)
            assert without_counters(snapshot(topology) | {"step": 0}) == edited.pop()
        assert other.entries == []

    def test_what_is_undone_leaves_no_rows(self, journal):
        before = journal.rows()
        journal.apply(Connect([0], [4]))
        journal.undo()
        after = journal.rows()
        assert all(np.array_equal(after[n], before[n]) for n in ("kind", "id", "source"))

    def test_there_may_be_nothing_to_undo(self, journal):
        journal.undo()
        message = "there is nothing left in the journal to undo"
        with pytest.raises(InvalidEdit, match=message):
            journal.undo()

    def test_only_the_last_are_remembered(self, journal):
        journal = Journal(journal.topology, remember=2)
        for target in (2, 4):
            journal.apply(Connect([0], [target]))
        journal.apply(Connect([1], [3]))
        assert [entry.rows["target"].tolist() for entry in journal.entries] == [[4], [3]]
        journal.undo()
        journal.undo()
        with pytest.raises(InvalidEdit, match="nothing left"):
            journal.undo()
        assert journal.topology.graph.has_edge(0, 2)

    def test_nothing_need_be_remembered(self, journal):
        journal = Journal(journal.topology, remember=0)
        entry = journal.apply(Connect([0], [4]))
        assert entry.rows["id"].tolist() == [4]
        assert journal.entries == []

    def test_what_was_done_beside_the_journal_may_stand_in_the_way(self, journal):
        journal.apply(Connect([0], [4]))
        journal.topology.apply(Disconnect([4]))
        before = snapshot(journal.topology)
        with pytest.raises(InvalidEdit, match="there is no connection 4"):
            journal.undo()
        assert snapshot(journal.topology) == before
        assert len(journal.entries) == 2

    def test_a_refused_batch_is_not_written_down(self, journal):
        before = snapshot(journal.topology)
        with pytest.raises(InvalidEdit):
            journal.apply(Connect([0], [4]), Connect([4], [3]))
        assert snapshot(journal.topology) == before
        assert len(journal.entries) == 1


class TestReplay:
    @pytest.mark.parametrize("seed", range(5))
    def test_the_same_structure(self, seed):
        journal, copy = busy_journal(seed), random_topology(seed)
        replay(copy, journal.rows())
        assert_consistent(copy)
        assert_same_shape(copy, journal.topology)
        for what, ids in (("neuron", "neuron_ids"), ("connection", "connection_ids")):
            births = [
                t.birth_steps(what, getattr(t.structure, ids)) for t in (copy, journal.topology)
            ]
            np.testing.assert_array_equal(*births)
        assert copy.step == 129

    @pytest.mark.parametrize("seed", range(3))
    def test_through_a_table(self, seed, tmp_path):
        journal = busy_journal(seed)
        table = pd.DataFrame(journal.rows())
        table.to_parquet(tmp_path / "edits.parquet")
        read = pd.read_parquet(tmp_path / "edits.parquet")
        for rows in (table, read):
            copy = random_topology(seed)
            replay(copy, rows)
            assert_same_shape(copy, journal.topology)

    def test_after_undoing(self):
        journal = busy_journal(2)
        for _ in range(11):
            journal.undo()
        journal.apply(*journal.entries[-1].undo)  # and once as an edit like any other
        journal.apply(Connect([0], [6], reason="late"))
        copy = random_topology(2)
        replay(copy, journal.rows())
        assert_same_shape(copy, journal.topology)

    def test_with_the_dates(self, journal):
        for step, target in ((5, 4), (6, 2)):
            journal.topology.step = step
            journal.apply(Connect([0], [target]))
        copy = Topology(2, 1)
        replay(copy, journal.rows())
        assert copy.birth_steps("connection", [3, 4, 5]).tolist() == [0, 5, 6]

    def test_in_pieces(self):
        journal, copy = busy_journal(3), random_topology(3)
        for entry in journal.entries:
            replay(copy, entry.rows)
        assert_same_shape(copy, journal.topology)

    def test_nothing(self):
        topology = random_topology(4)
        before = snapshot(topology)
        replay(topology, Journal(topology).rows())
        assert snapshot(topology) == before

    def test_rows_must_fit(self, journal):
        rows = journal.rows()
        with pytest.raises(InvalidEdit, match="neuron 3 is alive already"):
            replay(journal.topology, rows)
        with pytest.raises(InvalidEdit, match="there is no edit of kind 'paint'"):
            replay(journal.topology, rows | {"kind": np.array(["paint"] * 6, object)})
        with pytest.raises(InvalidParameter, match="activation must be one of"):
            replay(Topology(2, 1), rows | {"activation": np.array(["step"] * 6, object)})

    def test_the_face_is_that_of_the_original(self):
        journal, copy = busy_journal(0), random_topology(0)
        replay(copy, journal.rows())
        assert set(copy.graph.edges) == set(plain_graph(journal.topology).edges)

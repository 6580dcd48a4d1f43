"""Law: an undo that knows the way leads where looking everything up leads, bit for bit."""

from __future__ import annotations

import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from topologies import snapshot

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.errors import InvalidEdit
from plastic.topology import Constraints, Topology
from plastic.topology.journal import Journal
from plastic.topology.way_back import find_way, forget_way
from plastic.topology.wiring import random_dag

BATCHES = st.lists(st.sampled_from(["cut", "join", "move", "none"]), min_size=1, max_size=4)


def wired(seed):
    """A random graph with columns of three kinds, some of several numbers an item."""
    rng = np.random.default_rng(seed)
    topology = random_dag(4, 3, 0.4, rng, n_hidden=7)
    columns, n = topology.connection_columns, topology.n_connections
    columns.put("weight", rng.normal(size=n).astype(np.float32))
    columns.put("age", rng.integers(0, 9, n).astype(np.int16), fill=3)
    columns.put("moments", rng.normal(size=(n, 3)))
    return topology


def drawn(topology, what, rng):
    """A batch of edits of connections."""
    structure = topology.structure
    ids, edits = structure.neuron_ids, []
    if what in ("cut", "move"):
        count = int(rng.integers(1, topology.n_connections // 2))
        gone = rng.permutation(structure.connection_ids)[:count]
        edits.append(Disconnect(gone, keep_stranded=True))
    if what in ("join", "move"):
        s, t = np.nonzero(structure.rank[:, None] < structure.rank)
        free = (structure.kinds[t] != 0) & (structure.positions_between(s, t) < 0)
        free &= structure.kinds[s] != 2
        chosen = rng.permutation(np.flatnonzero(free))[: rng.integers(1, 9)]
        weights = rng.normal(size=len(chosen)).astype(np.float32)
        given = {"weight": weights} if rng.random() < 0.5 else {}
        edits.append(Connect(ids[s[chosen]], ids[t[chosen]], columns=given))
    return edits or [Connect([], [])]


def at(topology):
    """The state that a topology is in."""
    return topology.snapshot().state


def said(edits):
    """All that edits say, to be compared."""
    return [
        (type(edit), edit.reason, edit.keep_stranded, edit.ids.tobytes())
        if isinstance(edit, Disconnect)
        else (
            type(edit), edit.reason,
            *(ids.tobytes() for ids in (edit.sources, edit.targets, edit.ids)),
            {name: (str(v.dtype), v.shape, v.tobytes()) for name, v in edit.columns.items()},
        )
        for edit in edits
    ]  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), batches=BATCHES, turns=st.integers(1, 4))
def test_the_way_leads_where_the_edits_lead(seed, batches, turns):
    """There and back and there again, with learning in between and a column that comes late."""
    quick, slow = wired(seed), wired(seed)
    for number, what in enumerate(batches):
        edits = drawn(quick, what, np.random.default_rng([seed, number]))
        undos = [topology.apply(*edits) for topology in (quick, slow)]
        for turn in range(turns):
            for topology in (quick, slow):
                topology.step += 1
                topology.connection_columns["weight"][:] *= 1.5
                topology.connection_columns.add(f"late {turn}", np.float64, fill=turn)
            way = find_way(undos[0], at(quick), quick.blocks)
            assert way is not None or not undos[0]  # nothing was done that could be undone
            forget_way(undos[1])
            assert find_way(undos[1], at(slow), slow.blocks) is None
            assert said(undos[0]) == said(undos[1])
            undos = [
                topology.apply(*undo)
                for topology, undo in zip((quick, slow), undos, strict=True)
            ]
            assert snapshot(quick) == snapshot(slow)


def test_the_structure_itself_comes_back():
    topology = wired(0)
    before = topology.structure
    undo = topology.apply(*drawn(topology, "move", np.random.default_rng(0)))
    after = topology.structure
    redo = topology.apply(*undo)
    assert topology.structure is before
    topology.apply(*redo)
    assert topology.structure is after


def test_only_the_same_edits_at_the_same_place_know_the_way():
    topology = wired(1)
    start = at(topology)
    undo = topology.apply(*drawn(topology, "move", np.random.default_rng(1)))
    here = at(topology), topology.blocks
    assert find_way(undo, *here) is not None
    for others in ((), undo[:1], undo[::-1], undo * 2, (undo[0], replace(undo[1])), ("what",)):
        assert find_way(others, *here) is None
    assert find_way(undo, start, topology.blocks) is None
    assert find_way(undo, at(topology), frozenset([(0, 1)])) is None
    other = topology.apply(Disconnect(topology.structure.connection_ids[:1]))
    assert find_way(undo, at(topology), topology.blocks) is None
    topology.apply(*other)
    assert find_way(undo, *here) is not None  # back where it starts


@pytest.mark.parametrize(
    "edits",
    [
        (AddNeurons(1, keep_stranded=True),),
        (PruneNeurons([8], keep_stranded=True),),
        (Connect([0], [4]), AddNeurons(1, keep_stranded=True)),
        (Connect([0], [4]), Disconnect([0], keep_stranded=True)),
        (Connect([7], [9]), Connect([9], [8])),
    ],
    ids=["add", "prune", "connect and add", "two moves", "against the order"],
)
def test_other_batches_are_looked_up(edits):
    topology = Topology(4, 2)
    topology.apply(AddNeurons(4, ids=[6, 7, 8, 9], keep_stranded=True))
    topology.apply(Connect([0, 6, 8], [6, 8, 5], ids=[0, 1, 2]))
    held = {**snapshot(topology), "next": None, "rank": None}
    undo = topology.apply(*edits)
    assert find_way(undo, at(topology), topology.blocks) is None
    topology.apply(*undo)
    assert {**snapshot(topology), "next": None, "rank": None} == held


def test_what_constraints_refuse_is_refused_on_the_way_back_too():
    topology = wired(2)
    undo = topology.apply(Disconnect(topology.structure.connection_ids[:2], keep_stranded=True))
    topology.constrain(Constraints(max_connections=topology.n_connections))
    held = snapshot(topology)
    with pytest.raises(InvalidEdit, match="max_connections"):
        topology.apply(*undo)
    assert snapshot(topology) == held


def test_a_structure_lives_as_long_as_its_undo():
    topology = wired(3)
    before = weakref.ref(topology.structure)
    undo = topology.apply(Disconnect(topology.structure.connection_ids[:1], keep_stranded=True))
    assert before() is not None
    del undo
    assert before() is None


@pytest.mark.parametrize("remember", [None, 1, 0])
def test_a_journal_keeps_no_structure_but_the_last(remember):
    topology = wired(4)
    journal, structures = Journal(topology, remember), []
    for number in range(4):
        structures.append(weakref.ref(topology.structure))
        ids = topology.structure.connection_ids[:1]
        entry = journal.apply(Disconnect(ids, keep_stranded=True))
        assert len(journal.entries) == (number + 1 if remember is None else remember)
    alive = [structure() is not None for structure in structures]
    assert alive == [False, False, False, remember != 0]
    assert len(entry.undo) == 1


@pytest.mark.parametrize(
    "values", [np.ones(24, np.float64), np.ones((24, 2), np.float32)], ids=["dtype", "shape"]
)
def test_no_way_leads_through_columns_of_another_kind(values):
    """What is carried over must fit: else the edits are looked up, and convert or refuse."""
    topology = random_dag(4, 3, 0.4, np.random.default_rng(5), n_hidden=7)
    topology.connection_columns.add("weight", np.float32, fill=2)
    undo = topology.apply(Disconnect(topology.structure.connection_ids[:1], keep_stranded=True))
    values = np.resize(values, (topology.n_connections, *values.shape[1:]))
    topology.connection_columns.replace("weight", values)
    assert find_way(undo, at(topology), topology.blocks) is None
    if values.ndim > 1:
        with pytest.raises(InvalidEdit, match="shape"):
            topology.apply(*undo)
    else:
        topology.apply(*undo)
        assert sorted(topology.connection_columns["weight"])[-2:] == [1, 2]


def test_an_undo_is_worked_out_when_it_is_looked_at():
    topology = wired(6)
    weights = topology.connection_columns["weight"]
    ids, held = topology.structure.connection_ids[:2], weights.copy()
    (undo,) = topology.apply(Disconnect(ids, keep_stranded=True))
    assert not {"sources", "targets", "ids", "columns"} & vars(undo).keys()
    assert undo.ids.tolist() == ids.tolist()
    assert "columns" not in vars(undo)
    with pytest.raises(ValueError, match="read-only"):  # or it would say what never was
        weights[:] = 0
    topology.connection_columns["weight"][:] = 7
    assert undo.columns["weight"].tolist() == held[:2].tolist()
    topology.apply(undo)
    assert topology.connection_columns["weight"][:3].tolist() == [*held[:2], 7]
    with pytest.raises(AttributeError, match="Connect has no attribute 'weights'"):
        undo.weights  # noqa: B018


def test_a_refused_batch_leaves_columns_to_be_written_to():
    topology = wired(7)
    topology.constrain(Constraints(max_connections=topology.n_connections))
    with pytest.raises(InvalidEdit, match="max_connections"):
        topology.apply(*drawn(topology, "join", np.random.default_rng(7)))
    topology.connection_columns["weight"][:] = 1

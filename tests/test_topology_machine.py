"""Long random histories of a topology, side by side with a plain model of it."""

from itertools import product

import networkx as nx
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from networkx.utils import graphs_equal
from plain_topology import Broken, Plain, kinds_of, propose
from topologies import assert_consistent, plain_graph, snapshot

from plastic.errors import CycleError, InvalidEdit
from plastic.topology import Journal, Topology, order, replay

BLOCKS = frozenset({(0, 1), (1, 1), (1, 2), (0, 2), (0, 3), (3, 1), (1, 3), (2, 1)})
RULES = (
    "already exists", "is asked for twice", "to itself", "into an input", "close a cycle",
    "without a way in", "without a way out", "no neuron", "no connection", "no column",
    "never pruned", "groups that may not", "out of a softmax", "named twice", "alive already",
    "be negative", "softmax joins", "finite",
)  # fmt: skip


class Pair:
    """A topology and its model, which get the same edits."""

    def __init__(self, n_inputs, n_outputs, output_activation, blocks):
        self.begin = lambda: Topology(n_inputs, n_outputs, output_activation, blocks=blocks)
        self.topology = self.begin()
        self.topology.neuron_columns.add("bias", np.float64)
        self.topology.connection_columns.add("weight", np.float32)
        self.journal = Journal(self.topology)
        self.plain = Plain(n_inputs, n_outputs, output_activation, blocks)
        self.before = []  # for each batch of the journal: the model, and what was learned
        self.learned = 0
        self.messages = []

    def edit(self, edits):
        """Apply edits to both; return whether they were accepted."""
        try:
            after = self.plain.applied(edits)
        except Broken as broken:
            self._refused(edits, broken.rules)
            return False
        self.journal.apply(*edits)
        self.before.append((self.plain, self.learned))
        self.plain = after
        return True

    def _refused(self, edits, rules):
        held, structure = snapshot(self.topology), self.topology.structure
        n_entries = len(self.journal.entries)
        with pytest.raises(InvalidEdit) as caught:
            self.journal.apply(*edits)
        message = str(caught.value)
        assert any(rule in message for rule in rules), (message, rules)
        self.messages.append(message)
        assert isinstance(caught.value, CycleError) == ("would close a cycle" in message)
        assert self.topology.structure is structure
        assert snapshot(self.topology) == held
        assert len(self.journal.entries) == n_entries

    def undo(self):
        """Undo the last batch."""
        after = self.plain.applied(self.journal.entries[-1].undo)
        self.journal.undo()
        before, learned = self.before.pop()
        assert graphs_equal(shape(after.graph), shape(before.graph))
        if learned == self.learned:
            assert graphs_equal(after.graph, before.graph)
        self.plain = after

    def there_and_back(self):
        """Undo the last batch, undo that, and undo that one, too."""
        undo = self.journal.entries[-1].undo
        now = plain_graph(self.topology)
        redo = self.topology.apply(*undo)
        self.topology.apply(*redo)
        assert_consistent(self.topology)
        assert graphs_equal(plain_graph(self.topology), now)

    def learn(self, rng):
        """Write other weights and biases into the columns."""
        structure, graph = self.topology.structure, self.plain.graph
        biases = rng.integers(-99, 99, structure.n_neurons) / 16
        self.topology.neuron_columns["bias"][:] = biases
        nx.set_node_attributes(
            graph,
            dict(zip(structure.neuron_ids.tolist(), biases.tolist(), strict=True)),
            "bias",
        )
        weights = rng.integers(-99, 99, structure.n_connections) / 16
        self.topology.connection_columns["weight"][:] = weights
        by_id = dict(zip(structure.connection_ids.tolist(), weights.tolist(), strict=True))
        for _, _, held in graph.edges(data=True):
            held["weight"] = by_id[held["id"]]
        self.learned += 1

    def advance(self, steps):
        self.topology.step += steps
        self.plain.step += steps

    def check(self):
        assert_consistent(self.topology)
        arrays = plain_graph(self.topology)
        assert graphs_equal(arrays, self.plain.graph)
        assert graphs_equal(self.topology.graph, self.plain.graph)
        neurons, connections = self.plain.next["neuron"], self.plain.next["connection"]
        assert snapshot(self.topology)["next"] == (neurons, connections)

    def check_replay(self):
        copy = self.begin()
        replay(copy, self.journal.rows())
        assert_consistent(copy)
        assert graphs_equal(shape(plain_graph(copy)), shape(self.plain.graph))


def shape(graph):
    """A graph less what is not in its journal: weights, biases and dates."""
    bare = graph.copy()
    for _, held in bare.nodes(data=True):
        held.pop("bias", None), held.pop("birth_step")
    for _, _, held in bare.edges(data=True):
        held.pop("weight", None), held.pop("birth_step")
    return bare


class TopologyMachine(RuleBasedStateMachine):
    """Hypothesis looks for a history after which topology and model differ."""

    pair = None

    @initialize(
        n_inputs=st.integers(1, 3),
        n_outputs=st.integers(1, 2),
        output_activation=st.sampled_from(["softmax", "identity"]),
        blocks=st.sampled_from([None, BLOCKS]),
        one_by_one=st.sampled_from([order.ONE_BY_ONE, 1, 0]),
    )
    def begin(self, n_inputs, n_outputs, output_activation, blocks, one_by_one):
        self.monkeypatch = pytest.MonkeyPatch()
        self.monkeypatch.setattr(order, "ONE_BY_ONE", one_by_one)
        self.pair = Pair(n_inputs, n_outputs, output_activation, blocks)

    @rule(data=st.data())
    def edit(self, data):
        self._edit(data)

    @rule(data=st.data(), steps=st.integers(1, 5))
    def edit_later(self, data, steps):
        self.pair.advance(steps)
        self._edit(data)

    @rule(seed=st.integers(0, 2**16))
    def learn(self, seed):
        self.pair.learn(np.random.default_rng(seed))

    @precondition(lambda self: self.pair.before)
    @rule()
    def undo(self):
        self.pair.undo()

    @precondition(lambda self: len(self.pair.before) > 3)
    @rule(data=st.data())
    def undo_many(self, data):
        for _ in range(data.draw(st.integers(2, 4))):
            self.pair.undo()

    @precondition(lambda self: self.pair.before)
    @rule()
    def undo_as_an_edit(self):
        assert self.pair.edit(self.pair.journal.entries[-1].undo)

    @precondition(lambda self: self.pair.before)
    @rule()
    def there_and_back(self):
        self.pair.there_and_back()

    @rule()
    def replay(self):
        self.pair.check_replay()

    @invariant()
    def same(self):
        if self.pair is not None:
            self.pair.check()

    def teardown(self):
        if self.pair is not None:
            self.monkeypatch.undo()

    def _edit(self, data):
        self.pair.edit(propose(self.pair.plain, lambda n: data.draw(st.integers(0, n - 1))))


TestTopologyMachine = TopologyMachine.TestCase
TestTopologyMachine.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None, derandomize=True, database=None
)


def long_history(pair, n_steps, rng):
    """Edit at random, comparing after each step; count what was accepted."""
    accepted, kinds = [], kinds_of([])
    for step in range(n_steps):
        pair.advance(int(rng.integers(2)))
        if step % 10 == 3:
            pair.learn(rng)
        edits = propose(pair.plain, lambda n: int(rng.integers(n)))
        if pair.edit(edits):
            accepted.append(kinds_of(edits))
            kinds += accepted[-1]
        pair.check()
    return accepted, kinds


def test_long_histories(monkeypatch):
    """3,200 batches, of which many are accepted and many refused, for every rule."""
    messages, n_steps = [], 400
    choices = product([None, BLOCKS], ["softmax", "identity"], [order.ONE_BY_ONE, 0])
    for seed, (blocks, output_activation, one_by_one) in enumerate(choices):
        monkeypatch.setattr(order, "ONE_BY_ONE", one_by_one)
        pair = Pair(3, 2, output_activation, blocks)
        accepted, kinds = long_history(pair, n_steps, np.random.default_rng(seed))
        assert 0.2 * n_steps < len(accepted) < 0.8 * n_steps
        assert sum(len(batch) > 1 for batch in accepted) > 0.1 * n_steps
        assert min(kinds.values()) > 20
        assert len(kinds) == 4
        pair.check_replay()
        while pair.before:
            pair.undo()
        assert (pair.topology.n_neurons, pair.topology.n_connections) == (5, 0)
        messages += pair.messages
    unnamed = [rule for rule in RULES if not any(rule in message for message in messages)]
    assert not unnamed

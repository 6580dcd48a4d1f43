"""What a topology must do, said once more with an `nx.DiGraph` and Python loops.

`Plain` says which edits break which rule and what the others lead to; `propose` makes
batches of edits, some of which break one.
"""

from collections import Counter

import networkx as nx
import numpy as np

from plastic.activations import BY_CODE, softmax
from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons

FULL = 18  # hidden neurons from which on none are proposed


class Broken(Exception):
    """An edit breaks these rules; any of them may be the one that is named."""

    def __init__(self, rules):
        self.rules = rules
        super().__init__(", ".join(rules))


class Plain:
    """The model: ids, ends, attributes and columns in a plain graph."""

    def __init__(self, n_inputs, n_outputs, output_activation, blocks):
        self.graph, self.blocks, self.step = nx.DiGraph(), blocks, 0
        self.births = {"neuron": {}, "connection": {}}
        self.next = {"neuron": 0, "connection": 0}
        for _ in range(n_inputs):
            self._add_node(self.next["neuron"], "input", "identity", 0, 0.0)
        for _ in range(n_outputs):
            self._add_node(self.next["neuron"], "output", output_activation, 2, 0.0)

    def copy(self):
        other = object.__new__(Plain)
        other.graph, other.blocks, other.step = self.graph.copy(), self.blocks, self.step
        other.births = {what: dict(births) for what, births in self.births.items()}
        other.next = dict(self.next)
        return other

    def applied(self, edits, may_strand=False):
        """The model after these edits; raises `Broken` if they break a rule."""
        after, touched = self.copy(), set()
        for edit in edits:
            touched |= getattr(after, edit.kind)(edit)
        if not may_strand:
            _raise([rule for neuron in touched for rule in after._broken_by_stranding(neuron)])
        return after

    def add_neuron(self, edit):
        ids = self._ids("neuron", edit)
        rules = self._broken_by_ids("neuron", ids, self.graph)
        if softmax.code in edit.activations:
            rules.append("softmax joins the output neurons")
        _raise(rules + self._broken_by_columns("neuron", "bias", ids, edit.columns))
        biases = edit.columns.get("bias", np.zeros(len(ids)))
        rows = zip(ids, edit.activations, edit.groups, biases, strict=True)
        for neuron, code, group, bias in rows:
            self._add_node(neuron, "hidden", BY_CODE[code].name, int(group), float(bias))
        return set() if edit.keep_stranded else set(ids)

    def prune_neuron(self, edit):
        ids = edit.ids.tolist()
        kinds = self.graph.nodes(data="kind")
        rules = ["is named twice"] * _repeats(ids)
        rules += ["there is no neuron" for i in ids if i not in self.graph]
        rules += ["never pruned" for i in ids if i in self.graph and kinds[i] != "hidden"]
        _raise(rules)
        near = {n for i in ids for n in (*self.graph.pred[i], *self.graph.succ[i])}
        self.graph.remove_nodes_from(ids)
        return set() if edit.keep_stranded else near

    def connect(self, edit):
        pairs = list(zip(edit.sources.tolist(), edit.targets.tolist(), strict=True))
        _raise(["there is no neuron" for pair in pairs for i in pair if i not in self.graph])
        ids = self._ids("connection", edit)
        alive = {number for *_, number in self.graph.edges(data="id")}
        rules = self._broken_by_ids("connection", ids, alive)
        rules += ["is asked for twice"] * _repeats(pairs)
        rules += [rule for pair in pairs for rule in self._broken_by_pair(*pair)]
        rules += ["would close a cycle"] * self._closes_cycle(pairs)
        _raise(rules + self._broken_by_columns("connection", "weight", ids, edit.columns))
        weights = edit.columns.get("weight", np.zeros(len(ids)))
        for (source, target), number, weight in zip(pairs, ids, weights, strict=True):
            born = self._born("connection", number)
            self.graph.add_edge(
                source, target, id=number, birth_step=born, weight=float(np.float32(weight))
            )
        return set()

    def disconnect(self, edit):
        ids, ends = edit.ids.tolist(), self.ends()
        rules = ["is named twice"] * _repeats(ids)
        _raise(rules + ["there is no connection" for i in ids if i not in ends])
        self.graph.remove_edges_from([ends[i] for i in ids])
        return set() if edit.keep_stranded else {n for i in ids for n in ends[i]}

    def ends(self):
        """Connection id -> source and target."""
        return {number: (u, v) for u, v, number in self.graph.edges(data="id")}

    def of_kind(self, kind):
        return [n for n, held in self.graph.nodes(data="kind") if held == kind]

    def dead(self, what):
        """Ids that were given out, or passed over, and are not in use."""
        alive = self.graph if what == "neuron" else self.ends()
        return [number for number in self.births[what] if number not in alive]

    def _ids(self, what, edit):
        fresh = range(self.next[what], self.next[what] + len(edit))
        return list(fresh) if edit.ids is None else edit.ids.tolist()

    def _born(self, what, number):
        for passed in range(self.next[what], number + 1):  # ids left out are dated, too
            self.births[what][passed] = self.step
        self.next[what] = max(self.next[what], number + 1)
        return self.births[what][number]

    def _add_node(self, neuron, kind, activation, group, bias):
        born = self._born("neuron", neuron)
        attributes = {"kind": kind, "activation": activation, "group": group, "bias": bias}
        self.graph.add_node(neuron, birth_step=born, **attributes)

    def _broken_by_ids(self, what, ids, alive):
        rules = ["is named twice"] * _repeats(ids)
        rules += [f"a {what} id must not be negative" for number in ids if number < 0]
        return rules + [f"{what} {i} is alive already" for i in ids if i in alive]

    def _broken_by_columns(self, what, known, ids, columns):
        rules = ["there is no column" for name in columns if name != known]
        for values in columns.values():
            pairs = zip(ids, values, strict=True)
            newborn = [value for number, value in pairs if number >= self.next[what]]
            rules += ["must be given finite values" for v in newborn if not np.isfinite(v)]
        return rules

    def _broken_by_pair(self, source, target):
        ends = self.graph.nodes[source], self.graph.nodes[target]
        if source == target:
            yield "to itself, which closes a cycle"
        if ends[1]["kind"] == "input":
            yield "would lead into an input neuron"
        if ends[0]["activation"] == "softmax":
            yield "would lead out of a softmax output"
        if self.graph.has_edge(source, target):
            yield "already exists"
        if self.blocks is not None and (ends[0]["group"], ends[1]["group"]) not in self.blocks:
            yield "joins groups that may not"

    def _closes_cycle(self, pairs):
        trial = nx.DiGraph(self.graph.edges)
        trial.add_nodes_from(self.graph)
        for source, target in pairs:
            if source != target and nx.has_path(trial, target, source):
                return True
            trial.add_edge(source, target)
        return False

    def _broken_by_stranding(self, neuron):
        if neuron in self.graph and self.graph.nodes[neuron]["kind"] == "hidden":
            if self.graph.in_degree(neuron) == 0:
                yield f"neuron {neuron} would be left without a way in"
            if self.graph.out_degree(neuron) == 0:
                yield f"neuron {neuron} would be left without a way out"


def _raise(rules):
    if rules:
        raise Broken(rules)


def _repeats(items):
    return len(items) > len(set(items))


def propose(plain, choose):
    """A batch of edits; `choose(n)` draws a number below n."""
    batch, trial = [], plain
    for _ in range(1 + choose(3)):
        for _ in range(5):
            hidden = len(trial.of_kind("hidden"))
            makers = [_grow, _grow, _neurons] if hidden < FULL else [_prune, _prune]
            makers += [_connect, _connect, _connect, _disconnect, _disconnect, _prune]
            edits = makers[choose(len(makers))](trial, choose)
            try:
                trial = trial.applied(edits, may_strand=choose(8) == 0)
            except Broken:
                if choose(3) == 0:  # go on as if it were well
                    batch += edits
                    break
            else:
                batch += edits
                break
    return batch


def _grow(plain, choose):
    """Neurons with a way in and a way out."""
    first, n = plain.next["neuron"], 1 + choose(2)
    born = range(first, first + n)
    ways_in = [_one_of(plain.of_kind("input"), choose) for _ in born]
    ways_out = [_one_of(plain.of_kind("output"), choose) for _ in born]
    neurons = AddNeurons(n, "relu", columns=_column("bias", n, choose))
    return [neurons, Connect([*ways_in, *born], [*born, *ways_out])]


def _neurons(plain, choose):
    n = choose(4)
    codes = [4 if choose(12) == 0 else choose(4) for _ in range(n)]
    ids = _some_ids(plain, "neuron", n, choose)
    columns = _column("bias", n, choose, may_break=ids is None)
    groups = [choose(4) for _ in range(n)]
    stranded = choose(3) > 0
    return [AddNeurons(n, codes, groups, ids=ids, columns=columns, keep_stranded=stranded)]


def _prune(plain, choose):
    among = list(plain.graph) if choose(5) == 0 else plain.of_kind("hidden")
    ids = _distinct(among, 1 + choose(2), choose) + [999] * (choose(20) == 0)
    return [PruneNeurons(_doubled(ids, choose), keep_stranded=choose(2) == 0)]


def _connect(plain, choose):
    neurons = list(plain.graph)
    pairs = [(_one_of(neurons, choose), _one_of(neurons, choose)) for _ in range(1 + choose(5))]
    if choose(3):  # mostly, leave out what is bound to be refused
        pairs = [p for p in dict.fromkeys(pairs) if not any(plain._broken_by_pair(*p))]
    if choose(3):
        pairs = [p for p in pairs if not nx.has_path(plain.graph, p[1], p[0])]
    if choose(6) == 0:  # and then spoil it
        pairs += [(neurons[-1], neurons[-1]), (neurons[0], 999), *pairs[:1]][choose(3) :][:1]
    ids = _some_ids(plain, "connection", len(pairs), choose)
    columns = _column("weight", len(pairs), choose, may_break=ids is None)
    return [Connect([p[0] for p in pairs], [p[1] for p in pairs], ids=ids, columns=columns)]


def _disconnect(plain, choose):
    ids = _distinct(list(plain.ends()), 1 + choose(3), choose) + [999] * (choose(20) == 0)
    return [Disconnect(_doubled(ids, choose), keep_stranded=choose(2) == 0)]


def _some_ids(plain, what, n, choose):
    """Ids left to the topology, mostly; else fresh ones, old ones, or ones that will not do."""
    first, dead = plain.next[what], plain.dead(what)
    options = [None] * 8
    options.append([first + 2 * i for i in range(n)][::-1])
    if len(dead) >= n:
        options += [_distinct(dead, n, choose)] * 2
    options.append([choose(first + 1) - choose(2) for _ in range(n)])
    options.append([-1 - i for i in range(n)])
    return _one_of(options, choose)


def _column(name, n, choose, may_break=False):
    if choose(2):
        return {}
    values = np.array([choose(33) / 16 - 1 for _ in range(n)], float)
    if n and may_break and choose(10) == 0:
        values[choose(n)] = np.nan
    return {"velocity" if may_break and choose(10) == 0 else name: values}


def _one_of(items, choose):
    return items[choose(len(items))]


def _distinct(items, n, choose):
    left = list(items)
    return [left.pop(choose(len(left))) for _ in range(min(n, len(left)))]


def _doubled(ids, choose):
    return ids + ids[:1] * (choose(20) == 0)


def kinds_of(edits):
    """How many edits there are of each kind."""
    return Counter(edit.kind for edit in edits)

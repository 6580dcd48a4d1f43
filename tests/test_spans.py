"""Laws of the kernels that let rows share what they load: they change no bit."""

from __future__ import annotations

import numpy as np
import pytest
from networks import random_topology

from plastic.edits import AddNeurons, Connect, Disconnect
from plastic.engine import SGD, Adam, Network, Statistics, plan
from plastic.engine.plan import plan_graph
from plastic.engine.spans import BANDED, FULL, PLAIN
from plastic.topology import Topology
from plastic.topology.wiring import dense, erdos_renyi

HIDDEN = [90, 70, 17]
WATCHED = Statistics(saliency=True, moments=True, every=2)


def layers(density, seed=0):
    wire = dense if density == 1 else erdos_renyi
    return wire(37, 5, density, np.random.default_rng(seed), hidden=HIDDEN)


def kinds_of(graph, spans):
    """The kind of each place, from spans that must follow each other without a gap."""
    assert spans[0, 1] == 0
    assert np.array_equal(spans[1:, 1], spans[:-1, 2])
    assert (spans[:, 1] < spans[:, 2]).all()
    return np.repeat(spans[:, 0], spans[:, 2] - spans[:, 1])


def plain(network):
    """The same network, its plan without any span that shares."""
    engine = network._engine
    graph, _ = engine._plan(1)
    n_learned, n_neurons = len(graph.order), len(graph.kinds)
    spans = np.array([[PLAIN, 0, n_learned, 0, 0]])
    out_spans = np.array([*spans.tolist(), [PLAIN, n_learned, n_neurons, 0, 0]])
    engine._graph = graph._replace(
        spans=spans,
        out_spans=out_spans,
        alike=np.zeros_like(graph.alike),
        swept=np.ones_like(graph.swept),
    )
    return network


def trained(network, batch_size, optimizer, dtype):
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(200, 37)), np.eye(5)[rng.integers(0, 5, 200)]
    rows = rng.integers(0, 200, (5, batch_size))
    losses = network.learn(X, Y, rows, optimizer, statistics=WATCHED)
    columns = network.topology.connection_columns, network.topology.neuron_columns
    state = [table[name].tobytes() for table in columns for name in sorted(table)]
    return [losses.tobytes(), network.predict(X).tobytes(), *state]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [20, 33, 70, 128, 200])
@pytest.mark.parametrize("density", [1, 0.6])
@pytest.mark.usefixtures("_wide")
def test_sharing_changes_no_bit(density, batch_size, dtype):
    optimizer = Adam(0.01, weight_decay=0.01) if density == 1 else SGD(0.05)
    results = []
    for change, threads in (
        (plain, 1),
        (lambda network: network, 1),
        (lambda network: network, 3),
    ):
        network = Network(layers(density), dtype=dtype, threads=threads)
        network.initialize(np.random.default_rng(2))
        results.append(trained(change(network), batch_size, optimizer, dtype))
    assert results[0] == results[1] == results[2]


@pytest.fixture
def _wide(monkeypatch):
    """Registers as wide as full spans ask for, whatever the machine has."""
    monkeypatch.setattr(plan, "wide_registers", lambda: True)


@pytest.mark.usefixtures("_wide")
def test_layers_are_full_banded_or_plain():
    graph = plan_graph(layers(1).structure)
    assert set(kinds_of(graph, graph.spans)) == {FULL}
    assert (graph.alike[graph.order] > 0).all()
    assert not graph.swept.any()
    graph = plan_graph(layers(0.6).structure)
    kinds = kinds_of(graph, graph.spans)
    assert (kinds[:160] == BANDED).all()
    assert (kinds[160:] == PLAIN).all()
    assert not graph.alike.any()
    assert set(kinds_of(graph, plan_graph(layers(0.05).structure).spans)) == {PLAIN}


def test_narrow_registers_have_no_full_spans(monkeypatch):
    monkeypatch.setattr(plan, "wide_registers", lambda: False)
    graph = plan_graph(layers(1).structure)
    assert FULL not in graph.spans[:, 0]
    assert FULL not in graph.out_spans[:, 0]
    assert not graph.alike.any()


@pytest.mark.usefixtures("_wide")
def test_rows_of_a_full_span_have_the_same_sources():
    topology = layers(1)
    ids = topology.structure.connection_ids
    topology.apply(Disconnect(ids[[40, 2000, 5000]]))
    structure = topology.structure
    graph = plan_graph(structure)
    for kind, first, last, _, _ in graph.spans.tolist():
        rows = [
            structure.sources[structure.indptr[slot] : structure.indptr[slot + 1]].tolist()
            for slot in graph.order[first:last]
        ]
        if kind == FULL:
            assert all(row == rows[0] for row in rows)
    assert {FULL, PLAIN} == set(graph.spans[:, 0].tolist())
    reached = structure.out.targets
    for slot in range(structure.n_neurons):
        targets = reached[structure.out.indptr[slot] : structure.out.indptr[slot + 1]]
        assert graph.swept[slot] == (graph.alike[targets] == 0).any()


def test_a_banded_span_holds_none_of_its_sources():
    topology = Topology(80, 1)
    topology.apply(AddNeurons(80, "tanh", keep_stranded=True))
    slots = np.arange(81, 161)
    pairs = [(source, target) for target in slots for source in range(80)]
    pairs += [(source, target) for target in slots for source in range(81, target)]
    topology.apply(Connect(*np.array(pairs).T))
    graph = plan_graph(topology.structure)
    for kind, first, last, low, high in graph.spans.tolist():
        if kind == BANDED:
            rows = graph.order[first:last]
            assert not ((low <= rows) & (rows < high)).any()


@pytest.mark.parametrize("seed", range(5))
def test_outputs_that_feed_others_share_no_backward_sum(seed):
    structure = random_topology(seed, output="sigmoid").structure
    graph = plan_graph(structure)
    kinds = kinds_of(graph, graph.out_spans)
    outputs = structure.kinds[graph.out_order] == 2
    assert (kinds[outputs] == PLAIN).all()
    assert np.array_equal(np.sort(graph.out_order), np.arange(structure.n_neurons))


def test_a_row_out_of_order_is_no_row_of_a_band():
    topology = erdos_renyi(64, 64, 0.5, np.random.default_rng(0), hidden=[])
    assert (plan_graph(topology.structure).spans[:, 0] == BANDED).all()
    gone = topology.structure.connection_ids[:1]
    source, target = topology.structure.sources[0], topology.structure.targets[0]
    topology.apply(Disconnect(gone, keep_stranded=True))
    topology.apply(Connect([int(source)], [int(target)]))  # a higher id: now the row's last
    assert (plan_graph(topology.structure).spans[:, 0] == PLAIN).all()

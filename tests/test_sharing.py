"""Law: threads share every level, each place is taken once, and nobody waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import assert_same_columns, random_data, random_network, random_rows

from plastic.engine import SGD, sharing
from plastic.engine.network import Network
from plastic.engine.plan import plan_graph
from plastic.topology.wiring import erk, random_dag


def graph_of(seed, n_hidden, density):
    rng = np.random.default_rng(seed)
    return plan_graph(random_dag(4, 3, density, rng, n_hidden=n_hidden).structure)


graphs = st.builds(graph_of, st.integers(0, 2**32), st.integers(1, 40), st.floats(0.4, 1.0))


@given(graph=graphs)
def test_no_neuron_needs_another_one_of_its_level(graph):
    levels = sharing.find_levels(graph.order, graph.indptr, graph.sources)
    assert levels[0] == 0
    assert levels[-1] == len(graph.order)
    assert (np.diff(levels) > 0).all()
    level_of = np.full(len(graph.kinds), -1)
    for level in range(len(levels) - 1):
        level_of[graph.order[levels[level] : levels[level + 1]]] = level
    for slot in graph.order:
        of_sources = level_of[graph.sources[graph.indptr[slot] : graph.indptr[slot + 1]]]
        assert (of_sources < level_of[slot]).all()


def test_a_layered_network_has_a_level_for_each_layer():
    topology = erk(20, 5, 0.5, np.random.default_rng(0), hidden=[30, 40])
    graph = plan_graph(topology.structure)
    levels = sharing.find_levels(graph.order, graph.indptr, graph.sources)
    assert np.diff(levels).tolist() == [30, 40, 5]


@given(graph=graphs, n_threads=st.integers(1, 9))
def test_every_place_is_taken_once(graph, n_threads):
    shares = sharing.plan_shares(graph, n_threads)
    n_learned = len(graph.order)

    def taken(parts):
        parts = np.atleast_2d(parts)
        return [k for row in parts for i in range(n_threads) for k in range(row[i], row[i + 1])]

    assert taken(shares.forward) == list(range(n_learned))
    assert taken(shares.backward) == list(range(n_learned))
    assert taken(shares.inputs) == list(range(n_learned, len(graph.out_order)))
    assert taken(shares.out_of) == list(range(len(graph.out_order)))
    assert taken(shares.into) == list(range(len(graph.kinds)))


@given(graph=graphs, n_threads=st.integers(1, 9))
def test_deltas_come_after_those_that_they_need(graph, n_threads):
    shares = sharing.plan_shares(graph, n_threads)
    level_of = np.full(len(graph.kinds), -1)
    for level, row in enumerate(shares.backward):
        level_of[graph.out_order[row[0] : row[-1]]] = level
    for slot in graph.order:
        of_targets = graph.out_targets[graph.out_indptr[slot] : graph.out_indptr[slot + 1]]
        assert (level_of[of_targets] < level_of[slot]).all()


def test_work_is_shared_evenly():
    topology = erk(100, 10, 0.3, np.random.default_rng(0), hidden=[200, 200])
    graph = plan_graph(topology.structure)
    shares = sharing.plan_shares(graph, 2)
    fan_in = np.diff(graph.indptr)[graph.order]
    for low, middle, high in shares.forward:
        work = fan_in[low:middle].sum(), fan_in[middle:high].sum()
        assert abs(work[0] - work[1]) <= 2 * fan_in.max()


def test_threads_meet():
    counter, passed = np.zeros(1, np.int64), []

    def walk(me):
        meeting = 1
        for k in range(200):
            passed.append((k, me))
            meeting = sharing.meet(counter, meeting, 3)
        return meeting

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(walk, range(3))) == [201] * 3
    assert counter.tolist() == [600]
    assert [k for k, _ in passed] == sorted(k for k, _ in passed)


def test_a_deep_and_narrow_network_is_shared_too():
    X, Y = random_data(0, 100, 4, 3)
    networks = []
    for threads in (1, 2, 3):
        topology = random_dag(4, 3, 1.0, np.random.default_rng(1), n_hidden=60)
        network = Network(topology, threads=threads).initialize(np.random.default_rng(2))
        network.learn(X, Y, random_rows(3, 8, 100, 100), SGD(0.01))
        networks.append(network)
    for network in networks[1:]:
        assert_same_columns(network.topology, networks[0].topology)


def test_a_thread_that_cannot_be_had_leaves_nobody_waiting(monkeypatch):
    X, Y = random_data(0, 70)
    network = random_network(0, threads=3)
    before = network.weights.copy()
    submit, given_out = ThreadPoolExecutor.submit, []

    def scarce(pool, *arguments):
        if given_out:
            raise RuntimeError("can't start new thread")
        given_out.append(submit(pool, *arguments))
        return given_out[0]

    monkeypatch.setattr(ThreadPoolExecutor, "submit", scarce)
    network._engine._most_small = -1
    with pytest.raises(RuntimeError, match="can't start new thread"):
        network.learn(X, Y, random_rows(1, 3, 70, 70), SGD(0.1))
    assert isinstance(given_out[0].exception(timeout=10), threading.BrokenBarrierError)
    assert np.array_equal(network.weights, before)


@given(graph=graphs, n_threads=st.integers(1, 9))
def test_starts_are_where_connections_into_a_part_begin_by_source(graph, n_threads):
    shares = sharing.plan_shares(graph, n_threads)
    for part, bound in enumerate(shares.into[:-1]):
        for source, start in enumerate(shares.starts[part]):
            begin, end = graph.out_indptr[source], graph.out_indptr[source + 1]
            before = np.sum(graph.out_targets[begin:end] < bound)
            assert start == begin + before

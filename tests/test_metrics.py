"""Metrics tell what NetworkX, or counting one by one, tells of the same network."""

from __future__ import annotations

from itertools import combinations, product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from topologies import plain_graph

from plastic import metrics
from plastic.datasets import Truth, recovered
from plastic.edits import AddNeurons, Connect, Disconnect
from plastic.errors import InvalidParameter
from plastic.metrics import Reading
from plastic.metrics.degrees import evenness, gini
from plastic.metrics.effective_rank import effective_rank
from plastic.metrics.small_world import clustering_of, pairs_of, random_graph
from plastic.streams import Streams, reading_stream
from plastic.topology import Kind, Topology
from plastic.topology.wiring import erk, random_dag

few = settings(max_examples=40, deadline=None)


def frayed(seed, n_hidden=7):
    """A random graph with skips, of which some connections are gone: ways end on the way."""
    rng = np.random.default_rng(seed)
    n_in, n_out = (int(n) for n in rng.integers(1, 4, 2))
    topology = random_dag(n_in, n_out, rng.uniform(0.6, 0.9), rng, n_hidden=n_hidden)
    ids = topology.structure.connection_ids
    gone = rng.choice(ids, int(rng.integers(0, len(ids))), replace=False)
    topology.apply(Disconnect(gone, keep_stranded=True))
    return topology


def look(topology, step=0, n_steps=10, **more):
    return Reading(step, n_steps, topology.structure, topology.birth_steps, **more)


def read(metric, topology, seed=0, **more):
    return metric.read(look(topology, **more), np.random.default_rng(seed))


def ids_of(topology, kind):
    s = topology.structure
    return s.neuron_ids[s.kinds == kind].tolist()


def same(found, wanted):
    assert set(found) == set(wanted)
    for label, value in wanted.items():
        assert found[label] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), label


def mean(values):
    return float(np.mean(values)) if len(values) else np.nan


seeds = st.integers(0, 2**32 - 1)


@few
@given(seeds)
def test_degrees_are_those_of_the_graph(seed):
    topology = frayed(seed)
    graph, wanted = plain_graph(topology), {}
    for way, degree, kind in (
        ("in", graph.in_degree, Kind.INPUT),
        ("out", graph.out_degree, Kind.OUTPUT),
    ):
        ends = set(ids_of(topology, kind))
        n = np.array([k for node, k in degree if node not in ends], float)
        shares = n[n > 0] / n.sum() if n.any() else np.array([np.nan])
        wanted |= {f"{way}_mean": n.mean(), f"{way}_std": n.std(), f"{way}_max": n.max()}
        wanted[f"{way}_gini"] = (
            np.abs(n[:, None] - n).sum() / (2 * len(n) * n.sum()) if n.any() else np.nan
        )
        entropy = -(shares * np.log(shares)).sum() / np.log(len(n)) if len(n) > 1 else 1.0
        wanted[f"{way}_entropy"] = entropy if n.any() else np.nan
    same(read(metrics.Degrees(), topology), wanted)


@few
@given(seeds)
def test_dead_ends_are_those_that_no_way_joins(seed):
    topology = frayed(seed)
    graph, hidden = plain_graph(topology), ids_of(topology, Kind.HIDDEN)
    ends = {kind: set(ids_of(topology, kind)) for kind in (Kind.INPUT, Kind.OUTPUT)}
    into = [not nx.ancestors(graph, n) & ends[Kind.INPUT] for n in hidden]
    out = [not nx.descendants(graph, n) & ends[Kind.OUTPUT] for n in hidden]
    lost = [not nx.ancestors(graph, n) & ends[Kind.INPUT] for n in ends[Kind.OUTPUT]]
    wanted = {"no_way_in": mean(into), "no_way_out": mean(out), "unreached_outputs": mean(lost)}
    wanted["any"] = mean([a or b for a, b in zip(into, out, strict=True)])
    same(read(metrics.DeadEnds(), topology), wanted)


@few
@given(seeds)
def test_depth_is_the_longest_of_all_ways(seed):
    topology = frayed(seed, n_hidden=5)
    graph, inputs = plain_graph(topology), ids_of(topology, Kind.INPUT)
    depth = dict.fromkeys(inputs, 0)
    for node in graph:
        ways = [w for i in inputs if i != node for w in nx.all_simple_paths(graph, i, node)]
        if ways:
            depth[node] = max(len(way) - 1 for way in ways)
    outputs = [depth[n] for n in ids_of(topology, Kind.OUTPUT) if n in depth]
    hidden = [depth[n] for n in ids_of(topology, Kind.HIDDEN) if n in depth]
    spans = [depth[v] - depth[u] > 1 for u, v in graph.edges if u in depth]
    wanted = {"longest": max(outputs, default=np.nan), "outputs_mean": mean(outputs)}
    wanted |= {"hidden_mean": mean(hidden), "skips": mean(spans)}
    same(read(metrics.Depth(), topology), wanted)


@few
@given(seeds)
def test_path_lengths_are_the_shortest(seed):
    topology = frayed(seed)
    graph = plain_graph(topology)
    ends = ids_of(topology, Kind.INPUT), ids_of(topology, Kind.OUTPUT)
    joined = [(u, v) for u, v in product(*ends) if nx.has_path(graph, u, v)]
    lengths = [nx.shortest_path_length(graph, u, v) for u, v in joined]
    wanted = {"mean": mean(lengths), "max": max(lengths, default=np.nan)}
    wanted |= {"joined": len(joined) / len(ends[0]) / len(ends[1]), "samples": len(ends[0])}
    same(read(metrics.PathLengths(), topology), wanted)


def partitions(things):
    if not things:
        yield []
        return
    first, *rest = things
    for parts in partitions(rest):
        yield [{first}, *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], part | {first}, *parts[i + 1 :]]


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_modularity_is_below_that_of_the_best_of_all_partitions(seed):
    topology = frayed(seed, n_hidden=3)
    found = read(metrics.Modularity(), topology)
    graph = plain_graph(topology).to_undirected()
    graph.remove_nodes_from(list(nx.isolates(graph)))
    if not graph:
        same(found, {"modularity": np.nan, "communities": 0})
        return
    best = max(nx.community.modularity(graph, parts) for parts in partitions(list(graph)))
    assert -0.5 <= found["modularity"] <= best + 1e-12
    assert 1 <= found["communities"] <= len(graph)


def test_two_cliques_are_two_communities():
    topology = Topology(1, 1)
    topology.apply(AddNeurons(8, keep_stranded=True))
    pairs = [*combinations([0, 2, 3, 4, 5], 2), *combinations([6, 7, 8, 9], 2), (5, 6)]
    pairs += [(n, 1) for n in range(6, 10)]
    topology.apply(
        Connect(*np.array(pairs).T, keep_stranded=True)
    ) if False else topology.apply(Connect(*np.array(pairs).T))
    graph, parts = plain_graph(topology).to_undirected(), [{0, 2, 3, 4, 5}, {1, 6, 7, 8, 9}]
    value = nx.community.modularity(graph, parts)
    same(read(metrics.Modularity(), topology), {"modularity": value, "communities": 2})


@few
@given(seeds)
def test_clustering_and_path_length_are_those_of_the_graph(seed):
    topology = frayed(seed)
    graph = plain_graph(topology).to_undirected()
    graph.remove_nodes_from(list(nx.isolates(graph)))
    found = read(metrics.SmallWorld(), topology, seed)
    lengths = [
        k for u, to in nx.all_pairs_shortest_path_length(graph) for v, k in to.items() if u != v
    ]
    clustering = nx.average_clustering(graph) if graph else np.nan
    assert found["clustering"] == pytest.approx(clustering, nan_ok=True)
    assert found["path_length"] == pytest.approx(mean(lengths), nan_ok=True)
    assert found["samples"] == len(graph)
    if not np.isnan(found["sigma"]):
        ratio = found["clustering"] / found["clustering_random"]
        ratio /= found["path_length"] / found["path_length_random"]
        assert found["sigma"] == pytest.approx(ratio)


@few
@given(st.integers(2, 12), st.data())
def test_a_random_graph_has_its_nodes_and_edges_and_no_loop(n, data):
    m = data.draw(st.integers(0, n * (n - 1) // 2))
    matrix = random_graph(n, m, np.random.default_rng(m))
    assert matrix.shape == (n, n)
    assert matrix.nnz == 2 * m
    assert (matrix.toarray() == matrix.toarray().T).all()
    assert not matrix.diagonal().any()
    assert set(matrix.data.tolist()) <= {1.0}
    graph = nx.from_scipy_sparse_array(matrix)
    assert clustering_of(matrix) == pytest.approx(nx.average_clustering(graph))


def test_random_graphs_have_every_edge_as_often():
    rng, drawn = np.random.default_rng(0), np.zeros((5, 5))
    for _ in range(2000):
        drawn += random_graph(5, 4, rng).toarray()
    counts = drawn[np.triu_indices(5, 1)]
    assert np.abs(counts - 800).max() < 4 * np.sqrt(2000 * 0.4 * 0.6)


def test_pairs_are_counted_without_gap_even_where_roots_are_rounded():
    n = 60
    wanted = [(low, high) for high in range(n) for low in range(high)]
    low, high = pairs_of(np.arange(n * (n - 1) // 2))
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == wanted
    large = 2**31 * (2**31 - 1) // 2
    low, high = pairs_of(np.array([large - 1, large]))
    assert (low.tolist(), high.tolist()) == ([2**31 - 2, 0], [2**31 - 1, 2**31])


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_turnover_age_and_survival_are_those_counted_by_hand(seed):
    rng, n_steps, cohorts = np.random.default_rng(seed), 60, 4
    topology = erk(4, 2, 0.5, rng, hidden=[6])
    turnover, survival, age = metrics.Turnover(), metrics.Survival(cohorts), metrics.Age()
    before, ever, born_at = None, {}, dict.fromkeys(connections(topology), 0)
    for step in range(0, n_steps + 1, 10):
        now = connections(topology)
        for one in now - set(born_at):
            born_at[one] = topology.step
        reading = look(topology, step, n_steps)
        found = turnover.read(reading, rng)
        known = bool(before)
        assert found["born"] == pytest.approx(
            len(now - before) / len(before) if known else np.nan, nan_ok=True
        )
        assert found["pruned"] == pytest.approx(
            len(before - now) / len(before) if known else np.nan, nan_ok=True
        )
        for one in now:
            length = n_steps // cohorts
            k = -(-born_at[one] // length)
            label = f"{(k - 1) * length + 1}-{k * length}" if k else "0"
            ever.setdefault(label, set()).add(one)
        wanted = {label: len(those & now) / len(those) for label, those in ever.items()}
        same(survival.read(reading, rng), wanted)
        ages = [step - born_at[one] for one in now]
        found = age.read(reading, rng)
        assert found["mean"] == pytest.approx(mean(ages), nan_ok=True)
        assert found["max"] == pytest.approx(max(ages, default=np.nan), nan_ok=True)
        before = now
        topology.step = step + int(rng.integers(1, 10))
        change(topology, rng)


def connections(topology):
    return set(topology.structure.connection_ids.tolist())


def change(topology, rng):
    """Take some connections away and put others there, one of them back with its old id."""
    s = topology.structure
    ids = s.connection_ids
    gone = rng.choice(ids, int(rng.integers(0, len(ids) + 1)), replace=False)
    undo = topology.apply(Disconnect(gone, keep_stranded=True))
    if len(gone) and rng.random() < 0.2:
        topology.apply(*undo)
    graph = topology.graph
    ends = ids_of(topology, Kind.INPUT), ids_of(topology, Kind.HIDDEN)
    pairs = [pair for pair in product(*ends) if not graph.has_edge(*pair)]
    if pairs:
        new = rng.permutation(pairs)[: int(rng.integers(0, 5))]
        topology.apply(Connect(*new.reshape(-1, 2).T))


def test_turnover_of_neurons_is_counted_too():
    topology, turnover = (
        erk(3, 1, 1.0, np.random.default_rng(0), hidden=[4]),
        metrics.Turnover(),
    )
    read(turnover, topology)
    topology.apply(AddNeurons(2, ids=[20, 21]), Connect([0, 0, 20, 21], [20, 21, 3, 3]))
    found = read(turnover, topology)
    assert (found["neurons_born"], found["neurons_pruned"]) == (0.5, 0)


@few
@given(seeds)
def test_silent_neurons_are_those_that_say_nothing(seed):
    topology, rng = frayed(seed), np.random.default_rng(seed)
    s, threshold = topology.structure, 0.3
    activity = rng.normal(size=(s.n_neurons, 5)) * rng.integers(0, 2, (s.n_neurons, 5))
    activity[rng.random(s.n_neurons) < 0.3] = rng.integers(0, 2)
    hidden = np.flatnonzero(s.kinds == Kind.HIDDEN)
    strength = {i: np.abs(activity[i]).mean() for i in hidden}
    usual = mean([strength[i] for i in hidden])
    wanted = {
        "never_active": mean([not activity[i].any() for i in hidden]),
        "constant": mean([len(set(activity[i])) == 1 for i in hidden]),
        "dormant": mean([strength[i] <= threshold * usual for i in hidden]),
    }
    same(read(metrics.Silent(threshold), topology, activity=activity), wanted)


@few
@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_the_effective_rank_is_between_one_and_the_rank(seed, n, m):
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, min(n, m) + 1))
    matrix = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, m))
    found = effective_rank(matrix)
    assert 1 - 1e-9 <= found <= rank + 1e-6
    turned = np.linalg.qr(rng.normal(size=(n, n)))[0]
    assert effective_rank(3 * turned @ matrix) == pytest.approx(found)
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(matrix @ matrix.T), 0))
    shares = roots[roots > 1e-12] / roots.sum()
    assert found == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4)


def test_the_effective_rank_of_each_group_is_its_own():
    topology = erk(3, 2, 1.0, np.random.default_rng(0), hidden=[4, 3])
    activity = np.random.default_rng(1).normal(size=(topology.n_neurons, 20))
    groups = topology.structure.groups
    wanted = {f"group {g}": effective_rank(activity[groups == g]) for g in (1, 2)}
    hidden = topology.structure.kinds == Kind.HIDDEN
    wanted["hidden"] = effective_rank(activity[hidden])
    same(read(metrics.EffectiveRank(), topology, activity=activity), wanted)
    assert np.isnan(effective_rank(np.zeros((2, 3))))


@few
@given(seeds)
def test_magnitudes_are_those_of_the_weights(seed):
    topology, rng = frayed(seed), np.random.default_rng(seed)
    weights = rng.normal(size=topology.n_connections) * rng.integers(
        0, 2, topology.n_connections
    )
    sizes = np.abs(weights)
    wanted = {"mean": mean(sizes), "zero": mean(weights == 0)}
    wanted |= {"std": sizes.std() if len(sizes) else np.nan, "max": max(sizes, default=np.nan)}
    pairs = np.abs(sizes[:, None] - sizes).sum()
    wanted["gini"] = pairs / (2 * len(sizes) * sizes.sum()) if sizes.any() else np.nan
    same(read(metrics.Magnitudes(), topology, weights=weights), wanted)


def test_overlap_is_that_of_the_table_of_convergence():
    topology = frayed(5)
    connections = np.ones((topology.n_inputs, 2), bool)
    connections[0, 0] = False
    truth = Truth(np.arange(topology.n_inputs), connections)
    s, graph = topology.structure, plain_graph(topology)
    first = [(u, v) for u, v in graph.edges if u < topology.n_inputs]
    wanted = recovered(truth, *np.array(first).reshape(-1, 2).T)
    precision, recall = wanted["truth_precision"], wanted["truth_recall"]
    f1 = 2 * precision * recall / (precision + recall)
    found = read(metrics.Overlap(), topology, truth=truth)
    same(found, {"precision": precision, "recall": recall, "f1": f1})
    assert s.n_connections >= len(first) > 0


def test_evenness_and_gini_at_their_ends():
    assert (gini([0, 0, 1]), evenness([0, 0, 1])) == (pytest.approx(2 / 3), 0)
    assert (gini([3]), evenness([3])) == (0, 1)
    assert np.isnan([gini([0, 0]), evenness([0, 0])]).all()


def test_large_networks_are_read_by_samples():
    topology = erk(784, 10, 0.1, np.random.default_rng(0), hidden=[1000, 300])
    assert topology.n_connections > 100_000
    found = read(metrics.PathLengths(samples=16), topology)
    assert (found["samples"], found["mean"], found["joined"]) == (16, 3, 1)
    assert read(metrics.Depth(), topology)["longest"] == 3
    found = read(metrics.SmallWorld(references=1, samples=8), topology)
    assert (found["samples"], found["clustering"]) == (8, 0)  # layers have no triangles


def test_samples_are_drawn_anew_and_from_the_stream_alone():
    topology = random_dag(40, 3, 0.05, np.random.default_rng(0), n_hidden=30)
    metric = metrics.PathLengths(samples=5)
    found = [read(metric, topology, seed)["mean"] for seed in range(20)]
    assert len(set(found)) > 3
    assert found == [read(metric, topology, seed)["mean"] for seed in range(20)]


def test_streams_of_readings_are_of_seed_name_and_step_alone():
    drawn = {
        (seed, name, step): reading_stream(seed, name, step).random()
        for seed in (0, 1) for name in ("a", "b") for step in (0, 50)
    }  # fmt: skip
    drawn |= {(0, name): stream.random() for name, stream in vars(Streams.of(0)).items()}
    assert len(set(drawn.values())) == len(drawn)


def test_a_reading_cannot_be_written_to():
    topology = frayed(3)
    weights = np.ones(topology.n_connections)
    reading = look(topology, weights=weights, activity=np.ones((topology.n_neurons, 2)))
    for array in (reading.weights, reading.activity, reading.born, reading.hidden):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    for matrix in (reading.matrix, reading.undirected):
        with pytest.raises(ValueError, match="read-only"):
            matrix.data[...] = 0
    with pytest.raises(nx.NetworkXError, match="Frozen graph"):
        reading.graph.remove_node(0)
    weights[:] = 2  # by whom they belong to
    assert set(reading.graph.edges) == set(plain_graph(topology).edges)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: metrics.Survival(0), "cohorts must be"),
        (lambda: metrics.Silent(-1), "threshold must"),
        (lambda: metrics.PathLengths(0), "samples must be"),
        (lambda: metrics.Modularity(0), "resolution must"),
        (lambda: metrics.SmallWorld(0), "references must be"),
        (lambda: metrics.SmallWorld(3, 0), "samples must be"),
    ],
)
def test_bad_parameters_are_refused(make, rule):
    with pytest.raises(InvalidParameter, match=rule):
        make()


@pytest.mark.parametrize(
    ("metric", "state", "rule"),
    [
        (metrics.Age(), {"ids": np.zeros(1)}, "the state must hold nothing, got ids"),
        (metrics.Turnover(), {"neurons": np.zeros(1, int)}, "must hold connections, neurons"),
        (
            metrics.Turnover(),
            {"connections": np.zeros(1), "neurons": np.zeros(1, int)},
            "connections must be flat numbers of kind i, got float64",
        ),
        (
            metrics.Survival(),
            {"seen": np.zeros(2, np.uint8), "n_ids": np.array([3]), "sizes": np.zeros(1, int)},
            r"bits of \[3\] ids in 2 bytes",
        ),
    ],
)
def test_the_states_of_others_are_refused(metric, state, rule):
    with pytest.raises(InvalidParameter, match=rule):
        metric.restore(state)

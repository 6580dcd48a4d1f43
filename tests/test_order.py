import networkx as nx
import numpy as np
import pytest
from topologies import assert_consistent, plain_graph, random_topology

from plastic.edits import AddNeurons, Connect
from plastic.topology import Topology, order
from plastic.topology.order import Cycle, restore_order, sort_all
from plastic.topology.structure import concatenated_ranges


def with_pairs(structure, pairs):
    """The structure with connections between slots added and the rank not yet put right."""
    sources, targets = np.array(pairs, np.int64).reshape(-1, 2).T
    n, first = len(pairs), structure.connection_ids.max(initial=-1) + 1
    all_targets = np.append(structure.targets, targets)
    ids = np.append(structure.connection_ids, np.arange(first, first + n, dtype=np.int32))
    by_row = np.lexsort((ids, all_targets))
    counts = np.bincount(all_targets, minlength=structure.n_neurons)
    structure = structure.with_connections(
        np.concatenate([[0], np.cumsum(counts)]),
        np.append(structure.sources, sources.astype(np.int32))[by_row],
        ids[by_row],
    )
    return structure, sources, targets


def graph_of(structure):
    graph = nx.DiGraph()
    graph.add_nodes_from(range(structure.n_neurons))
    graph.add_edges_from(
        zip(structure.sources.tolist(), structure.targets.tolist(), strict=True)
    )
    return graph


def random_pairs(graph, rng, n):
    """Up to n pairs that are not joined yet, in either direction of the order."""
    pairs = rng.integers(0, len(graph), (n, 2)).tolist()
    return [
        (u, v)
        for u, v in dict.fromkeys(map(tuple, pairs))
        if u != v and not graph.has_edge(u, v)
    ]


def along_another_order(graph, pairs, rng):
    """The pairs that respect a topological order drawn at random."""
    drawn = rng.random(len(graph))
    path = list(nx.lexicographical_topological_sort(graph, key=drawn.__getitem__))
    place = {slot: at for at, slot in enumerate(path)}
    return [(u, v) for u, v in pairs if place[u] < place[v]]


@pytest.fixture(params=[order.ONE_BY_ONE, 0], ids=["pearce-kelly", "from scratch"])
def one_by_one(request, monkeypatch):
    monkeypatch.setattr(order, "ONE_BY_ONE", request.param)


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("n_pairs", [1, 3, 40])
@pytest.mark.parametrize("seed", range(15))
def test_a_cycle_is_found_if_and_only_if_there_is_one(seed, n_pairs):
    rng = np.random.default_rng(seed)
    structure = random_topology(seed, n_hidden=25, density=0.15).structure
    before = graph_of(structure)
    for turn in range(10):
        pairs = random_pairs(before, rng, n_pairs)
        if turn % 2:  # so that no cycle comes of them
            pairs = along_another_order(before, pairs, rng)
        after, sources, targets = with_pairs(structure, pairs)
        graph = graph_of(after)
        if nx.is_directed_acyclic_graph(graph):
            rank = restore_order(after, sources, targets)
            assert sorted(rank.tolist()) == list(range(len(graph)))
            assert all(rank[u] < rank[v] for u, v in graph.edges)
        else:
            with pytest.raises(Cycle) as caught:
                restore_order(after, sources, targets)
            named = caught.value.source, caught.value.target
            assert named in pairs
            assert nx.has_path(graph, *named[::-1])


@pytest.mark.parametrize("seed", range(5))
def test_nothing_moves_when_the_order_is_kept(seed):
    structure = random_topology(seed).structure
    rng = np.random.default_rng(seed)
    place = structure.order
    pairs = np.sort(rng.integers(0, len(place), (200, 2)), axis=1)
    joined = graph_of(structure).edges
    forward = [(int(place[a]), int(place[b])) for a, b in pairs if a < b]
    fresh = [pair for pair in dict.fromkeys(forward) if pair not in joined]
    after, sources, targets = with_pairs(structure, fresh)
    assert restore_order(after, sources, targets) is after.rank


@pytest.mark.parametrize("seed", range(20))
def test_one_connection_moves_only_what_ranks_between_its_ends(seed):
    structure = random_topology(seed, density=0.1).structure
    rng = np.random.default_rng(seed)
    graph = graph_of(structure)
    against = [
        (u, v)
        for u, v in random_pairs(graph, rng, 300)
        if structure.rank[u] > structure.rank[v] and not nx.has_path(graph, v, u)
    ]
    for source, target in against:
        after, sources, targets = with_pairs(structure, [(source, target)])
        rank = restore_order(after, sources, targets)
        moved = structure.rank[rank != structure.rank]
        assert moved.min() >= structure.rank[target]
        assert moved.max() <= structure.rank[source]
        assert rank[source] < rank[target]


def test_sorting_from_scratch_goes_by_generations():
    structure = random_topology(1).structure
    none = np.zeros(0, np.int64)
    rank = sort_all(structure, none, none)
    generations = list(nx.topological_generations(graph_of(structure)))
    expected = [slot for generation in generations for slot in sorted(generation)]
    feeds = np.diff(structure.out.indptr) > 0
    dead_ends = {slot for slot in structure.outputs.tolist() if not feeds[slot]}
    expected.sort(
        key=lambda slot: slot in dead_ends
    )  # stable: outputs that feed nothing go last
    np.testing.assert_array_equal(np.argsort(rank), expected)


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("n", [2, 30, 200])
def test_a_chain_can_be_turned_round_in_one_batch(n):
    """Every new connection goes against the order: more than are settled one at a time."""
    topology = Topology(1, 1)
    chain = np.arange(2, 2 + n)
    there = Connect([0, *chain], [*chain, 1])
    undo = topology.apply(AddNeurons(n), there)
    back = Connect([0, *chain[::-1]], [*chain[::-1], 1])
    topology.apply(*undo[:1], back)
    assert_consistent(topology)
    places = topology.structure.rank[topology.structure.slots_of(chain)]
    assert (np.diff(places) < 0).all()
    assert nx.dag_longest_path(plain_graph(topology)) == [0, *chain[::-1].tolist(), 1]


def test_ranges_one_after_the_other():
    starts, lengths = np.array([5, 0, 7, 3]), np.array([2, 0, 3, 1])
    expected = [5, 6, 7, 8, 9, 3]
    np.testing.assert_array_equal(concatenated_ranges(starts, lengths), expected)
    assert len(concatenated_ranges(starts[:0], lengths[:0])) == 0


def test_sorting_anew_leaves_outputs_open_to_all():
    topology = Topology(1, 2)
    hidden = np.arange(3, 3 + 80)
    wild = np.random.default_rng(0).permutation(hidden)
    into = Connect(np.zeros(80, int), hidden)
    chain = Connect(wild[:-1], wild[1:])  # mostly against the order of birth
    out_of = Connect([wild[-1]], [1])  # output 2 is left alone
    topology.apply(AddNeurons(80, ids=hidden), into, chain, out_of)
    structure = topology.structure
    ranks = structure.rank[structure.slots_of([1, 2])]
    assert sorted(ranks.tolist()) == [81, 82]

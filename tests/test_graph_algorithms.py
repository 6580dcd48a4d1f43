"""NetworkX, on the face of a topology and on copies of it, answers as on a plain graph."""

import copy

import matplotlib as mpl
import networkx as nx
import numpy as np
import pytest
from networkx.utils import graphs_equal
from topologies import SEEDS, plain_graph, random_topology

from plastic.errors import ReadOnly
from plastic.topology import TopologyGraph


@pytest.fixture(params=SEEDS)
def both(request):
    """The face, and an ordinary graph read off the arrays."""
    topology = random_topology(request.param)
    assert topology.n_connections > 250
    return topology.graph, plain_graph(topology)


class TestAlgorithms:
    """NetworkX gives the same answers on the face as on a plain graph."""

    @pytest.mark.parametrize(
        "algorithm",
        [
            len,
            list,
            lambda g: list(g.edges(data=True)),
            lambda g: list(g.nodes(data=True)),
            lambda g: list(g.in_edges(data="weight")),
            lambda g: list(g.out_edges([0, 1, 9], data="id")),
            lambda g: {n: list(near) for n, near in g.adjacency()},
            lambda g: {n: sorted(g.predecessors(n)) for n in g},
            lambda g: {n: list(g.successors(n)) for n in g},
            lambda g: (g.number_of_nodes(), g.number_of_edges(), g.size(weight="weight")),
            lambda g: [g.number_of_edges(u, v) for u in g for v in g],
            lambda g: dict(g.degree),
            lambda g: dict(g.in_degree(weight="weight")),
            lambda g: dict(g.out_degree(weight="weight")),
            lambda g: dict(g.degree([0, 5, 9], weight="weight")),
            lambda g: g.get_edge_data(*next(iter(g.edges))),
            lambda g: list(g.nbunch_iter([0, 1, 10**30])),
            nx.is_directed_acyclic_graph,
            lambda g: [sorted(layer) for layer in nx.topological_generations(g)],
            lambda g: dict(nx.all_pairs_shortest_path_length(g)),
            lambda g: nx.betweenness_centrality(g),
            lambda g: nx.pagerank(g, weight=None),
            lambda g: sorted(map(sorted, nx.weakly_connected_components(g))),
            lambda g: sorted(map(sorted, nx.strongly_connected_components(g))),
            lambda g: set(nx.transitive_reduction(g).edges),
            lambda g: len(nx.dag_longest_path(g, weight=None)),
            lambda g: nx.dag_longest_path_length(g, weight="id"),
            lambda g: {n: nx.ancestors(g, n) for n in g},
            lambda g: {n: nx.descendants(g, n) for n in g},
            nx.density,
            lambda g: nx.average_clustering(g.to_undirected()),
            lambda g: nx.to_dict_of_dicts(g),
            lambda g: sorted(nx.generate_edgelist(g, data=["id"])),
            nx.node_link_data,
            nx.adjacency_data,
            lambda g: nx.get_node_attributes(g, "bias"),
            lambda g: nx.get_edge_attributes(g, "weight"),
        ],
    )
    def test_same_answers(self, both, algorithm):
        face, plain = both
        assert algorithm(face) == algorithm(plain)

    def test_topological_sort(self, both):
        face, plain = both
        place = {node: at for at, node in enumerate(nx.topological_sort(face))}
        assert len(place) == len(plain)
        assert all(place[u] < place[v] for u, v in plain.edges)

    def test_all_simple_paths(self):
        face = random_topology(5, n_hidden=12, density=0.35).graph
        plain = nx.DiGraph(face.edges)
        paths = [sorted(nx.all_simple_paths(graph, 0, 6)) for graph in (face, plain)]
        assert paths[0] == paths[1]
        assert paths[0]

    def test_isomorphism(self, both):
        face, plain = both
        renamed = nx.relabel_nodes(face, {node: f"n{node}" for node in face})
        match = {"edge_match": lambda one, other: one["id"] == other["id"]}
        assert nx.is_isomorphic(face, renamed, **match)
        u, v = next(iter(plain.edges))
        plain.remove_edge(u, v)
        assert not nx.is_isomorphic(face, plain)

    def test_matrices(self, both):
        face, plain = both
        for weight in (None, "weight"):
            matrices = [nx.to_scipy_sparse_array(g, weight=weight).toarray() for g in both]
            np.testing.assert_array_equal(*matrices)
        np.testing.assert_array_equal(nx.to_numpy_array(face), nx.to_numpy_array(plain))

    def test_graphml(self, both, tmp_path):
        face, plain = both
        path = tmp_path / "graph.graphml"
        nx.write_graphml(face, path)
        read = nx.read_graphml(path, node_type=int)
        assert dict(read.nodes(data=True)) == dict(plain.nodes(data=True))
        assert nx.get_edge_attributes(read, "weight") == nx.get_edge_attributes(plain, "weight")

    def test_node_link(self, both):
        face, plain = both
        assert graphs_equal(nx.node_link_graph(nx.node_link_data(face)), plain)

    def test_drawing(self, both):
        mpl.use("Agg")
        from matplotlib import pyplot as plt

        face, _ = both
        figure, axes = plt.subplots()
        nx.draw(face, nx.multipartite_layout(face, subset_key="group"), ax=axes)
        assert len(axes.collections[0].get_offsets()) == len(face)
        plt.close(figure)


class TestCopies:
    def test_all_of_them_are_the_same_graph(self, both):
        face, plain = both
        assert graphs_equal(face, plain)
        assert graphs_equal(face.copy(as_view=True), plain)
        assert graphs_equal(face.to_undirected(), plain.to_undirected())
        assert graphs_equal(face.to_undirected(as_view=True), plain.to_undirected())
        for copied in (face.reverse(), face.reverse(copy=False), nx.reverse_view(face)):
            assert graphs_equal(copied, plain.reverse())
        some = list(plain)[::2]
        assert graphs_equal(face.subgraph(some), plain.subgraph(some))
        edges = list(plain.edges)[::3]
        assert graphs_equal(face.edge_subgraph(edges), plain.edge_subgraph(edges))
        assert graphs_equal(nx.compose(face, face), plain)

    @pytest.mark.parametrize(
        "copied",
        [
            lambda g: g.copy(),
            lambda g: nx.DiGraph(g),
            lambda g: g.reverse().reverse(),
            lambda g: g.to_directed(),
            lambda g: g.subgraph(list(g)).copy(),
            copy.deepcopy,
        ],
    )
    def test_a_copy_is_an_ordinary_graph(self, both, copied):
        face, plain = both
        graph = copied(face)
        assert type(graph) is nx.DiGraph
        assert graphs_equal(graph, plain)
        graph.add_edge(0, 999, weight=3)
        graph.remove_node(1)
        graph.nodes[0]["bias"] = 7.0
        u, v = next(iter(graph.edges))
        graph.edges[u, v]["weight"] = 7.0
        assert graphs_equal(face, plain)

    @pytest.mark.parametrize(
        "view",
        [
            lambda g: g.copy(as_view=True),
            lambda g: g.reverse(copy=False),
            lambda g: g.subgraph([0, 1]),
        ],
    )
    def test_a_view_is_read_only(self, both, view):
        face, plain = both
        with pytest.raises(nx.NetworkXError, match="Frozen graph can't be modified"):
            view(face).add_edge(0, 1)
        with pytest.raises(ReadOnly):
            view(face).nodes[0]["bias"] = 1
        assert graphs_equal(face, plain)

    def test_without_a_topology_it_is_an_ordinary_graph(self):
        graph = TopologyGraph(name="built by NetworkX")
        graph.add_edge(1, 2)
        assert list(graph.edges) == [(1, 2)]
        assert graph.name == "built by NetworkX"

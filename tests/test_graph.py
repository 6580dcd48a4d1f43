import copy
from itertools import pairwise

import matplotlib as mpl
import networkx as nx
import numpy as np
import pytest
from networkx.utils import graphs_equal
from topologies import assert_consistent, plain_graph, random_topology, snapshot

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.errors import CycleError, InvalidEdit, InvalidNetwork, InvalidParameter, ReadOnly
from plastic.topology import Topology, TopologyGraph, from_networkx

SEEDS = (0, 1, 2)


@pytest.fixture(params=SEEDS)
def topology(request):
    return random_topology(request.param)


@pytest.fixture
def both(topology):
    """The face, and an ordinary graph read off the arrays."""
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


class TestMembership:
    @pytest.mark.parametrize("node", [-1, 10**30, 10**6, "0", None, 0.5, True, [0], (0,)])
    def test_what_is_not_a_neuron_id_is_not_in_it(self, topology, node):
        assert node not in topology.graph
        assert not topology.graph.has_edge(0, node)
        assert not topology.graph.has_node(node)

    def test_numpy_ids_are_neuron_ids(self, topology):
        graph = topology.graph
        assert all(node in graph for node in topology.structure.neuron_ids)
        assert graph.nodes[np.int64(0)] == graph.nodes[0]

    def test_what_is_not_there_is_a_key_error(self, topology):
        graph = topology.graph
        for missing in (lambda: graph[999], lambda: graph.nodes[999], lambda: graph[0][0]):
            with pytest.raises(KeyError):
                missing()
        with pytest.raises(KeyError):
            graph.pred[0][1]
        with pytest.raises(KeyError):
            graph.nodes[0]["colour"]
        with pytest.raises(nx.NetworkXError):
            graph.successors(999)
        assert graph.nodes[0].get("colour", "none") == "none"

    def test_attributes_are_plain_values(self, topology):
        graph = topology.graph
        assert {type(value) for value in graph.nodes[0].values()} == {str, int, float}
        u, v = next(iter(graph.edges))
        assert {type(value) for value in graph[u][v].values()} == {int, float}
        assert set(graph.nodes[0]) == {"kind", "activation", "group", "birth_step", "bias"}
        assert set(graph[u][v]) == {"id", "birth_step", "weight"}
        assert len(graph[u][v]) == 3
        assert repr(graph[u][v]) == repr(dict(graph[u][v]))
        assert repr(graph.nodes[0]) == repr(dict(graph.nodes[0]))

    def test_there_is_no_weight_without_a_network(self):
        topology = Topology(1, 1)
        topology.apply(Connect([0], [1]))
        assert dict(topology.graph[0][1]) == {"id": 0, "birth_step": 0}
        assert "bias" not in topology.graph.nodes[0]


class TestLive:
    def test_an_edit_shows_at_once(self, topology):
        graph = topology.graph
        nodes, edges, near, below = graph.nodes, graph.edges, graph[0], graph.pred[6]
        assert graphs_equal(graph, plain_graph(topology))
        born = topology.next_neuron_id
        undo = topology.apply(AddNeurons(1, "tanh"), Connect([0, born], [born, 6]))
        assert born in graph
        assert nodes[born]["activation"] == "tanh"
        assert (0, born) in edges
        assert born in near
        assert born in list(below)
        assert graphs_equal(graph, plain_graph(topology))
        topology.apply(*undo)
        assert born not in graph
        assert born not in near
        assert graphs_equal(graph, plain_graph(topology))

    def test_learning_shows_at_once(self, topology):
        u, v = next(iter(topology.graph.edges))
        held = topology.graph[u][v]
        topology.connection_columns["weight"][:] = 3
        topology.neuron_columns["bias"][:] = 4
        assert held["weight"] == 3
        assert topology.graph.nodes[0]["bias"] == 4

    def test_attributes_follow_their_connection(self, topology):
        *_, held = list(topology.graph.edges(data=True))[-1]
        number, weight = held["id"], held["weight"]
        others = topology.structure.connection_ids
        topology.apply(Disconnect(others[others != number][:50], keep_stranded=True))
        assert dict(held) == {"id": number, "birth_step": held["birth_step"], "weight": weight}
        topology.apply(Disconnect([number], keep_stranded=True))
        with pytest.raises(KeyError, match=f"connection {number}"):
            held["weight"]

    def test_attributes_and_neighbours_of_a_pruned_neuron_are_gone(self, topology):
        hidden = next(n for n, kind in topology.graph.nodes(data="kind") if kind == "hidden")
        held, near = topology.graph.nodes[hidden], topology.graph[hidden]
        above = topology.graph.pred[hidden]
        topology.apply(PruneNeurons([hidden], keep_stranded=True))
        with pytest.raises(KeyError):
            held["kind"]
        assert (list(near), list(above)) == ([], [])
        assert 1 not in near


def delete_attribute(graph):
    del graph.nodes[0]["kind"]


def set_item(mapping, key, value):
    mapping[key] = value


def update_in_place(graph):
    held = graph.nodes[0]
    held |= {"x": 1}


class TestReadOnly:
    @pytest.mark.parametrize(
        "write",
        [
            lambda g: g.add_node(999),
            lambda g: g.add_nodes_from([998, 999]),
            lambda g: g.add_edge(0, 8),
            lambda g: g.add_edges_from([(0, 8)]),
            lambda g: g.add_weighted_edges_from([(0, 8, 1.0)]),
            lambda g: g.remove_node(0),
            lambda g: g.remove_nodes_from([0]),
            lambda g: g.remove_edge(*next(iter(g.edges))),
            lambda g: g.remove_edges_from(list(g.edges)[:2]),
            lambda g: g.update(edges=[(0, 8)]),
            lambda g: g.clear(),
            lambda g: g.clear_edges(),
            lambda g: nx.add_path(g, [0, 9, 8]),
            lambda g: nx.add_cycle(g, [0, 9, 8]),
            lambda g: nx.relabel_nodes(g, {0: 999}, copy=False),
            lambda g: nx.contracted_nodes(g, 0, 1, copy=False),
            lambda g: nx.set_node_attributes(g, 1, "x"),
            lambda g: nx.set_node_attributes(g, {0: {"kind": "hidden"}}),
            lambda g: nx.set_edge_attributes(g, 1.0, "weight"),
            lambda g: nx.set_edge_attributes(g, {next(iter(g.edges)): {"weight": 2}}),
            lambda g: set_item(g.nodes[1], "x", 1),
            lambda g: set_item(g.nodes[1], "bias", 1.0),
            lambda g: set_item(g[0][next(iter(g[0]))], "weight", 2),
            lambda g: set_item(g.edges[next(iter(g.edges))], "weight", 2),
            lambda g: set_item(g.adj[0][next(iter(g[0]))], "weight", 2),
            lambda g: set_item(next(iter(g.edges(data=True)))[2], "weight", 2),
            lambda g: set_item(g.pred[8][next(iter(g.pred[8]))], "weight", 2),
            lambda g: set_item(g._adj, 999, {}),
            lambda g: set_item(g._adj[0], 999, {}),
            lambda g: set_item(g._node, 999, {}),
            delete_attribute,
            update_in_place,
            lambda g: g.nodes[0].update(kind="hidden"),
            lambda g: g.nodes[0].setdefault("x", 1),
            lambda g: g.nodes[0].pop("kind"),
            lambda g: g.nodes[0].popitem(),
            lambda g: g.nodes[0].clear(),
        ],
    )
    def test_writing_is_refused_and_the_right_way_named(self, write):
        topology = random_topology(0)
        graph, before = topology.graph, snapshot(topology)
        with pytest.raises(ReadOnly, match=r"is a face .* edit it by Topology\.apply"):
            write(graph)
        assert snapshot(topology) == before
        assert graphs_equal(graph, plain_graph(topology))

    @pytest.mark.parametrize("name", ["nodes", "adj", "edges"])
    def test_what_networkx_refuses_itself(self, topology, name):
        with pytest.raises(TypeError):
            set_item(getattr(topology.graph, name), 0, {})


class TestFromNetworkx:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_there_and_back(self, seed):
        topology = random_topology(seed)
        topology.apply(PruneNeurons(stranded(topology)))
        back = from_networkx(topology.graph)
        assert_consistent(back)
        assert graphs_equal(undated(back.graph), undated(topology.graph))
        for name in ("neuron_ids", "indptr", "sources", "connection_ids"):
            np.testing.assert_array_equal(
                getattr(back.structure, name), getattr(topology.structure, name)
            )

    def test_nodes_of_any_sort_are_numbered(self):
        chain = [("in", "a"), ("a", ("b", 1)), (("b", 1), "out"), ("too", "out")]
        graph = nx.DiGraph(chain)
        topology = from_networkx(graph)
        assert list(topology.graph.edges) == [(0, 3), (1, 2), (3, 4), (4, 2)]
        assert topology.n_inputs == 2
        assert nx.is_isomorphic(topology.graph, graph)
        kinds = dict(topology.graph.nodes(data="kind"))
        assert kinds == {0: "input", 1: "input", 2: "output", 3: "hidden", 4: "hidden"}
        assert topology.graph.nodes[3]["activation"] == "sigmoid"
        assert topology.graph.nodes[2]["activation"] == "identity"

    def test_attributes_are_taken_over(self):
        graph = nx.DiGraph()
        graph.add_node("h", activation="tanh", group=3, bias=0.5)
        graph.add_node("y", activation="softmax", group=9, bias=np.float32(-1))
        graph.add_node("z", activation="softmax", group=9)
        graph.add_weighted_edges_from([("x", "h", 2), ("h", "y", np.float32(0.25))])
        graph.add_edge("h", "z")
        before = copy.deepcopy(graph)
        topology = from_networkx(graph)
        held = topology.graph.nodes
        assert dict(held[3]) == {
            "kind": "hidden", "activation": "tanh", "group": 3, "birth_step": 0, "bias": 0.5,
        }  # fmt: skip
        assert [held[i]["bias"] for i in (0, 1, 2)] == [0, -1, 0]
        assert [held[i]["group"] for i in (0, 1, 2)] == [0, 9, 9]
        assert held[1]["activation"] == "softmax"
        weights = nx.get_edge_attributes(topology.graph, "weight")
        assert weights == {(0, 3): 2, (3, 1): 0.25, (3, 2): 0}
        assert graphs_equal(graph, before)

    def test_inputs_and_outputs_may_be_named(self):
        graph = nx.DiGraph(pairwise("abcd"))
        topology = from_networkx(graph, inputs=["a"], outputs=["c", "d"])
        assert (topology.n_inputs, topology.n_outputs) == (1, 2)
        assert set(topology.graph.edges) == {(0, 3), (3, 1), (1, 2)}

    @pytest.mark.parametrize("number", ["7", -1, 0.5, True, None])
    def test_edge_ids_that_will_not_do_are_given_anew(self, number):
        graph = nx.DiGraph([(0, 1), (2, 1)])
        graph.edges[0, 1]["id"], graph.edges[2, 1]["id"] = 4, number
        assert from_networkx(graph).structure.connection_ids.tolist() == [0, 1]

    def test_edge_ids_given_twice_are_given_anew(self):
        graph = nx.DiGraph([(0, 1), (2, 1)])
        nx.set_edge_attributes(graph, 4, "id")
        assert from_networkx(graph).structure.connection_ids.tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("graph", "given", "error", "message"),
        [
            ([(0, 1)], {}, InvalidNetwork, "a networkx.DiGraph is needed, got list"),
            (nx.Graph([(0, 1)]), {}, InvalidNetwork, "the graph is undirected; a network"),
            (nx.MultiDiGraph([(0, 1)]), {}, InvalidNetwork, "a multigraph may hold an edge"),
            (nx.DiGraph(), {}, InvalidNetwork, "the graph has no nodes"),
            (
                nx.DiGraph([("x", "a"), ("a", "b"), ("b", "a"), ("b", "y")]),
                {}, CycleError, "the graph has a cycle through a -> b",
            ),
            (nx.DiGraph([("x", "x")]), {}, CycleError, "the graph has a cycle through x"),
            (
                nx.DiGraph([("x", "y")]), {"inputs": ["z"]},
                InvalidNetwork, "input 'z' is not a node of the graph",
            ),
            (
                nx.DiGraph([("x", "y")]), {"outputs": ["x", "z"]},
                InvalidNetwork, "output 'z' is not a node of the graph",
            ),
            (
                nx.DiGraph([("x", "y")]), {"inputs": ["x", "y"]},
                InvalidNetwork, "node y is input and output at once",
            ),
            (
                nx.DiGraph([("x", "h"), ("h", "y")]), {"inputs": ["x", "h"]},
                InvalidNetwork, "input 'h' has edges that lead into it",
            ),
            (nx.DiGraph([("x", "y")]), {"inputs": []}, InvalidNetwork, "has no inputs"),
            (nx.DiGraph([("x", "y")]), {"outputs": []}, InvalidNetwork, "has no outputs"),
            (
                nx.DiGraph([("x", "y"), ("x", "h")]), {"outputs": ["y"]},
                InvalidNetwork, "hidden node 'h' has no way out",
            ),
            (
                nx.DiGraph([("x", "y"), ("h", "y")]), {"inputs": ["x"]},
                InvalidNetwork, "hidden node 'h' has no way in",
            ),
            (
                nx.DiGraph([("x", "y")]), {"inputs": ["x", "x"]},
                InvalidNetwork, "3 neurons need 3 different whole ids",
            ),
        ],
    )  # fmt: skip
    def test_what_makes_no_network(self, graph, given, error, message):
        with pytest.raises(error, match=message):
            from_networkx(graph, **given)

    def test_an_isolated_node(self):
        graph = nx.DiGraph([("x", "y")])
        graph.add_node("alone")
        with pytest.raises(InvalidNetwork, match="node alone is input and output at once"):
            from_networkx(graph)
        with pytest.raises(InvalidNetwork, match="hidden node 'alone' has no way in"):
            from_networkx(graph, inputs=["x"], outputs=["y"])

    @pytest.mark.parametrize("bad", ["heavy", "1.5", [1, 2], 1j, np.nan, np.inf])
    def test_weights_and_biases_are_numbers(self, bad):
        graph = nx.DiGraph()
        graph.add_weighted_edges_from([("w", "y", np.float32(1)), ("x", "y", bad)])
        message = "edge weights must be finite numbers, got "
        with pytest.raises(InvalidNetwork, match=message) as caught:
            from_networkx(graph)
        assert str(caught.value) == message + repr(bad)
        graph = nx.DiGraph([("x", "y")])
        graph.nodes["y"]["bias"] = bad
        with pytest.raises(InvalidNetwork, match="node biases must be finite numbers, got "):
            from_networkx(graph)

    @pytest.mark.parametrize("node", ["h", "y"])
    def test_the_activation_must_exist(self, node):
        graph = nx.DiGraph(pairwise("xhy"))
        graph.nodes[node]["activation"] = "step"
        with pytest.raises(InvalidParameter, match="activation must be one of"):
            from_networkx(graph)

    def test_the_rules_of_edits_hold(self):
        graph = nx.DiGraph(pairwise("xhy"))
        graph.nodes["h"]["activation"] = "softmax"
        with pytest.raises(InvalidEdit, match="softmax joins the output neurons"):
            from_networkx(graph)


def stranded(topology):
    """Hidden neurons without a way in or out, and those that are so without them."""
    graph, gone = plain_graph(topology), []
    while True:
        bare = [
            node
            for node, kind in graph.nodes(data="kind")
            if kind == "hidden" and 0 in (graph.in_degree(node), graph.out_degree(node))
        ]
        if not bare:
            return gone
        gone += bare
        graph.remove_nodes_from(bare)


def undated(graph):
    """A copy without birth steps: a topology made of it is born at step 0."""
    plain = graph.copy()
    for *_, held in (*plain.nodes(data=True), *plain.edges(data=True)):
        held.pop("birth_step")
    return plain

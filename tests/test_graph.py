"""The face of a topology shows what is there, shows edits at once, and is read only."""

import networkx as nx
import numpy as np
import pytest
from networkx.utils import graphs_equal
from topologies import SEEDS, plain_graph, random_topology, snapshot

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.errors import ReadOnly
from plastic.topology import Topology


@pytest.fixture(params=SEEDS)
def topology(request):
    return random_topology(request.param)


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

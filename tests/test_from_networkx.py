"""A NetworkX graph becomes the topology that it describes, or is refused by name."""

import copy
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from networkx.utils import graphs_equal
from topologies import SEEDS, assert_consistent, plain_graph, random_topology

from plastic.edits import PruneNeurons
from plastic.errors import CycleError, InvalidEdit, InvalidNetwork, InvalidParameter
from plastic.topology import from_networkx


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

"""A network comes back from a graph file with the same predictions, ids and attributes."""

import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import PAIRS, random_data, random_network

from plastic.engine import Network
from plastic.errors import (
    CycleError,
    InvalidNetwork,
    InvalidParameter,
    PlasticError,
    ResultsError,
)
from plastic.interop import load_graph, save_graph
from plastic.topology.wiring import erk

FORMATS = ("graphml", "gexf", "json")

every_format = pytest.mark.parametrize("ending", FORMATS)


@every_format
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    pair=st.sampled_from(PAIRS),
    dtype=st.sampled_from(["float32", "float64"]),
    biases=st.booleans(),
)
def test_there_and_back_predictions_are_equal(
    tmp_path_factory, ending, seed, pair, dtype, biases
):
    network = random_network(seed, "every", *pair, dtype=dtype, biases=biases)
    path = save_graph(network, tmp_path_factory.mktemp("net") / f"net.{ending}")
    back = load_graph(path)
    assert (back.loss, back.dtype, back.use_biases) == (network.loss, dtype, biases)
    for name in ("neuron_ids", "kinds", "activations", "groups", "sources", "connection_ids"):
        held, wanted = (getattr(one.topology.structure, name) for one in (back, network))
        np.testing.assert_array_equal(held, wanted, err_msg=name)
    np.testing.assert_array_equal(back.weights, network.weights)
    np.testing.assert_array_equal(back.biases, network.biases)
    X, _ = random_data(seed, 6)
    # neurons may come in another topological order, but each sums in the order of its ids
    np.testing.assert_array_equal(back.predict(X), network.predict(X))


@every_format
def test_who_may_connect_comes_back(ending, tmp_path):
    rng = np.random.default_rng(0)
    topology = erk(5, 3, 0.5, rng, hidden=[6, 6])
    network = Network(topology).initialize(rng)
    back = load_graph(save_graph(network, tmp_path / f"net.{ending}"))
    assert back.topology.blocks == topology.blocks
    assert back.topology.density == topology.density


@every_format
def test_networkx_itself_reads_the_file(ending, tmp_path):
    network = random_network(1)
    path = save_graph(network, tmp_path / f"net.{ending}")
    read = {
        "graphml": nx.read_graphml,
        "gexf": nx.read_gexf,
        "json": lambda path: nx.node_link_graph(json.loads(path.read_text()), edges="edges"),
    }
    graph = read[ending](path)
    assert graph.number_of_edges() == network.topology.n_connections
    weights = [weight for *_, weight in graph.edges(data="weight")]
    assert sorted(weights) == sorted(network.weights)
    assert {kind for _, kind in graph.nodes(data="kind")} == {"input", "hidden", "output"}


@every_format
def test_a_file_of_another_program_is_read(ending, tmp_path):
    graph = nx.DiGraph([("a", "h"), ("h", "y"), ("b", "y")])
    path = tmp_path / f"net.{ending}"
    write = {
        "graphml": nx.write_graphml,
        "gexf": nx.write_gexf,
        "json": lambda graph, path: path.write_text(
            json.dumps(nx.node_link_data(graph, edges="edges"))
        ),
    }
    write[ending](graph, path)
    network = load_graph(path, dtype="float64")
    assert (network.loss, network.dtype) == ("mse", "float64")
    assert (network.topology.n_inputs, network.topology.n_outputs) == (2, 1)
    named = load_graph(path, inputs=["b", "a"], outputs=["y", "h"])
    assert named.topology.n_outputs == 2


def test_an_ending_that_is_no_format_is_refused(tmp_path):
    for act in (lambda path: save_graph(random_network(0), path), load_graph):
        with pytest.raises(InvalidParameter) as caught:
            act(tmp_path / "net.dot")
        said = "a graph file must end in one of .graphml, .gexf, .json, got 'net.dot'"
        assert str(caught.value) == said


@every_format
def test_what_cannot_be_read_is_refused_by_name(ending, tmp_path):
    path = tmp_path / f"net.{ending}"
    with pytest.raises(ResultsError, match="there is no file"):
        load_graph(path)
    for content in (b"", b"<", b"{}", b"<a/>", b"[1]", b"\xff\xfe\x00"):
        path.write_bytes(content)
        with pytest.raises(InvalidNetwork):
            load_graph(path)


@every_format
def test_a_graph_that_makes_no_network_is_refused(ending, tmp_path):
    path = save_graph(random_network(2), tmp_path / f"net.{ending}")
    swapped = {"graphml": "directed", "gexf": "directed", "json": '"directed": true'}
    text = path.read_text()
    assert swapped[ending] in text
    undirected = {"json": '"directed": false'}.get(ending, "undirected")
    path.write_text(text.replace(swapped[ending], undirected, 1))
    with pytest.raises(PlasticError, match="undirected"):
        load_graph(path)


def test_a_cycle_is_refused(tmp_path):
    path = tmp_path / "net.graphml"
    nx.write_graphml(nx.DiGraph([(0, 1), (1, 2), (2, 1), (2, 3)]), path)
    with pytest.raises(CycleError, match="the graph has a cycle through 1 -> 2"):
        load_graph(path)

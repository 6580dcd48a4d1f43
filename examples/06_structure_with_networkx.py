"""Look at what rewiring does to a network's structure, with NetworkX's own functions.

`Topology.graph` is a `networkx.DiGraph` that reads the topology's arrays, so any algorithm of
NetworkX runs on it as it is.  A network learns digits while SET rewires it; before and after
are compared, and the most central neurons are pruned to see whether they matter.
"""

import tempfile
from pathlib import Path

import networkx as nx
import numpy as np

from plastic import Network, train
from plastic.datasets import digits
from plastic.edits import PruneNeurons
from plastic.engine import SGD, Cosine
from plastic.interop import load_graph, save_graph
from plastic.policies import sparse_evolution
from plastic.topology.wiring import erk
from plastic.training import Streams

DENSITY, STEPS, HIDDEN = 0.04, 1500, (96, 96)

streams = Streams.of(0)
dataset = digits(streams.split)
policy = sparse_evolution()
topology = erk(64, 10, policy.begin(DENSITY), streams.wiring, hidden=HIDDEN)
network = Network(topology, dataset.loss).initialize(streams.weights)


def gini(values) -> float:
    """How unequally something is spread: 0 if all have the same, 1 if one has all."""
    ranked = np.sort(np.asarray(values, float))
    n = len(ranked)
    return float(2 * (np.arange(1, n + 1) @ ranked) / (n * ranked.sum()) - (n + 1) / n)


def describe() -> dict[str, float]:
    """Figures of the structure as it is now."""
    graph = topology.graph
    kinds = nx.get_node_attributes(graph, "kind")
    inputs = [neuron for neuron, kind in kinds.items() if kind == "input"]
    outputs = [neuron for neuron, kind in kinds.items() if kind == "output"]
    hidden = [neuron for neuron, kind in kinds.items() if kind == "hidden"]
    cut_off = [n for n in hidden if not graph.in_degree(n) or not graph.out_degree(n)]
    reached = set().union(*(nx.ancestors(graph, output) for output in outputs))
    communities = nx.community.louvain_communities(graph.to_undirected(), weight=None, seed=0)
    return {
        "connections": graph.number_of_edges(),
        "pixels that reach an output": len(reached & set(inputs)),
        "hidden neurons without a way in or out": len(cut_off),
        "Gini of the pixels' connections": gini([graph.out_degree(n) for n in inputs]),
        "Gini of hidden fan-in": gini([graph.in_degree(n) for n in hidden]),
        "modularity": nx.community.modularity(graph.to_undirected(), communities, weight=None),
    }


def accuracy() -> float:
    return dataset.score(network.predict(dataset.test.X), dataset.test.y)


before = describe()
optimizer = SGD(0.1, momentum=0.9)
for _ in train(network, dataset, policy, optimizer, Cosine(), streams, n_steps=STEPS):
    pass
after = describe()

print(f"{'':40}{'before':>10}{'after':>10}")
for name, value in before.items():
    print(f"{name:40}{value:10.3g}{after[name]:10.3g}")
born = [step for *_, step in topology.graph.edges(data="birth_step")]
print(f"\n{np.mean(np.array(born) > 0):.0%} of the connections were grown while it learned")

# what a neuron passes on: PageRank against the arrows, each as strong as its weight
graph = nx.DiGraph(topology.graph)
for *_, attributes in graph.edges(data=True):
    attributes["strength"] = abs(attributes["weight"])
rank = nx.pagerank(graph.reverse(), weight="strength")
hidden = [n for n, kind in graph.nodes(data="kind") if kind == "hidden"]
by_rank = sorted(hidden, key=rank.__getitem__)

print("\ntest accuracy after pruning 20 of the hidden neurons")
whole = accuracy()
chance = np.random.default_rng(0).choice(hidden, 20, replace=False)
scores = {}
for title, gone in {
    "none": [],
    "the least central": by_rank[:20],
    "at random": chance,
    "the most central": by_rank[-20:],
}.items():
    undo = network.apply(PruneNeurons(gone, keep_stranded=True))
    scores[title] = accuracy()
    network.apply(*undo)
    print(f"  {title:20}{scores[title]:.3f}")
assert accuracy() == whole, "undo brings every prediction back"
if scores["the least central"] > scores["the most central"]:
    print("The central ones matter more.")

with tempfile.TemporaryDirectory() as folder:
    path = save_graph(network, Path(folder) / "digits.graphml")  # for Gephi, yEd, Cytoscape
    back = load_graph(path)
    kibibytes = path.stat().st_size / 1024
answers = [one.predict(dataset.test.X) for one in (network, back)]
assert np.array_equal(*answers)
print(f"\nas GraphML: {kibibytes:.0f} KiB, and read back with equal predictions")

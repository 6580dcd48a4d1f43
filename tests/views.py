"""Networks and views of them that the tests of signals, growth and policies share."""

from __future__ import annotations

import numpy as np

from plastic.edits import Connect
from plastic.engine import SGD, Network, Statistics
from plastic.signals import NetworkView
from plastic.topology.wiring import erk, random_dag

EVERYTHING = Statistics(saliency=True, moments=True, every=2)
SHAPES = ("layers", "graph")


def wired(shape, seed=0, density=0.3):
    """A layered topology or a graph with skip connections, of 6 inputs and 3 outputs."""
    rng = np.random.default_rng(seed)
    if shape == "layers":
        return erk(6, 3, density, rng, hidden=[14, 11])
    return random_dag(6, 3, density, rng, n_hidden=16)


def task(network, seed=0, n_samples=60):
    """Random samples and their classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, network.topology.n_inputs))
    n_outputs = network.topology.n_outputs
    return X, np.eye(n_outputs)[rng.integers(0, n_outputs, n_samples)]


def learned(shape="layers", seed=0, n_steps=20, density=0.3, **options):
    """A network that has learned a little, with everything observed on the way."""
    topology = wired(shape, seed, density)
    network = Network(topology, dtype="float64", **options)
    network.initialize(np.random.default_rng(seed))
    rows = np.random.default_rng(seed).integers(0, 60, (n_steps, 16))
    network.learn(*task(network, seed), rows, SGD(0.1), statistics=EVERYTHING)
    return network


def view_of(network, n_steps=100, seed=1, n_samples=16):
    """What a policy sees of it, on samples that it has not learned from."""
    return NetworkView(network, *task(network, seed, n_samples), n_steps)


def missing_pairs(view, block):
    """Every pair of slots that the block could connect, found pair by pair."""
    structure = view.structure
    held = set(zip(structure.sources.tolist(), structure.targets.tolist(), strict=True))
    return {
        (source, target)
        for source in block.sources.tolist()
        for target in block.targets.tolist()
        if structure.rank[source] < structure.rank[target] and (source, target) not in held
    }


def gradients_if_added(network, view, pairs):
    """Gradient of each pair of slots once it is connected at zero; the network is changed."""
    ids = network.topology.structure.neuron_ids
    sources, targets = np.array(sorted(pairs)).reshape(-1, 2).T
    undo = network.apply(Connect(ids[sources], ids[targets]))
    positions = network.topology.structure.positions_between(sources, targets)
    gradients = network.gradients(view._X, view._Y).weights[positions]
    network.apply(*undo)
    keys = zip(sources.tolist(), targets.tolist(), strict=True)
    return dict(zip(keys, gradients.tolist(), strict=True))


def edits_of(proposal, kind):
    return [edit for edit in proposal.edits if edit.kind == kind]

import inspect
from collections import Counter
from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest
from topologies import assert_consistent, plain_graph, snapshot

from plastic.errors import InvalidParameter
from plastic.topology import Kind, drawing, wiring
from plastic.topology.wiring import DAG_BLOCKS, erk_counts

LAYERED = {
    "dense": (wiring.dense, 1.0),
    "dense_equal": (wiring.dense_equal, 0.5),
    "erdos_renyi": (wiring.erdos_renyi, 0.2),
    "erk": (wiring.erk, 0.2),
}
DAGS = {
    "random_dag": (wiring.random_dag, 0.2),
    "small_world": (wiring.small_world, 0.2),
    "scale_free": (wiring.scale_free, 0.2),
}
ROSTER = LAYERED | DAGS | {"minimal": (wiring.minimal, 0.4)}
HIDDEN = (15, 7)


def make(name, seed=0, density=None, **other):
    """A wiring of 12 inputs and 5 outputs by its name in the roster."""
    function, usual = ROSTER[name]
    sizes = {"hidden": HIDDEN} if name in LAYERED else {"n_hidden": 40} if name in DAGS else {}
    density = usual if density is None else density
    return function(12, 5, density, np.random.default_rng(seed), **sizes | other)


def block_counts(topology):
    """Connections of each layered block, counted one by one."""
    structure, sizes = topology.structure, (12, *HIDDEN, 5)
    counts = np.zeros(len(sizes) - 1, int)
    for source, target in zip(structure.sources, structure.targets, strict=True):
        assert structure.groups[target] == structure.groups[source] + 1
        counts[structure.groups[source]] += 1
    return counts.tolist(), [a * b for a, b in pairwise(sizes)]


def test_the_roster_is_complete():
    public = {
        name
        for name, function in inspect.getmembers(wiring, inspect.isfunction)
        if function.__module__ == wiring.__name__ and not name.startswith("_")
    }
    assert public - {"erk_counts"} == set(ROSTER)


@pytest.mark.parametrize("name", ROSTER)
def test_a_seed_is_no_generator(name):
    function, density = ROSTER[name]
    with pytest.raises(InvalidParameter, match=r"rng must be like numpy.random.default_rng"):
        function(12, 5, density, 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ROSTER)
class TestEveryWiring:
    def test_it_is_a_sound_topology(self, name, seed):
        topology = make(name, seed)
        assert_consistent(topology)
        assert nx.is_directed_acyclic_graph(plain_graph(topology))
        assert (topology.n_inputs, topology.n_outputs) == (12, 5)
        structure = topology.structure
        np.testing.assert_array_equal(structure.neuron_ids[structure.inputs], np.arange(12))
        np.testing.assert_array_equal(
            structure.neuron_ids[structure.outputs], np.arange(12, 17)
        )

    def test_every_connection_is_in_a_block(self, name, seed):
        topology = make(name, seed)
        groups = topology.structure.groups
        joined = zip(
            groups[topology.structure.sources].tolist(),
            groups[topology.structure.targets].tolist(),
            strict=True,
        )
        assert set(joined) <= topology.blocks
        expected = [(0, 1), (1, 2), (2, 3)] if name in LAYERED else DAG_BLOCKS
        assert topology.blocks == set(expected)

    def test_a_seed_gives_one_wiring(self, name, seed):
        assert snapshot(make(name, seed)) == snapshot(make(name, seed))
        other = make(name, seed + 100)
        assert (snapshot(make(name, seed)) == snapshot(other)) == (
            name in ("dense", "dense_equal")
        )

    def test_activations_are_as_asked(self, name, seed):
        hidden = {} if name == "minimal" else {"activation": "tanh"}
        graph = make(name, seed, output_activation="sigmoid", **hidden).graph
        held = set(nx.get_node_attributes(graph, "activation").values())
        assert held == {"identity", "sigmoid"} | set(hidden.values())
        outputs = {graph.nodes[node]["activation"] for node in range(12, 17)}
        assert outputs == {"sigmoid"}


@pytest.mark.parametrize("density", [0.1, 0.17, 0.5, 0.95, 1.0])
class TestCounts:
    @pytest.mark.parametrize("name", DAGS)
    def test_the_density_is_honoured(self, name, density):
        topology = make(name, density=density)
        assert topology.n_connections == round(density * topology.n_possible)
        assert topology.n_possible == 12 * 40 + 40 * 5 + 12 * 5 + 40 * 39 // 2

    def test_minimal_is_as_dense_as_its_only_block(self, density):
        topology = make("minimal", density=density)
        assert topology.n_connections == round(density * topology.n_possible)
        assert topology.n_possible == 12 * 5

    def test_erdos_renyi_is_as_dense_in_every_block(self, density):
        counts, room = block_counts(make("erdos_renyi", density=density))
        assert counts == [round(density * n) for n in room]

    def test_erk_shares_out_by_its_rule(self, density):
        topology = make("erk", density=density)
        sizes = np.array([12, *HIDDEN, 5])
        counts, _ = block_counts(topology)
        np.testing.assert_array_equal(counts, erk_counts(sizes[:-1], sizes[1:], density))
        assert topology.density == pytest.approx(density, abs=2 / topology.n_possible)


def test_dense_leaves_nothing_out():
    counts, room = block_counts(make("dense"))
    assert counts == room
    assert make("dense").density == 1


@pytest.mark.parametrize("hidden", [(20,), (15, 7), (40, 40), (5, 30, 10)])
@pytest.mark.parametrize("density", [0.2, 0.5, 0.9, 1.0])
def test_dense_equal_is_as_wide_as_the_connections_allow(density, hidden):
    topology = make("dense_equal", density=density, hidden=hidden)
    layers = np.bincount(topology.structure.groups)[1:-1]
    allowed = round(density * sum(a * b for a, b in pairwise([12, *hidden, 5])))
    assert topology.density == 1
    assert topology.n_connections <= allowed
    for layer in range(len(hidden)):  # no layer could have one neuron more
        sizes = [12, *(layers + (np.arange(len(hidden)) == layer)), 5]
        assert sum(a * b for a, b in pairwise(sizes)) > allowed
    assert np.ptp(layers / hidden) <= 2 / min(hidden)
    if density == 1:
        assert layers.tolist() == list(hidden)


def test_dense_equal_needs_a_neuron_in_every_layer():
    message = "density 0.05 leaves 16 connections, too few for dense layers"
    with pytest.raises(InvalidParameter, match=message):
        make("dense_equal", density=0.05)


def test_without_hidden_layers_inputs_lead_to_outputs():
    topology = make("dense", hidden=[])
    assert (topology.n_neurons, topology.n_connections) == (17, 60)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", DAGS)
def test_every_hidden_neuron_of_a_dag_has_a_way_in_and_out(name, seed):
    topology = make(name, seed, density=0.07)
    structure = topology.structure
    hidden = structure.kinds == Kind.HIDDEN
    ways_in = np.bincount(structure.targets, minlength=topology.n_neurons)
    ways_out = np.bincount(structure.sources, minlength=topology.n_neurons)
    assert ways_in[hidden].min() > 0
    assert ways_out[hidden].min() > 0


def naive_erk_counts(n_sources, n_targets, density):
    """As the rule is told: scale all shares alike; a block that overflows is full instead."""
    room = [a * b for a, b in zip(n_sources, n_targets, strict=True)]
    share = [a + b for a, b in zip(n_sources, n_targets, strict=True)]
    full = set()
    while len(full) < len(room):
        left = density * sum(room) - sum(room[i] for i in full)
        scale = left / sum(share[i] for i in range(len(room)) if i not in full)
        over = {i for i in range(len(room)) if i not in full and scale * share[i] > room[i]}
        if not over:
            break
        full |= over
    return [room[i] if i in full else max(1, round(scale * share[i])) for i in range(len(room))]


@pytest.mark.parametrize("seed", range(50))
def test_erk_counts_follow_the_naive_rule(seed):
    rng = np.random.default_rng(seed)
    n_sources, n_targets = rng.integers(1, 200, (2, rng.integers(1, 6)))
    density = float(rng.uniform(0.01, 1))
    counts = erk_counts(n_sources, n_targets, density)
    assert counts.tolist() == naive_erk_counts(n_sources.tolist(), n_targets.tolist(), density)
    room = n_sources * n_targets
    assert (counts <= room).all()
    assert (counts >= 1).all()
    assert abs(counts.sum() - density * room.sum()) <= len(room)


def test_erk_counts_at_full_density_fill_every_block():
    sizes = np.array([7, 100, 3, 50])
    counts = erk_counts(sizes[:-1], sizes[1:], 1.0)
    np.testing.assert_array_equal(counts, sizes[:-1] * sizes[1:])


def test_small_blocks_are_denser_under_erk():
    topology = make("erk")
    counts, room = block_counts(topology)
    densities = np.array(counts) / room
    assert densities.argmax() == np.argmin(room)
    assert densities.argmin() == np.argmax(room)


class TestShapes:
    """What the wirings are named after shows."""

    def mean_over_seeds(self, measure, name, **given):
        return np.mean([measure(make(name, seed, 0.1, **given).graph) for seed in range(5)])

    def test_a_small_world_clusters(self):
        def clustering(graph):
            return nx.average_clustering(graph.to_undirected())

        at_random = self.mean_over_seeds(clustering, "random_dag", n_hidden=100)
        small_world = self.mean_over_seeds(clustering, "small_world", n_hidden=100)
        assert small_world > 2 * at_random

    def test_the_more_is_rewired_the_less_it_clusters(self):
        def clustering(graph):
            return nx.average_clustering(graph.to_undirected())

        falling = [
            self.mean_over_seeds(clustering, "small_world", n_hidden=100, rewired=rewired)
            for rewired in (0.0, 0.3, 1.0)
        ]
        assert falling[0] > falling[1] > falling[2]

    def test_a_scale_free_wiring_has_hubs(self):
        def highest_degree(graph):
            return max(degree for _, degree in graph.degree)

        at_random = self.mean_over_seeds(highest_degree, "random_dag", n_hidden=100)
        scale_free = self.mean_over_seeds(highest_degree, "scale_free", n_hidden=100)
        assert scale_free > 1.3 * at_random

    def test_the_hubs_of_a_scale_free_wiring_may_be_anywhere(self):
        graphs = [make("scale_free", seed, 0.1, n_hidden=100).graph for seed in range(10)]
        hubs = np.array([max(range(17, 117), key=graph.degree) for graph in graphs])
        assert hubs.min() < 17 + 50 < hubs.max()

    def test_every_pair_of_a_layered_wiring_is_equally_likely(self):
        rng = np.random.default_rng(0)
        times = np.zeros((4, 6))
        for _ in range(600):
            structure = wiring.erdos_renyi(4, 6, 0.5, rng, hidden=[]).structure
            times[structure.sources, structure.targets - 4] += 1
        assert np.abs(times / 600 - 0.5).max() < 0.1  # five standard deviations


class TestRefusals:
    @pytest.mark.parametrize("density", [0, -0.1, 1.5, 2, np.nan])
    @pytest.mark.parametrize("name", [name for name in ROSTER if name != "dense"])
    def test_densities_lie_between_none_and_all(self, name, density):
        message = rf"density must lie in \(0, 1\], got {density}"
        with pytest.raises(InvalidParameter, match=message):
            make(name, density=density)

    @pytest.mark.parametrize("density", [0, 0.5, 2, np.nan])
    def test_dense_is_dense(self, density):
        message = f"wiring dense needs density 1, got {density}; use erk instead"
        with pytest.raises(InvalidParameter, match=message):
            make("dense", density=density)

    @pytest.mark.parametrize("name", DAGS)
    def test_too_few_connections_for_ways_in_and_out(self, name):
        message = r"density 0\.01 leaves 15 connections, but 40 hidden neurons need \d+ to have"
        with pytest.raises(InvalidParameter, match=message):
            make(name, density=0.01)

    @pytest.mark.parametrize("hidden", [[0], [3, 0], [3, -1], [2.5]])
    @pytest.mark.parametrize("name", LAYERED)
    def test_no_layer_is_empty(self, name, hidden):
        message = rf"hidden\[{len(hidden) - 1}\] must be a whole number of at least 1, got"
        with pytest.raises(InvalidParameter, match=message):
            make(name, hidden=hidden)

    @pytest.mark.parametrize("name", DAGS)
    def test_there_are_hidden_neurons(self, name):
        with pytest.raises(InvalidParameter, match="n_hidden must be a whole number"):
            make(name, n_hidden=0)

    @pytest.mark.parametrize(("n_inputs", "n_outputs"), [(0, 2), (2, 0), (-1, 2)])
    @pytest.mark.parametrize("name", ROSTER)
    def test_there_are_inputs_and_outputs(self, name, n_inputs, n_outputs):
        function, density = ROSTER[name]
        rng = np.random.default_rng(0)
        with pytest.raises(InvalidParameter, match=r"n_(in|out)puts must be a whole number"):
            function(n_inputs, n_outputs, density, rng)

    @pytest.mark.parametrize("rewired", [-0.1, 1.1, np.nan])
    def test_the_rewired_fraction_is_a_probability(self, rewired):
        with pytest.raises(
            InvalidParameter, match=rf"rewired must lie in \[0, 1\], got {rewired}"
        ):
            make("small_world", rewired=rewired)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_large_blocks_are_drawn_like_small_ones(monkeypatch, count):
    """As many as asked for, ascending, in parts; every set of them as often as any other."""
    monkeypatch.setattr(drawing, "LARGE", 0)
    monkeypatch.setattr(drawing, "STRIP", 2)
    rng, times = np.random.default_rng(count), Counter()
    for _ in range(2000):
        parts = list(drawing.drawn_numbers(5, count, rng))
        assert len(parts) == 3
        times[tuple(np.concatenate(parts).tolist())] += 1
    sets = list(combinations(range(5), count))
    assert set(times) == set(sets)
    expected = 2000 / len(sets)
    assert max(abs(n - expected) for n in times.values()) < 4 * expected**0.5


def test_a_wiring_of_large_blocks_is_sound(monkeypatch):
    monkeypatch.setattr(drawing, "LARGE", 20)
    monkeypatch.setattr(drawing, "STRIP", 30)
    topology = make("erk", density=0.3)
    assert_consistent(topology)
    counts, room = block_counts(topology)
    assert sum(counts) == round(0.3 * sum(room))

"""A genome's network predicts what neat-python's predicts, and learns by gradient."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.engine import SGD
from plastic.errors import CycleError, InvalidNetwork

neat = pytest.importorskip("neat", reason="neat-python is not installed: make extras")
from neat.activations import ActivationFunctionSet  # noqa: E402
from neat.aggregations import AggregationFunctionSet  # noqa: E402

from plastic.interop import from_neat  # noqa: E402

NAMES = ("sigmoid", "tanh", "relu", "identity")
N_INPUTS, N_OUTPUTS = 3, 2


FLOATS = "".join(
    f"""
{name}_init_type = gaussian
{name}_init_mean = {mean}
{name}_init_stdev = {spread}
{name}_min_value = {low}
{name}_max_value = 30
{name}_mutate_power = {spread}
{name}_mutate_rate = 0.7
{name}_replace_rate = 0.1"""
    for name, mean, spread, low in (
        ("bias", 0, 1, -30), ("weight", 0, 1, -30), ("response", 1, 0.2, -30),
        ("time_constant", 1, 0, 0.01),
    )
)  # fmt: skip

CONFIG = f"""
[NEAT]
fitness_criterion = max
fitness_threshold = -0.001
no_fitness_termination = False
pop_size = 30
reset_on_extinction = False

[DefaultGenome]
num_inputs = 2
num_hidden = 1
num_outputs = 1
initial_connection = full_direct
feed_forward = True
single_structural_mutation = False
structural_mutation_surer = default
compatibility_disjoint_coefficient = 1.0
compatibility_weight_coefficient = 0.5
conn_add_prob = 0.5
conn_delete_prob = 0.2
node_add_prob = 0.5
node_delete_prob = 0.1
activation_default = sigmoid
activation_options = sigmoid
activation_mutate_rate = 0.0
aggregation_default = sum
aggregation_options = sum
aggregation_mutate_rate = 0.0
enabled_default = True
enabled_mutate_rate = 0.05
enabled_rate_to_true_add = 0.0
enabled_rate_to_false_add = 0.0
{FLOATS}

[DefaultSpeciesSet]
compatibility_threshold = 6.0

[DefaultStagnation]
species_fitness_func = max
max_stagnation = 20
species_elitism = 2

[DefaultReproduction]
elitism = 2
survival_threshold = 0.2
min_species_size = 1
"""


def config_of(n_inputs=N_INPUTS, n_outputs=N_OUTPUTS):
    """The part of a neat.Config that a genome is read with."""
    genes = SimpleNamespace(
        input_keys=[-i - 1 for i in range(n_inputs)],
        output_keys=list(range(n_outputs)),
        activation_defs=ActivationFunctionSet(),
        aggregation_function_defs=AggregationFunctionSet(),
    )
    return SimpleNamespace(genome_config=genes)


def node(key, activation="sigmoid", bias=0.0, response=1.0, aggregation="sum"):
    return SimpleNamespace(
        key=key, activation=activation, bias=bias, response=response, aggregation=aggregation
    )


def genome_of(nodes, links, disabled=()):
    """Links are a dict of (source, target): weight."""
    return SimpleNamespace(
        nodes={one.key: one for one in nodes},
        connections={
            key: SimpleNamespace(key=key, weight=weight, enabled=key not in disabled)
            for key, weight in links.items()
        },
    )


def random_genome(seed):
    """A random graph with skip connections, dead ends, and disabled links."""
    rng = np.random.default_rng(seed)
    hidden = rng.permutation(np.arange(N_OUTPUTS, N_OUTPUTS + 8)).tolist()
    line = [-1, -2, -3, *hidden[:4], 0, *hidden[4:], 1]  # output 0 may feed others
    nodes = [
        node(key, str(rng.choice(NAMES)), rng.normal(), rng.normal())
        for key in (*hidden, *range(N_OUTPUTS))
    ]
    pairs = [
        (source, target)
        for place, target in enumerate(line)
        for source in line[:place]
        if target >= 0 and rng.random() < 0.35
    ]
    links = dict(zip(pairs, rng.normal(size=len(pairs)), strict=True))
    disabled = {pair for pair in pairs if rng.random() < 0.2}
    return genome_of(nodes, links, disabled)


def answers(genome, config, X):
    network = neat.nn.FeedForwardNetwork.create(genome, config)
    return np.array([network.activate(row) for row in X.tolist()])


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_genome_predicts_the_same(seed):
    genome, config = random_genome(seed), config_of()
    X = np.random.default_rng(seed).normal(size=(7, N_INPUTS))
    network = from_neat(genome, config, dtype="float64")
    difference = network.predict(X) - answers(genome, config, X)
    assert np.abs(difference).max() <= 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_far_out_too(name):
    genome = genome_of([node(0, name, bias=0.3, response=2.0)], {(-1, 0): 1.5})
    X = np.array([[-100.0], [-1.0], [0.0], [1.0], [100.0]])
    config = config_of(1, 1)
    found = from_neat(genome, config, dtype="float64").predict(X)
    np.testing.assert_allclose(found, answers(genome, config, X), atol=1e-12, rtol=1e-12)


def evolved(tmp_path):
    """A population of neat-python's own, evolved for some generations on xor."""
    rng = random.getstate()
    random.seed(3)
    try:
        file = tmp_path / "config.ini"
        file.write_text(CONFIG)
        config = neat.Config(
            neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet,
            neat.DefaultStagnation, str(file),
        )  # fmt: skip
        population = neat.Population(config)
        X = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
        y = np.array([[0], [1], [1], [0.0]])

        def judge(genomes, config):
            for _, genome in genomes:
                genome.fitness = -float(((answers(genome, config, X) - y) ** 2).sum())

        return population.run(judge, 8), config, X, y
    finally:
        random.setstate(rng)


def test_what_evolved_is_trained_by_gradient(tmp_path):
    genome, config, X, y = evolved(tmp_path)
    network = from_neat(genome, config, loss="cross_entropy", dtype="float64")
    np.testing.assert_allclose(network.predict(X), answers(genome, config, X), atol=1e-12)
    before, _ = network.evaluate(X, y)
    network.learn(X, y, np.tile(np.arange(4), (300, 1)), SGD(0.5))
    after, _ = network.evaluate(X, y)
    assert after < before


def test_ids_are_told_by_keys_and_dead_ends_are_left_out():
    nodes = [node(0), node(7), node(9), node(11)]
    links = {(-1, 7): 1.0, (7, 0): 1.0, (-2, 9): 1.0, (11, 0): 1.0, (-1, 0): 1.0}
    network = from_neat(genome_of(nodes, links, {(-1, 0)}), config_of(2, 1))
    structure = network.topology.structure
    assert structure.neuron_ids.tolist() == [0, 1, 2, 9, 13]
    assert list(network.topology.graph.edges) == [(0, 9), (9, 2), (13, 2)]


REFUSED = [
    (genome_of([node(0, aggregation="max")], {}), "node 0 aggregates by 'max'; only"),
    (genome_of([node(0, "gauss")], {}), "node 0 has the activation 'gauss'; only sigmoid,"),
]


@pytest.mark.parametrize(("genome", "said"), REFUSED)
def test_what_cannot_be_translated_is_refused_by_name(genome, said):
    with pytest.raises(InvalidNetwork, match=said):
        from_neat(genome, config_of(1, 1))


def test_functions_that_were_replaced_are_refused():
    genome, config = genome_of([node(0, "relu")], {(-1, 0): 1.0}), config_of(1, 1)
    config.genome_config.activation_defs.add("relu", lambda z: 2 * z)
    with pytest.raises(InvalidNetwork, match="'relu', which is not neat-python's own"):
        from_neat(genome, config)
    config = config_of(1, 1)
    config.genome_config.aggregation_function_defs.add("sum", lambda _: 0.0)
    with pytest.raises(InvalidNetwork, match="node 0 aggregates by 'sum'; only neat-python's"):
        from_neat(genome, config)


@pytest.mark.parametrize(
    ("links", "cycle"),
    [
        ({(-1, 5): 1.0, (5, 6): 1.0, (6, 5): 1.0, (6, 0): 1.0}, "5->6->5"),
        ({(-1, 0): 1.0, (0, 0): 1.0}, "0->0"),
    ],
)
def test_recurrent_links_are_refused_unless_disabled(links, cycle):
    nodes, config = [node(0), node(5), node(6)], config_of(1, 1)
    with pytest.raises(CycleError) as caught:
        from_neat(genome_of(nodes, links), config)
    assert str(caught.value) == f"the genome is recurrent: {cycle} is a cycle"
    closing = [(6, 5), (0, 0)]
    assert from_neat(genome_of(nodes, links, closing), config).topology.n_connections

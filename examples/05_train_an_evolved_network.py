"""Evolve a network with neat-python, then train by gradient what evolution has wired.

Evolution finds a wiring and weights for it; gradient descent is better at weights.  Three
networks of the evolved wiring are compared: as it evolved, trained on from there, and trained
from random weights, which tells what the evolved weights are worth as a beginning.  One seed
makes an example, not a finding: others end in another order.

It needs neat-python: ``pip install "plastic[neat]"``.
"""

import random
import tempfile
from pathlib import Path

import numpy as np

from plastic import Network
from plastic.datasets import two_moons
from plastic.engine import Adam
from plastic.errors import require_extra
from plastic.interop import from_neat

GENERATIONS, STEPS, BATCH = 20, 2000, 32

FLOATS = "".join(
    f"{name}_init_type = gaussian\n{name}_init_mean = {mean}\n{name}_init_stdev = {spread}\n"
    f"{name}_min_value = {low}\n{name}_max_value = 30\n{name}_mutate_power = {spread}\n"
    f"{name}_mutate_rate = 0.7\n{name}_replace_rate = 0.1\n"
    for name, mean, spread, low in (
        ("bias", 0, 1, -30),
        ("weight", 0, 1, -30),
        ("response", 1, 0.2, -30),
        ("time_constant", 1, 0, 0.01),
    )
)
CONFIG = f"""
[NEAT]
fitness_criterion = max
fitness_threshold = 0
no_fitness_termination = False
pop_size = 40
reset_on_extinction = False

[DefaultGenome]
num_inputs = 2
num_hidden = 4
num_outputs = 2
initial_connection = full_direct
feed_forward = True
single_structural_mutation = False
structural_mutation_surer = default
compatibility_disjoint_coefficient = 1.0
compatibility_weight_coefficient = 0.5
conn_add_prob = 0.6
conn_delete_prob = 0.1
node_add_prob = 0.6
node_delete_prob = 0.05
activation_default = tanh
activation_options = sigmoid tanh relu
activation_mutate_rate = 0.1
aggregation_default = sum
aggregation_options = sum
aggregation_mutate_rate = 0.0
enabled_default = True
enabled_mutate_rate = 0.02
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

neat = require_extra("neat", "neat")
random.seed(1)  # neat-python draws from Python's own generator
rng = np.random.default_rng(1)
dataset = two_moons(rng)
train, test = dataset.train, dataset.test


def evolve():
    """The best genome after some generations, and the configuration it evolved under."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "neat.ini"
        file.write_text(CONFIG)
        config = neat.Config(
            neat.DefaultGenome,
            neat.DefaultReproduction,
            neat.DefaultSpeciesSet,
            neat.DefaultStagnation,
            str(file),
        )
    some = rng.choice(len(train), 50, replace=False)  # a genome is judged sample by sample
    samples = list(zip(train.X[some].tolist(), train.y[some].tolist(), strict=True))

    def judge(genomes, config) -> None:
        for _, genome in genomes:
            network = neat.nn.FeedForwardNetwork.create(genome, config)
            genome.fitness = -sum(
                (answer - wanted) ** 2
                for x, y in samples
                for answer, wanted in zip(network.activate(x), y, strict=True)
            ) / len(samples)

    return neat.Population(config).run(judge, GENERATIONS), config


def accuracy(network: Network) -> float:
    return dataset.score(network.predict(test.X), test.y)


def learn(network: Network) -> float:
    rows = np.random.default_rng(2).integers(0, len(train), (STEPS, BATCH))
    network.learn(train.X, train.y, rows, Adam(0.01))
    return accuracy(network)


genome, config = evolve()
network = from_neat(genome, config, loss="mse", dtype="float64")

theirs = neat.nn.FeedForwardNetwork.create(genome, config)
answers = np.array([theirs.activate(x) for x in test.X[:50].tolist()])
residual = np.abs(network.predict(test.X[:50]) - answers).max()
print(f"evolved in {GENERATIONS} generations: {network.topology}")
print(f"largest difference to neat-python's own predictions: {residual:.1e} (allowed: 1e-12)")
assert residual < 1e-12

evolved = accuracy(network)
before = network.snapshot()
trained = learn(network)
network.restore(before)
from_scratch = learn(network.initialize(np.random.default_rng(3)))

print(f"\ntest accuracy on two moons, {network.topology.n_connections} connections")
print(f"  as it evolved                  {evolved:.3f}")
print(f"  trained for {STEPS} steps         {trained:.3f}")
print(f"  trained from random weights    {from_scratch:.3f}")
if trained > evolved:
    print("\nGradient descent improves on what evolution left.")

"""Learn from a stream whose task changes, and see who goes on learning.

Every 100 mini-batches the ten digits swap their labels: nothing gets harder, yet a network that
only adjusts its weights learns each task a little worse than the one before.  This is loss of
plasticity (Dohare et al. 2024).  Two networks meet the same stream by scikit-learn's
`partial_fit`; one of them replaces the neurons of least use while it learns.
"""

import numpy as np

from plastic import PlasticClassifier
from plastic.datasets import digits, permuted_labels

EVERY, TASKS, BATCH = 100, 40, 50
POLICIES = {
    "static": "static",
    "neuron_turnover": {"name": "neuron_turnover", "rate": 0.003},
}

stream = permuted_labels(np.random.default_rng(0), base=digits, every=EVERY)
scores = {}
for name, policy in POLICIES.items():
    draw = np.random.default_rng(1)  # the same mini-batches for both
    model = PlasticClassifier(
        policy, density=0.2, hidden=(64, 64), batch_size=BATCH, optimizer="sgd",
        learning_rate=0.03, random_state=0,
    )  # fmt: skip
    online = []
    for task in range(TASKS):
        split = stream.at(task * EVERY).train
        labels = split.y.argmax(axis=1)
        for _ in range(EVERY // 10):
            rows = draw.integers(0, len(split), 10 * BATCH)
            model.partial_fit(split.X[rows], labels[rows], classes=np.arange(10))
        # each mini-batch was answered before it was learned from
        online.append(model.history_["running_score"].tail(EVERY // 10).mean())
    scores[name] = np.array(online)
    n = model.network_.topology
    print(f"{name}: {n.n_connections} connections, {model.n_iter_} calls, {n.step} steps")

print(f"\nonline accuracy{'':11}" + "".join(f"{name:>17}" for name in scores))
for first in range(0, TASKS, 10):
    row = "".join(f"{part[first : first + 10].mean():17.3f}" for part in scores.values())
    print(f"tasks {first:2} to {first + 9:2}{'':11}{row}")

lost = {name: online[:10].mean() - online[-10:].mean() for name, online in scores.items()}
if lost["static"] > 0.05 > lost["neuron_turnover"]:
    print("\nThe static network lost plasticity; the one that renews its neurons kept it.")

"""Write a policy, hold it to the contract of all policies, and compare it with SET.

The policy prunes the smallest weights, as SET does, and grows connections out of active
neurons into those that could do with a change.  The two differ in growth alone.  Two seeds
make an example, not a finding: for that, give the policy a file in conf/policy and let
experiments.run and experiments.compare do the rest.
"""

import numpy as np

from plastic import Network, train
from plastic.checks import check_policy
from plastic.datasets import digits
from plastic.edits import Connect, Disconnect
from plastic.engine import SGD, Cosine
from plastic.policies import Policy, Proposal, Static, sparse_evolution
from plastic.policies.growth import draw_missing
from plastic.policies.parts import UpdateSchedule, lowest
from plastic.topology.wiring import erk
from plastic.training import Streams

DENSITY, STEPS, SEEDS = 0.02, 600, (0, 1)


class BusyEnds(Policy):
    schedule = UpdateSchedule(every=40)

    def steps(self, n_steps):
        return self.schedule.steps(n_steps)

    def propose(self, view, rng):
        activity = np.abs(view.signals.outputs).mean(axis=1)  # (n_neurons,)
        sensitivity = np.abs(view.signals.deltas).mean(axis=1)
        share, ids = self.schedule.share(view.step, view.n_steps), view.structure.neuron_ids
        edits = []
        for block in view.blocks:
            held = block.positions
            ends = activity[block.sources], sensitivity[block.targets]
            sources, targets = draw_missing(view, block, int(share * len(held)), rng, *ends)
            gone = held[lowest(np.abs(view.weights[held]), len(sources), rng)]
            gone = view.structure.connection_ids[gone]
            edits += [
                Disconnect(gone, keep_stranded=True, reason="small weight"),
                Connect(ids[sources], ids[targets], reason="busy ends"),
            ]
        return Proposal(edits)


def run(policy: Policy, seed: int) -> tuple[float, int]:
    """Test accuracy and number of connections at the end."""
    streams = Streams.of(seed)  # policies of one seed see the same data, wiring and batches
    dataset = digits(streams.split)
    density = policy.begin(DENSITY)
    topology = erk(64, 10, density, streams.wiring, hidden=[128, 128])
    network = Network(topology, dataset.loss).initialize(streams.weights)
    optimizer, schedule = SGD(0.1, momentum=0.9), Cosine()
    for rows in train(network, dataset, policy, optimizer, schedule, streams, n_steps=STEPS):
        if rows.table == "convergence":
            last = dict(zip(rows.columns["split"], rows.columns["score"], strict=True))
    return last["test"], topology.n_connections


check_policy(BusyEnds)
print("BusyEnds keeps every promise of a policy")

POLICIES = {"static": Static, "SET": sparse_evolution, "BusyEnds": BusyEnds}
results = {name: [run(make(), seed) for seed in SEEDS] for name, make in POLICIES.items()}

print(f"\ntest accuracy on digits at density {DENSITY}, {STEPS} steps")
print(f"{'policy':10}" + "".join(f"{f'seed {seed}':>9}" for seed in SEEDS) + "  connections")
for name, found in results.items():
    scores = "".join(f"{score:9.3f}" for score, _ in found)
    print(f"{name:10}{scores}  {found[0][1]:11}")

counts = {count for found in results.values() for _, count in found}
assert len(counts) == 1, "all policies end with as many connections as they began with"
pairs = zip(results["BusyEnds"], results["SET"], strict=True)
if all(mine > theirs for (mine, _), (theirs, _) in pairs):
    print("\nBusyEnds is ahead of SET under both seeds")

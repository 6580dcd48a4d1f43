"""What the tests of checkpoints share: trainings made of configurations, and cut in two."""

from __future__ import annotations

import numpy as np
from trials import contents

from experiments.choices import build
from experiments.run import make_network
from plastic.selection import paid_steps
from plastic.training import Streams, train


class Made:
    """The parts of a training, made anew from a configuration."""

    def __init__(self, config):
        self.streams, self.policy = Streams.of(config.seed), build(config, "policy")
        self.dataset = build(config, "dataset", rng=self.streams.split)
        self.network = make_network(config, self.dataset, self.policy, self.streams)
        self.plasticity, self.config = build(config, "plasticity"), config
        self.n_steps = paid_steps(self.network, config.steps)

    def train(self, **options):
        config = self.config
        return train(
            self.network, self.dataset, self.policy, build(config, "optimizer"),
            build(config, "schedule"), self.streams, n_steps=self.n_steps,
            batch_size=config.batch_size, evaluate_every=config.evaluate_every,
            plasticity=self.plasticity, **options,
        )  # fmt: skip

    def end(self):
        """Every bit that is left of a training."""
        streams = {name: str(s.bit_generator.state) for name, s in vars(self.streams).items()}
        states = {**self.policy.state(), **self.plasticity.state()}
        return contents(self.network) | streams | {k: v.tobytes() for k, v in states.items()}


def plain(rows):
    """Rows that can be compared, the clock left out."""
    return [
        (
            piece.table,
            {k: np.asarray(v).tolist() for k, v in piece.columns.items() if k != "seconds"},
        )
        for piece in rows
    ]


def same(one, other):
    """Whether rows are the same; NaN is as good as NaN."""
    return repr(plain(one)) == repr(plain(other))

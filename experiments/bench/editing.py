"""Edits beside a training step of the same network: what a batch of edits costs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from experiments.bench.measure import Contender, Effort, Row, compare
from experiments.bench.peers.ours import STRETCH
from plastic.edits import Connect, Disconnect
from plastic.engine import SGD, Network
from plastic.engine.plan import plan_graph
from plastic.topology import Topology
from plastic.topology.way_back import forget_way
from plastic.topology.wiring import erk

SIZES = {
    "10k": (10_000, (784, 256, 256, 10)),
    "100k": (100_000, (784, 1024, 1024, 10)),
    "1M": (1_000_000, (784, 3000, 3000, 3000, 10)),
    "10M": (10_000_000, (784, 10_000, 10_000, 10)),
}
"""Connections, and neurons of each layer."""

BATCH = 128
MOST_IN_STRETCHES = 1_000_000
FEW = 5
"""Connections up to which steps are timed in stretches of `STRETCH`, and steps above that."""

FRACTION = 0.3
"""Of the connections, that the larger batch of edits moves."""


class Editing:
    """A network that is edited between training steps.

    Parameters
    ----------
    size : str
        One of `SIZES`.
    """

    def __init__(self, size: str) -> None:
        n_connections, layers = SIZES[size]
        self._rng = np.random.default_rng(4)
        density = n_connections / sum(a * b for a, b in pairwise(layers))
        topology = erk(layers[0], layers[-1], density, self._rng, hidden=layers[1:-1])
        self.network = Network(topology).initialize(self._rng)
        self._X = self._rng.normal(size=(BATCH, layers[0])).astype(np.float32)
        self._Y = np.eye(layers[-1], dtype=np.float32)[self._rng.integers(0, 10, BATCH)]
        self._edits: tuple[Any, ...] = ()
        self._undo: tuple[Any, ...] = ()

    def learn(self, n_steps: int = 1) -> None:
        """Take some steps; the rate is low, as the edits replace most of what was learned."""
        rows = np.tile(np.arange(BATCH), (n_steps, 1))
        self.network.learn(self._X, self._Y, rows, SGD(1e-4))

    def prepare(self, count: int) -> None:
        """Take a step, so that nothing of the last edit is left at hand, and draw edits."""
        self._edits = drawn_edits(self.network.topology, count, self._rng)
        self.learn()

    def apply(self) -> None:
        """Apply the edits, and plan what the engine needs for its next step."""
        self._undo = self.network.apply(*self._edits)
        plan_graph(self.network.topology.structure)

    def prepare_undo(self, count: int) -> None:
        """Edit, take a step and wait for the undo."""
        self.prepare(count)
        self.apply()
        self.learn()

    def prepare_revival(self, count: int) -> None:
        """The same, as if something else had been edited since: the way back is not known."""
        self.prepare_undo(count)
        forget_way(self._undo)

    def undo(self) -> None:
        """Undo the last edits, and plan again."""
        self.network.apply(*self._undo)
        plan_graph(self.network.topology.structure)


def drawn_edits(
    topology: Topology, count: int, rng: np.random.Generator
) -> tuple[Disconnect, Connect]:
    """Random connections go, and as many others come, into random rows of the same layers."""
    structure = topology.structure
    cut = rng.choice(structure.n_connections, count, replace=False)
    in_group = {g: np.flatnonzero(structure.groups == g) for g in np.unique(structure.groups)}
    keys = np.zeros(0, np.int64)
    while len(keys) < count:
        at = rng.integers(0, structure.n_connections, 2 * count + 20)
        targets = np.searchsorted(structure.indptr, at, side="right") - 1
        sources, groups = np.empty(len(at), np.int64), structure.groups[structure.sources[at]]
        for group, slots in in_group.items():
            of = groups == group
            sources[of] = rng.choice(slots, int(of.sum()))
        free = structure.positions_between(sources, targets) < 0
        keys = np.unique(np.append(keys, targets[free] * structure.n_neurons + sources[free]))
    target_slots, source_slots = np.divmod(rng.permutation(keys)[:count], structure.n_neurons)
    ids = structure.neuron_ids
    return (
        Disconnect(structure.connection_ids[cut], keep_stranded=True),
        Connect(ids[source_slots], ids[target_slots]),
    )


def edit_rows(size: str, effort: Effort) -> list[Row]:
    """Time of one connection moved, of 30% moved, and of their undos, beside a step."""
    editing = Editing(size)
    topology = editing.network.topology
    many = round(FRACTION * topology.n_connections)
    n_steps = STRETCH if topology.n_connections <= MOST_IN_STRETCHES else FEW
    step = Contender("own training step", lambda: editing.learn(n_steps), per=n_steps)
    rows = []
    for case, run, prepare in (
        ("edit 1", editing.apply, lambda: editing.prepare(1)),
        ("edit 30%", editing.apply, lambda: editing.prepare(many)),
        ("undo 30%", editing.undo, lambda: editing.prepare_undo(many)),
        ("revive 30%", editing.undo, lambda: editing.prepare_revival(many)),
    ):
        edit = Contender("plastic", run, prepare)
        rows += compare(f"{case} of {size}", topology.density, edit, [step], effort)
    return rows

"""The contract of a metric, as a function that anyone can run on a metric of their own.

Each promise is a small function that looks for a breach on a `Course`: readings of one small
network while it learns and rewires itself, in order, and of nets with next to nothing in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.random import default_rng

from plastic.checks.cases import BATCH, OPTIMIZER, SETTINGS, Case, Setting
from plastic.checks.global_state import moved_by
from plastic.checks.policies import plain_copy
from plastic.datasets import Dataset, Truth
from plastic.edits import AddNeurons
from plastic.engine import Cosine
from plastic.errors import ContractBroken
from plastic.metrics import Metric, Need, Reading, as_rows
from plastic.metrics.readings import Readings
from plastic.policies import Static, sparse_evolution
from plastic.streams import Streams, reading_stream
from plastic.topology import Topology
from plastic.training import train

EVERYTHING: frozenset[Need] = frozenset({"weights", "activity", "truth"})

N_STEPS, EVERY, EDITS = 120, 20, 15
"""Training steps of a course, from one reading to the next, from one edit to the next."""


@dataclass(frozen=True)
class Course:
    """Readings that a metric is tried on.

    Parameters
    ----------
    name : str
        For the message.
    readings : sequence of Reading
        In order, with everything that a metric may need.
    seed : int
    """

    name: str
    readings: Sequence[Reading]
    seed: int


def check_metric(
    make: Callable[[], Metric], *, settings: Sequence[Setting] = SETTINGS, seed: int = 0
) -> None:
    """Hold a metric to its contract on several small networks.

    Parameters
    ----------
    make : callable
        Returns a new metric at each call; a class whose fields have defaults will do.
    settings : sequence of Setting
        Networks and tasks to try it on.
    seed : int
        Of everything random.

    Raises
    ------
    ContractBroken
        If a promise is broken; the message names the promise, the network and the breach.

    Examples
    --------
    >>> from plastic.metrics import Degrees, Turnover
    >>> check_metric(Degrees)
    >>> check_metric(Turnover)
    """
    for course in [*(_course_of(setting, seed) for setting in settings), _bare(seed)]:
        for promise, find_breach in PROMISES.items():
            where = f"a metric {promise}; on {course.name!r} this one does not"
            try:
                breach = find_breach(make, course)
            except Exception as error:
                raise ContractBroken(f"{where}: {type(error).__name__}: {error}") from error
            if breach:
                raise ContractBroken(f"{where}: {breach}")


# ----------------------------------------------------------------------------------- courses


class _Keep(Metric):
    """Not a measure at all: keeps what metrics get to see."""

    needs = EVERYTHING

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def read(self, reading: Reading, _: np.random.Generator) -> Mapping[str, float]:
        weights = np.array(reading.weights)  # which go on being learned
        self.readings.append(replace(reading, weights=weights))
        return {}


def _course_of(setting: Setting, seed: int) -> Course:
    """A network that rewires itself, or learns only where it has no room to."""
    policy = partial(sparse_evolution, every=EDITS) if setting.density < 1 else Static
    case = Case(policy, setting, N_STEPS, seed, True)
    streams, dataset, keep = Streams.of(seed), case.dataset, _Keep()
    rules = policy()
    for _ in train(
        case.start(rules, streams), dataset, rules, OPTIMIZER, Cosine(), streams,
        n_steps=N_STEPS, batch_size=BATCH, evaluate_every=EVERY,
        readings=Readings({"keep": keep}),
    ):  # fmt: skip
        pass
    truth = _truth_for(dataset, seed)
    # the truth is known of every other reading, as of some datasets it is not
    return Course(
        setting.name,
        [replace(one, truth=truth if i % 2 else None) for i, one in enumerate(keep.readings)],
        seed,
    )


def _truth_for(dataset: Dataset, seed: int) -> Truth:
    connections = default_rng(seed).random((dataset.n_inputs, 2)) < 0.5
    connections[0, 0] = True
    return Truth(np.flatnonzero(connections.any(axis=1)), connections)


def _bare(seed: int) -> Course:
    """Networks without connections, and without hidden neurons."""
    alone, stranded = Topology(2, 1), Topology(2, 2)
    stranded.apply(AddNeurons(3, keep_stranded=True))
    readings = []
    for step, topology in enumerate((alone, stranded)):
        s = topology.structure
        activity = np.zeros((s.n_neurons, 4))
        readings.append(Reading(step, 10, s, topology.birth_steps, np.zeros(0), activity))
    return Course("no connections", readings, seed)


# ---------------------------------------------------------------------------------- promises


def _seen(reading: Reading, needs: frozenset[Need]) -> Reading:
    """A reading of its own, with no more than a metric says that it needs."""
    return replace(
        reading,
        weights=reading.weights if "weights" in needs else None,
        activity=reading.activity if "activity" in needs else None,
        truth=reading.truth if "truth" in needs else None,
    )


def _read(metric: Metric, course: Course, reading: Reading) -> str:
    """What it reads, as text that is the same if the numbers are."""
    rng = reading_stream(course.seed, "checked", reading.step)
    return str(as_rows(reading.step, {"it": metric.read(_seen(reading, metric.needs), rng)}))


def _read_all(make: Callable[[], Metric], course: Course) -> list[str]:
    metric = make()
    return [_read(metric, course, reading) for reading in course.readings]


def _is_none(make: Callable[[], Metric], _: Course) -> str:
    metric: Any = make()
    if not isinstance(metric, Metric):
        return f"{metric!r} is not a plastic.metrics.Metric"
    unknown = sorted(set(metric.needs) - EVERYTHING)
    return f"there is no {unknown[0]!r} to need" if unknown else ""


def _fails(make: Callable[[], Metric], course: Course) -> str:
    _read_all(make, course)
    return ""


def _differs(make: Callable[[], Metric], course: Course) -> str:
    same = _read_all(make, course) == _read_all(make, course)
    return "" if same else f"two new ones differ under seed {course.seed}"


def _draws_elsewhere(make: Callable[[], Metric], course: Course) -> str:
    return moved_by(lambda: _read_all(make, course))


def _forgets(make: Callable[[], Metric], course: Course) -> str:
    wanted, state, found = _read_all(make, course), plain_copy(make().state()), []
    for reading in course.readings:
        metric = make()
        metric.restore(state)
        found.append(_read(metric, course, reading))
        state = plain_copy(metric.state())
    return "" if found == wanted else "its numbers change once it goes on from its state"


def _cannot_go_back(make: Callable[[], Metric], course: Course) -> str:
    """A trial reads ahead in two branches, and goes on from the memory of one of them."""
    metric = make()
    for reading in course.readings:
        state: dict[str, Any] = metric.state()
        first = _read(metric, course, reading)
        metric.restore(state)
        if _read(metric, course, reading) != first:
            return f"step {reading.step} reads otherwise after it"
    return ""


PROMISES: dict[str, Callable[[Callable[[], Metric], Course], str]] = {
    "is one, with needs that can be met": _is_none,
    "returns numbers under labels from what it needs, and writes nowhere": _fails,
    "reads the same under the same seed": _differs,
    "leaves the global random state alone": _draws_elsewhere,
    "goes on the same from its saved state": _forgets,
    "goes back to a state that it was in": _cannot_go_back,
}
"""What a metric promises, and the function that looks for a breach: "" if there is none."""

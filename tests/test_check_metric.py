"""Every metric keeps its contract, and what does not is found out."""

from __future__ import annotations

import random

import numpy as np
import pytest
from runs import names_in

from experiments.choices import build_all
from plastic import metrics
from plastic.checks import check_metric
from plastic.errors import ContractBroken
from plastic.metrics import STRUCTURE, Metric

NAMES = [name for name in names_in("metrics") if name not in ("none", "structure", "all")]


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_keeps_its_contract(name, config_of):
    config = config_of(f"metrics={name}")
    check_metric(lambda: build_all(config, "metrics")[name])


def test_the_roster_is_that_of_the_package(config_of):
    made = build_all(config_of("metrics=all"), "metrics")
    classes = [getattr(metrics, name) for name in metrics.__all__]
    ours = {
        one for one in classes
        if isinstance(one, type) and issubclass(one, Metric) and one is not Metric
    }  # fmt: skip
    assert {type(metric) for metric in made.values()} == ours
    assert sorted(made) == NAMES
    assert build_all(config_of("metrics=structure"), "metrics").keys() == STRUCTURE.keys()


class Breaks(Metric):
    """A metric that keeps all promises; the others break one each."""

    needs = frozenset({"weights"})

    def read(self, reading, rng):
        return {"": float(reading.needed("weights").sum())}


class Greedy(Breaks):
    needs = frozenset()


class Infinite(Breaks):
    def read(self, reading, rng):
        return {"": np.inf}


class Unknown(Breaks):
    needs = frozenset({"gradients"})


class Drawing(Breaks):
    def read(self, reading, rng):
        return {"": random.random()}


class Own(Breaks):
    def read(self, reading, rng):
        return {"": np.random.default_rng().random()}


class Writing(Breaks):
    def read(self, reading, rng):
        reading.weights[:] = 0
        return {"": 1.0}


class Scribbling(Breaks):
    def read(self, reading, rng):
        reading.graph.add_edge(0, 1)
        return {"": 1.0}


class Counting(Breaks):
    def __init__(self):
        self.count = np.zeros(1)

    def read(self, reading, rng):
        self.count += 1  # within the array that its state gives away
        return {"": float(self.count[0])}


class Aliased(Counting):
    def state(self):
        return {"count": self.count}

    def restore(self, state):
        self.count = state["count"]


class Told(Counting):
    def state(self):
        return {"count": self.count.copy()}

    def restore(self, state):
        self.count = state["count"].copy()


def test_one_that_keeps_its_promises_passes():
    check_metric(Breaks)
    check_metric(Told)


@pytest.mark.parametrize(
    ("make", "breach"),
    [
        (lambda: 3, "is one, with needs .* 3 is not a plastic.metrics.Metric"),
        (Unknown, "is one, with needs .* there is no 'gradients' to need"),
        (Greedy, "from what it needs, and .* the reading has no weights"),
        (Infinite, "from what it needs, and .* got inf"),
        (Own, "reads the same under the same seed; .* two new ones differ under seed 0"),
        (Drawing, "reads the same under the same seed"),
        (Writing, "and writes nowhere; on 'layers' this one does not: ValueError: assign"),
        (Scribbling, "and writes nowhere; .* Frozen graph can't be modified"),
        (Counting, "goes on the same from its saved state; .* its numbers change"),
        (Aliased, "goes back to a state that it was in; .* step 0 reads otherwise"),
    ],
)
def test_a_broken_promise_is_named(make, breach):
    with pytest.raises(ContractBroken, match=breach):
        check_metric(make)


def test_the_global_state_is_watched():
    class Stirs(Breaks):
        def read(self, reading, rng):
            random.random()
            return {"": 1.0}

    with pytest.raises(ContractBroken, match="leaves the global random state alone"):
        check_metric(Stirs)

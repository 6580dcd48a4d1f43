"""Every policy in conf/policy keeps the contract, and every way to break it is found."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from experiments.choices import build
from experiments.config import config_folder
from plastic.checks import check_policy
from plastic.checks.cases import SETTINGS, Case
from plastic.checks.limits import refusals, run_within_limits
from plastic.checks.policies import PROMISES
from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.engine import Network
from plastic.errors import ContractBroken, InvalidParameter, PlasticError
from plastic.policies import (
    Homeostasis,
    NeuronTurnover,
    PairedTrials,
    Policy,
    Proposal,
    Static,
)
from plastic.policies.growth import draw_missing
from plastic.signals import NetworkView
from plastic.topology import Kind

ROSTER = sorted(path.stem for path in (config_folder() / "policy").glob("*.yaml"))


# ---------------------------------------------------------------------------------- the roster


@pytest.mark.parametrize("choice", ROSTER)
def test_every_policy_of_the_configuration_keeps_the_contract(choice):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=[f"policy={choice}"])
    check_policy(lambda: build(config, "policy"))


@pytest.mark.parametrize("choice", ROSTER)
def test_no_policy_of_the_configuration_is_refused_for_a_limit(choice):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=[f"policy={choice}"])
    for setting in SETTINGS:
        case = Case(lambda: build(config, "policy"), setting, 100, 1, accepted=True)
        assert refusals(run_within_limits(case)) == []


def test_there_is_a_roster():
    assert len(ROSTER) > 5


# ------------------------------------------------------------------------- breaking a promise


class Swap(Policy):
    """Keeps every promise: swaps one connection of the largest block for a missing one."""

    reason = "a swap"

    def steps(self, n_steps):
        return np.arange(40, n_steps, 40)

    def propose(self, view, rng):
        block = max(view.blocks, key=lambda block: len(block.positions))
        ids = view.structure.neuron_ids
        sources, targets = draw_missing(view, block, 1, rng)
        gone = view.structure.connection_ids[rng.choice(block.positions, len(sources))]
        return Proposal(
            [
                Disconnect(gone, keep_stranded=True, reason=self.reason),
                Connect(ids[sources], ids[targets], reason=self.reason),
            ],
            self.arms(),
        )

    def arms(self):
        return {}


class Careless(Swap):
    def propose(self, view, rng):
        hidden = np.flatnonzero(view.structure.kinds == Kind.HIDDEN)
        if hidden[1] >= 0:  # takes two hidden neurons for granted
            return Proposal()
        raise AssertionError


class WritesToTheView(Swap):
    def propose(self, view, rng):
        view.weights[0] = 0.0
        return Proposal()


class Backwards(Swap):
    def steps(self, n_steps):
        return np.array([80, 40])


class Twice(Swap):
    def steps(self, n_steps):
        return np.array([1, 1])


class AfterTheEnd(Swap):
    def steps(self, n_steps):
        return np.array([n_steps])


class BeforeTheStart(Swap):
    def steps(self, n_steps):
        return np.array([0])


class BetweenSteps(Swap):
    def steps(self, n_steps):
        return np.array([0.5])


class Grows(Swap):
    def propose(self, view, rng):
        _, grown = super().propose(view, rng).edits
        return Proposal([grown])


class Multiplies(Swap):
    """Adds a neuron and says nothing of it; the connections are those that it takes away."""

    def propose(self, view, rng):
        structure, ids = view.structure, view.structure.neuron_ids
        gone = structure.connection_ids[:4]
        ends = ids[[structure.inputs[0], structure.outputs[0]]]
        group, new = int(structure.groups[structure.outputs[0]]) - 1, view.next_neuron_id
        feeders = ids[structure.groups == group - 1][:1]
        return Proposal(
            [
                Disconnect(gone, keep_stranded=True, reason="room"),
                AddNeurons(1, group=group, reason="one more"),
                Connect([feeders[0], new], [new, ends[1]], reason="one more"),
            ]
        )


class PrunesAnInput(Swap):
    def propose(self, view, rng):
        ids = view.structure.neuron_ids[view.structure.inputs[:1]]
        return Proposal([PruneNeurons(ids, keep_stranded=True, reason="too much")])


class Doubles(Swap):
    def propose(self, view, rng):
        structure = view.structure
        ends = structure.neuron_ids[[structure.sources[0], structure.targets[0]]]
        return Proposal([Connect(ends[:1], ends[1:], reason="more")])


class Uproots(Swap):
    """Swaps the very first connection, protected or not."""

    def propose(self, view, rng):
        out, grown = super().propose(view, rng).edits
        first = view.structure.connection_ids[: len(out)]
        return Proposal([Disconnect(first, keep_stranded=True, reason="out"), grown])


class GivesUp(Swap):
    """Does nothing once there are constraints."""

    def propose(self, view, rng):
        if view.constraints.max_hidden is not None:
            return Proposal()
        return super().propose(view, rng)


class Silent(Swap):
    reason = ""


class PullsAreMissing(Swap):
    def arms(self):
        return {"arm": ["a"]}


class ColumnOfItsOwn(Swap):
    def arms(self):
        return {"arm": ["a"], "pulls": [1], "luck": [0.5]}


class HalfPulls(Swap):
    def arms(self):
        return {"arm": ["a"], "pulls": [0.5]}


class SameArmTwice(Swap):
    def arms(self):
        return {"arm": ["a", "a"], "pulls": [1, 1]}


class FallingPulls(Swap):
    n = 10

    def arms(self):
        self.n -= 1
        return {"arm": ["a"], "pulls": [self.n]}


class DrawsFromNowhere(Swap):
    def propose(self, view, rng):
        return super().propose(view, np.random.default_rng())


class SharesState(Swap):
    n = 0

    def propose(self, view, rng):
        SharesState.n += 1
        return super().propose(view, np.random.default_rng(SharesState.n))


class Cheats(Swap):
    def propose(self, view, rng):
        training = inspect.currentframe().f_back.f_locals.get("self")
        dataset = getattr(training, "dataset", None)
        seed = 0 if dataset is None else int(abs(1e6 * dataset.test.X.sum()))
        return super().propose(view, np.random.default_rng(seed))


class Peeks(Swap):
    def propose(self, view, rng):
        frame = inspect.currentframe().f_back
        while frame is not None:  # it is of no use to it, yet it looks
            dataset = getattr(frame.f_locals.get("self"), "dataset", None)
            getattr(getattr(dataset, "test", None), "X", None)
            frame = frame.f_back
        return super().propose(view, rng)


class Forgets(Swap):
    """Counts how often it was asked, and cannot say so."""

    asked = 0

    def propose(self, view, rng):
        self.asked += 1
        return super().propose(view, rng if self.asked == 1 else np.random.default_rng(0))


class RemembersObjects(Swap):
    def state(self):
        return {"last": np.array([Proposal()], object)}


class RestoresNothing(Swap):
    def state(self):
        return {"asked": np.array(1)}


class DrawsFromNumPy(Swap):
    def propose(self, view, rng):
        np.random.rand()  # noqa: NPY002 - the breach to be caught
        return super().propose(view, rng)


class DrawsFromPython(Swap):
    def propose(self, view, rng):
        random.random()
        return super().propose(view, rng)


class WritesWeights(Swap):
    def propose(self, view, rng):
        view._network.weights[0] += 1
        return super().propose(view, rng)


class WritesState(Swap):
    def propose(self, view, rng):
        view._network.topology.connection_columns["momentum"][:] = 0
        return super().propose(view, rng)


class EditsOnTheQuiet(Swap):
    def propose(self, view, rng):
        proposal = super().propose(view, rng)
        view._network.apply(*proposal.edits)
        return Proposal()


@dataclass(frozen=True)
class Breach:
    """A policy that breaks a promise, and what the message must say."""

    make: Callable[[], Policy]
    promise: str
    setting: str
    message: str


BREACHES = [
    Breach(Careless, "works on any network", "three neurons", "IndexError: index 1 is out of"),
    Breach(WritesToTheView, "works on any network", "layers", "destination is read-only"),
    Breach(Backwards, "names its steps", "layers", "of 2 steps it names [80, 40]"),
    Breach(Twice, "names its steps", "layers", "of 2 steps it names [1, 1]"),
    Breach(AfterTheEnd, "names its steps", "layers", "of 2 steps it names [2]"),
    Breach(BeforeTheStart, "names its steps", "layers", "of 2 steps it names [0]"),
    Breach(BetweenSteps, "names its steps", "layers", "of 2 steps it names [0.5]"),
    Breach(Grows, "keeps the budget", "layers", "62 connections at the end, at most 61"),
    Breach(
        Multiplies, "keeps the budget", "layers", "12 neurons in group 2 at the end, at most 8"
    ),
    Breach(PrunesAnInput, "keeps inputs and outputs", "layers", "prune neuron 0 at step 40"),
    Breach(Doubles, "proposes what the topology accepts", "layers", "already exists"),
    Breach(Uproots, "works within constraints", "layers", "without; at step 40, connection"),
    Breach(GivesUp, "works within constraints", "layers", "none of its proposals is accepted"),
    Breach(Silent, "gives a reason for every edit", "layers", "an edit at step 40 has none"),
    Breach(
        PullsAreMissing, "writes well-formed rows of arms", "layers", "needs column 'pulls'"
    ),
    Breach(ColumnOfItsOwn, "writes well-formed rows of arms", "layers", "no column 'luck'"),
    Breach(HalfPulls, "writes well-formed rows of arms", "layers", "pulls must hold int64"),
    Breach(SameArmTwice, "writes well-formed rows of arms", "layers", "an arm has two rows"),
    Breach(FallingPulls, "writes well-formed rows of arms", "layers", "'a' fall from 9 to 8"),
    Breach(DrawsFromNowhere, "proposes the same under the same seed", "layers", "seed 0"),
    Breach(SharesState, "proposes the same under the same seed", "layers", "seed 0"),
    Breach(Cheats, "never sees test data", "layers", "change with the test split"),
    Breach(
        Peeks, "never sees test data", "layers", "looks at the test split while it is asked"
    ),
    Breach(
        Forgets, "goes on the same from its saved state", "layers", "goes on from its state"
    ),
    Breach(
        RemembersObjects,
        "goes on the same from its saved state",
        "layers",
        "holds arrays of numbers, but 'last' is",
    ),
    Breach(
        RestoresNothing,
        "goes on the same from its saved state",
        "layers",
        "must hold just nothing, got 'asked'",
    ),
    Breach(DrawsFromNumPy, "leaves the global random state alone", "layers", "of numpy.random"),
    Breach(DrawsFromPython, "leaves the global random state alone", "layers", "of random"),
    Breach(
        WritesWeights, "changes nothing but by its edits", "layers", "weight of connections"
    ),
    Breach(
        WritesState, "changes nothing but by its edits", "layers", "momentum of connections"
    ),
    Breach(
        EditsOnTheQuiet,
        "changes nothing but by its edits",
        "layers",
        "indptr changes while it looks",
    ),
]


def test_a_policy_that_keeps_its_promises_passes():
    check_policy(Swap)


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.make.__name__)
def test_a_breach_is_found_and_named(breach):
    with pytest.raises(ContractBroken) as caught:
        check_policy(breach.make)
    message = str(caught.value)
    assert message.startswith(f"a policy {breach.promise}")
    assert f"on the network {breach.setting!r} this one does not: " in message
    assert breach.message in message


def test_every_promise_is_broken_by_one_of_them():
    broken = {
        name for name in PROMISES for breach in BREACHES if name.startswith(breach.promise)
    }
    assert broken == set(PROMISES)


def test_the_error_is_one_of_ours_and_an_assertion():
    assert issubclass(ContractBroken, PlasticError)
    assert issubclass(ContractBroken, AssertionError)


# --------------------------------------------------------------------------------- the checker


def test_refusals_may_be_allowed():
    check_policy(Doubles, accepted=False)
    with pytest.raises(ContractBroken, match="keeps inputs and outputs"):
        check_policy(PrunesAnInput, accepted=False)


def test_what_went_wrong_inside_is_the_cause():
    with pytest.raises(ContractBroken) as caught:
        check_policy(Careless)
    assert isinstance(caught.value.__cause__, IndexError)


def test_settings_of_ones_own():
    check_policy(Careless, settings=SETTINGS[:2])
    with pytest.raises(ContractBroken, match="three neurons"):
        check_policy(Careless, settings=SETTINGS[2:3])


def test_there_must_be_steps_to_plan_for():
    with pytest.raises(InvalidParameter, match="n_steps must be a whole number of at least 2"):
        check_policy(Static, n_steps=1)


def test_the_settings_are_what_they_say():
    views = {}
    for setting in SETTINGS:
        case = Case(Static, setting, n_steps=10, seed=0, accepted=True)
        split, topology = case.dataset.train, case.run.topology
        assert topology.n_connections <= case.run.n_allowed
        network = Network(topology, case.dataset.loss)
        views[setting.name] = NetworkView(network, split.X, split.y, 10)
    room = {name: sum(map(v.count_missing, v.blocks)) for name, v in views.items()}
    assert (room["three neurons"], room["no room to grow"]) == (1, 0)
    assert views["three neurons"].structure.n_neurons == 3
    structure = views["a graph with skip connections"].structure
    sources, targets = structure.kinds[structure.sources], structure.kinds[structure.targets]
    assert ((sources == Kind.INPUT) & (targets == Kind.OUTPUT)).any()


@pytest.mark.parametrize(
    "make",
    [
        partial(PairedTrials, every=10, until=0.95, sampling="uniform"),
        partial(NeuronTurnover, rate=0.02, maturity=10),
        partial(Homeostasis, target=0.4, minimum=0.0, growth_rate=3.0, every=20),
    ],
    ids=["trials", "turnover", "homeostasis"],
)
def test_busy_policies_keep_the_budget_under_any_seed(make):
    for seed in range(6):
        for setting in SETTINGS:
            case = Case(make, setting, n_steps=200, seed=seed, accepted=True)
            assert PROMISES["keeps the budget"](case) == ""

"""Policies that each break one promise of `plastic.checks`, and what is said of them."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.policies import Policy, Proposal
from plastic.policies.growth import draw_missing
from plastic.topology import Kind


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

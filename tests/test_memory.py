"""What parts remember: by connection, in a composition, from one look to the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from views import learned, view_of

from plastic.errors import InvalidParameter
from plastic.policies import Rewiring, connection_thompson, masked_trials, rigl, thompson
from plastic.policies.growth import RandomGrowth
from plastic.policies.memory import (
    ById,
    Remembers,
    Watches,
    gather,
    hand_out,
    let_look,
    looking_steps,
)
from plastic.policies.parts import Magnitude, UpdateSchedule

generations = st.lists(st.sets(st.integers(0, 12)), max_size=6)


@given(generations, st.randoms())
def test_numbers_are_kept_by_id_as_in_a_dictionary(generations, random):
    memory, plain = ById(["age"]), {}
    for generation in generations:
        ids = random.sample(sorted(generation), len(generation))
        is_new = memory.align(np.array(ids, np.int64))
        assert is_new.tolist() == [number not in plain for number in ids]
        plain = {number: plain.get(number, 0) for number in ids}
        assert memory["age"].tolist() == [plain[number] for number in ids]
        memory["age"] += 1
        plain = {number: age + 1 for number, age in plain.items()}


@given(generations)
def test_a_restored_memory_goes_on_as_the_first(generations):
    first = ById(["age", "sum"])
    for generation in generations:
        first.align(np.array(sorted(generation), np.int64))
        first["age"] += 1
        first["sum"] += first["age"]
    second = ById(["age", "sum"])
    second.restore(first.state())
    for memory in (first, second):
        memory.align(np.arange(5))
    assert first["sum"].tolist() == second["sum"].tolist()


def test_a_state_is_a_copy():
    memory = ById(["age"])
    memory.align(np.arange(3))
    state = memory.state()
    memory["age"] += 1
    assert state["age"].tolist() == [0, 0, 0]
    other = ById(["age"])
    other.restore(state)
    other["age"] += 1
    assert state["age"].tolist() == [0, 0, 0]


def test_a_composition_saves_its_parts_by_name():
    one, other = ById(["age"]), ById(["sign"])
    one.align(np.arange(2))
    state = gather({"prune": one, "grow": other, "allocation": object()})
    assert set(state) == {"prune.ids", "prune.age", "grow.ids", "grow.sign"}
    again = ById(["age"])
    hand_out({"prune": again, "grow": ById(["sign"])}, state)
    assert again.ids.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"grow.age": np.zeros(1)}, r"there is no memory 'grow\.age' to restore"),
        ({"prune.ids": np.zeros(1)}, "must hold just 'ids', 'age', got 'ids'"),
        ({}, "must hold just 'ids', 'age', got nothing"),
    ],
)
def test_a_state_of_something_else_is_refused(state, message):
    with pytest.raises(InvalidParameter, match=message):
        hand_out({"prune": ById(["age"])}, state)


def test_policies_without_memory_have_no_state_and_take_none():
    assert rigl().state() == {}
    rigl().restore({})
    with pytest.raises(InvalidParameter, match=r"there is no memory 'prune\.ids' to"):
        rigl().restore(connection_thompson().state())


def test_pulls_are_part_of_the_state():
    view = view_of(learned())
    policy = thompson()
    policy.propose(view, np.random.default_rng(0))
    state = policy.state()
    assert state["grow.pulls_activity"].sum() > 0
    again = thompson()
    again.restore(state)
    rows = [one.propose(view, np.random.default_rng(1)).arms for one in (policy, again)]
    assert rows[0]["pulls"].tolist() == rows[1]["pulls"].tolist()


# ------------------------------------------------------------------------------------- looking


class Watcher:
    """Looks at the step before each update, and takes notes."""

    name, statistics = "watcher", Magnitude.statistics

    def __init__(self):
        self.seen = []

    def looks(self, updates):
        return updates - 1

    def look(self, view, rng):
        self.seen.append(view.step)

    def __call__(self, view, rng):
        return np.abs(view.weights)


def test_protocols_tell_parts_that_watch_or_remember():
    assert isinstance(Watcher(), Watches)
    assert not isinstance(Watcher(), Remembers)
    assert isinstance(rigl(), Remembers)
    assert not isinstance(Magnitude(), Watches)


def test_a_part_is_let_look_at_its_steps_and_nothing_is_edited_then():
    watcher = Watcher()
    policy = Rewiring(watcher, RandomGrowth(), UpdateSchedule(10, 1.0))
    assert policy.steps(40).tolist() == [9, 10, 19, 20, 29, 30]
    network, edited = learned(n_steps=1), []
    for step in policy.steps(40):
        network.topology.step = int(step)
        edits = policy.propose(view_of(network, 40), np.random.default_rng(0)).edits
        if edits:
            edited.append(int(step))
    assert watcher.seen == [9, 19, 29]
    assert edited == [10, 20, 30]


def test_nobody_looks_after_the_last_update():
    parts = {"prune": Watcher(), "grow": RandomGrowth()}
    assert looking_steps(parts, np.array([5, 9])).tolist() == [4, 5, 8, 9]
    parts["prune"].looks = lambda updates: updates + 1
    assert looking_steps(parts, np.array([5, 9])).tolist() == [5, 6, 9]
    assert looking_steps(parts, np.zeros(0, np.int64)).tolist() == []


def test_where_a_look_and_an_update_fall_together_both_happen():
    network = learned(n_steps=20)
    watcher = Watcher()
    watcher.looks = lambda updates: updates
    view, rng = view_of(network), np.random.default_rng(0)
    assert not let_look({"prune": watcher}, np.array([20]), view, rng)
    assert watcher.seen == [20]


@pytest.mark.parametrize("make", [connection_thompson, masked_trials])
@pytest.mark.parametrize(("every", "n_steps"), [(7, 40), (40, 1000), (1, 10), (3, 5)])
def test_steps_are_updates_and_looks_before_the_last_update(make, every, n_steps):
    policy = make(every=every)
    steps, updates = policy.steps(n_steps), policy.schedule.steps(n_steps)
    assert set(updates) <= set(steps)
    assert steps.max(initial=0) == updates.max(initial=0)

"""Each rewiring policy prunes and grows what its description says, one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from views import SHAPES, edits_of, gradients_if_added, learned, missing_pairs, task, view_of

from plastic.errors import InvalidParameter
from plastic.policies import (
    connection_thompson,
    hierarchical_thompson,
    masked_trials,
    random_rewiring,
    rigl,
    sparse_evolution,
    taylor_gradient,
    thompson,
)
from plastic.policies.parts import UpdateSchedule

REWIRING = {
    "set": sparse_evolution,
    "rigl": rigl,
    "random": random_rewiring,
    "taylor": taylor_gradient,
    "thompson": thompson,
    "mean": lambda **options: thompson(sampling="mean", **options),
    "uniform": lambda **options: thompson(sampling="uniform", **options),
}

WATCHING = {  # asked at step 20, where an update must be due, or they would only look
    name: lambda make=make, **options: make(every=20, **options)
    for name, make in (
        ("connections", connection_thompson),
        ("hierarchical", hierarchical_thompson),
        ("masked", masked_trials),
    )
}
ALL = REWIRING | WATCHING


def renewed(view, proposal):
    """Slots pruned and slots grown, block by block."""
    structure = view.structure
    (gone,) = edits_of(proposal, "disconnect")
    (new,) = edits_of(proposal, "connect")
    at = structure.positions_of(gone.ids)
    pruned = structure.sources[at], structure.targets[at]
    grown = structure.slots_of(new.sources), structure.slots_of(new.targets)
    return by_block(view, *pruned), by_block(view, *grown)


def by_block(view, sources, targets):
    groups = view.structure.groups
    pairs = set(zip(sources.tolist(), targets.tolist(), strict=True))
    return [
        {
            (u, v)
            for u, v in pairs
            if (groups[u], groups[v]) == (block.source_group, block.target_group)
        }
        for block in view.blocks
    ]


def proposed(make, shape="layers", seed=0, fraction=0.4, **options):
    network = learned(shape)
    view = view_of(network)
    proposal = make(fraction=fraction, **options).propose(view, np.random.default_rng(seed))
    return network, view, proposal


# ----------------------------------------------------------------------------- what they share


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ALL)
def test_every_block_keeps_its_number_of_connections(name, shape):
    network, view, proposal = proposed(ALL[name], shape)
    before = [len(block.positions) for block in view.blocks]
    pruned, grown = renewed(view, proposal)
    assert [*map(len, pruned)] == [*map(len, grown)]
    assert sum(map(len, grown)) > 10
    network.apply(*proposal.edits)
    assert [len(block.positions) for block in view_of(network).blocks] == before


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ALL)
def test_the_share_of_the_schedule_is_renewed_in_every_block(name, shape):
    policy = ALL[name](fraction=0.4)
    _, view, proposal = proposed(ALL[name], shape)
    share = policy.schedule.share(view.step, view.n_steps)
    assert 0.2 < share < 0.4
    pruned, _ = renewed(view, proposal)
    room = [view.count_missing(block) for block in view.blocks]
    expected = [int(share * len(block.positions)) for block in view.blocks]
    assert [*map(len, pruned)] == np.minimum(expected, room).tolist()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ALL)
def test_what_was_just_pruned_is_not_grown_again(name, shape):
    _, view, proposal = proposed(ALL[name], shape, fraction=1.0)
    pruned, grown = renewed(view, proposal)
    for gone, new, block in zip(pruned, grown, view.blocks, strict=True):
        assert not gone & new
        assert new <= missing_pairs(view, block)


@pytest.mark.parametrize("name", ALL)
def test_growing_changes_no_prediction(name):
    network, view, proposal = proposed(ALL[name], "graph")
    X, _ = task(network, 3)
    last_id = view.structure.connection_ids.max()
    network.apply(*edits_of(proposal, "disconnect"))
    pruned = network.predict(X)
    network.apply(*edits_of(proposal, "connect"))
    np.testing.assert_array_equal(network.predict(X), pruned)
    structure = network.topology.structure
    born = np.flatnonzero(structure.connection_ids > last_id)
    assert len(born) == sum(map(len, edits_of(proposal, "connect")))
    for column in network.topology.connection_columns.values():
        assert (column[born] == 0).all()  # weight, momentum and saliency start afresh


@pytest.mark.parametrize("name", ALL)
def test_survivors_keep_everything(name):
    network, view, proposal = proposed(ALL[name])
    ids = view.structure.connection_ids
    columns = network.topology.connection_columns
    before = {
        key: dict(zip(ids.tolist(), values, strict=True)) for key, values in columns.items()
    }
    network.apply(*proposal.edits)
    ids = network.topology.structure.connection_ids
    for key, values in network.topology.connection_columns.items():
        after = dict(zip(ids.tolist(), values, strict=True))
        survivors = before[key].keys() & after.keys()
        assert len(survivors) > 20
        assert all(before[key][number] == after[number] for number in survivors)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("set", lambda view: np.abs(view.weights)),
        ("rigl", lambda view: np.abs(view.weights)),
        ("taylor", lambda view: view.saliency),
        ("thompson", lambda view: view.saliency),
        ("mean", lambda view: view.saliency),
    ],
)
def test_exactly_the_lowest_of_each_block_are_pruned(name, score, shape):
    _, view, proposal = proposed(REWIRING[name], shape)
    scores = score(view)
    (cut,) = edits_of(proposal, "disconnect")
    positions = view.structure.positions_of(cut.ids)
    np.testing.assert_array_equal(cut.scores, scores[positions])
    for block in view.blocks:
        gone = positions[np.isin(positions, block.positions)]
        expected = np.sort(scores[block.positions])[: len(gone)]  # of equals, any may go
        np.testing.assert_array_equal(scores[gone], expected)


def test_random_rewiring_prunes_any_connection():
    view = view_of(learned())
    counts = Counter()
    rng = np.random.default_rng(0)
    for _ in range(300):
        for edit in edits_of(random_rewiring(fraction=0.4).propose(view, rng), "disconnect"):
            counts.update(edit.ids.tolist())
    assert counts.keys() == set(view.structure.connection_ids.tolist())
    for block in view.blocks:
        often = [counts[i] for i in view.structure.connection_ids[block.positions].tolist()]
        assert max(often) < 2 * min(often)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be a whole number of at least 1, got 0"),
        ({"until": 0.0}, r"until must lie in \(0, 1\], got 0.0"),
        ({"until": 1.1}, r"until must lie in \(0, 1\], got 1.1"),
        ({"fraction": 0.0}, r"fraction must lie in \(0, 1\], got 0.0"),
        ({"fraction": float("nan")}, r"fraction must lie in \(0, 1\], got nan"),
    ],
)
def test_the_schedule_is_checked(options, message):
    for make in (UpdateSchedule, *REWIRING.values(), connection_thompson, masked_trials):
        with pytest.raises(InvalidParameter, match=message):
            make(**options)


# -------------------------------------------------------------------------------- SET and RigL


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [rigl, taylor_gradient])
def test_rigl_grows_exactly_the_largest_gradients(make, shape):
    network, view, proposal = proposed(make, shape)
    _, grown = renewed(view, proposal)
    for block, new in zip(view.blocks, grown, strict=True):
        gradients = gradients_if_added(network, view, missing_pairs(view, block))
        best = sorted(gradients, key=lambda pair: -abs(gradients[pair]))[: len(new)]
        assert new == set(best)


def test_set_grows_any_missing_connection():
    view = view_of(learned())
    counts, rng = Counter(), np.random.default_rng(0)
    for _ in range(300):
        _, grown = renewed(view, sparse_evolution(fraction=0.4).propose(view, rng))
        for new in grown:
            counts.update(new)
    for block in view.blocks:
        pairs = missing_pairs(view, block)
        often = [counts[pair] for pair in pairs]
        assert min(often) > np.mean(often) / 2
        assert max(often) < np.mean(often) * 2


@pytest.mark.parametrize("shape", SHAPES)
def test_set_and_rigl_differ_in_growth_alone(shape):
    views = [proposed(make, shape)[1:] for make in (sparse_evolution, rigl)]
    (pruned, grown), (pruned_too, others) = (renewed(*pair) for pair in views)
    assert pruned == pruned_too
    assert [*map(len, grown)] == [*map(len, others)]
    assert grown != others
    assert sparse_evolution().schedule == rigl().schedule


# ------------------------------------------------------------------------ candidates and notes


@pytest.mark.parametrize("shape", SHAPES)
def test_candidates_on_the_bill(shape):
    bills = {}
    for name, make in REWIRING.items():
        _, view, proposal = proposed(make, shape, seed=1, fraction=0.1)
        bills[name] = view.bill.candidate_gradients
        n_grown = [len(new) for new in renewed(view, proposal)[1]]
        room = [view.count_missing(block) for block in view.blocks]
        wanted = zip(n_grown, room, strict=True)
        few = sum(min(16 * count, n) for count, n in wanted)
        all_of_them = sum(n for count, n in zip(n_grown, room, strict=True) if count)
        expected = {"set": 0, "random": 0, "rigl": all_of_them, "taylor": all_of_them}
        assert bills[name] == expected.get(name, few)
    assert bills["thompson"] == bills["mean"] == bills["uniform"] < bills["rigl"]


@pytest.mark.parametrize("n", [1, 5])
def test_candidates_a_connection_are_a_parameter(n):
    _, view, proposal = proposed(thompson, candidates=n, fraction=0.1)
    n_grown = sum(map(len, edits_of(proposal, "connect")))
    assert view.bill.candidate_gradients == n * n_grown > 0


def test_edits_say_why():
    _, _, proposal = proposed(thompson)
    reasons = {edit.kind: edit.reason for edit in proposal.edits}
    assert reasons == {"disconnect": "low saliency", "connect": "posterior growth"}
    _, _, proposal = proposed(rigl)
    reasons = {edit.kind: edit.reason for edit in proposal.edits}
    assert reasons == {"disconnect": "low magnitude", "connect": "gradient growth"}


def test_only_thompson_and_its_controls_write_arms():
    for name, make in REWIRING.items():
        _, view, proposal = proposed(make)
        may_lead = np.unique(np.concatenate([block.sources for block in view.blocks]))
        may_follow = np.unique(np.concatenate([block.targets for block in view.blocks]))
        n_arms = (
            0
            if name in ("set", "rigl", "random", "taylor")
            else len(may_lead) + len(may_follow)
        )
        assert len(proposal.arms.get("arm", [])) == n_arms


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("density", [0.95, 1.0])
def test_where_there_is_no_room_no_more_is_renewed_than_fits(name, density):
    network = learned(density=density)
    view = view_of(network)
    proposal = ALL[name](fraction=1.0).propose(view, np.random.default_rng(0))
    room = [view.count_missing(block) for block in view.blocks]
    pruned, grown = renewed(view, proposal)
    assert [*map(len, pruned)] == [*map(len, grown)] == room
    network.apply(*proposal.edits)

"""Each policy does what its description says, connection by connection."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from views import (
    EVERYTHING,
    SHAPES,
    edits_of,
    gradients_if_added,
    learned,
    missing_pairs,
    task,
    view_of,
    wired,
)

from plastic.engine import Network, Statistics
from plastic.errors import InvalidParameter
from plastic.policies import (
    GradualMagnitude,
    Outcome,
    Policy,
    Proposal,
    Rewiring,
    Static,
    random_rewiring,
    rigl,
    sparse_evolution,
    thompson,
)
from plastic.policies.growth import RandomGrowth
from plastic.policies.parts import (
    AnyOne,
    Magnitude,
    Saliency,
    UpdateSchedule,
    highest,
    lowest,
)
from plastic.policies.thompson import PosteriorGrowth
from plastic.topology.wiring import erk, erk_counts, random_dag

REWIRING = {
    "set": sparse_evolution,
    "rigl": rigl,
    "random": random_rewiring,
    "thompson": thompson,
    "mean": lambda **options: thompson(sampling="mean", **options),
    "uniform": lambda **options: thompson(sampling="uniform", **options),
}


def renewed(view, proposal):
    """Slots pruned and slots grown, block by block."""
    structure = view.structure
    gone = [structure.positions_of(edit.ids) for edit in edits_of(proposal, "disconnect")]
    pruned = [
        set(zip(structure.sources[at].tolist(), structure.targets[at].tolist(), strict=True))
        for at in gone
    ]
    grown = [
        set(
            zip(
                structure.slots_of(edit.sources).tolist(),
                structure.slots_of(edit.targets).tolist(),
                strict=True,
            )
        )
        for edit in edits_of(proposal, "connect")
    ]
    return pruned, grown


def proposed(make, shape="layers", seed=0, fraction=0.4, **options):
    network = learned(shape)
    view = view_of(network)
    proposal = make(fraction=fraction, **options).propose(view, np.random.default_rng(seed))
    return network, view, proposal


# ------------------------------------------------------------------------------ what they share


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", REWIRING)
def test_every_block_keeps_its_number_of_connections(name, shape):
    network, view, proposal = proposed(REWIRING[name], shape)
    before = [len(block.positions) for block in view.blocks]
    pruned, grown = renewed(view, proposal)
    assert [*map(len, pruned)] == [*map(len, grown)]
    assert sum(map(len, grown)) > 10
    network.apply(*proposal.edits)
    assert [len(block.positions) for block in view_of(network).blocks] == before


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", REWIRING)
def test_the_share_of_the_schedule_is_renewed_in_every_block(name, shape):
    policy = REWIRING[name](fraction=0.4)
    _, view, proposal = proposed(REWIRING[name], shape)
    share = policy.schedule.share(view.step, view.n_steps)
    assert 0.2 < share < 0.4
    pruned, _ = renewed(view, proposal)
    room = [view.count_missing(block) for block in view.blocks]
    expected = [int(share * len(block.positions)) for block in view.blocks]
    assert [*map(len, pruned)] == np.minimum(expected, room).tolist()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", REWIRING)
def test_what_was_just_pruned_is_not_grown_again(name, shape):
    _, view, proposal = proposed(REWIRING[name], shape, fraction=1.0)
    pruned, grown = renewed(view, proposal)
    for gone, new, block in zip(pruned, grown, view.blocks, strict=True):
        assert not gone & new
        assert new <= missing_pairs(view, block)


@pytest.mark.parametrize("name", REWIRING)
def test_growing_changes_no_prediction(name):
    network, view, proposal = proposed(REWIRING[name], "graph")
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


@pytest.mark.parametrize("name", REWIRING)
def test_survivors_keep_everything(name):
    network, view, proposal = proposed(REWIRING[name])
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
        ("thompson", lambda view: view.saliency),
        ("mean", lambda view: view.saliency),
    ],
)
def test_exactly_the_lowest_of_each_block_are_pruned(name, score, shape):
    _, view, proposal = proposed(REWIRING[name], shape)
    scores = score(view)
    cuts = edits_of(proposal, "disconnect")
    for block, edit in zip(view.blocks, cuts, strict=True):
        gone = view.structure.positions_of(edit.ids)
        assert set(gone) <= set(block.positions)
        np.testing.assert_array_equal(edit.scores, scores[gone])
        expected = np.sort(scores[block.positions])[: len(gone)]  # of equals, any may go
        np.testing.assert_array_equal(edit.scores, expected)


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


# ------------------------------------------------------------------------------- SET and RigL


@pytest.mark.parametrize("shape", SHAPES)
def test_rigl_grows_exactly_the_largest_gradients(shape):
    network, view, proposal = proposed(rigl, shape)
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


@pytest.mark.parametrize("shape", SHAPES)
def test_candidates_on_the_bill(shape):
    bills = {}
    for name, make in REWIRING.items():
        _, view, proposal = proposed(make, shape, seed=1, fraction=0.1)
        bills[name] = view.bill.candidate_gradients
        n_grown = [len(edit) for edit in edits_of(proposal, "connect")]
        room = [view.count_missing(block) for block in view.blocks]
        wanted = zip(n_grown, room, strict=True)
        few = sum(min(16 * count, n) for count, n in wanted)
        all_of_them = sum(n for count, n in zip(n_grown, room, strict=True) if count)
        expected = {"set": 0, "random": 0, "rigl": all_of_them}
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
        n_arms = 0 if name in ("set", "rigl", "random") else len(may_lead) + len(may_follow)
        assert len(proposal.arms.get("arm", [])) == n_arms


@pytest.mark.parametrize("name", REWIRING)
@pytest.mark.parametrize("density", [0.95, 1.0])
def test_where_there_is_no_room_no_more_is_renewed_than_fits(name, density):
    network = learned(density=density)
    view = view_of(network)
    proposal = REWIRING[name](fraction=1.0).propose(view, np.random.default_rng(0))
    room = [view.count_missing(block) for block in view.blocks]
    pruned, grown = renewed(view, proposal)
    assert [*map(len, pruned)] == [*map(len, grown)] == room
    network.apply(*proposal.edits)


# ------------------------------------------------------------------------- parts and schedule


def test_the_share_follows_the_cosine():
    schedule = UpdateSchedule(every=10, until=0.8, fraction=0.5)
    steps = schedule.steps(1000)
    shares = [schedule.share(int(step), 1000) for step in steps]
    expected = 0.25 * (1 + np.cos(np.pi * (steps - 1) / 800))
    np.testing.assert_allclose(shares, expected)
    assert schedule.share(1, 1000) == pytest.approx(0.5)
    assert schedule.share(401, 1000) == pytest.approx(0.25)
    assert shares[-1] < 1e-3
    constant = UpdateSchedule(every=10, until=0.8, fraction=0.5, anneal=False)
    assert {constant.share(int(step), 1000) for step in steps} == {0.5}


@pytest.mark.parametrize(
    ("every", "until", "n_steps", "expected"),
    [
        (40, 0.75, 1000, list(range(40, 751, 40))),
        (40, 1.0, 200, [40, 80, 120, 160]),
        (50, 1.0, 100, [50]),
        (1, 0.5, 6, [1, 2, 3]),
        (100, 0.75, 100, []),
    ],
)
def test_steps_are_every_so_often_until_then(every, until, n_steps, expected):
    schedule = UpdateSchedule(every, until, 0.3)
    assert schedule.steps(n_steps).tolist() == expected
    assert sparse_evolution(every, until).steps(n_steps).tolist() == expected


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
    for make in (UpdateSchedule, *REWIRING.values()):
        with pytest.raises(InvalidParameter, match=message):
            make(**options)


def test_ties_are_broken_at_random():
    scores = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 2.0])
    rng = np.random.default_rng(0)
    first = Counter(int(lowest(scores, 1, rng)[0]) for _ in range(2000))
    assert set(first) == {1, 2, 3, 4}
    assert all(430 < count < 570 for count in first.values())
    assert all(set(lowest(scores, 4, rng).tolist()) == {1, 2, 3, 4} for _ in range(50))
    assert all(highest(scores, 2, rng).tolist() == [5, 0] for _ in range(50))


def test_lowest_first():
    scores = np.random.default_rng(0).permutation(50).astype(float)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(scores[lowest(scores, 7, rng)], np.arange(7))
    np.testing.assert_array_equal(scores[highest(scores, 3, rng)], [49, 48, 47])
    assert len(lowest(scores, 0, rng)) == 0


def test_any_one_scores_all_alike():
    view = view_of(learned())
    assert set(AnyOne()(view, np.random.default_rng(0)).tolist()) == {0.0}


@pytest.mark.parametrize(
    ("prune", "grow", "expected"),
    [
        (Magnitude(), RandomGrowth(), Statistics()),
        (Saliency(EVERYTHING), RandomGrowth(), EVERYTHING),
        (
            Magnitude(),
            PosteriorGrowth(statistics=Statistics(moments=True, every=3, discount=0.5)),
            Statistics(moments=True, every=3, discount=0.5),
        ),
        (
            Saliency(Statistics(saliency=True, every=7, rate=0.3)),
            PosteriorGrowth(statistics=Statistics(moments=True, every=7, discount=0.5)),
            Statistics(saliency=True, moments=True, every=7, rate=0.3, discount=0.5),
        ),
    ],
)
def test_a_composition_keeps_what_its_parts_need(prune, grow, expected):
    assert Rewiring(prune, grow, UpdateSchedule()).statistics == expected


def test_thompson_passes_its_settings_on():
    policy = thompson(observe_every=3, saliency_rate=0.4, discount=0.7)
    expected = Statistics(saliency=True, moments=True, every=3, rate=0.4, discount=0.7)
    assert policy.statistics == expected


# ---------------------------------------------------------------------------------- the others


def test_static_never_asks_for_anything():
    assert Static().steps(1000).tolist() == []
    assert Static().propose(view_of(learned()), np.random.default_rng(0)).edits == ()
    assert Static().begin(0.05) == 0.05
    assert not Static().statistics.wanted


def test_observing_is_optional():
    class Plain(Policy):
        def steps(self, n_steps):
            return np.arange(0)

        def propose(self, view, rng):
            return Proposal()

    assert Plain().observe(Outcome(Proposal(), "", 0.0)) is None
    with pytest.raises(TypeError, match="abstract"):
        Policy()


def pruned_all_along(policy, density, wire, n_steps=100):
    """Number of connections of each block after each pruning, and the network."""
    network = Network(wire(policy.begin(density)), dtype="float64")
    network.initialize(np.random.default_rng(0))
    rng, counts = np.random.default_rng(0), []
    for step in policy.steps(n_steps):
        network.topology.step = int(step)
        view = view_of(network, n_steps)
        weights = np.abs(view.weights)
        proposal = policy.propose(view, rng)
        for block, edit in zip(view.blocks, proposal.edits, strict=True):
            gone = weights[view.structure.positions_of(edit.ids)]
            kept = np.setdiff1d(block.positions, view.structure.positions_of(edit.ids))
            assert gone.max(initial=0) <= weights[kept].min()
            assert edit.reason == "low magnitude"
        network.apply(*proposal.edits)
        counts.append([len(block.positions) for block in view_of(network).blocks])
    return np.array(counts), network


def layered(density):
    return erk(20, 5, density, np.random.default_rng(0), hidden=[30, 25])


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_gradual_magnitude_ends_at_the_counts_of_erk(density):
    policy = GradualMagnitude(every=10, until=0.7)
    counts, network = pruned_all_along(policy, density, layered)
    expected = erk_counts(np.array([20, 30, 25]), np.array([30, 25, 5]), density)
    assert counts[-1].tolist() == expected.tolist()
    assert network.topology.n_connections == layered(density).n_connections


def test_gradual_magnitude_follows_the_cubic():
    policy = GradualMagnitude(every=10, until=0.7)
    assert policy.begin(0.1) == 1.0
    steps = policy.steps(100)
    assert steps.tolist() == [10, 20, 30, 40, 50, 60, 70]
    counts, _ = pruned_all_along(policy, 0.1, layered)
    first = np.array([600, 750, 125])
    final = erk_counts(np.array([20, 30, 25]), np.array([30, 25, 5]), 0.1)
    expected = final + (first - final) * (1 - steps[:, None] / 70) ** 3
    np.testing.assert_allclose(counts, expected, atol=0.5)


def test_gradual_magnitude_on_a_graph_keeps_to_the_density_asked_for():
    counts, network = pruned_all_along(
        GradualMagnitude(every=10),
        0.2,
        lambda density: random_dag(8, 3, density, np.random.default_rng(0), n_hidden=15),
    )
    assert counts[-1].sum() == pytest.approx(0.2 * network.topology.n_possible, abs=2)


@pytest.mark.parametrize(
    ("every", "until", "n_steps", "expected"),
    [
        (20, 0.7, 100, [20, 40, 60, 70]),
        (20, 1.0, 60, [20, 40, 59]),
        (50, 0.5, 60, [30]),
        (1, 0.01, 10, [1]),
    ],
)
def test_gradual_magnitude_prunes_every_so_often_and_at_last(every, until, n_steps, expected):
    assert GradualMagnitude(every, until).steps(n_steps).tolist() == expected


def test_gradual_magnitude_may_begin_again_on_another_network():
    policy = GradualMagnitude(every=10)
    pruned_all_along(policy, 0.05, layered)
    counts, _ = pruned_all_along(policy, 0.3, lambda density: wired("layers", 0, density))
    expected = erk_counts(np.array([6, 14, 11]), np.array([14, 11, 3]), 0.3)
    assert counts[-1].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"every": 0}, "every must be a whole"), ({"until": 2.0}, "until must lie in")],
)
def test_gradual_magnitude_is_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        GradualMagnitude(**options)

"""Policies for neurons by themselves: growth, gradual pruning, turnover, homeostasis."""

from __future__ import annotations

import numpy as np
import pytest
from trials import graph, layers, run
from views import edits_of, learned, view_of

from plastic.edits import AddNeurons, Connect, Disconnect, PruneNeurons
from plastic.engine import Network, Statistics
from plastic.errors import InvalidParameter
from plastic.policies import (
    GradualNeurons,
    Homeostasis,
    NeuronTurnover,
    cascade_correlation,
    gradmax,
    net2net,
    random_neurons,
)
from plastic.policies.gradual_neurons import neuron_magnitude
from plastic.policies.homeostasis import growth_curve, pair_up, rank_within, surplus
from plastic.policies.neuron_turnover import utility
from plastic.policies.neurons import members, neuron_saliency
from plastic.signals import NetworkView
from plastic.topology import Kind
from plastic.topology.wiring import dense, minimal


def rng_of(seed=0):
    return np.random.default_rng(seed)


def sizes_of(topology):
    structure = topology.structure
    groups = structure.groups[structure.kinds == Kind.HIDDEN]
    return dict(zip(*(a.tolist() for a in np.unique(groups, return_counts=True)), strict=True))


def small(dataset, density, rng):
    return layers(dataset, density, rng, hidden=(4, 3))


# ------------------------------------------------------------------------------------- growth

GROWTHS = [random_neurons, net2net, gradmax, cascade_correlation]


@pytest.mark.parametrize("make", GROWTHS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("density", [0.5, 1.0])
def test_growth_ends_at_the_number_asked_for(make, density):
    trial = run(make(n_neurons=11, every=10, until=0.5), wire=small, density=density)
    assert sizes_of(trial.topology) == {1: 11, 2: 11}
    allowed = round(density * trial.topology.n_possible) + 3
    assert trial.topology.n_connections <= allowed
    if density == 1.0 and make is random_neurons:
        # those born at once are not connected to each other
        assert trial.topology.n_connections > 0.9 * trial.topology.n_possible
    reasons = set(trial.column("edits", "reason").tolist()) - {"wiring"}
    assert reasons == {f"{make().birth.name} birth"}


def test_growth_is_even_over_time():
    trial = run(random_neurons(n_neurons=14, every=10, until=0.5), wire=small, density=1.0)
    born = [
        (piece["step"][0], (piece["kind"] == "add_neuron").sum())
        for piece in trial.pieces("edits")[1:]
    ]
    assert [step for step, _ in born] == [10, 20, 30, 40, 50]
    assert [count for _, count in born] == [5, 4, 4, 4, 4]  # of 10 and 11


def test_groups_that_have_enough_are_left_alone():
    trial = run(gradmax(n_neurons=3, every=10), wire=small)
    assert sizes_of(trial.topology) == {1: 4, 2: 3}
    assert random_neurons(n_neurons=3).most_neurons(np.array([4, 2])).tolist() == [4, 3]


def test_growth_from_nothing():
    def nothing(dataset, density, rng):
        return minimal(2, 2, density, rng)

    trial = run(cascade_correlation(n_neurons=5, every=10), wire=nothing, density=1.0)
    structure = trial.topology.structure
    assert sizes_of(trial.topology) == {1: 5}
    hidden = members(structure, 1)
    assert np.diff(structure.indptr)[hidden].tolist() == [2, 3, 4, 5, 6]


def test_growth_starts_anew_on_another_network():
    policy = random_neurons(n_neurons=6, every=10)
    for wire in (small, graph):
        trial = run(policy, wire=wire, density=0.6)
        assert max(sizes_of(trial.topology).values()) == (6 if wire is small else 20)


# ---------------------------------------------------------------------------- gradual pruning


@pytest.mark.parametrize("score", ["taylor", "magnitude"])
def test_gradual_pruning_ends_at_the_number_asked_for(score):
    policy = GradualNeurons(n_neurons=4, score=score, every=10)
    trial = run(policy, density=1.0)
    assert sizes_of(trial.topology) == {1: 4, 2: 4}
    kinds, steps = trial.column("edits", "kind"), trial.column("edits", "step")
    gone = kinds == "prune_neuron"
    left = 12 - np.cumsum([np.sum(gone & (steps == s)) for s in range(10, 80, 10)]) / 2
    expected = 4 + 7 * (1 - np.arange(10, 80, 10) / 70) ** 3  # the mean of 12 and 10, less 4
    np.testing.assert_allclose(left - 1, expected, atol=1)


@pytest.mark.parametrize("score", ["taylor", "magnitude"])
def test_the_least_worth_go_first(score):
    network = learned("layers", density=0.9)
    network.topology.step = 70
    view = view_of(network)
    worth = neuron_saliency(view) if score == "taylor" else neuron_magnitude(view)
    policy = GradualNeurons(n_neurons=9, score=score)
    (edit,) = policy.propose(view, rng_of()).edits
    for group in (1, 2):
        slots = members(view.structure, group)
        ranked = slots[np.argsort(worth[slots])]
        gone = view.structure.neuron_ids[ranked[: len(slots) - 9]]
        assert set(gone.tolist()) <= set(edit.ids.tolist())
    assert edit.reason == f"low {score}"


def test_magnitude_of_a_neuron():
    view = view_of(learned("layers"))
    structure, weights = view.structure, view.weights
    slot = members(structure, 1)[3]
    ways = [
        np.linalg.norm(weights[ends == slot]) for ends in (structure.sources, structure.targets)
    ]
    assert neuron_magnitude(view)[slot] == pytest.approx(ways[0] * ways[1])


def test_gradual_pruning_asks_for_what_it_needs():
    assert GradualNeurons().statistics == Statistics(saliency=True)
    assert not GradualNeurons(score="magnitude").statistics.wanted
    assert GradualNeurons(5).most_neurons(np.array([9, 3])).tolist() == [5, 3]


# ----------------------------------------------------------------------------------- turnover


def test_utility_is_contribution_times_adaptation():
    view = view_of(learned("layers"))
    structure, sizes = view.structure, np.abs(view.weights)
    _, activity, _ = view.moments("activity")
    slot = members(structure, 2)[4]
    out, into = (sizes[ends == slot].sum() for ends in (structure.sources, structure.targets))
    assert utility(view)[slot] == pytest.approx(activity[slot] * out / into)


@pytest.mark.parametrize("wire", [layers, graph], ids=["layers", "graph"])
def test_turnover_keeps_every_count(wire):
    policy = NeuronTurnover(rate=0.02, maturity=20, every=10)
    trial = run(policy, wire=wire, density=0.8, n_steps=200)
    first = run(NeuronTurnover(rate=0.0), wire=wire, density=0.8).topology
    assert sizes_of(trial.topology) == sizes_of(first)
    assert trial.topology.n_connections == first.n_connections
    kinds = trial.column("edits", "kind")[trial.column("edits", "step") > 0]
    assert (kinds == "add_neuron").sum() == (kinds == "prune_neuron").sum() > 10


def test_turnover_replaces_at_its_rate():
    policy = NeuronTurnover(rate=0.002, maturity=0, every=10, until=1.0)
    trial = run(policy, density=1.0, n_steps=500)
    kinds = trial.column("edits", "kind")
    # 22 neurons, 49 looks of 10 steps each; what is saved below one is not spent
    assert (kinds == "prune_neuron").sum() == pytest.approx(0.002 * 22 * 490, abs=2.5)


def test_who_is_replaced_is_mature_and_of_least_use():
    network = learned("layers", density=1.0)
    network.topology.step = 100
    view = view_of(network)
    policy = NeuronTurnover(rate=0.01, maturity=101, every=10)
    assert policy.propose(view, rng_of()).edits == ()
    policy = NeuronTurnover(rate=0.01, maturity=100, every=10)
    proposal = policy.propose(view, rng_of())  # 1.4 and 1.1 neurons saved
    (pruned,), (added,) = edits_of(proposal, "prune_neuron"), edits_of(proposal, "add_neuron")
    worth, structure = utility(view), view.structure
    first = members(structure, 1)
    assert structure.neuron_ids[first[worth[first].argmin()]] in pruned.ids
    assert len(added) == len(pruned) >= 1
    X = rng_of().normal(size=(20, 6))
    network.apply(*proposal.edits)
    born = network.topology.structure.slots_of(added.ids)
    sources = network.topology.structure.sources
    assert (network.weights[np.isin(sources, born)] == 0).all()
    assert np.isfinite(network.predict(X)).all()


def test_a_stranded_neuron_is_followed_by_one_with_ways():
    network = learned("layers", density=1.0)
    structure = network.topology.structure
    lost = members(structure, 1)[2]
    ids = structure.connection_ids[structure.targets == lost]
    network.apply(Disconnect(ids, keep_stranded=True))
    network.topology.step = 100
    network.weights[network.topology.structure.sources == lost] = 0  # of no use at all
    policy = NeuronTurnover(rate=0.0072, maturity=0, every=10)
    policy.begin(1.0)
    network.apply(*policy.propose(view_of(network), rng_of()).edits)
    structure = network.topology.structure
    ways_in = np.diff(structure.indptr)[members(structure, 1)]
    assert ways_in.min() > 0


# -------------------------------------------------------------------------------- homeostasis


def test_the_growth_curve_is_that_of_the_paper():
    curve = growth_curve(np.array([0.1, 0.3, 0.5, 0.0, 0.7]), target=0.5, minimum=0.1)
    np.testing.assert_allclose(curve[:3], [0, 1, 0], atol=1e-12)
    assert (curve[3:] < 0).all()
    assert (growth_curve(np.linspace(0.11, 0.49, 50), 0.5, 0.1) > 0).all()


def with_activity(network, activity):
    """A view in which hidden neurons have been this active."""
    columns = network.topology.neuron_columns
    columns["observations"][:] = 1
    columns["activity"][:] = activity
    return view_of(network)


def degrees(topology):
    structure = topology.structure
    ways_in = np.diff(structure.indptr)
    return ways_in, np.bincount(structure.sources, minlength=structure.n_neurons)


def test_neurons_at_the_target_are_left_alone():
    view = with_activity(learned("layers"), 0.4)
    proposal = Homeostasis(target=0.4, minimum=0.0).propose(view, rng_of())
    assert proposal.edits == []


@pytest.mark.parametrize("shape", ["layers", "graph"])
def test_too_active_neurons_lose_connections_and_quiet_ones_gain(shape):
    network = learned(shape)
    hidden = network.topology.structure.kinds == Kind.HIDDEN
    before = degrees(network.topology)
    policy = Homeostasis(target=0.4, minimum=0.0, growth_rate=2.0)
    policy.begin(0.9)
    loud = with_activity(network, 5.0)
    network.apply(*policy.propose(loud, rng_of()).edits)
    after = degrees(network.topology)
    for one, other in zip(before, after, strict=True):
        assert (other[hidden] <= np.maximum(one[hidden] - 2, 0)).all()
    n_left = network.topology.n_connections
    for _ in range(3):
        network.apply(*policy.propose(with_activity(network, 0.2), rng_of()).edits)
    grown = degrees(network.topology)
    assert n_left < network.topology.n_connections
    for one, other in zip(after, grown, strict=True):
        assert other[hidden].sum() > one[hidden].sum()


def test_grown_connections_change_no_prediction():
    network = learned("graph")
    X = rng_of().normal(size=(30, 6))
    before = network.predict(X)
    policy = Homeostasis(target=0.4, minimum=0.0, growth_rate=3.0)
    policy.begin(1.0)
    proposal = policy.propose(with_activity(network, 0.2), rng_of())
    assert [edit.kind for edit in proposal.edits] == ["connect"]
    network.apply(*proposal.edits)
    np.testing.assert_allclose(network.predict(X), before, atol=1e-12)


def test_no_more_connections_than_the_density_allows():
    network = learned("layers", density=0.3)
    policy = Homeostasis(target=0.4, minimum=0.0, growth_rate=9.0)
    policy.begin(0.35)
    network.apply(*policy.propose(with_activity(network, 0.2), rng_of()).edits)
    assert network.topology.n_connections == round(0.35 * network.topology.n_possible) + 3


def test_who_has_no_element_has_no_connection():
    view = view_of(learned("layers"))
    structure = view.structure
    everything = np.full(structure.n_neurons, np.inf)
    one = everything.copy()
    one[members(structure, 1)] = 1.9  # an element is a whole one
    gone = surplus(view, [one, everything], rng_of())
    kept = np.delete(structure.targets, gone)
    counts = np.bincount(kept, minlength=structure.n_neurons)
    was = np.diff(structure.indptr)
    np.testing.assert_array_equal(counts[members(structure, 1)],
                                  np.minimum(was[members(structure, 1)], 1))  # fmt: skip
    np.testing.assert_array_equal(counts[members(structure, 2)], was[members(structure, 2)])


def test_elements_pair_up_once():
    view = view_of(learned("layers"))
    structure = view.structure
    free_in, free_out = (np.full(structure.n_neurons, np.inf) for _ in range(2))
    hidden = structure.kinds == Kind.HIDDEN
    free_in[hidden], free_out[hidden] = 2, 1
    sources, targets = pair_up(view, free_in, free_out, 10_000, rng_of())
    used_in = np.bincount(targets, minlength=structure.n_neurons)
    used_out = np.bincount(sources, minlength=structure.n_neurons)
    assert (used_in[hidden] <= 2).all()
    assert (used_out[hidden] <= 1).all()
    assert used_out[members(structure, 1)].min() == 1
    assert view.is_missing(sources, targets).all()
    few, _ = pair_up(view, free_in, free_out, 5, rng_of())
    assert len(few) == 5


def test_rank_within_counts_the_same_before():
    labels = rng_of().integers(0, 5, 200)
    expected = [int(np.sum(labels[:k] == label)) for k, label in enumerate(labels)]
    assert rank_within(labels).tolist() == expected


# -------------------------------------------------------------------------- settings and state


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        *[(make, {"n_neurons": 0}, "n_neurons must be a whole") for make in GROWTHS],
        (random_neurons, {"every": 0}, "every must be a whole"),
        (random_neurons, {"until": 0.0}, "until must lie in"),
        (GradualNeurons, {"score": "luck"}, "score must be one of 'taylor', 'magnitude'"),
        (GradualNeurons, {"n_neurons": 0}, "n_neurons must be a whole"),
        (GradualNeurons, {"until": 2.0}, "until must lie in"),
        (NeuronTurnover, {"rate": 2.0}, "rate must lie in"),
        (NeuronTurnover, {"maturity": -1}, "maturity must be a whole"),
        (Homeostasis, {"growth_rate": 0.0}, "growth_rate must lie in"),
        (Homeostasis, {"target": 0.1, "minimum": 0.2}, "minimum must be below target, got 0.2"),
        (Homeostasis, {"discount": 2.0}, "discount must lie in"),
    ],
)
def test_settings_are_checked(make, options, message):
    with pytest.raises(InvalidParameter, match=message):
        make(**options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: random_neurons(n_neurons=20, every=10),
        lambda: GradualNeurons(n_neurons=3, every=10),
        lambda: NeuronTurnover(rate=0.013, maturity=0, every=10),
        lambda: Homeostasis(target=0.4, minimum=0.0, growth_rate=1.3, every=10),
    ],
    ids=["growth", "gradual", "turnover", "homeostasis"],
)
def test_what_is_remembered_can_be_told_and_restored(make):
    network, policy = learned("layers", density=0.5), make()
    policy.begin(1.0)
    for step in (10, 20, 30):
        network.topology.step = step
        network.apply(*policy.propose(with_activity(network, 0.3), rng_of(step)).edits)
    state = policy.state()
    assert all(values.dtype.kind in "if" for values in state.values())
    other = make()
    other.restore(state)
    network.topology.step = 40
    view = with_activity(network, 0.3)
    one, same = (p.propose(view, rng_of(40)).edits for p in (policy, other))
    assert len(one) == len(same) > 0
    for edit, twin in zip(one, same, strict=True):
        assert (edit.kind, len(edit)) == (twin.kind, len(twin))
        if isinstance(edit, Connect):
            np.testing.assert_array_equal(edit.sources, twin.sources)
        elif isinstance(edit, AddNeurons):
            np.testing.assert_array_equal(edit.groups, twin.groups)
        elif isinstance(edit, Disconnect | PruneNeurons):
            np.testing.assert_array_equal(edit.ids, twin.ids)
    assert other.state().keys() == state.keys()
    assert all((other.state()[k] == policy.state()[k]).all() for k in state)


def test_growth_on_the_node_engine_is_the_same():
    def grown(engine):
        topology = dense(3, 1, 1.0, rng_of(), hidden=[4], output_activation="identity")
        network = Network(topology, "mse", engine=engine, dtype="float64").initialize(rng_of())
        X = rng_of().normal(size=(30, 3))
        view = NetworkView(network, X, X[:, :1], 100)
        policy = gradmax(n_neurons=8, every=10)
        topology.step = 60
        network.apply(*policy.propose(view, rng_of()).edits)
        return network.weights

    np.testing.assert_allclose(grown("fast"), grown("nodes"), atol=1e-10)

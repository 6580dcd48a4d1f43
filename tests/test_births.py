"""Newborn neurons change no prediction, and their weights are what their papers say."""

from __future__ import annotations

import numpy as np
import pytest
from views import SHAPES, learned, task, view_of

from plastic.activations import identity, relu
from plastic.costs import pass_flops
from plastic.engine import Network
from plastic.errors import InvalidParameter
from plastic.policies.births import GradMaxBirth, RandomBirth, SplitBirth
from plastic.policies.cascade import CascadeBirth, climb
from plastic.policies.neurons import (
    Purse,
    birth_edits,
    hidden_groups,
    members,
    neuron_saliency,
    ways_of,
)
from plastic.signals import NetworkView
from plastic.topology.wiring import dense, minimal

BIRTHS = [RandomBirth(), SplitBirth(noise=0.0), GradMaxBirth(), CascadeBirth()]


def rng_of(seed=0):
    return np.random.default_rng(seed)


def give_birth(network, birth, group, count, seed=0, density=1.0):
    view = view_of(network)
    births = birth(view, group, count, Purse.of(view, density), rng_of(seed))
    network.apply(*birth_edits(view, [births], birth.name))
    return view, births


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("birth", BIRTHS, ids=lambda birth: birth.name)
def test_a_birth_changes_no_prediction(birth, shape):
    network = learned(shape)
    X, _ = task(network)
    before, n = network.predict(X), network.topology.n_neurons
    for group in hidden_groups(view_of(network)):
        give_birth(network, birth, group, 3)
    assert network.topology.n_neurons == n + 3 * (2 if shape == "layers" else 1)
    np.testing.assert_allclose(network.predict(X), before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("birth", BIRTHS, ids=lambda birth: birth.name)
@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_no_more_are_born_than_the_density_allows(birth, shape, density):
    network = learned(shape)
    first = network.topology.n_connections
    for seed in range(6):
        for group in hidden_groups(view_of(network)):
            give_birth(network, birth, group, 4, seed, density)
    topology = network.topology
    allowed = round(density * topology.n_possible) + len(topology.blocks)
    assert topology.n_connections <= max(first, allowed)


@pytest.mark.parametrize("birth", BIRTHS, ids=lambda birth: birth.name)
def test_survivors_keep_what_they_have(birth):
    network = learned("graph")
    before = carried(network)
    _, births = give_birth(network, birth, 1, 2)
    after = carried(network)
    changed = {pair for pair, (weight, _) in before.items() if after[pair][0] != weight}
    assert len(changed) == len(births.shared)
    assert all(after[pair][1] == momentum for pair, (_, momentum) in before.items())


def carried(network):
    """Weight and momentum of each connection, by the ids of its ends."""
    structure = network.topology.structure
    ids, momentum = structure.neuron_ids, network.topology.connection_columns["momentum"]
    pairs = zip(ids[structure.sources].tolist(), ids[structure.targets].tolist(), strict=True)
    values = zip(network.weights.tolist(), momentum.tolist(), strict=True)
    return dict(zip(pairs, values, strict=True))


def test_random_weights_have_the_variance_of_initial_ones():
    topology = dense(200, 3, 1.0, rng_of(), hidden=[4])
    network = Network(topology, dtype="float64").initialize(rng_of())
    _, births = give_birth(network, RandomBirth(), 1, 30)
    weights = np.concatenate([newborn.in_weights for newborn in births.newborns])
    assert weights.size == 6000
    assert weights.var() == pytest.approx(2 / 200, rel=0.06)
    assert all((newborn.out_weights == 0).all() for newborn in births.newborns)


# -------------------------------------------------------------------------------------- split


def test_a_split_copies_the_neuron_that_matters_and_halves_both():
    network = learned("layers")
    view = view_of(network)
    worth, slots = neuron_saliency(view), members(view.structure, 1)
    parent = slots[worth[slots].argmax()]
    births = SplitBirth(0.0)(view, 1, 1, Purse.of(view, 1.0), rng_of())
    (newborn,), structure = births.newborns, view.structure
    held = structure.targets == parent
    np.testing.assert_array_equal(newborn.sources, structure.sources[held])
    np.testing.assert_array_equal(newborn.in_weights, view.weights[held])
    out = structure.sources == parent
    np.testing.assert_array_equal(newborn.out_weights, view.weights[out] / 2)
    assert newborn.bias == view.biases[parent]
    assert births.shared == dict.fromkeys(np.flatnonzero(out).tolist(), 0.5)


def test_many_splits_share_evenly_among_copies():
    network = learned("layers")
    _, births = give_birth(network, SplitBirth(0.0), 2, 25)
    assert len(births.newborns) == 25
    assert min(births.shared.values()) <= 1 / 3
    assert {round(1 / share, 9) % 1 for share in births.shared.values()} == {0.0}


def test_where_connections_run_out_a_copy_takes_over_the_largest():
    network = learned("layers", density=0.6)
    X, _ = task(network)
    before = network.predict(X)
    view = view_of(network)
    purse = Purse.of(view, 1.0)
    purse.density = (view.structure.n_connections + 6) / (view.n_possible + 17)
    purse.slack = 0
    births = SplitBirth(0.0)(view, 1, 1, purse, rng_of())
    ((newborn,), out) = births.newborns, view.structure.out
    assert len(newborn.sources) + len(newborn.targets) <= 6
    assert len(newborn.targets) == len(births.shared) > 0
    (parent,) = set(view.structure.sources[list(births.shared)].tolist())
    ways_out = out.positions[out.indptr[parent] : out.indptr[parent + 1]]
    sizes = np.sort(np.abs(view.weights[ways_out]))[::-1]
    taken = np.abs(view.weights[list(births.shared)])
    np.testing.assert_array_equal(np.sort(taken)[::-1], sizes[: len(taken)])
    network.apply(*birth_edits(view, [births], "test"))
    np.testing.assert_allclose(network.predict(X), before, atol=1e-12)


def test_noise_lets_copies_part_but_only_a_little():
    network = learned("layers")
    X, _ = task(network)
    before = network.predict(X)
    _, births = give_birth(network, SplitBirth(0.05), 1, 3)
    change = np.abs(network.predict(X) - before).max()
    assert 0 < change < 0.05
    assert len({newborn.in_weights.tobytes() for newborn in births.newborns}) == 3


def test_nobody_to_split():
    network = Network(minimal(6, 3, 1.0, rng_of()), dtype="float64").initialize(rng_of())
    _, births = give_birth(network, RandomBirth(), 1, 0)
    view = view_with(network, saliency=True)
    assert SplitBirth()(view, 1, 3, Purse.of(view, 1.0), rng_of()).newborns == []
    assert births.newborns == []


def view_with(network, saliency):
    if saliency:
        network.topology.connection_columns.add("saliency", np.float64)
    return view_of(network)


# ------------------------------------------------------------------------------------ GradMax


def gradients_of_newborn(network, view, new):
    """Gradients of the weights into and out of a neuron, on the view's batch."""
    gradients = network.gradients(view._X, view._Y).weights
    structure = network.topology.structure
    slot = int(structure.slots_of([new])[0])
    return gradients[structure.targets == slot], gradients[structure.sources == slot]


@pytest.mark.parametrize("shape", SHAPES)
def test_gradmax_grows_larger_gradients_than_chance(shape):
    sizes = {}
    for name, birth in (("gradmax", GradMaxBirth()), ("random", RandomBirth())):
        found = []
        for seed in range(12):
            network = learned(shape, seed=seed)
            view, births = give_birth(network, birth, 1, 1, seed)
            _, out = gradients_of_newborn(network, view, view.next_neuron_id - 1)
            norm = np.linalg.norm(births.newborns[0].in_weights) / np.sqrt(2)
            found.append(float(np.linalg.norm(out)) / norm)
            if name == "gradmax":
                assert births.newborns[0].score == pytest.approx(np.linalg.norm(out))
        sizes[name] = np.mean(found)
    assert sizes["gradmax"] > 1.2 * sizes["random"]


@pytest.mark.parametrize("zero", ["outgoing", "incoming"])
def test_gradmax_reaches_the_largest_singular_value_of_a_linear_group(zero):
    topology = dense(6, 3, 1.0, rng_of(), hidden=[4], activation="identity")
    network = Network(topology, dtype="float64").initialize(rng_of())
    X, Y = task(network)
    view = NetworkView(network, X, Y, 100)
    births = GradMaxBirth(zero)(view, 1, 3, Purse.of(view, 1.0), rng_of())
    ways = ways_of(view, 1, rng_of())
    outputs, deltas = view.signals.outputs[ways.sources], view.signals.deltas[ways.targets]
    values = np.linalg.svd(deltas @ outputs.T / len(X), compute_uv=False)
    new = view.next_neuron_id
    network.apply(*birth_edits(view, [births], "test"))
    for k, newborn in enumerate(births.newborns):
        into, out = gradients_of_newborn(network, view, new + k)
        one, other = (into, out) if zero == "incoming" else (out, into)
        assert np.linalg.norm(one) == pytest.approx(values[k])
        assert newborn.score == pytest.approx(values[k])
        assert np.linalg.norm(other) == pytest.approx(0)


def test_gradmax_pays_for_the_gradients_and_their_decomposition():
    network = learned("layers")
    view = view_of(network)
    GradMaxBirth()(view, 1, 1, Purse.of(view, 1.0), rng_of())
    pairs = 6 * 11
    assert view.bill.candidate_gradients == pairs + 2 * 11
    products = 2 * 16 * pairs + 6 * pairs * 6 + 2 * 2 * 16 * (6 + 11)
    assert view.bill.flops == pass_flops(view.structure, 16) + products


def test_gradmax_with_zero_weights_in_pays_for_each_look():
    topology = dense(6, 3, 1.0, rng_of(), hidden=[4], activation="tanh")
    network = Network(topology, dtype="float64").initialize(rng_of())
    view = view_of(network)
    births = GradMaxBirth("incoming")(view, 1, 9, Purse.of(view, 1.0), rng_of())
    assert len(births.newborns) == 3  # there are no more singular vectors
    assert view.bill.candidate_gradients == 6 * 3 + 3 * 6


def test_gradmax_with_zero_weights_in_needs_a_slope_at_zero():
    view = view_of(learned("layers"))
    birth, purse = GradMaxBirth("incoming"), Purse.of(view, 1.0)
    with pytest.raises(InvalidParameter, match=r"slope at 0 \(tanh, identity\), got relu"):
        birth(view, 1, 1, purse, rng_of())
    topology = dense(6, 3, 1.0, rng_of(), hidden=[4], activation="tanh")
    network = Network(topology, dtype="float64").initialize(rng_of())
    X, _ = task(network)
    before = network.predict(X)
    _, births = give_birth(network, birth, 1, 2)
    assert all((newborn.in_weights == 0).all() for newborn in births.newborns)
    np.testing.assert_allclose(network.predict(X), before, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradMaxBirth("both"), "zero must be one of 'outgoing', 'incoming'"),
        (lambda: GradMaxBirth(scale=0), "scale must lie in"),
        (lambda: SplitBirth(-1), "noise must lie in"),
        (lambda: CascadeBirth(0), "candidates must be a whole number"),
        (lambda: CascadeBirth(rate=0), "rate must lie in"),
        (lambda: CascadeBirth(training_steps=-1), "training_steps must be a whole number"),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(InvalidParameter, match=message):
        make()


# ------------------------------------------------------------------------- cascade-correlation


def test_climbing_raises_the_covariance_and_follows_its_gradient():
    rng = rng_of()
    inputs, errors = rng.normal(size=(5, 4, 40)), rng.normal(size=(3, 40))
    errors -= errors.mean(axis=1, keepdims=True)
    weights = rng.normal(size=(5, 4))
    first, same, _ = climb(inputs, errors, weights, relu, 0, 0.1)
    np.testing.assert_array_equal(same, weights)
    last, *_ = climb(inputs, errors, weights, relu, 60, 0.05)
    assert (last > first).all()
    values = np.maximum(np.einsum("ci,cib->cb", weights, inputs), 0)
    centred = values - values.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(first, np.abs(centred @ errors.T / 40).sum(axis=1))
    _, near, bias = climb(inputs, errors, weights, identity, 1, 1e-6)
    step = np.column_stack([near - weights, bias])
    for c in range(5):  # one small step goes uphill, as finite differences see it

        def score(v, c=c):
            values = v[:4] @ inputs[c] + v[4]
            return np.abs((values - values.mean()) @ errors.T / 40).sum()

        at = np.append(weights[c], 0.0)
        slope = [(score(at + 1e-6 * e) - score(at - 1e-6 * e)) / 2e-6 for e in np.eye(5)]
        cosine = step[c] @ slope / np.linalg.norm(step[c]) / np.linalg.norm(slope)
        assert cosine == pytest.approx(1, abs=1e-5)


def test_the_best_candidate_is_born_and_paid_for():
    network = Network(minimal(6, 3, 1.0, rng_of()), dtype="float64").initialize(rng_of())
    view, births = give_birth(network, CascadeBirth(8, 20), 1, 2)
    assert view.bill.candidate_gradients == 2 * 8 * 6 * 20
    _, untrained = give_birth(
        Network(minimal(6, 3, 1.0, rng_of()), dtype="float64").initialize(rng_of()),
        CascadeBirth(8, 0), 1, 2,
    )  # fmt: skip
    for trained, raw in zip(births.newborns, untrained.newborns, strict=True):
        assert trained.score > raw.score


def test_neurons_born_one_after_the_other_make_a_cascade():
    network = Network(minimal(6, 3, 1.0, rng_of()), dtype="float64").initialize(rng_of())
    for seed in range(4):
        give_birth(network, CascadeBirth(2, 2), 1, 1, seed)
    structure = network.topology.structure
    slots = members(structure, 1)
    ways_in = np.diff(structure.indptr)[slots]
    assert ways_in.tolist() == [6, 7, 8, 9]

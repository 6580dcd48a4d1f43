"""What a policy sees: gradients of what is not there, moments, blocks, and the bill for it."""

from __future__ import annotations

import numpy as np
import pytest
from networks import random_data, random_network
from views import EVERYTHING, SHAPES, gradients_if_added, learned, missing_pairs, task, view_of

from plastic import signals
from plastic.costs import pass_flops, step_flops
from plastic.edits import Connect
from plastic.engine import SGD, Network, Statistics
from plastic.errors import InvalidEdit, InvalidParameter
from plastic.signals import NetworkView
from plastic.topology import Topology
from plastic.topology.wiring import dense


def candidates(view):
    pieces = [pair for block in view.blocks for pair in view.missing(block)]
    return tuple(np.concatenate([pair[side] for pair in pieces]) for side in (0, 1))


# ---------------------------------------------------------------- gradients of what is missing


@pytest.mark.parametrize("engine", ["fast", "nodes"])
@pytest.mark.parametrize("shape", SHAPES)
def test_candidate_gradients_are_those_of_the_connections_once_they_are_there(shape, engine):
    network = learned(shape, engine=engine)
    view = view_of(network)
    sources, targets = candidates(view)
    found = view.candidate_gradients(sources, targets)
    pairs = list(zip(sources.tolist(), targets.tolist(), strict=True))
    expected = gradients_if_added(network, view, pairs)
    assert len(pairs) > 50
    assert np.ptp(found) > 1e-3
    np.testing.assert_allclose(found, [expected[pair] for pair in pairs], rtol=0, atol=1e-13)


def test_a_candidate_gradient_is_the_slope_of_the_loss():
    network = learned("graph")
    view = view_of(network)
    sources, targets = candidates(view)
    found = view.candidate_gradients(sources, targets)
    ids = network.topology.structure.neuron_ids
    X, Y = task(network, 1, 16)
    for at in np.argsort(-np.abs(found))[:5]:
        losses = []
        for weight in (-1e-5, 1e-5):
            edit = Connect(
                ids[sources[at, None]], ids[targets[at, None]], columns={"weight": [weight]}
            )
            undo = network.apply(edit)
            losses.append(network.evaluate(X, Y)[0])
            network.apply(*undo)
        assert (losses[1] - losses[0]) / 2e-5 == pytest.approx(found[at], rel=1e-6)


def test_a_connection_that_is_there_is_no_candidate():
    network = learned()
    structure = network.topology.structure
    pair = structure.neuron_ids[[structure.sources[4], structure.targets[4]]]
    view = view_of(network)
    with pytest.raises(
        InvalidEdit, match=f"^connection {pair[0]}->{pair[1]} is no candidate: it is there$"
    ):
        view.candidate_gradients(structure.sources[4:5], structure.targets[4:5])
    assert view.bill == signals.Bill()


def test_what_is_known_to_be_missing_is_not_looked_for():
    views = [view_of(learned()) for _ in range(2)]
    pairs = candidates(views[0])
    found = [
        views[known].candidate_gradients(*pairs, are_missing=bool(known)) for known in (0, 1)
    ]
    np.testing.assert_array_equal(*found)
    assert views[0].bill == views[1].bill
    structure = views[1].structure
    ends = structure.sources[4:5], structure.targets[4:5]
    assert len(views[1].candidate_gradients(*ends, are_missing=True)) == 1


def test_the_bill_has_one_pass_and_every_candidate():
    view = view_of(learned(), n_samples=16)
    sources, targets = candidates(view)
    view.candidate_gradients(sources[:10], targets[:10])
    view.candidate_gradients(sources[:7], targets[:7])
    assert view.bill.candidate_gradients == 17
    assert view.bill.flops == pass_flops(view.structure, 16) + 2 * 16 * 17


def test_looking_and_asking_for_nothing_are_free():
    view = view_of(learned())
    _ = view.weights, view.biases, view.saliency, view.moments("activity"), view.blocks
    none = np.zeros(0, np.int64)
    assert len(view.candidate_gradients(none, none)) == 0
    assert view.bill == signals.Bill(candidate_gradients=0, flops=0)


def test_flops_of_a_small_network_counted_by_hand():
    structure = dense(2, 1, 1.0, np.random.default_rng(0), hidden=[3]).structure
    forward, back, gradient = 9, 3, 9  # multiplications a sample; no delta goes to an input
    assert pass_flops(structure, 5) == 2 * 5 * (forward + back)
    assert step_flops(structure, 5) == 2 * 5 * (forward + back + gradient)


# ----------------------------------------------------------------------------- what is missing


@pytest.mark.parametrize("chunk", [signals.CHUNK, 20])
@pytest.mark.parametrize("shape", SHAPES)
def test_missing_counting_and_asking_agree(shape, chunk, monkeypatch):
    monkeypatch.setattr(signals, "CHUNK", chunk)
    view = view_of(learned(shape))
    for block in view.blocks:
        pieces = list(view.missing(block))
        found = [tuple(p) for pair in pieces for p in np.stack(pair, axis=1).tolist()]
        expected = missing_pairs(view, block)
        assert len(set(found)) == len(found) == view.count_missing(block)
        assert set(found) == expected
        sources, targets = np.meshgrid(block.sources, block.targets)
        pairs = sources.ravel(), targets.ravel()
        asked = zip(*(side[view.is_missing(*pairs)].tolist() for side in pairs), strict=True)
        assert set(asked) == expected
    assert (len(pieces) > 1) == (chunk == 20)


def test_in_layers_all_pairs_are_there_or_missing():
    view = view_of(learned("layers", density=0.05))
    for block in view.blocks:
        n_pairs = len(block.sources) * len(block.targets)
        assert len(block.positions) + view.count_missing(block) == n_pairs


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_share_out_all_connections(shape):
    network = learned(shape)
    view = view_of(network)
    names = {"layers": ["0->1", "1->2", "2->3"], "graph": ["0->1", "0->2", "1->1", "1->2"]}
    assert [block.name for block in view.blocks] == names[shape]
    shared = np.concatenate([block.positions for block in view.blocks])
    assert sorted(shared) == list(range(network.topology.n_connections))
    for block in view.blocks:
        held = view.structure.sources[block.positions], view.structure.targets[block.positions]
        assert np.isin(held[0], block.sources).all()
        assert np.isin(held[1], block.targets).all()


def test_all_that_is_missing_may_be_added_at_once():
    network = learned("graph")
    sources, targets = candidates(view_of(network))
    ids = network.topology.structure.neuron_ids
    network.apply(Connect(ids[sources], ids[targets]))
    view = view_of(network)
    assert all(view.count_missing(block) == 0 for block in view.blocks)


@pytest.mark.parametrize("seed", range(3))
def test_where_outputs_lead_on_none_is_offered(seed):
    network = random_network(seed, output="identity", loss="mse")  # no groups to keep to
    view = NetworkView(network, *random_data(seed, 8), 100)
    (block,) = view.blocks
    outputs = view.structure.outputs
    assert block.name == "-1->-1"
    assert np.isin(view.structure.sources, outputs).any()
    found = [pair for pieces in view.missing(block) for pair in np.stack(pieces, 1).tolist()]
    assert len(found) == view.count_missing(block) > 0
    assert not np.isin([source for source, _ in found], outputs).any()


# -------------------------------------------------------------------------- what is looked at


def test_nothing_that_is_seen_can_be_written_to():
    view = view_of(learned())
    seen = [view.weights, view.biases, view.saliency, *view.moments("activity")[:1]]
    seen += [view.signals.outputs, view.signals.deltas, view.structure.sources]
    for array in seen:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


@pytest.mark.parametrize(
    ("look", "name"),
    [
        (lambda view: view.saliency, "saliency"),
        (lambda view: view.moments("activity"), "observations"),
    ],
)
def test_a_statistic_must_be_asked_for(look, name):
    network = Network(dense(2, 2, 1.0, np.random.default_rng(0), hidden=[3]))
    with pytest.raises(
        InvalidParameter,
        match=f"there is no statistic '{name}': the policy must ask for it in its statistics",
    ):
        look(view_of(network))


def test_an_unobserved_neuron_has_count_and_mean_zero():
    topology = Topology(2, 2, "softmax")
    network = Network(topology)
    EVERYTHING.attach(topology, network.dtype)
    for values in view_of(network).moments("sensitivity"):
        assert values.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("engine", ["fast", "nodes"])
def test_moments_and_saliency_equal_those_worked_out_step_by_step(engine):
    watched = Statistics(saliency=True, moments=True, every=3, rate=0.2, discount=0.7)
    network = learned("graph", n_steps=1, engine=engine)
    for columns in (network.topology.connection_columns, network.topology.neuron_columns):
        for name in set(columns) - {"weight", "bias", "momentum"}:
            columns[name][:] = 0
    network.topology.step = 0
    X, Y = task(network)
    rows = np.random.default_rng(5).integers(0, len(X), (10, 8))
    observed, saliency = [], 0.0
    for step, batch in enumerate(rows, start=1):
        seen = network.signals(X[batch], Y[batch])
        effect = np.abs(network.weights * network.gradients(X[batch], Y[batch]).weights)
        if step % 3 == 0:
            observed.append([np.abs(seen.outputs).mean(1), np.abs(seen.deltas).mean(1)])
            saliency = 0.8 * saliency + 0.2 * effect
        network.learn(X, Y, batch[None], SGD(0.1), statistics=watched)
    view = view_of(network)
    share = 0.7 ** np.arange(3)[::-1]
    np.testing.assert_allclose(view.saliency, saliency, rtol=1e-9, atol=1e-15)
    for k, of in enumerate(("activity", "sensitivity")):
        values = np.array([pair[k] for pair in observed])
        count, mean, variance = view.moments(of)
        expected = np.average(values, axis=0, weights=share)
        spread = np.average((values - expected) ** 2, axis=0, weights=share)
        np.testing.assert_allclose(count, share.sum())
        np.testing.assert_allclose(mean, expected, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(variance, spread, atol=1e-12)


def test_a_view_knows_where_in_training_it_is():
    network = learned(n_steps=20)
    view = view_of(network, n_steps=70)
    assert (view.step, view.n_steps) == (20, 70)
    assert view.next_neuron_id == network.topology.next_neuron_id

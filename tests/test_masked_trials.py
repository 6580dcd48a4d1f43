"""Masking: what it costs and shows, and the bandit that decides what to mask."""

from __future__ import annotations

import numpy as np
import pytest
from views import SHAPES, edits_of, learned, view_of

from plastic.checks import check_policy
from plastic.costs import forward_flops
from plastic.edits import Disconnect
from plastic.errors import InvalidData, InvalidParameter
from plastic.policies import masked_trials
from plastic.policies.masked_trials import MaskedTrials, rank_scores

# ------------------------------------------------------------------------ the view's new sense


@pytest.mark.parametrize("engine", ["fast", "nodes"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_masked_loss_is_that_of_the_network_without_the_connections(shape, engine):
    network = learned(shape, engine=engine)
    view = view_of(network)
    ids = view.structure.connection_ids
    masks = [np.array([], np.int64), np.array([3]), np.array([0, 5, 9]), np.arange(len(ids))]
    before = network.weights.copy()
    found = view.masked_losses(masks)
    assert network.weights.tobytes() == before.tobytes()
    for mask, loss in zip(masks, found, strict=True):
        undo = network.apply(Disconnect(ids[mask], keep_stranded=True))
        assert network.evaluate(view._X, view._Y)[0] == pytest.approx(loss, abs=1e-12)
        network.apply(*undo)
    assert np.ptp(found) > 1e-3


def test_every_mask_is_a_forward_pass_on_the_bill():
    view = view_of(learned(), n_samples=16)
    view.masked_losses([np.array([1]), np.array([1, 2])])
    assert view.bill.flops == 2 * forward_flops(view.structure, 16)
    assert forward_flops(view.structure, 16) == 2 * 16 * view.structure.n_connections
    assert view.bill.candidate_gradients == 0


def test_weights_are_put_back_where_a_pass_fails():
    network = learned()
    view = view_of(network)
    view._X = np.full_like(view._X, np.nan)
    before = network.weights.copy()
    with pytest.raises(InvalidData):
        view.masked_losses([np.array([0])])
    assert network.weights.tobytes() == before.tobytes()


# ------------------------------------------------------------------------------------ the arms


def test_the_prior_is_the_rank_of_the_magnitude_in_each_block():
    view = view_of(learned())
    mean, std = MaskedTrials().posterior(view)
    assert set(std.tolist()) == {1.0}
    for block in view.blocks:
        prior, weights = mean[block.positions], np.abs(view.weights[block.positions])
        assert np.argsort(prior).tolist() == np.argsort(weights).tolist()
        np.testing.assert_allclose([prior.mean(), prior.std()], [0, 1], atol=1e-12)


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2.0]])
def test_ranks_of_few_values_are_finite(values):
    scores = rank_scores(np.array(values))
    assert len(scores) == len(values)
    assert np.isfinite(scores).all()
    assert scores.sum() == pytest.approx(0)


def test_the_posterior_after_a_round_is_worked_out_by_hand():
    network = learned()
    view = view_of(network)
    score = MaskedTrials("mean", pulls=10**6)
    prior, _ = score.posterior(view)
    score.look(view, np.random.default_rng(0))
    n = len(view.weights)
    losses = view_of(network).masked_losses([[], *np.arange(n)[:, None]])
    rises = losses[1:] - losses[0]
    mean, std = score.posterior(view)
    np.testing.assert_allclose(mean, (prior + rises / np.sqrt(np.mean(rises**2))) / 2)
    np.testing.assert_allclose(std, np.sqrt(0.5))
    assert view.bill.flops == (n + 1) * forward_flops(view.structure, 16)


def test_those_with_the_lowest_draws_are_tried():
    view = view_of(learned())
    score = MaskedTrials("mean", pulls=12)
    prior, _ = score.posterior(view)
    score.look(view, np.random.default_rng(0))
    tried = score.state()["count"] > 0
    assert 12 <= tried.sum() <= 12 + len(view.blocks)
    for block in view.blocks:
        of_block = block.positions[tried[block.positions]]
        lowest = block.positions[np.argsort(prior[block.positions])[: len(of_block)]]
        assert sorted(of_block) == sorted(lowest)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_neuron_is_masked_with_all_that_lead_out_of_it(shape):
    network = learned(shape)
    view = view_of(network)
    score = MaskedTrials("mean", pulls=10**6, arms="neurons")
    structure = view.structure
    leading = np.unique(structure.sources)
    prior = dict(zip(structure.sources.tolist(), score.posterior(view)[0], strict=True))
    score.look(view, np.random.default_rng(0))
    masks = [np.flatnonzero(structure.sources == slot) for slot in leading]
    losses = view_of(network).masked_losses([[], *masks])
    rises = losses[1:] - losses[0]
    unit = np.sqrt(np.mean(rises**2))
    mean = dict(zip(structure.sources.tolist(), score.posterior(view)[0], strict=True))
    for slot, rise in zip(leading.tolist(), rises, strict=True):
        assert mean[slot] == pytest.approx((prior[slot] + rise / unit) / 2)
    assert score.state()["ids"].tolist() == structure.neuron_ids[leading].tolist()
    for group in np.unique(structure.groups[leading]):
        rivals = leading[structure.groups[leading] == group]
        outgoing = [np.abs(view.weights[structure.sources == slot]).sum() for slot in rivals]
        assert (
            np.argsort([prior[slot] for slot in rivals]).tolist()
            == np.argsort(outgoing).tolist()
        )


def test_with_neurons_as_arms_connections_of_one_source_go_together():
    view = view_of(learned())
    policy = masked_trials(every=20, fraction=0.4, arms="neurons")
    (cut,) = edits_of(policy.propose(view, np.random.default_rng(0)), "disconnect")
    at = view.structure.positions_of(cut.ids)
    for block in view.blocks:
        sources = view.structure.sources
        gone = at[np.isin(at, block.positions)]
        whole = [
            np.isin(block.positions[sources[block.positions] == slot], gone).all()
            for slot in np.unique(sources[gone])
        ]
        assert len(gone) > 1
        assert sum(not each for each in whole) <= 1  # the last one that the number allows


def test_neurons_as_arms_keep_the_contract():
    check_policy(lambda: masked_trials(arms="neurons", pulls=4))


def test_uniform_tries_any():
    view = view_of(learned())
    times = np.zeros(len(view.weights))
    rng = np.random.default_rng(0)
    for _ in range(60):
        score = MaskedTrials("uniform", pulls=20)
        score.look(view, rng)
        times += score.state()["count"]
    for block in view.blocks:
        often = times[block.positions]
        assert often.min() > 0.3 * often.mean()


def test_old_trials_fade_at_each_update():
    view = view_of(learned())
    score, rng = MaskedTrials(pulls=30, discount=0.5), np.random.default_rng(0)
    score.look(view, rng)
    before = score.state()
    score(view, rng)
    after = score.state()
    np.testing.assert_allclose(after["count"], before["count"] / 2)
    np.testing.assert_allclose(after["sum"], before["sum"] / 2)


def test_it_looks_at_the_last_steps_up_to_an_update():
    assert MaskedTrials(rounds=3).looks(np.array([10, 20])).tolist() == [8, 9, 10, 18, 19, 20]
    assert MaskedTrials(rounds=3).looks(np.array([1])).tolist() == [1]


def test_what_matters_little_is_pruned_and_edits_say_why():
    network = learned()
    view = view_of(network)
    policy = masked_trials(every=20, fraction=0.4, pulls=10**6)
    proposal = policy.propose(view, np.random.default_rng(0))
    (cut,) = edits_of(proposal, "disconnect")
    assert cut.reason == "low loss when masked"
    assert len(cut.ids) > 10
    n = len(view.weights)
    losses = view_of(network).masked_losses([[], *np.arange(n)[:, None]])
    gone = np.isin(view.structure.connection_ids, cut.ids)
    rises = losses[1:] - losses[0]
    assert rises[gone].mean() < rises[~gone].mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "median"}, "sampling must be one of .* got 'median'"),
        ({"pulls": 0}, "pulls must be a whole number of at least 1, got 0"),
        ({"rounds": 0}, "rounds must be a whole number of at least 1, got 0"),
        ({"arms": "layers"}, "arms must be one of 'connections', 'neurons', got 'layers'"),
        ({"discount": 1.5}, r"discount must lie in \[0, 1\], got 1.5"),
    ],
)
def test_choices_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        masked_trials(**options)

"""Growth by gradients that are averaged over the looks before an update."""

from __future__ import annotations

import numpy as np
import pytest
from views import SHAPES, gradients_if_added, learned, missing_pairs, view_of

from plastic.costs import pass_flops
from plastic.edits import AddNeurons, Connect
from plastic.errors import InvalidParameter
from plastic.policies.averaging import AveragedGrowth, moments_of_mean
from plastic.policies.growth import GradientGrowth

RNG = np.random.default_rng(0)


def looked(rule, network, n_views):
    """Views at consecutive steps, on other samples each, all but the last looked at."""
    views = [view_of(network, seed=seed) for seed in range(n_views)]
    for step, view in enumerate(views):
        view.step = 10 + step
    for view in views[:-1]:
        rule.look(view, RNG)
    return views


@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_mean_gradients_are_grown(shape):
    network = learned(shape)
    rule = AveragedGrowth(4)
    views = looked(rule, network, 4)
    block = views[-1].blocks[1]
    (grown,) = rule(views[-1], [(block, 6)], RNG).grown
    pairs = missing_pairs(views[-1], block)
    of_views = [gradients_if_added(network, view, pairs) for view in views]
    mean = {pair: abs(np.mean([each[pair] for each in of_views])) for pair in pairs}
    best = sorted(pairs, key=lambda pair: -mean[pair])[:6]
    assert list(zip(grown.sources.tolist(), grown.targets.tolist(), strict=True)) == best
    np.testing.assert_allclose(grown.scores, [mean[pair] for pair in best])


def test_every_look_is_a_pass_and_every_batch_a_gradient_on_the_bill():
    network = learned()
    rule = AveragedGrowth(4)
    views = looked(rule, network, 4)
    block = views[-1].blocks[0]
    rule(views[-1], [(block, 3)], RNG)
    for view in views[:-1]:
        assert view.bill.candidate_gradients == 0
        assert view.bill.flops == pass_flops(view.structure, 16)
    n = 4 * views[-1].count_missing(block)
    assert views[-1].bill.candidate_gradients == n
    assert views[-1].bill.flops == pass_flops(views[-1].structure, 16) + 2 * 16 * n


def test_wanting_none_costs_nothing():
    view = view_of(learned())
    choice = AveragedGrowth()(view, [(block, 0) for block in view.blocks], RNG)
    assert [len(grown) for grown in choice.grown] == [0, 0, 0]
    assert view.bill.flops == view.bill.candidate_gradients == 0


def test_one_batch_is_gradient_growth():
    network = learned()
    choices = [
        rule(view, [(view.blocks[0], 5)], RNG).grown[0]
        for rule, view in (
            (AveragedGrowth(1), view_of(network)),
            (GradientGrowth(), view_of(network)),
        )
    ]
    np.testing.assert_array_equal(choices[0].sources, choices[1].sources)
    np.testing.assert_array_equal(choices[0].targets, choices[1].targets)


def test_only_the_last_batches_count_and_an_update_begins_anew():
    network = learned()
    rule = AveragedGrowth(2)
    views = looked(rule, network, 5)
    assert rule.state()["steps"].tolist() == [12, 13]
    rule(views[-1], [(views[-1].blocks[0], 3)], RNG)
    assert rule.state()["steps"].tolist() == []


def test_what_flowed_through_other_neurons_is_forgotten():
    network = learned("graph")
    rule = AveragedGrowth(3)
    rule.look(view_of(network), RNG)
    structure = network.topology.structure
    ends = structure.neuron_ids[[structure.inputs[0], structure.outputs[0]]]
    new = network.topology.next_neuron_id
    network.apply(AddNeurons(1), Connect([ends[0], new], [new, ends[1]]))
    view = view_of(network)
    view.step = 30
    rule.look(view, RNG)
    assert rule.state()["steps"].tolist() == [30]


@pytest.mark.parametrize(
    ("updates", "expected"), [([10, 20], [7, 8, 9, 17, 18, 19]), ([2], [1]), ([], [])]
)
def test_it_looks_at_the_steps_before_an_update(updates, expected):
    assert AveragedGrowth(4).looks(np.array(updates, np.int64)).tolist() == expected
    assert AveragedGrowth(1).looks(np.array(updates, np.int64)).tolist() == []


def scores_of(rule, view, block, seed=0):
    """The score of every missing connection of the block, by pair of slots."""
    (grown,) = rule(view, [(block, 10**6)], np.random.default_rng(seed)).grown
    pairs = zip(grown.sources.tolist(), grown.targets.tolist(), strict=True)
    return dict(zip(pairs, grown.scores, strict=True))


def test_sampled_scores_scatter_about_the_mean_as_the_batches_do():
    network = learned()
    rules = {name: AveragedGrowth(4, name) for name in ("mean", "thompson", "uniform")}
    views = {name: looked(rule, network, 4) for name, rule in rules.items()}
    view = views["thompson"][-1]
    block = view.blocks[1]
    assert set(scores_of(rules["uniform"], view, block).values()) == {1.0}
    plain = scores_of(rules["mean"], view, block)
    pairs = sorted(plain)
    gradients = [gradients_if_added(network, each, set(pairs)) for each in views["mean"]]
    mean, std = moments_of_mean(np.array([[each[p] for p in pairs] for each in gradients]))
    np.testing.assert_allclose([plain[p] for p in pairs], np.abs(mean))
    state, squares = rules["thompson"].state(), []
    for seed in range(300):
        rules["thompson"].restore(state)
        drawn = scores_of(rules["thompson"], view, block, seed)
        squares.append([drawn[p] ** 2 for p in pairs])
    expected = mean**2 + std**2  # of the square of a draw, whatever its sign
    error = np.std(squares, axis=0) / np.sqrt(300)
    assert np.abs((np.mean(squares, axis=0) - expected) / error).max() < 5


def test_a_restored_rule_chooses_the_same():
    network = learned()
    rule, again = AveragedGrowth(4), AveragedGrowth(4)
    views = looked(rule, network, 4)
    again.restore(rule.state())
    grown = [
        each(views[-1], [(views[-1].blocks[0], 9)], RNG).grown[0] for each in (rule, again)
    ]
    np.testing.assert_array_equal(grown[0].scores, grown[1].scores)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_batches": 0}, "n_batches must be a whole number of at least 1, got 0"),
        ({"sampling": "median"}, "sampling must be one of .* got 'median'"),
    ],
)
def test_choices_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        AveragedGrowth(**options)

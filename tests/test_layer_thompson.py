"""A bandit over blocks: totals kept, successes counted, the better block grows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta
from views import SHAPES, edits_of, learned, view_of

from plastic.edits import Connect
from plastic.errors import InvalidParameter
from plastic.policies import layer_thompson
from plastic.policies.growth import draw_missing
from plastic.policies.layer_thompson import SampledBlocks, beta_moments


def grow_in(network, counts, weights):
    """Grow so many connections of this weight in each block."""
    view, rng = view_of(network), np.random.default_rng(0)
    ids = network.topology.structure.neuron_ids
    for block, count, weight in zip(view.blocks, counts, weights, strict=True):
        ends = draw_missing(view, block, count, rng)
        columns = {"weight": np.full(count, weight)}
        network.apply(Connect(*(ids[side] for side in ends), columns=columns))


@pytest.mark.parametrize("sampling", ["thompson", "mean", "uniform"])
@pytest.mark.parametrize("density", [0.2, 0.9, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_as_many_are_grown_as_are_pruned_and_all_have_room(shape, density, sampling):
    view = view_of(learned(shape, density=density))
    blocks = SampledBlocks(sampling)
    allotments = blocks(view, np.abs(view.weights), 0.3, np.random.default_rng(0))
    total = sum(each.prune for each in allotments)
    room = [view.count_missing(block) for block in view.blocks]
    assert total == sum(each.grow for each in allotments)
    assert all(each.grow <= free for each, free in zip(allotments, room, strict=True))
    held = [len(block.positions) for block in view.blocks]
    assert all(each.prune <= n for each, n in zip(allotments, held, strict=True))
    assert total == min(sum(int(0.3 * n) for n in held), sum(room))


def test_successes_are_newborns_above_the_median_newborn():
    network, rng = learned(), np.random.default_rng(0)
    blocks = SampledBlocks("mean", pulls=10, discount=0.5)
    blocks(view_of(network), np.abs(network.weights), 0.3, rng)
    assert blocks.state()["wins"].tolist() == [0, 0, 0]
    grow_in(network, [4, 4, 0], [2.0, 1.0, 0.0])
    view = view_of(network)
    allotments = blocks(view, np.abs(view.weights), 0.3, rng)
    rewards = [each.arm["reward"] for each in allotments]
    assert rewards[:2] == [1.0, 0.0]
    assert np.isnan(rewards[2])
    state = blocks.state()
    assert (state["wins"].tolist(), state["losses"].tolist()) == ([10, 0, 0], [0, 10, 0])
    means = [each.arm["posterior_mean"] for each in allotments]
    np.testing.assert_allclose(means, [11 / 12, 1 / 12, 1 / 2])
    grow_in(network, [0, 0, 3], [0, 0, 1.0])
    view = view_of(network)
    blocks(view, np.abs(view.weights), 0.3, rng)
    assert blocks.state()["wins"].tolist() == [5, 0, 0]  # equals are not above the median


def test_the_block_of_the_better_newborns_gets_more():
    grown = {}
    for sampling in ("thompson", "mean", "uniform"):
        network, rng = learned(density=0.2), np.random.default_rng(0)
        blocks = SampledBlocks(sampling, pulls=50)
        for _ in range(4):
            view = view_of(network)
            allotments = blocks(view, np.abs(view.weights), 1.0, rng)
            grow_in(network, [2, 2, 2], [0.1, 5.0, 0.1])
        grown[sampling] = [each.grow for each in allotments]
    assert grown["mean"][1] == sum(grown["mean"])
    assert grown["thompson"][1] > 0.8 * sum(grown["thompson"])
    assert grown["uniform"][1] < 0.6 * sum(grown["uniform"])


def test_pulls_are_counted_where_something_was_handed_out():
    view = view_of(learned())
    blocks = SampledBlocks("uniform", pulls=12)
    allotments = blocks(view, np.abs(view.weights), 1.0, np.random.default_rng(0))
    pulls = sum(each.arm["pulls"] for each in allotments)
    assert 12 <= pulls <= 12 * len(allotments)


def test_rows_for_the_table_of_arms():
    view = view_of(learned())
    proposal = layer_thompson(every=20).propose(view, np.random.default_rng(0))
    assert proposal.arms["arm"].tolist() == ["block:0->1", "block:1->2", "block:2->3"]
    assert proposal.arms["posterior_mean"].tolist() == [0.5, 0.5, 0.5]
    cut, new = edits_of(proposal, "disconnect")[0], edits_of(proposal, "connect")[0]
    assert len(cut) == len(new) > 5


def test_the_moments_are_those_of_beta_distributions():
    a, b = np.array([1.0, 3.0, 0.5]), np.array([1.0, 7.0, 9.0])
    mean, std = beta_moments(a, b)
    np.testing.assert_allclose(mean, beta.mean(a, b))
    np.testing.assert_allclose(std, beta.std(a, b))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "median"}, "sampling must be one of .* got 'median'"),
        ({"pulls": 0}, "pulls must be a whole number of at least 1, got 0"),
        ({"discount": -0.1}, r"discount must lie in \[0, 1\], got -0.1"),
    ],
)
def test_choices_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        layer_thompson(**options)

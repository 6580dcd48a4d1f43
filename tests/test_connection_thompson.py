"""Posteriors of the saliency of connections: alone, and pooled by source and target."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest
from views import learned, task, view_of

from plastic.engine import SGD, Network, Statistics
from plastic.errors import InvalidParameter
from plastic.policies import connection_thompson, hierarchical_thompson
from plastic.policies.connection_thompson import LEAST, PRIOR_VARIANCE, SaliencyPosterior
from plastic.policies.hierarchical_thompson import PooledGrowth, PooledSaliency, pool
from plastic.topology.wiring import erk

RNG = np.random.default_rng(0)


def watched(score, n_looks=6):
    """A network that learns while a score looks on, and the saliencies that there were."""
    topology = erk(6, 3, 0.4, np.random.default_rng(0), hidden=[10, 8])
    network = Network(topology, dtype="float64").initialize(np.random.default_rng(0))
    X, Y = task(network)
    seen = []
    for _ in range(n_looks):
        for _ in range(score.every):
            rows = RNG.integers(0, len(X), (1, 8))
            gradients = network.gradients(X[rows[0]], Y[rows[0]]).weights
            seen.append(np.abs(network.weights * gradients))
            network.learn(X, Y, rows, SGD(0.1), statistics=score.statistics)
        score.look(view_of(network), RNG)
    return network, np.array(seen[score.every - 1 :: score.every])


# --------------------------------------------------------------------------------------- alone


@pytest.mark.parametrize("discount", [1.0, 0.7, 0.0])
def test_the_posterior_is_that_of_the_single_observations(discount):
    score = SaliencyPosterior(every=3, discount=discount)
    network, saliencies = watched(score)
    values = np.log(saliencies + LEAST)
    weights = discount ** np.arange(len(values))[::-1]
    n, mean = weights.sum(), np.average(values, axis=0, weights=weights)
    squares = weights @ (values - mean) ** 2
    found = score.posterior(view_of(network))
    np.testing.assert_allclose(found[0], mean, rtol=1e-9)
    expected = np.sqrt((squares + PRIOR_VARIANCE) / (n + 1) / n)
    np.testing.assert_allclose(found[1], expected, rtol=1e-9)


def test_single_observations_are_asked_for():
    assert SaliencyPosterior(every=7).statistics == Statistics(saliency=True, every=7, rate=1.0)
    assert SaliencyPosterior(every=7).looks(np.array([20, 30])).tolist() == [7, 14, 21, 28]
    assert connection_thompson(observe_every=7).statistics.every == 7


def test_scores_are_what_sampling_says():
    network, _ = watched(SaliencyPosterior(every=3))
    for sampling in ("thompson", "mean", "uniform"):
        score = SaliencyPosterior(sampling, every=3)
        score.look(view_of(network), RNG)
        view = view_of(network)
        mean, std = score.posterior(view)
        drawn = np.array([score(view, RNG) for _ in range(30)])
        if sampling == "thompson":
            assert kstest(((drawn - mean) / std).ravel(), "norm").pvalue > 1e-3
        else:
            expected = mean if sampling == "mean" else np.ones_like(mean)
            np.testing.assert_array_equal(drawn, np.tile(expected, (30, 1)))


def test_what_was_never_observed_is_kept():
    view = view_of(learned())
    mean, _ = SaliencyPosterior().posterior(view)
    assert (np.exp(mean) >= 1).all()
    assert view.saliency.max() < 1


# -------------------------------------------------------------------------------------- pooled


def grid(n_sources, n_targets):
    """Every pair of a source and a target; sources come first."""
    sources, targets = np.meshgrid(np.arange(n_sources), np.arange(n_targets), indexing="ij")
    return sources.ravel(), n_sources + targets.ravel()


def test_effects_of_neurons_are_found():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 2, 12), rng.normal(0, 1, 9)
    sources, targets = grid(12, 9)
    values = -5 + a[sources] + b[targets - 12] + rng.normal(0, 0.1, len(sources))
    found = pool(values, np.full(len(values), 8.0), 0.08, sources, targets, 21)
    np.testing.assert_allclose(found.sources[0][:12], a - a.mean(), atol=0.15)
    np.testing.assert_allclose(found.targets[0][12:], b - b.mean(), atol=0.15)
    assert np.abs(found.sources[0][12:]).max() == 0  # targets lead nowhere
    assert found.sources[1][12:].min() > 3 * found.sources[1][:12].max()


@pytest.mark.parametrize("count", [0.0, 0.5, 4.0, 1e6])
def test_what_was_seen_little_leans_on_its_neurons(count):
    rng = np.random.default_rng(1)
    sources, targets = grid(8, 8)
    effect = rng.normal(0, 2, 8)
    values = effect[sources] + rng.normal(0, 0.5, 64)
    values[0] += 6  # one that is unlike its neighbours
    counts = np.full(64, 20.0)
    counts[0] = count
    mean, std = pool(values, counts, 1.0, sources, targets, 16).connections
    others = mean[1:8].mean()
    leaning = (values[0] - mean[0]) / (values[0] - others)
    low, high = {0.0: (0.5, 1.2), 0.5: (0.2, 1.0), 4.0: (0.02, 0.5), 1e6: (0, 1e-4)}[count]
    assert low <= leaning <= high
    assert (std[0] > std[1]) == (count < 20)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_connections_can_be_pooled_too(n):
    sources, targets = np.arange(n), 3 + np.arange(n)
    found = pool(np.full(n, -2.0), np.ones(n), 0.1, sources, targets, 6)
    for mean, std in (found.sources, found.targets, found.connections):
        assert np.isfinite(mean).all()
        assert (std > 0).all()
    np.testing.assert_allclose(found.connections[0], -2.0)


def test_growth_draws_by_the_effects_of_the_score_that_observes():
    score = PooledSaliency(every=3)
    network, _ = watched(score)
    view, growth = view_of(network), PooledGrowth("mean", 4, pool=score)
    assert growth.statistics == score.statistics
    model = score.model(view)
    choice = growth(view, [(block, 2) for block in view.blocks], RNG)
    rows = {name: values.tolist() for name, values in choice.arms.items()}
    by_arm = dict(zip(rows["arm"], rows["posterior_mean"], strict=True))
    weights = dict(zip(rows["arm"], rows["sampled"], strict=True))
    ids = view.structure.neuron_ids
    for slot, mean in enumerate(model.sources[0]):
        if f"source:{ids[slot]}" in by_arm:
            assert by_arm[f"source:{ids[slot]}"] == pytest.approx(mean)
            assert weights[f"source:{ids[slot]}"] == pytest.approx(np.exp(mean))
    assert len({arm.split(":")[0] for arm in by_arm}) == 2


def test_prune_score_and_growth_share_one_memory():
    policy = hierarchical_thompson()
    assert policy.grow.pool is policy.prune
    assert {name.split(".")[0] for name in policy.state()} == {"prune", "grow"}
    assert policy.statistics == Statistics(saliency=True, every=5, rate=1.0)


@pytest.mark.parametrize("make", [connection_thompson, hierarchical_thompson])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "median"}, "sampling must be one of .* got 'median'"),
        ({"observe_every": 0}, "every must be a whole number of at least 1, got 0"),
        ({"discount": 2.0}, r"discount must lie in \[0, 1\], got 2.0"),
    ],
)
def test_choices_are_checked(make, options, message):
    with pytest.raises(InvalidParameter, match=message):
        make(**options)

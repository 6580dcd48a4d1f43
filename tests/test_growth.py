"""Growth rules: which missing connections are chosen, with what chances, at what cost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, kstest
from views import SHAPES, gradients_if_added, learned, missing_pairs, view_of

from plastic.bandits import standard_error
from plastic.engine import Statistics
from plastic.errors import InvalidParameter
from plastic.policies import growth
from plastic.policies.growth import GradientGrowth, RandomGrowth, draw_missing
from plastic.policies.thompson import ARMS, PosteriorGrowth

PATHS = {"race": 2**40, "rejection": 0}


@pytest.fixture(params=list(PATHS))
def path(request, monkeypatch):
    """Take one way of drawing only, and fail if the other is taken."""
    (other,) = set(PATHS) - {request.param}

    def refuse(*_):
        raise AssertionError(f"drawn by {other}")

    monkeypatch.setattr(growth, "CHUNK", PATHS[request.param])
    monkeypatch.setattr(growth, f"_draw_by_{other}", refuse)
    return request.param


def scores_of(block, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 1.5, len(slots)) for slots in (block.sources, block.targets)]


def chances(view, block, a, d):
    """Each missing pair and its share of all ``(a d)**2``."""
    pairs = sorted(missing_pairs(view, block))
    a = dict(zip(block.sources.tolist(), a, strict=True))
    d = dict(zip(block.targets.tolist(), d, strict=True))
    shares = np.array([(a[source] * d[target]) ** 2 for source, target in pairs])
    return pairs, shares / shares.sum()


def assert_drawn_as(found, pairs, shares):
    counts = np.array([found.count(pair) for pair in pairs])
    assert counts.sum() == len(found)
    assert chisquare(counts, shares * len(found)).pvalue > 1e-3


# ---------------------------------------------------------------------------------- drawing


def roomy(shape="layers"):
    """A view, and its block with most room."""
    view = view_of(learned(shape, density=0.1 if shape == "layers" else 0.3))
    return view, max(view.blocks, key=view.count_missing)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_draw_is_in_proportion_to_the_square_of_both_scores(shape, path):
    view, block = roomy(shape)
    a, d = scores_of(block)
    rng = np.random.default_rng(7)
    drawn = [draw_missing(view, block, 1, rng, a, d) for _ in range(2500)]
    found = [(int(source[0]), int(target[0])) for source, target in drawn]
    assert_drawn_as(found, *chances(view, block, a, d))


def test_a_draw_of_two_is_one_draw_after_the_other(path):
    """The second in proportion among those that are left; which came first is not told."""
    view, block = roomy()
    a, d = scores_of(block)
    a[:3], d[:2] = 4.0, 3.0  # a few that are likely, so that it matters what went first
    pairs, shares = chances(view, block, a, d)
    after = shares[:, None] * shares / (1 - shares[:, None])  # [first, second]
    together = after + after.T
    index = {pair: k for k, pair in enumerate(pairs)}
    rng = np.random.default_rng(8)
    counts = np.zeros_like(together)
    for _ in range(3000):
        sources, targets = draw_missing(view, block, 2, rng, a, d)
        one, other = sorted(
            index[pair] for pair in zip(sources.tolist(), targets.tolist(), strict=True)
        )
        counts[one, other] += 1
    upper = np.triu_indices(len(pairs), 1)
    counts, together = counts[upper], together[upper]
    assert together.sum() == pytest.approx(1)
    # a test of counts needs a few of each kind, so the rare ones are one kind
    likely = together > 0.002
    observed = np.append(counts[likely], counts[~likely].sum())
    expected = np.append(together[likely], together[~likely].sum())
    assert chisquare(observed, 3000 * expected).pvalue > 1e-3


def test_without_scores_all_are_equally_likely(path):
    view, block = roomy()
    rng = np.random.default_rng(9)
    drawn = [draw_missing(view, block, 1, rng) for _ in range(2500)]
    pairs = sorted(missing_pairs(view, block))
    found = [(int(source[0]), int(target[0])) for source, target in drawn]
    assert_drawn_as(found, pairs, np.full(len(pairs), 1 / len(pairs)))


@pytest.mark.parametrize("shape", SHAPES)
def test_only_missing_ones_are_drawn_and_none_twice(shape, path):
    view = view_of(learned(shape, density=0.15))
    for seed, block in enumerate(view.blocks):
        pairs = missing_pairs(view, block)
        count = (len(pairs) - 1) // 64 if path == "rejection" else len(pairs) // 2
        drawn = draw_missing(view, block, count, np.random.default_rng(seed), *scores_of(block))
        found = set(zip(*(side.tolist() for side in drawn), strict=True))
        assert len(found) == len(drawn[0]) == count
        assert found <= pairs


@pytest.mark.parametrize("chunk", PATHS.values())
@pytest.mark.parametrize("extra", [0, 1, 1000])
def test_all_are_drawn_where_so_many_are_wanted(chunk, extra, monkeypatch):
    monkeypatch.setattr(growth, "CHUNK", chunk)
    view = view_of(learned("graph"))
    for block in view.blocks:
        pairs = missing_pairs(view, block)
        drawn = draw_missing(view, block, len(pairs) + extra, np.random.default_rng(0))
        assert len(drawn[0]) == len(pairs)
        assert set(zip(*(side.tolist() for side in drawn), strict=True)) == pairs


def test_the_last_missing_ones_of_a_large_block_are_not_left_to_luck(monkeypatch):
    monkeypatch.setattr(growth, "CHUNK", 0)
    monkeypatch.delattr(growth, "_draw_by_rejection")
    view = view_of(learned(density=0.994))
    block = view.blocks[1]
    room = view.count_missing(block)
    assert len(block.sources) * len(block.targets) > 64 * room > 0
    assert len(draw_missing(view, block, room, np.random.default_rng(0))[0]) == room


@pytest.mark.parametrize(("density", "count"), [(0.3, 0), (1.0, 5)])
def test_none_are_drawn_where_none_is_wanted_or_missing(density, count):
    view = view_of(learned(density=density))
    sources, targets = draw_missing(view, view.blocks[0], count, np.random.default_rng(0))
    assert len(sources) == len(targets) == 0


def test_scores_of_zero_and_below_leave_a_chance(path):
    view, block = roomy()
    a, d = np.full(len(block.sources), -1.0), np.zeros(len(block.targets))
    drawn = draw_missing(view, block, 1, np.random.default_rng(0), a, d)
    assert len(drawn[0]) == 1


# ------------------------------------------------------------------------------ growth rules


def wanted_of(view, count=5):
    return [(block, count) for block in view.blocks]


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_growth_finds_the_largest_of_all(shape):
    network = learned(shape)
    view = view_of(network)
    choice = GradientGrowth()(view, wanted_of(view), np.random.default_rng(0))
    pairs = [missing_pairs(view, block) for block in view.blocks]
    assert view.bill.candidate_gradients == sum(map(len, pairs))
    for grown, block in zip(choice.grown, pairs, strict=True):
        gradients = gradients_if_added(network, view, block)
        best = sorted(block, key=lambda pair: -abs(gradients[pair]))[:5]
        found = list(zip(grown.sources.tolist(), grown.targets.tolist(), strict=True))
        assert found == best
        np.testing.assert_allclose(grown.scores, [abs(gradients[pair]) for pair in best])


def test_random_growth_computes_nothing():
    view = view_of(learned())
    choice = RandomGrowth()(view, wanted_of(view), np.random.default_rng(0))
    assert [len(grown) for grown in choice.grown] == [5, 5, 5]
    assert all(np.isnan(grown.scores).all() for grown in choice.grown)
    assert view.bill.flops == view.bill.candidate_gradients == 0


@pytest.mark.parametrize("rule", [RandomGrowth(), GradientGrowth(), PosteriorGrowth()])
def test_wanting_none_costs_nothing(rule):
    view = view_of(learned())
    choice = rule(view, wanted_of(view, 0), np.random.default_rng(0))
    assert [len(grown) for grown in choice.grown] == [0, 0, 0]
    assert view.bill.flops == view.bill.candidate_gradients == 0


@pytest.mark.parametrize("rule", [RandomGrowth(), GradientGrowth(), PosteriorGrowth()])
def test_where_fewer_are_missing_all_are_grown(rule):
    view = view_of(learned("graph", density=0.9))
    choice = rule(view, wanted_of(view, 10**6), np.random.default_rng(0))
    for grown, block in zip(choice.grown, view.blocks, strict=True):
        found = set(zip(grown.sources.tolist(), grown.targets.tolist(), strict=True))
        assert found == missing_pairs(view, block)


# --------------------------------------------------------------------------------- posteriors


def arms_of(choice, arm):
    at = np.array([name.startswith(arm) for name in choice.arms["arm"]])
    return {name: values[at] for name, values in choice.arms.items()}


@pytest.mark.parametrize("sampling", ["thompson", "mean", "uniform"])
@pytest.mark.parametrize("candidates", [1, 3, 16])
def test_candidates_are_so_many_a_connection_and_the_best_of_them_win(sampling, candidates):
    network = learned("layers")
    view = view_of(network)
    wanted = wanted_of(view, 2)
    rule = PosteriorGrowth(sampling, candidates)
    choice = rule(view, wanted, np.random.default_rng(0))
    room = [view.count_missing(block) for block in view.blocks]
    assert view.bill.candidate_gradients == sum(min(2 * candidates, n) for n in room)
    gradients = {}
    for block in view.blocks:
        gradients |= gradients_if_added(network, view, missing_pairs(view, block))
    for grown in choice.grown:
        pairs = zip(grown.sources.tolist(), grown.targets.tolist(), strict=True)
        np.testing.assert_allclose(grown.scores, [abs(gradients[pair]) for pair in pairs])
        assert (np.diff(grown.scores) <= 0).all()


def test_with_all_that_are_missing_as_candidates_it_is_gradient_growth():
    view = view_of(learned("graph"))
    one = PosteriorGrowth("thompson", 10**4)(view, wanted_of(view), np.random.default_rng(0))
    other = GradientGrowth()(view, wanted_of(view), np.random.default_rng(1))
    for mine, theirs in zip(one.grown, other.grown, strict=True):
        np.testing.assert_array_equal(mine.sources, theirs.sources)
        np.testing.assert_array_equal(mine.targets, theirs.targets)


@pytest.mark.parametrize("arm", ARMS)
def test_posteriors_are_those_of_the_moments(arm):
    network = learned("graph")
    view = view_of(network)
    columns = network.topology.neuron_columns
    n = columns["observations"]
    mean = columns[arm] / n
    variance = columns[f"{arm}_square"] / n - mean**2
    choice = PosteriorGrowth()(view, wanted_of(view), np.random.default_rng(0))
    rows = arms_of(choice, arm)
    slots = view.structure.slots_of([int(name.split(":")[1]) for name in rows["arm"]])
    may = view.structure.outputs if arm == "activity" else view.structure.inputs
    assert sorted(slots) == sorted(set(range(view.structure.n_neurons)) - set(may.tolist()))
    np.testing.assert_allclose(rows["posterior_mean"], mean[slots])
    expected = standard_error(n, np.maximum(variance, 0))[slots]
    np.testing.assert_allclose(rows["posterior_std"], expected, rtol=1e-6)


def test_sampled_values_are_what_sampling_says():
    view = view_of(learned("graph"))
    for sampling in ("thompson", "mean", "uniform"):
        rule, rng = PosteriorGrowth(sampling), np.random.default_rng(0)
        rows = [rule(view, wanted_of(view, 1), rng).arms for _ in range(60)]
        sampled, mean, std = (
            np.concatenate([piece[name] for piece in rows])
            for name in ("sampled", "posterior_mean", "posterior_std")
        )
        if sampling == "thompson":
            assert kstest((sampled - mean) / std, "norm").pvalue > 1e-3
        else:
            np.testing.assert_array_equal(sampled, mean if sampling == "mean" else 1.0)


@pytest.mark.parametrize(("sampling", "same"), [("thompson", False), ("uniform", True)])
def test_uniform_candidates_do_not_depend_on_what_was_observed(sampling, same):
    chosen = []
    for factor in (1.0, 50.0):
        network = learned("layers")
        hidden = network.topology.structure.groups == 1
        network.topology.neuron_columns["activity"][np.flatnonzero(hidden)[::2]] *= factor
        network.topology.neuron_columns["sensitivity"][np.flatnonzero(hidden)[1::2]] *= factor
        view = view_of(network)
        choice = PosteriorGrowth(sampling, 2)(view, wanted_of(view), np.random.default_rng(0))
        chosen.append(
            [grown.sources.tolist() + grown.targets.tolist() for grown in choice.grown]
        )
    assert (chosen[0] == chosen[1]) is same


@pytest.mark.parametrize("shape", SHAPES)
def test_uniform_candidates_are_exactly_random_ones(shape):
    view = view_of(learned(shape))
    block = view.blocks[1]
    choice = PosteriorGrowth("uniform", 1)(view, [(block, 7)], np.random.default_rng(3))
    drawn = draw_missing(view, block, 7, np.random.default_rng(3))
    (grown,) = choice.grown  # with one candidate a connection, all that was drawn
    found = zip(grown.sources.tolist(), grown.targets.tolist(), strict=True)
    assert sorted(found) == sorted(zip(*(side.tolist() for side in drawn), strict=True))


def test_active_sources_and_sensitive_targets_are_suggested_more_often():
    view = view_of(learned("layers"))
    block = view.blocks[1]
    rule, rng = PosteriorGrowth("mean", 1), np.random.default_rng(0)
    choice = None
    for _ in range(150):
        choice = rule(view, [(block, 3)], rng)
    activity, sensitivity = (view.moments(arm)[1] for arm in ARMS)
    chance = np.zeros((2, view.structure.n_neurons))
    for source, target in missing_pairs(view, block):
        chance[0, source] += (activity[source] * sensitivity[target]) ** 2
        chance[1, target] += (activity[source] * sensitivity[target]) ** 2
    for arm, slots, expected in zip(ARMS, (block.sources, block.targets), chance, strict=True):
        pulls = arms_of(choice, arm)["pulls"]
        assert np.corrcoef(pulls, expected[slots])[0, 1] > 0.9


def test_pulls_add_up_and_rewards_are_mean_gradients():
    network = learned("layers")
    view = view_of(network)
    rule, rng = PosteriorGrowth("thompson", 3), np.random.default_rng(0)
    drawn_so_far = 0
    before = None
    for _ in range(3):
        choice = rule(view, wanted_of(view, 4), rng)
        drawn_so_far += 3 * 3 * 4
        rows = choice.arms
        for arm in ARMS:
            assert arms_of(choice, arm)["pulls"].sum() == drawn_so_far
        now = rows["pulls"] - (0 if before is None else before["pulls"])
        assert (now >= 0).all()
        np.testing.assert_array_equal(np.isnan(rows["reward"]), now == 0)
        of_sources = np.array([name.startswith(ARMS[0]) for name in rows["arm"]])
        earned = np.nan_to_num(now * rows["reward"])
        # each candidate has one arm of each kind
        assert earned[of_sources].sum() == pytest.approx(earned[~of_sources].sum())
        before = rows


def test_the_reward_of_a_source_is_the_mean_gradient_of_its_candidates():
    network = learned("layers")
    view = view_of(network)
    block = view.blocks[0]
    room = view.count_missing(block)
    choice = PosteriorGrowth("mean", room)(view, [(block, 1)], np.random.default_rng(0))
    gradients = gradients_if_added(network, view, missing_pairs(view, block))
    rows = arms_of(choice, "activity")
    for slot, pulls, reward in zip(block.sources, rows["pulls"], rows["reward"], strict=True):
        own = [abs(g) for (source, _), g in gradients.items() if source == slot]
        assert pulls == len(own)
        assert reward == pytest.approx(np.mean(own))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "median"}, "sampling must be one of 'thompson', 'mean', 'uniform'"),
        ({"candidates": 0}, "candidates must be a whole number of at least 1, got 0"),
    ],
)
def test_choices_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        PosteriorGrowth(**options)


def test_the_rules_say_what_they_need():
    assert not RandomGrowth().statistics.wanted
    assert not GradientGrowth().statistics.wanted
    assert PosteriorGrowth().statistics == Statistics(moments=True)

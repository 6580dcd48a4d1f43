"""What selections are made of: relevance, beliefs, rankings, timetables, and the course."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import ENGINES, random_network, smooth_data

from plastic.errors import InvalidParameter
from plastic.selection import (
    Beliefs,
    Course,
    Elimination,
    Resampling,
    Selector,
    epsilon_greedy,
    saliency,
    successive_elimination,
    taylor,
    ucb,
)
from plastic.selection.rankings import (
    Candidates,
    EpsilonGreedy,
    Magnitude,
    Random,
    Relevance,
    UpperConfidence,
    top,
)

# --------------------------------------------------------------------------------- relevance


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(3))
def test_taylor_is_the_slope_of_the_loss_in_a_gate_on_the_neuron(engine, seed):
    network = random_network(seed, engine=engine)
    X, Y = smooth_data(network, seed, 30)
    structure, weights = network.topology.structure, network.weights.copy()
    found = taylor(structure, weights, network.gradients(X, Y).weights)
    for slot in range(structure.n_neurons):
        leaving = structure.sources == slot
        losses = []
        for gate in (1 + 1e-5, 1 - 1e-5):
            network.weights[:] = np.where(leaving, gate * weights, weights)
            losses.append(network.evaluate(X, Y)[0])
        slope = (losses[0] - losses[1]) / 2e-5
        assert found[slot] == pytest.approx(abs(slope), abs=1e-7)


def test_saliency_adds_up_what_each_connection_into_a_neuron_is_worth():
    network = random_network(0)
    X, Y = smooth_data(network, 0, 30)
    structure, gradient = network.topology.structure, network.gradients(X, Y).weights
    found = saliency(structure, network.weights, gradient)
    for slot in range(structure.n_neurons):
        row = slice(*structure.indptr[slot : slot + 2])
        expected = np.abs(network.weights[row] * gradient[row]).sum()
        assert found[slot] == pytest.approx(expected)


# ------------------------------------------------------------------------------------ beliefs


@pytest.mark.parametrize("discount", [0.8, 0.99, 1.0])
def test_beliefs_are_discounted_moments(discount):
    rng = np.random.default_rng(0)
    beliefs = Beliefs.none(3, discount)
    seen = np.exp(rng.normal(size=(20, 2)))
    for pair in seen:
        beliefs.observe(np.array([0, 2]), pair)
    values = np.log(seen + 1e-8) - np.median(np.log(seen + 1e-8), axis=1, keepdims=True)
    weights = discount ** np.arange(19, -1, -1)
    mean = weights @ values / weights.sum()
    spread = weights @ (values - mean) ** 2
    np.testing.assert_allclose(beliefs.count[[0, 2]], weights.sum())
    np.testing.assert_allclose(beliefs.mean[[0, 2]], mean)
    np.testing.assert_allclose(beliefs.spread[[0, 2]], spread)
    n = weights.sum()
    np.testing.assert_allclose(
        beliefs.std(), [*np.sqrt((spread[:1] + 0.5) / ((n + 1) * n)), np.inf,
                        *np.sqrt((spread[1:] + 0.5) / ((n + 1) * n))]
    )  # fmt: skip
    assert beliefs.pulls.tolist() == [20, 0, 20]


def test_a_silent_neuron_is_believed_irrelevant():
    beliefs = Beliefs.none(3)
    beliefs.observe(np.arange(3), np.array([0.0, 1.0, 2.0]))
    assert beliefs.mean.argmin() == 0
    assert np.isfinite(beliefs.mean).all()


# ----------------------------------------------------------------------------------- rankings


def candidates(mean, std=None, magnitude=(), step=100):
    mean = np.asarray(mean, float)
    std = np.full(len(mean), 0.1) if std is None else np.asarray(std, float)
    pulls = np.where(np.isinf(std), 0, 10)
    return Candidates(mean, std, pulls, np.asarray(magnitude, float), step)


RANKINGS = (
    Relevance("thompson"), Relevance("mean"), Relevance("uniform"),
    EpsilonGreedy(0.3), UpperConfidence(0.5), Magnitude(), Random(),
)  # fmt: skip


@pytest.mark.parametrize("ranking", RANKINGS, ids=repr)
@given(st.data())
def test_any_ranking_chooses_so_many_different_candidates(ranking, data):
    n = data.draw(st.integers(1, 30))
    count = data.draw(st.integers(1, n))
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    std = np.where(rng.random(n) < 0.3, np.inf, 1.0)
    seen = candidates(rng.normal(size=n), std, rng.random(n))
    for choose in (ranking.choose, ranking.settle):
        chosen = choose(seen, count, rng)
        assert len(chosen) == count
        assert (np.diff(chosen) > 0).all()
        assert 0 <= chosen[0] <= chosen[-1] < n


def test_what_a_ranking_prefers():
    rng = np.random.default_rng(0)
    seen = candidates([3, 1, 2, 0], magnitude=[0, 5, 1, 9])
    for ranking, expected in (
        (Relevance("mean"), [0, 2]), (EpsilonGreedy(0.0), [0, 2]),
        (UpperConfidence(0.0), [0, 2]), (Magnitude(), [1, 3]),
    ):  # fmt: skip
        assert ranking.choose(seen, 2, rng).tolist() == expected
        assert ranking.settle(seen, 2, rng).tolist() == expected


@pytest.mark.parametrize(
    "ranking",
    [Relevance("thompson"), Relevance("mean"), EpsilonGreedy(0.0), UpperConfidence()],
    ids=repr,
)  # fmt: skip
def test_whoever_was_never_tried_comes_first_but_is_not_settled_on(ranking):
    rng = np.random.default_rng(0)
    seen = candidates([0.5, 0, 0, 0.2], [0.01, np.inf, np.inf, 0.01])
    tried = sum(ranking.choose(seen, 2, rng).tolist() == [1, 2] for _ in range(50))
    assert tried >= 48
    assert ranking.settle(seen, 2, rng).tolist() == [0, 3]


def test_sampling_is_what_it_says():
    rng = np.random.default_rng(0)
    seen = candidates([0.2, 0.0, -9.0], [1.0, 1.0, 1.0])
    share = {}
    for sampling in ("thompson", "mean", "uniform"):
        chosen = [Relevance(sampling).choose(seen, 1, rng)[0] for _ in range(500)]
        share[sampling] = np.bincount(chosen, minlength=3) / 500
    assert 0.4 < share["thompson"][0] < 0.7
    assert share["thompson"][2] == 0
    assert share["mean"].tolist() == [1, 0, 0]
    assert (share["uniform"] > 0.25).all()


def test_epsilon_is_the_share_exchanged():
    rng = np.random.default_rng(0)
    seen = candidates(np.arange(40.0)[::-1])
    kept = [np.sum(EpsilonGreedy(0.3).choose(seen, 10, rng) < 10) for _ in range(300)]
    assert np.mean(kept) == pytest.approx(7, abs=0.3)


def test_an_upper_bound_favours_the_less_tried():
    seen = Candidates(np.zeros(2), np.ones(2), np.array([1, 50]), np.zeros(0), 100)
    chosen = UpperConfidence(1.0).choose(seen, 1, np.random.default_rng(0))
    assert chosen.tolist() == [0]


def test_ties_fall_at_random():
    rng = np.random.default_rng(0)
    seen = np.bincount(np.concatenate([top(np.zeros(4), 2, rng) for _ in range(400)]))
    assert (np.abs(seen - 200) < 60).all()


# --------------------------------------------------------------------------------- timetables

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=3).map(np.array)


@given(
    SIZES, st.integers(1, 400), st.floats(0.01, 1), st.integers(1, 20), st.floats(0.05, 1),
    st.sampled_from(["evaluations", "steps"]),
)  # fmt: skip
def test_an_elimination_keeps_its_budget(sizes, n_steps, keep, every, explore, equal):
    timing = Elimination(keep, every, explore, equal)
    table = timing.timetable(sizes, n_steps)
    k = timing.kept(sizes)
    budget = n_steps * k.sum()
    assert (table.counts[-1] == k).all()
    assert (np.diff(table.counts, axis=0) <= 0).all()
    assert (table.counts <= sizes).all()
    assert table.steps[0] == 0
    assert (np.diff(table.steps) == every).all()
    assert table.steps[-1] < n_steps
    spent = table.evaluations - (table.n_steps - table.steps[-1]) * k.sum()
    assert spent <= explore * budget
    if equal == "steps":
        assert table.n_steps == n_steps
    else:
        assert budget - k.sum() < table.evaluations <= budget
        assert table.steps[-1] <= table.n_steps <= n_steps
    if len(table.steps) > 2:  # each is looked at twice before the first goes
        assert (table.counts[:2] == sizes).all()


@given(SIZES, st.integers(1, 400), st.floats(0.01, 1), st.integers(1, 20), st.floats(0, 1))
def test_resampling_spends_the_budget_to_the_last(sizes, n_steps, keep, every, until):
    timing = Resampling(keep, every, until)
    table = timing.timetable(sizes, n_steps)
    assert table.n_steps == n_steps
    assert table.evaluations == n_steps * timing.kept(sizes).sum()
    assert table.steps[-1] <= until * n_steps
    assert table.steps[-1] < n_steps
    assert (np.diff(table.steps) <= every).all()


def test_the_cubic_law():
    table = Elimination(keep=1 / 16, every=5).timetable(np.array([128]), 1000)
    last = table.steps[-1]
    ideal = 8 + 120 * (1 - table.steps / last) ** 3
    assert (np.abs(table.counts.ravel() - ideal)[2:] <= 0.5).all()
    assert table.evaluations == 8000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Elimination(keep=0), r"keep must lie in \(0, 1\], got 0"),
        (lambda: Elimination(every=0), "every must be a whole number of at least 1, got 0"),
        (lambda: Elimination(explore=1.5), r"explore must lie in \(0, 1\], got 1.5"),
        (lambda: Elimination(equal="time"), "equal must be one of 'evaluations', 'steps'"),
        (lambda: Resampling(keep=2), r"keep must lie in \(0, 1\], got 2"),
        (lambda: Resampling(every=1.5), "every must be a whole number of at least 1, got 1.5"),
        (lambda: Resampling(until=-1), r"until must lie in \[0, 1\], got -1"),
        (lambda: successive_elimination(by="size"), "by must be one of 'saliency', 'taylor'"),
        (lambda: successive_elimination(sampling="max"), "sampling must be one of"),
        (lambda: Selector(Resampling(), Random(), "magnitude"), "by must be one of"),
        (
            lambda: Selector(Resampling(), Random(), discount=0),
            r"discount must lie in \(0, 1\]",
        ),
        (lambda: Beliefs.none(3, 1.1), r"discount must lie in \(0, 1\], got 1.1"),
        (lambda: epsilon_greedy(epsilon=2), r"epsilon must lie in \[0, 1\], got 2"),
        (lambda: ucb(width=-1), r"width must lie in \[0, inf\), got -1"),
    ],
)
def test_parameters_are_checked(make, message):
    with pytest.raises(InvalidParameter, match=message):
        make()


# --------------------------------------------------------------------------------- the course


def course(selector, n=32, n_steps=600, seed=0):
    return Course(selector, np.ones(n, int), n_steps, np.random.default_rng(seed))


def follow(one, relevance, rng):
    for event, step in enumerate(one.timetable.steps.tolist()):
        one.choose(event, step)
        if one.observes(event):
            noise = np.exp(rng.normal(size=len(one.active)))
            one.observe(relevance[one.active] * noise)
    return set(one.active.tolist())


@pytest.mark.parametrize("sampling", ["thompson", "mean"])
def test_the_relevant_survive_an_elimination(sampling):
    rng = np.random.default_rng(0)
    found = 0
    for seed in range(20):
        relevance = np.ones(32)
        best = rng.choice(32, 4, replace=False)
        relevance[best] = 10.0
        selector = successive_elimination(keep=0.125, sampling=sampling)
        found += len(follow(course(selector, seed=seed), relevance, rng) & set(best.tolist()))
    assert found >= 0.9 * 80


def test_uniform_sampling_keeps_anyone():
    rng, relevance = np.random.default_rng(0), np.ones(32)
    relevance[:4] = 10
    selector = successive_elimination(keep=0.125, sampling="uniform")
    hits = [
        len(follow(course(selector, seed=s), relevance, rng) & {0, 1, 2, 3}) for s in range(60)
    ]
    assert np.mean(hits) == pytest.approx(0.5, abs=0.4)


@given(st.integers(1, 12), st.integers(0, 40), st.integers(1, 60))
def test_stretches_cover_every_step_once_and_start_at_every_event(every, at, n):
    one = course(successive_elimination(keep=0.25, every=every), n_steps=60)
    pieces = list(one.stretches(at, n))
    covered = np.concatenate([np.arange(n)[stretch] for stretch, _ in pieces])
    np.testing.assert_array_equal(covered, np.arange(n))
    steps = one.timetable.steps.tolist()
    for stretch, event in pieces:
        inside = range(at + stretch.start + 1, at + stretch.stop)
        assert not set(steps) & set(inside)
        assert (at + stretch.start in steps) == (event is not None)
        if event is not None:
            assert steps[event] == at + stretch.start
            if one.observes(event):
                assert stretch.stop == stretch.start + 1

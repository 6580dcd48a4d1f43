"""The loop: what happens when, what each row says, and what must not happen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from trials import Rewarded, Swaps, Trial, contents, moons, run

from plastic import evaluation
from plastic.columns import check_piece
from plastic.datasets import Split, diabetes, recovered, sparse_teacher
from plastic.engine import SGD, Constant, Cosine, Network
from plastic.errors import Diverged, InvalidParameter
from plastic.policies import Static, sparse_evolution, thompson
from plastic.training import Rows, Streams, train

# ------------------------------------------------------------------------------ what, and when


def test_it_is_an_iterator_that_goes_no_further_than_asked():
    trial = Trial(Swaps(30))
    assert iter(trial.steps) is trial.steps
    assert trial.topology.step == 0
    first = [next(trial.steps), next(trial.steps)]
    assert [rows.table for rows in first] == ["edits", "convergence"]
    assert trial.topology.step == 0
    np.testing.assert_array_equal(trial.network.weights, trial.first_weights)
    third = next(trial.steps)
    assert (third.table, trial.topology.step) == ("edits", 30)
    assert len(list(trial.steps)) == 2
    assert trial.topology.step == 100


def test_events_come_at_their_steps_and_evaluation_before_the_edit():
    trial = run(Swaps(10, 50, 99, 100, 120), n_steps=100, evaluate_every=25)
    events = [(rows.table, int(np.max(rows.columns["step"]))) for rows in trial.rows]
    assert events == [
        ("edits", 0),
        ("convergence", 0),
        ("edits", 10),
        ("convergence", 25),
        ("convergence", 50),
        ("edits", 50),
        ("convergence", 75),
        ("edits", 99),
        ("convergence", 100),
    ]
    assert [step for step, *_ in trial.policy.views] == [10, 50, 99]


@pytest.mark.parametrize(("every", "expected"), [(30, [0, 30, 60, 70]), (500, [0, 70])])
def test_there_is_an_evaluation_at_the_start_and_at_the_end(every, expected):
    trial = run(Static(), n_steps=70, evaluate_every=every)
    assert trial.column("convergence", "step")[::3].tolist() == expected
    assert trial.column("convergence", "split").tolist() == ["train", "reward", "test"] * len(
        expected
    )


def test_an_evaluation_says_what_the_network_says():
    trial = run(Static(), n_steps=40)
    for at, (name, split) in enumerate(trial.dataset.splits.items()):
        loss, answers = trial.network.evaluate(split.X, split.y)
        row = trial.pieces("convergence")[-1]
        assert row["split"][at] == name
        assert row["loss"][at] == loss
        assert row["score"][at] == trial.dataset.score(answers, split.y)
    assert row["n_connections"] == trial.topology.n_connections
    assert row["density"] == pytest.approx(trial.topology.n_connections / (24 + 120 + 20))
    assert row["epoch"] == pytest.approx(40 * 20 / len(trial.dataset.train))


def test_a_long_training_split_is_evaluated_in_part(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATED", 15)
    trial = run(Static(), n_steps=5)
    split = trial.dataset.train
    loss, _ = trial.network.evaluate(split.X[:15], split.y[:15])
    assert trial.pieces("convergence")[-1]["loss"][0] == loss
    test = trial.dataset.test
    loss, _ = trial.network.evaluate(test.X, test.y)
    assert trial.pieces("convergence")[-1]["loss"][2] == loss


def test_running_loss_and_learning_rate_are_those_of_the_steps(monkeypatch):
    losses, learn = [], Network.learn

    def spy(self, *arguments, **options):
        losses.append(learn(self, *arguments, **options))
        return losses[-1]

    monkeypatch.setattr(Network, "learn", spy)
    trial = run(Swaps(30, 80), n_steps=100, evaluate_every=50, schedule=Cosine(floor=0.1))
    assert [*map(len, losses)] == [30, 20, 30, 20]
    per_step = np.concatenate(losses)
    running = trial.column("convergence", "running_loss").reshape(3, 3)
    assert np.isnan(running[0]).all()
    assert np.isnan(running[:, 1:]).all()
    np.testing.assert_allclose(running[1:, 0], per_step.reshape(2, 50).mean(axis=1))
    rates = trial.column("convergence", "learning_rate")[::3]
    expected = 0.1 * Cosine(floor=0.1).factors(np.array([0, 49, 99]), 100)
    np.testing.assert_allclose(rates, expected)


def test_every_piece_fits_its_table():
    trial = run(thompson(every=20), n_steps=100)
    for rows in trial.rows:
        assert isinstance(rows, Rows)
        check_piece(rows.table, {"run_id": "a", **rows.columns})
    assert {rows.table for rows in trial.rows} == {"edits", "convergence", "arms"}
    steps = sorted(set(trial.column("arms", "step").tolist()))
    assert steps == [20, 40, 60]
    pulls = {}
    for name, count in zip(
        trial.column("arms", "arm"), trial.column("arms", "pulls"), strict=True
    ):
        assert count >= pulls.get(name, 0)
        pulls[name] = count
    assert sum(pulls.values()) == 2 * trial.pieces("convergence")[-1]["candidate_gradients"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 0}, "n_steps must be a whole number of at least 1, got 0"),
        ({"evaluate_every": 0}, "evaluate_every must be a whole number of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
    ],
)
def test_counts_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        run(Static(), **options)


def test_a_trained_network_may_go_on_but_not_back():
    trial = run(Static(), n_steps=40)
    again = [trial.network, trial.dataset, Swaps(10, 60), SGD(0.1), Constant(), Streams.of(5)]
    with pytest.raises(
        InvalidParameter,
        match="n_steps must be above the 40 steps that the network has learned for already, "
        "got 40",
    ):
        next(train(*again, n_steps=40))
    rows = list(train(*again, n_steps=90, evaluate_every=30))
    assert [int(np.max(r.columns["step"])) for r in rows] == [40, 40, 60, 60, 90]
    assert trial.topology.step == 90


# ------------------------------------------------------------------------ what must not happen


def test_divergence_stops_the_run_and_leaves_the_rows_so_far():
    trial = Trial(
        Static(),
        diabetes(np.random.default_rng(0)),
        optimizer=SGD(50.0),
        schedule=Constant(),
        evaluate_every=1,
    )
    with pytest.raises(Diverged, match=r"the loss is .* at step .* lower learning rate"):
        trial.rows.extend(trial.steps)
    steps = trial.column("convergence", "step")[::3]
    assert steps.tolist() == list(range(len(steps)))
    assert 1 < len(steps) < 100
    assert trial.topology.step == steps[-1]


@pytest.mark.parametrize("make", [lambda: thompson(every=20), lambda: Rewarded(20, 40)])
def test_the_test_split_changes_nothing_but_its_own_rows(make):
    clean = moons()
    test = clean.test
    poisoned = replace(clean, test=Split(1e3 * test.X[::-1], test.y[::-1]))
    trials = [run(make(), dataset) for dataset in (clean, poisoned)]
    assert contents(trials[0].network) == contents(trials[1].network)
    differ = []
    for one, other in zip(trials[0].rows, trials[1].rows, strict=True):
        assert one.table == other.table
        for name in set(one.columns) - {"seconds"}:
            here, there = np.asarray(one.columns[name]), np.asarray(other.columns[name])
            if one.table == "convergence" and name in ("loss", "score"):
                differ.append(here[2] != there[2])
                here, there = here[:2], there[:2]
            np.testing.assert_array_equal(here, there)
    assert sum(differ) >= 3  # the poison was tasted at every evaluation


# --------------------------------------------------------------------------------- other tasks


def test_regression():
    dataset = diabetes(np.random.default_rng(0))
    trial = run(
        sparse_evolution(every=30),
        dataset,
        n_steps=300,
        optimizer=SGD(0.02),
        evaluate_every=300,
    )
    first, last = trial.pieces("convergence")
    assert last["loss"][0] < 0.6 * first["loss"][0]
    assert 0.3 < last["score"][2] < 0.7


def test_where_the_truth_is_known_it_is_compared_with():
    dataset = sparse_teacher(
        np.random.default_rng(0), n_samples=600, n_inputs=20, n_relevant=4, n_hidden=3,
        fan_in=2, n_outputs=3, reward_size=100, test_size=100,
    )  # fmt: skip
    trial = run(Swaps(20, 40), dataset, density=0.2)
    rows = trial.pieces("convergence")
    structure = trial.topology.structure
    ids = structure.neuron_ids
    first = [
        (int(ids[source]), int(ids[target]))
        for source, target in zip(structure.sources, structure.targets, strict=True)
        if ids[source] < 20
    ]
    inputs, neurons = np.array(first).T
    expected = recovered(dataset.truth, inputs, neurons)
    assert {name: rows[-1][name] for name in expected} == expected
    assert 0 < expected["truth_precision"] < 1
    assert not {"truth_precision", "truth_recall"} & set(run(Static()).pieces("convergence")[0])

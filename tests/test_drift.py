"""Laws of datasets that drift: a task follows from seed and number; training keeps to it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resumed import Made
from runs import SMALL
from samples import generator, rows_of
from test_checkpoint import goes_on_as_if_nothing_had_been
from trials import Rewarded, Swaps, Trial, contents, run

from plastic import datasets
from plastic.checkpoint import Checkpoints, checkpoints_in, load_checkpoint
from plastic.datasets import Split, permuted_inputs, permuted_labels, rotated_inputs
from plastic.datasets.drift import Drift
from plastic.datasets.permuted_labels import permute_labels
from plastic.datasets.rotated_inputs import image_rotation, rotation
from plastic.engine import Network
from plastic.errors import InvalidCheckpoint, InvalidData, InvalidParameter
from plastic.policies import PairedTrials, Static, sparse_evolution

DRIFTS = {
    "permuted_labels": permuted_labels,
    "permuted_inputs": permuted_inputs,
    "rotated_inputs": rotated_inputs,
}
every_drift = pytest.mark.parametrize("name", DRIFTS)


def drifting(name, base=datasets.wine, seed=0, every=30):
    return DRIFTS[name](generator(seed), base=base, every=every)


def arrays(dataset):
    return [array.tobytes() for s in dataset.splits.values() for array in (s.X, s.y)]


# ------------------------------------------------------------------------------ what a task is


@every_drift
def test_the_first_task_is_the_base_as_it_is(name):
    dataset, base = drifting(name), datasets.wine(generator(0))
    assert dataset.name == name
    assert arrays(dataset) == arrays(base) == arrays(dataset.at(0)) == arrays(dataset.at(29))
    assert dataset.at(0).classes == base.classes
    assert base.at(10**6) is base


@every_drift
@settings(deadline=None, max_examples=10)
@given(step=st.integers(0, 10**9), other=st.integers(0, 10**9), seed=st.integers(0, 2**32 - 1))
def test_a_task_follows_from_seed_and_number_alone(name, step, other, seed):
    one, again = (drifting(name, datasets.digits, seed) for _ in range(2))
    again.at(other)  # whatever was asked before
    assert arrays(one.at(step)) == arrays(again.at(step - step % 30))
    same = one.task_at(step) == one.task_at(other)
    assert (arrays(one.at(step)) == arrays(one.at(other))) == same


@every_drift
def test_another_seed_has_other_tasks_of_the_same_data(name):
    def fixed(rng):
        return datasets.wine(generator(7))

    one, other = (drifting(name, fixed, seed) for seed in (0, 1))
    assert arrays(one) == arrays(other)
    assert arrays(one.at(30)) != arrays(other.at(30))


@every_drift
def test_no_sample_changes_its_split(name):
    dataset = drifting(name)
    task = dataset.at(95)
    sizes = [len(split) for split in dataset.splits.values()]
    assert [len(split) for split in task.splits.values()] == sizes
    assert len(set.union(*map(rows_of, task.splits.values()))) == sum(sizes)
    assert (task.task, task.n_inputs, task.n_outputs) == ("classification", 13, 3)
    assert task.drift is None


def test_labels_change_names_and_nothing_else():
    dataset = drifting("permuted_labels", datasets.digits)
    task = dataset.at(45)
    for one, other in zip(dataset.splits.values(), task.splits.values(), strict=True):
        assert one.X.tobytes() == other.X.tobytes()
        of_class = [np.array(dataset.classes)[one.y.argmax(axis=1)]]
        of_class.append(np.array(task.classes)[other.y.argmax(axis=1)])
        assert np.array_equal(*of_class)
    assert sorted(task.classes) == sorted(dataset.classes) != list(task.classes)


def test_inputs_are_permuted_alike_in_every_sample():
    dataset = drifting("permuted_inputs", datasets.breast_cancer)
    task = dataset.at(45)
    order = [dataset.columns.index(name) for name in task.columns]
    assert sorted(order) == list(range(30)) != order
    for one, other in zip(dataset.splits.values(), task.splits.values(), strict=True):
        assert np.array_equal(other.X, one.X[:, order])
        assert np.array_equal(other.y, one.y)


def test_a_space_of_inputs_is_rotated_as_a_whole():
    dataset = drifting("rotated_inputs")
    task = dataset.at(45)
    for one, other in zip(dataset.splits.values(), task.splits.values(), strict=True):
        lengths = [one.X @ one.X.T, other.X @ other.X.T]
        np.testing.assert_allclose(*lengths, atol=1e-4)
    assert np.abs(dataset.train.X - task.train.X).max() > 1
    assert (dataset.columns, task.columns) == (dataset.columns, ())


def test_images_are_rotated_as_images():
    dataset = drifting("rotated_inputs", datasets.digits)
    before, after = (dataset.at(step).test.X[:20] for step in (0, 45))
    angles = np.arange(-180, 180)
    turned = [before @ image_rotation(8, 8, angle) for angle in angles]
    misses = np.array([np.abs(one - after).mean() for one in turned])
    assert misses.min() < 0.01 < 0.1 < np.median(misses)  # to half a degree


def test_angles_keep_within_what_was_asked_for():
    make = partial(rotated_inputs, base=datasets.digits, every=1)
    little = make(generator(0), most_degrees=2.0)
    for step in range(1, 6):
        change = np.abs(little.at(step).train.X - little.train.X)
        assert 0 < change.mean() < 0.06
    assert np.abs(make(generator(0)).at(1).train.X - little.train.X).mean() > 0.1


@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_a_rotation_is_one(n, seed):
    turn = rotation(n, generator(seed))
    np.testing.assert_allclose(turn @ turn.T, np.eye(n), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_quarter_turns_move_pixels_exactly():
    image = np.random.default_rng(0).random((1, 30))
    turned = image @ image_rotation(5, 6, 180)
    np.testing.assert_allclose(turned.reshape(5, 6), image.reshape(5, 6)[::-1, ::-1], atol=1e-9)
    square = np.random.default_rng(0).random((1, 49))
    turned = square @ image_rotation(7, 7, 90)
    np.testing.assert_allclose(turned.reshape(7, 7), np.rot90(square.reshape(7, 7)), atol=1e-9)


def test_what_was_known_of_inputs_is_known_no_more_once_they_have_changed():
    small = partial(datasets.sparse_teacher, n_samples=400, reward_size=100, test_size=100)
    for name, kept in (("permuted_labels", True), ("permuted_inputs", False)):
        dataset = drifting(name, small)
        assert dataset.truth is not None
        assert (dataset.at(30).truth is not None) == kept


# ------------------------------------------------------------------------------ what is refused


def test_labels_need_classes():
    with pytest.raises(InvalidData, match="needs classes, but diabetes is a regression"):
        drifting("permuted_labels", datasets.diabetes)


@every_drift
def test_a_task_takes_a_step_at_least(name):
    with pytest.raises(InvalidParameter, match="every must be a whole number of at least 1"):
        drifting(name, every=0)


def test_numbers_out_of_range():
    for most in (0.0, 181.0):
        with pytest.raises(InvalidParameter, match="most_degrees must lie in"):
            rotated_inputs(generator(), base=datasets.digits, most_degrees=most)
    with pytest.raises(InvalidParameter, match="seed must be a whole number of at least 0"):
        Drift(10, -1, permute_labels)


def test_an_image_has_as_many_pixels_as_there_are_inputs():
    with pytest.raises(InvalidData, match=r"13 inputs are no image of shape \(3, 4\)"):
        replace(datasets.wine(generator()), image=(3, 4))


# ---------------------------------------------------------------------------------- training


class Notes:
    """Every stretch that a network learned, with its data."""

    def __init__(self, monkeypatch):
        self.stretches, learn = [], Network.learn

        def spy(network, X, Y, rows, *rest, **options):
            step = network.topology.step
            losses = learn(network, X, Y, rows, *rest, **options)
            hits = options["hits"]
            self.stretches.append((step, X, Y, rows, losses, hits))
            return losses

        monkeypatch.setattr(Network, "learn", spy)


def on_moons(name="permuted_labels", every=30):
    return drifting(name, partial(datasets.two_moons, n_samples=400), 3, every)


@every_drift
def test_every_step_learns_from_its_task(monkeypatch, name):
    notes, dataset = Notes(monkeypatch), on_moons(name)
    run(Swaps(20, 50, 75), dataset, n_steps=100, evaluate_every=25)
    begins = [step for step, *_ in notes.stretches]
    assert begins == [0, 20, 25, 30, 50, 60, 75, 90]
    for step, X, Y, rows, *_ in notes.stretches:
        task = dataset.at(step)
        assert dataset.task_at(step) == dataset.task_at(step + len(rows) - 1)
        assert np.array_equal(X, task.train.X)
        assert np.array_equal(Y, task.train.y)


def test_the_mini_batches_are_those_of_a_dataset_that_does_not_drift(monkeypatch):
    notes = Notes(monkeypatch)
    for dataset in (replace(on_moons(), drift=None), on_moons()):
        run(Static(), dataset, n_steps=70)
    plain, drifted = (
        np.concatenate([rows for *_, rows, _, _ in part])
        for part in (notes.stretches[:2], notes.stretches[2:])
    )
    assert len(plain) == 70
    assert np.array_equal(plain, drifted)


def test_each_task_ends_with_an_evaluation_of_what_was_learned_last(monkeypatch):
    notes, dataset = Notes(monkeypatch), on_moons()
    trial = run(Static(), dataset, n_steps=100, evaluate_every=20)
    rows = trial.pieces("convergence")
    steps = [row["step"] for row in rows]
    assert steps == [0, 20, 30, 40, 60, 80, 90, 100]
    assert [row["task"] for row in rows] == [0, 0, 0, 1, 1, 2, 2, 3]
    losses = np.concatenate([losses for *_, losses, _ in notes.stretches])
    hits = np.concatenate([hits for *_, hits in notes.stretches])
    assert np.isnan(rows[0]["running_loss"]).all()
    assert np.isnan(rows[0]["running_score"]).all()
    for before, row in pairwise(rows):
        since = slice(before["step"], row["step"])
        assert row["running_loss"][0] == pytest.approx(losses[since].mean())
        assert row["running_score"][0] == pytest.approx(hits[since].mean() / 20)
        assert np.isnan(row["running_score"][1:]).all()
    last = dataset.at(99)
    loss, answers = trial.network.evaluate(last.test.X, last.test.y)
    assert rows[-1]["loss"][2] == loss
    assert rows[-1]["score"][2] == last.score(answers, last.test.y)


def test_without_a_drift_there_is_no_task():
    trial = run(Static(), n_steps=40)
    assert trial.column("convergence", "task").tolist() == [-1] * 6
    assert 0.4 < trial.pieces("convergence")[-1]["running_score"][0] <= 1


def test_a_regression_drifts_and_has_no_running_score():
    dataset = rotated_inputs(generator(), base=datasets.diabetes, every=30)
    rows = run(Static(), dataset, n_steps=60, evaluate_every=30).pieces("convergence")
    assert [row["task"] for row in rows] == [0, 0, 1]
    assert np.isnan(rows[-1]["running_score"]).all()
    assert rows[-1]["running_loss"][0] > 0


def test_a_policy_never_sees_the_task_to_come():
    dataset, policy = on_moons(), Rewarded(29, 30, 31, 60)
    trial = run(policy, dataset, n_steps=70)
    for step, X, Y in policy.views:
        task = dataset.at(step - 1)  # learned last, at 30 not yet the second
        seen = {x.tobytes() + y.tobytes() for x, y in zip(X, Y, strict=True)}
        known = zip(task.train.X, task.train.y, strict=True)
        assert seen <= {x.tobytes() + y.tobytes() for x, y in known}
    assert len(trial.policy.outcomes) == 3


def test_the_test_split_of_no_task_changes_what_is_learned():
    clean = on_moons()
    poisoned = replace(clean, test=Split(1e3 * clean.test.X[::-1], clean.test.y[::-1]))
    ends = [contents(run(Rewarded(20, 50), d, n_steps=90).network) for d in (clean, poisoned)]
    assert ends[0] == ends[1]


def test_trials_may_span_a_change_of_task():
    def trial():
        return Trial(PairedTrials(every=40), on_moons(every=30), n_steps=200).run()

    one, other = trial(), trial()
    assert contents(one.network) == contents(other.network)
    assert [row["task"] for row in one.pieces("convergence")][-1] == 6


@every_drift
def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_been(config_of, tmp_path, name):
    base = [
        "dataset@dataset.base=wine",
        "dataset.every=11",
        "policy=thompson",
        "policy.every=7",
    ]
    small = [f"dataset={name}", *SMALL[1:], *base]
    goes_on_as_if_nothing_had_been(config_of(*small), tmp_path, every=4)


def test_a_checkpoint_of_other_tasks_is_refused(config_of, tmp_path):
    small = [
        "dataset=permuted_labels",
        "dataset@dataset.base=wine",
        *SMALL[1:],
        "policy=static",
    ]
    saved = Made(config_of(*small, "dataset.every=10"))
    list(saved.train(checkpoints=Checkpoints(tmp_path, 16, 0, keep=None)))
    checkpoint = load_checkpoint(checkpoints_in(tmp_path)[0])
    with pytest.raises(InvalidCheckpoint, match="with task_steps 10, not 15"):
        Made(config_of(*small, "dataset.every=15")).train(resume=checkpoint)


def test_both_engines_drift_alike():
    scores = []
    for engine in ("fast", "nodes"):
        trial = run(
            sparse_evolution(every=20), on_moons(), n_steps=70, engine=engine, dtype="float64"
        )
        scores.append(trial.column("convergence", "running_score"))
    np.testing.assert_array_equal(*scores)

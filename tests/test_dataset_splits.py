"""Splits are disjoint, stratified, of the sizes asked for, and scaled by training only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import generator, rows_of

from plastic import datasets
from plastic.datasets import from_arrays, from_parts
from plastic.errors import InvalidData, InvalidParameter

# ---------------------------------------------------------------- splitting


@given(
    counts=st.lists(st.integers(3, 40), min_size=2, max_size=6),
    reward=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 100),
)
def test_splits_are_exact_disjoint_and_stratified(counts, reward, test, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    n, k = len(labels), len(counts)
    n_reward = max(k, int(reward * n))
    n_test = min(max(k, int(test * n)), n - n_reward - k)
    X = np.arange(n, dtype=float)[:, np.newaxis]
    dataset = from_arrays(
        "rows",
        X,
        labels,
        generator(seed),
        reward_size=n_reward,
        test_size=n_test,
        scale="none",
    )
    rows = {name: split.X[:, 0].astype(int) for name, split in dataset.splits.items()}
    assert [len(part) for part in rows.values()] == [n - n_reward - n_test, n_reward, n_test]
    assert np.array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(n))
    for name, split in dataset.splits.items():
        assert np.array_equal(split.y.argmax(axis=1), labels[rows[name]])
        assert (split.y.sum(axis=0) >= 1).all()
    # proportional up to rounding, and up to the one sample that every class must leave or have
    fair = n_test * np.array(counts) / n
    assert (np.abs(dataset.test.y.sum(axis=0) - fair) <= k).all()


def test_stratification_is_proportional():
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    dataset = from_arrays(
        "x", np.arange(1000.0)[:, None], labels, generator(), reward_size=100, test_size=0.2
    )
    assert dataset.test.y.sum(axis=0).tolist() == [100, 60, 40]
    assert dataset.reward.y.sum(axis=0).tolist() == [50, 30, 20]
    assert dataset.train.y.sum(axis=0).tolist() == [350, 210, 140]


def test_a_rare_class_is_in_every_split():
    labels = np.repeat(["common", "rare"], [97, 3])
    dataset = from_arrays(
        "x", np.arange(100.0)[:, None], labels, generator(), reward_size=10, test_size=0.8
    )
    assert [split.y.sum(axis=0).tolist() for split in dataset.splits.values()] == [
        [9, 1],
        [9, 1],
        [79, 1],
    ]


def test_test_rows_do_not_depend_on_the_reward_size():
    small = datasets.wine(generator(), reward_size=20, scale="none")
    large = datasets.wine(generator(), reward_size=60, scale="none")
    assert np.array_equal(small.test.X, large.test.X)
    assert rows_of(small.reward) <= rows_of(large.reward)


def test_rows_come_in_random_order():
    dataset = from_arrays(
        "x", np.arange(100.0)[:, None], np.repeat(["a", "b"], 50), generator(), scale="none"
    )
    assert not np.array_equal(dataset.train.X[:, 0], np.sort(dataset.train.X[:, 0]))


@pytest.mark.parametrize("size", [0, -3, 1.0, 0.0, 1.5, True, "many", float("nan")])
def test_sizes_out_of_range_are_refused(size):
    for name in ("reward_size", "test_size"):
        with pytest.raises(InvalidParameter, match=name):
            datasets.wine(generator(), **{name: size})


def test_sizes_that_leave_nothing_are_refused():
    with pytest.raises(InvalidData, match="cannot be split into train -22, reward 100"):
        datasets.wine(generator(), reward_size=100, test_size=100)
    with pytest.raises(InvalidData, match="reward needs at least 3 \\(one of each class\\)"):
        datasets.wine(generator(), reward_size=2)
    with pytest.raises(InvalidData, match="test needs at least 2 \\(two\\)"):
        datasets.diabetes(generator(), test_size=1)


# ---------------------------------------------------------------- scaling


def test_statistics_of_the_other_splits_do_not_leak():
    X = generator(1).normal(size=(100, 2))
    y = X[:, 0] > 0
    kept = from_parts("x", (X[:80], y[:80]), (X[80:], y[80:]), generator(), reward_size=10)
    far = from_parts("x", (X[:80], y[:80]), (X[80:] + 1e3, y[80:]), generator(), reward_size=10)
    assert np.array_equal(kept.train.X, far.train.X)
    assert np.array_equal(kept.reward.X, far.reward.X)
    assert far.test.X.min() > 100


def test_constant_and_nearly_constant_columns_are_left_at_zero():
    X = generator().normal(size=(100, 3))
    X[:, 1] = 0.1
    X[:, 2] = np.where(X[:, 0] > 0, 0.3, 0.1 + 0.2)  # differ by rounding
    dataset = from_arrays("x", X, X[:, 0] > 0, generator())
    for split in dataset.splits.values():
        assert not split.X[:, 1:].any()


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30])
def test_tiny_and_huge_columns_are_standardized_all_the_same(size):
    X = generator().normal(size=(100, 1)) * size
    dataset = from_arrays("x", X, X[:, 0] > 0, generator())
    assert dataset.train.X.std() == pytest.approx(1, abs=1e-5)


def test_unit_scale_leaves_zeros_alone():
    dataset = from_arrays("x", np.zeros((20, 2)), [0, 1] * 10, generator(), scale="unit")
    assert not dataset.train.X.any()


def test_regression_targets_are_standardized_by_training_statistics_whatever_the_scale():
    X = generator().normal(size=(200, 3))
    y = np.column_stack([1e4 + 300 * X[:, 0], X[:, 1] - 5])
    dataset = from_arrays("x", X, y, generator(), scale="none")
    assert dataset.task == "regression"
    assert np.allclose(dataset.train.y.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(dataset.train.y.std(axis=0), 1, atol=1e-6)
    slope = np.polyfit(dataset.train.X[:, 0], dataset.train.y[:, 0], 1)
    assert np.allclose(np.polyval(slope, dataset.test.X[:, 0]), dataset.test.y[:, 0], atol=1e-5)
    assert abs(dataset.test.y.mean()) > 1e-3  # its own mean was not taken away


def test_a_target_that_is_constant_in_training_is_refused():
    X = np.arange(30.0)[:, np.newaxis]
    message = "target 0 has one value only in the training samples"
    with pytest.raises(InvalidData, match=message):
        from_parts("x", (X, np.full(30, 7.5)), (X, X[:, 0]), generator(), task="regression")

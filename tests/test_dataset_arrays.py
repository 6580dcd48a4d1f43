"""Arrays that cannot be learned from are refused, and a dataset scores its answers."""

from dataclasses import replace

import numpy as np
import pytest
from samples import GOOD, LABELS, generator

from plastic import datasets
from plastic.datasets import Dataset, Split, from_arrays, from_parts
from plastic.errors import InvalidData, InvalidParameter

# ---------------------------------------------------------------- what cannot be learned from


def spoiled(value):
    X = GOOD.copy()
    X[3:5, 1] = value
    return X


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (spoiled(np.nan), LABELS, "column 1 holds NaN in 2 of 20 rows"),
        (spoiled(-np.inf), LABELS, "column 1 holds infinity in 2 of 20 rows"),
        (spoiled(1e39), LABELS, "column 1 holds values beyond float32 in 2 of 20 rows"),
        (GOOD[:, 0], LABELS, r"X must have shape \(n_samples, n_inputs\), got shape \(20,\)"),
        (GOOD[:0], [], r"must hold samples and inputs, got shape \(0, 2\)"),
        (GOOD[:, :0], LABELS, r"must hold samples and inputs, got shape \(20, 0\)"),
        (GOOD.astype(str), LABELS, "X must be numeric, got <U"),
        (GOOD * 1j, LABELS, "X must be numeric, got complex128"),
        (GOOD, LABELS[:-1], r"labels must have shape \(20,\), got shape \(19,\)"),
        (GOOD, ["a"] * 20, "at least two classes, got only 'a'"),
        (GOOD, [None, *"ab" * 9, "a"], "the label is missing in 1 of 20 rows"),
        (GOOD, ["a"] * 2 + ["b"] * 18, "class 'a' has 2 samples, too few to be in train"),
        (GOOD, np.full(20, 2.5), "target 0 is 2.5 in all samples"),
        (GOOD, np.full(20, np.nan), "target 0 holds NaN in 20 of 20 rows"),
        (GOOD, np.zeros((19, 1)), r"y must have shape \(20,\) or \(20, n_outputs\)"),
        (GOOD[:4], [0.5, 1.5, 2.5, 3.5], "reward needs at least 2 \\(two\\)"),
        (GOOD[:5], list("ababa"), "class 'b' has 2 samples"),
    ],
)
def test_bad_arrays_are_refused(X, y, message):
    with pytest.raises(InvalidData, match=message):
        from_arrays("x", X, y, generator())


def test_bad_tasks_and_classes_are_refused():
    with pytest.raises(InvalidParameter, match="task must be one of"):
        from_arrays("x", GOOD, LABELS, generator(), task="clustering")
    with pytest.raises(InvalidData, match="label 1 is out of range"):
        from_arrays("x", GOOD, LABELS, generator(), classes=["only"])
    with pytest.raises(InvalidData, match="label -1 is out of range"):
        from_arrays("x", GOOD, LABELS - 1, generator(), classes=["a", "b"])
    with pytest.raises(InvalidData, match="class 'c' has 0 samples"):
        from_arrays("x", GOOD, LABELS, generator(), classes=["a", "b", "c"])
    with pytest.raises(InvalidData, match="whole numbers if classes are named"):
        from_arrays("x", GOOD, LABELS + 0.5, generator(), classes=["a", "b"])
    with pytest.raises(InvalidData, match="y must be numeric"):
        from_arrays("x", GOOD, ["a"] * 20, generator(), task="regression")
    labels = np.where(LABELS, 1.0, np.nan)
    with pytest.raises(InvalidData, match="the label is missing in 10 of 20 rows"):
        from_arrays("x", GOOD, labels, generator(), task="classification")


def test_bad_parts_are_refused():
    good = (GOOD, LABELS)
    with pytest.raises(InvalidData, match="train and test must have the same inputs"):
        from_parts("x", good, (GOOD[:, :1], LABELS), generator())
    with pytest.raises(InvalidData, match=r"train has X of shape \(20, 2\), but y of"):
        from_parts("x", (GOOD, LABELS[:-1]), (GOOD, [*LABELS, 1]), generator())
    with pytest.raises(InvalidData, match=r"labels must have shape \(40,\)"):
        from_parts("x", good, (GOOD, LABELS[:-1]), generator())


def test_names_of_columns_are_one_for_each():
    dataset = from_arrays("x", GOOD, LABELS, generator(), columns=["a", "b"])
    assert dataset.columns == ("a", "b")
    with pytest.raises(InvalidData, match="X has 2 columns, but 3 are named"):
        from_arrays("x", GOOD, LABELS, generator(), columns=["a", "b", "c"])
    with pytest.raises(InvalidData, match="2 inputs need as many columns, got 1"):
        replace(dataset, columns=("a",))
    with pytest.raises(InvalidParameter, match="missing must be one of 'refuse', 'fill'"):
        from_arrays("x", GOOD, LABELS, generator(), missing="zero")
    with pytest.raises(InvalidData, match="column 0 holds infinity in 1 of 20 rows"):
        from_arrays(
            "x", np.vstack([[np.inf, 1], GOOD[1:]]), LABELS, generator(), missing="fill"
        )


def test_many_bad_columns_are_counted_not_all_listed():
    with pytest.raises(
        InvalidData, match=r"column 4 holds NaN.*; so do 3 more; missing='fill' puts"
    ):
        from_arrays("x", np.full((20, 8), np.nan), LABELS, generator())


# ---------------------------------------------------------------- Dataset and Split


def test_split_refuses_arrays_that_do_not_fit():
    with pytest.raises(InvalidData, match=r"X must have shape \(n_samples, n_values\)"):
        Split(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(InvalidData, match="X has 3 samples, but y has 2"):
        Split(np.zeros((3, 1)), np.zeros((2, 1)))
    with pytest.raises(InvalidData, match="y must hold finite float32 values"):
        Split(np.zeros((1, 1)), np.full((1, 1), 1e39))


def test_split_does_not_freeze_the_array_that_it_was_given():
    X = np.zeros((2, 1), np.float32)
    split = Split(X, X)
    X[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        split.X[0] = 2


def test_dataset_refuses_splits_that_do_not_agree():
    good = Split([[0.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]])
    wide = Split([[0.0, 1.0]], [[1.0, 0.0]])
    empty = Split(np.zeros((0, 1)), np.zeros((0, 2)))
    soft = Split([[0.0]], [[0.5, 0.5]])
    names = ("a", "b")
    with pytest.raises(InvalidData, match="x: train has 1 inputs, but reward has 2"):
        Dataset("x", "classification", good, wide, good, names)
    with pytest.raises(InvalidData, match="x: test holds no samples"):
        Dataset("x", "classification", good, good, empty, names)
    with pytest.raises(InvalidData, match="y of test must be one-hot"):
        Dataset("x", "classification", good, good, soft, names)
    with pytest.raises(InvalidData, match="2 outputs need as many classes, got 1"):
        Dataset("x", "classification", good, good, good, ("a",))
    with pytest.raises(InvalidData, match="regression has no classes"):
        Dataset("x", "regression", good, good, good, names)
    with pytest.raises(InvalidParameter, match="task must be one of"):
        Dataset("x", "ranking", good, good, good)


def test_properties_follow_the_task():
    wine, diabetes = datasets.wine(generator()), datasets.diabetes(generator())
    assert (wine.loss, wine.output_activation, wine.metric) == (
        "cross_entropy",
        "softmax",
        "accuracy",
    )
    assert (diabetes.loss, diabetes.output_activation, diabetes.metric) == (
        "mse",
        "identity",
        "r2",
    )
    assert list(wine.splits) == ["train", "reward", "test"]


def test_score_agrees_with_scikit_learn():
    from sklearn.metrics import accuracy_score, r2_score

    wine = datasets.wine(generator())
    outputs = generator(1).random((len(wine.test), 3))
    expected = accuracy_score(wine.test.y.argmax(axis=1), outputs.argmax(axis=1))
    assert wine.score(outputs, wine.test.y) == pytest.approx(expected)

    two = datasets.sparse_teacher(generator(), task="regression", n_outputs=2)
    targets = two.test.y + 0.5
    outputs = targets + generator(1).normal(size=targets.shape)
    assert two.score(outputs, targets) == pytest.approx(r2_score(targets, outputs))
    targets = np.ones_like(targets)
    assert two.score(targets, targets) == 1
    assert two.score(targets + np.array([[0, 1]]), targets) == 0.5


def test_score_refuses_other_shapes_and_counts_nan_as_wrong():
    wine = datasets.wine(generator())
    y = wine.test.y
    for outputs, targets in ((y[:-1], y), (y[:, :2], y[:, :2]), (y.ravel(), y), (y[:0], y[:0])):
        with pytest.raises(InvalidData, match="outputs and targets must both have shape"):
            wine.score(outputs, targets)
    assert wine.score(np.full_like(y, np.nan), y) == 0

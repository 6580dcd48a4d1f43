"""Laws of the datasets: same seed same arrays, disjoint splits, scaled by training only."""

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from plastic import datasets
from plastic.datasets import Dataset, Split, Truth, from_arrays, from_parts
from plastic.datasets.mnist1d import published_signals
from plastic.errors import InvalidData, InvalidParameter

CONF = Path(__file__).parents[1] / "conf" / "dataset"
OFFLINE = {
    "breast_cancer": (341, 114, 114, 30, 2),
    "diabetes": (264, 89, 89, 10, 1),
    "digits": (1000, 250, 547, 64, 10),
    "mnist1d": (3500, 500, 1000, 40, 10),
    "sparse_teacher": (3000, 500, 2000, 100, 4),
    "two_moons": (600, 200, 200, 2, 2),
    "two_spirals": (600, 200, 200, 2, 2),
    "wine": (106, 36, 36, 13, 3),
    "xor": (4, 4, 4, 2, 2),
}
PRIVATE = ("fashion_mnist", "table")  # these need files


def generator(seed=0):
    return np.random.default_rng(seed)


def rows_of(split):
    return {row.tobytes() for row in split.X}


def assert_same(first, second):
    for name, split in first.splits.items():
        assert np.array_equal(split.X, second.splits[name].X)
        assert np.array_equal(split.y, second.splits[name].y)


# ---------------------------------------------------------------- every loader


@pytest.mark.parametrize("name", OFFLINE)
def test_loader_gives_the_promised_dataset(name):
    dataset = getattr(datasets, name)(generator())
    sizes = tuple(len(split) for split in dataset.splits.values())
    assert (*sizes, dataset.n_inputs, dataset.n_outputs) == OFFLINE[name]
    assert dataset.name == name
    for split in dataset.splits.values():
        assert split.X.dtype == split.y.dtype == np.float32
        assert not split.X.flags.writeable
        assert not split.y.flags.writeable
        if dataset.task == "classification":
            assert set(np.unique(split.y)) == {0, 1}
            assert (split.y.sum(axis=1) == 1).all()
            assert split.y.any(axis=0).all()  # every class in every split
    assert dataset.score(dataset.test.y, dataset.test.y) == 1


@pytest.mark.parametrize("name", OFFLINE)
def test_same_seed_same_arrays_other_seed_other_arrays(name):
    loader = getattr(datasets, name)
    first = loader(generator(3))
    assert_same(first, loader(generator(3)))
    others = [loader(generator(seed)) for seed in (4, 5, 6)]
    assert any(not np.array_equal(first.reward.X, other.reward.X) for other in others)


@pytest.mark.parametrize("name", sorted(set(OFFLINE) - {"xor"}))
def test_splits_are_disjoint(name):
    dataset = getattr(datasets, name)(generator())
    train, reward, test = (rows_of(split) for split in dataset.splits.values())
    assert len(train | reward | test) == sum(OFFLINE[name][:3])


def test_xor_is_the_one_exception():
    dataset = datasets.xor(generator())
    assert dataset.train is dataset.reward is dataset.test
    first, second = dataset.train.X.T
    assert np.array_equal(dataset.train.y[:, 1], (first != second).astype(float))


@pytest.mark.parametrize("name", OFFLINE)
@pytest.mark.parametrize("scale", ["standardize", "unit", "none"])
def test_scale_uses_training_statistics(name, scale):
    raw = getattr(datasets, name)(generator(), scale="none")
    dataset = getattr(datasets, name)(generator(), scale=scale)
    X = raw.train.X.astype(np.float64)
    if scale == "standardize":
        deviation = X.std(axis=0)
        constant = deviation == 0
        expected = [
            (split.X - X.mean(axis=0)) / np.where(constant, np.inf, deviation)
            for split in raw.splits.values()
        ]
        assert np.allclose(dataset.train.X.mean(axis=0), 0, atol=1e-5)
        assert np.allclose(dataset.train.X.std(axis=0), ~constant, atol=1e-5)
    else:
        divisor = np.abs(X).max() if scale == "unit" else 1
        expected = [split.X / divisor for split in raw.splits.values()]
    for split, values in zip(dataset.splits.values(), expected, strict=True):
        assert np.allclose(split.X, values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", OFFLINE)
def test_an_unknown_scale_is_refused(name):
    with pytest.raises(InvalidParameter, match="scale must be one of 'standardize'"):
        getattr(datasets, name)(generator(), scale="huge")


def test_every_loader_has_a_config_with_its_defaults():
    assert {path.stem for path in CONF.glob("*.yaml")} == {*OFFLINE, *PRIVATE}
    for name in (*OFFLINE, *PRIVATE):
        config = OmegaConf.load(CONF / f"{name}.yaml")
        parameters = list(inspect.signature(getattr(datasets, name)).parameters.values())
        assert parameters[0].name == "rng"
        defaults = {
            p.name: "???" if p.default is p.empty else p.default for p in parameters[1:]
        }
        wanted = {"name": name, "_target_": f"plastic.datasets.{name}", **defaults}
        assert OmegaConf.to_container(config) == wanted


def test_a_loader_is_found_under_its_own_name():
    for name in (*OFFLINE, *PRIVATE):
        loader = getattr(datasets, name)
        assert inspect.isfunction(loader)
        assert sys.modules[f"plastic.datasets.{name}"].__dict__[name] is loader


def test_global_random_state_is_neither_read_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the very thing that is tested
    for name in OFFLINE:
        getattr(datasets, name)(generator())
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


# ---------------------------------------------------------------- single loaders


def test_digits_are_pixels_over_sixteen():
    dataset = datasets.digits(generator())
    grey = dataset.train.X * 16
    assert np.array_equal(grey, np.round(grey))
    assert grey.max() == 16
    published = sklearn.datasets.load_digits().data
    kept = np.concatenate([split.X for split in dataset.splits.values()]) * 16
    assert np.array_equal(np.sort(kept, axis=0), np.sort(published, axis=0))


def test_mnist1d_is_the_published_one():
    X, y = published_signals()
    assert X.shape == (5000, 40)
    assert np.array_equal(np.bincount(y), np.full(10, 500))
    assert list(y[:4]) == [2, 6, 4, 5]
    assert list(y[4000:4004]) == [2, 6, 3, 9]
    # from the published file
    first = [-0.3320056674, -0.4719103657, -0.7786970763, -1.0097408265]
    assert np.allclose(X[0, :4], first, atol=1e-9)
    first_of_test = [-0.0787707805, -0.2107317059, -0.0917513811, 0.2826711174]
    assert np.allclose(X[4000, :4], first_of_test, atol=1e-9)
    weights = np.cos(np.arange(X.size)).reshape(X.shape)
    assert np.sum(X * weights) == pytest.approx(445.7184519659724, abs=1e-6)


def test_mnist1d_reports_the_published_test_samples_in_order():
    X, y = published_signals()
    dataset = datasets.mnist1d(generator(), reward_size=0.25)
    assert np.array_equal(dataset.test.X, X[4000:].astype(np.float32))
    assert np.array_equal(dataset.test.y.argmax(axis=1), y[4000:])
    assert len(dataset.reward) == 1000


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_sparse_teacher_depends_on_its_relevant_inputs_only(task):
    dataset = datasets.sparse_teacher(
        generator(1), task=task, n_inputs=20, n_relevant=5, fan_in=2, n_hidden=6, n_outputs=3
    )
    relevant = dataset.truth.relevant_inputs
    connections = dataset.truth.connections
    assert np.array_equal(relevant, np.sort(relevant))
    assert np.array_equal(connections.any(axis=1), np.isin(np.arange(20), relevant))
    assert set(connections.sum(axis=0)) <= {0, 2}
    assert dataset.task == task
    # what targets tell of an input by its square and itself, against chance in 3000 samples
    X = dataset.train.X
    kinds = np.concatenate([X, X**2], axis=1)
    told = np.abs(np.corrcoef(kinds.T, dataset.train.y.T)[:40, 40:]).max(axis=1)
    told = told.reshape(2, 20).max(axis=0)
    assert told[relevant].min() > 0.1
    assert np.delete(told, relevant).max() < 0.1


def test_sparse_teacher_counts_only_units_that_are_heard():
    for seed in range(30):
        truth = datasets.sparse_teacher(
            generator(seed),
            task="regression",
            n_outputs=1,
            n_samples=50,
            reward_size=10,
            test_size=10,
        ).truth
        heard = truth.connections.any(axis=0)
        if not heard.all():
            break
    assert not heard.all()  # with one output, 4 units in 10 feed none
    assert (truth.connections.sum(axis=0)[heard] == 4).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fan_in": 11}, "n_relevant must be a whole number of at least 11, got 10"),
        ({"n_relevant": 101}, "n_inputs must be a whole number of at least 101, got 100"),
        ({"n_outputs": 1}, "n_outputs must be a whole number of at least 2, got 1"),
        ({"n_hidden": 0}, "n_hidden must be a whole number of at least 1, got 0"),
        ({"n_samples": 2.5}, "n_samples must be a whole number"),
        ({"task": "ranking"}, "task must be one of"),
    ],
)
def test_sparse_teacher_refuses(parameters, message):
    with pytest.raises(InvalidParameter, match=message):
        datasets.sparse_teacher(generator(), **parameters)


def test_moons_and_spirals_lie_where_they_should():
    spirals = datasets.two_spirals(generator(), noise=0, turns=2, scale="none")
    X, late = spirals.train.X, spirals.train.y.argmax(axis=1)
    radius = np.hypot(*X.T)
    angle = 4 * np.pi * radius + np.pi * late
    assert np.allclose(
        X, radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), atol=1e-4
    )
    moons = datasets.two_moons(generator(), noise=0, scale="none")
    upper = moons.train.X[moons.train.y[:, 0] == 1]
    assert np.allclose(np.hypot(*upper.T), 1, atol=1e-6)
    assert (upper[:, 1] >= -1e-6).all()


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("two_moons", {"noise": -1}, "noise must lie in"),
        ("two_moons", {"n_samples": 5}, "n_samples must be"),
        ("two_spirals", {"noise": float("nan")}, "noise must lie in"),
        ("two_spirals", {"turns": 0}, "turns must lie in"),
        ("two_spirals", {"n_samples": 1}, "n_samples must be"),
    ],
)
def test_planes_refuse(name, parameters, message):
    with pytest.raises(InvalidParameter, match=message):
        getattr(datasets, name)(generator(), **parameters)


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


# ---------------------------------------------------------------- what cannot be learned from

LABELS = np.arange(20) % 2
GOOD = np.arange(40.0).reshape(20, 2)


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


def test_many_bad_columns_are_counted_not_all_listed():
    with pytest.raises(InvalidData, match=r"column 4 holds NaN.*; so do 3 more$"):
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


# ---------------------------------------------------------------- truth


@pytest.fixture(scope="module")
def truth():
    return datasets.sparse_teacher(np.random.default_rng(0)).truth


def test_a_network_wired_like_the_teacher_recovers_all(truth):
    inputs, units = np.nonzero(truth.connections)
    renamed = np.random.default_rng(1).permutation(1000)[units]  # neuron ids are arbitrary
    assert datasets.recovered(truth, inputs, renamed) == {
        "truth_precision": 1.0,
        "truth_recall": 1.0,
    }
    twice = np.tile(inputs, 2), np.tile(renamed, 2)
    assert datasets.truth_recall(truth, *twice) == 1


def test_an_empty_network_recovers_nothing(truth):
    assert np.isnan(datasets.truth_precision(truth, [], []))
    assert datasets.truth_recall(truth, [], []) == 0


def test_a_random_network_is_as_precise_as_chance(truth):
    random = np.random.default_rng(2)
    inputs, neurons = np.nonzero(random.random((100, 500)) < 0.1)
    precision = datasets.truth_precision(truth, inputs, neurons)
    assert precision == pytest.approx(len(truth.relevant_inputs) / 100, abs=0.02)
    few = neurons < 12
    assert 0 < datasets.truth_recall(truth, inputs[few], neurons[few]) < 0.5


def test_recall_matches_one_to_one(truth):
    relevant = truth.relevant_inputs
    one = datasets.truth_recall(truth, relevant, np.zeros_like(relevant))
    most = truth.connections.sum(axis=0).max()
    assert one == most / truth.connections.sum()  # one neuron stands for one unit only
    n_units = truth.connections.shape[1]
    all_of_them = np.repeat(relevant, n_units), np.tile(np.arange(n_units), len(relevant))
    assert datasets.truth_recall(truth, *all_of_them) == 1


def test_recall_is_the_best_matching():
    from itertools import permutations

    random = np.random.default_rng(5)
    connections = random.random((6, 4)) < 0.5
    network = random.random((6, 4)) < 0.5
    known = Truth(np.flatnonzero(connections.any(axis=1)), connections)
    best = max((connections & network[:, list(p)]).sum() for p in permutations(range(4)))
    assert datasets.truth_recall(known, *np.nonzero(network)) == best / connections.sum()


def test_bad_pairs_are_refused(truth):
    with pytest.raises(InvalidData, match="flat arrays of the same length"):
        datasets.truth_recall(truth, [1, 2], [1])
    with pytest.raises(InvalidData, match="input 100 does not exist: there are 100 inputs"):
        datasets.truth_precision(truth, [1, 100], [1, 1])
    with pytest.raises(InvalidData, match="the truth has no connections"):
        datasets.truth_recall(Truth([], np.zeros((3, 2))), [1], [1])

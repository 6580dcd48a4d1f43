"""Every loader gives what it promises: same seed same arrays, scaled by training only."""

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from omegaconf import OmegaConf
from samples import assert_same, generator, rows_of

from plastic import datasets
from plastic.datasets.mnist1d import published_signals
from plastic.errors import InvalidParameter

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
DRIFTING = ("permuted_inputs", "permuted_labels", "rotated_inputs")  # these need a base


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
    named = {path.stem for path in CONF.glob("*.yaml")}
    another_use = "noisy_teacher"  # of sparse_teacher
    assert named == {*OFFLINE, *PRIVATE, *DRIFTING, another_use}
    for name in (*OFFLINE, *PRIVATE):
        config = OmegaConf.load(CONF / f"{name}.yaml")
        parameters = list(inspect.signature(getattr(datasets, name)).parameters.values())
        assert parameters[0].name == "rng"
        defaults = {
            p.name: "???" if p.default is p.empty else p.default for p in parameters[1:]
        }
        defaults |= {key: [*held] for key, held in defaults.items() if isinstance(held, tuple)}
        wanted = {"name": name, "_target_": f"plastic.datasets.{name}", **defaults}
        assert OmegaConf.to_container(config) == wanted


def test_a_loader_is_found_under_its_own_name():
    for name in (*OFFLINE, *PRIVATE, *DRIFTING):
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


def test_sparse_teacher_feeds_as_many_outputs_as_asked_for():
    few, all_of_them = (
        datasets.sparse_teacher(
            generator(2), task="regression", n_hidden=20, n_outputs=2, output_density=density
        ).truth.connections.any(axis=0)
        for density in (0.2, 1.0)
    )
    assert all_of_them.all()
    assert 0 < few.sum() < 15


def test_noise_of_the_teacher_is_as_large_as_asked_for():
    clean, noisy = (
        datasets.sparse_teacher(generator(3), task="regression", noise=noise)
        for noise in (0.0, 0.2)
    )
    assert np.array_equal(clean.truth.connections, noisy.truth.connections)
    # the noise is drawn before the split, so the two are split otherwise: match them by inputs
    rows = {x.tobytes(): y for x, y in zip(clean.train.X, clean.train.y, strict=True)}
    added = [
        y - rows[x.tobytes()]
        for x, y in zip(noisy.train.X, noisy.train.y, strict=True)
        if x.tobytes() in rows
    ]
    assert len(added) > 1000
    assert np.std(added) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fan_in": 11}, "n_relevant must be a whole number of at least 11, got 10"),
        ({"n_relevant": 101}, "n_inputs must be a whole number of at least 101, got 100"),
        ({"n_outputs": 1}, "n_outputs must be a whole number of at least 2, got 1"),
        ({"n_hidden": 0}, "n_hidden must be a whole number of at least 1, got 0"),
        ({"n_samples": 2.5}, "n_samples must be a whole number"),
        ({"task": "ranking"}, "task must be one of"),
        ({"noise": -0.1}, "noise must lie in"),
        ({"output_density": 0}, "output_density must lie in"),
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

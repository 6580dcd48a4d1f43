"""scikit-learn's interface: its own checks, its tools, and what ours add."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import plastic
from plastic.engine import SGD
from plastic.errors import InvalidData, InvalidParameter
from plastic.estimators import PlasticClassifier, PlasticRegressor
from plastic.policies import gradual_magnitude, sparse_evolution
from plastic.policies.naming import POLICIES

ROOT = Path(__file__).parent.parent
X, Y = load_iris(return_X_y=True)


@parametrize_with_checks([PlasticClassifier(), PlasticRegressor()])
def test_scikit_learn_finds_nothing_to_complain_of(estimator, check):
    """The one that is skipped here, for want of a variable, is run by the next test."""
    check(estimator)


def test_nor_where_its_check_of_other_arrays_runs(process):
    these = ["tests/test_estimators.py", "-k", "nothing_to_complain_of and array_api"]
    quietly = ["-q", "-p", "no:cacheprovider"]
    # SciPy reads it once, when it is imported
    ended = process("-m", "pytest", *quietly, *these, cwd=ROOT, SCIPY_ARRAY_API="1")
    assert ended.code == 0, ended.out
    assert re.search(r"^2 passed, \d+ deselected", ended.out, re.MULTILINE), ended.out


def test_a_grid_over_policies_and_densities():
    data = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), PlasticClassifier(epochs=10, random_state=0))
    grid = {
        "plasticclassifier__policy": ["static", "set", "rigl"],
        "plasticclassifier__density": [0.1, 0.3],
    }
    search = GridSearchCV(model, grid, cv=3).fit(*data)
    assert len(search.cv_results_["params"]) == 6
    assert search.best_score_ > 0.93
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_cross_validation_of_a_regressor():
    inputs, targets = load_diabetes(return_X_y=True)
    model = make_pipeline(StandardScaler(), PlasticRegressor("set", epochs=10, random_state=0))
    assert cross_val_score(model, inputs, targets, cv=3).mean() > 0.3


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_by_name(name):
    model = PlasticClassifier(name, epochs=10, random_state=0).fit(X, Y)
    assert model.score(X, Y) > 0.8


def test_sparse_input_and_frames_teach_the_same():
    model = PlasticClassifier(epochs=3, random_state=0)
    plain = clone(model).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(clone(model).fit(csr_array(X), Y).predict_proba(X), plain)
    frame = pd.DataFrame(X, columns=list("abcd"))
    framed = clone(model).fit(frame, Y)
    np.testing.assert_array_equal(framed.predict_proba(frame), plain)
    assert framed.feature_names_in_.tolist() == list("abcd")


def test_a_policy_that_is_given_stays_what_it_was():
    policy = sparse_evolution(every=10)
    model = PlasticClassifier(policy, density=0.3, epochs=5, random_state=0).fit(X, Y)
    same = PlasticClassifier(
        {"name": "set", "every": 10}, density=0.3, epochs=5, random_state=0
    ).fit(X, Y)
    assert model.policy is policy
    np.testing.assert_array_equal(model.predict_proba(X), same.predict_proba(X))


def test_history_is_a_frame_with_a_row_an_epoch():
    model = PlasticClassifier(epochs=7, random_state=0).fit(X, Y)
    assert model.history_["split"].unique().tolist() == ["train"]
    assert len(model.history_) == 7 + 1
    assert model.n_iter_ == 7


def test_early_stopping_ends_and_keeps_the_best():
    model = PlasticClassifier("set", early_stopping=True, patience=3, random_state=0)
    model.fit(scale(X), Y)
    held = model.history_.query("split == 'validation'")
    assert len(held) - 1 == model.n_iter_ < model.epochs
    _, apart, _, labels = train_test_split(
        scale(X), Y, test_size=0.1, random_state=np.random.RandomState(0), stratify=Y
    )
    assert model.score(apart, labels) == pytest.approx(held["score"].max())


def test_warm_start_goes_on():
    model = PlasticClassifier(epochs=2, warm_start=True, random_state=0).fit(X, Y)
    network, step = model.network_, model.network_.topology.step
    model.fit(X, Y)
    assert model.network_ is network
    assert network.topology.step == 2 * step


def test_a_stream_is_learned_from_and_rewired_by():
    rng = np.random.default_rng(0)
    policy = {"name": "set", "every": 2, "fraction": 0.1}
    model = PlasticClassifier(policy, density=0.3, random_state=0)
    before = None
    for _ in range(60):
        rows = rng.permutation(len(X))[:128]
        model.partial_fit(scale(X)[rows], Y[rows], classes=[0, 1, 2])
        before = model.network_.topology.structure.connection_ids if before is None else before
    assert model.n_iter_ == 60
    assert model.network_.topology.step == 60 * 4
    assert not np.array_equal(before, model.network_.topology.structure.connection_ids)
    assert model.score(scale(X), Y) > 0.9


def test_an_edit_due_at_the_end_of_a_call_is_not_lost():
    model = PlasticClassifier({"name": "set", "every": 4}, density=0.3, random_state=0)
    wirings = []
    for _ in range(5):
        model.partial_fit(X[:128], Y[:128], classes=[0, 1, 2])
        wirings.append(model.network_.topology.structure.connection_ids.tolist())
    assert model.network_.topology.step == 5 * 4
    assert len(set(map(tuple, wirings))) == 5


def test_early_stopping_of_a_regressor():
    model = PlasticRegressor("rigl", early_stopping=True, patience=3, random_state=0)
    model.fit(scale(X[:, :3]), X[:, 3])
    held = model.history_.query("split == 'validation'")
    assert len(held) - 1 == model.n_iter_ < model.epochs
    assert model.score(scale(X[:, :3]), X[:, 3]) > 0.8


def test_early_stopping_waits_for_the_density_asked_for():
    model = PlasticClassifier(
        gradual_magnitude,
        density=0.2,
        epochs=30,
        early_stopping=True,
        patience=2,
        random_state=0,
    ).fit(scale(X), Y)
    assert model.history_["density"].iloc[0] == 1
    assert model.network_.topology.density == pytest.approx(0.2, abs=0.01)


def test_the_same_random_state_gives_the_same_predictions():
    one, same, other = (
        PlasticClassifier("thompson", epochs=5, random_state=n).fit(X, Y).predict_proba(X)
        for n in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_pickled_model_goes_on_alike():
    model = PlasticClassifier("thompson", epochs=5, density=0.3, random_state=0).fit(X, Y)
    twin = pickle.loads(pickle.dumps(model))
    for one in (model, twin):
        one.partial_fit(X, Y)
    np.testing.assert_array_equal(model.network_.weights, twin.network_.weights)
    assert len(model.history_) == len(twin.history_) == 5 + 1 + 1


def test_plastic_exports_them():
    assert plastic.PlasticClassifier is PlasticClassifier
    assert plastic.PlasticRegressor is PlasticRegressor


def test_a_copy_predicts_the_same_and_goes_its_own_way():
    model = PlasticClassifier("set", epochs=3, random_state=0).fit(X, Y)
    plain = model.predict_proba(X)
    twin = copy.deepcopy(model).partial_fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), plain)
    assert not np.array_equal(twin.predict_proba(X), plain)


@pytest.mark.parametrize("wiring", ["erk", "random_dag"])
def test_a_single_layer_may_be_a_number(wiring):
    given = {"wiring": wiring, "epochs": 1, "random_state": 0}
    answers = [PlasticClassifier(hidden=hidden, **given).fit(X, Y).predict_proba(X)
               for hidden in (16, (16,), np.array([16]))]  # fmt: skip
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_several_targets():
    targets = np.column_stack([X[:, 0], X[:, 1] * 100])
    model = PlasticRegressor(epochs=30, random_state=0).fit(scale(X), targets)
    assert model.predict(scale(X)).shape == targets.shape
    assert model.score(scale(X), targets) > 0.8


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"policy": "nothing"}, "policy must be one of"),
        ({"policy": {"name": "set", "evry": 3}}, "policy set: .*evry"),
        ({"policy": 3}, "policy must be a name, a policy or make one, got 3"),
        ({"policy": list}, "policy must be a name, a policy or make one, got <class 'list'>"),
        ({"wiring": "ring"}, "wiring must be one of"),
        ({"optimizer": "lbfgs"}, "optimizer must be one of"),
        ({"optimizer": 3}, r"optimizer must be one, as SGD\(0\.1\), got 3"),
        ({"optimizer": SGD}, "optimizer must be one, .*, got <class"),
        ({"hidden": "ab"}, r"hidden\[0\] must be a whole number of at least 1, got 'ab'"),
        ({"hidden": (8, 5.7)}, r"hidden\[1\] must be a whole number of at least 1, got 5\.7"),
        ({"hidden": None}, r"hidden\[0\] must be a whole number of at least 1, got None"),
        ({"density": "thin"}, r"density must lie in \(0, 1\], got 'thin'"),
        ({"density": 0}, r"density must lie in \(0.0?, 1.0?\]|density must lie"),
        ({"validation_fraction": 1}, "validation_fraction must lie"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"patience": 0}, "patience must be a whole number"),
        ({"tol": -1}, "tol must lie"),
    ],
)
def test_a_parameter_of_no_use_is_named(given, told):
    model = PlasticClassifier(**given)
    with pytest.raises(InvalidParameter, match=told):
        model.fit(X, Y)
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "network_")


def test_classes_are_checked():
    with pytest.raises(InvalidData, match="more than one class"):
        PlasticClassifier().fit(X, np.zeros(len(X), int))
    model = PlasticClassifier().partial_fit(X, Y % 2, classes=[0, 1])
    with pytest.raises(InvalidData, match=r"classes that are new: \[2\]"):
        model.partial_fit(X, Y)


def test_outputs_keep_their_number():
    model = PlasticRegressor(epochs=1).fit(X, X)
    with pytest.raises(InvalidData, match="y must have 4 outputs, got 1"):
        model.partial_fit(X, X[:, 0])

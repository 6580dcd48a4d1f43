"""scikit-learn's interface: nothing but a translation to `plastic.training.train`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from plastic.datasets import Dataset, Split
from plastic.engine import SGD, Adam, Constant, Network, Optimizer
from plastic.engine.optimizers import check_optimizer
from plastic.errors import InvalidData, check_count, check_in, check_range
from plastic.policies import Policy
from plastic.policies.naming import named_policy
from plastic.streams import Batches, Streams
from plastic.topology import Journal, Kind
from plastic.topology import wiring as wirings
from plastic.training import ALWAYS_OPEN, Rows, Training, train

__all__ = ["PlasticClassifier", "PlasticRegressor"]

Array = NDArray[Any]

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "sgd": partial(SGD, momentum=0.9),
}

WIRINGS = (
    "dense", "dense_equal", "erdos_renyi", "erk", "random_dag", "scale_free", "small_world",
)  # fmt: skip

STREAM_STEPS = 2**14
"""Where a stream is taken to end, or twice what was learned: schedules never close."""


class _Plastic(BaseEstimator, ABC):
    """What the two estimators share."""

    network_: Network
    history_: pd.DataFrame

    def __init__(
        self,
        policy: str | Mapping[str, Any] | Policy | Callable[[], Policy] = "static",
        *,
        wiring: str = "erk",
        density: float = 0.5,
        hidden: int | Sequence[int] = (64,),
        activation: str = "relu",
        epochs: int = 100,
        batch_size: int = 32,
        optimizer: str | Optimizer = "adam",
        learning_rate: float = 0.01,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.policy = policy
        self.wiring = wiring
        self.density = density
        self.hidden = hidden
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from samples; from the beginning, unless ``warm_start`` is set.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame, shape (n_samples, n_inputs)
            Sparse input is made dense.
        y : array, shape (n_samples,) or, for regression, (n_samples, n_outputs)

        Raises
        ------
        InvalidParameter
            If a parameter is outside its range or not among its choices.
        ValueError
            If the arrays cannot be learned from.
        """
        self._check()
        again = self.warm_start and hasattr(self, "network_")
        X, y = self._samples(X, y, reset=not again)
        Y = self._targets(y, first=not again)
        held = (X, Y)
        if self.early_stopping:
            seed = check_random_state(self.random_state)
            X, held_X, Y, held_Y = train_test_split(
                X, Y, test_size=self.validation_fraction, random_state=seed,
                stratify=Y.argmax(axis=1) if self._task == "classification" else None,
            )  # fmt: skip
            held = (held_X, held_Y)
        if not again:
            self._begin(X.shape[1], Y.shape[1])
        dataset = self._dataset((X, Y), held)
        an_epoch = max(1, len(X) // self.batch_size)
        done = self.network_.topology.step
        self._train(dataset, done + self.epochs * an_epoch, an_epoch)
        self.n_iter_ = -(-(self.network_.topology.step - done) // an_epoch)
        return self

    def _learn_part(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learn once from a piece of a stream."""
        self._check()
        first = not hasattr(self, "network_")
        X, y = self._samples(X, y, reset=first)
        Y = self._targets(y, first=first, classes=classes)
        if first:
            self._begin(X.shape[1], Y.shape[1])
            self.n_iter_ = 0
        rows = self._stream(self._dataset((X, Y), (X, Y)))
        self._remember([rows], {"train"})
        self.n_iter_ += 1
        return self

    def _stream(self, dataset: Dataset) -> Rows:
        """Learn from each sample once; an edit due at the very end is made now, not lost."""
        network, streams, policy = self.network_, self._streams, self._policy
        batches = Batches(len(dataset.train), self.batch_size, streams.batches)
        done = network.topology.step
        stop = done + len(dataset.train) // batches.size
        n_steps = max(STREAM_STEPS, 2 * stop)
        training = Training(
            network, dataset, policy, _optimizer(self), Constant(), ALWAYS_OPEN, batches,
            streams, n_steps, n_steps,
        )  # fmt: skip
        journal = Journal(network.topology, remember=0)
        asked = policy.steps(n_steps)
        for step in asked[(asked > done) & (asked <= stop)].tolist():
            training.learn_until(step)
            for _ in training.edit(journal, stop):
                pass  # edits are kept by the network alone
        training.learn_until(stop)
        training.report(training.look() if policy.wants_reward else np.nan)
        return training.evaluate()

    def _train(self, dataset: Dataset, n_steps: int, every: int) -> None:
        """Call `train`; stop early if that is asked for, and go back to the best network."""
        pieces = train(
            self.network_, dataset, self._policy, _optimizer(self), Constant(), self._streams,
            n_steps=n_steps, batch_size=self.batch_size, evaluate_every=every,
        )  # fmt: skip
        seen, best, since, kept = [], -np.inf, 0, None
        counted = self._counts_from(n_steps)
        for piece in (piece for piece in pieces if piece.table == "convergence"):
            seen.append(piece)
            if not self.early_stopping or piece.columns["step"] < counted:
                continue
            score = piece.columns["score"][-1]
            since = 0 if score > best + self.tol else since + 1
            if score > best:
                best, kept = score, self.network_.snapshot()
            if since >= self.patience:
                break
        if kept is not None:
            step = self.network_.topology.step
            self.network_.restore(kept)
            self.network_.topology.step = step
        self._remember(seen, {"train", "validation"} if self.early_stopping else {"train"})

    def _counts_from(self, n_steps: int) -> int:
        """The step from which a network may be kept: not before it has shrunk as promised."""
        structure, policy = self.network_.topology.structure, self._policy
        groups = structure.groups[structure.kinds == Kind.HIDDEN]
        sizes = np.unique(groups, return_counts=True)[1]
        shrinks = self._begun_at > self.density or (policy.most_neurons(sizes) < sizes).any()
        return int(policy.steps(n_steps).max(initial=0)) + 1 if shrinks else 0

    def _remember(self, seen: Sequence[Rows], splits: set[str]) -> None:
        """Add evaluations to the history."""
        told = getattr(self, "history_", None)
        tables = [] if told is None else [told]
        for piece in seen:
            table = pd.DataFrame(piece.columns).query("split != 'reward'")
            table = table.replace({"split": {"test": "validation"}})
            tables.append(table[table["split"].isin(splits)])
        self.history_ = pd.concat(tables, ignore_index=True)

    def _begin(self, n_inputs: int, n_outputs: int) -> None:
        """A new network, and what goes with it."""
        seed = check_random_state(self.random_state).randint(2**31)
        streams = Streams.of(int(seed))
        policy = named_policy(self.policy)
        self._begun_at = policy.begin(self.density)
        make = getattr(wirings, self.wiring)
        sizes: dict[str, Any] = {"hidden": self._sizes()}
        if "n_hidden" in signature(make).parameters:
            sizes = {"n_hidden": sum(sizes["hidden"])}
        classifies = self._task == "classification"
        topology = make(
            n_inputs, n_outputs, self._begun_at, streams.wiring,
            activation=self.activation,
            output_activation="softmax" if classifies else "identity", **sizes,
        )  # fmt: skip
        loss = "cross_entropy" if classifies else "mse"
        self.network_ = Network(topology, loss).initialize(streams.weights)
        self._policy, self._streams = policy, streams
        self.__dict__.pop("history_", None)

    def _dataset(self, learned: tuple[Array, Array], held: tuple[Array, Array]) -> Dataset:
        seen, apart = Split(*learned), Split(*held)
        names = tuple(map(str, getattr(self, "classes_", ())))
        return Dataset("samples", self._task, seen, seen, apart, names)

    def _check(self) -> None:
        check_in("wiring", self.wiring, WIRINGS)
        for name in ("epochs", "batch_size", "patience"):
            check_count(name, getattr(self, name))
        check_range("tol", self.tol, 0)
        for name in ("density", "validation_fraction"):
            top = name == "validation_fraction"
            check_range(name, getattr(self, name), 0, 1, open_low=True, open_high=top)
        named_policy(self.policy)  # before anything is changed
        _optimizer(self)
        self._sizes()

    def _sizes(self) -> list[int]:
        sizes: list[int] = np.atleast_1d(np.asarray(self.hidden, object)).tolist()
        for layer, size in enumerate(sizes):
            check_count(f"hidden[{layer}]", size)
        return sizes

    def _samples(self, X: Any, y: Any, *, reset: bool) -> tuple[Array, Any]:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=np.float32, reset=reset,
            multi_output=self._task == "regression", y_numeric=self._task == "regression",
        )  # fmt: skip
        return _dense(X), y

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        return np.asarray(self.network_.predict(_dense(X)), np.float64)

    _task: str

    @abstractmethod
    def _targets(self, y: Array, *, first: bool, classes: Any = None) -> Array:
        """The targets as the network learns them, shape (n_samples, n_outputs)."""


class PlasticClassifier(ClassifierMixin, _Plastic):
    """A classifier that rewires itself while it learns.

    Parameters
    ----------
    policy : str, mapping, Policy or callable
        What rewires: one of `plastic.policies.naming.POLICIES`, such a name with parameters as
        in ``{"name": "set", "every": 20}``, a policy, of which a copy is used, or what makes
        one.
    wiring : str
        One of `WIRINGS`.
    density : float
        Connections as a fraction of those that the wiring could hold, in (0, 1].
    hidden : int or sequence of int
        Hidden neurons of the layer, or of each; where a wiring has no layers, their sum counts.
    activation : str
        Of the hidden neurons.
    epochs : int
        Passes over the training samples.
    batch_size : int
    optimizer : {"adam", "sgd"} or Optimizer
        An optimizer has a learning rate of its own.
    learning_rate : float
    early_stopping : bool
        Hold out a `validation_fraction`, stop when its score has not risen by `tol` for
        `patience` epochs, and go back to the network that did best.  Where a policy begins
        with more than was asked for, epochs count once it has shrunk.
    validation_fraction, patience, tol : float, int, float
    warm_start : bool
        Let `fit` go on with the network that is there.
    random_state : int, RandomState or None

    Attributes
    ----------
    network_ : Network
    classes_ : array, shape (n_classes,)
    history_ : DataFrame
        The table of convergence: a row a split and epoch, or a call of `partial_fit`.
    n_iter_ : int
        Epochs of the last `fit`, or calls of `partial_fit`.
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PlasticClassifier("set", density=0.3, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _task = "classification"

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learn once from the next samples of a stream.

        The policy is asked at its own steps between the mini-batches of a call, with a
        horizon of `STREAM_STEPS`, so that it stays plastic.

        Parameters
        ----------
        X, y
            As in `fit`.
        classes : array, shape (n_classes,)
            All classes there will be; needed by the first call.
        """
        return self._learn_part(X, y, classes)

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, shape (n_samples, n_classes)."""
        answers = self._outputs(X)
        return answers / answers.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Array:
        """The most probable class of each sample, shape (n_samples,)."""
        answers = self._outputs(X)
        named: Array = self.classes_[answers.argmax(axis=1)]
        return named

    def _targets(self, y: Array, *, first: bool, classes: Any = None) -> Array:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if first:
            named = np.unique(y if classes is None else classes)
            if len(named) < 2:
                raise InvalidData(f"y must hold more than one class, got {named.tolist()}")
            self.classes_ = named
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise InvalidData(f"y holds classes that are new: {unknown.tolist()}")
        return np.eye(len(self.classes_), dtype=np.float32)[np.searchsorted(self.classes_, y)]


class PlasticRegressor(RegressorMixin, _Plastic):
    """A regressor that rewires itself while it learns; targets are standardized inside.

    Parameters and attributes are those of `PlasticClassifier`, but for ``classes_``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = PlasticRegressor("rigl", epochs=20, random_state=0).fit(scale(X), y)
    >>> model.score(scale(X), y) > 0.4
    True
    """

    _task = "regression"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Learn once from the next samples; as `PlasticClassifier.partial_fit`.

        Targets keep the scale of the first call.
        """
        return self._learn_part(X, y)

    def predict(self, X: Any) -> Array:
        """Shape (n_samples,) or (n_samples, n_outputs), as `y` was."""
        answers = self._outputs(X) * self._unit + self._mean
        return answers[:, 0] if self._flat else answers

    def _targets(self, y: Array, *, first: bool, classes: Any = None) -> Array:
        del classes  # of classifiers
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        Y = np.asarray(y, np.float64).reshape(len(y), -1)
        if first:
            unit = Y.std(axis=0)
            self._flat, self._mean = y.ndim == 1, Y.mean(axis=0)
            self._unit = np.where(unit > 0, unit, 1.0)
        if Y.shape[1] != len(self._mean):
            raise InvalidData(f"y must have {len(self._mean)} outputs, got {Y.shape[1]}")
        return ((Y - self._mean) / self._unit).astype(np.float32)


def _dense(X: Any) -> Array:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)


def _optimizer(model: _Plastic) -> Optimizer:
    given = model.optimizer
    if isinstance(given, str):
        check_in("optimizer", given, OPTIMIZERS)
        return OPTIMIZERS[given](learning_rate=model.learning_rate)
    check_optimizer(given)
    return given

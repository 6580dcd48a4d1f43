"""The vocabulary of errors: every error that plastic raises on purpose is a `PlasticError`.

Each message names the value and the rule that it broke, and is raised before
anything changed.  Each class also derives from the built-in error a caller
would expect, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from numbers import Integral
from types import ModuleType
from typing import Any


class PlasticError(Exception):
    """Base of all errors raised by plastic."""


class InvalidEdit(PlasticError, ValueError):
    """An edit would break a rule of the topology; nothing was changed."""


class CycleError(InvalidEdit):
    """A connection would close a cycle."""


class InvalidNetwork(PlasticError, ValueError):
    """A graph, an activation, a loss or an array does not make a network."""


class InvalidParameter(PlasticError, ValueError):
    """A parameter is outside its range or not among its choices."""


class InvalidData(PlasticError, ValueError):
    """A dataset holds values that cannot be learned from."""


class DataUnavailable(PlasticError, FileNotFoundError):
    """A dataset is neither on this machine nor within reach."""


class Diverged(PlasticError, ArithmeticError):
    """The training loss is no longer a finite, bounded number."""


class ResultsError(PlasticError, OSError):
    """A results folder cannot be written, or does not hold what was asked."""


class InUse(ResultsError):
    """A run's folder is held by another process."""


class InvalidCheckpoint(PlasticError, ValueError):
    """A checkpoint is damaged, of another format, or of another run; nothing was loaded."""


class ContractBroken(PlasticError, AssertionError):
    """A policy, bandit or metric does not keep a promise that every one of them makes."""


class StopRun(PlasticError, RuntimeError):
    """A callback wants the run to end here; it counts as failed, with this as the reason."""


class MissingExtra(PlasticError, ImportError):
    """An optional library that this needs is not installed."""


class ReadOnly(PlasticError, TypeError):
    """A face on the topology was written to; `Topology.apply` is the one way to edit."""


def require_extra(library: str, extra: str) -> ModuleType:
    """Import an optional library, or say in one line how to get it.

    Parameters
    ----------
    library : str
        What to import, as in ``torch`` or ``mlflow.tracking``.
    extra : str
        The extra of plastic that installs it: see ``[project.optional-dependencies]``.

    Returns
    -------
    module
        The library; of a dotted name, the module named.

    Raises
    ------
    MissingExtra
        If it is not installed.

    Examples
    --------
    >>> require_extra("no_such_library", "torch")
    Traceback (most recent call last):
        ...
    plastic.errors.MissingExtra: this needs no_such_library, which is not installed:
    pip install "plastic[torch]"
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as missing:
        # a library that is there but lacks one of its own is its own affair
        if missing.name is None or not f"{library}.".startswith(f"{missing.name}."):
            raise
        name = library.partition(".")[0]
        raise MissingExtra(
            f'this needs {name}, which is not installed: pip install "plastic[{extra}]"',
            name=name,
        ) from None


def check_in(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise `InvalidParameter` unless `value` is one of `choices`.

    Examples
    --------
    >>> check_in("sampling", "median", ["thompson", "mean"])
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: sampling must be one of 'thompson', 'mean', got 'median'
    """
    choices = list(choices)
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidParameter(f"{name} must be one of {listed}, got {value!r}")


def check_range(
    name: str,
    value: float,
    low: float = float("-inf"),
    high: float = float("inf"),
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Raise `InvalidParameter` unless `value` lies between `low` and `high`.

    Examples
    --------
    >>> check_range("density", 2, 0, 1, open_low=True)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: density must lie in (0, 1], got 2
    """
    try:
        above = value > low if open_low else value >= low
        below = value < high if open_high else value <= high
    except TypeError:  # a text, or nothing at all
        above = below = False
    if not (above and below):  # a NaN fails both comparisons and ends up here, too
        left = "(" if open_low or low == float("-inf") else "["
        right = ")" if open_high or high == float("inf") else "]"
        raise InvalidParameter(f"{name} must lie in {left}{low}, {high}{right}, got {value!r}")


def check_count(name: str, value: Any, low: int = 1) -> None:
    """Raise `InvalidParameter` unless `value` is a whole number of at least `low`.

    Examples
    --------
    >>> check_count("steps", 0)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: steps must be a whole number of at least 1, got 0
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise InvalidParameter(
            f"{name} must be a whole number of at least {low}, got {value!r}"
        )


def check_rng(rng: Any) -> None:
    """Raise `InvalidParameter` unless `rng` is a generator of NumPy's.

    Examples
    --------
    >>> check_rng(0)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: rng must be like numpy.random.default_rng(0), got 0
    """
    if not (hasattr(rng, "integers") and hasattr(rng, "standard_normal")):
        raise InvalidParameter(f"rng must be like numpy.random.default_rng(0), got {rng!r}")

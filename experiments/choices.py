"""What becomes of a choice from conf/: its target, checked and called with its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from experiments.config import unknown_key
from plastic.errors import InvalidParameter, PlasticError

WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
}
"""What the kinds of values that YAML knows are called in messages."""


def choice(node: DictConfig) -> str:
    """Name of a choice; the last part of its target where it gives none."""
    name: str = node.get("name") or str(node.get("_target_", "")).rpartition(".")[2]
    return name


def build(config: DictConfig, group: str, **given: Any) -> Any:
    """The object that the choice of a group describes.

    Parameters
    ----------
    config : DictConfig
        Of the whole run.
    group : str
        One of `experiments.config.GROUPS`.
    **given
        Arguments that no configuration can hold.

    Raises
    ------
    InvalidParameter
        If it lacks a ``_target_``, its target cannot be found, or a parameter is not one of
        the target's or of another kind.
    PlasticError
        As its target raises.
    """
    return _made(group, config[group], given)


def build_all(config: DictConfig, group: str) -> dict[str, Any]:
    """The object of each choice of a group of which any number may be chosen, by name.

    Parameters
    ----------
    config : DictConfig
        Of the whole run.
    group : str
        One of `experiments.config.LISTED`.

    Raises
    ------
    InvalidParameter
        As `build`.
    """
    return {
        str(name): _made(f"{group}.{name}", node, {}) for name, node in config[group].items()
    }


def _made(group: str, node: Any, given: Mapping[str, Any]) -> Any:
    if not isinstance(node, Mapping | DictConfig):
        raise InvalidParameter(f"{group} needs a choice with a _target_, got {node!r}")
    parameters = {key: value for key, value in node.items() if key != "name"}
    if "_target_" not in parameters:
        raise InvalidParameter(f"{group} needs a choice with a _target_, got {parameters}")
    try:
        call = instantiate(parameters, _partial_=True, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, PlasticError):  # a part of the choice refused its own parameters
            raise cause from None
        raise InvalidParameter(f"{group}: {' '.join(str(cause or error).split())}") from cause
    check_parameters(group, call.func, call.keywords, given)
    return call(**given)


def check_parameters(
    group: str,
    target: Callable[..., Any],
    parameters: Mapping[str, Any],
    given: Mapping[str, Any],
) -> None:
    """Refuse parameters that the target does not take, or takes as another kind of value.

    Raises
    ------
    InvalidParameter
        Naming the key, the value, and what was expected.

    Examples
    --------
    >>> from plastic.engine import SGD
    >>> check_parameters("optimizer", SGD, {"momentum": "high"}, {})
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: optimizer.momentum must be a number, got 'high'
    """
    try:
        taken = inspect.signature(target, eval_str=True).parameters
    except NameError:  # kinds imported for type checkers only
        taken = inspect.signature(target).parameters
    known = [name for name in taken if name not in given]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in taken.values())
    for key, value in parameters.items():
        if key not in known and not takes_any:
            raise InvalidParameter(unknown_key(f"{group}.{key}", known))
        kind = taken[key].annotation if key in taken else None
        if not fits(value, kind):
            raise InvalidParameter(f"{group}.{key} must be {in_words(kind)}, got {value!r}")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated kind; anything fits a kind that YAML does not know.

    Examples
    --------
    >>> fits(1, float), fits(True, int), fits([1, 2], Sequence[int]), fits(None, int | None)
    (True, False, True, True)
    """
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, one) for one in get_args(kind))
    if (item := item_of(kind)) is not None:
        return isinstance(value, list | tuple) and all(fits(one, item) for one in value)
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float)
    return kind not in WORDS or isinstance(value, kind)


def in_words(kind: Any) -> str:
    """An annotated kind as a message calls it.

    Examples
    --------
    >>> in_words(int | None), in_words(Sequence[float])
    ('a whole number or null', 'a list, each item a number')
    """
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(in_words(one) for one in get_args(kind))
    if (item := item_of(kind)) is not None:
        return f"a list, each item {in_words(item)}"
    return WORDS.get(kind, str(kind))


def item_of(kind: Any) -> Any:
    """Kind of every item of an annotated list; None for anything else."""
    origin, items = get_origin(kind), get_args(kind)
    if origin in (Sequence, list) or (origin is tuple and items[1:] == (...,)):
        return items[0]
    return None

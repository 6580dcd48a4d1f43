"""What becomes of a choice from conf/: its target, checked and called with its parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
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

WHERE = (
    "a module of your own is looked for in the current folder, in that of --config-dir, and "
)
WHERE += "in those of PYTHONPATH"

FACES = {
    "bandit": "plastic.bandits.Bandit",
    "callbacks": "plastic.callbacks.Callback",
    "constraints": "plastic.topology.Constraints",
    "dataset": "plastic.datasets.Dataset",
    "environment": "plastic.bandits.environments.Environment",
    "metrics": "plastic.metrics.Metric",
    "optimizer": "plastic.engine.Optimizer",
    "plasticity": "plastic.plasticity.Plasticity",
    "policy": "plastic.policies.Policy",
    "schedule": "plastic.engine.Schedule",
    "selection": "plastic.selection.Selector",
    "wiring": "plastic.topology.Topology",
}
"""What a choice of a group makes: this, or something with all that it has."""


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
        If it lacks a ``_target_``, its target cannot be found, a parameter is not one of the
        target's or of another kind, or what it makes is not what belongs there.
    PlasticError
        As its target raises.
    """
    return _make(group, group, config[group], given)


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
    PlasticError
        As `build`, and if a choice is not under a name of its own.
    """
    made = {}
    for name, node in config[group].items():
        if not isinstance(node, Mapping):
            raise InvalidParameter(
                f"each of {group} has a name of its own with its parameters below, as in "
                f"'mine: {{_target_: my_module.Mine}}'; got {name}: {node}"
            )
        made[str(name)] = _make(f"{group}.{name}", group, node, {})
    return made


def _make(where: str, group: str, node: Any, given: Mapping[str, Any]) -> Any:
    parameters = unnamed(node)
    if "_target_" not in parameters:
        raise InvalidParameter(f"{where} needs a choice with a _target_, got {parameters}")
    try:
        call = instantiate(parameters, _partial_=True, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, PlasticError):  # a part of the choice refused its own parameters
            raise cause from None
        if isinstance(cause, ImportError):
            raise InvalidParameter(f"{where}: {_not_found(cause)}") from cause
        raise InvalidParameter(f"{where}: {' '.join(str(cause or error).split())}") from cause
    check_parameters(where, call.func, call.keywords, given)
    for key, value in call.keywords.items():
        if isinstance(value, partial):  # a choice inside of it, as the base of a drift
            check_parameters(f"{where}.{key}", value.func, value.keywords, given)
    check_abstract(where, call.func)
    made = call(**given)
    check_face(where, group, parameters["_target_"], made)
    return made


def _not_found(error: ImportError) -> str:
    """What is said of a target that cannot be imported: why, and where was looked for it."""
    found = re.match(r"Error loading '(.*?)'", str(error))
    target = found[1] if found else "its target"
    inner = error.__cause__ or error
    said, module = " ".join(str(inner).split()), getattr(inner, "name", None)
    if isinstance(inner, ModuleNotFoundError) and module == target.partition(".")[0]:
        said += f" ({WHERE})"
    elif isinstance(inner, ModuleNotFoundError) and f"{target}.".startswith(f"{module}."):
        parent, _, name = str(module).rpartition(".")
        said = f"{parent} has no {name!r}"
    elif not isinstance(inner, ImportError | AttributeError):
        said = f"{type(inner).__name__}: {said}"
    return f"{target} cannot be imported: {said}"


def unnamed(node: DictConfig) -> dict[str, Any]:
    """The parameters of a choice; names, its own and those of choices in it, are for tables."""
    return {
        str(key): unnamed(value)
        if isinstance(value, DictConfig) and "_target_" in value
        else value
        for key, value in node.items()
        if key != "name"
    }


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
        Naming the key, the value, and what was expected; also if one is needed and not there.

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
    for key, one in taken.items():
        variable = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        if one.default is one.empty and not variable and key not in {*parameters, *given}:
            raise InvalidParameter(f"{group} needs {key!r}, which its configuration lacks")
    for key in given:
        if key not in taken and not takes_any:
            raise InvalidParameter(
                f"{group}: {name_of(target)} must take {key!r}, which every run gives"
            )


def check_abstract(group: str, target: Callable[..., Any]) -> None:
    """Refuse a class that lacks methods which its base leaves to it.

    Examples
    --------
    >>> from plastic.policies import Policy
    >>> check_abstract("policy", Policy)
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: policy: plastic.policies.base.Policy lacks propose and
    steps
    """
    lacking = sorted(getattr(target, "__abstractmethods__", ()))
    if lacking:
        raise InvalidParameter(f"{group}: {name_of(target)} lacks {' and '.join(lacking)}")


def check_face(where: str, group: str, target: str, made: Any) -> None:
    """Refuse what does not belong in a group; see `FACES`.

    Examples
    --------
    >>> check_face("policy", "policy", "my_module.wander", 3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: policy: my_module.wander makes an object of class int,
    which is no plastic.policies.Policy: it lacks begin, judge, ...
    """
    path = FACES.get(group)
    if path is None:
        return
    module, _, name = path.rpartition(".")
    face = getattr(import_module(module), name)
    if not getattr(face, "_is_protocol", False) and isinstance(made, face):
        return
    attributes = {*dir(face), *inspect.get_annotations(face)}
    lacking = [one for one in sorted(attributes) if one[0] != "_" and not hasattr(made, one)]
    if lacking:
        raise InvalidParameter(
            f"{where}: {target} makes an object of class {type(made).__name__}, which is no "
            f"{path}: it lacks {', '.join(lacking)}"
        )


def name_of(target: Callable[..., Any]) -> str:
    """A class or function as a configuration names it."""
    return f"{target.__module__}.{target.__qualname__}"


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

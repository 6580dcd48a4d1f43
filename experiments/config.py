"""The typed root of every configuration, and where the configurations lie."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from experiments.launchers import EXTRAS, set_up_launchers
from plastic.errors import InvalidParameter, check_count, check_range

GROUPS = (
    "dataset", "wiring", "policy", "selection", "optimizer", "schedule", "plasticity",
    "constraints",
)  # fmt: skip

LISTED = ("metrics", "callbacks")
"""Groups of which any number may be chosen, as in ``metrics=[degrees,turnover]``."""

JOB_KEYS = ("seeds", "workers")
"""Keys that say what the runs of a job are, and not what a run is."""


class Engine(Enum):
    """Which engine computes."""

    fast = "fast"
    nodes = "nodes"


class Precision(Enum):
    """Of weights and activations."""

    float32 = "float32"
    float64 = "float64"


@dataclass
class RunConfig:
    """What one run is.

    Parameters
    ----------
    study : str
        Runs that belong together; a folder below `results_dir`.
    results_dir : str
        Where studies are kept.
    seed : int
        Of all random streams.
    seeds : optional
        Several, as in ``range(20)`` or ``[1,2,5]``: a run each, all in one job.
    workers : int or "auto"
        Processes that share the runs of a job with `seeds`; by default as many as have the
        cores for their threads.
    steps : int
        Training mini-batches; an elimination (see conf/selection/) takes fewer, as many as
        its budget pays for.
    density : float
        Connections at the end, as a fraction of those that the wiring could hold; in (0, 1].
    batch_size : int
        Samples of a mini-batch.
    evaluate_every : int
        Steps from one evaluation to the next.
    engine, dtype, threads
        What computes; threads change nothing but the time it takes.
    checkpoint_every, checkpoint_seconds : int, float
        Steps, and seconds, from one checkpoint to the next; 0 for none.  See
        docs/checkpoints.md.
    keep_checkpoints : int, optional
        How many of the newest stay once the run is complete; null for all there were.
    keep_network : int, optional
        The network as it ended is kept if it has at most so many connections; null for any.
    biases : bool
        Whether neurons have a learned bias.
    dataset, wiring, policy, selection, optimizer, schedule, plasticity, constraints : dict
        A choice from conf/<group>/ each, with its parameters.
    metrics : dict
        Choices from conf/metrics/ by name, read at each evaluation; they change no result, and
        are no part of what a run is called.
    callbacks : dict
        Choices from conf/callbacks/ by name, told of the run; they change no result either.
    """

    study: str = "first"
    results_dir: str = "results"
    seed: int = 0
    steps: int = 1000
    density: float = 0.05
    batch_size: int = 50
    evaluate_every: int = 50
    engine: Engine = Engine.fast
    dtype: Precision = Precision.float32
    threads: int = 1
    seeds: Any = None
    workers: Any = "auto"
    checkpoint_every: int = 0
    checkpoint_seconds: float = 60.0
    keep_checkpoints: int | None = 0
    keep_network: int | None = 100_000
    biases: bool = True
    dataset: dict[str, Any] = field(default_factory=dict)
    wiring: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    selection: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    plasticity: dict[str, Any] = field(default_factory=dict)
    constraints: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(name="run_schema", node=RunConfig)


def cores_for(threads: int) -> int:
    """How many processes of so many threads this machine has the cores for; one at least.

    Examples
    --------
    >>> cores_for(10**6)
    1
    """
    n_cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # those that this process may use
        n_cores = len(os.sched_getaffinity(0))
    return max(1, n_cores // max(1, threads))


OmegaConf.register_new_resolver("cores_for", cores_for)
set_up_launchers()


def config_folder() -> Path:
    """The folder conf/: beside the package in a checkout, inside it in an installed wheel.

    Raises
    ------
    FileNotFoundError
        If it is in neither place.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "conf", here.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"conf/ is neither in {here} nor beside it")


def check_overrides(
    arguments: Sequence[str],
    schema: type = RunConfig,
    groups: Sequence[str] = (*GROUPS, "experiment"),
) -> None:
    """Refuse overrides that Hydra would take without a word, or refuse with a traceback.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the program's name.
    schema : type
        The dataclass whose fields are the root's keys.
    groups : sequence of str
        Where a choice belongs.

    Raises
    ------
    InvalidParameter
        For a root key that does not exist, as in ``densty=0.1`` or ``+densty=0.1``, and for
        anything but one name where a choice belongs, as in ``policy=[set,rigl]``.

    Examples
    --------
    >>> check_overrides(["-m", "density=0.1", "policy=set,rigl", "hydra.verbose=true"])
    >>> check_overrides(["densty=0.1"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: there is no key 'densty' (did you mean 'density'?); ...
    """
    known = list(dict.fromkeys([*(item.name for item in fields(schema)), *groups, "hydra"]))
    for argument in arguments:
        if argument.startswith("-") or "=" not in argument:
            continue
        key, _, value = argument.lstrip("+~").partition("=")
        if key == "hydra.launcher.n_jobs" and re.fullmatch(r"[+-]?0+", value):
            raise InvalidParameter(f"{key} must be a whole number other than 0, got {value!r}")
        root = re.split(r"[./@]", key)[0]
        if root not in known:
            raise InvalidParameter(unknown_key(root, known))
        if key in LISTED and key not in groups:
            _check_listed(argument, key, value)
            continue
        changes = argument[0] in "+~" or value in ("", "null") or value[0] in "[{"
        if key in groups and changes:
            raise InvalidParameter(
                f"{key} takes the name of one choice, as in {key}=name, or for a sweep some, "
                f"as in -m {key}=one,other; got {argument!r}"
            )


def _check_listed(argument: str, key: str, value: str) -> None:
    """Refuse what would not add up to a list of choices; sweeping over it is no use either."""
    one_or_several = re.fullmatch(r"\w+|\[.+\]", value)
    if argument[0] in "+~" or value == "null" or not one_or_several:
        raise InvalidParameter(
            f"{key} takes one name, as in {key}=name, or several in brackets, as in "
            f"{key}=[one,other]; got {argument!r}"
        )


def check_config(config: Any) -> None:
    """Raise `InvalidParameter` for a root key or value that no run could use."""
    known = [item.name for item in fields(RunConfig)]
    for key in config:
        if key not in known:
            raise InvalidParameter(unknown_key(key, known))
    for key in sorted(OmegaConf.missing_keys(config)):
        raise InvalidParameter(f"{key} has no default and must be given, as in {key}=...")
    check_count("seed", config.seed, low=0)
    if config.seeds is not None:
        raise InvalidParameter("a run has one seed; a job may have seeds")
    for name in ("steps", "batch_size", "evaluate_every", "threads"):
        check_count(name, config[name])
    check_range("density", config.density, 0, 1, open_low=True)
    check_count("checkpoint_every", config.checkpoint_every, low=0)
    check_range("checkpoint_seconds", config.checkpoint_seconds, 0)
    for name in ("keep_checkpoints", "keep_network"):
        if config[name] is not None:
            check_count(name, config[name], low=0)
    for name in ("study", "results_dir"):
        if not config[name].strip():
            raise InvalidParameter(f"{name} must not be empty")


def as_text(config: Any) -> str:
    """The configuration of a run as its folder keeps it: resolved, and without `JOB_KEYS`."""
    own = [str(key) for key in config if key not in JOB_KEYS]
    return OmegaConf.to_yaml(OmegaConf.masked_copy(config, own), resolve=True)


def unknown_key(key: str, known: Sequence[str], what: str = "key") -> str:
    """The message for a key, or another kind of name, that does not exist.

    Examples
    --------
    >>> unknown_key("policy.fractoin", ["every", "fraction"])
    "there is no key 'policy.fractoin' (did you mean 'fraction'?); keys are every, fraction"
    """
    near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    plural = f"{what[:-1]}ies" if what == "study" else f"{what}s"
    return f"there is no {what} {key!r}{hint}; {plural} are {', '.join(known)}"


def explain(error: Exception) -> str:
    """What was wrong with a configuration that could not be composed: key, value and rule.

    Parameters
    ----------
    error : Exception
        As it came out of Hydra.
    """
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} cannot be read: it must be key=value, and text with marks in "
            "it needs quotes of its own, as in \"dataset.separator=';'\""
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        if group == "hydra/launcher" and name in EXTRAS:
            library, extra = EXTRAS[name]
            return (
                f'this needs {library}, which is not installed: pip install "plastic[{extra}]"'
            )
        files = (config_folder() / group).glob("*.yaml")
        options = error.options or sorted(file.stem for file in files)
        return f"there is no {group or 'file'} {name!r}; choose one of {', '.join(options)}"
    where, cause = "", error.__cause__ or error
    if found := re.match("In '(.*)': ", str(error)):  # Hydra tells of the cause in words only
        where, cause = f"{found[1]}: ", error.__context__ or error
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        beside: Any = cause.parent_node
        known = [str(key) for key in beside if not str(key).startswith("_")]
        group, _, name = str(cause.full_key).partition(".")
        if group in LISTED and name and "." not in name:
            return f"{group} has no {name!r}; choose it first, as in {group}={name}"
        return where + unknown_key(str(cause.full_key), known)
    if isinstance(cause, OmegaConfBaseException):
        return f"{where}{cause.full_key}: {str(cause).splitlines()[0]}"
    if found := re.match("Ambiguous value for argument '(.*)'", str(error)):
        return (
            f"{found[1]!r} has several values: add -m (--multirun) for a run of each, or "
            "brackets, as in key=[one,other], for a list"
        )
    if isinstance(error, HydraException):
        return " ".join(str(error).split())
    return str(error).strip()

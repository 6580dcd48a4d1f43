"""The typed root of every configuration, and where the configurations lie."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from plastic.errors import InvalidParameter, check_count, check_range

GROUPS = ("dataset", "wiring", "policy", "optimizer", "schedule")


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
    steps : int
        Training mini-batches.
    density : float
        Connections at the end, as a fraction of those that the wiring could hold; in (0, 1].
    batch_size : int
        Samples of a mini-batch.
    evaluate_every : int
        Steps from one evaluation to the next.
    engine, dtype, threads
        What computes; threads change nothing but the time it takes.
    biases : bool
        Whether neurons have a learned bias.
    dataset, wiring, policy, optimizer, schedule : dict
        A choice from conf/<group>/ each, with its parameters.
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
    biases: bool = True
    dataset: dict[str, Any] = field(default_factory=dict)
    wiring: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(name="run_schema", node=RunConfig)


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


def check_overrides(arguments: Sequence[str]) -> None:
    """Refuse an override of a root key that does not exist, naming those that do.

    Raises
    ------
    InvalidParameter
        For ``densty=0.1``, say.

    Examples
    --------
    >>> check_overrides(["-m", "density=0.1", "hydra.verbose=true"])
    >>> check_overrides(["densty=0.1"])
    Traceback (most recent call last):
        ...
    plastic.errors.InvalidParameter: there is no key 'densty' (did you mean 'density'?); ...
    """
    known = [*(item.name for item in fields(RunConfig)), "experiment", "hydra"]
    for argument in arguments:
        if argument.startswith(("-", "+", "~")) or "=" not in argument:
            continue
        root = argument.split("=")[0].split(".")[0].split("/")[0].split("@")[0]
        if root not in known:
            near = difflib.get_close_matches(root, known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InvalidParameter(
                f"there is no key {root!r}{hint}; keys are {', '.join(known)}"
            )


def check_config(config: Any) -> None:
    """Raise `InvalidParameter` for a root value outside its range."""
    check_count("seed", config.seed, low=0)
    for name in ("steps", "batch_size", "evaluate_every", "threads"):
        check_count(name, config[name])
    check_range("density", config.density, 0, 1, open_low=True)
    for name in ("study", "results_dir"):
        if not config[name].strip():
            raise InvalidParameter(f"{name} must not be empty")

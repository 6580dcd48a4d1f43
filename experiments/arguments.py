"""What command lines say of the jobs of a sweep: which there are, and with which seeds."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import ListConfig

from plastic.errors import InvalidParameter


def expand(
    arguments: Sequence[str], loader: ConfigLoader | None = None
) -> list[tuple[str, ...]]:
    """The overrides of each job of a sweep, as Hydra's own sweeper makes them.

    Parameters
    ----------
    arguments : sequence of str
        Overrides.
    loader : ConfigLoader, optional
        Knows the choices that there are, as ``policy=glob(beta*)`` needs to.

    Examples
    --------
    >>> expand(["seed=0,1", "steps=10"])
    [('seed=0', 'steps=10'), ('seed=1', 'steps=10')]
    """
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    (batch,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [tuple(job) for job in batch]


def quote_seeds(arguments: Sequence[str]) -> list[str]:
    """``seeds=range(20)`` and ``seeds=0,1`` as one value, for Hydra would make a sweep of them.

    Examples
    --------
    >>> quote_seeds(["policy=set", "seeds=range(20)"])
    ['policy=set', "seeds='range(20)'"]
    """
    return [
        re.sub(r"^(\+*seeds=)(range\(.*\)|[\d\s]+(,[\d\s]+)*)$", r"\1'\2'", argument)
        for argument in arguments
    ]


def sweep_first(arguments: Sequence[str]) -> list[str]:
    """The same arguments, ``-m`` before the overrides: between them Hydra would not know it.

    Examples
    --------
    >>> sweep_first(["study=mine", "-m", "policy=set,rigl"])
    ['-m', 'study=mine', 'policy=set,rigl']
    """
    flags = [each for each in arguments if each in ("-m", "--multirun")]
    return [*flags, *(each for each in arguments if each not in flags)]


def look_here_too(arguments: Sequence[str]) -> None:
    """Let modules be imported from the current folder and from that of ``--config-dir``.

    An installed program would not look there, while ``python -m`` looks in the current folder
    first.  Both are looked in last, so that nothing in them takes another's place; the current
    one is left out where Python is told not to trust it (``python -P``).
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    places = [parser.parse_known_args(list(arguments))[0].config_dir]
    places += [] if sys.flags.safe_path else ["."]
    for place in places:
        if place and (found := str(Path(place).absolute())) not in sys.path:
            sys.path.append(found)


def results_for_all(arguments: Sequence[str]) -> list[str]:
    """The same arguments, with an absolute ``results_dir`` where others than we run the jobs.

    Ray and Slurm start processes in folders of their own, in which a relative one is another.

    Examples
    --------
    >>> results_for_all(["-m", "seed=0,1"])
    ['-m', 'seed=0,1']
    >>> results_for_all(["-m", "hydra/launcher=ray", "results_dir=/shared/results"])
    ['-m', 'hydra/launcher=ray', 'results_dir=/shared/results']
    """
    launchers = [each for each in arguments if each.startswith("hydra/launcher=")]
    if not launchers or launchers[-1].endswith(("=joblib", "=basic")):
        return list(arguments)
    named = [each for each in arguments if each.startswith("results_dir=")] or ["=results"]
    absolute = f"results_dir={Path(named[-1].partition('=')[2]).absolute()}"
    others = [each for each in arguments if not each.startswith("results_dir=")]
    at = others.index(launchers[-1]) + 1  # among the overrides, not behind what follows them
    return [*others[:at], absolute, *others[at:]]


def seeds_of(value: Any) -> list[int]:
    """The seeds that a value of ``seeds`` stands for.

    Raises
    ------
    InvalidParameter
        If it is neither a range nor a list of whole numbers, or none or one twice is in it.

    Examples
    --------
    >>> seeds_of("range(3)"), seeds_of("range(10, 20, 5)"), seeds_of([4, 2]), seeds_of("7,8")
    ([0, 1, 2], [10, 15], [4, 2], [7, 8])
    """
    wrong = InvalidParameter(
        f"seeds must be a range or different whole numbers, as in seeds=range(20) or "
        f"seeds=[1,2,5], got {value!r}"
    )
    if isinstance(value, str):
        span = re.fullmatch(r"\s*range\((.*)\)\s*", value)
        try:
            numbers = [int(text) for text in (span[1] if span else value).split(",")]
            seeds = list(range(*numbers)) if span else numbers
        except (TypeError, ValueError):
            raise wrong from None
    elif isinstance(value, int) and not isinstance(value, bool):
        seeds = [value]
    elif isinstance(value, list | ListConfig):
        seeds = list(value)
    else:
        raise wrong
    whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise wrong
    return seeds

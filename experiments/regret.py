"""Regret of bandits in environments: ``python -m experiments.regret key=value ...``."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from numpy.random import default_rng
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.choices import build, choice
from experiments.config import check_overrides, config_folder, explain, unknown_key
from experiments.progress import Progress, python_here
from plastic.analysis.cells import gather_cells, write_cell
from plastic.analysis.regret import KEYS, format_regret, regret_rows
from plastic.analysis.statistics import mean_interval
from plastic.bandits import Bandit
from plastic.bandits.environments import Environment
from plastic.bandits.simulation import simulate
from plastic.errors import InvalidParameter, PlasticError, check_count

RESULTS_VERSION = 1
"""Part of each simulation's identity; raised when a configuration gives other results."""

GROUPS = ("bandit", "environment")

HINTS = """Try next:
  {python} -m experiments.regret bandit=beta,gaussian environment=two_arms n_runs=200
  {python} -m experiments.regret experiment=regret"""

failures: list[str] = []
"""What went wrong in the simulations of this process; the exit code tells."""

written: list[Path] = []
"""Studies that this process has written to."""


@dataclass
class RegretConfig:
    """What one simulation is.

    Parameters
    ----------
    study : str
        Simulations that belong in one table; a folder below `results_dir`.
    results_dir : str
        Where studies are kept.
    seed : int
        Of all random streams; all bandits of a seed meet the same worlds and the same luck.
    n_runs : int
        Independent runs, simulated side by side.
    horizons : list of int
        Rounds that regret is added up over, ascending.
    bandit, environment : dict
        A choice from conf/<group>/ each, with its parameters.
    """

    study: str = "regret"
    results_dir: str = "results"
    seed: int = 0
    n_runs: int = 100
    horizons: list[int] = field(default_factory=lambda: [100, 1000, 10000])
    bandit: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(name="regret_schema", node=RegretConfig)


class Rounds(Progress):
    """Says how many rounds are done."""

    def _state(self, values: Mapping[str, Any]) -> str:
        return f"round {values['steps_done']}/{self._n_steps}"

    def end(self, line: str) -> None:
        """Say how the simulation ended."""
        self._write(f"\r{line}\x1b[K\n" if self._live else f"{line}\n")


def run(config: DictConfig) -> Path:
    """Simulate a configuration, and put its rows into the study's table.

    Parameters
    ----------
    config : DictConfig
        As composed from conf/regret.yaml, see `RegretConfig`.

    Returns
    -------
    Path
        The study's folder.

    Raises
    ------
    PlasticError
        If the configuration is of no use; nothing is written then.
    """
    check_config(config)
    bandit: Bandit = build(config, "bandit")
    environment: Environment = build(config, "environment")
    wanted = list(config.horizons)
    horizons = sorted({*wanted, *(horizon // 10 for horizon in wanted if horizon % 10 == 0)})
    name = run_id(config)
    progress, started = Rounds(name, horizons[-1]), time.monotonic()
    regret = simulate(
        bandit,
        environment,
        horizons,
        config.n_runs,
        default_rng(config.seed),
        lambda done: progress.show({"steps_done": done}),
    )
    labels = {
        "bandit": choice(config.bandit),
        "environment": type(environment).__name__.lower(),
        "instance": choice(config.environment),
        "sampling": config.bandit.get("sampling", ""),
        "pulls": environment.pulls,
        "feedback_every": environment.feedback_every,
        "delay": environment.delay,
        "seconds": round(time.monotonic() - started, 2),
        "seed": config.seed,
        "run_id": name,
    }
    rows = regret_rows(horizons, wanted, regret, environment.lai_robbins, labels)
    folder = Path(config.results_dir) / config.study
    write_cell(folder, name, rows, OmegaConf.to_yaml(config, resolve=True))
    gather_cells(folder, "regret", KEYS)
    last = mean_interval(regret[-1])
    progress.end(
        f"{name}  done in {labels['seconds']:.1f} s: regret {last.mean:.1f} "
        f"+-{(last.high - last.low) / 2:.1f} after {horizons[-1]} rounds"
    )
    return folder


def check_config(config: DictConfig) -> None:
    """Raise `InvalidParameter` for a root key or value that no simulation could use."""
    known = [item.name for item in fields(RegretConfig)]
    for key in config:
        if key not in known:
            raise InvalidParameter(unknown_key(str(key), known))
    for key in sorted(OmegaConf.missing_keys(config)):
        raise InvalidParameter(f"{key} has no default and must be given, as in {key}=...")
    check_count("seed", config.seed, low=0)
    check_count("n_runs", config.n_runs, low=2)
    for horizon in config.horizons:
        check_count("horizons", horizon)
    if list(config.horizons) != sorted(set(config.horizons)) or not config.horizons:
        raise InvalidParameter(f"horizons must ascend, got {list(config.horizons)}")
    for name in ("study", "results_dir"):
        if not config[name].strip():
            raise InvalidParameter(f"{name} must not be empty")


def run_id(config: DictConfig) -> str:
    """Name of a simulation: what it is, and a hash of all that its results depend on."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    identity = {k: v for k, v in plain.items() if k not in ("study", "results_dir")}
    text = json.dumps([RESULTS_VERSION, identity], sort_keys=True)
    code = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{choice(config.bandit)}-{choice(config.environment)}-s{config.seed}-{code}"


def job(config: DictConfig) -> None:
    """One simulation of a sweep: a failure is told, and does not stop the others."""
    try:
        folder = run(config)
    except (PlasticError, OSError) as error:
        failures.append(str(error))
        print(f"error: {error}", file=sys.stderr, flush=True)
    except Exception as error:  # noqa: BLE001 - whatever it is that a user's own part raises
        failures.append(repr(error))
        traceback.print_exc()
    else:
        if folder not in written:
            written.append(folder)


def what_next(folder: Path) -> str:
    """The study's table, where it is, and what to do with it."""
    table = gather_cells(folder, "regret", KEYS)
    last = table[table["horizon"] == table.groupby("instance")["horizon"].transform("max")]
    return "\n".join(
        [
            "",
            format_regret(last),
            "",
            "regret: mean over the runs, +- half of the 95% t interval; slope: how it grows in",
            "log time, beside the least that any bandit good everywhere can do in the end (1).",
            f"Tables: {folder / 'regret.parquet'} and regret.csv, every horizon.",
            "",
            HINTS.format(python=python_here()),
        ]
    )


def main() -> None:
    """Entry point of ``python -m experiments.regret`` and ``plastic-regret``."""
    logging.basicConfig(level=logging.WARNING, format="plastic: %(message)s")
    failures.clear()
    written.clear()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # or Hydra would tell errors in its own way
    folder = str(config_folder())
    try:
        check_overrides(sys.argv[1:], RegretConfig, (*GROUPS, "experiment"))
        hydra.main(version_base="1.3", config_path=folder, config_name="regret")(job)()
        for study in written:
            print(what_next(study))
    except (PlasticError, HydraException, OmegaConfBaseException, OSError) as error:
        sys.exit(f"error: {explain(error)}")
    if failures:
        sys.exit(f"error: {len(failures)} simulation(s) failed")


if __name__ == "__main__":
    main()

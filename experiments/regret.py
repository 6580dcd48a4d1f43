"""Regret of bandits in environments: ``python -m experiments.regret key=value ...``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from experiments.cells import Program, check_keys, hash_of
from experiments.choices import build, choice
from experiments.progress import Progress, python_here
from plastic.errors import InvalidParameter, check_count

if TYPE_CHECKING:
    from plastic.bandits import Bandit
    from plastic.bandits.environments import Environment

RESULTS_VERSION = 1
"""Part of each simulation's identity; raised when a configuration gives other results."""

GROUPS = ("bandit", "environment")

HINTS = """Try next:
  {python} -m experiments.regret bandit=beta,gaussian environment=two_arms n_runs=200
  {python} -m experiments.regret experiment=regret"""


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
    # not before: the threads of NumPy's linear algebra are limited before it is imported
    from numpy.random import default_rng

    from plastic.analysis.cells import gather_cells, write_cell
    from plastic.analysis.regret import KEYS, regret_rows
    from plastic.analysis.statistics import mean_interval
    from plastic.bandits.simulation import simulate

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
    check_keys(config, RegretConfig)
    check_count("seed", config.seed, low=0)
    check_count("n_runs", config.n_runs, low=2)
    for horizon in config.horizons:
        check_count("horizons", horizon)
    if list(config.horizons) != sorted(set(config.horizons)) or not config.horizons:
        raise InvalidParameter(f"horizons must ascend, got {list(config.horizons)}")


def run_id(config: DictConfig) -> str:
    """Name of a simulation: what it is, and a hash of all that its results depend on."""
    code = hash_of(config, RESULTS_VERSION)
    return f"{choice(config.bandit)}-{choice(config.environment)}-s{config.seed}-{code}"


def what_next(folder: Path) -> str:
    """The study's table, where it is, and what to do with it."""
    from plastic.analysis.cells import gather_cells
    from plastic.analysis.regret import KEYS, format_regret

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


PROGRAM = Program(RegretConfig, "regret", GROUPS, "simulation", run, what_next)
main = PROGRAM.main
"""Entry point of ``python -m experiments.regret`` and ``plastic-regret``."""

if __name__ == "__main__":
    main()

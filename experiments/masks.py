"""Pruning by whole masks, compared: ``python -m experiments.masks key=value ...``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from experiments.cells import Program, check_keys, hash_of
from experiments.choices import build, choice
from experiments.progress import python_here
from plastic.errors import InvalidParameter, check_count, check_in, check_range

if TYPE_CHECKING:
    from plastic.datasets import Dataset

RESULTS_VERSION = 1
"""Part of each cell's identity; raised when a configuration gives other results."""

UNITS = ("relu", "threshold")


@dataclass
class MasksConfig:
    """What one network and its prunings are.

    Parameters
    ----------
    study : str
        Networks that belong in one table; a folder below `results_dir`.
    results_dir : str
        Where studies are kept.
    seed : int
        Of all random streams.
    units : str
        ``relu``, or ``threshold``: trained as tanh, then each replaced by its sign.
    hidden : list of int
        Sizes of the hidden layers.
    steps, batch_size, learning_rate
        Of the training before pruning: SGD with momentum 0.9 and a cosine schedule.
    fraction : float
        Of the hidden neurons to prune.
    pulls : int
        Mini-batches that each rule may look at.
    pull_size : int
        Samples of each.
    cost : str
        What a pull tells: ``loss``, or ``error`` for the error rate alone.
    rate : float
        Of the straight-through scores.
    rules : list of str
        Of `plastic.bandits.masks.RULES`, and ``magnitude``, ``fisher``, ``straight_through``.
    dataset : dict
        A choice from conf/dataset/ with its parameters.
    """

    study: str = "masks"
    results_dir: str = "results"
    seed: int = 0
    units: str = "relu"
    hidden: list[int] = field(default_factory=lambda: [128, 128])
    steps: int = 1000
    batch_size: int = 50
    learning_rate: float = 0.1
    fraction: float = 0.75
    pulls: int = 1500
    pull_size: int = 32
    cost: str = "loss"
    rate: float = 0.1
    rules: list[str] = field(default_factory=list)  # conf/masks.yaml names them all
    dataset: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(name="masks_schema", node=MasksConfig)


def run(config: DictConfig) -> Path:
    """Train one network, prune it by every rule in turn, and keep a row for each.

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
    from experiments.mask_cells import pruned_by, trained
    from plastic.analysis.cells import write_cell
    from plastic.training import Streams

    streams = Streams.of(config.seed)
    dataset: Dataset = build(config, "dataset", rng=streams.split)
    started = time.monotonic()
    network = trained(config, dataset, streams)
    rows = [pruned_by(rule, config, dataset, network) for rule in config.rules]
    folder, name = Path(config.results_dir) / config.study, run_id(config)
    write_cell(folder, name, rows, OmegaConf.to_yaml(config, resolve=True))
    best = max(rows, key=lambda row: row["accuracy"])
    print(
        f"{name}  done in {time.monotonic() - started:.1f} s: best {best['rule']} "
        f"{best['accuracy']:.3f}, before {best['dense_accuracy']:.3f}",
        flush=True,
    )
    return folder


def check_config(config: DictConfig) -> None:
    """Raise `InvalidParameter` for a root key or value that no study could use."""
    from plastic.bandits.masks import RULES
    from plastic.policies.mask_pruning import SCORES

    check_keys(config, MasksConfig)
    check_count("seed", config.seed, low=0)
    for name in ("steps", "batch_size", "pulls", "pull_size"):
        check_count(name, config[name])
    check_range("fraction", config.fraction, 0, 1, open_high=True)
    check_in("units", config.units, UNITS)
    check_in("cost", config.cost, ("loss", "error"))
    for name in ("rules", "hidden"):
        if not config[name]:
            raise InvalidParameter(f"{name} must name at least one, got []")
    for rule in config.rules:
        check_in("rules", rule, (*RULES, *SCORES))
    for size in config.hidden:
        check_count("hidden", size)


def run_id(config: DictConfig) -> str:
    """Name of a cell: what it is, and a hash of all that its results depend on."""
    code = hash_of(config, RESULTS_VERSION)
    return f"{choice(config.dataset)}-{config.units}-s{config.seed}-{code}"


def what_next(folder: Path) -> str:
    """The study's table, where it is, and what to do with it."""
    from plastic.analysis.cells import gather_cells
    from plastic.analysis.masks import KEYS, format_masks

    table = gather_cells(folder, "masks", KEYS)
    return "\n".join(
        [
            "",
            format_masks(table),
            "",
            "accuracy: on the test split right after pruning, mean over seeds +- half of the",
            "95% t interval; leads are paired by seed.",
            f"Tables: {folder / 'masks.parquet'} and masks.csv, a row for each seed.",
            f"More: {python_here()} -m experiments.masks dataset=mnist1d units=threshold",
        ]
    )


PROGRAM = Program(MasksConfig, "masks", ("dataset",), "cell", run, what_next)
main = PROGRAM.main
"""Entry point of ``python -m experiments.masks`` and ``plastic-masks``."""

if __name__ == "__main__":
    main()

"""Programs whose every job fills one cell of a study's table, as regret and masks do."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, final

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.arguments import look_here_too
from experiments.config import check_overrides, config_folder, explain, unknown_key
from experiments.workers import limit_threads
from plastic.errors import InvalidParameter, PlasticError

WHERE = ("study", "results_dir")
"""Keys that say where a cell is kept, and nothing of what is in it."""


@final
@dataclass
class Program:
    """A program on the command line, and what came of its jobs in this process.

    Parameters
    ----------
    schema : type
        The dataclass of its configuration, with `study` and `results_dir`.
    config_name : str
        Of its file in conf/.
    groups : sequence of str
        Folders of conf/ that its command line may choose from.
    cell : str
        What one job is, in a word.
    run : callable
        Takes a job's configuration, fills its cell, and returns the study's folder.
    what_next : callable
        Takes a study's folder, and says what is in it and what to do with it.
    failures : list of str
        What went wrong; the exit code tells.
    written : list of Path
        Studies that were written to.
    """

    schema: type
    config_name: str
    groups: Sequence[str]
    cell: str
    run: Callable[[DictConfig], Path]
    what_next: Callable[[Path], str]
    failures: list[str] = field(default_factory=list, init=False)
    written: list[Path] = field(default_factory=list, init=False)

    def main(self) -> None:
        """Do the jobs of the command line, print the tables, and exit with 1 if one failed."""
        logging.basicConfig(level=logging.WARNING, format="plastic: %(message)s")
        self.failures.clear()
        self.written.clear()
        limit_threads()
        os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # or Hydra would tell errors its way
        look_here_too(sys.argv[1:])
        start = hydra.main(
            version_base="1.3", config_path=str(config_folder()), config_name=self.config_name
        )
        try:
            check_overrides(sys.argv[1:], self.schema, (*self.groups, "experiment"))
            start(self.job)()
            for study in self.written:
                print(self.what_next(study))
        except (PlasticError, HydraException, OmegaConfBaseException, OSError) as error:
            sys.exit(f"error: {explain(error)}")
        if self.failures:
            sys.exit(f"error: {len(self.failures)} {self.cell}(s) failed")

    def job(self, config: DictConfig) -> None:
        """One cell of a sweep: a failure is told, and does not stop the others."""
        try:
            folder = self.run(config)
        except (PlasticError, OSError) as error:
            if str(error) not in self.failures:  # not again for what is wrong with all cells
                print(f"error: {error}", file=sys.stderr, flush=True)
            self.failures.append(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a user's own part raises
            self.failures.append(repr(error))
            traceback.print_exc()
        else:
            if folder not in self.written:
                self.written.append(folder)


def check_keys(config: DictConfig, schema: type) -> None:
    """Raise `InvalidParameter` for a root key that is unknown or missing, or no place."""
    known = [item.name for item in fields(schema)]
    for key in config:
        if key not in known:
            raise InvalidParameter(unknown_key(str(key), known))
    for key in sorted(OmegaConf.missing_keys(config)):
        raise InvalidParameter(f"{key} has no default and must be given, as in {key}=...")
    for name in WHERE:
        if not config[name].strip():
            raise InvalidParameter(f"{name} must not be empty")


def hash_of(config: DictConfig, version: int) -> str:
    """Ten digits that stand for all that a cell's results depend on.

    Parameters
    ----------
    config : DictConfig
    version : int
        Raised when the same configuration gives other results.

    Examples
    --------
    >>> config = OmegaConf.create({"study": "mine", "results_dir": "results", "seed": 1})
    >>> hash_of(config, 1)
    '2ac2518a8c'
    >>> config.study = "other"
    >>> hash_of(config, 1)
    '2ac2518a8c'
    """
    plain: Any = OmegaConf.to_container(config, resolve=True)
    identity = {key: value for key, value in plain.items() if key not in WHERE}
    text = json.dumps([version, identity], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]

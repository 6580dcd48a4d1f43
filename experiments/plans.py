"""Which runs a sweep is of: written down before it starts, and missed at its end.

A run's name is a hash of its configuration, so the configuration of each job is composed here,
as Hydra will compose it.  Jobs that differ in their seed alone are composed once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from experiments.arguments import expand, seeds_of
from experiments.warming import warm_for
from plastic.errors import PlasticError
from plastic.sweeps import Planned, as_command, write_plan

if TYPE_CHECKING:
    import pandas as pd

ELSEWHERE = 3
"""The exit code where nothing went wrong, but other processes are at some of the runs."""

_SEED = re.compile(r"\+*seed=(\d+)")


@dataclass(frozen=True)
class Plan:
    """What a sweep of this process is to run in a study.

    Parameters
    ----------
    study : Path
    jobs : sequence of Planned
    """

    study: Path
    jobs: Sequence[Planned]

    @property
    def n_runs(self) -> int:
        """How many runs it has, each once; a job without any counts as one, which is missed."""
        names = {name for job in self.jobs for name in job.runs}
        return len(names) + sum(not job.runs for job in self.jobs)

    def runs(self) -> pd.DataFrame:
        """How its own runs stand, as `plastic.analysis.status.survey` gives them."""
        from plastic.analysis.status import survey

        known = survey(self.study)
        names = {name for job in self.jobs for name in job.runs}
        without = {as_command(job.overrides) for job in self.jobs if not job.runs}
        return known[known["run_id"].isin(names) | known["job"].isin(without)]


plans: list[Plan] = []
"""Of the sweeps of this process."""


class WritePlan(Callback):
    """Writes down what a sweep plans, when it starts."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Write the plan, where the jobs are known beforehand: other sweepers make them up."""
        sweeper = config.hydra.sweeper
        if plans or not str(sweeper["_target_"]).endswith(".BasicSweeper"):
            return
        loader = GlobalHydra.instance().config_loader()

        def compose(overrides: Sequence[str]) -> DictConfig:
            composed = loader.load_sweep_config(config, list(overrides))
            with read_write(composed), open_dict(composed):
                del composed["hydra"]
            return composed

        params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        with suppress(HydraException, OmegaConfBaseException):  # Hydra will say what is wrong
            jobs = expand([*params, *config.hydra.overrides.task], loader)
            for plan in plans_of(jobs, compose):
                remember(plan)
        if not str(config.hydra.launcher["_target_"]).endswith(".BasicLauncher"):
            warm_for(config)


def plans_of(
    jobs: Sequence[Sequence[str]], compose: Callable[[Sequence[str]], DictConfig]
) -> list[Plan]:
    """The plan of each study that jobs are of.

    Parameters
    ----------
    jobs : sequence of sequence of str
        The overrides of each.
    compose : callable
        Makes the configuration of some overrides.
    """
    composed: dict[tuple[str, ...], DictConfig] = {}
    found: dict[Path, list[Planned]] = {}
    for job in jobs:
        given = [_SEED.fullmatch(override) for override in job]
        others = tuple(o for o, seed in zip(job, given, strict=True) if seed is None)
        seeds = [int(seed[1]) for seed in given if seed is not None]
        if others not in composed:
            composed[others] = compose(others)
        config = composed[others]
        study = Path(config.results_dir) / config.study
        runs = dict(_runs_of(config, seeds[-1] if seeds else config.seed))
        found.setdefault(study, []).append(Planned(tuple(job), runs))
    return [Plan(study, planned) for study, planned in found.items()]


def _runs_of(config: DictConfig, seed: int) -> Iterator[tuple[str, int]]:
    """Name and seed of each run of a job; none where its configuration is of no use."""
    from experiments.run import run_id

    before = config.seeds, config.seed
    with suppress(PlasticError, OmegaConfBaseException):  # the job says what is wrong
        seeds = [seed] if config.seeds is None else seeds_of(config.seeds)
        config.seeds = None
        for config.seed in seeds:
            yield run_id(config), config.seed
    config.seeds, config.seed = before


def remember(plan: Plan) -> None:
    """Write a plan down, and say what earlier starts have left of it to be done."""
    is_new = not plan.study.is_dir()
    plans.append(plan)
    with suppress(PlasticError, OSError):  # the jobs will say that nothing can be written there
        write_plan(plan.study, plan.jobs)
        if is_new:
            return
        # not before: nothing else needs pandas
        from plastic.analysis.status import COMPLETE, MISSING, counts

        found = counts(plan.runs())
        done, fresh = found.pop(COMPLETE, 0), found.pop(MISSING, 0)
        listed = "".join(f", {n} {state}" for state, n in found.items())
        print(
            f"{plan.study}: of {plan.n_runs} runs {done} are complete and skipped"
            f"{listed}, {fresh} to begin",
            flush=True,
        )


def how_they_ended() -> tuple[list[str], int]:
    """What the sweeps of this process left undone, and what their exit code is to be.

    Returns
    -------
    list of str
        A line for each study in which not all is complete.
    int
        0 if all is; `ELSEWHERE` if other processes are at all that is not; 1 otherwise.
    """
    if not plans:
        return [], 0  # and no time is spent on what looks
    from plastic.analysis.status import COMPLETE, RUNNING, counts

    lines, code = [], 0
    for plan in plans:
        found = counts(plan.runs())
        done = found.pop(COMPLETE, 0)
        if not found:
            continue
        code = ELSEWHERE if set(found) == {RUNNING} and code in (0, ELSEWHERE) else 1
        others = found.pop(RUNNING, 0)
        listed = [f"{done} runs complete", *(f"{n} {state}" for state, n in found.items())]
        listed += [f"{others} left to the processes that run them"] if others else []
        lines.append(f"{plan.study}: {', '.join(listed)}")
    return lines, code

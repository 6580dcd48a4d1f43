"""Search for hyperparameters: ``python -m experiments.search rewiring study=mine policy=set``.

Optuna proposes, and is told the mean score on the *reward* split over the seeds of a trial;
the test split is only reported.  Every trial leaves ordinary runs in the study's folder.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.arguments import look_here_too, quote_seeds, seeds_of
from experiments.config import check_overrides, config_folder, explain, unknown_key
from experiments.progress import python_here
from experiments.workers import limit_threads
from plastic.errors import (
    InvalidParameter,
    PlasticError,
    StopRun,
    check_count,
    check_in,
    require_extra,
)

if TYPE_CHECKING:
    import optuna

    from plastic.training import Rows

DATABASE, TABLE = "search.db", "trials.csv"
"""What a search keeps in its study's folder beside the runs."""

SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler", "gp": "GPSampler"}
PRUNERS = {
    "median": "MedianPruner",
    "successive_halving": "SuccessiveHalvingPruner",
    "none": "NopPruner",
}


class Pruned(StopRun):
    """A run was stopped, as its trial promised less than earlier ones."""


@dataclass(frozen=True)
class Space:
    """What is searched, and how.

    Parameters
    ----------
    space : dict
        By name of a key of the configuration: a list of choices, or a mapping with ``low`` and
        ``high``, and optionally ``log``, ``step`` and ``type: int``.
    sampler, pruner : str
        Keys of `SAMPLERS` and `PRUNERS`.

    Raises
    ------
    InvalidParameter
        If any of it is of no use.
    """

    space: dict[str, Any]
    sampler: str = "tpe"
    pruner: str = "median"

    def __post_init__(self) -> None:
        check_in("sampler", self.sampler, SAMPLERS)
        check_in("pruner", self.pruner, PRUNERS)
        if not self.space:
            raise InvalidParameter("space must name a key to search over")
        for name, values in self.space.items():
            if isinstance(values, list) and values:
                continue
            if not isinstance(values, dict) or not {"low", "high"} <= set(values):
                raise InvalidParameter(
                    f"{name} must be a list of choices, or have low and high, got {values!r}"
                )
            known = ["low", "high", "log", "step", "type"]
            for key in values:
                if key not in known:
                    raise InvalidParameter(unknown_key(f"{name}.{key}", known))
            check_in(f"{name}.type", values.get("type", "float"), ["int", "float"])
            if not values["low"] <= values["high"]:
                raise InvalidParameter(f"{name}: low must not exceed high, got {values!r}")
            if values.get("log") and (values["low"] <= 0 or "step" in values):
                raise InvalidParameter(f"{name}: log needs low > 0 and no step, got {values!r}")

    def suggest(self, trial: optuna.Trial) -> list[str]:
        """The overrides of a trial."""
        found = []
        for name, values in self.space.items():
            if isinstance(values, list):
                value = trial.suggest_categorical(name, values)
            else:
                keywords = {k: v for k, v in values.items() if k != "type"}
                whole = values.get("type") == "int"
                value = (trial.suggest_int if whole else trial.suggest_float)(name, **keywords)
            found.append(f"{name}={as_override(value)}")
        return found


def as_override(value: Any) -> str:
    """A value as the command line takes it.

    Examples
    --------
    >>> as_override(0.1), as_override(True), as_override(None), as_override("cosine")
    ('0.1', 'true', 'null', 'cosine')
    """
    words = {"True": "true", "False": "false", "None": "null"}
    return words.get(str(value), str(value))


def read_space(name: str) -> Space:
    """The space of conf/search/<name>.yaml, or of a file of one's own.

    Raises
    ------
    InvalidParameter
        If there is no such file, or it is of no use.
    """
    own, shipped = Path(name), config_folder() / "search"
    path = own if own.suffix == ".yaml" else shipped / f"{name}.yaml"
    if not path.is_file():
        known = sorted(path.stem for path in shipped.glob("*.yaml"))
        raise InvalidParameter(unknown_key(name, known, "space"))
    content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    for key in content:
        if key not in Space.__dataclass_fields__:
            raise InvalidParameter(unknown_key(str(key), list(Space.__dataclass_fields__)))
    return Space(**content)


@dataclass(frozen=True)
class Search:
    """A search, begun or to be gone on with.

    Parameters
    ----------
    space : Space
    overrides : tuple of str
        What every trial has, as on the command line of a run.
    seeds : tuple of int
        Of the runs of each trial.
    seed : int
        Of the sampler.
    config_dir : Path, optional
        A folder of configurations beside plastic's.
    """

    space: Space
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    seed: int = 0
    config_dir: Path | None = None

    def config(self, *more: str) -> DictConfig:
        """The configuration of a run."""
        own = []
        if self.config_dir is not None:
            own = [f"hydra.searchpath=['file://{self.config_dir.absolute()}']"]
        with initialize_config_dir(str(config_folder()), job_name="run", version_base="1.3"):
            return compose("config", [*own, *self.overrides, *more])

    def carry_on(self, n_trials: int) -> optuna.Study:
        """Run trials until so many are finished; returns the study.

        Raises
        ------
        PlasticError
            If another process searches in the same folder, or the search there is another.
        """
        engine: Any = require_extra("optuna", "search")
        # not before: the threads of NumPy's linear algebra are limited before it is imported
        from numpy.random import SeedSequence

        from plastic.locks import FolderLock

        engine.logging.set_verbosity(engine.logging.ERROR)
        base = self.config()
        folder = Path(base.results_dir) / base.study
        with FolderLock(folder):
            study = engine.create_study(
                storage=f"sqlite:///{(folder / DATABASE).resolve()}",
                study_name="search",
                direction="maximize",
                pruner=getattr(engine.pruners, PRUNERS[self.space.pruner])(),
                load_if_exists=True,
            )
            self._check_same(study)
            states = engine.trial.TrialState
            for killed in study.get_trials(states=[states.RUNNING]):  # nobody else is here
                study.tell(killed.number, state=states.FAIL)
                study.enqueue_trial(killed.params, user_attrs={"repeats": killed.number})
            over = (states.COMPLETE, states.PRUNED)
            while (done := len(study.get_trials(states=over))) < n_trials:
                failed = [
                    t
                    for t in study.get_trials(states=[states.FAIL])
                    if t.user_attrs.get("reason")
                ]
                if done + len(failed) >= n_trials:
                    break
                # anew for each, so that stopping and going on changes no proposal
                own = SeedSequence([self.seed, done + len(failed)]).generate_state(1)
                sampler = getattr(engine.samplers, SAMPLERS[self.space.sampler])
                study.sampler = sampler(seed=int(own[0]))
                self._one(study, states)
                study.trials_dataframe().to_csv(folder / TABLE, index=False)
        return study

    def _check_same(self, study: optuna.Study) -> None:
        mine = {"space": self.space.space, "overrides": list(self.overrides),
                "seeds": list(self.seeds), "seed": self.seed}  # fmt: skip
        held = study.user_attrs
        if held and held.get("search") != mine:
            raise InvalidParameter(
                f"this study holds another search ({held.get('search')}); choose another study="
            )
        study.set_user_attr("search", mine)

    def _one(self, study: optuna.Study, states: Any) -> None:
        trial = study.ask()
        chosen = self.space.suggest(trial)
        scores: list[float] = []
        tests: list[float] = []
        try:
            for at, seed in enumerate(self.seeds):
                run = self._run(trial, [*chosen, f"seed={seed}"], at, scores)
                scores.append(float(run["final_reward_score"]))
                tests.append(float(run["final_test_score"]))
        except Pruned:
            study.tell(trial, state=states.PRUNED)
            outcome = "pruned"
        except PlasticError as error:
            trial.set_user_attr("reason", str(error))
            study.tell(trial, state=states.FAIL)
            outcome = f"failed: {error}"
        else:
            trial.set_user_attr("test_score", fmean(tests))
            study.tell(trial, fmean(scores))
            outcome = f"reward score {fmean(scores):.4f}"
        print(f"trial {trial.number}: {outcome}  {' '.join(chosen)}", flush=True)

    def _run(
        self, trial: optuna.Trial, overrides: list[str], at: int, before: list[float]
    ) -> Any:
        """One run of a trial; its row."""
        from experiments.run import run
        from plastic.analysis import load_results
        from plastic.callbacks import Callback

        config = self.config(*overrides)
        reported: set[int] = set()

        def watch(step: int, score: float) -> None:
            if step in reported:
                return
            reported.add(step)
            # seeds follow one another, so the steps of the second come after those of the first
            trial.report(fmean([*before, score]), at * (config.steps + 1) + step)
            if trial.should_prune():
                raise Pruned(f"trial {trial.number} promises too little at step {step}")

        class Watch(Callback):
            def rows(self, rows: Rows) -> None:
                if rows.table == "convergence":
                    columns = rows.columns
                    scores = dict(zip(columns["split"], columns["score"], strict=True))
                    watch(int(columns["step"][0]), float(scores["reward"]))

        results = load_results(run(config, callbacks={"search": Watch()}))
        curve = results.convergence  # of a run that was complete already, nothing was watched
        for row in curve[curve["split"] == "reward"].itertuples():
            watch(int(row.step), float(row.score))
        return results.runs.iloc[0]


def summary(search: Search, study: optuna.Study) -> str:
    """What was found: the best trial, how to run it, and what mattered."""
    engine: Any = require_extra("optuna", "search")
    states = engine.trial.TrialState
    complete = study.get_trials(states=[states.COMPLETE])
    pruned, failed = (len(study.get_trials(states=[s])) for s in (states.PRUNED, states.FAIL))
    lines = ["", f"{len(complete)} trials complete, {pruned} pruned, {failed} failed"]
    if not complete:
        return "\n".join(lines)
    best = study.best_trial
    lines += [
        f"best: trial {best.number}, reward score {best.value:.4f} "
        f"(test {best.user_attrs['test_score']:.4f}, which chose nothing)",
        "importance of each parameter for the reward score:",
        *_importances(engine, study, len(complete)),
        "Run it on seeds that did not choose it:",
    ]
    chosen = [f"{name}={as_override(value)}" for name, value in best.params.items()]
    seeds = f"seeds=range({max(search.seeds) + 1},{max(search.seeds) + 11})"
    own = [one for one in search.overrides if not one.startswith("study=")]
    where = [] if search.config_dir is None else ["--config-dir", str(search.config_dir)]
    words = shlex.join([*where, *own, *chosen, "study=found", seeds])
    return "\n".join([*lines, f"  {python_here()} -m experiments.run {words}"])


def _importances(engine: Any, study: optuna.Study, n_complete: int) -> list[str]:
    varied = {
        name for name in study.best_params
        if len({repr(t.params[name]) for t in study.trials if name in t.params}) > 1
    }  # fmt: skip
    if n_complete < 4 or not varied:
        return ["  too few trials to tell"]
    evaluator = engine.importance.FanovaImportanceEvaluator(seed=0)
    try:
        found = engine.importance.get_param_importances(study, evaluator=evaluator)
    except (RuntimeError, ValueError):  # as where all trials score alike
        return ["  none: all trials score alike"]
    return [f"  {name:30} {value:.2f}" for name, value in found.items()]


def main(argv: Sequence[str] | None = None) -> int:
    """Search and print what was found; 1 if no trial was complete, 2 if none was begun.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; the process's own by default.
    """
    given = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_intermixed_args(given)
    limit_threads()
    look_here_too(given)
    try:
        require_extra("optuna", "search")
        overrides = quote_seeds(arguments.overrides)
        check_overrides(overrides)
        for override in overrides:
            if override.partition("=")[0] in ("seed", "seeds"):
                raise InvalidParameter(f"seeds are those of --seeds, got {override!r}")
        check_count("--trials", arguments.trials)
        seeds = tuple(seeds_of(arguments.seeds))
        space, own = read_space(arguments.space), arguments.config_dir
        if own is not None and not own.is_dir():
            raise InvalidParameter(f"--config-dir: {own} is not a folder")
        search = Search(space, tuple(overrides), seeds, arguments.seed, own)
        study = search.carry_on(arguments.trials)
    except (PlasticError, HydraException, OmegaConfBaseException, OSError) as error:
        print(f"error: {explain(error)}", file=sys.stderr)
        return 2
    print(summary(search, study))
    return 0 if any(trial.state.name == "COMPLETE" for trial in study.trials) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plastic-search",
        description="Search for hyperparameters by the score on the reward split; the same "
        "command goes on with a search that was stopped.",
    )
    parser.add_argument("space", help="of conf/search/, as rewiring, or a .yaml of your own")
    parser.add_argument(
        "overrides", nargs="*", default=[], help="as of a run: study=mine policy=set ..."
    )
    parser.add_argument(
        "--config-dir", type=Path, help="a folder of configurations of your own"
    )
    parser.add_argument("--trials", type=int, default=20, help="in all (default: 20)")
    parser.add_argument("--seeds", default="range(3)", help="of each trial: default range(3)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampler (default: 0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

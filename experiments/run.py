"""One run, from a configuration to tables: ``python -m experiments.run key=value ...``."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.arguments import look_here_too, quote_seeds, results_for_all, sweep_first
from experiments.choices import build, build_all, choice
from experiments.config import (
    GROUPS,
    JOB_KEYS,
    LISTED,
    check_config,
    check_overrides,
    config_folder,
    explain,
)
from experiments.jobs import carry_out, elsewhere, failures, job
from experiments.plans import ELSEWHERE, how_they_ended
from experiments.progress import Progress, python_here
from experiments.resuming import Begun, begin, missing_metrics, tidy_up
from experiments.workers import limit_threads
from plastic.errors import PlasticError, ResultsError
from plastic.locks import FolderLock, check_free

if TYPE_CHECKING:
    from numpy.random import Generator

    from plastic.callbacks import Callback, Telling
    from plastic.datasets import Dataset
    from plastic.engine import Network
    from plastic.policies import Policy
    from plastic.selection import Selector
    from plastic.topology import Constraints, Topology
    from plastic.training import Rows, Streams

RESULTS_VERSION = 1
"""Part of every run's identity; raised when the same configuration gives other results."""

FLUSH_SECONDS = 10.0
"""Seconds of training after which tables are written again, for whoever kills the run."""


def run(config: DictConfig, *, callbacks: Mapping[str, Callback] | None = None) -> Path:
    """Run a configuration and write its tables, unless they are there and complete.

    Parameters
    ----------
    config : DictConfig
        As composed from conf/, see `experiments.config.RunConfig`.
    callbacks : mapping of str to Callback, optional
        By name; told of the run besides those of the configuration.

    Returns
    -------
    Path
        The run's folder.

    Raises
    ------
    PlasticError
        If the configuration is of no use (nothing is written), or the run fails (its tables
        are kept, with the status ``failed``).
    """
    check_config(config)
    folder = Path(config.results_dir) / config.study / run_id(config)
    if is_complete(folder, config):
        tidy_up(folder, config)
        print(f"{folder.name}  complete already", flush=True)
        return folder
    check_free(folder)  # before all that a run needs is made
    policy: Policy = build(config, "policy")
    optimizer, schedule = build(config, "optimizer"), build(config, "schedule")
    plasticity, metrics = build(config, "plasticity"), build_all(config, "metrics")
    # not before: --help and wrong command lines are answered without the second these take
    from plastic.callbacks import Telling
    from plastic.metrics import Readings
    from plastic.selection import check_unedited, paid_steps
    from plastic.training import Streams, train

    telling = Telling({**build_all(config, "callbacks"), **(callbacks or {})})
    streams = Streams.of(config.seed)
    dataset: Dataset = build(config, "dataset", rng=streams.split)
    network = make_network(config, dataset, policy, streams)
    n_steps = paid_steps(network, config.steps)
    check_unedited(network, policy.steps(n_steps).tolist())
    network.prepare(config.batch_size)
    steps = partial(
        train, network, dataset, policy, optimizer, schedule, streams,
        n_steps=n_steps, batch_size=config.batch_size,
        evaluate_every=config.evaluate_every, plasticity=plasticity,
        readings=Readings(metrics, config.seed),
    )  # fmt: skip
    summary, progress = Summary(network.topology), Progress(folder.name, n_steps)
    with FolderLock(folder):
        if is_complete(folder, config):  # by another process, while this one got ready
            print(f"{folder.name}  complete already", flush=True)
            return folder
        row = run_row(config)
        begun = begin(folder, config, row, steps)
        summary.values |= {**begun.findings, "metric": dataset.metric}
        keep = partial(keep_network, network, folder, config.keep_network)
        record(begun, summary, progress, keep, telling, row)
    tidy_up(folder, config)
    progress.close(summary.values, dataset.metric)
    return folder


def record(
    begun: Begun,
    summary: Summary,
    progress: Progress,
    keep: Callable[[], None],
    telling: Telling,
    row: Mapping[str, Any],
) -> None:
    """Train, write down whatever comes of it, and then tell the callbacks.

    What is kept of the network's end is kept by `keep`.
    """
    from plastic.callbacks import Started  # as in `run`
    from plastic.columns import flatten
    from plastic.training import Rows

    with telling, begun.recorder as recorder:  # which leaves first: tables, then trackers
        folder, telling.findings = recorder.folder, summary.values
        begun.checkpoints.extra = lambda: {
            "run_id": folder.name,
            "recorder": recorder.position(),
            "summary": summary.values,
        }
        recorder.finish(**summary.values)
        telling.begin(Started(folder.name, folder, flatten(row), begun.step))
        for table, columns in recorder.held() if telling else ():
            telling.rows(Rows(table, columns))
        written = time.monotonic()
        for rows in begun.rows:
            columns = recorder.add(rows.table, rows.columns)
            summary.take(rows)
            recorder.finish(**summary.values)
            progress.show(summary.values)
            telling.rows(Rows(rows.table, columns))
            if time.monotonic() - written > FLUSH_SECONDS:
                recorder.flush()
                written = time.monotonic()
        keep()  # before the run counts as complete


def keep_network(network: Network, folder: Path, most: int | None) -> None:
    """Write the network into its run's folder, unless it has more than `most` connections."""
    if most is None or network.topology.n_connections <= most:
        from plastic.interop.safetensors import NETWORK, save_network  # as in `run`

        save_network(network, folder / NETWORK)


def make_network(
    config: DictConfig, dataset: Dataset, policy: Policy, streams: Streams
) -> Network:
    """The network that a run begins with."""
    from plastic.engine import Network  # as in `run`
    from plastic.selection import Selected

    topology = build(
        config,
        "wiring",
        n_inputs=dataset.n_inputs,
        n_outputs=dataset.n_outputs,
        density=policy.begin(config.density),
        rng=streams.wiring,
        output_activation=dataset.output_activation,
    )
    constrain(topology, build(config, "constraints"), streams.wiring)
    options = {
        "engine": config.engine.value,
        "dtype": config.dtype.value,
        "biases": config.biases,
        "threads": config.threads,
    }
    selector: Selector = build(config, "selection")
    if not selector.selects:
        return Network(topology, dataset.loss, **options).initialize(streams.weights)
    network = Selected(
        topology,
        dataset.loss,
        selector=selector,
        n_steps=config.steps,
        rng=streams.selection,
        **options,
    )
    return network.initialize(streams.weights)


def constrain(topology: Topology, constraints: Constraints, rng: Generator) -> None:
    """Cut the initial wiring down to what the constraints allow, and hold it to them.

    Raises
    ------
    InvalidParameter
        If it cannot be cut down to them, as with too many hidden neurons.
    """
    from plastic.edits import Disconnect  # as in `run`
    from plastic.errors import InvalidEdit, InvalidParameter

    structure = topology.structure
    surplus = constraints.surplus(structure, rng)
    topology.apply(Disconnect(structure.connection_ids[surplus], keep_stranded=True))
    try:
        topology.constrain(constraints)
    except InvalidEdit as error:
        raise InvalidParameter(f"constraints: of the initial wiring, {error}") from None


def is_complete(folder: Path, config: DictConfig) -> bool:
    """Whether this configuration was run to its end in this folder, all its metrics read.

    Raises
    ------
    ResultsError
        If the folder holds another run, or one of another configuration.
    """
    written = folder / "config.yaml"
    if not written.is_file():
        return False
    from plastic.records import read_status  # as in `run`

    held = OmegaConf.load(written)
    if not isinstance(held, DictConfig) or _identity(held) != _identity(config):
        raise ResultsError(f"{folder} holds a run of another configuration; move it away")
    return read_status(folder) == "complete" and not missing_metrics(held, config)


def _identity(config: DictConfig) -> dict[str, Any]:
    """All that the results of a configuration depend on."""
    from plastic.columns import is_execution  # as in `run`

    plain: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    return {key: value for key, value in plain.items() if not is_execution(key)}


def run_id(config: DictConfig) -> str:
    """Name of a run: what it is at a glance, and a hash of all that its results depend on.

    Where and how it is executed (threads, folder) is no part of it.
    """
    text = json.dumps([RESULTS_VERSION, _identity(config)], sort_keys=True)
    code = hashlib.sha256(text.encode()).hexdigest()[:10]
    selection = choice(config.selection)
    what = choice(config.policy) if selection == "full" else selection
    return f"{choice(config.dataset)}-{what}-s{config.seed}-{code}"


def run_row(config: DictConfig) -> dict[str, Any]:
    """The configuration as the run table holds it: names of choices beside their parameters."""
    plain: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    for key in JOB_KEYS:
        del plain[key]
    plain |= {group: list(plain[group]) for group in LISTED}
    for group in GROUPS:
        parameters = plain.pop(group)
        parameters.pop("name", None)
        plain |= {group: choice(config[group])}
        plain |= {f"{group}.{key}": value for key, value in parameters.items()}
    return plain


class Summary:
    """The run row's findings, kept up to date while rows come in.

    Parameters
    ----------
    topology : Topology
        As wired: the connections that it could hold are the gradient entries of a dense step.
    """

    def __init__(self, topology: Topology) -> None:
        self._n_possible = topology.n_possible
        self.values: dict[str, Any] = {"n_edits": 0, "steps_done": 0}
        self.values |= {"n_inputs": topology.n_inputs, "n_outputs": topology.n_outputs}

    def take(self, rows: Rows) -> None:
        """Take note of a piece of a table."""
        columns, values = rows.columns, self.values
        if rows.table == "edits" and columns["accepted"] and columns["step"][0] > 0:
            values["n_edits"] += len(columns["id"])
        if rows.table != "convergence":
            return
        if step := columns["step"]:
            done, score = values["steps_done"], columns["running_score"][0]
            before = done * values["online_score"] if done else 0.0
            values["online_score"] = (before + (step - done) * score) / step
        for split, loss, score in zip(
            columns["split"], columns["loss"], columns["score"], strict=True
        ):
            values[f"final_{split}_loss"], values[f"final_{split}_score"] = loss, score
        best = values.get("best_test_score", float("-inf"))
        dense_entries = self._n_possible * max(columns["step"], 1)
        values |= {
            "best_test_score": max(best, values["final_test_score"]),
            "n_neurons": columns["n_neurons"],
            "n_active": columns["n_active"],
            "n_connections": columns["n_connections"],
            "final_density": columns["density"],
            "train_flops": columns["train_flops"],
            "candidate_gradients": columns["candidate_gradients"],
            "candidate_fraction": columns["candidate_gradients"] / dense_entries,
            "steps_done": columns["step"],
        }


def what_next(folder: Path) -> str:
    """Where the results of a single run are, and what to do with them."""
    lines = [
        f"Tables: {folder}",
        f'In pandas: plastic.load_results("{folder.as_posix()}").convergence',
        f"Compare its study: {python_here()} -m experiments.compare {folder.parent}",
    ]
    if HydraConfig.get().sweeper.get("params"):
        lines.append("This experiment is a sweep, and this was one run of it: add -m for all.")
    return "\n".join(lines)


def main() -> None:
    """Entry point of ``python -m experiments.run`` and ``plastic-run``."""
    logging.basicConfig(level=logging.WARNING, format="plastic: %(message)s")
    failures.clear()
    elsewhere.clear()
    limit_threads()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # or Hydra would tell errors in its own way
    sys.argv[1:] = sweep_first(results_for_all(quote_seeds(sys.argv[1:])))
    look_here_too(sys.argv[1:])
    folder = str(config_folder())
    start = hydra.main(version_base="1.3", config_path=folder, config_name="config")(job)
    try:
        check_overrides(sys.argv[1:])
        carry_out(start)
        undone, code = how_they_ended()
    except (PlasticError, HydraException, OmegaConfBaseException, OSError) as error:
        sys.exit(f"error: {explain(error)}")
    if undone:
        where, program = undone[0].partition(":")[0], "watch" if code == ELSEWHERE else "status"
        purpose = "Wait for them" if code == ELSEWHERE else "Which, why, and how to repeat one"
        print(
            f"{'' if code == ELSEWHERE else 'error: '}{'; '.join(undone)}\n"
            f"{purpose}: {python_here()} -m experiments.{program} {where}",
            file=sys.stderr,
        )
        sys.exit(code)
    if failures:  # each has been told in a line of its own
        sys.exit(f"error: {len(failures)} runs failed" if len(failures) > 1 else 1)
    if elsewhere:
        sys.exit(ELSEWHERE)


if __name__ == "__main__":
    main()

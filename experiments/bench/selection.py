"""Time saved by selecting neurons: ``python -m experiments.bench.selection``.

Trains the same run under several selections, which take turns in one process, and compares
the wall time of training with that of computing all neurons.  Evaluation is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from experiments.choices import build
from experiments.config import config_folder
from experiments.run import make_network
from plastic.errors import PlasticError
from plastic.selection import paid_steps
from plastic.training import Streams, train

SELECTIONS = (
    "full", "fixed", "successive_elimination", "successive_elimination_mean",
    "successive_elimination_magnitude", "resampling", "magnitude", "random",
)  # fmt: skip


def times(
    experiment: str, selections: Sequence[str], rounds: int, overrides: Sequence[str] = ()
) -> dict[str, list[float]]:
    """Seconds of training of each selection in each round.

    Parameters
    ----------
    experiment : str
        A choice from conf/experiment/.
    selections : sequence of str
        Choices from conf/selection/.
    rounds : int
        How often each is trained, with seed 0, 1, ...
    overrides : sequence of str
        More settings, as on the command line.
    """
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        configs = {
            name: compose(
                "config", [f"experiment={experiment}", f"selection={name}", *overrides]
            )
            for name in selections
        }
    seconds: dict[str, list[float]] = {name: [] for name in selections}
    for seed in range(rounds):
        for name, config in configs.items():
            seconds[name].append(training_seconds(config, seed))
    return seconds


def training_seconds(config: DictConfig, seed: int) -> float:
    """Wall time of training in one run of a configuration, whatever seed it names."""
    streams = Streams.of(seed)
    dataset, policy = build(config, "dataset", rng=streams.split), build(config, "policy")
    network = make_network(config, dataset, policy, streams)
    network.prepare()
    n_steps = paid_steps(network, config.steps)
    pieces = train(
        network, dataset, policy, build(config, "optimizer"), build(config, "schedule"),
        streams, n_steps=n_steps, batch_size=config.batch_size, evaluate_every=n_steps,
    )  # fmt: skip
    curve = [piece.columns for piece in pieces if piece.table == "convergence"]
    return float(curve[-1]["seconds"])


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; 0, or 2 if a run fails."""
    parser = argparse.ArgumentParser(prog="selection", description="Time saved by selecting.")
    parser.add_argument("experiment", nargs="?", default="selection")
    parser.add_argument(
        "--only", nargs="+", default=SELECTIONS, help="choices of conf/selection/"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--set", nargs="*", default=[], help="more settings, as key=value")
    arguments = parser.parse_args(argv)
    names = list(dict.fromkeys(["full", *arguments.only]))
    try:
        seconds = times(arguments.experiment, names, arguments.rounds, arguments.set)
    except PlasticError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{arguments.experiment}: {arguments.rounds} rounds, seconds of training")
    print(f"{'selection':34}{'median':>9}{'of full':>9}   from round to round")
    for name, taken in seconds.items():
        shares = [one / whole for one, whole in zip(taken, seconds["full"], strict=True)]
        median = statistics.median(taken)
        share = statistics.median(shares)
        print(f"{name:34}{median:9.4f}{share:9.2f}   {min(shares):.2f} to {max(shares):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the tests of whole runs share: small configurations, and ways to read their tables."""

from __future__ import annotations

import pandas as pd

from experiments.config import config_folder
from plastic.records import COLUMNS

SMALL = ["dataset=wine", "wiring.hidden=[8,6]", "density=0.3", "steps=40", "evaluate_every=15"]
OFTEN = ["policy.every=7"]
NEURONS = {
    "cascade_correlation", "gradmax", "gradual_neurons", "homeostasis", "mask_thompson",
    "net2net", "neuron_turnover", "paired_trials", "paired_trials_mean",
    "paired_trials_uniform", "random_neurons", "score_pruning",
}  # fmt: skip
FILES = {"config.yaml", *(f"{table}.parquet" for table in COLUMNS)}
COMPLETE = {*FILES, "network.safetensors"}


def names_in(group):
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def often(policy):
    """Overrides that let a policy act a few times in a short run, if it can choose."""
    if policy in ("mask_thompson", "score_pruning"):
        return ["policy.at=0.5", "policy.pulls=40"]
    return [] if policy in ("static", "dense_then_prune") else OFTEN


def acts_on_neurons(policy):
    """Whether it adds or prunes neurons; then there may be nothing to do, or a trial lost."""
    return policy in NEURONS


def tables_of(folder):
    return {table: pd.read_parquet(folder / f"{table}.parquet") for table in COLUMNS}


def the_row(folder):
    return tables_of(folder)["run"].iloc[0]

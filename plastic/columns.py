"""The columns of every table that a run leaves behind: name, dtype, unit and meaning.

A run leaves five tables.  ``convergence`` has a row for each evaluation and split, ``edits``
one for each item of each edit, ``arms`` one for each arm of each round, ``metrics`` one for
each number that a metric read, and ``run`` a single row: the configuration, and what came of
it.  docs/tables.md is generated from this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import InvalidParameter, check_in

NAN = float("nan")


@dataclass(frozen=True)
class Column:
    """One column of one table.

    Parameters
    ----------
    name : str
        Its name in the file and in the DataFrame.
    dtype : str
        ``int64``, ``float64``, ``bool``, ``str``, or ``category`` for strings that repeat.
    unit : str
        What one of it is; empty for names and pure numbers.
    meaning : str
        What it says, in a sentence.
    missing : number or str, optional
        What stands there when nobody gave it; without it, the column must be given.
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    missing: float | str | None = None

    def convert(self, values: Any) -> NDArray[Any]:
        """The values as an array of this column's dtype (strings as objects).

        Raises
        ------
        InvalidParameter
            If they are of another kind: text for a number, 1.5 for a whole number.

        Examples
        --------
        >>> Column("step", "int64", "steps", "When.").convert([0, 10.0])
        array([ 0, 10])
        """
        text = self.dtype in ("str", "category")  # as objects, or 1 would become "1"
        array = np.asarray(values, dtype=object if text else None)
        if array.ndim > 1:
            raise InvalidParameter(f"{self.name} must be flat, got shape {array.shape}")
        converted = _CONVERTERS[self.dtype](array)
        if converted is None:
            raise InvalidParameter(f"{self.name} must hold {self.dtype}, got {values!r}")
        return converted


def _floats(array: NDArray[Any]) -> NDArray[Any] | None:
    if array.dtype == object and all(
        value is None or isinstance(value, float | int) for value in array.flat
    ):
        return array.astype(np.float64)  # None becomes NaN
    return array.astype(np.float64) if array.dtype.kind in "iuf" else None


def _whole(array: NDArray[Any]) -> NDArray[Any] | None:
    if array.dtype.kind not in "iuf":
        return None
    if array.dtype.kind == "f" and not np.all(array == np.floor(array)):
        return None  # a NaN is not equal to itself and ends up here, too
    return array.astype(np.int64)


def _booleans(array: NDArray[Any]) -> NDArray[Any] | None:
    return array.astype(bool) if array.dtype.kind == "b" or array.size == 0 else None


def _strings(array: NDArray[Any]) -> NDArray[Any] | None:
    return array if all(isinstance(value, str) for value in array.flat) else None


_CONVERTERS = {
    "float64": _floats,
    "int64": _whole,
    "bool": _booleans,
    "str": _strings,
    "category": _strings,
}

RUN_ID = Column("run_id", "category", "", "The run that the row belongs to.")
STEP = Column("step", "int64", "steps", "Optimizer steps done before this row was written.")

CONVERGENCE = (
    RUN_ID,
    STEP,
    Column("epoch", "float64", "epochs", "Passes through the training split so far."),
    Column("split", "category", "", "What was evaluated: `train`, `reward` or `test`."),
    Column("loss", "float64", "loss", "Mean loss over the split."),
    Column("score", "float64", "", "Accuracy in [0, 1] or R2; `metric` in the run table says."),
    Column("n_neurons", "int64", "neurons", "Neurons in the network, inputs and outputs too."),
    Column("n_active", "int64", "neurons", "Neurons that are computed, inputs and outputs too: "
           "all but those that a selection leaves out.", -1),
    Column("n_connections", "int64", "connections", "Connections in the network."),
    Column("density", "float64", "", "Connections over those that the wiring could hold."),
    Column("train_flops", "int64", "FLOP", "Spent on training so far, lost trials counted."),
    Column("candidate_gradients", "int64", "gradients", "For connections not there, so far."),
    Column("learning_rate", "float64", "", "Of the last step."),
    Column("truth_precision", "float64", "", "Share of the connections leaving inputs that "
           "leave one that matters; where the truth is known.", NAN),
    Column("truth_recall", "float64", "", "Share of the true connections found by the best "
           "matching of hidden neurons; where the truth is known.", NAN),
    Column("running_loss", "float64", "loss", "Mean over the training steps since the previous "
           "evaluation; on rows of the split `train`.", NAN),
    Column("running_score", "float64", "", "Mean accuracy of the same mini-batches, each "
           "before the step on it; NaN for regression.", NAN),
    Column("task", "int64", "", "Number of the task that was learned last, from 0, where the "
           "dataset drifts; -1 elsewhere.", -1),
    Column("seconds", "float64", "s", "Wall time spent on training so far."),
)  # fmt: skip

EDITS = (
    RUN_ID,
    STEP,
    Column("kind", "category", "", "`add_neuron`, `prune_neuron`, `connect`, `disconnect`."),
    Column(
        "id", "int64", "", "Neuron or connection that was edited; -1 if it never got one.", -1
    ),
    Column("source", "int64", "", "Neuron that a connection comes from; -1 for neurons.", -1),
    Column("target", "int64", "", "Neuron that a connection goes to; -1 for neurons.", -1),
    Column("activation", "category", "", "Of a new neuron; empty otherwise.", ""),
    Column("group", "int64", "", "Group that a new neuron joins; -1 otherwise.", -1),
    Column(
        "reason", "category", "", "Why, in a word or two; `wiring` is how the run began.", ""
    ),
    Column("score", "float64", "", "What the policy thought of it.", NAN),
    Column("accepted", "bool", "", "Whether the topology took it, and no trial took it back."),
    Column(
        "refusal",
        "category",
        "",
        "The rule it would have broken, or that it lost its trial; empty if accepted.",
        "",
    ),
)

ARMS = (
    RUN_ID,
    STEP,
    Column("arm", "category", "", "Name of the arm."),
    Column("pulls", "int64", "pulls", "How often it was pulled so far."),
    Column("posterior_mean", "float64", "reward", "What the bandit expects of it.", NAN),
    Column("posterior_std", "float64", "reward", "How unsure the bandit is of that.", NAN),
    Column("sampled", "float64", "reward", "Drawn from the posterior in this round.", NAN),
    Column("reward", "float64", "reward", "Earned in this round.", NAN),
)

METRICS = (
    RUN_ID,
    STEP,
    Column("metric", "category", "", "Name of the metric, as the configuration has it."),
    Column("label", "category", "", "Which of the metric's numbers; empty if it has only one.",
           ""),
    Column("value", "float64", "", "The number, in the unit that docs/metrics.md tells; NaN "
           "where there is none."),
)  # fmt: skip

RUN_IDENTITY = (
    Column("run_id", "str", "", "Names the run; the same for the same configuration.", ""),
    Column("study", "str", "", "The study that the run is part of.", ""),
    Column("dataset", "str", "", "Name of the dataset.", ""),
    Column("wiring", "str", "", "Name of the initial wiring.", ""),
    Column("policy", "str", "", "Name of the policy.", ""),
    Column("optimizer", "str", "", "Name of the optimizer.", ""),
    Column("schedule", "str", "", "Name of the learning-rate schedule.", ""),
    Column("selection", "str", "", "Name of the selection of neurons.", ""),
    Column("density", "float64", "", "Density that was asked for.", NAN),
    Column("seed", "int64", "", "Seed of all random streams of the run.", 0),
    Column("version", "str", "", "Version of plastic.", ""),
    Column("git_commit", "str", "", "Commit of plastic's sources, `+` if they were changed; "
           "empty if installed from a package.", ""),
    Column("status", "str", "", "`running`, `complete` or `failed`.", ""),
    Column("reason", "str", "", "Why it failed; empty otherwise.", ""),
    Column("metrics", "str", "", "Names of the metrics that were read, as JSON.", "[]"),
    Column("started", "str", "UTC", "When, in ISO 8601.", ""),
    Column("seconds", "float64", "s", "Wall time of the whole run so far.", NAN),
)  # fmt: skip

RUN_FINDINGS = (
    Column("metric", "str", "", "What the scores are: `accuracy` or `r2`.", ""),
    Column("n_inputs", "int64", "neurons", "Neurons that the data enters.", 0),
    Column("n_outputs", "int64", "neurons", "Neurons that give the answer.", 0),
    Column("final_train_score", "float64", "", "Score at the end, training split.", NAN),
    Column("final_reward_score", "float64", "", "Score at the end, reward split.", NAN),
    Column("final_test_score", "float64", "", "Score at the end, test split.", NAN),
    Column("best_test_score", "float64", "", "Highest test score of any evaluation.", NAN),
    Column("online_score", "float64", "", "Mean accuracy of all mini-batches, each before the "
           "step on it; NaN for regression.", NAN),
    Column("final_train_loss", "float64", "loss", "Loss at the end, training split.", NAN),
    Column("final_reward_loss", "float64", "loss", "Loss at the end, reward split.", NAN),
    Column("final_test_loss", "float64", "loss", "Loss at the end, test split.", NAN),
    Column("n_neurons", "int64", "neurons", "Neurons at the end, inputs and outputs too.", 0),
    Column("n_active", "int64", "neurons", "Neurons computed at the end, inputs and outputs "
           "too.", 0),
    Column("n_connections", "int64", "connections", "Connections at the end.", 0),
    Column("final_density", "float64", "", "Connections at the end over those that the wiring "
           "could hold.", NAN),
    Column("train_flops", "int64", "FLOP", "Spent on training, lost trials counted.", 0),
    Column("candidate_gradients", "int64", "gradients", "For connections not there.", 0),
    Column("candidate_fraction", "float64", "", "Those over the gradient entries that dense "
           "training would have computed.", NAN),
    Column("n_edits", "int64", "edits", "Neurons and connections edited.", 0),
    Column("steps_done", "int64", "steps", "Optimizer steps done.", 0),
)  # fmt: skip
"""The columns that `Recorder.finish` sets."""

COLUMNS: dict[str, tuple[Column, ...]] = {
    "convergence": CONVERGENCE,
    "edits": EDITS,
    "arms": ARMS,
    "metrics": METRICS,
    "run": RUN_IDENTITY + RUN_FINDINGS,
}
"""Each table with its columns, in order.  The run table goes on with a column for every
value of the configuration, under its dotted name: ``policy.fraction``, ``optimizer.name``."""

TIME_COLUMNS: dict[str, tuple[str, ...]] = {
    "convergence": ("seconds",),
    "edits": (),
    "arms": (),
    "metrics": (),
    "run": ("started", "seconds"),
}
"""The columns of each table that depend on the clock."""

EXECUTION_COLUMNS = (
    "git_commit", "threads", "results_dir", "seeds", "workers",
    "checkpoint_every", "checkpoint_seconds", "keep_checkpoints", "keep_network",
    "metrics", "callbacks",
)  # fmt: skip
"""Where and how a run was executed, and what was looked at on the way; in a dotted name the
last part counts."""


def is_execution(name: str) -> bool:
    """Whether this column says where or how the run was executed, not what it was.

    Examples
    --------
    >>> is_execution("engine.threads"), is_execution("policy.fraction")
    (True, False)
    """
    return name.rsplit(".", 1)[-1] in EXECUTION_COLUMNS


def check_piece(table: str, given: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """A piece of a table, every column converted and of one length.

    Parameters
    ----------
    table : str
        One of `COLUMNS`, but not ``run``.
    given : mapping of str to scalar or array, shape (n_rows,)
        Scalars are repeated; columns left out take their `Column.missing`.

    Raises
    ------
    InvalidParameter
        If the table or a column is unknown, a column is needed but not given, a value is of
        another kind, or lengths differ.

    Examples
    --------
    >>> piece = check_piece("edits", {"run_id": "a", "step": 3, "kind": "connect",
    ...     "id": [7, 8], "source": [0, 1], "target": 5, "accepted": True})
    >>> piece["target"], piece["score"]
    (array([5, 5]), array([nan, nan]))
    """
    check_in("table", table, [name for name in COLUMNS if name != "run"])
    columns = {column.name: column for column in COLUMNS[table]}
    for name in given:
        if name not in columns:
            raise InvalidParameter(
                f"{table} has no column {name!r}; it has {', '.join(columns)}"
            )
    arrays = {}
    for name, column in columns.items():
        if name not in given and column.missing is None:
            raise InvalidParameter(f"{table} needs column {name!r}, got {', '.join(given)}")
        arrays[name] = column.convert(given.get(name, column.missing))
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidParameter(f"columns of {table} must be of one length, got {listed}")
    n_rows = next(iter(lengths.values()), 1)
    return {name: np.broadcast_to(array, n_rows) for name, array in arrays.items()}


def flatten(config: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration as one flat mapping with dotted names; lists become JSON.

    Examples
    --------
    >>> flatten({"seed": 1, "policy": {"fraction": 0.3, "widths": [8, 8]}})
    {'seed': 1, 'policy.fraction': 0.3, 'policy.widths': '[8, 8]'}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, prefix=f"{name}.")
        else:
            flat[name] = _plain(value)
    return flat


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        listed = value.tolist() if isinstance(value, np.ndarray) else list(value)
        return json.dumps(listed, default=_plain)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def columns_as_markdown() -> str:
    """Every table and column as Markdown: the text of docs/tables.md."""
    lines = ["# The tables of a run", "", *_PREFACE, ""]
    for table, columns in COLUMNS.items():
        lines += [f"## {table}.parquet", "", _TABLES[table], ""]
        lines += ["| column | dtype | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{column.name}` | {column.dtype} | {column.unit} | {column.meaning} |"
            for column in columns
        ]
        lines.append("")
    clock = ", ".join(f"`{table}.{name}`" for table in COLUMNS for name in TIME_COLUMNS[table])
    execution = ", ".join(f"`{name}`" for name in EXECUTION_COLUMNS)
    lines += ["## What may differ between two runs of one seed", ""]
    lines.append(f"What depends on the clock: {clock}.  What says where and how: {execution}.")
    lines.append("`plastic.records.comparable` drops both; the rest is the same, bit for bit.")
    return "\n".join(lines) + "\n"


_PREFACE = (
    "Generated from plastic/columns.py.  A run's folder holds the five Parquet files below and",
    "`config.yaml`, the configuration as it was resolved; `traceback.txt` too if it failed.",
    "`network.safetensors` is the network as it ended, for `plastic.interop.load_network`; it",
    "is there if that has at most `keep_network` connections, by default 100,000.",
    "While it goes on, its tables grow as numbered files in `parts/`, merged at its end.",
    '`plastic.load_results("results/demo")` reads any folder of runs into pandas DataFrames,',
    "those that still go on or were killed, too.",
)

_TABLES = {
    "convergence": "A row for each evaluation and split.",
    "edits": "A row for each neuron and connection of the initial wiring, at step 0, and for\n"
    "each that a policy proposed to edit.  From the accepted ones `plastic.topology.replay`\n"
    "makes the structure at any step.",
    "arms": "A row for each arm of a bandit in each round.",
    "metrics": "A row for each number that a metric read at an evaluation: see\n"
    "[metrics.md](metrics.md).  Empty unless the run was asked for metrics.",
    "run": "A single row.  Below what is listed it has a column for every value of the\n"
    "configuration, under its dotted name, such as `policy.fraction`; lists are JSON.",
}

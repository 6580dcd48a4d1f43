"""Loading a study: 1,000 runs of 1,000 rows, whole and in part."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.bench.measure import Contender, Disagreement, Effort, Row, compare
from plastic.analysis import load_results
from plastic.records import Recorder

N_RUNS, N_ROWS = 1000, 1000

PART: dict[str, Any] = {
    "columns": ["step", "score"],
    "where": {"split": "test", "step": "last"},
}
"""What is loaded of a study in part: the last test scores."""

FILES = "*/convergence.parquet"


def loading_rows(effort: Effort, n_runs: int = N_RUNS, n_rows: int = N_ROWS) -> list[Row]:
    """Milliseconds to load a study beside pandas, which is given the names of the files.

    Raises
    ------
    Disagreement
        If pandas has other numbers.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder, n_runs, n_rows)
        for ours, theirs in ((_ours(folder), _theirs), (_ours(folder, **PART), _their_last)):
            if ours.empty or ours["score"].sum() != theirs(folder)["score"].sum():
                raise Disagreement("pandas does not load the same")
        of = f"{n_runs}x{n_rows}"
        peer = Contender("pandas, file by file", lambda: _theirs(folder))
        last = Contender("pandas, file by file", lambda: _their_last(folder))
        return [
            *compare(
                f"load {of}", 1.0, Contender("plastic", lambda: _ours(folder)), [peer], effort
            ),
            *compare(
                f"load {of}, part",
                1.0,
                Contender("plastic", lambda: _ours(folder, **PART)),
                [last],
                effort,
            ),
        ]


def write_study(folder: Path, n_runs: int, n_rows: int) -> None:
    """Record runs with a table of evaluations of so many rows."""
    rng = np.random.default_rng(0)
    step = (np.arange(n_rows) + 2) // 3 * 10  # the last one is whole
    evaluations = {
        "step": step,
        "epoch": step / 20,
        "split": np.resize(np.array(["test", "train", "reward"], dtype=object), n_rows),
        "loss": rng.random(n_rows),
        "score": rng.random(n_rows),
        "n_neurons": 330,
        "n_connections": 1293,
        "density": 0.05,
        "train_flops": step * 345_000,
        "candidate_gradients": 0,
        "learning_rate": 0.1,
        "running_loss": rng.random(n_rows),
        "seconds": step * 1e-4,
    }
    config = {f"policy.parameter_{i}": 0.1 * i for i in range(40)}
    for at in range(n_runs):
        row = {"study": "bench", "policy": ("static", "set")[at % 2], "seed": at // 2}
        with Recorder(folder / f"run-{at:05d}", row | config) as recorder:
            recorder.add("convergence", evaluations)


def _ours(folder: Path, **part: Any) -> pd.DataFrame:
    return load_results(folder, **part).convergence


def _theirs(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file) for file in sorted(folder.glob(FILES))])


def _their_last(folder: Path) -> pd.DataFrame:
    found = []
    for file in sorted(folder.glob(FILES)):
        rows = pd.read_parquet(file, columns=["step", "score", "split"])
        found.append(rows[(rows["split"] == "test") & (rows["step"] == rows["step"].max())])
    return pd.concat(found)

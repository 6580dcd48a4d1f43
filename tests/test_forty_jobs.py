"""Law: of forty jobs, six fail, each in its way, and the others never know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import status
from experiments.launchers import THREADS
from plastic.analysis import load_results
from plastic.analysis.status import survey
from plastic.records import comparable

TROUBLES = Path(__file__).parent / "troubles"
sys.path.append(str(TROUBLES))
import troubles  # noqa: E402 - it lies in a folder of a user's own

N_JOBS = 40
SWEEP = [
    "-m", "--config-dir", str(TROUBLES), "study=forty", "dataset=troubled", "policy=late",
    "wiring=dense", "wiring.hidden=[4]", "density=1", "steps=20", "batch_size=8",
    "evaluate_every=10", f"seed=range({N_JOBS})",
]  # fmt: skip


def sweep(launcher, folder):
    unlimited = {name: value for name, value in os.environ.items() if name not in THREADS}
    environment = unlimited | {
        "PYTHONPATH": os.pathsep.join([str(TROUBLES), str(TROUBLES.parent.parent)]),
        "TROUBLES_MENDED": str(folder / "mended"),
        "RAY_DEDUP_LOGS": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "experiments.run", *SWEEP, f"hydra/launcher={launcher}"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def reasons(runs):
    return {run.seed: (run.state, run.reason) for run in runs.itertuples() if run.reason}


@pytest.mark.parametrize(
    "launcher", ["basic", "joblib", pytest.param("ray", marks=pytest.mark.cluster)]
)
def test_six_of_forty(launcher, tmp_path, capsys):
    if launcher == "ray":
        pytest.importorskip("ray", reason="Ray is not installed: make extras")
    study = tmp_path / "results" / "forty"
    first = sweep(launcher, tmp_path)
    assert first.returncode == 1, first.stderr
    assert "34 runs complete" in first.stderr
    before = survey(study)
    complete = before[before["state"] == "complete"]
    assert set(complete["seed"]) == set(range(N_JOBS)) - troubles.ALL
    assert len(before) == N_JOBS
    told = [path.read_text() for path in tmp_path.glob("threads-*")]
    assert told == ["1"] * N_JOBS  # jobs times threads fit the cores
    told = reasons(before)
    assert told[3] == ("failed", "ValueError: number 3 is not to be had")
    for seed in troubles.RAISE_LATE:
        assert told[seed] == ("failed", f"KeyError: 'number {seed} has no edits'")
    assert told[15][0] == "failed"
    assert told[15][1].startswith("Diverged: ")
    assert told[20] == ("cut off", "its process ended without a word")
    (early,) = before[before["state"] == "missing"].itertuples()
    assert early.reason == "it was begun, and left nothing"
    assert "seed=7" in early.job.split()
    for run in before[before["state"] == "failed"].itertuples():
        assert "Traceback" in (Path(run.folder) / "traceback.txt").read_text("utf-8")

    assert status.main([str(study)]) == 1
    said = capsys.readouterr().out
    assert "40 runs: 34 complete, 4 failed, 1 cut off, 1 missing" in said
    for seed in troubles.ALL:
        assert f"seed={seed}" in said.split()

    at = {run.run_id: stamp(run.folder) for run in complete.itertuples()}
    (tmp_path / "mended").touch()
    second = sweep(launcher, tmp_path)
    assert second.returncode == 0, second.stderr
    after = survey(study)
    assert (after["state"] == "complete").all()
    assert len(after) == N_JOBS
    for run in after.itertuples():
        assert (at.get(run.run_id) == stamp(run.folder)) == (run.seed not in troubles.ALL)
    assert status.main([str(study)]) == 0


def stamp(folder):
    return (Path(folder) / "run.parquet").stat().st_mtime_ns


def test_seeds_in_one_job_are_the_runs_of_a_sweep(tmp_path, process):
    given = ["dataset=xor", "batch_size=4", "steps=30", "policy=set", "policy.every=5"]
    run = ["-m", "experiments.run"]
    swept = process(*run, "-m", "study=swept", *given, "seed=3,4,5", cwd=tmp_path)
    assert swept.code == 0, swept.err
    ways = {"one": ["workers=1"], "two": ["workers=2"]}
    for name, way in ways.items():
        ended = process(*run, f"study={name}", *given, "seeds=range(3,6)", *way, cwd=tmp_path)
        assert ended.code == 0, ended.err
    expected = load_results(tmp_path / "results" / "swept")
    for name in ways:
        found = load_results(tmp_path / "results" / name)
        assert found.runs["seed"].tolist() == [3, 4, 5]
        for table in ("convergence", "edits", "arms"):
            a, b = (comparable(getattr(each, table)) for each in (found, expected))
            own = [column for column in a if column != "run_id"]
            assert a[own].equals(b[own])

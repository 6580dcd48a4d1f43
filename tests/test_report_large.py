"""A page of a thousand runs is made in a minute, and can still be sent by mail."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

from plastic import load_results
from plastic.analysis.report import write_report
from plastic.records import Recorder

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")


def write(folder, policy, seed, rng):
    """A run of 40 evaluations, and 4,000 connections of which 400 move ten times."""
    run_id = f"{policy}-{seed}"
    row = {"run_id": run_id, "study": "large", "dataset": "digits", "policy": policy}
    with Recorder(folder / run_id, row | {"seed": seed, "density": 0.1}, config="") as recorder:
        ids = np.arange(4000)
        ends = {"source": ids % 64, "target": 64 + ids // 64 % 10}
        given = {"accepted": True, "reason": "wiring", "step": 0, "kind": "connect"}
        recorder.add("edits", given | {"id": ids} | ends)
        for number in range(1, 11):
            moved = np.arange(400)
            there = {"source": moved % 64, "target": 64 + moved // 64}
            step = {"step": 100 * number, "accepted": True, "reason": ""}
            old = moved if number == 1 else 4000 + 400 * (number - 2) + moved
            recorder.add("edits", step | {"kind": "disconnect", "id": old} | there)
            new = {"kind": "connect", "id": 4000 + 400 * (number - 1) + moved}
            recorder.add("edits", step | new | there)
        score = float(rng.uniform(0.8, 0.9))
        for number in range(40):
            recorder.add(
                "convergence",
                {
                    "step": 25 * number, "epoch": 1.0, "split": ["train", "reward", "test"],
                    "loss": 0.1, "score": score, "n_neurons": 74, "n_connections": 4000,
                    "density": 0.1, "train_flops": 1000 * number, "candidate_gradients": 0,
                    "learning_rate": 0.1, "seconds": 0.1,
                },
            )  # fmt: skip
        recorder.finish(final_test_score=score, metric="accuracy", n_connections=4000)


@pytest.mark.slow
def test_a_thousand_runs_make_a_page_in_a_minute_below_ten_megabytes(tmp_path):
    rng = np.random.default_rng(0)
    for policy in range(20):
        for seed in range(50):
            write(tmp_path, f"policy{policy}", seed, rng)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    path = write_report(load_results(tmp_path))
    seconds = time.perf_counter() - begun
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    size = path.stat().st_size / 1e6
    print(f"{seconds:.1f} s, {size:.2f} MB, {memory:.0f} MiB more memory")  # noqa: T201
    assert size < 10
    assert seconds < 60
    assert memory < 1024

"""Large pages: a thousand runs in a minute and ten megabytes, ten thousand lines at play."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest
from pages import data, opened

from plastic import load_results
from plastic.analysis.report import write_report
from plastic.records import Recorder

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")


def write(folder, policy, seed, rng, n=4000, moved=400, times=10, hidden=10):
    """A run of 40 evaluations, and of n connections of which some move ten times."""
    run_id = f"{policy}-{seed}"
    row = {"run_id": run_id, "study": "large", "dataset": "digits", "policy": policy}
    with Recorder(folder / run_id, row | {"seed": seed, "density": 0.1}, config="") as recorder:
        ids = np.arange(n)
        given = {"accepted": True, "reason": "wiring", "step": 0, "kind": "connect"}
        recorder.add("edits", given | {"id": ids} | ends(ids, hidden))
        for number in range(1, times + 1):
            step = {"step": 1000 * number // times, "accepted": True, "reason": ""}
            there = (number * moved + np.arange(moved)) % n  # the oldest of all go
            old = ids[there].copy()
            ids[there] = n + moved * (number - 1) + np.arange(moved)
            recorder.add(
                "edits", step | {"kind": "disconnect", "id": old} | ends(there, hidden)
            )
            recorder.add(
                "edits", step | {"kind": "connect", "id": ids[there]} | ends(there, hidden)
            )
        score = float(rng.uniform(0.8, 0.9))
        for number in range(40):
            recorder.add(
                "convergence",
                {
                    "step": 25 * number, "epoch": 1.0, "split": ["train", "reward", "test"],
                    "loss": 0.1, "score": score, "n_neurons": 74, "n_connections": n,
                    "density": 0.1, "train_flops": 1000 * number, "candidate_gradients": 0,
                    "learning_rate": 0.1, "seconds": 0.1,
                },
            )  # fmt: skip
        recorder.finish(final_test_score=score, metric="accuracy", n_connections=n)


def ends(places, hidden):
    """Ends of the connections in these places: each of 64 inputs meets many others."""
    return {"source": places % 64, "target": 64 + places // 64 % hidden}


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
    print(f"{seconds:.1f} s, {size:.2f} MB, {memory:.0f} MiB more memory")
    assert size < 10
    assert seconds < 60
    assert memory < 1024


FRAMES = """async () => {
  const on = document.querySelector("[data-part=on]");
  const canvas = document.querySelector("canvas");
  const frames = [];
  while (Number(canvas.dataset.frame) + 1 < Number(canvas.dataset.frames)) {
    on.click();
    frames.push(Number(canvas.dataset.milliseconds));
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  return frames;
}"""
"""Goes from change to change, each a picture drawn anew; how long each took."""


@pytest.mark.slow
@pytest.mark.parametrize(("width", "ratio"), [(1280, 1), (1280, 2), (390, 3)])
def test_ten_thousand_connections_are_played(browser, tmp_path, width, ratio):
    write(tmp_path, "set", 0, np.random.default_rng(0), 10_000, 1500, 30, hidden=160)
    path = write_report(load_results(tmp_path))
    page, heard = opened(browser, path, width, device_scale_factor=ratio)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy():  # seconds that the page's thread has computed, others on this machine apart
        found = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in found if one["name"] == "TaskDuration")

    before = busy()
    frames = np.sort(page.evaluate(FRAMES))
    each = 1000 * (busy() - before) / len(frames)
    print(
        f"{width} pixels at {ratio}: {np.median(frames):.1f} ms a picture (median), "
        f"{np.quantile(frames, 0.95):.1f} ms (95%); {each:.1f} ms of computing in all; "
        f"{path.stat().st_size / 1e6:.2f} MB"
    )
    assert data(page)["drawn"] == "10000"
    assert int(data(page)["frame"]) == 30
    assert heard == []
    page.close()

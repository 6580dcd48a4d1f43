"""Law: a run that is killed, at any instant, ends as if it had not been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed import RUN, assert_same, assert_survives, in_child

from experiments.plans import ELSEWHERE
from experiments.run import run
from plastic.analysis import load_results

N_MOMENTS = 20
SOAK_MOMENTS = 200


@pytest.fixture(scope="module")
def whole(tmp_path_factory, config_of):
    """The run that is never killed; and how many writes it takes."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(config_of(*RUN, f"results_dir={folder}"))
    writes = in_child(tmp_path_factory.mktemp("counted"), -1, False)
    assert writes > 80
    return done, writes


def test_a_run_killed_at_twenty_moments_ends_the_same(whole, tmp_path):
    """Each moment is a write: of a checkpoint, of a part, of the tables at the end."""
    done, writes = whole
    rng = random.Random(0)
    for number in range(N_MOMENTS):
        kill = rng.randrange(writes), rng.random() < 0.5
        assert_survives(tmp_path / str(number), done, [kill])


def test_a_run_killed_again_and_again_ends_the_same(whole, tmp_path):
    done, writes = whole
    rng = random.Random(1)
    kills = [(rng.randrange(writes // 3), rng.random() < 0.5) for _ in range(8)]
    assert_survives(tmp_path / "often", done, kills)


def test_what_is_there_can_be_read_at_every_moment(whole, tmp_path):
    _, writes = whole
    rng = random.Random(2)
    for number in range(10):
        folder = tmp_path / str(number)
        in_child(folder, rng.randrange(20, writes), True)
        results = load_results(folder)
        assert results.unreadable.empty
        assert len(results.runs) == 1


def test_a_run_goes_on_rather_than_begins_again(whole, tmp_path, capfd):
    done, writes = whole
    assert_survives(tmp_path / "late", done, [(writes // 2, True)])
    assert "goes on from step" in capfd.readouterr().out


@pytest.mark.parametrize(
    "more",
    [
        ["policy=paired_trials", "policy.every=6", "metrics=structure"],
        ["policy=meta_bandit", "policy.every=6", "plasticity=reopens"],
        ["policy=set", "policy.every=5", "engine=nodes", "optimizer=adam", "metrics=all"],
    ],
    ids=["trials", "meta_bandit", "nodes"],
)
def test_other_runs_survive_too(more, tmp_path, config_of):
    base = [one for one in RUN if not one.startswith("policy")]
    done = run(config_of(*base, *more, f"results_dir={tmp_path / 'whole'}"))
    writes = in_child(tmp_path / "counted", -1, False, [*base, *more])
    for share in (3, 2):
        folder = tmp_path / f"killed-{share}"
        assert_survives(folder, done, [(writes // share, True)], [*base, *more])


def test_two_sweeps_into_one_folder_lose_nothing(tmp_path, config_of):
    """The same runs, twice at once: each is run by one of them, and whole."""
    sweep = [
        sys.executable, "-m", "experiments.run", "-m", *RUN, "seed=range(4)",
        "hydra/launcher=basic", f"results_dir={tmp_path / 'both'}",
    ]  # fmt: skip
    both = [
        subprocess.Popen(sweep, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for one in both:
        one.communicate()
        assert one.returncode in (0, ELSEWHERE)
    results = load_results(tmp_path / "both")
    assert sorted(results.complete["seed"]) == [0, 1, 2, 3]
    assert results.unreadable.empty
    for seed in range(4):
        alone = run(config_of(*RUN, f"seed={seed}", f"results_dir={tmp_path / 'alone'}"))
        assert_same(results.folders[alone.name], alone)


@pytest.mark.slow
def test_two_hundred_kills_by_the_clock(whole, tmp_path, config_of):
    """A process of its own each time, killed at any instant of its life from outside."""
    rng, longer = random.Random(3), [*RUN, "steps=400", "policy.every=20"]
    done = run(config_of(*longer, f"results_dir={tmp_path / 'whole'}"))
    folder, kills = tmp_path / "killed", 0
    while kills < SOAK_MOMENTS:
        script = str(Path(__file__).with_name("killed.py"))
        child = subprocess.Popen(
            [sys.executable, script, str(folder), "-1", "0", *longer],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
            stdout=subprocess.DEVNULL,
        )
        began = time.monotonic()
        while not folder.exists() and child.poll() is None:
            time.sleep(0.01)  # it imports
        time.sleep(rng.random() * 1.5 * (time.monotonic() - began > 0.1))
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
        if child.returncode == 0:
            (ended,) = (folder / "first").iterdir()
            assert_same(ended, done)
            subprocess.run(["rm", "-r", str(folder)], check=True)


@pytest.mark.slow
def test_a_kill_at_every_single_write(whole, tmp_path):
    done, writes = whole
    for at in range(writes):
        for half in (False, True):
            assert_survives(tmp_path / f"{at}-{half}", done, [(at, half)])

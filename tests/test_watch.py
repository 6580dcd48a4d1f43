"""A running sweep in the terminal: what is told of it, how it is drawn, when it ends."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from io import StringIO

import pandas as pd
import pytest
from recordings import EVALUATION, write_run

from experiments import watch as program
from experiments.watch import as_lines, look, seconds_left, watch
from plastic.locks import FolderLock
from plastic.records import Recorder
from plastic.sweeps import Planned, note_begun, write_plan

ROW = {"study": "demo", "dataset": "digits", "policy": "set", "seed": 0}


def begin(folder, policy="set", scores=(), error=None):
    """A run that is not complete: left where it is, or failed."""
    recorder = Recorder(folder, ROW | {"policy": policy}, config="seed: 0\n")
    recorder.__enter__()
    for i, score in enumerate(scores):
        row = EVALUATION | {"step": 10 * i, "score": [0.0, 0.0, score]}
        recorder.add("convergence", row)
    recorder.flush()
    if error is not None:
        recorder.__exit__(type(error), error, None)
    return folder


@pytest.fixture(autouse=True)
def a_wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("LINES", "40")


@pytest.fixture
def study(tmp_path):
    """Two complete, one failed, one cut off, one planned; and a running one."""
    study = tmp_path / "demo"
    jobs = [[f"policy={policy}"] for policy in ("set", "static", "rigl", "random", "thompson")]
    planned = [Planned(tuple(job)) for job in [*jobs, ["policy=set", "seed=7"]]]
    write_plan(study, planned)
    write_run(study / "a", findings={"final_test_score": 0.8})
    write_run(study / "b", {"policy": "static"}, {"final_test_score": 0.7})
    begin(study / "c", "rigl", error=ValueError("loss is nan\nat step 3"))
    begin(study / "d", "random", scores=[0.1])
    begin(study / "e", "set", scores=[0.2, 0.6])
    for name, job in zip("abcde", (*jobs[:4], ["policy=set", "seed=7"]), strict=True):
        note_begun(study, name, job, "1")
    with FolderLock(study / "e"):
        yield study


def finish(study):
    """What is still to come of the study comes to its end."""
    write_run(study / "e", {"seed": 7}, {"final_test_score": 0.9})
    write_run(study / "f", {"policy": "thompson"}, {"final_test_score": 0.95})
    note_begun(study, "f", ["policy=thompson"], "1")


def test_a_snapshot_tells_all(study, capsys):
    assert program.main([str(study), "--once"]) == 1
    out = capsys.readouterr().out
    assert (
        re.sub(r"about .* left", "about 1 s left", out)
        == f"""\
2 of 6 runs are complete: {study}
[#############xxxxxxxxxxxxx>>>>>>>.......]  33%  about 1 s left, 1 at a time
2 complete, 1 running, 1 failed, 1 cut off, 1 missing

policy  complete  running  test accuracy
set            1        1          0.700
static         1        0          0.700

failed (1)
  c: ValueError: loss is nan

cut off (1)
  d: its process ended without a word
"""
    )


def test_it_is_over_when_nothing_is_left_to_run(study):
    stream, pauses = StringIO(), []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            finish(study)

    assert watch(study, 3.0, stream, pause) == 1
    # two looks at what is going on, then another at what seems to be over
    assert [pauses[0] >= 3, pauses[1] >= 3, pauses[2] == program.SETTLE_SECONDS] == [True] * 3
    assert len(pauses) == 3
    last = stream.getvalue().rpartition("\x1b[J")[2]
    assert last.startswith(f"4 of 6 runs are complete: {study}\n")
    assert "66%  nothing is left to run" in last


def test_a_job_between_two_of_its_seeds_is_not_over(tmp_path):
    job = ["policy=set", "seeds='range(3)'"]
    write_plan(tmp_path, [Planned(tuple(job), {name: i for i, name in enumerate("abc")})])
    assert look(tmp_path).counts == {"missing": 3}
    for n, name in enumerate("abc", start=1):
        write_run(tmp_path / name)
        note_begun(tmp_path, name, job, "1")
        found = look(tmp_path)
        assert found.counts == {"complete": n} | ({"missing": 3 - n} if n < 3 else {})
        assert (found.is_over, found.code) == ((n == 3), int(n < 3))
    assert "none is running now" not in "\n".join(as_lines(found))


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path):
    stream, steps = StringIO(), []

    def pause(seconds):
        steps.append(seconds)
        if len(steps) == 1:
            (tmp_path / "later" / "a").mkdir(parents=True)  # a run's folder, still empty
        if len(steps) == 2:
            write_run(tmp_path / "later" / "a")

    assert watch(tmp_path / "later", 0.1, stream, pause) == 0
    said = stream.getvalue()
    assert said.index("there is no folder") < said.index("holds no runs")
    assert said.index("holds no runs") < said.index("1 of 1 runs are complete")
    assert len(steps) == 3


def test_ctrl_c_leaves_what_was_seen(study):
    def pause(seconds):
        raise KeyboardInterrupt

    stream = StringIO()
    assert watch(study, 1.0, stream, pause) == 1
    assert stream.getvalue().count("2 of 6 runs are complete") == 2
    assert watch(study / "nowhere", 1.0, StringIO(), pause) == 2


@pytest.mark.parametrize("lines", [3, 10, 50])
def test_what_is_drawn_fits_the_terminal_and_obeys_nothing(study, monkeypatch, lines):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", str(lines))
    begin(study / "g", "set", error=ValueError("\x1b[2J" + "x" * 90))
    stream = StringIO()
    drawn = program._draw(stream, as_lines(look(study)), 0)
    text = stream.getvalue()
    assert drawn == text.count("\n") <= lines - 1
    assert max(len(line.replace("\x1b[K", "")) for line in text.splitlines()) <= 30
    assert "\x1b[2J" not in text
    assert ("lines more" in text) == (lines < 20)


def test_many_failures_are_not_all_listed(tmp_path):
    for i in range(program.MOST_LISTED + 2):
        begin(tmp_path / f"r{i:02}", error=ValueError(str(i)))
    lines = as_lines(look(tmp_path))
    assert lines[-1] == f"  ... and 2 more: python -m experiments.status {tmp_path}"
    assert sum("ValueError" in line for line in lines) == program.MOST_LISTED


def test_time_left_follows_what_goes_on_at_once(tmp_path):
    def runs(*rows):
        columns = ["state", "policy", "seconds"]
        return pd.DataFrame(rows, columns=columns).assign(folder=str(tmp_path / "none"))

    slow, fast = ("complete", "slow", 90.0), ("complete", "fast", 30.0)
    begun, other = ("running", "fast", 10.0), ("running", "new", 10.0)
    assert seconds_left(runs(slow, fast, begun), 0) == 20  # as long as its own policy
    assert seconds_left(runs(slow, fast, other), 0) == 50  # as long as all
    assert seconds_left(runs(slow, fast, begun), 2) == 20 + 2 * 60
    assert seconds_left(runs(slow, fast, begun, begun), 2) == (40 + 2 * 60) / 2
    assert seconds_left(runs(slow, ("running", "slow", 10.0), begun), 0) == 80  # the longest
    assert seconds_left(runs(slow, ("running", "slow", 99.0)), 0) == 0
    assert math.isnan(seconds_left(runs(begun), 3))
    assert math.isnan(seconds_left(runs(slow), 3))
    assert seconds_left(runs(slow), 0) == 0


def test_policies_are_told_apart_by_dataset_best_first(tmp_path):
    for name, dataset, policy, score in (
        ("a", "wine", "set", 0.5), ("b", "wine", "static", 0.6), ("c", "digits", "set", 0.4),
    ):  # fmt: skip
        write_run(
            tmp_path / name,
            {"dataset": dataset, "policy": policy},
            {"final_test_score": score},
        )
    begin(tmp_path / "d", "rigl")  # nothing is known of it yet
    with FolderLock(tmp_path / "d"):
        table = as_lines(look(tmp_path))[5:9]
    assert [line.split()[:2] for line in table] == [
        ["digits", "set"], ["digits", "rigl"], ["wine", "static"], ["wine", "set"],
    ]  # fmt: skip
    assert table[1].split()[2:] == ["0", "1", "-"]


@pytest.mark.parametrize("there", [False, True])
def test_nothing_to_tell_of_is_an_error(tmp_path, capsys, there):
    folder = tmp_path / "nothing"
    if there:
        folder.mkdir()
    assert program.main([str(folder)]) == 2
    said = "holds no runs" if there else "there is no folder"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "often"])
def test_seconds_are_above_zero(every, capsys):
    with pytest.raises(SystemExit, match="2"):
        program.main(["here", f"--every={every}"])
    assert f"--every: must be seconds above 0, got '{every}'" in capsys.readouterr().err


def test_a_terminal_sees_it_in_one_place_until_it_ends(study):
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "experiments.watch", str(study), "--every", "0.05"]
    watching = subprocess.Popen(command, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text, give_up = "", time.monotonic() + 60
    try:
        while text.count("2 of 6 runs") < 3 and time.monotonic() < give_up:
            text += os.read(ours, 4096).decode()
        finish(study)
        while True:
            text += os.read(ours, 4096).decode()
    except OSError:  # so a terminal says that its last writer is gone
        pass
    finally:
        os.close(ours)
        watching.kill() if time.monotonic() > give_up else None
        code = watching.wait(60)
    assert code == 1
    first, *again = re.split(r"\x1b\[\d+A\r", text)
    assert len(again) >= 3
    assert all("of 6 runs are complete" in drawn.splitlines()[0] for drawn in again)
    assert int(re.search(r"\x1b\[(\d+)A", text)[1]) == first.count("\n")
    assert "4 of 6 runs are complete" in again[-1]
    assert "nothing is left to run" in again[-1]


def test_a_pipe_gets_one_plain_snapshot(study, process):
    ended = process("-m", "experiments.watch", str(study), cwd=study)
    assert ended.code == 1
    assert ended.out.count("runs are complete") == 1
    assert not set(ended.out) & {"\r", "\x1b"}

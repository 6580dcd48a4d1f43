"""A folder is held by one process at a time, and free again however its holder ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from plastic import locks
from plastic.errors import InUse, ResultsError
from plastic.locks import HELD, LOCK, FolderLock, holder_of

HOLD = """
import sys, time, pathlib
from plastic.locks import FolderLock
with FolderLock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def no_locks(monkeypatch):
    """A file system that knows no locks."""

    def refuse(descriptor, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)


def test_a_folder_held_by_another_process_is_refused_by_name(tmp_path, holder):
    said = f"process {holder.pid} on {socket.gethostname()}"
    assert holder_of(tmp_path) == said
    with pytest.raises(InUse, match=f"is in use by {said}"), FolderLock(tmp_path):
        pass
    assert (tmp_path / LOCK).exists()  # still the other's


def test_a_killed_holder_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).exists()
    assert holder_of(tmp_path) == ""
    with FolderLock(tmp_path):
        assert holder_of(tmp_path) == f"process {os.getpid()} on {socket.gethostname()}"
    assert list(tmp_path.iterdir()) == []


def test_only_one_of_many_holds_it(tmp_path):
    held = []
    for _ in range(3):
        with contextlib.suppress(InUse):
            held.append(FolderLock(tmp_path).__enter__())
    assert len(held) == 1
    held[0].__exit__(None, None, None)
    with FolderLock(tmp_path / "below" / "it"):
        assert holder_of(tmp_path) == ""


def test_a_lock_removed_while_it_was_opened_is_not_taken_for_held(tmp_path, monkeypatch):
    """Its last holder removes the file: who holds the removed one holds nothing."""
    real, looks = locks._is_at, []

    def removed_once(descriptor, path):
        if not looks:
            path.unlink()
        looks.append(path)
        return real(descriptor, path)

    monkeypatch.setattr(locks, "_is_at", removed_once)
    with FolderLock(tmp_path), pytest.raises(InUse), FolderLock(tmp_path):
        pass
    assert len(looks) == 2


def test_where_there_are_no_locks_the_file_is_the_lock(tmp_path, no_locks):
    with FolderLock(tmp_path) as lock:
        assert holder_of(tmp_path) == f"process {os.getpid()} on {socket.gethostname()}"
        os.utime(tmp_path / HELD, (0, 0))
        lock.refresh()
        assert (tmp_path / HELD).stat().st_mtime > 0
        with pytest.raises(InUse), FolderLock(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "age", "left_behind"),
    [
        ({"host": socket.gethostname(), "process": 2**22 + 1}, 0, True),  # no such process
        ({"host": socket.gethostname(), "process": os.getpid()}, 1e6, False),
        ({"host": "elsewhere", "process": 1}, 60, False),
        ({"host": "elsewhere", "process": 1}, 2 * locks.STALE_SECONDS, True),
        ([], 0, False),
        ([], 60, True),
    ],
    ids=["dead", "alive", "far", "far and silent", "just made", "never written"],
)
def test_a_file_left_behind_is_taken_over(tmp_path, no_locks, said, age, left_behind):
    held = tmp_path / HELD
    held.write_text(json.dumps(said) if said else "")
    (tmp_path / LOCK).touch()
    then = time.time() - age
    os.utime(held, (then, then))
    assert (holder_of(tmp_path) == "") == left_behind
    if left_behind:
        with FolderLock(tmp_path):
            pass
    else:
        with pytest.raises(InUse), FolderLock(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="cannot be written"), FolderLock(tmp_path / "file"):
        pass

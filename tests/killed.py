"""Runs that are killed: a child process counts its writes, and ends at one, as by SIGKILL.

``python tests/killed.py FOLDER AT HALF OVERRIDE ...`` runs a configuration and is gone at
write number AT (of 0, 1, ...), after half of that write if HALF is 1.  Every call that changes
what is on the disk counts: writes, renames, removals, new folders.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import sys
import warnings

import pandas as pd
from runs import tables_of

from plastic.records import comparable

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
"""Audit events of calls that change a folder."""

RUN = [
    "dataset=wine", "wiring.hidden=[8,6]", "density=0.3", "steps=24", "evaluate_every=9",
    "policy=thompson", "policy.every=5", "checkpoint_every=4", "checkpoint_seconds=0",
]  # fmt: skip
"""A run of many checkpoints and edits."""


class Writes:
    """Counts what is written, and ends this process at one of the writes."""

    def __init__(self, folder, at, half):
        self.folder, self.at, self.half, self.count = str(folder), at, half, 0

    def due(self):
        self.count += 1
        return self.count - 1 == self.at

    def end(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event, arguments):
        if event in CHANGES and str(arguments[0]).startswith(self.folder) and self.due():
            self.end()

    def write(self, path, content):
        """In place of `plastic.files._write`."""
        if self.due():
            if self.half:
                path.write_bytes(content[: len(content) // 2])
            self.end()
        path.write_bytes(content)


def run_and_die(folder, at, half, overrides):
    """Run a configuration in this process, to be gone at a write."""
    from conftest import _compose

    from experiments.run import run
    from plastic import files

    writes = Writes(folder, at, half)
    files._write = writes.write
    sys.addaudithook(writes.audit)
    run(_compose(*overrides, f"results_dir={folder}"))
    sys.stdout.write(f"writes {writes.count}\n")
    sys.stdout.flush()


def in_child(folder, at, half, overrides=RUN):
    """The same in a forked child; its number of writes if it came to the end, else None.

    The child is forked, and numba's threads are never started: a new process would take
    seconds to import what is here already.
    """
    end, start = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the libraries' threads are idle
        child = os.fork()
    if child == 0:
        os.close(end)
        os.dup2(start, 1)
        os.dup2(start, 2)
        try:
            sys.stdout = os.fdopen(1, "w", closefd=False)
            run_and_die(folder, at, half, overrides)
        finally:
            os._exit(0)
    os.close(start)
    with os.fdopen(end) as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    assert "writes " in said, said
    return int(said.split("writes ")[1].split()[0])


def assert_survives(folder, whole, kills, overrides=RUN):
    """Kill a run at these writes one after the other, finish it, and compare it."""
    from conftest import _compose

    from experiments.run import run

    for at, half in kills:
        in_child(folder, at, half, overrides)
    done = run(_compose(*overrides, f"results_dir={folder}"))
    assert_same(done, whole)
    shutil.rmtree(folder)


def assert_same(done, whole):
    assert {path.name for path in done.iterdir()} == {path.name for path in whole.iterdir()}
    networks = [(folder / "network.safetensors").read_bytes() for folder in (done, whole)]
    assert networks[0] == networks[1]
    mine, theirs = tables_of(done), tables_of(whole)
    for table, frame in mine.items():
        pd.testing.assert_frame_equal(
            comparable(frame), comparable(theirs[table]), check_exact=True
        )


def main():
    folder, at, half, *overrides = sys.argv[1:]
    run_and_die(pathlib.Path(folder), int(at), half == "1", overrides)


if __name__ == "__main__":
    main()

"""The contract of callbacks finds each kind of breach, and names it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from plastic.callbacks import Callback
from plastic.checks import check_callback
from plastic.checks.callbacks import PROMISES
from plastic.errors import ContractBroken


class Deaf:
    def begin(self, started):
        pass


class Draws(Callback):
    def begin(self, started):
        random.random()


class Writes(Callback):
    def rows(self, rows):
        rows.columns["step"][:] = 0


class NeedsAnEndOfItsOwn(Callback):
    def end(self, status, findings):
        {"complete": 0, "failed": 1}[status]


class TakesUpAgain(Callback):
    """Writes to a file that must not be there yet."""

    def begin(self, started):
        (started.folder / "mine").mkdir()


class ServesOnce(Callback):
    begun = False

    def begin(self, started):
        if self.begun:
            raise RuntimeError("it has begun already")
        self.begun = True


class NeedsRows(Callback):
    """Is at a loss where nothing was recorded."""

    def begin(self, started):
        self.seen = []

    def rows(self, rows):
        self.seen.append(rows.table)

    def end(self, status, findings):
        self.seen[-1]


class Litters(Callback):
    def begin(self, started):
        Path("mine.txt").touch()


class LittersBeside(Callback):
    def begin(self, started):
        (started.folder.parent.parent / "mine.txt").touch()


BREACHES = [
    (Deaf, "has all hooks", "Deaf lacks rows, end"),
    (Draws, "hears a whole run", "it moves the global state of random"),
    (Writes, "hears a whole run", "ValueError: assignment destination is read-only"),
    (NeedsAnEndOfItsOwn, "hears that a run is cut off", "KeyError: 'cut off'"),
    (TakesUpAgain, "hears that a run is cut off", "FileExistsError"),
    (ServesOnce, "serves one run after another", "RuntimeError: it has begun already"),
    (NeedsRows, "serves one run after another", "IndexError"),
    (Litters, "writes nothing outside of the study", "it leaves mine.txt"),
    (LittersBeside, "writes nothing outside of the study", "it leaves results/mine.txt"),
]


class Keeps(Callback):
    """Writes into the run's folder, anew each time."""

    def begin(self, started):
        self.file = started.folder / "mine.txt"
        self.file.write_text(f"{started.run_id} {started.row['policy']}\n")

    def rows(self, rows):
        with self.file.open("a") as file:
            file.write(f"{rows.table} {rows.columns['step'][0]}\n")


def test_one_that_keeps_its_promises_passes():
    check_callback(Keeps)


@pytest.mark.parametrize(("make", "promise", "message"), BREACHES)
def test_a_breach_is_found_and_named(make, promise, message):
    with pytest.raises(ContractBroken) as caught:
        check_callback(make)
    assert str(caught.value).startswith(f"a callback {promise}")
    assert f"; this one does not: {message}" in str(caught.value)


def test_every_promise_is_broken_by_one_of_them():
    broken = {name for name in PROMISES for _, each, _ in BREACHES if name.startswith(each)}
    assert broken == set(PROMISES)


def test_all_tables_are_told_of():
    seen = set()

    class Sees(Callback):
        def rows(self, rows):
            seen.add(rows.table)

    check_callback(Sees)
    assert seen == {"convergence", "edits", "arms", "metrics"}

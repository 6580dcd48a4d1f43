"""What a run says while it goes on, on a terminal and elsewhere."""

from __future__ import annotations

from io import StringIO

import pytest

from experiments import progress
from experiments.progress import EVERY_SECONDS, QUIET_SECONDS, Progress

BEGUN = {"n_edits": 0, "steps_done": 0}
HALFWAY = {
    "n_edits": 12,
    "steps_done": 50,
    "final_train_loss": 0.12345,
    "final_test_score": 0.8764,
    "n_neurons": 20,
    "n_connections": 300,
}


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when it is told to."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("stream", "pause"), [(Terminal(), EVERY_SECONDS), (StringIO(), QUIET_SECONDS)]
)
def test_it_speaks_up_only_now_and_then(clock, stream, pause):
    shown = Progress("a-run", 100, stream)
    for passed, says in ((0.5, False), (0.6, True), (0.5, False), (0.6, True)):
        before = stream.getvalue()
        clock.now += passed * pause
        shown.show(HALFWAY)
        assert (stream.getvalue() != before) == says


def test_a_terminal_gets_one_line_that_is_written_over(clock):
    stream = Terminal()
    shown = Progress("a-run", 100, stream)
    for _ in range(3):
        clock.now += EVERY_SECONDS
        shown.show(HALFWAY)
    text = stream.getvalue()
    assert "\n" not in text
    assert text.count("\r") == text.count("\x1b[K") == 3
    shown.close(HALFWAY, "accuracy")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("12 edits\x1b[K\n")


def test_elsewhere_lines_are_plain(clock):
    stream = StringIO()
    shown = Progress("a-run", 100, stream)
    clock.now += QUIET_SECONDS
    shown.show(HALFWAY)
    shown.close(HALFWAY, "accuracy")
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert text.endswith("\n")
    assert not set(text) & {"\r", "\x1b"}


def test_a_line_says_how_far_how_well_and_how_long(clock):
    stream = StringIO()
    shown = Progress("a-run", 200, stream)
    clock.now += 30  # for 50 of 200 steps: 90 seconds for the other 150
    shown.show(HALFWAY)
    assert stream.getvalue() == (
        "a-run  step 50/200  loss 0.1235  test 0.876  20 neurons  300 connections  90 s left\n"
    )


def test_before_the_first_step_nothing_is_promised(clock):
    stream = StringIO()
    shown = Progress("a-run", 200, stream)
    clock.now += QUIET_SECONDS
    shown.show(BEGUN)
    assert stream.getvalue().startswith("a-run  step 0/200  loss nan")
    assert stream.getvalue().endswith("nan s left\n")


def test_the_last_line_says_what_came_of_it(clock):
    stream = StringIO()
    shown = Progress("a-run", 100, stream)
    clock.now += 2.51
    shown.close(HALFWAY, "r2")
    assert stream.getvalue() == (
        "a-run  done in 2.5 s: test r2 0.876, 300 connections, 12 edits\n"
    )


def test_standard_output_is_where_it_speaks(clock, capsys):
    Progress("a-run", 100).close(HALFWAY, "accuracy")
    assert capsys.readouterr().out.startswith("a-run  done in 0.0 s")


def test_the_live_line_never_wraps(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    shown = Progress("a-run-of-a-long-name" * 4, 100, stream)
    clock.now += EVERY_SECONDS
    shown.show(HALFWAY)
    line = stream.getvalue().removeprefix("\r").removesuffix("\x1b[K")
    assert len(line) == 59
    assert line.startswith("step 50/100")


def test_python_is_called_by_path_where_it_lies_below(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress.sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert progress.python_here() == ".venv/bin/python"
    monkeypatch.setattr(progress.sys, "executable", "/elsewhere/bin/python3")
    assert progress.python_here() == "python"

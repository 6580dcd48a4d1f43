"""How programs that look at results end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from experiments.answers import answered
from plastic.errors import InvalidParameter


def test_what_was_looked_up_says_how_it_ended():
    assert answered(lambda: None) == 0
    assert answered(lambda: 1) == 1


@pytest.mark.parametrize("error", [InvalidParameter("no such metric"), OSError("disk full")])
def test_errors_are_one_line(error, capsys):
    def look():
        raise error

    assert answered(look) == 2
    assert capsys.readouterr() == ("", f"{error}\n")


def test_mistakes_of_the_program_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        answered(lambda: 1 // 0)


def test_a_reader_that_has_seen_enough_is_no_error():
    program = (
        "import sys; from experiments.answers import answered; "
        "sys.exit(answered(lambda: [print(i) for i in range(100_000)] and None))"
    )
    ended = subprocess.run(
        f'{sys.executable} -c "{program}" | head -n 1; exit ${{PIPESTATUS[0]}}',
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0\n", "")

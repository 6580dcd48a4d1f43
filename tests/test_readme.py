"""Every block of Python in the documents runs, and every command in them is a real one."""

from __future__ import annotations

import re
import shlex
import textwrap
from contextlib import chdir
from pathlib import Path

import pytest

from experiments.compare import HINTS
from experiments.compare import main as compare_main
from experiments.regret import HINTS as REGRET_HINTS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PROGRAM = "python -m experiments."


def blocks(page, language):
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(body) for _, named, body in found if named == language]


def commands():
    """Each command line of the runners, in the documents or printed, as a list of words."""
    texts = [block for page in PAGES for block in blocks(page, "sh")] + [
        hints.format(python="python") for hints in (HINTS, REGRET_HINTS)
    ]
    lines = [line for text in texts for line in text.splitlines() if PROGRAM in line]
    return [shlex.split(line.partition(PROGRAM)[2], comments=True) for line in lines]


def one_job(program, arguments, place):
    """The command line of the first (0) or the last (-1) job of a sweep."""
    sweeps = program == "regret" or "-m" in arguments
    for word in arguments:
        key, _, values = word.partition("=")
        if word != "-m":
            yield f"{key}={values.split(',')[place]}" if sweeps and "=" in word else word


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_python_runs(page, demo, monkeypatch):
    space = {"__name__": "__main__"}
    monkeypatch.chdir(demo)
    for number, body in enumerate(blocks(page, "python"), start=1):
        exec(compile(body, f"{page.name}, block {number}", "exec"), space)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_understood(words, command, tmp_path):
    program, *arguments = words
    if program == "compare":
        with chdir(tmp_path):
            assert compare_main(arguments) == 2  # there is no such folder; the rest is right
        return
    assert program in ("run", "regret")
    for place in (0, -1):
        ended = command(
            program, *one_job(program, arguments, place), "--cfg", "job", cwd=tmp_path
        )
        assert ended.code == 0, ended.err
        assert "_target_" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_the_documents_have_code_and_commands():
    assert blocks(ROOT / "README.md", "python")
    assert {words[0] for words in commands()} == {"run", "compare", "regret"}


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"

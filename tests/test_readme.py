"""Every block of Python in the documents runs, and every command in them is a real one."""

from __future__ import annotations

import re
import shlex
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

from experiments.compare import HINTS
from experiments.regret import HINTS as REGRET_HINTS
from plastic.errors import MissingExtra

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [*PAGES, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("results/reference/*/README.md"))]
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
        try:
            exec(compile(body, f"{page.name}, block {number}", "exec"), space)
        except (MissingExtra, ModuleNotFoundError) as missing:
            if str(missing.name).partition(".")[0] in ("plastic", "experiments"):
                raise
            pytest.skip(f"block {number}: {missing} (make extras brings it)")


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_understood(words, command, tmp_path):
    program, *arguments = words
    module = import_module(f"experiments.{program}")
    if hasattr(module, "_parser"):
        module._parser().parse_intermixed_args(arguments)  # which ends the process at a mistake
        return
    for place in (0, -1):
        ended = command(
            program, *one_job(program, arguments, place), "--cfg", "job", cwd=tmp_path
        )
        assert ended.code == 0, ended.err
        assert "_target_" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_the_documents_have_code_and_commands():
    assert blocks(ROOT / "README.md", "python")
    assert {words[0] for words in commands()} >= {"run", "compare", "regret"}


def places_in(page):
    """Names that links may lead to within a page: its headings, as MkDocs writes them."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ +(.+)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-")


def is_left_out(file):
    """Whether this is a source distribution, which has no results, and the file is of them."""
    there = ROOT / "results"
    return not there.is_dir() and file.resolve().is_relative_to(there.resolve())


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
        if "://" in target:
            continue
        led = (page.parent / target) if target else page
        if is_left_out(led):
            continue
        assert led.exists(), target
        if anchor:
            assert anchor in places_in(led), f"{target}#{anchor}"

"""A release could be published: what is in it, what it says of itself, and that it runs.

The whole suite against an installed wheel takes as long as the suite: ``make release-check``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
import release
from release import ROOT

import plastic


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return release.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    release.install(built[0], folder / "site")
    return release.unpack(built[1], folder), folder / "site"


def test_the_source_holds_what_its_tests_need_and_no_results(built):
    names = release.names_in(built[1])
    for folder in ("plastic", "experiments", "conf", "tests", "docs", "examples"):
        there = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert there <= names, folder
    assert not {name for name in names if name.startswith(release.NOT_SHIPPED)} - {".gitignore"}
    assert not {name for name in names if "__pycache__" in name or name.endswith(".nbi")}
    texts = {name for name in names if "/" not in name}
    assert texts == {
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile",
        "PKG-INFO", "pyproject.toml", "mkdocs.yml", ".gitignore",
        "requirements.lock", "requirements-extras.lock",
    }  # fmt: skip


def test_an_index_would_take_them(built):
    pytest.importorskip("packaging.metadata")
    for file in built:
        assert list(release.problems_of(release.metadata_of(file))) == []
    assert release.metadata_of(built[0]) == release.metadata_of(built[1])


def test_an_index_would_refuse_others(built):
    content = release.metadata_of(built[0])
    wrong = content.replace(b"text/markdown", b"text/plain")
    assert list(release.problems_of(wrong)) == [
        "the description is text/plain, not text/markdown"
    ]
    wrong = content.replace(b"Classifier: Typing", b"Classifier: Taping")
    assert list(release.problems_of(wrong)) == ["there is no classifier 'Taping :: Typed'"]
    with pytest.raises(ExceptionGroup):
        list(release.problems_of(content.replace(b"Version: 0", b"Version: x", 1)))


def test_files_are_as_recorded_and_programs_are_there(built):
    assert list(release.records_of(built[0])) == []
    programs = release.programs_of(built[0])
    assert len(programs) >= 4
    for program in programs:
        assert find_spec(program.module)
        assert callable(program.load())


def test_building_again_gives_the_same_bytes(built, tmp_path):
    for first, again in zip(built, release.build(tmp_path), strict=True):
        assert first.read_bytes() == again.read_bytes()


def test_some_of_its_tests_pass_from_the_source_on_the_wheel(unpacked):
    place, site = unpacked
    arguments = ["tests/test_errors.py", "tests/test_encoding.py", "tests/test_readme.py"]
    assert release.run_tests(place, site, *arguments, "-k", "not python and not command") == 0


def test_what_they_test_is_the_wheel(unpacked, tmp_path):
    place, site = unpacked
    found = subprocess.run(
        [sys.executable, "-P", "-c", "import plastic; print(plastic.__file__)"],
        cwd=place,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(site / "plastic" / "__init__.py")


def test_the_version_is_in_one_place():
    code = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in code
    assert not re.search(r'^version = "', code, re.MULTILINE)
    assert re.fullmatch(r"\d+\.\d+\.\d+", plastic.__version__)


@pytest.mark.slow
def test_all_of_its_tests_pass_from_the_source_on_the_wheel(unpacked):
    assert release.run_tests(*unpacked, "tests") == 0

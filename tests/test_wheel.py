"""The wheel: what is in it, and that it works on its own, outside of the checkout."""

from __future__ import annotations

import zipfile
from pathlib import Path

from release import ROOT

import plastic
from plastic.analysis import load_results


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_of(folder, ending):
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(f"*{ending}")}


def test_the_wheel_is_named_by_its_version(wheel):
    assert wheel.name == f"plastic-{plastic.__version__}-py3-none-any.whl"


def test_everything_that_runs_is_in_it_and_nothing_else(wheel):
    info = f"plastic-{plastic.__version__}.dist-info"
    code = files_of("plastic", ".py") | files_of("experiments", ".py")
    conf = {f"experiments/{name}" for name in files_of("conf", ".yaml")}
    named = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    named.add(f"{info}/licenses/LICENSE")
    page = files_of("plastic", ".css") | files_of("plastic", ".js")
    assert {Path(name).suffix for name in page} == {".css", ".js"}
    assert names_in(wheel) == code | conf | named | page | {"plastic/py.typed"}


def test_it_names_its_programs_and_its_license(wheel):
    info = f"plastic-{plastic.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        programs = archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    assert "plastic-run = experiments.run:main" in programs
    assert "plastic-compare = experiments.compare:main" in programs
    for name in ("query", "search", "status", "watch", "regret"):
        assert f"plastic-{name} = experiments.{name}:main" in programs
    assert "plastic-masks = experiments.masks:main" in programs
    assert "plastic-study = experiments.study:main" in programs
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: <3.14,>=3.11" in metadata
    assert "# plastic" in metadata  # the README is the description


def test_it_runs_and_compares_outside_of_the_checkout(installed, tmp_path):
    small = ["dataset=wine", "steps=20", "wiring.hidden=[8]", "results_dir=mine"]
    ended = installed.ask(tmp_path, "plastic-run", "-m", *small, "policy=static,set")
    assert ended.code == 0, ended.err
    results = load_results(tmp_path / "mine")
    assert sorted(results.complete["policy"]) == ["set", "static"]
    assert set(results.runs["git_commit"]) == {""}  # it is not from a checkout
    ended = installed.ask(tmp_path, "plastic-compare", "mine/first")
    assert ended.code == 0, ended.err
    assert "Study first: 2 runs (2 complete)" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_runs_is_what_was_installed(installed, tmp_path):
    code = (
        "import plastic, plastic.engine.kernels as k, experiments.run as r\n"
        "from experiments.config import config_folder\n"
        "print(plastic.__file__, k.__file__, r.__file__, config_folder(), sep='\\n')"
    )
    program = installed.site / "bin" / "where.py"
    program.write_text(code)
    ended = installed.ask(tmp_path, program.name)
    assert ended.code == 0, ended.err
    places = [Path(line) for line in ended.out.splitlines()]
    assert len(places) == 4
    assert all(place.is_relative_to(installed.site) for place in places)


def test_a_mistake_is_told_by_the_program_too(installed, tmp_path):
    ended = installed.ask(tmp_path, "plastic-run", "policy=nothing")
    assert ended.code == 1
    assert ended.err.startswith("error: there is no policy 'nothing'; choose one of ")
    assert list(tmp_path.iterdir()) == []

"""Plans come back as they were written, and the notes of what was begun add to them."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.errors import ResultsError
from plastic.sweeps import (
    FOLDER,
    Planned,
    as_command,
    note_begun,
    planned_jobs,
    times_begun,
    write_plan,
)

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
jobs_of = st.dictionaries(
    st.lists(words, max_size=3).map(tuple),
    st.dictionaries(st.integers(0, 99).map("r-{}".format), st.integers(0, 2**31), max_size=3),
    max_size=4,
)
briefly = settings(max_examples=30, deadline=None)  # each example writes files


@briefly
@given(jobs=jobs_of, begun=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99))))
def test_what_is_planned_and_begun_comes_back(jobs, begun):
    planned = [Planned(overrides, runs) for overrides, runs in jobs.items()]
    with tempfile.TemporaryDirectory() as name:
        study = Path(name) / "study"
        write_plan(study, planned)
        assert planned_jobs(study) == planned
        expected = {job: (dict(runs), set()) for job, runs in jobs.items()}
        for at, number in begun:
            job = planned[at % len(planned)].overrides if planned else ("other",)
            note_begun(study, f"r-{number}", job, "start")
            runs, names = expected.setdefault(job, ({}, set()))
            runs.setdefault(f"r-{number}", None)
            names.add(f"r-{number}")
        found = {job.overrides: (dict(job.runs), set(job.begun)) for job in planned_jobs(study)}
        assert found == expected


@briefly
@given(overrides=st.lists(words))
def test_a_command_is_what_a_shell_splits_again(overrides):
    assert shlex.split(as_command(overrides)) == overrides


def test_the_plan_of_a_changed_configuration_takes_the_place_of_the_old_one(tmp_path):
    write_plan(tmp_path, [Planned(("seed=0",), {"old": 0})])
    note_begun(tmp_path, "begun", ["seed=0"], "1")
    write_plan(tmp_path, [Planned(("seed=0",), {"new": 0})])
    write_plan(tmp_path, [Planned(("seed=1",), {"other": 1})])
    jobs = {job.overrides: set(job.runs) for job in planned_jobs(tmp_path)}
    assert jobs == {("seed=0",): {"new", "begun"}, ("seed=1",): {"other"}}


def test_tries_are_counted_anew_by_each_start(tmp_path):
    assert times_begun(tmp_path, "r", "1") == 0
    for n in (1, 2):
        note_begun(tmp_path, "r", ["seed=0"], "1")
        assert times_begun(tmp_path, "r", "1") == n
    assert times_begun(tmp_path, "r", "2") == 0
    assert times_begun(tmp_path, "r", "") == 0  # not a sweep: every time is the first
    note_begun(tmp_path, "r", ["seeds=[0]"], "2")
    assert times_begun(tmp_path, "r", "2") == 1
    assert [job.overrides for job in planned_jobs(tmp_path)] == [("seed=0",), ("seeds=[0]",)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1, "jobs": [["seed=0"]]}'])
def test_files_that_are_no_plans_are_none(tmp_path, content):
    write_plan(tmp_path, [Planned(("seed=1",))])
    (tmp_path / FOLDER / "plan-0.json").write_text(content)
    (tmp_path / FOLDER / "run-r.json").write_text(content.replace("jobs", "told"))
    assert planned_jobs(tmp_path) == [Planned(("seed=1",))]
    assert times_begun(tmp_path, "r", "1") == 0


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER).rmdir()
    (tmp_path / FOLDER).symlink_to(tmp_path / "gone" / "away")
    with pytest.raises((ResultsError, OSError)):
        write_plan(tmp_path, [])

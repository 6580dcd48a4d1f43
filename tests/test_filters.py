"""Parts of results: what is asked for is what filtering the whole gives."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import write_run

from plastic.analysis import load_results
from plastic.errors import InvalidParameter
from plastic.records import Recorder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("parts")
    for at, policy in enumerate(("static", "set", "set", "rigl")):
        run = {"policy": policy, "seed": at, "density": 0.1 * at, f"policy.{policy}": at}
        write_run(where / f"r{at}", run, evaluations=at + 1)
    return where


def same(found, expected):
    for frame in (found, expected):  # categories may be fewer; what is shown may not
        for name in frame.select_dtypes("category"):
            frame[name] = frame[name].astype("str")
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True))


CONDITIONS = {
    "policy": st.sampled_from(["set", ["static", "rigl"], "none of them"]),
    "seed": st.sampled_from([1, slice(1, 2), slice(None, 1), slice(2, None), {0, 3}]),
    "split": st.sampled_from(["test", ["train", "reward"]]),
    "step": st.sampled_from([10, [0, 20], slice(10, 20), slice(None, None)]),
}


def wanted(frame, name, condition):
    values = frame[name]
    if isinstance(condition, slice):
        low = values.min() if condition.start is None else condition.start
        high = values.max() if condition.stop is None else condition.stop
        return values.between(low, high)
    return values.isin(condition if isinstance(condition, list | set) else [condition])


@settings(deadline=None)  # files are read
@given(where=st.fixed_dictionaries({}, optional=CONDITIONS))
def test_a_part_is_the_whole_filtered(folder, where):
    whole = load_results(folder, config=["policy", "seed"])
    rows = whole.convergence
    for name, condition in where.items():
        rows = rows[wanted(rows, name, condition)]
    names = ["step", "split", "score", "policy", "seed"]
    part = load_results(
        folder, config=["policy", "seed"], columns=["split", "score", "step"], where=where
    )
    same(part.convergence, rows[names].copy())
    runs = whole.runs
    for name in ("policy", "seed"):
        if name in where:
            runs = runs[wanted(runs, name, where[name])]
    assert part.runs["run_id"].tolist() == runs["run_id"].tolist()
    assert list(part.folders) == runs["run_id"].tolist()


def test_the_last_step_is_that_of_each_run(folder):
    rows = load_results(folder, where={"step": "last", "split": "test"}).convergence
    assert rows["step"].tolist() == [0, 10, 20, 30]


def test_names_that_runs_and_tables_share_are_told_apart(folder):
    assert len(load_results(folder, where={"density": 0.1}).runs) == 1
    assert len(load_results(folder, where={"run.density": 0.1}).runs) == 1
    results = load_results(folder, where={"convergence.density": slice(0.3, None)})
    assert len(results.runs) == 4
    assert results.convergence.empty
    assert len(results.arms) == 8
    assert len(load_results(folder, where={"policy.set": 1}).runs) == 1
    assert load_results(folder, columns=["arms.step"]).convergence.shape[1] > 10


def test_what_is_not_asked_for_is_not_read_but_told_of_when_asked(folder, tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    (tmp_path / "b" / "convergence.parquet").write_bytes(b"nothing")
    results = load_results(tmp_path, columns=["step"])
    assert len(results.convergence) == 3
    assert results.unreadable["reason"].str.contains("convergence.parquet is corrupt").all()
    assert load_results(tmp_path, where={"run_id": "a"}).unreadable.empty
    assert load_results(tmp_path, columns=["step"]).join("arms", "policy").shape == (4, 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"columns": ["scor"]}, "the tables have no column 'scor'; near it are score"),
        ({"columns": ["run.seed"]}, "the tables have no column 'run.seed'"),
        (
            {"where": {"polcy": 1}},
            "neither runs nor tables have a column 'polcy'; near .*policy",
        ),
        ({"where": {"step": "first"}}, "step holds int64, and was compared with"),
        ({"where": {"step": slice("a", None)}}, "step holds int64, and was compared with"),
        ({"where": {"policy": slice(1, 2)}}, "policy: .*not supported between"),
    ],
)
def test_what_cannot_be_is_refused(folder, asked, said):
    with pytest.raises(InvalidParameter, match=said):
        _ = load_results(folder, **asked).convergence


def test_a_run_without_a_row_yet_takes_no_other_with_it(tmp_path):
    write_run(tmp_path / "a")
    with Recorder(tmp_path / "b", {"policy": "set", "seed": 1}, config="seed: 1\n"):
        part = load_results(tmp_path, columns=["score"], where={"split": "test"})
        assert part.convergence["score"].tolist() == [0.7]

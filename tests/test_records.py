"""What is recorded comes back, whatever ends the run; what does not fit is refused."""

import json
import pathlib
import subprocess

import numpy as np
import pandas as pd
import pytest
from recordings import ARM, EDIT, EVALUATION, write_run
from runs import FILES

import plastic
from plastic import files, parts, records
from plastic.analysis import load_results
from plastic.columns import COLUMNS, check_piece, columns_as_markdown
from plastic.errors import InvalidParameter, ResultsError
from plastic.parts import PARTS, parts_in, write_part
from plastic.records import SCHEMAS, Recorder, comparable, describe_columns, git_commit


def test_a_run_comes_back_as_it_was_recorded(tmp_path):
    write_run(tmp_path / "a", {"policy": "set", "config": {"rate": 0.3}}, evaluations=2)
    results = load_results(tmp_path)
    (run,) = results.runs.to_dict("records")
    assert (run["run_id"], run["status"], run["config.rate"]) == ("a", "complete", 0.3)
    assert run["final_test_score"] == 0.7
    assert run["version"] == plastic.__version__
    assert run["seconds"] > 0
    assert pd.Timestamp(run["started"]).tzinfo is not None
    assert results.convergence["step"].tolist() == [0, 0, 0, 10, 10, 10]
    assert results.convergence["split"].tolist() == ["train", "reward", "test"] * 2
    assert results.convergence["truth_recall"].isna().all()
    assert results.edits["target"].tolist() == [5, 5]
    assert results.arms["arm"].tolist() == ["grow", "prune"]
    assert (tmp_path / "a" / "config.yaml").read_text() == "seed: 0\n"


@pytest.mark.parametrize("table", ["convergence", "edits", "arms"])
def test_dtypes_are_those_documented_with_rows_and_without(tmp_path, table):
    with Recorder(tmp_path / "empty" / "a", {}):
        pass
    write_run(tmp_path / "full" / "b")
    declared = {column.name: column.dtype for column in COLUMNS[table]}
    for folder in (tmp_path / "empty", tmp_path / "full", tmp_path):
        frame = getattr(load_results(folder), table)
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == declared
        text = frame.select_dtypes("category")
        assert all(text[name].cat.categories.dtype == "str" for name in text)


def test_run_row_has_documented_dtypes_even_if_nothing_was_found(tmp_path):
    with Recorder(tmp_path / "a", {}):
        pass
    runs = load_results(tmp_path).runs
    for column in COLUMNS["run"]:
        assert runs[column.name].dtype == column.dtype


def test_two_runs_of_one_seed_are_comparable(tmp_path):
    for name, threads in (("one", 1), ("two", 2)):
        write_run(
            tmp_path / name / "a",
            {"engine.threads": threads, "results_dir": name},
            evaluations=2,
        )
    one, two = load_results(tmp_path / "one"), load_results(tmp_path / "two")
    for table in ("runs", "convergence", "edits", "arms"):
        pd.testing.assert_frame_equal(
            comparable(getattr(one, table)), comparable(getattr(two, table)), check_exact=True
        )
    assert not {"seconds", "started", "git_commit", "results_dir", "engine.threads"} & set(
        comparable(one.runs)
    )


def test_flushing_often_changes_nothing(tmp_path):
    for name in ("rarely", "often"):
        with Recorder(tmp_path / name / "a", {}) as recorder:
            for i in range(5):
                recorder.add("convergence", EVALUATION | {"step": i})
                recorder.add("arms", ARM | {"arm": [f"new {i}", "old"]})
                if name == "often":
                    recorder.flush()
    rarely, often = load_results(tmp_path / "rarely"), load_results(tmp_path / "often")
    pd.testing.assert_frame_equal(rarely.convergence, often.convergence)
    pd.testing.assert_frame_equal(rarely.arms, often.arms)


def test_what_was_flushed_can_be_read_while_the_run_goes_on(tmp_path):
    with Recorder(tmp_path / "a", {}) as recorder:
        recorder.add("convergence", EVALUATION)
        assert load_results(tmp_path).convergence.empty
        recorder.flush()
        results = load_results(tmp_path)
        assert len(results.convergence) == 3
        assert results.unfinished["run_id"].tolist() == ["a"]


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_write_cut_short_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    def killed(self, target):
        raise OSError(28, "No space left on device")

    with Recorder(tmp_path / "a", {}) as recorder:
        recorder.add("convergence", EVALUATION)
        recorder.flush()
        before = files_in(tmp_path / "a")
        recorder.add("convergence", EVALUATION)
        with monkeypatch.context() as patch:
            patch.setattr(pathlib.Path, "replace", killed)
            with pytest.raises(ResultsError, match="No space left on device"):
                recorder.flush()
        assert files_in(tmp_path / "a") == before
    assert len(load_results(tmp_path).convergence) == 6  # nothing was lost by the failure


def test_half_a_file_is_never_under_the_tables_name(tmp_path, monkeypatch):
    """Whatever interrupts a write, what is under a table's name is whole."""
    recorder = Recorder(tmp_path / "a", {})
    recorder.__enter__()
    recorder.add("arms", ARM)

    def half(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_write", half)
    with pytest.raises(KeyboardInterrupt):
        recorder.flush()
    results = load_results(tmp_path)
    assert results.unreadable.empty
    assert results.arms.empty


# ---------------------------------------------------------------- parts


def test_a_table_in_parts_is_the_table(tmp_path):
    """Before the merge and after it, a reader sees the same rows."""
    with Recorder(tmp_path / "a", {}) as recorder:
        for i in range(5):
            recorder.add("convergence", EVALUATION | {"step": i})
            recorder.add("arms", ARM | {"arm": [f"new {i}", "old"]})
            recorder.flush()
        assert sorted({part.table for part in parts_in(tmp_path / "a")}) == [
            "arms",
            "convergence",
        ]
        going = load_results(tmp_path)
        frames = going.convergence, going.arms
        assert going.unreadable.empty
    assert not (tmp_path / "a" / PARTS).exists()
    done = load_results(tmp_path)
    pd.testing.assert_frame_equal(frames[0], done.convergence, check_exact=True)
    pd.testing.assert_frame_equal(frames[1], done.arms, check_exact=True)


def test_a_reader_that_comes_at_the_merge_sees_the_whole_table(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path / "a", {})
    recorder.__enter__()
    recorder.add("convergence", EVALUATION)
    recorder.flush()
    results, listed = load_results(tmp_path), parts.parts_in

    def then_merged(folder):
        found = listed(folder)
        monkeypatch.setattr(parts, "parts_in", listed)
        recorder.__exit__(None, None, None)
        return found

    monkeypatch.setattr(parts, "parts_in", then_merged)
    assert len(results.convergence) == 3


def test_recording_goes_on_from_a_position(tmp_path):
    """What was recorded after it is dropped: the end is as if nothing had been cut off."""

    def record(recorder, steps):
        for step in steps:
            recorder.add("convergence", EVALUATION | {"step": step})
            recorder.finish(n_edits=step, final_test_score=step / 10)

    with Recorder(tmp_path / "whole" / "a", {"policy": "set"}) as recorder:
        record(recorder, range(9))
    cut = Recorder(tmp_path / "cut" / "a", {"policy": "set"})
    cut.__enter__()
    record(cut, range(4))
    position = json.loads(json.dumps(cut.position()))
    record(cut, range(4, 7))
    cut.flush()
    record(cut, range(7, 9))
    (tmp_path / "cut" / "a" / ".run.parquet.12345").write_bytes(b"half a f")
    with Recorder(tmp_path / "cut" / "a", {"policy": "set"}, resume=position) as recorder:
        assert len(load_results(tmp_path / "cut").convergence) == 4 * 3
        record(recorder, range(4, 9))
    assert {path.name for path in (tmp_path / "cut" / "a").iterdir()} == FILES
    whole, cut = load_results(tmp_path / "whole"), load_results(tmp_path / "cut")
    pd.testing.assert_frame_equal(whole.convergence, cut.convergence)
    pd.testing.assert_frame_equal(comparable(whole.runs), comparable(cut.runs))


def test_a_position_whose_parts_are_gone_or_damaged_is_refused(tmp_path):
    recorder = Recorder(tmp_path / "a", {})
    recorder.__enter__()
    recorder.add("arms", ARM)
    position = recorder.position()
    (part,) = (tmp_path / "a" / PARTS).iterdir()
    content = part.read_bytes()
    part.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(ResultsError, match=r"arms-000000-.* is corrupt"):
        Recorder(tmp_path / "a", {}, resume=position)
    assert load_results(tmp_path).unreadable["reason"].str.contains("is corrupt").all()
    part.unlink()
    with pytest.raises(ResultsError, match=r"arms-000000-.* is missing"):
        Recorder(tmp_path / "a", {}, resume=position)


def test_a_part_of_other_columns_or_beyond_bounds_is_refused(tmp_path, monkeypatch):
    (tmp_path / PARTS).mkdir()
    part = write_part(tmp_path, "arms", 0, SCHEMAS["edits"].empty_table())
    with pytest.raises(ResultsError, match="has other columns than arms"):
        parts.read_part(tmp_path, part, SCHEMAS["arms"])
    monkeypatch.setattr(parts, "MOST_BYTES", 0)
    monkeypatch.setattr(parts, "INFLATION", 0)
    part = write_part(tmp_path, "arms", 1, SCHEMAS["arms"].empty_table())
    with pytest.raises(ResultsError, match=r"claims to hold \d+ bytes in a file of \d+"):
        parts.read_part(tmp_path, part, SCHEMAS["arms"])


# ---------------------------------------------------------------- failures


def test_a_failed_run_keeps_its_tables_and_says_why(tmp_path):
    def fail():
        with Recorder(tmp_path / "a", {"policy": "set"}) as recorder:
            recorder.add("convergence", EVALUATION)
            recorder.finish(steps_done=10)
            raise ZeroDivisionError("nothing to divide by")

    with pytest.raises(ZeroDivisionError, match="nothing to divide by"):
        fail()
    results = load_results(tmp_path)
    (run,) = results.failed.to_dict("records")
    assert run["reason"] == "ZeroDivisionError: nothing to divide by"
    assert run["steps_done"] == 10
    assert len(results.convergence) == 3
    assert results.complete.empty
    text = (tmp_path / "a" / "traceback.txt").read_text()
    assert text.startswith("Traceback")
    assert "in fail" in text


def test_a_run_done_again_replaces_the_failed_one(tmp_path):
    recorder = Recorder(tmp_path / "a", {})
    with pytest.raises(InvalidParameter), recorder:
        recorder.add("arms", ARM | {"mean": 0.5})
    assert load_results(tmp_path).failed["run_id"].tolist() == ["a"]
    with Recorder(tmp_path / "a", {}):
        pass
    results = load_results(tmp_path)
    assert results.runs["status"].tolist() == ["complete"]
    assert results.arms.empty
    assert not (tmp_path / "a" / "traceback.txt").exists()


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "a"
    with pytest.raises(ResultsError, match="choose another folder") as caught:
        Recorder(folder, {}).__enter__()
    assert str(folder) in str(caught.value)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        (
            "weights",
            ARM,
            "table must be one of 'convergence', 'edits', 'arms', 'metrics', got 'weights'",
        ),
        ("run", {}, "table must be one of"),
        ("arms", ARM | {"mean": 1.0}, "arms has no column 'mean'"),
        ("arms", {"step": 1, "pulls": 1}, "arms needs column 'arm'"),
        ("arms", ARM | {"pulls": [1, 2, 3]}, "arms must be of one length, got arm 2, pulls 3"),
        ("arms", ARM | {"pulls": [0.5, 1]}, "pulls must hold int64"),
        ("arms", ARM | {"pulls": [np.nan, 1]}, "pulls must hold int64"),
        ("arms", ARM | {"arm": [1, "b"]}, "arm must hold category"),
        ("arms", ARM | {"reward": ["high", "low"]}, "reward must hold float64"),
        ("arms", ARM | {"reward": [[1.0, 2.0]]}, "reward must be flat"),
        ("edits", EDIT | {"accepted": [1, 0]}, "accepted must hold bool"),
    ],
)
def test_a_wrong_piece_is_refused_and_nothing_is_added(tmp_path, table, columns, message):
    recorder = Recorder(tmp_path / "a", {})
    with recorder, pytest.raises(InvalidParameter, match=message):
        recorder.add(table, columns)
    results = load_results(tmp_path)
    assert results.convergence.empty
    assert results.edits.empty
    assert results.arms.empty


def test_wrong_run_values_are_refused(tmp_path):
    with pytest.raises(InvalidParameter, match="seed must hold int64"):
        Recorder(tmp_path / "a", {"seed": "zero"})
    assert not (tmp_path / "a").exists()
    with Recorder(tmp_path / "a", {"density": 0.1}) as recorder:
        with pytest.raises(InvalidParameter, match="finding must be one of"):
            recorder.finish(density=0.2)  # what was asked for is not a finding
        with pytest.raises(InvalidParameter, match="n_edits must hold int64"):
            recorder.finish(n_edits=0.5, final_test_score=1.0)
    (run,) = load_results(tmp_path).runs.to_dict("records")
    assert run["density"] == 0.1
    assert np.isnan(run["final_test_score"])


def test_none_is_nan_and_an_empty_piece_is_no_row():
    piece = check_piece("arms", {"run_id": "a"} | ARM | {"reward": [None, 1.0]})
    np.testing.assert_array_equal(piece["reward"], [np.nan, 1.0])
    empty = check_piece("arms", {"run_id": "a", "step": 1, "arm": [], "pulls": []})
    assert {len(array) for array in empty.values()} == {0}


def test_every_column_is_documented():
    described = describe_columns()
    assert list(described) == ["table", "name", "dtype", "unit", "meaning"]
    assert len(described) == sum(map(len, COLUMNS.values()))
    assert described["meaning"].str.endswith(".").all()
    assert not described.duplicated(["table", "name"]).any()
    for table, names in records.TIME_COLUMNS.items():
        assert set(names) <= {column.name for column in COLUMNS[table]}


def test_the_page_of_tables_is_up_to_date():
    page = pathlib.Path(__file__).parents[1] / "docs" / "tables.md"
    command = (
        'python -c "import pathlib, plastic.columns as c; '
        "pathlib.Path('docs/tables.md').write_text(c.columns_as_markdown(), 'utf-8')\""
    )
    assert page.read_text(encoding="utf-8") == columns_as_markdown(), f"run {command}"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    package = tmp_path / "plastic"
    package.mkdir()
    source = package / "__init__.py"
    source.write_text("")
    monkeypatch.setattr(plastic, "__file__", str(source))
    git_commit.cache_clear()
    yield source
    git_commit.cache_clear()


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_commit_of_a_checkout_and_of_none(checkout):
    git(checkout.parent, "init", "--quiet")
    assert git_commit() == ""  # a repository, but not of these files
    git(checkout.parent, "add", ".")
    git(checkout.parent, "commit", "--quiet", "--message", "first")
    git_commit.cache_clear()
    assert git_commit() == git(checkout.parent, "rev-parse", "HEAD")
    checkout.write_text("changed = True\n")
    git_commit.cache_clear()
    assert git_commit() == git(checkout.parent, "rev-parse", "HEAD") + "+"


def test_no_git_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_commit() == ""

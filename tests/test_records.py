import json
import pathlib
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

import plastic
from plastic import records
from plastic.analysis import load_results
from plastic.columns import COLUMNS, check_piece, columns_as_markdown, flatten
from plastic.errors import InvalidParameter, ResultsError
from plastic.records import Recorder, comparable, describe_columns, git_commit

EVALUATION = {
    "step": 10,
    "epoch": 0.5,
    "split": ["train", "reward", "test"],
    "loss": [0.1, 0.2, 0.3],
    "score": [0.9, 0.8, 0.7],
    "n_neurons": 12,
    "n_connections": 40,
    "density": 0.25,
    "train_flops": 1e6,
    "candidate_gradients": 5,
    "learning_rate": 0.1,
    "seconds": 0.01,
}
EDIT = {"step": 10, "kind": "connect", "id": [1, 2], "source": [0, 1], "target": 5}
ARM = {"step": 10, "arm": ["grow", "prune"], "pulls": [1, 0]}


def write_run(folder, run=None, findings=None, evaluations=1):
    row = {"study": "demo", "dataset": "digits", "policy": "set", "seed": 0} | (run or {})
    with Recorder(folder, row, config="seed: 0\n") as recorder:
        for i in range(evaluations):
            recorder.add("convergence", EVALUATION | {"step": 10 * i})
        recorder.add("edits", EDIT | {"accepted": True})
        recorder.add("arms", ARM)
        recorder.finish(**({"final_test_score": 0.7, "metric": "accuracy"} | (findings or {})))
    return folder


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


def test_a_write_cut_short_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    def killed(self, target):
        raise OSError(28, "No space left on device")

    with Recorder(tmp_path / "a", {}) as recorder:
        recorder.add("convergence", EVALUATION)
        recorder.flush()
        before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
        recorder.add("convergence", EVALUATION)
        with monkeypatch.context() as patch:
            patch.setattr(pathlib.Path, "replace", killed)
            with pytest.raises(ResultsError, match="No space left on device"):
                recorder.flush()
        assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    assert len(load_results(tmp_path).convergence) == 6  # nothing was lost by the failure


def test_half_a_file_is_never_under_the_tables_name(tmp_path, monkeypatch):
    def half(table, path, **options):
        path.write_bytes(b"PAR1")
        raise KeyboardInterrupt

    recorder = Recorder(tmp_path / "a", {})
    recorder.__enter__()
    recorder.add("arms", ARM)
    monkeypatch.setattr(records.pq, "write_table", half)
    with pytest.raises(KeyboardInterrupt):
        recorder.flush()
    results = load_results(tmp_path)
    assert results.unreadable.empty
    assert results.arms.empty


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
        ("weights", ARM, "table must be one of 'convergence', 'edits', 'arms', got 'weights'"),
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


def test_configurations_become_flat_and_keep_their_types(tmp_path):
    config = {"policy": {"fraction": 0.3, "groups": [1, 2], "deep": {"on": True}}, "a": None}
    assert flatten(config) == {
        "policy.fraction": 0.3,
        "policy.groups": "[1, 2]",
        "policy.deep.on": True,
        "a": None,
    }
    assert json.loads(flatten({"x": [np.int64(3)]})["x"]) == [3]
    write_run(
        tmp_path / "a", {"p.rate": 0.3, "p.n": 3, "p.on": True, "p.name": "x", "p.z": None}
    )
    write_run(
        tmp_path / "b", {"p.rate": 1, "p.n": 4, "p.on": False, "p.name": "y", "p.z": None}
    )
    runs = load_results(tmp_path).runs
    kinds = {name: str(runs[name].dtype) for name in ("p.rate", "p.n", "p.on", "p.name")}
    assert kinds == {"p.rate": "float64", "p.n": "int64", "p.on": "bool", "p.name": "str"}
    assert runs["p.z"].isna().all()


def test_corrupt_and_missing_files_are_listed_and_the_others_load(tmp_path):
    for name in "abcde":
        write_run(tmp_path / "study" / name)
    (tmp_path / "study" / "a" / "run.parquet").write_bytes(b"no parquet")
    path = tmp_path / "study" / "b" / "convergence.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    (tmp_path / "study" / "c" / "arms.parquet").unlink()
    (tmp_path / "study" / "d" / "run.parquet").unlink()
    results = load_results(tmp_path)
    assert results.runs["run_id"].tolist() == ["b", "c", "e"]
    assert results.convergence["run_id"].unique().tolist() == ["c", "e"]
    assert results.arms["run_id"].unique().tolist() == ["b", "e"]
    listed = [
        (pathlib.Path(row.folder).name, row.table, row.reason.split(":")[0])
        for row in results.unreadable.itertuples()
    ]
    assert listed == [
        ("a", "run", "run.parquet is corrupt"),
        ("d", "run", "run.parquet is missing"),
        ("b", "convergence", "convergence.parquet is corrupt"),
        ("c", "arms", "arms.parquet is missing"),
    ]


def test_flipped_bits_are_found_or_change_nothing(tmp_path):
    write_run(tmp_path / "a", evaluations=20)
    path = tmp_path / "a" / "convergence.parquet"
    content = path.read_bytes()
    before = load_results(tmp_path).convergence
    found = 0
    data = len(content) - 8 - int.from_bytes(content[-8:-4], "little")  # what the footer leaves
    positions = range(0, data, data // 60)
    for position in positions:
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        results = load_results(tmp_path)
        if results.unreadable.empty:
            pd.testing.assert_frame_equal(results.convergence, before)
        else:
            assert results.unreadable["table"].tolist() == ["convergence"]
            found += 1
    assert found > len(positions) // 2


def test_a_table_of_other_columns_is_unreadable(tmp_path):
    write_run(tmp_path / "a")
    pd.DataFrame({"step": [1]}).to_parquet(tmp_path / "a" / "arms.parquet")
    results = load_results(tmp_path)
    assert results.unreadable["reason"].str.contains("lacks column run_id, arm").all()
    assert results.arms.empty


def test_a_copied_run_is_counted_once(tmp_path):
    write_run(tmp_path / "one" / "a")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    results = load_results(tmp_path)
    assert len(results.runs) == 1
    assert len(results.convergence) == 3
    assert results.unreadable["reason"].str.contains("run_id 'a' is already that of").all()


@pytest.mark.parametrize("where", ["", "study", "study/a"])
def test_runs_are_found_at_any_depth(tmp_path, where):
    write_run(tmp_path / "study" / "a")
    assert load_results(tmp_path / where).runs["run_id"].tolist() == ["a"]


def test_columns_of_the_configuration_are_joined_on_request(tmp_path):
    write_run(tmp_path / "a", {"policy": "set", "policy.fraction": 0.3, "density": 0.1})
    write_run(tmp_path / "b", {"policy": "rigl", "density": 0.2}, evaluations=2)
    joined = load_results(tmp_path).join("convergence", "policy", "policy.fraction", "density")
    assert joined["policy"].tolist() == ["set"] * 3 + ["rigl"] * 6
    np.testing.assert_array_equal(joined["policy.fraction"], [0.3] * 3 + [np.nan] * 6)
    assert joined["density"].tolist() == [0.25] * 9
    assert joined["run.density"].tolist() == [0.1] * 3 + [0.2] * 6
    results = load_results(tmp_path, config=["seed"])
    assert "seed" in results.convergence
    assert "seed" in results.edits
    assert "seed" in results.arms


def test_asking_for_what_is_not_there(tmp_path):
    with pytest.raises(ResultsError, match="there is no folder"):
        load_results(tmp_path / "nowhere")
    with pytest.raises(ResultsError, match="holds no runs"):
        load_results(tmp_path)
    write_run(tmp_path / "a", {"policy.fraction": 0.3})
    with pytest.raises(
        InvalidParameter, match=r"no column 'policy.fractoin'; near it are policy"
    ):
        load_results(tmp_path, config=["policy.fractoin"])
    with pytest.raises(InvalidParameter, match="no column 'zzzzzz'; there are run_id"):
        load_results(tmp_path).join("arms", "zzzzzz")
    with pytest.raises(InvalidParameter, match="table must be one of"):
        load_results(tmp_path).join("runs", "policy")


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

"""Results are found at any depth and joined; what is corrupt is listed, the rest loads."""

import json
import pathlib
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recordings import write_run

from plastic.analysis import load_results
from plastic.analysis import results as reading
from plastic.columns import flatten
from plastic.errors import InvalidParameter, ResultsError
from plastic.parts import SHORT, as_parquet


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


def test_results_say_in_a_line_what_they_are(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / name)
    assert repr(load_results(tmp_path)) == f"Results('{tmp_path.as_posix()}': 2 runs)"
    some = load_results(tmp_path / "a", where={"step": "last"})
    assert repr(some) == f"Results('{tmp_path.as_posix()}/a': 1 run, a selection)"


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


def test_many_threads_read_what_one_reads(tmp_path, monkeypatch):
    for i in range(23):
        write_run(tmp_path / f"r{i:02}", {"seed": i}, evaluations=1 + i % 4)
    (tmp_path / "r03" / "run.parquet").unlink()
    (tmp_path / "r05" / "edits.parquet").write_bytes(b"no parquet")
    found = {}
    for n_threads in (1, 5):
        monkeypatch.setattr(reading, "MOST_THREADS", n_threads)
        monkeypatch.setattr(reading, "FEW", 2)
        monkeypatch.setattr(reading.os, "cpu_count", lambda: 8)
        results = load_results(tmp_path, config=["seed"])
        tables = ("runs", "convergence", "edits", "arms", "unreadable")
        found[n_threads] = [getattr(results, table) for table in tables]
    for one, other in zip(found[1], found[5], strict=True):
        assert len(one) > 0
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("n_rows", [1, 2, SHORT, SHORT + 1])
def test_tables_of_any_length_come_back(n_rows):
    columns = {
        "run_id": pa.array(["a"] * n_rows).dictionary_encode(),
        "step": pa.array(range(n_rows), pa.int64()),
        "loss": pa.array([float("nan"), *range(1, n_rows)], pa.float64()),
    }
    table = pa.table(columns)
    content = pq.read_table(pa.BufferReader(as_parquet(table)))
    # not by equals, for which NaN is another NaN
    pd.testing.assert_frame_equal(content.to_pandas(), table.to_pandas())


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

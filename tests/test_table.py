"""One's own table: what it may hold, what becomes of it, and what is refused by name."""

import numpy as np
import pandas as pd
import pytest
from samples import GOOD, LABELS, assert_same, generator

from experiments.choices import build
from plastic import datasets
from plastic.errors import DataUnavailable, InvalidData, InvalidParameter

FRAME = pd.DataFrame(
    {
        "age": np.arange(30),
        "height": np.linspace(1.5, 2.0, 30),
        "member": np.arange(30) % 3 == 0,
        "group": ["red", "green", "blue"] * 10,
        "grade": np.arange(30) % 4,
        "income": np.arange(30) * 1.25,
    }
)
NUMERIC = FRAME.drop(columns="group")


def write(frame, folder, ending):
    path = folder / f"own{ending}"
    if ending == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return str(path)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("frame", "target", "task", "classes"),
    [
        (FRAME, "group", "classification", ("blue", "green", "red")),
        (NUMERIC, "grade", "classification", ("0", "1", "2", "3")),
        (NUMERIC, "member", "classification", ("False", "True")),
        (NUMERIC, "income", "regression", ()),
        (NUMERIC, "age", "regression", ()),  # whole, but 30 different
    ],
)
def test_table_reads_and_guesses_the_task(tmp_path, ending, frame, target, task, classes):
    path = write(frame, tmp_path, ending)
    dataset = datasets.table(generator(), path=path, target=target, scale="none")
    assert (dataset.name, dataset.task, dataset.classes) == ("own", task, classes)
    assert dataset.n_inputs == len(frame.columns) - 1
    features = frame.drop(columns=target).to_numpy(np.float32)
    seen = np.concatenate([split.X for split in dataset.splits.values()])
    order = np.lexsort(seen.T), np.lexsort(features.T)
    assert np.array_equal(seen[order[0]], features[order[1]])
    if classes:
        told = np.concatenate([split.y for split in dataset.splits.values()]).argmax(axis=1)
        assert np.array_equal(
            np.array(classes)[told][order[0]], frame[target].astype(str).to_numpy()[order[1]]
        )


def test_table_takes_the_task_that_is_given(tmp_path):
    path = write(NUMERIC, tmp_path, ".csv")
    dataset = datasets.table(generator(), path=path, target="grade", task="regression")
    assert (dataset.task, dataset.n_outputs) == ("regression", 1)
    with pytest.raises(InvalidParameter, match="task must be one of"):
        datasets.table(generator(), path=path, target="grade", task="ranking")


def test_table_reads_npz(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, X=GOOD, y=LABELS)
    dataset = datasets.table(generator(), path=str(path), target="y")
    assert (dataset.task, dataset.n_inputs, dataset.classes) == (
        "classification",
        2,
        ("0", "1"),
    )
    with pytest.raises(InvalidData, match="has no array 'z'; its arrays are 'X', 'y'"):
        datasets.table(generator(), path=str(path), target="z")
    np.savez(path, y=LABELS)
    with pytest.raises(InvalidData, match="has no array 'X'"):
        datasets.table(generator(), path=str(path), target="y")
    np.savez(path, X=GOOD, y=np.array(["a", None] * 10, object))
    with pytest.raises(InvalidData, match="cannot be read without pickle"):
        datasets.table(generator(), path=str(path), target="y")


def test_table_does_not_depend_on_the_format(tmp_path):
    first, second = (
        datasets.table(generator(), path=write(NUMERIC, tmp_path, ending), target="grade")
        for ending in (".csv", ".parquet")
    )
    assert_same(first, second)


@pytest.mark.parametrize(
    ("frame", "target", "task", "message"),
    [
        (NUMERIC, "wage", None, r"no column 'wage'; its columns are 'age', 'height', 'member'"),
        (
            FRAME.assign(group=[f"n{n}" for n in range(30)]),
            "grade",
            None,
            r"column 'group' is not numeric and holds 30 different values, 'n0', 'n1', .* more "
            r"than max_categories=20; leave it out by drop=\[group\]",
        ),
        (
            FRAME.assign(group=[*(f"{n}.5" for n in range(28)), "many", "few"]),
            "grade",
            None,
            "column 'group' would be numeric but for 'few', 'many'; leave them empty",
        ),
        (
            FRAME.assign(group=["red", None, "blue"] * 10),
            "grade",
            None,
            "column 'group' is empty in 10 of 30 rows; missing=fill makes that a value",
        ),
        (FRAME, "group", "regression", "target 'group' is not numeric"),
        (NUMERIC[:0], "grade", None, "it has column names, but no rows"),
        (
            NUMERIC.assign(age=[None] * 3 + [1.0] * 27),
            "grade",
            None,
            "column 'age' holds NaN in 3 of 30 rows; missing='fill' puts the mean",
        ),
        (
            NUMERIC.assign(age=[np.inf] + [1.0] * 29),
            "grade",
            None,
            "column 'age' holds infinity in 1 of 30 rows",
        ),
        (
            FRAME[["age", "group"]].assign(group=["a", None, "b"] * 10),
            "group",
            None,
            "the label is missing in 10 of 30 rows",
        ),
        (
            NUMERIC.assign(income=[np.nan] + [1.5] * 29),
            "income",
            None,
            "target 0 holds NaN in 1 of 30 rows",
        ),
        (NUMERIC.assign(income=2.5), "income", None, "target 0 is 2.5 in all samples"),
        (NUMERIC.assign(grade=1), "grade", None, "at least two classes, got only '1'"),
        (NUMERIC.assign(grade=[1, 1] + [0] * 28), "grade", None, "class '1' has 2 samples"),
        (NUMERIC[:3], "income", None, "3 samples cannot be split"),
        (NUMERIC[["grade"]], "grade", None, "must hold samples and inputs"),
    ],
)
def test_bad_tables_are_refused(tmp_path, frame, target, task, message):
    for ending in (".csv", ".parquet"):
        path = write(frame, tmp_path, ending)
        with pytest.raises(InvalidData, match=message) as caught:
            datasets.table(generator(), path=path, target=target, task=task)
        assert path in str(caught.value)


def inputs_of(dataset, name):
    """What all samples have in an input, training, reward and test samples in this order."""
    index = dataset.columns.index(name)
    return np.concatenate([split.X[:, index] for split in dataset.splits.values()])


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_what_is_not_numeric_becomes_an_input_a_value(tmp_path, ending):
    path = write(FRAME, tmp_path, ending)
    dataset = datasets.table(generator(), path=path, target="grade", scale="none")
    colours = ("group=blue", "group=green", "group=red")
    assert dataset.columns == ("age", "height", "member", *colours, "income")
    row = inputs_of(dataset, "age").astype(int)  # the ages are the numbers of the rows
    for colour in colours:
        told = colour.removeprefix("group=") == FRAME["group"].to_numpy()[row]
        assert np.array_equal(inputs_of(dataset, colour), told)
    assert set(inputs_of(dataset, "member")) == {0, 1}


def test_every_seed_has_the_same_inputs(tmp_path):
    rare = FRAME.assign(group=["red"] * 29 + ["blue"])
    path = write(rare, tmp_path, ".csv")
    made = [datasets.table(generator(seed), path=path, target="grade") for seed in range(5)]
    assert {dataset.columns for dataset in made} == {made[0].columns}
    assert {len(np.unique(inputs_of(d, "group=blue"))) for d in made} == {1, 2}  # unseen is 0


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_gaps_are_filled_by_what_the_training_samples_say(tmp_path, ending):
    ages = FRAME["age"].astype(float).where(FRAME.index % 5 != 0)
    gaps = FRAME.assign(age=ages, group=["red", None, "blue"] * 10, row=FRAME.index)
    path = write(gaps, tmp_path, ending)
    options = {"path": path, "target": "grade", "missing": "fill", "scale": "none"}
    dataset = datasets.table(generator(), **options)
    assert dataset.columns[3:6] == ("group=blue", "group=red", "group missing")
    assert dataset.columns[-1] == "age missing"
    row, age = inputs_of(dataset, "row").astype(int), inputs_of(dataset, "age")
    gone = row % 5 == 0
    learned = np.arange(len(row)) < len(dataset.train)
    assert np.allclose(age[gone], row[learned & ~gone].mean())
    assert np.array_equal(age[~gone], row[~gone])
    assert np.array_equal(inputs_of(dataset, "age missing"), gone)
    assert np.array_equal(inputs_of(dataset, "group missing"), row % 3 == 1)
    scaled = datasets.table(generator(), **options | {"scale": "standardize"})
    assert np.allclose(inputs_of(scaled, "age")[gone], 0, atol=1e-6)


def test_a_column_without_any_value_says_nothing(tmp_path):
    path = write(NUMERIC.assign(nothing=np.nan), tmp_path, ".csv")
    dataset = datasets.table(generator(), path=path, target="grade", missing="fill")
    assert set(inputs_of(dataset, "nothing")) == {0}


def test_columns_are_left_out_and_separated_as_asked(tmp_path):
    path = tmp_path / "own.csv"
    FRAME.assign(height=["?", *FRAME["height"][1:]]).to_csv(path, sep=";", index=False)
    options = {"path": str(path), "target": "grade", "separator": ";"}
    dataset = datasets.table(generator(), drop=["height", "group"], **options)
    assert dataset.columns == ("age", "member", "income")
    with pytest.raises(InvalidData, match="column 'height' holds NaN in 1 of 30 rows"):
        datasets.table(generator(), **options)
    with pytest.raises(InvalidData, match="has no column 'weight'; its columns are 'age'"):
        datasets.table(generator(), drop=["weight"], **options)
    with pytest.raises(InvalidData, match="'grade' is the target, so it cannot be dropped"):
        datasets.table(generator(), drop=["grade"], **options)
    with pytest.raises(InvalidData, match=r"named 'age;height;.*: should the separator be ';'"):
        datasets.table(generator(), path=str(path), target="grade")
    with pytest.raises(InvalidParameter, match="missing must be one of 'refuse', 'fill'"):
        datasets.table(generator(), missing="mean", **options)
    with pytest.raises(InvalidParameter, match="max_categories must be a whole number"):
        datasets.table(generator(), max_categories=0, **options)
    for wrong in ("", "ab", '"', "\n", ";;"):
        with pytest.raises(InvalidParameter, match="separator must be one character, no"):
            datasets.table(generator(), **options | {"separator": wrong})
    np.savez(tmp_path / "own.npz", X=GOOD, y=LABELS)
    with pytest.raises(InvalidData, match="has no names of columns, so none can be dropped"):
        datasets.table(generator(), path=str(tmp_path / "own.npz"), target="y", drop=["a"])


@pytest.mark.parametrize(("mark", "spelled"), [(";", "';'"), ("\t", r"'\t'"), ("|", "'|'")])
def test_separators_are_spelled_on_a_command_line_as_documented(
    mark, spelled, tmp_path, config_of
):
    FRAME.to_csv(tmp_path / "own.csv", sep=mark, index=False)
    chosen = ["dataset=table", f"dataset.path={tmp_path}/own.csv", "dataset.target=grade"]
    config = config_of(*chosen, f"dataset.separator={spelled}", "dataset.missing=fill")
    assert build(config, "dataset", rng=generator()).columns[0] == "age"


def test_a_single_array_is_no_npz(tmp_path):
    np.save(tmp_path / "own.npy", GOOD)
    (tmp_path / "own.npy").rename(tmp_path / "own.npz")
    with pytest.raises(InvalidData, match=r"own\.npz is not an npz file$"):
        datasets.table(generator(), path=str(tmp_path / "own.npz"), target="y")


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(DataUnavailable, match=r"there is no file .*absent\.csv"):
        datasets.table(generator(), path=str(tmp_path / "absent.csv"), target="y")
    for name, content, message in (
        ("own.xlsx", b"x", r"must end in one of \.csv, \.parquet, \.npz"),
        ("own.csv", b"", "own.csv is empty"),
        ("own.csv", b'a,b\n"1,2\n', "is not a CSV table"),
        ("own.csv", b"a,b\n1,2\n1,2,3\n", "is not a CSV table"),
        ("own.csv", b"a,b\n" + b"1,2,3\n" * 9, "more values in a row than names"),
        ("own.csv", b"a,b\n\xff\xfe,2\n", "is not a CSV table"),
        ("own.parquet", b"no parquet", "is not a Parquet table"),
        ("own.npz", b"no zip", r"own\.npz is not an npz file$"),
        ("own.npz", b"", r"own\.npz is not an npz file$"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InvalidData, match=message):
            datasets.table(generator(), path=str(path), target="b")


def test_an_unknown_scale_is_refused(tmp_path):
    path = write(NUMERIC, tmp_path, ".csv")
    with pytest.raises(InvalidParameter, match="scale must be one of 'standardize'"):
        datasets.table(generator(), path=path, target="grade", scale="huge")

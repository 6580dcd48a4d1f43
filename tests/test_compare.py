import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.compare import HINTS, main
from experiments.progress import python_here
from plastic.analysis import (
    compare,
    format_comparison,
    holm,
    load_results,
    mean_interval,
    paired_difference,
    summary,
    to_markdown,
)
from plastic.analysis.rendering import WIDTH, engineering
from plastic.errors import InvalidParameter, ResultsError
from plastic.records import Recorder


def write_run(root, status="complete", score=0.5, **row):
    """A run whose configuration is `row`; dots in names are written as two underscores."""
    run = {"study": "demo", "dataset": "digits", "density": 0.05, "seed": 0}
    run |= {name.replace("__", "."): value for name, value in row.items()}
    name = "-".join(str(value) for value in run.values())
    recorder = Recorder(root / name, run)
    findings = {
        "final_test_score": score,
        "best_test_score": score + 0.01,
        "final_test_loss": 1 - score,
        "metric": "r2" if run["dataset"] == "teacher" else "accuracy",
        "n_neurons": 330,
        "n_connections": 1300,
        "train_flops": 1_234_000_000,
        "candidate_fraction": 0.001,
    }
    recorder.__enter__()
    recorder.finish(**findings)
    if status == "failed":
        error = ArithmeticError("loss is nan")
        recorder.__exit__(ArithmeticError, error, None)
    elif status == "complete":
        recorder.__exit__(None, None, None)
    return name


def write_sweep(root, scores, **row):
    for policy, values in scores.items():
        for seed, value in values.items():
            write_run(root, policy=policy, seed=seed, score=value, **row)


THREE = {
    "static": {0: 0.80, 1: 0.84, 2: 0.82},
    "set": {0: 0.90, 1: 0.93, 2: 0.93},
    "thompson": {0: 0.95, 1: 0.96, 2: 0.98},
}


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 3, 20])
def test_interval_is_students(n, level):
    values = np.random.default_rng(n).normal(size=n)
    interval = mean_interval(values, level)
    expected = stats.t.interval(level, n - 1, values.mean(), stats.sem(values))
    np.testing.assert_allclose((interval.low, interval.high), expected)
    np.testing.assert_allclose(interval.mean, values.mean())
    assert interval.n == n


def test_interval_of_few_values():
    one, none = mean_interval([0.5, np.nan]), mean_interval([])
    assert (one.mean, one.n, none.n) == (0.5, 1, 0)
    assert np.isnan([one.low, one.high, none.mean, none.low, none.high]).all()
    same = mean_interval([0.5, 0.5, 0.5])
    assert (same.low, same.high) == (0.5, 0.5)


def test_intervals_hold_the_mean_as_often_as_they_claim():
    rng = np.random.default_rng(1)
    intervals = [mean_interval(rng.normal(size=4), 0.8) for _ in range(2000)]
    held = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    assert abs(held - 0.8) < 0.03


def test_paired_difference_is_the_paired_t_test_of_the_shared_seeds():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=8), rng.normal(size=8)
    a[2], b[5] = np.nan, np.nan
    difference = paired_difference(a, b)
    expected = stats.ttest_rel(a, b, nan_policy="omit")
    np.testing.assert_allclose(difference.p_value, expected.pvalue)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose((difference.low, difference.high), (interval.low, interval.high))
    assert difference.n == 6


def test_differences_that_are_all_the_same():
    assert paired_difference([1, 2, 3], [1, 2, 3]).p_value == 1
    assert paired_difference([2, 3, 4], [1, 2, 3]).p_value == 0
    assert np.isnan(paired_difference([1.0], [2.0]).p_value)


def test_holm_is_the_step_down_of_the_definition():
    p = np.array([0.03, np.nan, 0.001, 0.02, 0.9, 0.02])
    tests = p[~np.isnan(p)]
    expected = [
        max(
            min(1, (len(tests) - rank) * value)
            for rank, value in enumerate(np.sort(tests))
            if value <= own
        )
        for own in tests
    ]
    adjusted = holm(p)
    np.testing.assert_allclose(adjusted[~np.isnan(p)], expected)
    assert np.isnan(adjusted[1])
    assert len(holm([])) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([1, 2], level=1), r"level must lie in \(0, 1\)"),
        (lambda: mean_interval([[1, 2]]), "values must be flat"),
        (lambda: paired_difference([1, 2], [1]), "must hold the same seeds, got 2 and 1"),
        (lambda: holm([0.5, 1.5]), r"p value must lie in \[0, 1\], got 1.5"),
    ],
)
def test_wrong_arguments_of_statistics(call, message):
    with pytest.raises(InvalidParameter, match=message):
        call()


def test_policies_are_ranked_and_paired_by_seed(tmp_path):
    write_sweep(tmp_path, THREE)
    frame = compare(load_results(tmp_path)).set_index("policy")
    assert list(frame.index) == ["thompson", "set", "static"]
    assert (frame["baseline"] == "static").all()
    assert (frame["n_seeds"] == 3).all()
    own, base = (list(THREE[name].values()) for name in ("set", "static"))
    expected = stats.ttest_rel(own, base)
    row = frame.loc["set"]
    np.testing.assert_allclose(row["difference"], np.subtract(own, base).mean())
    np.testing.assert_allclose(row["difference_low"], expected.confidence_interval().low)
    both = [stats.ttest_rel(list(THREE[n].values()), base).pvalue for n in ("set", "thompson")]
    np.testing.assert_allclose(frame.loc[["set", "thompson"], "p_value"], holm(both))
    assert frame.loc["static", "n_pairs"] == 0
    assert np.isnan(frame.loc["static", "difference"])
    np.testing.assert_allclose(row["best_mean"], row["mean"] + 0.01)
    assert row["n_connections"] == 1300


def test_a_seed_that_one_policy_lacks_is_not_paired(tmp_path):
    write_sweep(tmp_path, THREE | {"static": {0: 0.80, 2: 0.82, 7: 0.1}})
    row = compare(load_results(tmp_path)).set_index("policy").loc["set"]
    assert row["n_pairs"] == 2
    np.testing.assert_allclose(row["difference"], np.mean([0.10, 0.11]))


def test_failed_and_unfinished_runs_are_counted_and_left_out(tmp_path):
    write_sweep(tmp_path, THREE)
    failed = write_run(tmp_path, policy="set", seed=3, score=0.1, status="failed")
    running = write_run(tmp_path, policy="set", seed=4, score=0.1, status="running")
    only = write_run(tmp_path, policy="broken", seed=0, status="failed")
    frame = compare(load_results(tmp_path))
    rows = frame.set_index("policy")
    assert list(rows.index) == ["thompson", "set", "static", "broken"]
    assert rows["n_failed"].tolist() == [0, 1, 0, 1]
    assert rows["n_unfinished"].tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(rows.loc["set", "mean"], 0.92)
    assert rows.loc["broken", "n_seeds"] == 0
    text = format_comparison(frame)
    assert f"2 runs failed and left out: {failed}, {only}." in text
    assert f"1 run not finished and left out: {running}." in text


def test_settings_never_meet_in_a_mean(tmp_path):
    for dataset, noise, value in (("digits", None, 0.9), ("teacher", 0.1, 0.5)):
        for rate in (0.1, 0.01):
            write_sweep(
                tmp_path,
                {"static": {0: value}, "set": {0: value + rate}},
                dataset=dataset,
                dataset__noise=noise,  # decided by the dataset: no setting of its own
                optimizer__learning_rate=rate,
                engine__threads=rate,  # how it was executed: no setting at all
            )
    frame = compare(load_results(tmp_path))
    assert list(frame)[:4] == ["dataset", "density", "optimizer.learning_rate", "policy"]
    assert frame["dataset"].tolist() == ["digits"] * 4 + ["teacher"] * 4
    assert (frame["n_seeds"] == 1).all()
    differences = frame["difference"].dropna()
    np.testing.assert_allclose(differences, [0.01, 0.1, 0.01, 0.1])


def test_what_only_the_policy_decides_does_not_part_it_from_its_baseline(tmp_path):
    write_sweep(tmp_path, {"static": {0: 0.8, 1: 0.8}}, wiring="dense", steps=10)
    write_sweep(tmp_path, {"set": {0: 0.9, 1: 0.9}}, wiring="erk", steps=20, policy__rate=0.3)
    frame = compare(load_results(tmp_path))
    assert list(frame)[:3] == ["dataset", "density", "policy"]
    assert frame["n_pairs"].tolist() == [2, 0]


def test_parameters_of_a_policy_that_vary_name_its_variants(tmp_path):
    write_sweep(tmp_path, {"static": {0: 0.8, 1: 0.8}})
    for sampling, value in (("thompson", 0.9), ("mean", 0.95)):
        write_sweep(tmp_path, {"bandit": {0: value, 1: value}}, policy__sampling=sampling)
    results = load_results(tmp_path)
    frame = compare(results, baseline="bandit sampling=mean")
    assert frame["policy"].tolist() == [
        "bandit sampling=mean",
        "bandit sampling=thompson",
        "static",
    ]
    np.testing.assert_allclose(frame["difference"], [np.nan, -0.05, -0.15])
    with pytest.raises(InvalidParameter, match="'bandit sampling=mean', 'bandit sampling=th"):
        compare(results, baseline="bandit")


def test_a_density_that_was_not_asked_for_is_a_setting_too(tmp_path):
    write_sweep(tmp_path, THREE, density=float("nan"))
    frame = compare(load_results(tmp_path))
    assert len(frame) == 3
    assert format_comparison(frame).startswith("digits, 330 neurons\n")


def test_other_columns_and_measures_can_be_compared(tmp_path):
    for wiring, value in (("erk", 0.9), ("dense", 0.8)):
        for seed in range(2):
            write_run(tmp_path, wiring=wiring, policy="set", seed=seed, score=value)
    results = load_results(tmp_path)
    frame = compare(results, by="wiring", baseline="dense")
    assert frame["wiring"].tolist() == ["erk", "dense"]
    losses = compare(results, by="wiring", metric="final_test_loss")
    assert losses["wiring"].tolist() == ["erk", "dense"]  # the lower loss first
    assert "0.100" in format_comparison(losses)
    with pytest.raises(InvalidParameter, match=r"by must be one of .* got 'shape'"):
        compare(results, by="shape")
    with pytest.raises(InvalidParameter, match=r"metric must be one of .* got 'started'"):
        compare(results, metric="started")


def test_summary_has_the_columns_that_a_page_quotes(tmp_path):
    write_sweep(tmp_path, THREE)
    frame = summary(load_results(tmp_path))
    assert ", ".join(frame) == (
        "dataset, density, policy, n_seeds, metric, mean, low, high, n_neurons, "
        "n_connections, train_flops, candidate_fraction, seconds"
    )
    assert frame["policy"].tolist() == ["thompson", "set", "static"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.50"),
        (9.999, "10.0"),
        (12.34, "12.3"),
        (123.4, "123"),
        (999.4, "999"),
        (999_500, "1.00 M"),
        (1.234e9, "1.23 G"),
        (5.67e19, "56.7 E"),
        (-1500, "-1.50 k"),
    ],
)
def test_engineering_keeps_three_digits(value, text):
    assert engineering(value) == text


def test_the_text_says_what_was_measured(tmp_path):
    write_sweep(tmp_path, THREE)
    lines = format_comparison(compare(load_results(tmp_path))).splitlines()
    assert lines[0] == "digits, density 0.05, 330 neurons"
    words = [" ".join(line.split()) for line in lines]
    assert words[1] == "policy seeds final best connections FLOPs seconds"
    assert words[2].startswith("thompson 3 96.3 +-3.8 97.3 +-3.8 1,300 1.23 G ")
    assert words[6].startswith("thompson +14.3 +-5.2 ")


def test_a_single_seed_has_no_intervals_and_the_text_says_so(tmp_path):
    write_sweep(tmp_path, {name: {0: values[0]} for name, values in THREE.items()})
    frame = compare(load_results(tmp_path))
    assert frame[["low", "high", "difference_low", "p_value"]].isna().all(axis=None)
    text = format_comparison(frame)
    assert "+-" not in text
    assert "Only one seed: no intervals" in text


def test_the_text_fits_its_width_whatever_the_names(tmp_path):
    for dataset in ("teacher", "digits", "w" * 130):
        for name in ("static", "set", "a name of many words " * 8, "n" * 120):
            for seed in range(3):
                score = 0.5 + 0.1 * seed
                row = {"policy": name, "dataset": dataset, "policy__x" * 9: "y" * 9}
                run = {name.replace("__", "."): value for name, value in row.items()}
                folder = tmp_path / f"{dataset[:9]}-{name[:3]}-{seed}"
                with Recorder(folder, run | {"seed": seed}) as recorder:
                    recorder.finish(
                        final_test_score=score,
                        best_test_score=score,
                        n_neurons=10**seed,
                        n_connections=10**8,
                        train_flops=10**17,
                    )
    text = format_comparison(compare(load_results(tmp_path)))
    assert max(map(len, text.splitlines())) <= WIDTH == 100


def test_markdown_is_one_table(tmp_path):
    write_sweep(tmp_path, THREE)
    write_sweep(tmp_path, THREE, dataset="teacher")
    text = to_markdown(compare(load_results(tmp_path)))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6
    assert len({line.count("|") for line in table}) == 1
    assert "| digits | 0.05 | set | 3 | 92.0 +-4.3 |" in text
    assert "| teacher | 0.05 | set | 3 | 0.920 +-0.043 |" in text
    assert "vs static" in table[0]


def test_command_line_prints_the_comparison(tmp_path, capsys):
    write_sweep(tmp_path, THREE)
    write_run(tmp_path, policy="set", seed=9, status="failed")
    broken = write_run(tmp_path, policy="set", seed=10, score=0.9)
    (tmp_path / broken / "edits.parquet").unlink()
    table = tmp_path / "table.csv"
    assert main([str(tmp_path), "--csv", str(table), "--hints"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Study demo: 11 runs (10 complete, 1 failed)\n")
    assert "Differences are to static (choose another with --baseline)." in text
    assert f'plastic.load_results("{tmp_path.as_posix()}")' in text
    assert f"{broken}: edits.parquet is missing" in text
    assert text.endswith(HINTS.format(python=python_here()) + "\n")
    assert pd.read_csv(table)["policy"].tolist() == ["thompson", "set", "static"]
    assert main([str(tmp_path), "--markdown", "--baseline", "set"]) == 0
    assert "| vs set |" in capsys.readouterr().out


def test_without_static_the_first_policy_is_the_baseline(tmp_path, capsys):
    write_sweep(tmp_path, {name: THREE[name] for name in ("thompson", "set")})
    assert main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "Differences are to set (choose another with --baseline)." in text
    assert "Try next" not in text


def test_a_bad_command_line_says_why_in_one_line(tmp_path, capsys):
    def complaint(*arguments):
        assert main([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    assert "there is no folder" in complaint(tmp_path / "nowhere")
    assert "holds no runs" in complaint(tmp_path)
    name = write_run(tmp_path, policy="set")
    write_run(tmp_path, policy="static")
    assert "'set', 'static', got 'rigl'" in complaint(tmp_path, "--baseline", "rigl")
    assert "No such file or directory" in complaint(
        tmp_path, "--csv", tmp_path / "no" / "a.csv"
    )
    for folder in tmp_path.iterdir():
        (folder / "run.parquet").write_bytes(b"")
    assert "none of the runs in" in complaint(tmp_path)
    with pytest.raises(ResultsError, match=r"run\.parquet is corrupt"):
        compare(load_results(tmp_path / name))


def test_it_runs_as_a_module(tmp_path):
    command = [sys.executable, "-m", "experiments.compare", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"there is no folder {tmp_path / 'nowhere'}; results are kept where runs wrote them\n"
    )


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    write_sweep(tmp_path, THREE)
    program = f"{sys.executable} -m experiments.compare {tmp_path}"
    ended = subprocess.run(
        f"{program} | true", shell=True, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")

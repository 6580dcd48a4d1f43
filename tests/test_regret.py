"""The program that tabulates regret: configurations, tables, messages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from experiments import regret as program
from experiments.choices import build
from experiments.config import config_folder
from plastic.analysis.cells import gather_cells
from plastic.analysis.regret import COLUMNS, KEYS, format_regret, regret_rows
from plastic.bandits import Bandit
from plastic.bandits.environments import Environment
from plastic.errors import InvalidParameter, ResultsError

SMALL = ["n_runs=3", "horizons=[10,40]"]


def config_of(*overrides):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose("regret", list(overrides))


def names(group):
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


@pytest.fixture
def do(command, tmp_path):
    """Run the program with small settings; how it ended."""
    return lambda *overrides: command("regret", *SMALL, *overrides, cwd=tmp_path)


# ----------------------------------------------------------------------------- configurations


@pytest.mark.parametrize("name", names("environment"))
def test_every_environment_can_be_simulated(name, tmp_path):
    config = config_of(f"environment={name}", *SMALL, f"results_dir={tmp_path}")
    assert isinstance(build(config, "environment"), Environment)
    assert config.environment.name == name
    table = pd.read_csv(program.run(config) / "regret.csv")
    assert table["horizon"].tolist() == [10, 40]
    assert (table["mean"] >= 0).all()


@pytest.mark.parametrize("name", names("bandit"))
def test_every_bandit_names_all_of_its_parameters(name):
    config = config_of(f"bandit={name}")
    bandit = build(config, "bandit")
    assert isinstance(bandit, Bandit)
    fields = set(bandit.__dataclass_fields__) - {"reward_range", "means"}
    assert set(config.bandit) == fields | {"name", "_target_"}


STUDIES = [name for name in names("experiment") if name.startswith("regret")]


@pytest.mark.parametrize("name", STUDIES)
def test_studies_sweep_over_what_there_is(name):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("regret", [f"experiment={name}"], return_hydra_config=True)
    for group, swept in config.hydra.sweeper.params.items():
        wanted = [name.strip() for name in swept.split(",")]
        assert set(wanted) <= set(names(group))
        assert len(wanted) == len(set(wanted))
    assert config.study != program.RegretConfig.study  # a study has a table of its own


# --------------------------------------------------------------------------------- the program


def test_a_sweep_ends_in_one_table(do, tmp_path):
    ended = do("bandit=beta,uniform", "environment=two_arms,retiring")
    assert ended.code == 0, ended.err
    folder = tmp_path / "results" / "regret"
    table = pd.read_parquet(folder / "regret.parquet")
    pd.testing.assert_frame_equal(table, pd.read_csv(folder / "regret.csv"))
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 2 * 2 * 2
    assert set(table["bandit"]) == {"beta", "uniform"}
    assert set(table["environment"]) == {"stationary", "retiring"}
    assert (table["low"] <= table["mean"]).all()
    two = table[table["instance"] == "two_arms"]
    np.testing.assert_allclose(two["lai_robbins"], 4.9, atol=0.05)
    assert two["slope"].notna().all()
    assert table[table["instance"] == "retiring"]["slope"].isna().all()
    for run_id in table["run_id"]:
        assert "n_runs: 3" in (folder / "cells" / f"{run_id}.yaml").read_text()
    for said in ("beta-two_arms-s0-", "two_arms, 40 rounds", "regret.parquet", "Try next:"):
        assert said in ended.out


def test_the_same_configuration_gives_the_same_rows(do, tmp_path):
    tables = []
    for study in ("one", "one", "other"):
        assert do("bandit=beta", "environment=drifting", f"study={study}").code == 0
        tables.append(pd.read_csv(tmp_path / "results" / study / "regret.csv"))
    first, again, other = (table.drop(columns="seconds") for table in tables)
    pd.testing.assert_frame_equal(first, again)
    pd.testing.assert_frame_equal(first, other)


def test_another_seed_is_another_row(do, tmp_path):
    assert do("bandit=beta", "environment=two_arms", "seed=0,1").code == 0
    table = pd.read_csv(tmp_path / "results" / "regret" / "regret.csv")
    assert table["seed"].tolist() == [0, 1, 0, 1] or sorted(table["seed"]) == [0, 0, 1, 1]
    assert table["run_id"].nunique() == 2


def test_parameters_are_taken_from_the_command_line(do, tmp_path):
    arguments = ["bandit=beta", "environment=two_arms", "bandit.discount=0.9"]
    assert do(*arguments, "environment.delay=3", "horizons=[5]").code == 0
    table = pd.read_csv(tmp_path / "results" / "regret" / "regret.csv")
    assert table["delay"].tolist() == [3]
    assert table["slope"].isna().all()  # 5 is no multiple of 10


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["bandits=beta"], "there is no key 'bandits' (did you mean 'bandit'?)"),
        (["bandit=bets"], "there is no bandit 'bets'; choose one of beta"),
        (["bandit=beta", "bandit.discont=1"], "there is no key 'bandit.discont' (did you mean"),
        (
            ["bandit=beta", "+bandit.discont=1"],
            "there is no key 'bandit.discont' (did you mean",
        ),
        (
            ["bandit=beta", "bandit.discount=high"],
            "bandit.discount must be a number, got 'high'",
        ),
        (["bandit=beta", "bandit.discount=2"], "discount must lie in (0, 1], got 2"),
        (["bandit=[beta,ucb1]"], "bandit takes the name of one choice"),
        (["bandit=beta", "n_runs=1"], "n_runs must be a whole number of at least 2, got 1"),
        (["bandit=beta", "n_runs=many"], "n_runs: "),
        (["bandit=beta", "seed=-1"], "seed must be a whole number of at least 0, got -1"),
        (["bandit=beta", "horizons=[]"], "horizons must ascend, got []"),
        (["bandit=beta", "horizons=[20,10]"], "horizons must ascend, got [20, 10]"),
        (["bandit=beta", "horizons=[0]"], "horizons must be a whole number of at least 1"),
        (["bandit=beta", "study=' '"], "study must not be empty"),
        (
            ["bandit=beta", "environment.pulls=3"],
            "at most the number of arms offered, 2, got 3",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(do, tmp_path, overrides, message):
    ended = do("environment=two_arms", *overrides)
    assert ended.code == 1
    first = ended.err.splitlines()[0]
    assert first.startswith("error: ")
    assert message in first
    assert "Traceback" not in ended.err
    assert list(tmp_path.rglob("*.csv")) == []


def test_one_failure_does_not_stop_the_others(do, tmp_path):
    ended = do("bandit=beta", "environment=two_arms,batched", "environment.pulls=3")
    assert ended.code == 1
    assert "error: 1 simulation(s) failed" in ended.err
    table = pd.read_csv(tmp_path / "results" / "regret" / "regret.csv")
    assert set(table["instance"]) == {"batched"}


def test_what_is_not_ours_is_shown_whole(do, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("plastic.bandits.simulation.simulate", broken)
    ended = do("bandit=beta", "environment=two_arms")
    assert ended.code == 1
    assert "RuntimeError: a bug" in ended.err
    assert "Traceback" in ended.err


# ---------------------------------------------------------------------------------- the tables


def test_slopes_and_intervals():
    regret = np.array([[2.0, 4.0, 6.0], [10.0, 12.0, 20.0]])
    (row,) = regret_rows([100, 1000], [1000], regret, 3.0, {}).itertuples()
    assert row.mean == pytest.approx(14.0)
    assert row.slope == pytest.approx((14 - 4) / (3 * np.log(10)))
    half = 4.302652729911275 * regret[1].std(ddof=1) / 3**0.5
    assert (row.low, row.high) == pytest.approx((14 - half, 14 + half))


def test_there_must_be_something_to_gather(tmp_path):
    with pytest.raises(ResultsError, match="holds no cells"):
        gather_cells(tmp_path, "regret", KEYS)
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "broken.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultsError, match=r"cannot put .* together: "):
        gather_cells(tmp_path, "regret", KEYS)


def test_a_folder_that_cannot_be_written_is_told(do, tmp_path):
    (tmp_path / "results" / "regret").mkdir(parents=True)
    (tmp_path / "results" / "regret" / "cells").write_text("in the way")
    ended = do("bandit=beta", "environment=two_arms")
    assert ended.code == 1
    assert ended.err.startswith("error: cannot write results/regret/cells: ")


def test_the_lowest_regret_comes_first():
    regret = np.array([[1.0, 2.0]])
    rows = [
        regret_rows(
            [10], [10], k * regret, np.nan, {"bandit": name, "instance": "i", "seconds": 1.0}
        )
        for name, k in (("worse", 3), ("better", 1))
    ]
    text = format_regret(pd.concat(rows))
    assert text.index("better") < text.index("worse")
    assert "nan" not in text


def test_configurations_are_checked_before_anything_is_written(tmp_path):
    config = config_of("n_runs=1", f"results_dir={tmp_path}")
    with pytest.raises(InvalidParameter, match="n_runs"):
        program.run(config)
    assert list(tmp_path.iterdir()) == []

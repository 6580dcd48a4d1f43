"""Callbacks are told of a run in order, each hook as often as promised, whatever happens."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import SMALL, tables_of, the_row

from experiments.config import config_folder
from experiments.run import run, run_id
from plastic.callbacks import Callback, Started, Telling
from plastic.callbacks.base import COMPLETE, CUT_OFF, FAILED
from plastic.callbacks.scalars import MOST_ARMS, scalars
from plastic.callbacks.telling import ERRORS
from plastic.columns import RUN_FINDINGS
from plastic.errors import Diverged, InvalidParameter, StopRun
from plastic.records import PIECEWISE, comparable, read_status
from plastic.training import Rows

OFTEN = [*SMALL, "policy=thompson", "policy.every=7", "metrics=[degrees,turnover]"]
CUT = [*OFTEN, "checkpoint_every=4", "checkpoint_seconds=0"]


class Heard(Callback):
    """Keeps what it hears, and raises what it is asked to, at a hook by number."""

    def __init__(self, at=None, error=None):
        self.calls, self.at, self.error = [], at, error

    def _hear(self, *call):
        self.calls.append(call)
        if self.at is not None and len(self.calls) > self.at:
            self.at = None
            raise self.error

    def begin(self, started):
        self._hear("begin", started)

    def rows(self, rows):
        self._hear("rows", rows)

    def end(self, status, findings):
        self._hear("end", status, dict(findings))

    @property
    def pieces(self):
        return [call[1] for call in self.calls if call[0] == "rows"]

    @property
    def hooks(self):
        return [call[0] for call in self.calls]


# -------------------------------------------------------------------------------- the law

ENDS = {
    COMPLETE: None,
    FAILED: Diverged("the loss is nan"),
    CUT_OFF: KeyboardInterrupt(),
}
STARTED = Started("first", Path("nowhere/study/first"), {"seed": 0})


def piece(step, n_rows=1):
    return Rows("arms", {"step": np.full(n_rows, step), "pulls": np.arange(n_rows)})


def tell(callbacks, n_pieces, n_rows=1, error=None):
    """Tell callbacks of a run of so many pieces, which ends by an error, or completes."""
    with Telling({str(i): one for i, one in enumerate(callbacks)}) as telling:
        telling.findings = {"n_edits": 3}
        telling.begin(STARTED)
        for step in range(n_pieces):
            telling.rows(piece(step, n_rows))
        if error is not None:
            raise error


@given(
    fails=st.lists(st.none() | st.integers(0, 6), min_size=1, max_size=4),
    n_pieces=st.integers(0, 4),
    n_rows=st.integers(0, 2),
    end=st.sampled_from(list(ENDS)),
)
def test_each_begins_once_hears_all_and_ends_once_whatever_others_do(
    fails, n_pieces, n_rows, end
):
    heard = [Heard(at, ValueError("own")) for at in fails]
    logging.disable()  # what is said has a test of its own
    with suppress(Diverged, KeyboardInterrupt):
        tell(heard, n_pieces, n_rows, ENDS[end])
    logging.disable(logging.NOTSET)
    n_told = n_pieces if n_rows else 0
    for at, one in zip(fails, heard, strict=True):
        n_heard = n_told if at is None or at > n_told else at
        expected = ["begin", *["rows"] * n_heard, "end"] if at != 0 else ["begin"]
        assert one.hooks == expected
        assert [p.columns["step"][0] for p in one.pieces] == list(range(n_heard))
        if at != 0:
            _, status, findings = one.calls[-1]
            assert (status, findings["n_edits"]) == (end, 3)
            assert bool(findings["reason"]) == (end != COMPLETE)


@given(at=st.integers(0, 3), before=st.booleans())
def test_one_that_stops_the_run_stops_it_once_all_have_heard(at, before):
    stops, other = Heard(at, StopRun("enough")), Heard()
    with pytest.raises(StopRun, match="enough"):
        tell([other, stops] if before else [stops, other], 3)
    if at:
        assert stops.hooks == other.hooks == ["begin", *["rows"] * at, "end"]
        assert stops.calls[-1][1:] == (FAILED, {"n_edits": 3, "reason": "StopRun: enough"})
    elif before:
        assert other.hooks == ["begin", "end"]
    assert stops.hooks.count("end") == (at > 0)


def test_an_end_that_is_interrupted_keeps_no_other_from_its_own():
    one, other = Heard(1, KeyboardInterrupt()), Heard()
    with pytest.raises(KeyboardInterrupt):
        tell([other, one], 0)
    assert one.hooks == other.hooks == ["begin", "end"]


def test_nobody_hears_the_end_of_what_has_not_begun():
    heard = Heard()
    with pytest.raises(Diverged), Telling({"one": heard}):
        raise Diverged("before it began")
    assert heard.calls == []


def test_pieces_cannot_be_written_to_and_the_tables_are_their_own(caplog):
    columns = {"step": np.zeros(2, int), "value": np.ones(2)}

    class Writes(Callback):
        def rows(self, rows):
            rows.columns["value"][0] = 5

    with Telling({"writes": Writes()}) as telling:
        telling.begin(STARTED)
        telling.rows(Rows("metrics", columns))
    assert "assignment destination is read-only" in caplog.text
    assert columns["value"].tolist() == [1, 1]
    assert columns["value"].flags.writeable


# ----------------------------------------------------------------------------------- a run


def hear(config, **others):
    heard = Heard()
    folder = run(config, callbacks={"heard": heard, **others})
    return heard, folder


def frames(pieces):
    """The tables that pieces are, one after another."""
    held = {table: [p.columns for p in pieces if p.table == table] for table in PIECEWISE}
    return {
        table: pd.concat(map(pd.DataFrame, parts), ignore_index=True)
        for table, parts in held.items()
        if parts
    }


def plain(pieces):
    """Pieces to be compared, the clock left out."""
    return [
        (p.table, {k: v.tolist() for k, v in p.columns.items() if k != "seconds"})
        for p in pieces
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, config_of):
    """A run that is never cut off, and what was heard of it."""
    return hear(config_of(*CUT, f"results_dir={tmp_path_factory.mktemp('whole')}"))


def test_what_is_told_is_what_is_in_the_tables(whole):
    heard, folder = whole
    tables = tables_of(folder)
    told = frames(heard.pieces)
    assert set(told) == set(PIECEWISE)
    for table, frame in told.items():
        assert list(frame) == list(tables[table])
        kept = tables[table].astype(frame.dtypes)  # categories as text
        pd.testing.assert_frame_equal(frame, kept, check_exact=True)


def test_pieces_are_of_one_step_each_and_steps_never_fall(whole):
    steps = [set(piece.columns["step"].tolist()) for piece in whole[0].pieces]
    assert all(len(held) == 1 for held in steps)
    ordered = [held.pop() for held in steps]
    assert ordered == sorted(ordered)
    assert whole[0].pieces[0].table == "edits"  # the initial wiring


def test_the_beginning_tells_the_configuration_and_the_end_the_findings(whole):
    heard, folder = whole
    started, row = heard.calls[0][1], the_row(folder)
    assert (started.run_id, started.folder, started.study) == (folder.name, folder, "first")
    assert started.step == 0
    for name, value in started.row.items():
        assert value is None or row[name] == value
    status, findings = heard.calls[-1][1:]
    assert (status, findings.pop("reason")) == ("complete", "")
    assert findings == {column.name: row[column.name] for column in RUN_FINDINGS}


def test_a_run_is_told_as_over_when_its_tables_are_there(config_of, tmp_path):
    seen = []

    class Looks(Callback):
        folder = None

        def begin(self, started):
            self.folder = started.folder
            seen.append(read_status(self.folder))

        def end(self, status, findings):
            seen.append(read_status(self.folder))

    run(config_of(*SMALL, f"results_dir={tmp_path}"), callbacks={"looks": Looks()})
    assert seen == ["running", "complete"]


@pytest.mark.parametrize(
    "more",
    [[], ["wiring=dense", "density=1", "policy=static", "selection=resampling"]],
    ids=["policy", "selection"],
)
def test_a_run_that_was_cut_off_is_told_from_its_first_row(config_of, tmp_path, more):
    chosen = [one for one in CUT if not more or not one.startswith("policy")]
    names = ("whole", "cut")
    uncut, config = (config_of(*chosen, *more, f"results_dir={tmp_path / n}") for n in names)
    first = Heard(9, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(config, callbacks={"first": first})
    assert first.calls[-1][1] == "cut off"
    again, folder = hear(config)
    assert 0 < again.calls[0][1].step < 40
    assert again.hooks.count("begin") == again.hooks.count("end") == 1
    expected, other = hear(uncut)
    assert repr(plain(again.pieces)) == repr(plain(expected.pieces))
    for table, frame in tables_of(folder).items():
        theirs = comparable(tables_of(other)[table])
        pd.testing.assert_frame_equal(comparable(frame), theirs, check_exact=True)


@pytest.mark.parametrize("at", [0, 1, 4, 99])
def test_what_a_callback_raises_costs_the_run_nothing(config_of, tmp_path, whole, caplog, at):
    config = config_of(*CUT, f"results_dir={tmp_path}")
    n_calls = len(whole[0].calls)
    raises = Heard(min(at, n_calls - 1), ValueError("no\nroom"))
    heard, folder = hear(config, raises=raises)
    assert heard.hooks == whole[0].hooks
    for table, frame in tables_of(folder).items():
        theirs = comparable(tables_of(whole[1])[table])
        pd.testing.assert_frame_equal(comparable(frame), theirs, check_exact=True)
    (said,) = caplog.messages
    assert said.startswith("callback raises failed ")
    assert said.endswith(", the run goes on without it: ValueError: no room")
    kept = (folder / ERRORS).read_text()
    assert kept.count("callback raises, ") == kept.count("Traceback") == 1


def test_a_failed_run_is_told_as_failed_and_begins_again(config_of, tmp_path):
    config = config_of(*CUT, f"results_dir={tmp_path}")
    with pytest.raises(StopRun):
        hear(config, stops=Heard(9, StopRun("seen enough")))
    folder = tmp_path / "first" / run_id(config)
    row = the_row(folder)
    assert (row["status"], row["reason"]) == ("failed", "StopRun: seen enough")
    again, _ = hear(config)
    assert again.calls[0][1].step == 0
    assert again.calls[-1][1] == "complete"


def test_a_run_that_diverges_is_told_with_its_reason(config_of, tmp_path):
    heard = Heard()
    long = ["optimizer.learning_rate=1e6", "dataset=diabetes", "policy=static"]
    with pytest.raises(Diverged):
        run(config_of(*SMALL, *long, f"results_dir={tmp_path}"), callbacks={"heard": heard})
    status, findings = heard.calls[-1][1:]
    assert status == "failed"
    assert findings["reason"].startswith("Diverged: ")


def test_callbacks_are_no_part_of_what_a_run_is(config_of, tmp_path):
    bare, tracked = config_of(*SMALL), config_of(*SMALL, "callbacks=wandb")
    assert run_id(bare) == run_id(tracked)
    config = config_of(*SMALL, f"results_dir={tmp_path}")
    assert hear(config)[0].hooks[0] == "begin"
    assert hear(config)[0].hooks == []  # it is complete


# ------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "callbacks=mlflow,wandb",
            "callbacks takes one name, as in callbacks=name, or several",
        ),
        ("callbacks=null", "in brackets, as in callbacks=[one,other]; got 'callbacks=null'"),
        ("callbacks=nothing", "there is no callbacks 'nothing'; choose one of mlflow, none"),
        ("callbacks.wandb.project=a", "callbacks has no 'wandb'; choose it first, as in "),
    ],
)
def test_a_wrong_choice_is_told_in_a_line(command, tmp_path, override, message):
    ended = command("run", *SMALL, override, cwd=tmp_path)
    assert ended.code == 1
    assert message in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"_target_": "a.B"}, "each of callbacks has a name of its own with its parameters"),
        ({"mine": {"a": 1}}, r"callbacks.mine needs a choice with a _target_, got \{'a': 1\}"),
        (
            {"mine": {"_target_": "plastic.policies.Static"}},
            "makes an object of class Static, which is no plastic.callbacks.Callback: it lacks",
        ),
        (
            {"mine": {"_target_": "plastic.callbacks.WandB", "projct": "a"}},
            "there is no key 'callbacks.mine.projct' .did you mean 'project'",
        ),
    ],
)
def test_what_is_no_callback_is_refused_before_anything_is_written(
    config_of, tmp_path, held, message
):
    config = config_of(*SMALL, f"results_dir={tmp_path}")
    config.callbacks = held
    with pytest.raises(InvalidParameter, match=message):
        run(config)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------- scalars


def test_numbers_are_told_by_name(whole):
    found = {}
    for each in whole[0].pieces:
        found |= scalars(each)
    row = the_row(whole[1])
    assert found["test/loss"] == row["final_test_loss"]
    assert found["network/n_connections"] == row["n_connections"]
    assert found["training/train_flops"] == row["train_flops"]
    assert {"train/running_loss", "edits/connect", "edits/refused"} <= set(found)
    assert "test/running_loss" not in found  # it is none
    assert "network/truth_recall" not in found
    assert any(name.startswith("metrics/degrees/") for name in found)
    assert not np.isnan(list(found.values())).any()


def test_the_initial_wiring_and_a_crowd_of_arms_are_left_out(whole):
    assert whole[0].pieces[0].table == "edits"
    assert scalars(whole[0].pieces[0]) == {}
    for n_arms, n_told in ((MOST_ARMS, MOST_ARMS), (MOST_ARMS + 1, 0)):
        columns = {
            "step": np.zeros(n_arms, int),
            "arm": np.array([f"arm {i}" for i in range(n_arms)], object),
            "pulls": np.arange(n_arms),
            **{name: np.full(n_arms, np.nan) for name in ("posterior_mean", "posterior_std")},
            "reward": np.full(n_arms, np.nan),
        }
        assert len(scalars(Rows("arms", columns))) == n_told
    assert scalars(Rows("others", {"step": np.zeros(1, int)})) == {}


def test_there_are_callbacks_to_choose_from():
    names = {path.stem for path in (config_folder() / "callbacks").glob("*.yaml")}
    assert names >= {"none", "tensorboard", "mlflow", "wandb"}

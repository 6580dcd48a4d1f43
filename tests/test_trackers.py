"""Trackers, read back by their own libraries; and nothing of them goes over the network."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from killed import in_child
from runs import tables_of, the_row

from experiments.choices import build_all
from experiments.config import config_folder
from experiments.run import run
from plastic.callbacks import Callback, MLflow
from plastic.callbacks.base import Started
from plastic.callbacks.telling import ERRORS
from plastic.checks import check_callback
from plastic.errors import StopRun

RUN = [
    "dataset=wine", "wiring.hidden=[8,6]", "density=0.3", "steps=40", "evaluate_every=6",
    "policy=thompson", "policy.every=7", "checkpoint_every=4", "checkpoint_seconds=0",
]  # fmt: skip
STEPS = [0, 6, 12, 18, 24, 30, 36, 40]

pytestmark = [
    # of SQLAlchemy, whose version MLflow has not caught up with
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]


def needs(library):
    return pytest.importorskip(library, reason=f"{library} is not installed: make extras")


class Stop(Callback):
    """Ends a run once it is evaluated at a step."""

    def __init__(self, step, error):
        self.step, self.error = step, error

    def rows(self, rows):
        if rows.table == "convergence" and rows.columns["step"][0] == self.step:
            raise self.error


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """Who calls the proxy that programs are told to use: nobody may."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                heard.append(caller.recv(200))
                caller.close()

        thread = Thread(target=answer, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        yield heard
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert heard == []


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What callbacks set for their libraries is unset when a test is over."""
    for name in ("MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_the_proxy_does_hear_who_calls(calls):
    with socket.create_connection(("127.0.0.1", int(os.environ["ALL_PROXY"][-5:]))) as caller:
        caller.sendall(b"hello")
        caller.recv(1)
    assert calls == [b"hello"]
    calls.clear()


def assert_curve(points, folder, column="loss", split="test"):
    """Step and value of a scalar are those of the table of convergence, in order, once each."""
    table = tables_of(folder)["convergence"]
    rows = table[table["split"] == split]
    assert [step for step, _ in points] == rows["step"].tolist() == STEPS
    np.testing.assert_allclose([value for _, value in points], rows[column], rtol=1e-6)


# ------------------------------------------------------------------------------ TensorBoard


def read_events(folder):
    needs("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / "tensorboard"))
    return read.Reload()


def scalars_of(read, tag):
    return [(event.step, event.value) for event in read.Scalars(tag)]


def test_tensorboard_shows_the_curves(do):
    needs("tensorboard")
    folder = do(*RUN, "callbacks=tensorboard")
    read = read_events(folder)
    assert_curve(scalars_of(read, "test/loss"), folder)
    assert_curve(scalars_of(read, "network/density"), folder, "density")
    edits = tables_of(folder)["edits"]
    grown = edits[(edits["kind"] == "connect") & edits["accepted"] & (edits["step"] > 0)]
    counted = grown.groupby("step").size()
    assert scalars_of(read, "edits/connect") == list(counted.items())
    ((step, value),) = scalars_of(read, "run/final_test_score")
    assert (step, value) == (40, pytest.approx(the_row(folder)["final_test_score"]))
    (told,) = read.Tensors("configuration")
    assert b"policy.every: 7" in told.tensor_proto.string_val[0]
    (told,) = read.Tensors("status")
    assert told.tensor_proto.string_val[0] == b"complete"


def test_tensorboard_goes_on_after_a_kill(config_of, tmp_path):
    needs("tensorboard")
    tracked = [*RUN, "callbacks=tensorboard"]
    writes = in_child(tmp_path / "counted", -1, False, tracked)
    assert in_child(tmp_path / "killed", writes // 2, True, tracked) is None
    (killed,) = (tmp_path / "killed" / "first").iterdir()
    seen = scalars_of(read_events(killed), "test/loss")
    assert 0 < len(seen) < len(STEPS)
    folder = run(config_of(*tracked, f"results_dir={tmp_path / 'killed'}"))
    assert folder == killed
    assert len(list((folder / "tensorboard").iterdir())) == 1
    assert_curve(scalars_of(read_events(folder), "test/loss"), folder)
    assert not (folder / ERRORS).exists()


# ----------------------------------------------------------------------------------- MLflow


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store to be copied, as MLflow takes ten seconds to make one."""
    needs("mlflow")
    needs("sqlalchemy")
    folder = tmp_path_factory.mktemp("store") / "first"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        tracker = MLflow()
        tracker.begin(Started("made", folder / "made", {}))
        tracker.end("complete", {"reason": ""})
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlflow"}
    return folder / "mlflow.db"


@pytest.fixture(scope="module")
def study(tmp_path_factory, config_of, store):
    """A study in an MLflow store: one run that was cut off and went on, and one that failed."""
    place = tmp_path_factory.mktemp("mlflow")
    (place / "first").mkdir()
    shutil.copy(store, place / "first")
    tracked = [*RUN, "callbacks=mlflow", f"results_dir={place}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        with pytest.raises(KeyboardInterrupt):
            run(config_of(*tracked), callbacks={"cuts": Stop(24, KeyboardInterrupt())})
        first = runs_in(place / "first")
        whole = run(config_of(*tracked))
        with pytest.raises(StopRun):
            run(config_of(*tracked, "seed=1"), callbacks={"ends": Stop(6, StopRun("enough"))})
    return whole, first, runs_in(place / "first")


def runs_in(folder):
    """Runs of MLflow in a study, by the run that they are of."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = (e for e in client.search_experiments() if e.name == folder.name)
    found = client.search_runs([experiment.experiment_id])
    return {one.data.tags["plastic.run_id"]: (client, one) for one in found}


def test_mlflow_goes_on_with_the_same_run_and_repeats_no_step(study):
    folder, first, last = study
    (_, before), (client, after) = first[folder.name], last[folder.name]
    assert before.info.run_id == after.info.run_id
    assert (before.info.status, after.info.status) == ("KILLED", "FINISHED")
    for tag, column in (("test/loss", "loss"), ("network/n_connections", "n_connections")):
        history = client.get_metric_history(after.info.run_id, tag)
        assert_curve([(one.step, one.value) for one in history], folder, column)
    for name in after.data.metrics:
        history = client.get_metric_history(after.info.run_id, name)
        steps = [one.step for one in history]
        assert steps == sorted(set(steps)), name
    assert not (folder / ERRORS).exists()


def test_mlflow_holds_configuration_and_findings(study):
    folder, _, last = study
    _, found = last[folder.name]
    row = the_row(folder)
    assert found.info.run_name == folder.name
    assert found.data.params["policy"] == "thompson"
    assert found.data.params["policy.every"] == "7"
    assert found.data.params["wiring.hidden"] == "[8, 6]"
    assert found.data.metrics["run/final_test_score"] == row["final_test_score"]
    assert found.data.metrics["run/n_edits"] == row["n_edits"]


def test_mlflow_knows_what_failed_and_why(study):
    folder, _, last = study
    (other,) = set(last) - {folder.name, "made"}
    _, found = last[other]
    assert found.info.status == "FAILED"
    assert found.data.tags["plastic.reason"] == "StopRun: enough"


def test_mlflow_replaces_a_run_that_begins_again(study):
    folder, _, last = study
    tracker = MLflow()
    (other,) = set(last) - {folder.name, "made"}
    client, before = last[other]
    started = Started(other, folder.parent / other, {"seed": 1})
    tracker.begin(started)
    tracker.end("complete", {"reason": ""})
    _, after = runs_in(folder.parent)[other]
    assert (after.info.status, after.data.metrics) == ("FINISHED", {})
    assert client.get_run(before.info.run_id).info.lifecycle_stage == "deleted"


# -------------------------------------------------------------------------------------- W&B


def chunks_in(content):
    """Records of a file in LevelDB's log format: blocks of 32 KiB, a header for each chunk."""
    at, whole = 7, b""
    assert content.startswith(b":W&B")
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # no header fits into what is left of the block
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the only chunk of a record, or its last one
            yield whole
            whole = b""


def read_offline(folder):
    """What is in the one offline run of W&B in a run's folder: history, configuration, end."""
    needs("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    records = [Record.FromString(chunk) for chunk in chunks_in(file.read_bytes())]
    history = [
        {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in one.history.item}
        for one in records
        if one.WhichOneof("record_type") == "history"
    ]
    (opened,) = (one.run for one in records if one.WhichOneof("record_type") == "run")
    config = {one.key: json.loads(one.value_json) for one in opened.config.update}
    (code,) = (one.exit.exit_code for one in records if one.WhichOneof("record_type") == "exit")
    return opened, history, config, code


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut off"])
def test_wandb_keeps_the_whole_run_offline(config_of, tmp_path, cut):
    needs("wandb")
    tracked = config_of(*RUN, "callbacks=wandb", f"results_dir={tmp_path}")
    if cut:
        with pytest.raises(KeyboardInterrupt):
            run(tracked, callbacks={"cuts": Stop(24, KeyboardInterrupt())})
    folder = run(tracked)
    opened, history, config, code = read_offline(folder)
    assert (opened.run_id, opened.run_group, opened.project) == (
        folder.name,
        "first",
        "plastic",
    )
    evaluated = [one for one in history if "test/loss" in one]
    assert_curve([(one["_step"], one["test/loss"]) for one in evaluated], folder)
    steps = [one["_step"] for one in history]
    assert steps == sorted(set(steps))
    assert (config["policy"], config["policy.every"], code) == ("thompson", 7, 0)
    assert not opened.git.commit
    assert not (folder / ERRORS).exists()


# ---------------------------------------------------------------------------------- together


def test_several_at_once_and_the_tables_are_as_without(do):
    for library in ("tensorboard", "wandb"):
        needs(library)
    bare, folder = (
        do(*RUN, "study=one"),
        do(*RUN, "study=other", "callbacks=[tensorboard,wandb]"),
    )
    assert_curve(scalars_of(read_events(folder), "train/score"), folder, "score", "train")
    assert len(read_offline(folder)[1]) > len(STEPS)
    assert the_row(folder)["callbacks"] == '["tensorboard", "wandb"]'
    extra = {path.name for path in folder.iterdir()} - {path.name for path in bare.iterdir()}
    assert extra == {"tensorboard", "wandb"}


CHOICES = {path.stem for path in (config_folder() / "callbacks").glob("*.yaml")} - {"none"}


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_every_choice_keeps_the_contract(name, config_of, request):
    needs(name)
    config = config_of(f"callbacks={name}")
    store = request.getfixturevalue("store") if name == "mlflow" else None

    def make():
        if store is not None:
            study = Path("results") / "check"
            study.mkdir(parents=True, exist_ok=True)
            if not (study / store.name).exists():
                shutil.copy(store, study)
        return build_all(config, "callbacks")[name]

    check_callback(make)

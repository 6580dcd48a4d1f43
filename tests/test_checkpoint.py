"""A training goes on from its checkpoint as if nothing had been, or it is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy
from resumed import Made, same
from runs import SMALL, names_in, often

from plastic.checkpoint import Checkpoints, checkpoints_in, load_checkpoint, save_checkpoint
from plastic.checkpoint.files import KEY, write_checkpoint
from plastic.errors import InvalidCheckpoint, InvalidParameter, ResultsError
from plastic.topology import decode

# ------------------------------------------------------------------------------- bit for bit


def goes_on_as_if_nothing_had_been(config, folder, cuts=3, every=3):
    whole = Made(config)
    rows = list(whole.train())
    saved, seen = Made(config), []
    saving = Checkpoints(folder, every, 0, keep=None, extra=lambda: {"rows": len(seen)})
    for piece in saved.train(checkpoints=saving):
        seen.append(piece)
    assert same(seen, rows)  # saving, and the shorter stretches, change nothing
    assert saved.end() == whole.end()
    found = checkpoints_in(folder)
    assert len(found) > cuts
    for path in found[:: len(found) // cuts]:
        checkpoint, again = load_checkpoint(path), Made(config)
        rest = list(again.train(resume=checkpoint))
        assert same(rest, rows[checkpoint.extra["rows"] :]), path.name
        assert again.end() == whole.end(), path.name


@pytest.mark.parametrize("policy", names_in("policy"))
def test_every_policy_goes_on_as_if_nothing_had_been(config_of, tmp_path, policy):
    config = config_of(*SMALL, f"policy={policy}", *often(policy), "plasticity=reopens")
    goes_on_as_if_nothing_had_been(config, tmp_path)


@pytest.mark.parametrize(
    "selection", [name for name in names_in("selection") if name != "full"]
)
def test_every_selection_goes_on_too(config_of, tmp_path, selection):
    wide = ["dataset=wine", "wiring.hidden=[32]", "density=1", "policy=static", "steps=60"]
    config = config_of(*wide, f"selection={selection}", "selection.keep=0.25")
    goes_on_as_if_nothing_had_been(config, tmp_path)


@pytest.mark.parametrize(
    "overrides",
    [
        ["engine=nodes", "policy=thompson", "policy.every=7"],
        ["engine=nodes", "policy=paired_trials", "policy.every=7"],
        ["optimizer=adam", "dtype=float64", "policy=rigl", "policy.every=7"],
        ["policy=set", "policy.every=7", "constraints.max_fan_in=4", "plasticity=juvenile"],
        ["policy=neuron_turnover", "policy.every=7", "wiring=random_dag"],
    ],
    ids=lambda overrides: "-".join(o.partition("=")[2] for o in overrides[:2]),
)
def test_engines_optimizers_and_limits_go_on_too(config_of, tmp_path, overrides):
    small = [one for one in SMALL if not one.startswith("wiring.hidden")]
    hidden = (
        ["wiring.n_hidden=12"] if "wiring=random_dag" in overrides else ["wiring.hidden=[8,6]"]
    )
    goes_on_as_if_nothing_had_been(config_of(*small, *overrides, *hidden), tmp_path)


# ------------------------------------------------------------------------------------- when


def test_checkpoints_come_by_steps_or_by_the_clock_and_old_ones_go(config_of, tmp_path):
    config = config_of(*SMALL, "policy=static")
    list(Made(config).train(checkpoints=Checkpoints(tmp_path / "steps", 9, 0, keep=2)))
    assert [path.name for path in checkpoints_in(tmp_path / "steps")] == [
        "step-000000036.safetensors",
        "step-000000027.safetensors",
    ]
    clock = Checkpoints(tmp_path / "clock", 0, 1e-9)
    clock._pace = 1
    list(Made(config).train(checkpoints=clock))
    (newest,) = checkpoints_in(tmp_path / "clock")
    assert load_checkpoint(newest).step > 0
    list(Made(config).train(checkpoints=Checkpoints(tmp_path / "none", 0, 0)))
    assert checkpoints_in(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": -1}, "every must be a whole number of at least 0"),
        ({"seconds": -1.0}, "seconds must lie in"),
        ({"keep": 0}, "keep must be a whole number of at least 1"),
    ],
)
def test_wrong_numbers_are_refused(tmp_path, options, message):
    with pytest.raises(InvalidParameter, match=message):
        Checkpoints(tmp_path, **options)


def test_a_folder_that_cannot_be_written_is_told(config_of, tmp_path):
    (tmp_path / "file").touch()
    config = config_of(*SMALL, "policy=static")
    with pytest.raises(ResultsError, match="cannot be written"):
        list(Made(config).train(checkpoints=Checkpoints(tmp_path / "file" / "a", 9, 0)))


# -------------------------------------------------------------------------------- refusals


@pytest.fixture
def saved(config_of, tmp_path):
    config = config_of(*SMALL, "policy=thompson", "policy.every=7", "optimizer=adam")
    list(Made(config).train(checkpoints=Checkpoints(tmp_path, 16, 0, keep=None)))
    return config, checkpoints_in(tmp_path)[0]


def test_a_network_can_be_had_of_a_checkpoint_alone(saved):
    checkpoint = load_checkpoint(saved[1])
    arrays = {
        name.removeprefix("topology."): held
        for name, held in checkpoint.arrays.items()
        if name.startswith("topology.")
    }
    assert decode(arrays, checkpoint.told["topology"]).step == checkpoint.step == 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("steps=41", "with n_steps 40, not 41"),
        ("policy=set", "there is no memory"),
        ("optimizer=sgd", "is of a training with optimizer"),
        ("dtype=float64", "with dtype 'float32', not 'float64'"),
        ("dataset=two_moons", "does not take the place of"),
        ("batch_size=10", "with batch_size"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(config_of, saved, change, message):
    key = change.partition("=")[0]
    made = [*SMALL, "policy=thompson", "policy.every=7", "optimizer=adam"]
    kept = [one for one in made if one.partition("=")[0] != key]
    other = Made(config_of(*kept, change))
    before = other.end()
    with pytest.raises(InvalidCheckpoint, match=message):
        other.train(resume=load_checkpoint(saved[1]))
    assert other.end() == before


HOSTILE = {
    "negative ages": ("topology.connection.adam_age", lambda a: a - 10**6, "holds no ages"),
    "ages about to overflow": (
        "topology.connection.adam_age",
        lambda a: a + (2**31 - 1 - a.max()),
        "holds no ages",
    ),
    "other weights": (
        "topology.connection.weight",
        lambda a: a.astype(np.float64),
        "not float32",
    ),
    "no weights": ("topology.connection.weight", None, "lacks the column 'weight'"),
    "sources away": ("topology.structure.sources", lambda a: a + 10**6, "does not fit"),
    "samples away": (
        "batches",
        lambda a: np.full((2, a.shape[1]), 10**6),
        "mini-batches must be",
    ),
    "fewer losses": ("losses", lambda a: a[1:], "losses from step"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_crash_the_engine_is_refused_and_nothing_loaded(saved, tmp_path, name):
    config, path = saved
    array, change, message = HOSTILE[name]
    checkpoint, other = load_checkpoint(path), Made(config)
    arrays = dict(checkpoint.arrays)
    if change is None:
        del arrays[array]
    else:
        arrays[array] = change(arrays[array])
    write_checkpoint(tmp_path / "hostile", arrays, checkpoint.told)
    before = other.end()
    with pytest.raises(InvalidCheckpoint, match=message):
        other.train(resume=load_checkpoint(tmp_path / "hostile"))
    assert other.end() == before


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("streams", "policy", "state", "state"), 2**200, "state of a random stream"),
        (("streams", "policy", "bit_generator"), "MT19937", "the stream is one of PCG64"),
        (("asked",), 10**9, "cannot have been asked last at 1000000000"),
        (("asked",), 0, "was asked after 0, at"),
        (("topology", "step"), 10**9, "is of step 1000000000"),
        (("ledger", "flops"), None, "does not fit"),
        (("pending",), {"edits": [{"kind": "os.system"}]}, "does not fit"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_hostile_values_are_refused(saved, tmp_path, where, value, message):
    config, path = saved
    checkpoint, other = load_checkpoint(path), Made(config)
    told = json.loads(json.dumps(checkpoint.told))
    *way, last = where
    inner = told
    for name in way:
        inner = inner[name]
    inner[last] = value
    write_checkpoint(tmp_path / "hostile", checkpoint.arrays, told)
    before = other.end()
    with pytest.raises(InvalidCheckpoint, match=message):
        other.train(resume=load_checkpoint(tmp_path / "hostile"))
    assert other.end() == before


def test_a_state_that_the_policy_refuses_leaves_all_as_it_was(saved, tmp_path):
    config, path = saved
    checkpoint, other = load_checkpoint(path), Made(config)
    arrays = {n: a for n, a in checkpoint.arrays.items() if not n.startswith("policy.")}
    write_checkpoint(tmp_path / "hostile", arrays, checkpoint.told)
    before = other.end()
    with pytest.raises(InvalidCheckpoint, match="does not fit"):
        other.train(resume=load_checkpoint(tmp_path / "hostile"))
    assert other.end() == before


def test_files_that_are_no_checkpoints_are_refused(saved, tmp_path):
    _, path = saved
    content = path.read_bytes()
    files = {
        "there is no such file": None,
        "a file of 0 bytes has no header": b"",
        "has no header of": b"\xff" * 100,
        "is no checkpoint, or damaged": content[:-1],
        "no checkpoint, or damaged": safetensors.numpy.save({"a": np.zeros(1)}),
        "another digest": safetensors.numpy.save(
            {"a": np.zeros(1)}, {KEY: json.dumps({"told": "{}", "sha256": ""})}
        ),
    }
    for number, (message, held) in enumerate(files.items()):
        other = tmp_path / str(number)
        if held is not None:
            other.write_bytes(held)
        with pytest.raises(InvalidCheckpoint, match=message):
            load_checkpoint(other)


def test_another_version_is_refused(saved, tmp_path):
    checkpoint = load_checkpoint(saved[1])
    write_checkpoint(tmp_path / "new", checkpoint.arrays, checkpoint.told | {"version": 99})
    with pytest.raises(
        InvalidCheckpoint, match="is of format 99, this version of plastic reads 1"
    ):
        load_checkpoint(tmp_path / "new")


def test_a_training_can_be_saved_by_hand(config_of, tmp_path):
    """What a user's own loop does with the training that it is given."""
    config, kept = config_of(*SMALL, "policy=static"), []

    class ByHand:
        def stop(self, step, until):
            return until

        def offer(self, training):
            kept.append(save_checkpoint(tmp_path / "mine", training, {"note": "best"}))

    rows = list(Made(config).train(checkpoints=ByHand()))
    again = Made(config)
    assert load_checkpoint(kept[-1]).extra == {"note": "best"}
    assert list(again.train(resume=load_checkpoint(kept[-1]))) == []
    assert len(rows) > 1

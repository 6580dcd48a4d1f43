"""Law: whatever is in a file, it is refused in a clear error, or it is what was written.

Mutants whose digest is right are forged: they could come from somebody who means harm, and so
reach all that is behind the digest.  What is then loaded must be a training that can go on.
"""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz import (
    bounded_memory,
    forge,
    head,
    mutants,
    mutate_array,
    mutate_value,
    tail,
    tally,
)
from resumed import Made
from runs import SMALL

from plastic.checkpoint import Checkpoints, checkpoints_in, load_checkpoint
from plastic.errors import InvalidCheckpoint, PlasticError, ResultsError
from plastic.parts import PARTS, Part, parts_in, read_part
from plastic.records import PIECEWISE, SCHEMAS, Recorder

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is bounded by Linux's own means"
)

N = 150
N_SOAK = 2500
amounts = pytest.mark.parametrize("n", [N, pytest.param(N_SOAK, marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def saved(config_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    config = config_of(*SMALL, "policy=thompson", "policy.every=7", "optimizer=adam")
    list(Made(config).train(checkpoints=Checkpoints(folder, 16, 0)))
    return config, checkpoints_in(folder)[0]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run's folder with a part of each table, and its position."""
    from recordings import ARM, EDIT, EVALUATION, METRIC

    folder = tmp_path_factory.mktemp("recorded") / "a"
    recorder = Recorder(folder, {"policy": "set"})
    recorder.__enter__()
    for step in range(40):
        recorder.add("convergence", EVALUATION | {"step": step})
        recorder.add("edits", EDIT | {"accepted": True})
        recorder.add("arms", ARM)
        recorder.add("metrics", METRIC)
    return folder, recorder.position()


def tell(capsys, found):
    """The figures, where somebody watches the long version."""
    if sum(found.values()) > N:
        with capsys.disabled():
            sys.stdout.write(f"\n{found} ")


@amounts
def test_mutated_checkpoints_are_refused(saved, tmp_path, n, capsys):
    _, path = saved
    content, endings = path.read_bytes(), []
    with bounded_memory():
        for number, how, changed in mutants(content, n, n, (head, head)):
            mutant = tmp_path / "mutant"
            mutant.write_bytes(changed)
            with pytest.raises(InvalidCheckpoint) as refused:
                load_checkpoint(mutant)
            assert str(mutant) in str(refused.value), (number, how)
            endings.append(how)
    assert len(endings) > 0.9 * n
    tell(capsys, tally(endings))


@amounts
def test_forged_checkpoints_are_refused_or_can_go_on(saved, tmp_path, n, capsys):
    config, path = saved
    genuine, rng, endings, other = load_checkpoint(path), random.Random(n), [], Made(config)
    untouched = other.end()
    for number in range(n):
        arrays, told = genuine.arrays, genuine.told
        if rng.random() < 0.5:
            arrays = mutate_array(arrays, rng)
        else:
            told = mutate_value(told, rng)
        mutant = tmp_path / "mutant"
        mutant.write_bytes(forge(arrays, told))
        with bounded_memory():
            try:
                steps = other.train(resume=load_checkpoint(mutant))
            except InvalidCheckpoint:
                endings.append("refused")
                assert other.end() == untouched, number
                continue
            try:
                with np.errstate(all="ignore"):  # forged weights may be any numbers
                    list(steps)  # neither a crash nor an error of any other kind
            except PlasticError:
                endings.append("ended in an error")
            else:
                endings.append("went on")
        other = Made(config)
    found = tally(endings)
    assert sum(found.values()) == n
    assert found["refused"] > n / 4
    tell(capsys, found)


@amounts
def test_mutated_parts_are_refused(recorded, tmp_path, n, capsys):
    folder, _ = recorded
    parts = parts_in(folder)
    (tmp_path / PARTS).mkdir()
    endings = []
    with bounded_memory():
        for part in parts:
            content = (folder / PARTS / part.name).read_bytes()
            for _, how, changed in mutants(content, n // len(parts), n, (tail, tail)):
                mutant = tmp_path / PARTS / part.name
                mutant.write_bytes(changed)
                with pytest.raises(ResultsError, match="is corrupt"):
                    read_part(tmp_path, part, SCHEMAS[part.table])
                endings.append(how)
    assert len(endings) > 0.9 * n
    tell(capsys, tally(endings))


@amounts
def test_forged_parts_are_refused_or_are_tables(recorded, tmp_path, n, capsys):
    """With the digest of what they hold, mutants reach the reader of Parquet."""
    folder, _ = recorded
    parts, endings = parts_in(folder), []
    (tmp_path / PARTS).mkdir()
    with bounded_memory():
        for original in parts:
            content = (folder / PARTS / original.name).read_bytes()
            for _, _, changed in mutants(content, n // len(parts), n + 1, (tail, tail)):
                digest = hashlib.sha256(changed).hexdigest()[:16]
                part = Part(original.table, 0, digest)
                (tmp_path / PARTS / part.name).write_bytes(changed)
                try:
                    read = read_part(tmp_path, part, SCHEMAS[part.table])
                except ResultsError:
                    endings.append("refused")
                else:
                    assert read.schema.equals(SCHEMAS[part.table])
                    endings.append("read")
                (tmp_path / PARTS / part.name).unlink()
    found = tally(endings)
    assert found["refused"] > n / 2
    tell(capsys, found)


@amounts
def test_forged_positions_lead_nowhere(recorded, n, capsys):
    """A position names files; whatever it names, nothing outside the folder is touched."""
    folder, position = recorded
    rng, endings = random.Random(n), []
    outside = folder.parent / "precious.parquet"
    outside.write_bytes(b"precious")
    before = sorted(path.name for path in (folder / PARTS).iterdir())
    for _ in range(n):
        forged = mutate_value(position, rng)
        if rng.random() < 0.3 and isinstance(forged.get("parts"), list):
            forged["parts"].append(rng.choice(["../precious.parquet", "/etc/passwd", "..", 7]))
        try:
            Recorder(folder, {"policy": "set"}, resume=forged)
        except PlasticError:
            endings.append("refused")
        else:
            endings.append("accepted")
    assert outside.read_bytes() == b"precious"
    assert sorted(path.name for path in (folder / PARTS).iterdir()) == before
    assert {part.table for part in parts_in(folder)} == set(PIECEWISE)
    tell(capsys, tally(endings))

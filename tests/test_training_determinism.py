"""One seed has one result: in the batches drawn, the engines, the threads, any process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from trials import Swaps, graph, layers, run

from plastic.datasets import digits
from plastic.engine import SGD, Adam, Network
from plastic.errors import InvalidParameter
from plastic.policies import PairedTrials, Static, rigl, thompson
from plastic.training import Batches, Streams

# ------------------------------------------------------------------------------ random streams


def test_each_sample_comes_once_an_epoch():
    batches = Batches(100, 8, np.random.default_rng(0))
    rows = batches.take(36)
    assert rows.shape == (36, 8)
    epochs = rows.reshape(3, 96)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 96
    assert (epochs[0] != epochs[1]).any()
    assert set(epochs.ravel().tolist()) <= set(range(100))


def test_looking_at_the_next_batch_changes_nothing():
    looked, other = (Batches(50, 7, np.random.default_rng(3)) for _ in range(2))
    taken = []
    for n in (3, 1, 0, 10, 5):
        ahead = looked.peek()
        np.testing.assert_array_equal(ahead, looked.peek())
        piece = looked.take(n)
        if n:
            np.testing.assert_array_equal(piece[0], ahead)
        taken.append(piece)
    np.testing.assert_array_equal(np.concatenate(taken), other.take(19))


def test_a_batch_is_cut_down_to_the_samples_there_are():
    batches = Batches(5, 50, np.random.default_rng(0))
    assert batches.size == 5
    assert sorted(batches.take(1)[0]) == [0, 1, 2, 3, 4]


def test_streams_are_reproducible_and_independent():
    names = ("split", "wiring", "weights", "batches", "policy", "selection")
    one, other = Streams.of(7), Streams.of(7)
    one.policy.random(1000)
    drawn = {name: getattr(one, name).random() for name in names}
    again = {name: getattr(other, name).random() for name in names}
    assert [name for name in names if drawn[name] != again[name]] == ["policy"]
    assert len(set(again.values())) == 6
    with pytest.raises(InvalidParameter, match="seed must be a whole number of at least 0"):
        Streams.of(-1)


def test_policies_of_one_seed_see_the_same_run(monkeypatch):
    seen, learn = [], Network.learn

    def spy(self, X, Y, rows, *arguments, **options):
        seen[-1].append(rows)
        return learn(self, X, Y, rows, *arguments, **options)

    monkeypatch.setattr(Network, "learn", spy)
    trials = []
    for policy in (Static(), Swaps(20, 40), Swaps(20, 55, greed=1000), rigl(every=15)):
        seen.append([])
        trials.append(run(policy, seed=4))
    first = trials[0]
    batches = np.concatenate(seen[0])
    expected = Batches(len(first.dataset.train), 20, Streams.of(4).batches).take(100)
    np.testing.assert_array_equal(batches, expected)
    for trial, rows in zip(trials[1:], seen[1:], strict=True):
        np.testing.assert_array_equal(np.concatenate(rows), batches)
        np.testing.assert_array_equal(trial.first_weights, first.first_weights)
        wiring, same = trial.pieces("edits")[0], first.pieces("edits")[0]
        assert all((wiring[name] == same[name]).all() for name in ("id", "source", "target"))
    split = first.dataset.train
    for step, X, Y in trials[1].policy.views:  # a policy looks at the batch that comes next
        np.testing.assert_array_equal(X, split.X[batches[step]])
        np.testing.assert_array_equal(Y, split.y[batches[step]])


# ------------------------------------------------------------------ one seed, one result (law)


def on_digits(policy, **options):
    dataset = digits(Streams.of(3).split)
    return run(
        policy, dataset, seed=3, density=0.2, n_steps=200, batch_size=50, evaluate_every=40,
        **options,
    )  # fmt: skip


def small_layers(dataset, density, rng):
    return layers(dataset, density, rng, hidden=(32, 32))


@pytest.mark.parametrize(
    ("make", "wire", "optimizer"),
    [
        (lambda: thompson(every=20), small_layers, SGD(0.1, momentum=0.9, weight_decay=1e-4)),
        (lambda: thompson(every=20), graph, Adam(0.01)),
        (lambda: rigl(every=20), small_layers, SGD(0.1, momentum=0.9)),
        (lambda: PairedTrials(every=20), graph, SGD(0.1, momentum=0.9)),
    ],
    ids=["thompson-layers-sgd", "thompson-graph-adam", "rigl-layers-sgd", "trials-graph-sgd"],
)
def test_both_engines_make_the_same_run(make, wire, optimizer):
    fast, nodes = (
        on_digits(make(), wire=wire, optimizer=optimizer, engine=engine, dtype="float64")
        for engine in ("fast", "nodes")
    )
    for name in ("step", "kind", "id", "source", "target", "reason"):
        mine, theirs = fast.column("edits", name), nodes.column("edits", name)
        np.testing.assert_array_equal(mine, theirs)
    assert (fast.column("edits", "step") > 0).sum() > 100
    for name in ("loss", "running_loss"):
        mine, theirs = fast.column("convergence", name), nodes.column("convergence", name)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)
    for name in ("score", "train_flops", "candidate_gradients", "n_connections"):
        mine, theirs = fast.column("convergence", name), nodes.column("convergence", name)
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(fast.network.weights, nodes.network.weights, atol=1e-9)


def fingerprint(threads=1, make=lambda: thompson(every=20)):
    """Hash of every bit of every row of a run, but for the clock's."""
    trial = on_digits(make(), wire=small_layers, threads=threads)
    digest = hashlib.sha256(trial.network.weights.tobytes())
    for rows in trial.rows:
        for name in sorted(set(rows.columns) - {"seconds"}):
            values = np.asarray(rows.columns[name])
            whole = values.dtype.kind in "OU"
            digest.update(name.encode())
            digest.update(repr(values.tolist()).encode() if whole else values.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    "make",
    [lambda: thompson(every=20), lambda: PairedTrials(every=20)],
    ids=["thompson", "trials"],
)
def test_threads_change_no_bit(make):
    assert fingerprint(threads=1, make=make) == fingerprint(threads=2, make=make)


def test_another_process_makes_the_same_bits():
    command = "import test_training_determinism as laws; print(laws.fingerprint())"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", command],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == fingerprint()


def test_another_policy_makes_others():
    assert fingerprint() != fingerprint(make=lambda: rigl(every=20))

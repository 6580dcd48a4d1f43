"""Each compiled loop of the topology manager does what a plain NumPy expression says."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.edits import Connect, Disconnect
from plastic.topology import Topology, compiled, compiled_gathers
from plastic.topology.structure import (
    CLOSED_SOURCE,
    CLOSED_TARGET,
    Cut,
    find,
    read_only,
    sort_pairs,
)

many = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)


def random_rows(rng, n_neurons, fullness, dtype=np.int32):
    """Rows of random sources, no pair twice, with ascending ids that leave gaps."""
    joined = rng.random((n_neurons, n_neurons)) < fullness
    targets, sources = np.nonzero(joined)
    ids = rng.choice(4 * len(sources) + 1, len(sources), replace=False)
    by_row = np.lexsort((ids, targets))
    indptr = np.concatenate([[0], np.cumsum(joined.sum(axis=1))])
    given_sources = rng.permuted(sources.astype(np.int32))
    for row in range(n_neurons):  # any source may have any id
        part = slice(indptr[row], indptr[row + 1])
        given_sources[part] = rng.permutation(sources[part])
    return tuple(
        read_only(array)
        for array in (indptr.astype(np.int64), given_sources, ids[by_row].astype(dtype))
    )


def targets_of(indptr):
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


@many
@given(seed=seeds, far=st.sampled_from([1, 2**33]), repeats=st.booleans())
def test_find(seed, far, repeats):
    """Near each other by bits, far from each other by hashes, and few one by one."""
    rng = np.random.default_rng(seed)
    pool = far * rng.choice(10**6, 200, replace=False)
    held = rng.permutation(pool)[: rng.integers(0, 150)]
    count = rng.integers(0, rng.choice([9, 100]))
    ids = rng.choice(pool[:20] if repeats else pool, count, replace=repeats)
    cut = find(held, ids)
    np.testing.assert_array_equal(cut.gone, np.isin(held, ids))
    np.testing.assert_array_equal(cut.positions, np.flatnonzero(np.isin(held, ids)))
    assert cut.twice == (len(np.unique(ids)) < len(ids))


@many
@given(seed=seeds)
def test_name_rows_and_mark_ends(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    indptr, sources, ids = random_rows(rng, n, 0.4)
    neuron_ids = read_only(np.sort(rng.choice(100, n, replace=False)))
    positions = np.flatnonzero(rng.random(len(ids)) < 0.5).astype(np.int32)
    named = [np.empty(len(positions), np.int64) for _ in range(3)]
    ends = np.zeros(n, bool)
    compiled_gathers.name_rows(indptr, sources, ids, neuron_ids, read_only(positions), *named)
    compiled.mark_ends(indptr, sources, read_only(positions), ends)
    at = sources[positions], targets_of(indptr)[positions]
    np.testing.assert_array_equal(named[0], neuron_ids[at[0]])
    np.testing.assert_array_equal(named[1], neuron_ids[at[1]])
    np.testing.assert_array_equal(named[2], ids[positions])
    np.testing.assert_array_equal(np.flatnonzero(ends), np.union1d(*at))


@many
@given(
    seed=seeds,
    gaps=st.booleans(),
    far=st.sampled_from([[], [1, 99], [-1], [2**40], [2**63 - 1], [-(2**63)]]),
)
def test_check_pairs(seed, gaps, far):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 8)), int(rng.integers(0, 6))
    neuron_ids = np.sort(rng.choice(2 * n if gaps else n, n, replace=False)) + 3
    table = np.zeros(0, np.int32)
    if gaps:
        table = np.full(neuron_ids[-1] - neuron_ids[0] + 1, -1, np.int32)
        table[neuron_ids - neuron_ids[0]] = np.arange(n)
    rank, closed = rng.permutation(n).astype(np.int32), rng.random((2, n)) < 0.1
    groups = rng.integers(0, 3, n).astype(np.int32)
    traits = (4 * groups + CLOSED_SOURCE * closed[0] + CLOSED_TARGET * closed[1]).astype(
        np.int32
    )
    may_join = rng.random((3, 3)) < 0.9
    pool = np.append(np.repeat(neuron_ids, 9), np.array(far, np.int64))
    ends = rng.choice(pool, (2, k))
    ids, slots = rng.integers(5, 12, k), np.zeros((2, k), np.int32)
    found = compiled.check_pairs(
        *(read_only(array) for array in (neuron_ids, table, rank, traits, may_join)),
        *(read_only(array) for array in (*ends, ids)), 6,
        *slots,
    )  # fmt: skip
    known = np.isin(ends, neuron_ids)
    if not known.all():
        both = [compiled.UNKNOWN_SOURCE, compiled.UNKNOWN_TARGET]
        assert 0 < found <= sum(both)
        assert not found & (both @ known.all(axis=1))
        return
    s, t = np.searchsorted(neuron_ids, ends)
    np.testing.assert_array_equal(slots, [s, t])
    expected = {
        compiled.BROKEN: (~may_join[groups[s], groups[t]] | closed[0][s] | closed[1][t]).any(),
        compiled.AGAINST: (rank[s] >= rank[t]).any(),
        compiled.GIVEN: (np.diff(ids, prepend=5) <= 0).any(),
    }
    assert found == sum(bit for bit, holds in expected.items() if holds)


@many
@given(seed=seeds, ascending=st.booleans())
def test_sort_pairs(seed, ascending):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 9)), int(rng.integers(0, 40))
    targets, sources = rng.integers(0, n, (2, k))
    ids = rng.choice(1000, k, replace=False)
    ids = np.sort(ids) if ascending else ids
    pairs = sort_pairs(targets, sources, ids, n, ascending=ascending)
    order = np.lexsort((ids, targets))
    np.testing.assert_array_equal(pairs.order, order)
    np.testing.assert_array_equal(pairs.sources, sources[order])
    np.testing.assert_array_equal(pairs.ids, ids[order])
    np.testing.assert_array_equal(
        pairs.starts, np.searchsorted(targets[order], np.arange(n + 1))
    )


@many
@given(
    seed=seeds,
    lost=st.sampled_from([0, 0.05, 0.5, 1]),
    born=st.sampled_from([0, 1, 30]),
    revived=st.booleans(),
    counted=st.booleans(),
    dtype=st.sampled_from([np.int32, np.int64]),
)
def test_merge_rows(seed, lost, born, revived, counted, dtype):
    """As a lexsort of all that is left and all that comes."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    indptr, sources, ids = random_rows(rng, n, 0.4, dtype)
    targets, gone = targets_of(indptr), rng.random(len(ids)) < lost
    cut = Cut(np.flatnonzero(gone).astype(np.int32), gone.view(np.uint8))
    new = rng.integers(0, n, (born, 2))
    fresh = np.setdiff1d(np.arange(6 * len(ids) + 90), ids)
    if not revived:
        fresh = fresh[fresh > ids.max(initial=0)]
    new_ids = rng.permutation(fresh)[: len(new)]
    counted = counted and not revived
    if counted:
        new_ids = ids.max(initial=0) + 1 + np.arange(len(new))
    pairs = sort_pairs(new[:, 0], new[:, 1], new_ids, n)
    ids_of_pairs = (pairs.ids[:0], ids.max(initial=0) + 1) if counted else (pairs.ids, 0)
    total = int((~gone).sum()) + len(new)
    made = [np.empty(n + 1, np.int64)]
    made += [np.empty(total + 1, kind) for kind in (np.int32, dtype, np.int32)]
    compiled.merge_rows(
        indptr, sources, ids, cut.gone, cut.positions,
        pairs.starts, pairs.order, pairs.sources, *ids_of_pairs, *made,
    )  # fmt: skip
    stays = np.flatnonzero(~gone)
    everything = np.concatenate([stays, len(ids) + np.arange(len(new))])
    rows = np.concatenate([targets[stays], new[:, 0]])
    all_ids = np.concatenate([ids[stays], new_ids])
    order = np.lexsort((all_ids, rows))
    to_indptr, to_sources, to_ids, gather = made
    np.testing.assert_array_equal(to_indptr, np.searchsorted(rows[order], np.arange(n + 1)))
    np.testing.assert_array_equal(to_ids[:-1], all_ids[order])
    np.testing.assert_array_equal(gather[:-1], everything[order])
    np.testing.assert_array_equal(
        to_sources[:-1], np.concatenate([sources[stays], new[:, 1]])[order]
    )


@many
@given(seed=seeds, n=st.integers(1, 6), k=st.integers(0, 9))
def test_any_twice(seed, n, k):
    pairs = np.random.default_rng(seed).integers(0, n, (k, 2))
    sources, targets = pairs[np.lexsort(pairs.T[::-1])].T.astype(np.int32)
    starts = np.searchsorted(sources, np.arange(n + 1)).astype(np.int32)
    twice = len(np.unique(pairs, axis=0)) < k
    assert compiled_gathers.any_twice(starts, np.ascontiguousarray(targets)) == twice


@many
@given(seed=seeds, width=st.sampled_from([1, 3]), alike=st.booleans())
def test_gather_values(seed, width, alike):
    rng = np.random.default_rng(seed)
    old, fresh = (rng.integers(0, 99, (k, width)).astype(np.uint32) for k in (9, 4))
    fresh = fresh[:1] if alike else fresh
    gather = rng.integers(0, 13, 20).astype(np.int32)
    new = np.empty(20 * width, np.uint32)
    compiled_gathers.gather_values(
        old.ravel(), fresh.ravel(), int(not alike), width, gather, new
    )
    whole = np.concatenate([old, np.repeat(fresh, 4, axis=0) if alike else fresh])
    np.testing.assert_array_equal(new.reshape(20, width), whole[gather])


@many
@given(seed=seeds, width=st.sampled_from([1, 3]), to_earlier=st.booleans())
def test_carry_values(seed, width, to_earlier):
    rng = np.random.default_rng(seed)
    stays = rng.random(9) < 0.7
    came = 9 + np.arange(rng.integers(0, 6))
    places = rng.integers(0, stays.sum() + 1, len(came))
    gather = np.insert(np.flatnonzero(stays), places, came).astype(np.int32)
    n = len(gather)
    earlier, after = (rng.integers(0, 99, (k, width)).astype(np.uint32) for k in (9, n))
    old, there = (after, earlier) if to_earlier else (earlier, after)
    new = np.empty((len(there) + 1) * width, np.uint32)
    compiled_gathers.carry_values(old.ravel(), there.ravel(), gather, to_earlier, width, new)
    expected = there.copy()
    at = np.flatnonzero(gather < 9)
    if to_earlier:
        expected[gather[at]] = after[at]
    else:
        expected[at] = earlier[gather[at]]
    np.testing.assert_array_equal(new[:-width].reshape(-1, width), expected)


@many
@given(seed=seeds)
def test_index_by_source_and_find_pairs(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 14))
    indptr, sources, _ = random_rows(rng, n, 0.3)
    starts = np.empty(n + 1, np.int32)
    targets, positions = np.empty((2, len(sources)), np.int32)
    compiled_gathers.index_by_source(indptr, sources, starts, targets)
    compiled_gathers.positions_by_source(sources, starts, positions)
    order = np.argsort(sources, kind="stable")
    np.testing.assert_array_equal(positions, order)
    np.testing.assert_array_equal(targets, targets_of(indptr)[order])
    np.testing.assert_array_equal(starts, np.searchsorted(sources[order], np.arange(n + 1)))

    wanted = rng.integers(0, n, (2, 30))
    pairs = sort_pairs(wanted[1], wanted[0], np.arange(30), n)
    found = np.empty(30, np.int64)
    laid = pairs.starts, pairs.order, pairs.sources
    compiled_gathers.find_pairs(indptr, sources, *laid, found)
    joined = np.full((n, n), -1)
    joined[sources, targets_of(indptr)] = np.arange(len(sources))
    np.testing.assert_array_equal(found, joined[wanted[0], wanted[1]])


def test_it_is_said_when_a_loop_is_compiled_and_only_then(tmp_path, caplog):
    loop = SimpleNamespace(
        __module__="plastic.topology.compiled",
        __qualname__="loop",
        signatures=[],
        stats=SimpleNamespace(cache_path=str(tmp_path)),
    )
    compiled.say_compiling(loop, "loops", "a minute")
    assert caplog.messages == [
        "compiling the loops, once per machine: this takes about a minute"
    ]
    (tmp_path / "compiled.loop-395.py311.nbi").touch()
    compiled.say_compiling(loop, "loops", "a minute")
    loop.signatures = ["a signature"]
    compiled.say_compiling(loop, "loops", "a minute")
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("module", ["plastic.topology", "plastic.topology.wiring"])
def test_who_only_imports_does_not_wait_for_numba(process, tmp_path, module):
    code = f"import sys, {module}; sys.exit('numba' in sys.modules)"
    assert process("-c", code, cwd=tmp_path).code == 0


@pytest.mark.parametrize("ids", [[0, 1, 2], [0, 9, 70], [0, 10**6, 10**9]])
def test_however_far_neuron_ids_lie_from_each_other_the_loops_are_the_same(ids):
    """One kind of arguments, as each would be compiled by itself."""
    topology = Topology(2, 1, ids=ids)
    topology.apply(Connect(ids[:1], ids[2:]))
    topology.apply(Disconnect([0]), Connect(ids[1:2], ids[2:]))
    assert topology.structure.sources.tolist() == [1]
    of_32_bits = [kind for kind in compiled.move.signatures if kind[2].dtype.bitwidth == 32]
    assert len(of_32_bits) == 1

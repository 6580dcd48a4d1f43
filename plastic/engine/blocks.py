"""Vector operations for many connections at once: dot products, and blocks of four by four.

Vectors come *joined*: four of them are one of four times the lanes, which costs no
instruction, and lets a numba function hold sixteen registers of sums in one variable.
Like all of `plastic.engine.simd`, they are generic in the element type.
"""

from __future__ import annotations

from functools import cache

from llvmlite import binding, ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

from plastic.engine.simd import (
    LANES,
    PARTIAL,
    Vector,
    _address,
    _fused,
    _halved,
    _pick,
    _splat,
)

_I32 = ir.IntType(32)

SIDE = 8
"""Rows and columns of what `transpose` turns."""


@cache  # to ask the machine takes a third of a millisecond
def wide_registers():
    """Whether there are 32 registers of 512 bits, so that four by four vectors of sums fit."""
    if config.CPU_FEATURES is not None:  # numba was told to compile for another processor
        return "+avx512f" in config.CPU_FEATURES
    return bool(binding.get_host_cpu_features().get("avx512f"))


def _joined(builder, parts):
    """One vector of a power of two of them."""
    while len(parts) > 1:
        lanes = range(2 * parts[0].type.count)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [_pick(builder, a, b, lanes) for a, b in pairs]
    return parts[0]


def _quarters(builder, vector):
    """The four vectors of a joined one."""
    n = vector.type.count // 4
    return [_pick(builder, vector, vector, range(k, k + n)) for k in range(0, 4 * n, n)]


def _zeros(context, vector):
    return ir.Constant(context.get_value_type(vector), [0.0] * vector.lanes)


def _make_load(lanes):
    def load(typing_context, array, index):
        def generate(context, builder, sig, args):
            pointer = _address(context, builder, sig.args[0], args[0], args[1], lanes)
            vector = builder.load(pointer)
            vector.align = sig.args[0].dtype.bitwidth // 8
            return vector

        return Vector(array.dtype, lanes)(array, types.intp), generate

    return load


# load_piece(array, index): the part of a tile that partial sums are formed of
load_piece = intrinsic(_make_load(PARTIAL))
load4 = intrinsic(_make_load(4))


@intrinsic
def store4(typing_context, array, index, vector):
    """The counterpart of `load4`."""

    def generate(context, builder, sig, args):
        pointer = _address(context, builder, sig.args[0], args[0], args[1], 4)
        stored = builder.store(args[2], pointer)
        stored.align = sig.args[0].dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, Vector(array.dtype, 4)), generate


def _prefetch(context, builder, array_type, array, index):
    pointer = _address(context, builder, array_type, array, index, 1)
    address = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [address.type, _I32, _I32, _I32])
    hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    read, keep, data_cache = _I32(0), _I32(3), _I32(1)
    builder.call(hint, [address, read, keep, data_cache])


@intrinsic
def prefetch(typing_context, array, index):
    """Ask for the cache line of ``array[index]``; any index will do."""

    def generate(context, builder, sig, args):
        _prefetch(context, builder, sig.args[0], *args)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def prefetch_tiles(typing_context, array, index, stride, like):
    """Ask for what `simd.load_tiles` loads."""

    def generate(context, builder, sig, args):
        array, index, stride, _ = args
        line = 64 * 8 // sig.args[0].dtype.bitwidth
        for _ in range(sig.args[3].lanes // LANES):
            for start in range(0, LANES, line):
                at = builder.add(index, ir.Constant(index.type, start))
                _prefetch(context, builder, sig.args[0], array, at)
            index = builder.add(index, stride)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, like), generate


@intrinsic
def at_most_pair(typing_context, like):
    """Zeros for two tiles, or for one where `like` has lanes for one only."""
    pair = Vector(like.element, min(like.lanes, 2 * LANES))

    def generate(context, builder, sig, args):
        return _zeros(context, pair)

    return pair(like), generate


@intrinsic
def join4(typing_context, v0, v1, v2, v3):
    """Four vectors as one."""

    def generate(context, builder, sig, args):
        return _joined(builder, list(args))

    return Vector(v0.element, 4 * v0.lanes)(v0, v1, v2, v3), generate


@intrinsic
def split4(typing_context, vector):
    """The four vectors that `join4` took."""
    quarter = Vector(vector.element, vector.lanes // 4)

    def generate(context, builder, sig, args):
        return context.make_tuple(builder, sig.return_type, _quarters(builder, args[0]))

    return types.UniTuple(quarter, 4)(vector), generate


@intrinsic
def fma4(typing_context, s0, s1, s2, s3, vector, accumulators):
    """``scalar * vector + accumulator`` for four scalars and as many joined accumulators."""

    def generate(context, builder, sig, args):
        *scalars, vector, accumulators = args
        parts = [
            _fused(builder, _splat(builder, scalar, vector.type.count), vector, accumulator)
            for scalar, accumulator in zip(
                scalars, _quarters(builder, accumulators), strict=True
            )
        ]
        return _joined(builder, parts)

    return accumulators(s0, s1, s2, s3, vector, accumulators), generate


@intrinsic
def products(typing_context, a, b):
    """Dot product of two vectors, still in `PARTIAL` sums."""
    sums = Vector(a.element, PARTIAL)

    def generate(context, builder, sig, args):
        result = _zeros(context, sums)
        for start in range(0, sig.args[0].lanes, PARTIAL):
            piece = range(start, start + PARTIAL)
            left, right = (_pick(builder, arg, arg, piece) for arg in args)
            result = _fused(builder, left, right, result)
        return result

    return sums(a, b), generate


@intrinsic
def no_products(typing_context, scalar):
    """Zeros for the partial sums of sixteen dot products, joined."""
    sums = Vector(scalar, 16 * PARTIAL)

    def generate(context, builder, sig, args):
        return _zeros(context, sums)

    return sums(scalar), generate


@intrinsic
def outer_products(typing_context, a, b, sums):
    """What one piece of four vectors and of four others adds to their sixteen dot products.

    The pieces come joined, and so do the partial sums: first those of the first of `a`.
    """

    def generate(context, builder, sig, args):
        lefts, rights = (_quarters(builder, arg) for arg in args[:2])
        rows = [_quarters(builder, row) for row in _quarters(builder, args[2])]
        parts = [
            _fused(builder, left, right, row[k])
            for left, row in zip(lefts, rows, strict=True)
            for k, right in enumerate(rights)
        ]
        return _joined(builder, parts)

    return sums(a, b, sums), generate


def _folded(builder, rows):
    """Four vectors of partial sums, to one vector of their four sums.

    A transposition: twice, neighbours within each four lanes of two vectors are added, which
    leaves one vector of four by four sums; then its fours are added up.
    """

    def add_neighbours(a, b):
        fours = range(0, PARTIAL, 4)
        even = [k + lane for k in fours for lane in (0, 2, PARTIAL, PARTIAL + 2)]
        left = _pick(builder, a, b, even)
        return builder.fadd(left, _pick(builder, a, b, [lane + 1 for lane in even]))

    quads = add_neighbours(add_neighbours(*rows[:2]), add_neighbours(*rows[2:]))
    return _halved(builder, quads, 4)


@intrinsic
def fold4(typing_context, v0, v1, v2, v3):
    """The sums of four vectors of partial sums."""

    def generate(context, builder, sig, args):
        return _folded(builder, args)

    return Vector(v0.element, 4)(v0, v1, v2, v3), generate


@intrinsic
def fold4_joined(typing_context, vector):
    """`fold4` of four vectors that come joined."""

    def generate(context, builder, sig, args):
        return _folded(builder, _quarters(builder, args[0]))

    return Vector(vector.element, 4)(vector), generate


@intrinsic
def fold(typing_context, vector):
    """The sum of one vector of partial sums, to the bit as `fold4` forms it."""

    def generate(context, builder, sig, args):
        return builder.extract_element(_folded(builder, 4 * list(args)), _I32(0))

    return vector.element(vector), generate


@intrinsic
def totals8(typing_context, v0, v1, v2, v3, v4, v5, v6, v7):
    """Sums of all lanes of eight vectors, each to the bit as `simd.total` forms it.

    A transposition in three rounds: each adds the upper halves of what is left of the vectors
    to the lower ones, and lays neighbours side by side.
    """

    def generate(context, builder, sig, args):
        rows, lanes = [_halved(builder, vector, 8) for vector in args], range(16)
        for half in (4, 2, 1):
            low = [lane for lane in lanes if not lane & half]
            high = [lane for lane in lanes if lane & half]
            rows = [
                builder.fadd(_pick(builder, a, b, low), _pick(builder, a, b, high))
                for a, b in zip(rows[::2], rows[1::2], strict=True)
            ]
        return rows[0]

    return Vector(v0.element, 8)(v0, v1, v2, v3, v4, v5, v6, v7), generate


@intrinsic
def add_totals(typing_context, before, x):
    """`before`, plus `simd.total` of each tile of a vector, one after the other."""

    def generate(context, builder, sig, args):
        result, x = args
        for start in range(0, x.type.count, LANES):
            tile = _pick(builder, x, x, range(start, start + LANES))
            total = builder.extract_element(_halved(builder, tile, 1), _I32(0))
            result = builder.fadd(result, total)
        return result

    return before(before, x), generate


@intrinsic
def transpose(typing_context, rows):
    """Columns of a block of `SIDE` rows.

    Three rounds, each of which pairs what the last one made: neighbouring numbers, neighbouring
    twos, and the halves.
    """

    def generate(context, builder, sig, args):
        rows = [builder.extract_value(args[0], k) for k in range(SIDE)]
        low, high = (0, 8, 1, 9, 4, 12, 5, 13), (2, 10, 3, 11, 6, 14, 7, 15)
        pairs = [
            [_pick(builder, a, b, low), _pick(builder, a, b, high)]
            for a, b in zip(rows[::2], rows[1::2], strict=True)
        ]
        low, high = (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)
        fours = [
            [
                _pick(builder, a, b, lanes)
                for a, b in zip(*two, strict=True)
                for lanes in (low, high)
            ]
            for two in (pairs[:2], pairs[2:])
        ]
        columns = [
            _pick(builder, a, b, lanes)
            for lanes in ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))
            for a, b in zip(*fours, strict=True)
        ]
        return context.make_tuple(builder, sig.return_type, columns)

    return types.UniTuple(rows.dtype, SIDE)(rows), generate

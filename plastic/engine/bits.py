"""Sets of lanes, or of samples, as the bits of one number."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from plastic.engine.simd import _address, _splat

_I64 = ir.IntType(64)


@intrinsic
def reaching(typing_context, vector, bound):
    """Which of up to 64 lanes are at least `bound` in size, as the bits of a uint64."""

    def generate(context, builder, sig, args):
        vector, bound = args
        n = vector.type.count
        name = f"llvm.fabs.v{n}f{sig.args[1].bitwidth}"
        kind = ir.FunctionType(vector.type, [vector.type])
        sizes = builder.call(
            cgutils.get_or_insert_function(builder.module, kind, name), [vector]
        )
        large = builder.fcmp_ordered(">=", sizes, _splat(builder, bound, n))
        return builder.zext(builder.bitcast(large, ir.IntType(n)), _I64)

    return types.uint64(vector, vector.element), generate


@intrinsic
def not_zero(typing_context, vector):
    """Which of up to 64 lanes are not 0, or are no number, as the bits of a uint64."""

    def generate(context, builder, sig, args):
        zero = ir.Constant(args[0].type, None)
        bits = builder.fcmp_unordered("!=", args[0], zero)
        return builder.zext(builder.bitcast(bits, ir.IntType(args[0].type.count)), _I64)

    return types.uint64(vector), generate


@intrinsic
def below(typing_context, numbers, scales, index, factor, most):
    """Which of 64 int32 are below ``scale * factor`` and `most`, as bits.

    They are ``numbers[index : index + 64]``, rounded as the scales are.
    """

    def generate(context, builder, sig, args):
        wide = ir.VectorType(context.get_value_type(sig.args[3]), 64)
        loaded = []
        for array_type, array in zip(sig.args[:2], args[:2], strict=True):
            pointer = _address(context, builder, array_type, array, args[2], 64)
            vector = builder.load(pointer)
            vector.align = array_type.dtype.bitwidth // 8
            loaded.append(vector)
        factor, most = (_splat(builder, arg, 64) for arg in args[3:])
        numbers, bounds = builder.sitofp(loaded[0], wide), builder.fmul(loaded[1], factor)
        lower = builder.fcmp_ordered("<", bounds, most)
        bounds = builder.select(lower, bounds, most)
        return builder.bitcast(builder.fcmp_ordered("<", numbers, bounds), _I64)

    element = scales.dtype
    return types.uint64(numbers, scales, types.intp, element, element), generate


@intrinsic
def less(typing_context, numbers, index, bound):
    """Which of the whole numbers ``numbers[index : index + 64]`` are below a bound, as bits."""

    def generate(context, builder, sig, args):
        pointer = _address(context, builder, sig.args[0], args[0], args[1], 64)
        vector = builder.load(pointer)
        vector.align = sig.args[0].dtype.bitwidth // 8
        bits = builder.icmp_signed("<", vector, _splat(builder, args[2], 64))
        return builder.bitcast(bits, _I64)

    return types.uint64(numbers, types.intp, numbers.dtype), generate


@intrinsic
def lowest_bit(typing_context, bits):
    """Number of the lowest bit that is set, 64 where none is."""

    def generate(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def count_bits(typing_context, bits):
    """How many bits are set."""

    def generate(context, builder, sig, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate

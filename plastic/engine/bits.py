"""Sets of lanes, or of samples, as the bits of one number."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from plastic.engine.simd import _splat

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
def lowest_bit(typing_context, bits):
    """Number of the lowest bit that is set; there must be one."""

    def generate(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate

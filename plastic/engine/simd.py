"""Vectors of samples as numba values.

A `Vector` is LLVM's ``<n x float>`` (or double), so an accumulator over 32 samples stays in
registers, and the compiler picks the widest instructions that the machine has.  All
operations are generic in the element type: it is that of the array loaded from.
Sums across a vector are folded in one fixed order, so results do not depend on threads.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

LANES = 32
"""Samples in a tile: eight registers of four, four of eight, or two of sixteen floats."""

PARTIAL = 16
"""Partial sums that a dot product is kept in until all tiles have been added."""

_I32 = ir.IntType(32)


class Vector(types.Type):
    """The numba type of a vector of `lanes` elements."""

    def __init__(self, element, lanes):
        self.element, self.lanes = element, lanes
        super().__init__(name=f"Vector({element}, {lanes})")

    @property
    def key(self):
        return self.element, self.lanes


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = manager.lookup(vector.element).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def _data(context, builder, array_type, array):
    """Pointer to the first element of an array, or what is one already."""
    if isinstance(array_type, types.CPointer):
        return array
    return context.make_array(array_type)(context, builder, array).data


def _address(context, builder, array_type, array, index, lanes):
    """Pointer to `lanes` elements of a flat array, from `index` on."""
    data = _data(context, builder, array_type, array)
    element = context.get_data_type(array_type.dtype)
    return builder.bitcast(
        builder.gep(data, [index]), ir.VectorType(element, lanes).as_pointer()
    )


def _make_load(lanes):
    def load(typing_context, array, index):
        signature = Vector(array.dtype, lanes)(array, types.intp)

        def generate(context, builder, sig, args):
            pointer = _address(context, builder, sig.args[0], args[0], args[1], lanes)
            vector = builder.load(pointer)
            vector.align = sig.args[0].dtype.bitwidth // 8
            return vector

        return signature, generate

    return load


# load(array, index): a tile's samples of one neuron
load = intrinsic(_make_load(LANES))


@intrinsic
def load_like(typing_context, array, index, like):
    """As many elements of a flat array as `like` has lanes."""

    def generate(context, builder, sig, args):
        pointer = _address(context, builder, sig.args[0], args[0], args[1], sig.args[2].lanes)
        vector = builder.load(pointer)
        vector.align = sig.args[0].dtype.bitwidth // 8
        return vector

    return like(array, types.intp, like), generate


@intrinsic
def store(typing_context, array, index, vector):
    """The counterpart of `load` and `load_like`."""

    def generate(context, builder, sig, args):
        pointer = _address(context, builder, sig.args[0], args[0], args[1], sig.args[2].lanes)
        stored = builder.store(args[2], pointer)
        stored.align = sig.args[0].dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


store8 = store


@intrinsic
def n_lanes(typing_context, like):
    """How many lanes a vector has."""

    def generate(context, builder, sig, args):
        return context.get_constant(types.intp, sig.args[0].lanes)

    return types.intp(like), generate


@intrinsic
def n_tiles(typing_context, like):
    """How many tiles a vector has lanes for."""

    def generate(context, builder, sig, args):
        return context.get_constant(types.intp, sig.args[0].lanes // LANES)

    return types.intp(like), generate


@intrinsic
def load_tiles(typing_context, array, index, stride, like):
    """Samples of one neuron in as many tiles, `stride` apart, as `like` has lanes for."""

    def generate(context, builder, sig, args):
        index, parts = args[1], []
        for _ in range(sig.args[3].lanes // LANES):
            pointer = _address(context, builder, sig.args[0], args[0], index, LANES)
            parts.append(builder.load(pointer))
            parts[-1].align = sig.args[0].dtype.bitwidth // 8
            index = builder.add(index, args[2])
        while len(parts) > 1:  # joined two by two, which costs no instruction
            lanes = range(2 * parts[0].type.count)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [_pick(builder, a, b, lanes) for a, b in pairs]
        return parts[0]

    return like(array, types.intp, types.intp, like), generate


@intrinsic
def store_tiles(typing_context, array, index, stride, vector):
    """The counterpart of `load_tiles`."""

    def generate(context, builder, sig, args):
        index = args[1]
        for start in range(0, sig.args[3].lanes, LANES):
            part = _pick(builder, args[3], args[3], range(start, start + LANES))
            pointer = _address(context, builder, sig.args[0], args[0], index, LANES)
            stored = builder.store(part, pointer)
            stored.align = sig.args[0].dtype.bitwidth // 8
            index = builder.add(index, args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vector), generate


@intrinsic
def pointer(typing_context, array):
    """Where an array lies: without its shape, and without the counting of its references.

    `get`, `put`, `load_like` and `store` take it for the array.  The array must outlive it.
    """

    def generate(context, builder, sig, args):
        return _data(context, builder, sig.args[0], args[0])

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def moved(typing_context, pointer, n):
    """The pointer to the element `n` further on."""

    def generate(context, builder, sig, args):
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.intp), generate


@intrinsic
def get(typing_context, array, index):
    """``array[index]``, without the check for negative indices that numba adds."""

    def generate(context, builder, sig, args):
        data = _data(context, builder, sig.args[0], args[0])
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), generate


@intrinsic
def put(typing_context, array, index, value):
    """``array[index] = value``, as unchecked as `get`: so that loops become vector code."""

    def generate(context, builder, sig, args):
        data = _data(context, builder, sig.args[0], args[0])
        builder.store(args[2], builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), generate


def _splat(builder, scalar, lanes):
    vector = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, _I32(0))
    zeros = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def _fused(builder, a, b, c):
    """``a * b + c`` with one rounding."""
    suffix = "f32" if isinstance(a.type.element, ir.FloatType) else "f64"
    kind = ir.FunctionType(a.type, [a.type] * 3)
    name = f"llvm.fma.v{a.type.count}{suffix}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def _pick(builder, a, b, lanes):
    """Lanes of ``a`` followed by ``b``, by number."""
    mask = ir.Constant(ir.VectorType(_I32, len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, mask)


def _make_splat(lanes):
    def splat(typing_context, scalar):
        def generate(context, builder, sig, args):
            return _splat(builder, args[0], lanes)

        return Vector(scalar, lanes)(scalar), generate

    return splat


# splat(scalar): one value in every lane of one tile, or of two, or of four
splat = intrinsic(_make_splat(LANES))
splat_pair = intrinsic(_make_splat(2 * LANES))
splat_four = intrinsic(_make_splat(4 * LANES))
# the same for the partial sums of a dot product, and for eight sums
splat_partial = intrinsic(_make_splat(PARTIAL))
splat8 = intrinsic(_make_splat(8))


@intrinsic
def no_sums(typing_context, like):
    """Zeros for the partial sums of dot products of vectors like this one."""

    def generate(context, builder, sig, args):
        kind = context.get_value_type(sig.return_type)
        return ir.Constant(kind, [0.0] * kind.count)

    return Vector(like.element, min(like.lanes, PARTIAL))(like), generate


@intrinsic
def flush(typing_context, x):
    """0 for numbers below the smallest normal one, which slow down what is done with them."""

    def generate(context, builder, sig, args):
        single = isinstance(args[0].type.element, ir.FloatType)
        tiny, suffix = (2.0**-126, "f32") if single else (2.0**-1022, "f64")
        zero, tiny = (ir.Constant(args[0].type, [c] * sig.args[0].lanes) for c in (0.0, tiny))
        kind = ir.FunctionType(args[0].type, [args[0].type])
        name = f"llvm.fabs.v{sig.args[0].lanes}{suffix}"
        size = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)
        return builder.select(builder.fcmp_ordered("<", size, tiny), zero, args[0])

    return x(x), generate


@intrinsic
def splat_lanes(typing_context, scalar, lanes):
    """Vector of one value in as many lanes as the tuple `lanes` has items."""

    def generate(context, builder, sig, args):
        return _splat(builder, args[0], sig.return_type.lanes)

    return Vector(scalar, len(lanes))(scalar, lanes), generate


@intrinsic
def splat_like(typing_context, scalar, like):
    """Vector of one value in as many lanes as `like` has."""

    def generate(context, builder, sig, args):
        return _splat(builder, args[0], sig.args[1].lanes)

    return like(like.element, like), generate


@intrinsic
def fma(typing_context, scalar, vector, accumulator):
    """``scalar * vector + accumulator``."""

    def generate(context, builder, sig, args):
        return _fused(builder, _splat(builder, args[0], sig.args[1].lanes), args[1], args[2])

    return vector(vector.element, vector, accumulator), generate


def _binary(operation):
    def function(typing_context, a, b):
        def generate(context, builder, sig, args):
            return getattr(builder, operation)(args[0], args[1])

        return a(a, b), generate

    return function


add = intrinsic(_binary("fadd"))
subtract = intrinsic(_binary("fsub"))
multiply = intrinsic(_binary("fmul"))
divide = intrinsic(_binary("fdiv"))


@intrinsic
def larger(typing_context, a, b):
    """The larger of the two; ``b`` where one is not a number."""

    def generate(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, b), generate


@intrinsic
def relu(typing_context, x):
    """``x`` where positive, else 0; a NaN stays one, so that divergence is seen."""

    def generate(context, builder, sig, args):
        zero = ir.Constant(args[0].type, [0.0] * sig.args[0].lanes)
        return builder.select(builder.fcmp_ordered("<=", args[0], zero), zero, args[0])

    return x(x), generate


@intrinsic
def threshold(typing_context, x):
    """1 where positive, else 0; a NaN stays one."""

    def generate(context, builder, sig, args):
        lanes, kind = sig.args[0].lanes, args[0].type
        zero, one = ir.Constant(kind, [0.0] * lanes), ir.Constant(kind, [1.0] * lanes)
        number = builder.select(builder.fcmp_ordered(">", args[0], zero), one, zero)
        is_nan = builder.fcmp_unordered("uno", args[0], args[0])
        return builder.select(is_nan, args[0], number)

    return x(x), generate


@intrinsic
def gate(typing_context, x, y):
    """``x`` where ``y`` is positive, else 0."""

    def generate(context, builder, sig, args):
        zero = ir.Constant(args[0].type, [0.0] * sig.args[0].lanes)
        return builder.select(builder.fcmp_ordered(">", args[1], zero), args[0], zero)

    return x(x, y), generate


@intrinsic
def times_sigmoid_slope(typing_context, x, y):
    """``x * y * (1 - y)``."""

    def generate(context, builder, sig, args):
        one = ir.Constant(args[1].type, [1.0] * sig.args[0].lanes)
        slope = builder.fmul(args[1], builder.fsub(one, args[1]))
        return builder.fmul(args[0], slope)

    return x(x, y), generate


@intrinsic
def times_tanh_slope(typing_context, x, y):
    """``x * (1 - y * y)``."""

    def generate(context, builder, sig, args):
        one = ir.Constant(args[1].type, [1.0] * sig.args[0].lanes)
        return builder.fmul(args[0], builder.fsub(one, builder.fmul(args[1], args[1])))

    return x(x, y), generate


@intrinsic
def dot(typing_context, a, b, partial):
    """Dot product of two vectors, added to as many partial sums as `partial` has lanes."""

    def generate(context, builder, sig, args):
        a, b, sums = args
        for start in range(0, sig.args[0].lanes, sig.args[2].lanes):
            piece = range(start, start + sig.args[2].lanes)
            left, right = _pick(builder, a, a, piece), _pick(builder, b, b, piece)
            sums = _fused(builder, left, right, sums)
        return sums

    return partial(a, b, partial), generate


def _halved(builder, vector, lanes):
    """The upper half added to the lower, until so many lanes are left."""
    while vector.type.count > lanes:
        half = vector.type.count // 2
        low = _pick(builder, vector, vector, range(half))
        high = _pick(builder, vector, vector, range(half, 2 * half))
        vector = builder.fadd(low, high)
    return vector


@intrinsic
def total(typing_context, vector):
    """Sum of all lanes."""

    def generate(context, builder, sig, args):
        return builder.extract_element(_halved(builder, args[0], 1), _I32(0))

    return vector.element(vector), generate


@intrinsic
def fold8(typing_context, v0, v1, v2, v3, v4, v5, v6, v7):
    """Eight vectors of partial sums, to one vector of their eight sums.

    A transposition in three rounds: each round adds neighbours of two vectors at once.
    """

    def generate(context, builder, sig, args):
        def add_neighbours(a, b):
            even = _pick(builder, a, b, (0, 2, 8, 10, 4, 6, 12, 14))
            odd = _pick(builder, a, b, (1, 3, 9, 11, 5, 7, 13, 15))
            return builder.fadd(even, odd)

        rows = [_halved(builder, partial, 8) for partial in args]
        pairs = [add_neighbours(rows[k], rows[k + 1]) for k in (0, 2, 4, 6)]
        quads = [add_neighbours(pairs[0], pairs[1]), add_neighbours(pairs[2], pairs[3])]
        low = _pick(builder, *quads, (0, 1, 2, 3, 8, 9, 10, 11))
        high = _pick(builder, *quads, (4, 5, 6, 7, 12, 13, 14, 15))
        return builder.fadd(low, high)

    return Vector(v0.element, 8)(v0, v1, v2, v3, v4, v5, v6, v7), generate

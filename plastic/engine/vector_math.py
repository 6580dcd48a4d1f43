"""Exponential, sigmoid and tanh of whole vectors: what the activations are made of.

An exponential is reduced and put together again after Cody and Waite::

    x = n ln 2 + r,  |r| <= ln 2 / 2,        exp(x) = 2**n exp(r)

``ln 2`` is held in two pieces, so that with fused operations `r` is as good as exact;
``exp(r) = 1 + r + r**2 g(r)``, where `g` is a polynomial that meets ``(exp(r) - 1 - r) / r**2``
at the Chebyshev points of the interval (``tests/test_vector_math.py`` finds its coefficients
again).  `sigmoid` and `tanh` use it for ``-|x|``, where nothing overflows; tanh keeps ``exp(r)
- 1`` apart from 1, so that it is accurate near 0.

Every lane is computed alike, whatever the number of lanes; there is no table and no branch.
The largest errors seen are 1.1 units in the last place for `exp`, 2.2 for `sigmoid`, 2.6 for
`tanh`, in both precisions.

References
----------
Cody and Waite (1980), Software Manual for the Elementary Functions, chapter 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from llvmlite import ir
from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic

from plastic.engine.simd import add, divide, get, larger, load_like, store, subtract


@dataclass(frozen=True)
class Format:
    """A floating-point format, and how its exponential is computed.

    Parameters
    ----------
    suffix : str
        Its name in LLVM.
    bits, fraction, bias : int
        Width, stored bits of the fraction, and offset of the exponent.
    ln2 : tuple of two floats
        ln 2 rounded to the format, and what is missing.
    lowest, highest : float
        Below, `exp` is 0; above, infinite.
    saturated : float
        Twice a number whose tanh rounds to 1.
    polynomial : tuple of float
        Coefficients of `g`, the constant first.
    """

    suffix: str
    bits: int
    fraction: int
    bias: int
    ln2: tuple[float, float]
    lowest: float
    highest: float
    saturated: float
    polynomial: tuple[float, ...]


SINGLE = Format(
    suffix="f32",
    bits=32,
    fraction=23,
    bias=127,
    ln2=(0.693147182464599609375, -1.904654299957768e-09),
    lowest=-105.0,
    highest=89.0,
    saturated=40.0,
    polynomial=(
        0.5,
        0.1666657702559799,
        0.041666554662050534,
        0.008363173074513711,
        0.001392617611993558,
    ),
)
DOUBLE = Format(
    suffix="f64",
    bits=64,
    fraction=52,
    bias=1023,
    ln2=(0.6931471805599453, 2.3190468138462996e-17),
    lowest=-746.0,
    highest=710.0,
    saturated=80.0,
    polynomial=(
        0.5000000000000001,
        0.16666666666666669,
        0.041666666666624164,
        0.008333333333330065,
        0.0013888888917196719,
        0.00019841269863040545,
        2.4801521322368692e-05,
        2.7557268480310024e-06,
        2.7620075879983357e-07,
        2.510037583256123e-08,
    ),
)


class Lanes:
    """A vector while code for it is written: what Python does to it, LLVM will do.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    value : llvmlite.ir.Value
        Of a vector type of floats or doubles.
    """

    def __init__(self, builder, value):
        self.builder, self.value = builder, value
        single = isinstance(value.type.element, ir.FloatType)
        self.format = SINGLE if single else DOUBLE

    def constant(self, number):
        """The same number in as many lanes."""
        return Lanes(
            self.builder, ir.Constant(self.value.type, [number] * self.value.type.count)
        )

    def call(self, name, *others):
        """Call a vector intrinsic of LLVM."""
        values = [self.value, *(other.value for other in others)]
        kind = ir.FunctionType(self.value.type, [self.value.type] * len(values))
        name = f"llvm.{name}.v{self.value.type.count}{self.format.suffix}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return Lanes(self.builder, self.builder.call(function, values))

    def __add__(self, other):
        return Lanes(self.builder, self.builder.fadd(self.value, other.value))

    def __sub__(self, other):
        return Lanes(self.builder, self.builder.fsub(self.value, other.value))

    def __mul__(self, other):
        return Lanes(self.builder, self.builder.fmul(self.value, other.value))

    def __truediv__(self, other):
        return Lanes(self.builder, self.builder.fdiv(self.value, other.value))

    def __abs__(self):
        return self.call("fabs")

    def times_plus(self, factor, summand):
        """``self * factor + summand`` with one rounding."""
        return self.call("fma", factor, summand)

    def where(self, comparison, other, yes, no):
        """`yes` in the lanes that compare so, and are numbers; else `no`."""
        holds = self.builder.fcmp_ordered(comparison, self.value, other.value)
        return Lanes(self.builder, self.builder.select(holds, yes.value, no.value))


def _whole(x, factor):
    """The whole number nearest to ``x * factor``, as a float, and as one with `_power` of it.

    A large summand leaves no bits for a fraction, and the number itself in the lowest ones.
    """
    magic = x.constant(1.5 * 2.0**x.format.fraction)
    shifted = x.times_plus(x.constant(factor), magic)
    return shifted - magic, shifted


def _power(shifted):
    """``2**n`` of a whole number as `_whole` gives it, where that is a normal number.

    The lowest bits move into the exponent; those of the large summand are lost at the top.
    """
    form, builder, kind = shifted.format, shifted.builder, shifted.value.type
    integers = ir.VectorType(ir.IntType(form.bits), kind.count)
    bits = builder.bitcast(shifted.value, integers)
    moved = builder.add(bits, ir.Constant(integers, [form.bias] * kind.count))
    moved = builder.shl(moved, ir.Constant(integers, [form.fraction] * kind.count))
    return Lanes(builder, builder.bitcast(moved, kind))


def _reduced(x):
    """``n``, and ``exp(r) - 1`` of the rest."""
    high, low = x.format.ln2
    n, shifted = _whole(x, 1 / log(2))
    r = n.times_plus(x.constant(-low), n.times_plus(x.constant(-high), x))
    square = r * r
    terms, power = [x.constant(c) for c in x.format.polynomial], r
    while len(terms) > 1:  # by pairs: a few long chains would wait for themselves
        paired = [b.times_plus(power, a) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = paired + terms[len(terms) & ~1 :]
        power = power * power
    return n, shifted, square.times_plus(terms[0], r)


def _exp(x):
    form = x.format
    highest, lowest = x.constant(form.highest), x.constant(form.lowest)
    x = x.where(">", highest, highest, x)
    x = x.where("<", lowest, lowest, x)
    n, _, rest = _reduced(x)
    # in two factors, as 2**n alone may be too large, or too small, for a normal number
    half, shifted_half = _whole(n, 0.5)
    other = (n - half) + x.constant(1.5 * 2.0**form.fraction)
    return (rest + x.constant(1.0)) * _power(shifted_half) * _power(other)


def _sigmoid(x):
    zero, one = x.constant(0.0), x.constant(1.0)
    tail = _exp(zero - abs(x))
    return x.where(">=", zero, one, tail) / (one + tail)


def _tanh(x):
    one, most = x.constant(1.0), x.constant(x.format.saturated)
    double = abs(x) + abs(x)
    double = double.where(">", most, most, double)
    _, shifted, rest = _reduced(x.constant(0.0) - double)
    power = _power(shifted)
    less = rest.times_plus(power, power - one)  # exp(-2 |x|) - 1
    return ((x.constant(0.0) - less) / (less + x.constant(2.0))).call("copysign", x)


def _function(of):
    def function(typing_context, x):
        def generate(context, builder, sig, args):
            return of(Lanes(builder, args[0])).value

        return x(x), generate

    return function


# exp(vector) and so on: of every lane; a NaN stays one
exp = intrinsic(_function(_exp))
sigmoid = intrinsic(_function(_sigmoid))
tanh = intrinsic(_function(_tanh))
square_root = intrinsic(_function(lambda x: x.call("sqrt")))


@njit(cache=True, nogil=True, error_model="numpy")
def softmax(outputs, base, width, slots, n_slots, like):
    """Softmax over the output neurons, in place, in as many lanes as `like` has.

    The lanes of a neuron begin at ``base + slot * width``.
    """
    top = load_like(outputs, base + get(slots, 0) * width, like)
    for o in range(1, n_slots):
        top = larger(top, load_like(outputs, base + get(slots, o) * width, like))
    norm = like
    for o in range(n_slots):
        at = base + get(slots, o) * width
        value = exp(subtract(load_like(outputs, at, like), top))
        store(outputs, at, value)
        norm = add(norm, value)
    for o in range(n_slots):
        at = base + get(slots, o) * width
        store(outputs, at, divide(load_like(outputs, at, like), norm))

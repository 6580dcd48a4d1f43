"""Laws of the vector functions: near the true values at every number there is."""

from __future__ import annotations

from fractions import Fraction
from math import cos, factorial, log, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from plastic.engine import simd, vector_math
from plastic.engine.simd import LANES
from plastic.engine.vector_math import DOUBLE, SINGLE

DTYPES = ("float32", "float64")
FORMATS = {"float32": SINGLE, "float64": DOUBLE}
FUNCTIONS = ("exp", "sigmoid", "tanh")
WORST = {"exp": 1.2, "sigmoid": 2.5, "tanh": 3.0}
"""Units in the last place; on millions of numbers, 1.08, 2.13 and 2.55 were seen."""


@njit
def exponentials(x, y):
    for at in range(0, len(x), LANES):
        simd.store(y, at, vector_math.exp(simd.load(x, at)))


@njit
def sigmoids(x, y):
    for at in range(0, len(x), LANES):
        simd.store(y, at, vector_math.sigmoid(simd.load(x, at)))


@njit
def tangents(x, y):
    for at in range(0, len(x), LANES):
        simd.store(y, at, vector_math.tanh(simd.load(x, at)))


@njit
def narrow_exponentials(x, y):
    like = simd.splat8(x.dtype.type(0))
    for at in range(0, len(x), 8):
        simd.store(y, at, vector_math.exp(simd.load_like(x, at, like)))


@njit
def softmaxes(outputs, slots):
    like = simd.splat(outputs.dtype.type(0))
    vector_math.softmax(outputs, 0, LANES, slots, len(slots), like)


def computed(name, x):
    """The vector function of numbers, as many as there are."""
    kernel = {"exp": exponentials, "sigmoid": sigmoids, "tanh": tangents}[name]
    padded = np.resize(x, -(-len(x) // LANES) * LANES)
    y = np.empty_like(padded)
    kernel(padded, y)
    return y[: len(x)]


def true(name, x):
    """The same in a format with more bits."""
    x = x.astype(np.longdouble)
    with np.errstate(over="ignore", under="ignore"):
        if name == "exp":
            return np.exp(x)
        return np.tanh(x) if name == "tanh" else 1 / (1 + np.exp(-x))


def check_near(name, x):
    y, expected = computed(name, x), true(name, x)
    with np.errstate(over="ignore", under="ignore"):
        rounded = expected.astype(x.dtype)
    finite = np.isfinite(rounded)
    assert np.array_equal(y[~finite], rounded[~finite])
    unit = np.spacing(np.abs(rounded[finite])).astype(np.longdouble)
    error = np.abs(y[finite] - expected[finite]) / unit
    wrong = error > WORST[name]
    assert not wrong.any(), x[finite][wrong][:5]


def numbers(dtype):
    """Numbers of every exponent and both signs, and a dense grid where something happens."""
    limits = np.finfo(dtype)
    rng = np.random.default_rng(0)
    exponents = np.arange(limits.minexp - limits.nmant, limits.maxexp)
    fractions = rng.uniform(1, 2, (len(exponents), 40)).astype(dtype)
    every = np.ldexp(fractions, exponents[:, None]).ravel()
    edge = FORMATS[dtype].highest * 1.1
    grid = np.linspace(-edge, edge, 40_001, dtype=dtype)
    near = np.linspace(-3, 3, 40_001, dtype=dtype)
    return np.concatenate([every, -every, grid, near])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_near_the_true_value_at_every_exponent(name, dtype):
    check_near(name, numbers(dtype))


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=64))
def test_near_the_true_value_in_double_precision(name, x):
    check_near(name, np.array(x))


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=64))
def test_near_the_true_value_in_single_precision(name, x):
    check_near(name, np.array(x, np.float32))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite(dtype):
    x = np.array([np.nan, np.inf, -np.inf], dtype)
    assert np.array_equal(computed("exp", x), [np.nan, np.inf, 0], equal_nan=True)
    assert np.array_equal(computed("sigmoid", x), [np.nan, 1, 0], equal_nan=True)
    assert np.array_equal(computed("tanh", x), [np.nan, 1, -1], equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_is_met_exactly_and_tanh_is_odd(dtype):
    x = numbers(dtype)
    zeros = np.array([0.0, -0.0], dtype)
    assert computed("exp", zeros).tolist() == [1, 1]
    assert computed("sigmoid", zeros).tolist() == [0.5, 0.5]
    assert np.signbit(computed("tanh", zeros)).tolist() == [False, True]
    assert np.array_equal(computed("tanh", -x), -computed("tanh", x))
    assert (np.abs(computed("tanh", x)) <= 1).all()
    assert (computed("sigmoid", x) <= 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_number_of_lanes_changes_no_bit(dtype):
    x = numbers(dtype)
    x = x[: len(x) // LANES * LANES]
    narrow, whole = np.empty_like(x), np.empty_like(x)
    narrow_exponentials(x, narrow)
    exponentials(x, whole)
    assert narrow.tobytes() == whole.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_slots", [1, 2, 7])
def test_softmax_is_one_distribution_a_lane(n_slots, dtype):
    rng = np.random.default_rng(n_slots)
    outputs = (30 * rng.normal(size=(9, LANES))).astype(dtype)
    outputs[:, 0], outputs[:, 1] = 1e4, -1e4
    slots = rng.permutation(9)[:n_slots].astype(np.int32)
    others, entering = np.delete(outputs, slots, axis=0), outputs[slots]
    expected = np.exp((entering - entering.max(axis=0)).astype(np.longdouble))
    softmaxes(outputs.reshape(-1), slots)
    tolerance = 8 * float(np.finfo(dtype).eps)
    expected = (expected / expected.sum(axis=0)).astype(np.float64)
    np.testing.assert_allclose(outputs[slots], expected, rtol=tolerance, atol=1e-37)
    assert np.array_equal(np.delete(outputs, slots, axis=0), others)


def test_softmax_of_what_is_no_number_is_none():
    outputs = np.zeros((3, LANES))
    outputs[1, 4] = np.nan
    softmaxes(outputs.reshape(-1), np.arange(3, dtype=np.int32))
    assert np.isnan(outputs[:, 4]).all()
    assert np.isfinite(np.delete(outputs, 4, axis=1)).all()


def remainder(r):
    """``(exp(r) - 1 - r) / r**2`` as an exact fraction; what follows is below 1e-22."""
    return sum(r**k / Fraction(factorial(k + 2)) for k in range(18))


def interpolated(degree):
    """Coefficients of the polynomial that meets it at the Chebyshev points, in fractions."""
    places = [
        Fraction(log(2) / 2 * cos(pi * (k + 0.5) / (degree + 1))) for k in range(degree + 1)
    ]
    differences = [remainder(place) for place in places]  # divided, after Newton
    for order in range(1, degree + 1):
        for k in range(degree, order - 1, -1):
            step = differences[k] - differences[k - 1]
            differences[k] = step / (places[k] - places[k - order])
    coefficients = [Fraction(0)]
    for place, difference in zip(places[::-1], differences[::-1], strict=True):
        shifted = [Fraction(0), *coefficients]
        coefficients = [s - place * c for s, c in zip(shifted, [*coefficients, 0], strict=True)]
        coefficients[0] += difference
    return [float(c) for c in coefficients[: degree + 1]]


@pytest.mark.parametrize("form", [SINGLE, DOUBLE], ids=["single", "double"])
def test_the_coefficients_are_those_of_the_interpolation(form):
    degree = len(form.polynomial) - 1
    np.testing.assert_allclose(form.polynomial, interpolated(degree), rtol=1e-13)
    eps = 2.0**-form.fraction
    for r in np.linspace(-log(2) / 2, log(2) / 2, 101):
        exact = Fraction(float(r))
        found = sum(Fraction(c) * exact**k for k, c in enumerate(form.polynomial))
        assert abs(found - remainder(exact)) * exact**2 < eps / 8


@pytest.mark.parametrize("form", [SINGLE, DOUBLE], ids=["single", "double"])
def test_ln_2_is_held_in_two_pieces(form):
    ln2 = 2 * sum(
        Fraction(1, (2 * k + 1) * 3 ** (2 * k + 1)) for k in range(60)
    )  # 2 artanh 1/3
    high, low = form.ln2
    kind = np.float32 if form is SINGLE else np.float64
    assert high == kind(high)
    assert abs(Fraction(high) + Fraction(low) - ln2) < Fraction(2) ** (-2 * form.fraction)

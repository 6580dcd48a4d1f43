"""The lowest of many, and their order: what NumPy's sorts say of the floats themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plastic.engine.ranking import order_of, sort_keys, split_lowest

SPECIAL = [0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45]

scores = st.sampled_from(["float32", "float64"]).flatmap(
    lambda dtype: arrays(
        dtype,
        st.integers(1, 40),
        elements=st.sampled_from(SPECIAL) | st.floats(-9, 9, width=32),
    )
)


@given(scores, st.booleans())
def test_keys_sort_as_the_scores_do_and_equals_stay_in_their_order(scores, falling):
    order = order_of(sort_keys(scores, falling=falling))
    expected = np.argsort(-scores if falling else scores, kind="stable")
    assert order.tolist() == expected.tolist()


@given(scores, st.data())
def test_the_lowest_are_split_from_those_equal_to_the_last_of_them(scores, data):
    count = data.draw(st.integers(1, len(scores)))
    keys = sort_keys(scores)
    below, equal = split_lowest(keys, count)
    bound = np.sort(keys)[count - 1]
    assert below.tolist() == np.flatnonzero(keys < bound).tolist()
    assert equal.tolist() == np.flatnonzero(keys == bound).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_views_and_whole_numbers_are_ranked_too(dtype):
    scores = np.arange(20, dtype=dtype)[::-2]
    assert order_of(sort_keys(scores)).tolist() == list(range(9, -1, -1))
    assert order_of(sort_keys(np.array([3, 1, 2]))).tolist() == [1, 2, 0]

"""Norms, means and sums where the plain formula fails."""

import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import value_and_gradient

from losses import numerics

ROWS = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]])
MASK = np.array([[True, False, True], [False, False, False]])


def test_square_root_has_value_and_gradient_0_at_0():
    value, gradient = value_and_gradient(lambda _, x: ops.sum(numerics.safe_sqrt(x)), [], np.array([0.0, 4.0]))
    assert value == 2
    np.testing.assert_array_equal(gradient, [0, 0.25])


def test_normalizing_a_zero_row_gives_0_and_no_gradient():
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(to_numpy(numerics.l2_normalize(ops.convert_to_tensor(rows))), [[0, 0], [0.6, 0.8]])
    _, gradient = value_and_gradient(lambda _, x: ops.sum(numerics.l2_normalize(x)), [], rows)
    # d(x / |x|) sums to (b^2 - ab, a^2 - ab) / |x|^3.
    np.testing.assert_allclose(gradient, [[0, 0], [4 / 125, -3 / 125]], atol=1e-15)


def test_mean_over_an_empty_mask_is_0_with_no_gradient():
    values = np.array([np.inf, 1.0])
    value, gradient = value_and_gradient(lambda _, x: numerics.mean_over(x, ops.zeros(2, "bool")), [], values)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_the_length_of_a_zero_row_is_0_with_no_gradient():
    value, gradient = value_and_gradient(
        lambda _, x: ops.sum(numerics.lengths(x)), [], np.array([[0.0, 0.0], [3.0, 4.0]])
    )
    assert value == 5
    np.testing.assert_allclose(gradient, [[0, 0], [0.6, 0.8]])


def test_masked_extrema_see_only_the_mask_and_are_finite_without_it():
    assert to_numpy(numerics.masked_max(ROWS, MASK)).tolist() == [2, -numerics.BIG]
    assert to_numpy(numerics.masked_min(ROWS, MASK)).tolist() == [1, numerics.BIG]


@pytest.mark.parametrize("axis", [0, 1])
def test_log_sum_exp_sums_what_the_mask_holds_without_overflow(axis):
    rows = ROWS + 1000
    mask = np.array([[True, False, True], [True, False, False]])
    result = to_numpy(numerics.log_sum_exp(rows, mask, axis=axis))
    for index, total in enumerate(result):
        kept = np.take(rows, index, 1 - axis)[np.take(mask, index, 1 - axis)]
        expected = 1000 + np.log(np.exp(kept - 1000).sum()) if len(kept) else -numerics.BIG
        assert total == pytest.approx(expected)


def test_cross_entropy_of_extreme_logits_is_exact():
    logits, labels = ops.convert_to_tensor([[1000.0, 0.0], [1000.0, 0.0]]), ops.convert_to_tensor([1, 0])
    assert float(numerics.cross_entropy(logits, labels)) == 500

"""Pairwise distances and masks where they are delicate."""

import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy as to_numpy

from losses import pairwise


def test_distances_equal_a_loop():
    rows = np.random.default_rng(0).normal(size=(7, 3))
    expected = [[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in rows] for x in rows]
    np.testing.assert_allclose(to_numpy(pairwise.squared_distances(ops.convert_to_tensor(rows))), expected, atol=1e-12)


def test_a_small_distance_far_from_the_origin_is_not_cancelled():
    rows = np.full((2, 64), 1000.0, "float32")
    rows[1, 0] += 0.0625
    assert to_numpy(pairwise.squared_distances(ops.convert_to_tensor(rows)))[0, 1] == pytest.approx(0.0625**2, rel=1e-3)


def test_the_diagonal_is_exactly_0_and_nothing_is_negative():
    rows = np.random.default_rng(1).normal(size=(50, 8)).astype("float32")
    rows[25:] = rows[:25] + 1e-6
    distances = to_numpy(pairwise.squared_distances(ops.convert_to_tensor(rows)))
    np.testing.assert_array_equal(np.diag(distances), 0)
    assert distances.min() >= 0


def test_masks_hold_pairs_of_different_samples():
    positives, negatives = pairwise.pair_masks(ops.convert_to_tensor([3, 5, 3]))
    np.testing.assert_array_equal(to_numpy(positives), [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(to_numpy(negatives), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


def test_a_shuffled_batch_has_as_many_positive_pairs_as_the_losses_say():
    """`B (B - 1) / (2 C)` in the mean over many batches: 3.6 for 9 samples of 10 classes."""
    rng = np.random.default_rng(0)
    batches = [ops.convert_to_tensor(rng.integers(0, 10, 9)) for _ in range(400)]
    pairs = [to_numpy(pairwise.pair_masks(labels)[0]).sum() / 2 for labels in batches]
    assert np.mean(pairs) == pytest.approx(3.6, abs=3 * np.std(pairs) / 20)

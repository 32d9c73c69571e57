"""Center loss against the paper's equations, worked by hand."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import value_and_gradient

from losses import CenterLoss

EMBEDDINGS = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
LABELS = np.array([0, 0, 1])
CENTERS = np.array([[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]])


@pytest.fixture
def loss():
    loss = CenterLoss(num_classes=3, embedding_dim=2, center_rate=0.5, dtype="float64")
    loss.centers.assign(CENTERS)
    return loss


def test_value_is_half_the_mean_squared_distance(loss):
    assert float(loss(LABELS, EMBEDDINGS)) == pytest.approx(7 / 3)  # (1 + 9 + 4) / (2 * 3)


def test_gradient_is_the_offset_over_the_batch_size(loss):
    _, gradient = value_and_gradient(loss, LABELS, EMBEDDINGS)
    np.testing.assert_allclose(gradient, EMBEDDINGS / 3)


def test_each_center_takes_the_step_of_the_paper(loss):
    loss(LABELS, EMBEDDINGS, training=True)
    # 0.5 * (1 + 3) / (1 + 2);  0.5 * 2 / (1 + 1);  class 2 has no sample.
    np.testing.assert_allclose(to_numpy(loss.centers), [[2 / 3, 0], [0, 0.5], [5, 5]])


def test_the_value_in_training_is_taken_before_the_centers_move(loss):
    assert float(loss(LABELS, EMBEDDINGS, training=True)) == pytest.approx(7 / 3)


def test_evaluation_leaves_the_centers_alone(loss):
    loss(LABELS, EMBEDDINGS, training=False)
    np.testing.assert_array_equal(to_numpy(loss.centers), CENTERS)


def test_the_center_of_an_absent_class_stays_bit_identical():
    loss = CenterLoss(num_classes=3, embedding_dim=2)
    loss.centers.assign([[0.1, 0.2], [0.3, 0.7], [1e-20, 1 / 3]])
    before = to_numpy(loss.centers)
    loss(np.array([0, 0]), np.ones((2, 2), "float32"), training=True)
    np.testing.assert_array_equal(to_numpy(loss.centers)[1:], before[1:])


def test_centers_converge_to_the_class_means(loss):
    for _ in range(100):
        loss(LABELS, EMBEDDINGS, training=True)
    np.testing.assert_allclose(to_numpy(loss.centers), [[2, 0], [0, 2], [5, 5]], atol=1e-9)


def test_embeddings_at_their_centers_give_nothing_and_move_nothing(loss):
    value, gradient = value_and_gradient(loss, LABELS, CENTERS[LABELS])
    loss(LABELS, CENTERS[LABELS], training=True)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
    np.testing.assert_array_equal(to_numpy(loss.centers), CENTERS)


def test_moving_everything_by_one_offset_changes_nothing(loss):
    shift = np.array([3.0, -4.0])
    value = float(loss(LABELS, EMBEDDINGS))
    loss.centers.assign(CENTERS + shift)
    assert float(loss(LABELS, EMBEDDINGS + shift)) == pytest.approx(value)


def test_small_distances_far_from_the_origin_are_exact():
    loss = CenterLoss(num_classes=2, embedding_dim=64)
    loss.centers.assign(np.full((2, 64), 1000.0))
    embedding = np.full((1, 64), 1000.0, "float32")
    embedding[0, 0] += 0.0625
    assert float(loss(np.array([0]), embedding)) == pytest.approx(0.0625**2 / 2)


@pytest.mark.parametrize("center_rate", [-0.1, 1.5, float("nan")])
def test_rejects_a_rate_outside_the_unit_interval(center_rate):
    with pytest.raises(ValueError, match=str(center_rate)):
        CenterLoss(num_classes=3, embedding_dim=1, center_rate=center_rate)

"""Contrastive-center loss against values worked by hand and loops over all centers."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import value_and_gradient, weight_gradient

from losses import ContrastiveCenterLoss

CENTERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])


def make(delta=1.0, centers=CENTERS, dtype="float64"):
    loss = ContrastiveCenterLoss(*centers.shape, delta=delta, dtype=dtype)
    loss.centers.assign(centers)
    return loss


@pytest.mark.parametrize(
    ("embedding", "label", "delta", "expected"),
    [
        ((1, 0), 0, 1.0, 0.025),  # 1 / (2 * (9 + 10 + 1))
        ((1, 0), 0, 6.0, 0.02),
        ((1, 0), 1, 1.0, 9 / 24),
        ((4, 0), 0, 1.0, 16 / 52),  # On another center.
        ((4, 0), 1, 1.0, 0.0),
    ],
)
def test_value_worked_by_hand(embedding, label, delta, expected):
    assert float(make(delta)(np.array([label]), np.array([embedding], float))) == pytest.approx(expected, abs=1e-15)


def test_gradients_worked_by_hand():
    loss, embedding = make(), np.array([[1.0, 0.0]])
    _, gradient = value_and_gradient(loss, [0], embedding)
    # (x - c_y) / 20 - 1 * ((-3, 0) + (1, -3)) / 20^2
    np.testing.assert_allclose(gradient, [[0.055, 0.0075]])
    moves = weight_gradient(loss, loss.centers, [0], embedding)
    np.testing.assert_allclose(moves, [[-0.05, 0], [-0.0075, 0], [0.0025, -0.0075]], atol=1e-15)


def test_value_of_a_batch_is_the_mean_of_ratios():
    """A well-known port divides the sum of the own distances by the sum of the others: 5 / 36 / 2 here."""
    value = float(make()(np.array([0, 0]), np.array([[1.0, 0.0], [2.0, 0.0]])))
    assert value == pytest.approx((1 / 40 + 4 / 36) / 2)


def reference(embeddings, labels, centers, delta):
    """Value and its gradients, by loops over samples and centers from the formula."""
    total, slopes, moves = 0.0, np.zeros_like(embeddings), np.zeros_like(centers)
    for i, (x, y) in enumerate(zip(embeddings, labels, strict=True)):
        apart = [sum((a - b) ** 2 for a, b in zip(x, c, strict=True)) for c in centers]
        others = [j for j in range(len(centers)) if j != y]
        below = delta + sum(apart[j] for j in others)
        total += apart[y] / below / 2
        slopes[i] += (x - centers[y]) / below
        moves[y] -= (x - centers[y]) / below
        for j in others:
            slopes[i] -= apart[y] * (x - centers[j]) / below**2
            moves[j] += apart[y] * (x - centers[j]) / below**2
    return total / len(labels), slopes / len(labels), moves / len(labels)


@pytest.mark.parametrize("delta", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("num_classes", [2, 5])
def test_value_and_gradients_equal_loops(num_classes, delta):
    rng = np.random.default_rng(2)
    for _ in range(3):
        loss = make(delta, rng.normal(size=(num_classes, 4)))
        embeddings, labels = rng.normal(size=(11, 4)), rng.integers(0, num_classes, 11)
        expected = reference(embeddings, labels, to_numpy(loss.centers), delta)
        value, gradient = value_and_gradient(loss, labels, embeddings)
        assert value == pytest.approx(expected[0], rel=1e-10)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-14)
        moves = weight_gradient(loss, loss.centers, labels, embeddings)
        np.testing.assert_allclose(moves, expected[2], rtol=1e-9, atol=1e-14)


def test_embeddings_at_their_centers_give_nothing():
    loss = make()
    value, gradient = value_and_gradient(loss, [0, 1, 2], CENTERS)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
    np.testing.assert_array_equal(weight_gradient(loss, loss.centers, [0, 1, 2], CENTERS), 0)


def test_when_everything_is_one_point_delta_keeps_the_ratio_defined():
    loss = make(centers=np.ones((3, 2)))
    value, gradient = value_and_gradient(loss, [0, 1, 2], np.ones((3, 2)))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_moving_everything_by_one_offset_changes_nothing():
    loss, shift = make(), np.array([1e3, -1e3])
    embeddings, labels = np.array([[1.0, 0.5], [2.0, 0.0]]), np.array([0, 2])
    value = float(loss(labels, embeddings))
    loss.centers.assign(CENTERS + shift)
    assert float(loss(labels, embeddings + shift)) == pytest.approx(value)


def test_small_distances_far_from_the_origin_are_not_cancelled():
    centers = np.full((3, 64), 1000.0)
    centers[1, 0] += 0.25
    centers[2, 1] -= 0.25
    embeddings = centers[[0, 1]] + 0.0625 * np.eye(2, 64)
    expected, _, _ = reference(embeddings, [0, 1], centers, 0.1)
    loss = make(0.1, centers, "float32")
    assert float(loss(np.array([0, 1]), embeddings.astype("float32"))) == pytest.approx(expected, rel=1e-3)


def test_the_optimizer_trains_the_centers_and_a_call_does_not_move_them():
    loss = make()
    (weight,) = loss.trainable_weights
    assert weight is loss.centers
    assert not loss.non_trainable_weights
    loss(np.array([0]), np.array([[1.0, 0.0]]), training=True)
    np.testing.assert_array_equal(to_numpy(loss.centers), CENTERS)


def test_centers_start_apart():
    centers = to_numpy(ContrastiveCenterLoss(10, 64).centers)
    distances = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    assert distances[~np.eye(10, dtype=bool)].min() > 0


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan"), float("inf")])
def test_rejects_a_delta_out_of_range(delta):
    with pytest.raises(ValueError, match=f"delta.*{delta}"):
        ContrastiveCenterLoss(3, 2, delta=delta)


def test_rejects_a_single_class():
    with pytest.raises(ValueError, match=r"num_classes.*at least 2.*1"):
        ContrastiveCenterLoss(1, 2)

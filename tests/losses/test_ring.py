"""Ring loss against values worked by hand and a loop over samples."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import value_and_gradient, weight_gradient

from losses import RingLoss

EMBEDDINGS = np.array([[3.0, 4.0], [0.0, 1.0]])
LABELS = np.array([0, 1])


def test_value_is_half_the_mean_squared_distance_to_the_ring():
    assert float(RingLoss(dtype="float64")(LABELS, EMBEDDINGS)) == pytest.approx(4.0)  # ((5 - 1)^2 + 0) / (2 * 2)


def test_gradient_is_radial():
    value, gradient = value_and_gradient(RingLoss(dtype="float64"), LABELS, EMBEDDINGS)
    assert value == pytest.approx(4.0)
    np.testing.assert_allclose(gradient, [[1.2, 1.6], [0, 0]], atol=1e-15)


def test_gradient_of_the_radius_is_its_distance_to_the_mean_length():
    loss = RingLoss(dtype="float64")
    assert weight_gradient(loss, loss.radius, LABELS, EMBEDDINGS) == pytest.approx(-2.0)  # 1 - (5 + 1) / 2


@pytest.mark.parametrize("radius", [0.3, 1.0, 8.0])
def test_value_and_gradient_equal_loops(radius):
    rng = np.random.default_rng(1)
    loss = RingLoss(dtype="float64")
    loss.radius.assign(radius)
    for _ in range(3):
        embeddings = rng.normal(size=(9, 4))
        lengths = [math.sqrt(sum(v * v for v in x)) for x in embeddings]
        expected = sum((length - radius) ** 2 for length in lengths) / (2 * 9)
        slopes = [
            [(length - radius) / 9 * v / length for v in x] for x, length in zip(embeddings, lengths, strict=True)
        ]
        value, gradient = value_and_gradient(loss, rng.integers(0, 4, 9), embeddings)
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-10)
        slope = weight_gradient(loss, loss.radius, np.zeros(9), embeddings)
        assert slope == pytest.approx(radius - sum(lengths) / 9)


def test_a_zero_embedding_is_the_radius_away_and_has_no_gradient():
    value, gradient = value_and_gradient(RingLoss(dtype="float64"), [0], np.zeros((1, 2)))
    assert value == pytest.approx(0.5)
    np.testing.assert_array_equal(gradient, 0)


def test_on_the_ring_there_is_nothing_to_do():
    loss = RingLoss(5.0, dtype="float64")
    embeddings = np.array([[3.0, 4.0], [-5.0, 0.0]])
    value, gradient = value_and_gradient(loss, LABELS, embeddings)
    assert value == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)
    assert weight_gradient(loss, loss.radius, LABELS, embeddings) == pytest.approx(0, abs=1e-15)


def test_long_embeddings_do_not_overflow():
    embeddings = np.full((1, 4), 1e15, "float32")  # Length 2e15.
    assert float(RingLoss()(np.array([0]), embeddings)) == pytest.approx(2e30, rel=1e-5)


def test_the_radius_is_the_only_weight_and_is_not_the_optimizers():
    loss = RingLoss(2.5)
    (weight,) = loss.non_trainable_weights
    assert weight is loss.radius
    assert tuple(weight.shape) == ()
    assert not loss.trainable_weights
    assert float(to_numpy(loss.radius)) == 2.5


def test_in_training_the_radius_follows_its_gradient_after_the_loss_is_taken():
    loss = RingLoss(radius_rate=0.25, dtype="float64")
    assert float(loss(LABELS, EMBEDDINGS, training=True)) == pytest.approx(4.0)
    assert float(to_numpy(loss.radius)) == pytest.approx(1 + 0.25 * 2)


def test_evaluation_leaves_the_radius_alone():
    loss = RingLoss()
    loss(LABELS, EMBEDDINGS.astype("float32"))
    assert float(to_numpy(loss.radius)) == 1


def test_training_finds_the_mean_length_however_far_it_is():
    loss = RingLoss(dtype="float64")
    for _ in range(200):
        loss(LABELS, 1000 * EMBEDDINGS, training=True)
    assert float(to_numpy(loss.radius)) == pytest.approx(3000.0)


def test_the_radius_never_gets_negative():
    loss = RingLoss(radius_rate=1.0)
    for _ in range(3):
        loss(LABELS, np.zeros((2, 2), "float32"), training=True)
    assert float(to_numpy(loss.radius)) == 0


def test_labels_do_not_matter():
    loss = RingLoss(dtype="float64")
    assert float(loss(np.array([0, 0]), EMBEDDINGS)) == float(loss(LABELS, EMBEDDINGS))


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf")])
def test_rejects_a_radius_out_of_range(radius):
    with pytest.raises(ValueError, match=f"radius.*{radius}"):
        RingLoss(radius)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_rejects_a_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=f"radius_rate.*{rate}"):
        RingLoss(radius_rate=rate)

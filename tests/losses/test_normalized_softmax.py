"""Normalized softmax against values worked by hand and a loop."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import (
    CLASSES,
    DIM,
    EMBEDDING,
    WEIGHTS,
    cosine,
    cosine_softmax_gradients,
    cross_entropy,
    random_batches,
    with_weights,
)
from support.gradients import value_and_gradient, weight_gradient

from losses import NormalizedSoftmax


@pytest.fixture
def loss():
    return with_weights(NormalizedSoftmax(3, 2, scale=10.0, dtype="float64"), WEIGHTS)


def logits(x, weights, scale):
    return [scale * cosine(x, w) for w in weights]


@pytest.mark.parametrize("size", [1, 7, 1e-3])
def test_value_worked_by_hand_at_any_length_of_the_embedding(loss, size):
    assert float(loss(np.array([0]), size * EMBEDDING)) == pytest.approx(2.1269287435, abs=1e-9)


def test_length_of_the_class_weights_does_not_matter(loss):
    with_weights(loss, WEIGHTS * [[2], [30], [0.1]])
    assert float(loss(np.array([0]), EMBEDDING)) == pytest.approx(2.1269287435, abs=1e-9)


@pytest.mark.parametrize(("scale", "expected"), [(1, 1.3769349), (10, 1.345e-4)])
def test_the_least_value_of_ten_classes_is_that_of_a_regular_simplex(scale, expected):
    simplex = np.eye(10) - 0.1
    loss = with_weights(NormalizedSoftmax(10, 10, scale, dtype="float64"), simplex)
    value, gradient = value_and_gradient(loss, np.arange(10), simplex)
    assert value == pytest.approx(math.log(1 + 9 * math.exp(-scale * 10 / 9)), rel=1e-9)
    assert value == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


@pytest.mark.parametrize("arguments", [{}, {"scale": 1.0}, {"scale": 64.0}])
def test_value_and_gradients_equal_a_loop(arguments):
    scale = arguments.get("scale", 5.0)
    for labels, embeddings, weights in random_batches():
        loss = with_weights(NormalizedSoftmax(CLASSES, DIM, **arguments, dtype="float64"), weights)
        rows = [logits(x, weights, scale) for x in embeddings]
        value, gradient = value_and_gradient(loss, labels, embeddings)
        assert value == pytest.approx(cross_entropy(rows, labels), rel=1e-9)
        for_embeddings, for_weights = cosine_softmax_gradients(rows, labels, embeddings, weights, scale)
        np.testing.assert_allclose(gradient, for_embeddings, atol=1e-9)
        np.testing.assert_allclose(
            weight_gradient(loss, loss.class_weights, labels, embeddings), for_weights, atol=1e-9
        )


def test_a_zero_embedding_gives_equal_logits_and_no_gradient(loss):
    value, gradient = value_and_gradient(loss, [0], np.zeros((1, 2)))
    assert value == pytest.approx(math.log(3))
    np.testing.assert_array_equal(gradient, 0)


def test_a_zero_class_weight_has_cosine_0_and_no_gradient(loss):
    with_weights(loss, [[0, 0], [0, 1], [-1, 0]])
    np.testing.assert_allclose(to_numpy(loss.logits(EMBEDDING)), [[0, 8, -6]])
    gradient = weight_gradient(loss, loss.class_weights, [0], EMBEDDING)
    np.testing.assert_array_equal(gradient[0], 0)
    assert np.isfinite(gradient).all()


def test_logits_need_no_labels_and_are_scaled_cosines(loss):
    np.testing.assert_allclose(to_numpy(loss.logits(EMBEDDING)), [[6, 8, -6]])


@pytest.mark.parametrize(
    ("name", "value"), [("num_classes", 1), ("scale", 0.0), ("scale", -1.0), ("scale", math.nan), ("scale", math.inf)]
)
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        NormalizedSoftmax(**{"num_classes": 3, "embedding_dim": 2, name: value})

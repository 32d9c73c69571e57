"""L2-constrained softmax against values worked by hand and a loop."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import CLASSES, DIM, cross_entropy, length, random_batches, with_weights
from support.gradients import value_and_gradient, weight_gradient

from losses import L2Softmax

EMBEDDING = np.array([[3.0, 4.0]])


@pytest.fixture
def loss():
    return with_weights(L2Softmax(2, 2, scale=10.0, dtype="float64"), np.eye(2))


@pytest.mark.parametrize("size", [1, 7, 1e-3])
def test_value_worked_by_hand_at_any_length_of_the_embedding(loss, size):
    assert float(loss(np.array([0]), size * EMBEDDING)) == pytest.approx(2.1269280110, abs=1e-9)


def test_length_of_the_class_weights_and_the_bias_count(loss):
    with_weights(loss, 2 * np.eye(2))
    loss.bias.assign(np.array([1.0, -2.0]))
    np.testing.assert_allclose(to_numpy(loss.logits(EMBEDDING)), [[13, 14]])
    assert float(loss(np.array([0]), EMBEDDING)) == pytest.approx(math.log(1 + math.e))


@pytest.mark.parametrize("arguments", [{}, {"scale": 1.0}, {"scale": 30.0}])
def test_value_and_gradients_equal_a_loop(arguments):
    scale = arguments.get("scale", 16.0)
    for labels, embeddings, weights in random_batches():
        loss = with_weights(L2Softmax(CLASSES, DIM, **arguments, dtype="float64"), weights)
        bias = 3 * weights[:, 0]
        loss.bias.assign(bias)
        rows, for_embeddings, for_bias = [], np.zeros_like(embeddings), np.zeros(CLASSES)
        for i, (x, label) in enumerate(zip(embeddings, labels, strict=True)):
            direction = x / length(x)
            row = [scale * sum(direction * w) + b for w, b in zip(weights, bias, strict=True)]
            rows.append(row)
            for j, w in enumerate(weights):
                slope = (math.exp(row[j] - math.log(sum(map(math.exp, row)))) - (j == label)) / len(labels)
                for_embeddings[i] += slope * scale * (w - sum(direction * w) * direction) / length(x)
                for_bias[j] += slope
        value, gradient = value_and_gradient(loss, labels, embeddings)
        assert value == pytest.approx(cross_entropy(rows, labels), rel=1e-9)
        np.testing.assert_allclose(gradient, for_embeddings, atol=1e-9)
        np.testing.assert_allclose(weight_gradient(loss, loss.bias, labels, embeddings), for_bias, atol=1e-9)


def test_weights_and_bias_start_as_those_of_a_softmax_and_are_trained(loss):
    fresh = L2Softmax(3, 2)
    np.testing.assert_array_equal(to_numpy(fresh.bias), 0)
    assert {variable.path for variable in loss.trainable_variables} == {loss.class_weights.path, loss.bias.path}
    probability = 1 / (1 + math.exp(-2))
    gradient = weight_gradient(loss, loss.class_weights, [0], EMBEDDING)
    np.testing.assert_allclose(gradient, 10 * probability * np.array([[-0.6, -0.8], [0.6, 0.8]]))


def test_a_zero_embedding_gives_the_bias_and_no_gradient(loss):
    loss.bias.assign(np.array([1.0, -2.0]))
    np.testing.assert_array_equal(to_numpy(loss.logits(np.zeros((1, 2)))), [[1, -2]])
    value, gradient = value_and_gradient(loss, [0], np.zeros((1, 2)))
    assert value == pytest.approx(math.log(1 + math.exp(-3)))
    np.testing.assert_array_equal(gradient, 0)


def test_logits_need_no_labels(loss):
    np.testing.assert_allclose(to_numpy(loss.logits(EMBEDDING)), [[6, 8]])


@pytest.mark.parametrize(
    ("name", "value"), [("num_classes", 1), ("scale", 0.0), ("scale", -1.0), ("scale", math.nan), ("scale", math.inf)]
)
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        L2Softmax(**{"num_classes": 3, "embedding_dim": 2, name: value})

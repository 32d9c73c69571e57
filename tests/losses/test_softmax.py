"""Softmax cross-entropy against values worked by hand and a loop."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.gradients import value_and_gradient, weight_gradient

from losses import Softmax


def softmax_giving(logits_of_units):
    """A loss whose logits of the first unit vector are given: its first weight column."""
    loss = Softmax(num_classes=len(logits_of_units), embedding_dim=2, dtype="float64")
    weights = np.zeros((len(logits_of_units), 2))
    weights[:, 0] = logits_of_units
    loss.class_weights.assign(weights)
    return loss


UNIT = np.array([[1.0, 0.0]])


@pytest.mark.parametrize(
    ("logits", "label", "expected"),
    [((2, 1, 0), 0, 0.4076059644), ((0,) * 10, 3, math.log(10)), ((1000, 0), 1, 1000), ((1000, 0), 0, 0)],
)
def test_value_worked_by_hand(logits, label, expected):
    assert float(softmax_giving(logits)(np.array([label]), UNIT)) == pytest.approx(expected, abs=1e-9)


def test_gradient_of_the_bias_is_probability_minus_one_hot():
    loss = softmax_giving((2, 1, 0))
    gradient = weight_gradient(loss, loss.bias, [0], UNIT)
    np.testing.assert_allclose(gradient, [-0.3347590, 0.2447285, 0.0900306], atol=1e-7)


def test_the_worst_sample_keeps_its_full_gradient():
    loss = softmax_giving((1000, 0))
    np.testing.assert_allclose(weight_gradient(loss, loss.bias, [1], UNIT), [1, -1])
    _, gradient = value_and_gradient(loss, [1], UNIT)
    np.testing.assert_allclose(gradient, [[1000, 0]])


def test_value_equals_a_loop_over_samples_and_classes():
    rng = np.random.default_rng(1)
    loss = Softmax(num_classes=4, embedding_dim=3, dtype="float64")
    loss.bias.assign(rng.normal(size=4))
    weights, bias = to_numpy(loss.class_weights), to_numpy(loss.bias)
    embeddings, labels = rng.normal(size=(6, 3)), rng.integers(0, 4, 6)
    total = 0
    for x, label in zip(embeddings, labels, strict=True):
        scores = [
            math.exp(sum(w * v for w, v in zip(row, x, strict=True)) + b) for row, b in zip(weights, bias, strict=True)
        ]
        total -= math.log(scores[label] / sum(scores))
    assert float(loss(labels, embeddings)) == pytest.approx(total / 6, rel=1e-9)


def test_logits_need_no_labels_and_classify():
    logits = softmax_giving((0, 3, 1)).logits(UNIT)
    np.testing.assert_allclose(to_numpy(logits), [[0, 3, 1]])


def test_rejects_a_single_class():
    with pytest.raises(ValueError, match=r"num_classes.*at least 2.*1"):
        Softmax(num_classes=1, embedding_dim=2)

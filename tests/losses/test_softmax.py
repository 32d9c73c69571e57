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


@pytest.mark.parametrize(
    ("smoothing", "expected"),
    [
        # Each class costs what is between it and the logarithm 2.4076060 of the sum: 0.4076060, 1.4076060, 2.4076060.
        (0.3, 0.8 * 0.4076059644 + 0.1 * (1.4076059644 + 2.4076059644)),
        (1.0, (0.4076059644 + 1.4076059644 + 2.4076059644) / 3),
    ],
)
def test_a_smoothed_target_is_in_part_of_all_classes(smoothing, expected):
    loss = softmax_giving((2, 1, 0))
    loss.label_smoothing = smoothing
    assert float(loss(np.array([0]), UNIT)) == pytest.approx(expected)


def test_at_the_targets_themselves_smoothing_leaves_their_entropy_and_no_gradient():
    target = np.array([0.925, 0.025, 0.025, 0.025])  # 0.1 of the target of the first of four classes, in equal parts.
    loss = softmax_giving(np.log(target))
    loss.label_smoothing = 0.1
    assert float(loss(np.array([0]), UNIT)) == pytest.approx(-float(target @ np.log(target)))
    np.testing.assert_allclose(weight_gradient(loss, loss.bias, [0], UNIT), 0, atol=1e-12)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, math.nan])
def test_rejects_a_smoothing_out_of_range(smoothing):
    with pytest.raises(ValueError, match=rf"`label_smoothing` must be .* in \[0, 1\].*{smoothing}"):
        Softmax(2, 2, label_smoothing=smoothing)


def test_logits_need_no_labels_and_classify():
    logits = softmax_giving((0, 3, 1)).logits(UNIT)
    np.testing.assert_allclose(to_numpy(logits), [[0, 3, 1]])


def test_rejects_a_single_class():
    with pytest.raises(ValueError, match=r"num_classes.*at least 2.*1"):
        Softmax(num_classes=1, embedding_dim=2)

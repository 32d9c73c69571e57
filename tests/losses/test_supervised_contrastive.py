"""Supervised contrastive loss against values worked by hand and a loop over anchors and positives."""

import math

import numpy as np
import pytest
from support.gradients import value_and_gradient

from losses import SupervisedContrastiveLoss

CORNERS = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
LABELS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, math.log(1 + 2 / math.e)), (0.5, 0.2395447662)])
def test_value_worked_by_hand(temperature, expected):
    """Without the factor temperature / base temperature of the authors' code."""
    loss = SupervisedContrastiveLoss(temperature, dtype="float64")
    assert float(loss(LABELS, CORNERS)) == pytest.approx(expected, abs=1e-9)


def test_an_anchor_without_a_positive_is_left_out_of_the_mean():
    """The authors' code counts it as 0, which gives 0.2088411250, and once gave NaN."""
    loss = SupervisedContrastiveLoss(1.0, dtype="float64")
    assert float(loss(LABELS[:3], CORNERS[:3])) == pytest.approx(0.3132616875, abs=1e-9)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_a_batch_without_positives_gives_0_and_no_gradient(labels):
    value, gradient = value_and_gradient(SupervisedContrastiveLoss(), labels, np.eye(4, 3, dtype="float32"))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_positives_repel_each_other_too_so_one_class_is_not_0():
    loss = SupervisedContrastiveLoss(1.0, dtype="float64")
    assert float(loss(np.zeros(3), CORNERS[[0, 0, 0]])) == pytest.approx(math.log(2))
    # At anchors 0 and 1: (log(1 + 1 / e) + log(1 + e)) / 2; at anchor 2 its two positives are alike.
    expected = (2 * (math.log(1 + 1 / math.e) + math.log(1 + math.e)) / 2 + math.log(2)) / 3
    assert float(loss(np.zeros(3), CORNERS[:3])) == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equal_embeddings_give_the_log_of_the_number_of_others(temperature):
    loss = SupervisedContrastiveLoss(temperature)
    assert float(loss(LABELS, np.ones((4, 2), "float32"))) == pytest.approx(math.log(3), rel=1e-6)


def test_a_low_temperature_does_not_overflow():
    embeddings = np.array([[1, 0], [-1, 0], [1, 0]], "float32")
    value, gradient = value_and_gradient(SupervisedContrastiveLoss(0.01), [0, 0, 1], embeddings)
    assert value == pytest.approx((200 + math.log(2)) / 2, rel=1e-6)
    assert np.isfinite(gradient).all()


def test_length_of_embeddings_does_not_matter():
    lengths = np.array([[0.1], [3.0], [20.0], [1.0]])
    loss = SupervisedContrastiveLoss(dtype="float64")
    embeddings = np.random.default_rng(3).normal(size=(4, 3))
    assert float(loss(LABELS, lengths * embeddings)) == pytest.approx(float(loss(LABELS, embeddings)))


def reference(embeddings, labels, temperature):
    """The value by a loop over anchors and their positives, from the definition."""
    embeddings = [x / math.sqrt(sum(x * x)) for x in embeddings]
    terms = []
    for i in range(len(labels)):
        others = [a for a in range(len(labels)) if a != i]
        similarity = {a: math.exp(sum(embeddings[i] * embeddings[a]) / temperature) for a in others}
        positives = [p for p in others if labels[p] == labels[i]]
        if positives:
            terms.append(-sum(math.log(similarity[p] / sum(similarity.values())) for p in positives) / len(positives))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0])
def test_value_equals_a_loop_over_anchors(temperature):
    rng = np.random.default_rng(4)
    loss = SupervisedContrastiveLoss(temperature, dtype="float64")
    for _ in range(5):
        embeddings, labels = rng.normal(size=(13, 3)), rng.integers(0, 5, 13)
        assert float(loss(labels, embeddings)) == pytest.approx(reference(embeddings, labels, temperature), rel=1e-9)


@pytest.mark.parametrize("temperature", [0, -0.1, float("nan"), float("inf")])
def test_rejects_a_temperature_out_of_range(temperature):
    with pytest.raises(ValueError, match=f"temperature.*{temperature}"):
        SupervisedContrastiveLoss(temperature=temperature)

"""Contrastive loss against values worked by hand and a loop over all pairs."""

import math

import numpy as np
import pytest
from support.gradients import value_and_gradient

from losses import ContrastiveLoss

LINE = np.array([[0.0], [1.0], [1.5]])
LABELS = np.array([0, 0, 1])


def on_the_line(margin=1.0, balanced=False):
    return ContrastiveLoss(margin, normalize=False, balanced=balanced, dtype="float64")


@pytest.mark.parametrize(
    ("balanced", "margin", "expected"),
    [
        (False, 1.0, 0.625 / 3),  # pairs 0.5, 0, 0.125
        (True, 1.0, 0.5625),  # the positive pair 0.5, the negative pairs 0.125 / 2
        (False, 0.0, 0.5 / 3),
        (False, 2.0, (0.5 + 0.125 + 1.125) / 3),
        (True, 2.0, 0.5 + 1.25 / 2),
    ],
)
def test_value_worked_by_hand(balanced, margin, expected):
    assert float(on_the_line(margin, balanced)(LABELS, LINE)) == pytest.approx(expected, rel=1e-12)


def test_a_positive_pair_is_pulled_together_by_its_distance():
    _, gradient = value_and_gradient(on_the_line(), [0, 0], np.array([[0.0], [3.0]]))
    np.testing.assert_allclose(gradient, [[-3], [3]])


def test_a_negative_pair_is_pushed_apart_by_what_it_lacks_to_the_margin():
    _, gradient = value_and_gradient(on_the_line(), [0, 1], np.array([[0.0], [0.75]]))
    np.testing.assert_allclose(gradient, [[0.25], [-0.25]])


def test_a_negative_pair_beyond_the_margin_has_no_gradient():
    value, gradient = value_and_gradient(on_the_line(), [0, 1], np.array([[0.0], [1.5]]))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("labels", "expected"), [([0, 1], 0.5), ([0, 0], 0.0)])
def test_coincident_embeddings_have_no_gradient(labels, expected, normalize):
    loss = ContrastiveLoss(normalize=normalize)
    value, gradient = value_and_gradient(loss, labels, np.array([[0.6, 0.8]] * 2, "float32"))
    assert value == pytest.approx(expected)
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("balanced", [True, False])
def test_a_single_sample_gives_0_and_no_gradient(balanced):
    value, gradient = value_and_gradient(ContrastiveLoss(balanced=balanced), [1], np.ones((1, 2), "float32"))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize(("labels", "expected"), [([2, 2], 0.5 * 0.36), ([0, 1], 0.5 * 0.16)])
def test_pairs_of_one_kind_alone_are_enough(labels, expected, balanced):
    loss = on_the_line(balanced=balanced)
    assert float(loss(np.array(labels), np.array([[0.0], [0.6]]))) == pytest.approx(expected)


def test_normalized_loss_does_not_see_the_length_of_embeddings():
    embeddings = np.array([[3.0, 0.0], [0.0, 0.5]])
    loss = ContrastiveLoss(margin=2.0, dtype="float64")
    assert float(loss(np.array([0, 1]), embeddings)) == pytest.approx(0.5 * (2 - math.sqrt(2)) ** 2)
    assert float(loss(np.array([0, 0]), embeddings)) == pytest.approx(1.0)


def reference(embeddings, labels, margin, normalize, balanced):
    """The value by a loop over the unordered pairs, from the definition."""
    if normalize:
        embeddings = [x / math.sqrt(sum(x * x)) for x in embeddings]
    positives, negatives = [], []
    for i in range(len(labels)):
        for j in range(i):
            distance = math.sqrt(sum((a - b) ** 2 for a, b in zip(embeddings[i], embeddings[j], strict=True)))
            if labels[i] == labels[j]:
                positives.append(distance**2 / 2)
            else:
                negatives.append(max(0.0, margin - distance) ** 2 / 2)
    if balanced:
        return sum(positives) / len(positives) + sum(negatives) / len(negatives)
    return sum(positives + negatives) / len(positives + negatives)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("margin", [0.5, 1.5])
def test_value_equals_a_loop_over_pairs(margin, normalize, balanced):
    rng = np.random.default_rng(1)
    loss = ContrastiveLoss(margin, normalize, balanced, dtype="float64")
    for _ in range(5):
        embeddings, labels = rng.normal(size=(13, 3)), rng.integers(0, 4, 13)
        expected = reference(embeddings, labels, margin, normalize, balanced)
        assert float(loss(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf")])
def test_rejects_a_margin_out_of_range(margin):
    with pytest.raises(ValueError, match=f"margin.*{margin}"):
        ContrastiveLoss(margin=margin)

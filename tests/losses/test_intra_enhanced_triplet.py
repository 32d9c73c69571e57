"""Intra-enhanced triplet loss against values worked by hand and loops over pairs and classes."""

import math

import numpy as np
import pytest
from support.gradients import value_and_gradient

from losses import IntraEnhancedTripletLoss

LINE = np.array([[0.0], [1.0], [3.0], [5.0]])
LABELS = np.array([0, 0, 1, 1])


def on_the_line(margin=0.2, intra_margin=0.1, intra_weight=0.5):
    return IntraEnhancedTripletLoss(margin, intra_margin, intra_weight, normalize=False, dtype="float64")


@pytest.mark.parametrize(
    ("intra_margin", "intra_weight", "expected"),
    [(0.1, 0.5, 0.075), (0.1, 1.0, 0.15), (0.3, 1.0, 0.0), (0.0, 1.0, 0.25), (0.1, 0.0, 0.0)],
)
def test_intra_part_worked_by_hand(intra_margin, intra_weight, expected):
    # Mean 0.5, squared distances 0.25 and 0.25; no negative, so no triplet.
    loss = on_the_line(intra_margin=intra_margin, intra_weight=intra_weight)
    assert float(loss(np.array([0, 0]), np.array([[0.0], [1.0]]))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("margin", "expected"), [(1.9, 0.0), (4.0, 0.25), (5.5, (2.5 + 0.5) / 4)])
def test_semi_hard_part_is_on_squared_distances(margin, expected):
    # Pairs 1 - 9, 1 - 4, 4 - 9, 4 - 16: the negative at 4 is not beyond the positive at 4.
    assert float(on_the_line(margin, intra_weight=0.0)(LABELS, LINE)) == pytest.approx(expected, rel=1e-12)


def test_value_is_the_weighted_sum_of_both_parts():
    # Means 0.5 and 4, squared distances 0.25, 0.25, 1, 1.
    assert float(on_the_line(4.0)(LABELS, LINE)) == pytest.approx(0.25 + 0.5 * (0.15 + 0.15 + 0.9 + 0.9) / 4)


def test_gradient_of_the_intra_part_worked_by_hand():
    _, gradient = value_and_gradient(on_the_line(intra_weight=1.0), [0, 0], np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(gradient, [[-0.5], [0.5]])


def test_gradient_flows_through_the_mean_of_the_class():
    # Mean 1, squared distances 1, 1, 4: only the last is active, and it drags the mean along.
    loss = on_the_line(intra_margin=2.0, intra_weight=1.0)
    _, gradient = value_and_gradient(loss, [0, 0, 0], np.array([[0.0], [0.0], [3.0]]))
    np.testing.assert_allclose(gradient, np.array([[-4], [-4], [8]]) / 9)


def test_lone_samples_are_their_own_mean():
    loss = IntraEnhancedTripletLoss(intra_margin=0.0)
    value, gradient = value_and_gradient(loss, [0, 1, 2], np.eye(3, dtype="float32"))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_one_class_has_no_triplets():
    """The first TensorFlow version returned margin + distance, 2.4142, for two unit vectors at a right angle."""
    value, gradient = value_and_gradient(
        IntraEnhancedTripletLoss(margin=1.0, intra_weight=0.0), [0, 0], np.eye(2, dtype="float32")
    )
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("labels", [[7, 900, 7, 900], [0, 2**30, 0, 2**30]])
def test_class_numbers_need_not_be_consecutive_nor_classes_contiguous_in_the_batch(labels):
    order = [0, 2, 1, 3]
    value = float(on_the_line(4.0)(LABELS, LINE))
    assert float(on_the_line(4.0)(np.array(labels), LINE[order])) == pytest.approx(value, rel=1e-12)


def test_both_parts_are_on_unit_vectors():
    loss = IntraEnhancedTripletLoss(margin=0.5, dtype="float64")
    # At right angles: 2 - 2 for both pairs, as no negative is beyond the positive; squared distances 0.5 to the mean.
    embeddings = np.diag([3.0, 0.2, 5.0])
    expected = 0.5 + 0.5 * (0.4 + 0.4 + 0) / 3
    assert float(loss(np.array([0, 0, 1]), embeddings)) == pytest.approx(expected, rel=1e-9)


def reference(embeddings, labels, margin, intra_margin, intra_weight, normalize):
    """The value by loops over positive pairs and over samples, from the definition."""
    if normalize:
        embeddings = [x / math.sqrt(sum(x * x)) for x in embeddings]

    def squared(x, y):
        return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))

    size = len(labels)
    hinges = []
    for a in range(size):
        negatives = [squared(embeddings[a], embeddings[n]) for n in range(size) if labels[n] != labels[a]]
        for p in range(size):
            if labels[p] == labels[a] and p != a and negatives:
                positive = squared(embeddings[a], embeddings[p])
                beyond = [negative for negative in negatives if negative > positive]
                hinges.append(max(0.0, positive - (min(beyond) if beyond else max(negatives)) + margin))
    spread = 0.0
    for i in range(size):
        own = [embeddings[k] for k in range(size) if labels[k] == labels[i]]
        spread += max(0.0, squared(embeddings[i], sum(own) / len(own)) - intra_margin)
    return sum(hinges) / max(len(hinges), 1) + intra_weight * spread / size


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("margin", "intra_margin", "intra_weight"), [(0.2, 0.1, 0.5), (1.0, 0.4, 2.0), (0, 0, 1)])
def test_value_equals_loops(margin, intra_margin, intra_weight, normalize):
    rng = np.random.default_rng(2)
    loss = IntraEnhancedTripletLoss(margin, intra_margin, intra_weight, normalize, dtype="float64")
    for _ in range(5):
        embeddings, labels = rng.normal(size=(13, 3)), rng.integers(0, 5, 13)
        expected = reference(embeddings, labels, margin, intra_margin, intra_weight, normalize)
        assert float(loss(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("argument", ["margin", "intra_margin", "intra_weight"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_rejects_arguments_out_of_range(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
        IntraEnhancedTripletLoss(**{argument: value})

"""Lifted structure loss against values worked by hand and a loop over positive pairs."""

import math

import numpy as np
import pytest
from support.gradients import value_and_gradient

from losses import LiftedStructureLoss

LINE = np.array([[0.0], [1.0], [3.0]])
LABELS = np.array([0, 0, 1])
J = math.log(math.exp(-2) + math.exp(-1)) + 1


def make(margin=1.0):
    return LiftedStructureLoss(margin, dtype="float64")


@pytest.mark.parametrize(("margin", "expected"), [(1.0, 0.0490664424), (2.0, (J + 1) ** 2 / 2), (0.5, 0.0)])
def test_value_worked_by_hand(margin, expected):
    assert float(make(margin)(LABELS, LINE)) == pytest.approx(expected, abs=1e-9)


def test_gradient_worked_by_hand():
    _, gradient = value_and_gradient(make(), LABELS, LINE)
    far, near = 1 / (1 + math.e), math.e / (1 + math.e)  # Softmax weights of the distances 3 and 2.
    np.testing.assert_allclose(gradient[:, 0], [J * (far - 1), J * (1 + near), -J])


def test_a_satisfied_pair_counts_in_the_mean():
    embeddings = np.array([[0.0], [1.0], [3.0], [1000.0], [1000.5]])
    labels = np.array([0, 0, 1, 2, 2])
    assert float(make()(labels, embeddings)) == pytest.approx(J**2 / 4, rel=1e-9)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_positives_or_without_negatives_gives_0_and_no_gradient(labels):
    """The logarithm of no negatives, masked by a product, once gave NaN in a public version."""
    value, gradient = value_and_gradient(LiftedStructureLoss(), labels, np.eye(len(labels), 2, dtype="float32"))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_equal_embeddings_have_no_gradient():
    value, gradient = value_and_gradient(LiftedStructureLoss(), [0, 0, 1, 1], np.ones((4, 2), "float32"))
    assert value == pytest.approx((math.log(4) + 1) ** 2 / 2)
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(("line", "expected"), [([0, 300, 200], 201**2 / 2), ([0, 1000, 1001], 1000**2 / 2)])
def test_large_distances_do_not_underflow(line, expected):
    embeddings = np.array(line, "float32")[:, None]
    value, gradient = value_and_gradient(LiftedStructureLoss(), [0, 0, 1], embeddings)
    assert value == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


def test_embeddings_are_not_normalized_but_their_origin_does_not_matter():
    assert float(make()(LABELS, LINE + 50)) == pytest.approx(J**2 / 2)
    assert float(make()(LABELS, LINE * 0.5)) == pytest.approx(
        (math.log(math.exp(-0.5) + math.exp(0)) + 0.5) ** 2 / 2, rel=1e-9
    )


def reference(embeddings, labels, margin):
    """The value by a loop over the unordered positive pairs, from the definition."""

    def apart(i, j):
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(embeddings[i], embeddings[j], strict=True)))

    terms = []
    for i in range(len(labels)):
        for j in range(i):
            negatives = [n for n in range(len(labels)) if labels[n] != labels[i]]
            if labels[i] == labels[j] and negatives:
                total = sum(math.exp(margin - apart(i, n)) + math.exp(margin - apart(j, n)) for n in negatives)
                terms.append(max(0.0, math.log(total) + apart(i, j)) ** 2)
    return sum(terms) / (2 * len(terms))


@pytest.mark.parametrize(("margin", "length"), [(1.0, 1.0), (0.2, 3.0), (0.0, 8.0)])
def test_value_equals_a_loop_over_positive_pairs(margin, length):
    rng = np.random.default_rng(5)
    for _ in range(5):
        embeddings, labels = length * rng.normal(size=(13, 3)), rng.integers(0, 5, 13)
        expected = reference(embeddings, labels, margin)
        assert float(make(margin)(labels, embeddings)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf")])
def test_rejects_a_margin_out_of_range(margin):
    with pytest.raises(ValueError, match=f"margin.*{margin}"):
        LiftedStructureLoss(margin=margin)

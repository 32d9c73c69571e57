"""Large-margin softmax against values worked by hand and a loop over angles."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import CLASSES, DIM, angle, cross_entropy, length, random_batches, with_weights
from support.gradients import finite_differences, value_and_gradient, weight_gradient

from losses import ASoftmax, LargeMarginSoftmax

FULL_MARGIN = (0, 0, 0, 0)
EMBEDDING = np.array([[3.0, 4.0]])


def constant(blend):
    """Annealing that stays at one value."""
    return (blend, 0, 0, blend)


def large_margin(margin=2, annealing=FULL_MARGIN):
    return with_weights(LargeMarginSoftmax(2, 2, margin, annealing, dtype="float64"), [[2, 0], [0, 1]])


def psi(theta, margin):
    """cos(margin * theta), mirrored and moved down in each piece so that it goes on falling."""
    piece = min(int(margin * theta / math.pi), margin - 1)
    return (-1) ** piece * math.cos(margin * theta) - 2 * piece


def logits(x, weights, label, margin, blend):
    row = [sum(v * u for v, u in zip(x, w, strict=True)) for w in weights]
    own = weights[label]
    row[label] = (blend * row[label] + length(own) * length(x) * psi(angle(x, own), margin)) / (1 + blend)
    return row


@pytest.mark.parametrize(
    ("annealing", "target"),
    [
        (FULL_MARGIN, -2.8),
        (constant(1), 1.6),  # Midway between 6 and -2.8.
        ((1000.0, 4e-4, 35.0, 0.0), (6 * 986.1003 - 2.8) / 987.1003),  # The first step: 1000 * 1.0004^-35.
    ],
)
def test_value_worked_by_hand(annealing, target):
    value = float(large_margin(annealing=annealing)(np.array([0]), EMBEDDING))
    assert value == pytest.approx(math.log(1 + math.exp(4 - target)), abs=1e-6)


def test_value_of_the_full_margin_to_ten_digits():
    assert float(large_margin()(np.array([0]), EMBEDDING)) == pytest.approx(6.8011131554, abs=1e-9)


def test_defaults_are_margin_2_annealed_from_1000():
    expected = large_margin(2, (1000.0, 4e-4, 35.0, 0.0))
    loss = with_weights(LargeMarginSoftmax(2, 2, dtype="float64"), [[2, 0], [0, 1]])
    assert float(loss(np.array([0]), EMBEDDING)) == float(expected(np.array([0]), EMBEDDING))
    assert float(loss.annealing_value()) == pytest.approx(986.1003, abs=1e-3)


@pytest.mark.parametrize("margin", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("blend", [0, 5, 1e6])
def test_value_equals_a_loop_over_angles(margin, blend):
    for labels, embeddings, weights in random_batches():
        loss = with_weights(LargeMarginSoftmax(CLASSES, DIM, margin, constant(blend), dtype="float64"), weights)
        rows = [logits(x, weights, label, margin, blend) for x, label in zip(embeddings, labels, strict=True)]
        assert float(loss(labels, embeddings)) == pytest.approx(cross_entropy(rows, labels), rel=1e-9)


@pytest.mark.parametrize("margin", [2, 3, 4])
@pytest.mark.parametrize("blend", [0, 5])
def test_gradient_of_the_class_weights_equals_finite_differences(margin, blend):
    labels, embeddings, weights = next(random_batches())
    loss = with_weights(LargeMarginSoftmax(CLASSES, DIM, margin, constant(blend), dtype="float64"), weights)
    gradient = weight_gradient(loss, loss.class_weights, labels, embeddings)
    expected = finite_differences(lambda w: with_weights(loss, w)(labels, embeddings), weights)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


def test_with_class_weights_of_length_1_it_is_a_softmax():
    labels, embeddings, weights = next(random_batches())
    weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    expected = with_weights(ASoftmax(CLASSES, DIM, 3, constant(2), dtype="float64"), weights)
    loss = with_weights(LargeMarginSoftmax(CLASSES, DIM, 3, constant(2), dtype="float64"), weights)
    assert float(loss(labels, embeddings)) == pytest.approx(float(expected(labels, embeddings)), rel=1e-9)


def test_the_length_of_the_class_weights_counts_as_that_of_the_embedding():
    labels, embeddings, weights = next(random_batches())
    loss = LargeMarginSoftmax(CLASSES, DIM, 3, FULL_MARGIN, dtype="float64")
    longer_weights = float(with_weights(loss, 2 * weights)(labels, embeddings))
    longer_embeddings = float(with_weights(loss, weights)(labels, 2 * embeddings))
    assert longer_weights == pytest.approx(longer_embeddings, rel=1e-9)
    assert longer_weights != pytest.approx(float(loss(labels, embeddings)), rel=1e-3)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("margin", [2, 3, 4])
def test_on_the_axis_of_its_weight_an_embedding_is_pulled_along_it(margin, side):
    loss = with_weights(LargeMarginSoftmax(2, 2, margin, FULL_MARGIN, dtype="float64"), [[2, 0], [0, 1]])
    _, gradient = value_and_gradient(loss, [0], np.array([[side * 0.5, 0.0]]))
    target = 1 if side == 1 else 1 - 2 * margin
    missing = 1 / (1 + math.exp(target))
    np.testing.assert_allclose(gradient, [[-missing * side * 2 * target, missing]], atol=1e-9)


def test_zero_embeddings_and_zero_class_weights_have_logit_0_and_finite_gradients():
    loss = with_weights(large_margin(), [[0, 0], [0, 1]])
    assert float(loss(np.array([0]), EMBEDDING)) == pytest.approx(math.log(1 + math.exp(4)))
    assert float(loss(np.array([1]), np.zeros((1, 2)))) == pytest.approx(math.log(2))
    for embedding in (EMBEDDING, np.zeros((1, 2))):
        assert np.isfinite(value_and_gradient(loss, [0], embedding)[1]).all()
        assert np.isfinite(weight_gradient(loss, loss.class_weights, [0], embedding)).all()


def test_logits_need_no_labels_and_are_products_without_a_margin():
    np.testing.assert_allclose(to_numpy(large_margin().logits(EMBEDDING)), [[6, 4]])


@pytest.mark.parametrize(("name", "value"), [("num_classes", 1), ("margin", 0), ("margin", -1), ("margin", 2.5)])
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        LargeMarginSoftmax(**{"num_classes": 3, "embedding_dim": 2, name: value})

"""A-Softmax (SphereFace) against values worked by hand and a loop over angles."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import (
    CLASSES,
    DIM,
    EMBEDDING,
    WEIGHTS,
    angle,
    cross_entropy,
    length,
    random_batches,
    target_logit,
    with_weights,
)
from support.gradients import finite_differences, value_and_gradient, weight_gradient

from losses import ASoftmax

FULL_MARGIN = (0, 0, 0, 0)


def constant(blend):
    """Annealing that stays at one value."""
    return (blend, 0, 0, blend)


def a_softmax(margin=4, annealing=FULL_MARGIN):
    return with_weights(ASoftmax(3, 2, margin, annealing, dtype="float64"), WEIGHTS)


def psi(theta, margin):
    """cos(margin * theta), mirrored and moved down in each piece so that it goes on falling."""
    piece = min(int(margin * theta / math.pi), margin - 1)
    return (-1) ** piece * math.cos(margin * theta) - 2 * piece


def logits(x, weights, label, margin, blend):
    row = [length(x) * math.cos(angle(x, w)) for w in weights]
    row[label] = (blend * row[label] + length(x) * psi(angle(x, weights[label]), margin)) / (1 + blend)
    return row


@pytest.mark.parametrize(
    ("annealing", "expected"),
    [
        (FULL_MARGIN, 9.7849677595),  # Logits (-5.784, 4, -3)
        (constant(5), 2.5465065398),  # 1.536 in place of -5.784
        ((5, 0, 0, 0), 2.5465065398),
        ((1000.0, 0.12, 1.0, 5.0), 1.3211235069),  # The first step: 892.857
    ],
)
def test_value_worked_by_hand(annealing, expected):
    assert float(a_softmax(annealing=annealing)(np.array([0]), EMBEDDING)) == pytest.approx(expected, abs=1e-9)


def test_defaults_are_margin_4_annealed_from_1000_to_5():
    loss = with_weights(ASoftmax(3, 2, dtype="float64"), WEIGHTS)
    assert float(loss(np.array([0]), EMBEDDING)) == pytest.approx(1.3211235069, abs=1e-9)


@pytest.mark.parametrize(
    ("margin", "cosine", "expected"),
    [
        (4, 1, 1),
        (4, math.sqrt(0.5), -1),
        (4, 0.6, -1.1568),
        (4, 0.5, -1.5),
        (4, 0, -3),
        (4, -0.5, -4.5),
        (4, -1, -7),
        (3, 0.6, -0.936),
        (2, 0.6, -0.28),
        (2, 0, -1),
        (2, -1, -3),
        (1, 0.6, 0.6),
        (1, -1, -1),
    ],
)
@pytest.mark.parametrize("size", [1, 2])
def test_target_worked_by_hand_grows_with_the_length_of_the_embedding(margin, cosine, expected, size):
    loss = ASoftmax(2, 3, margin, FULL_MARGIN, dtype="float64")
    assert target_logit(loss, cosine, size) == pytest.approx(size * expected, abs=1e-9)


@pytest.mark.parametrize("margin", [1, 2, 3, 4, 5, 6])
def test_target_is_continuous_and_falls_all_the_way(margin):
    loss = ASoftmax(2, 3, margin, FULL_MARGIN, dtype="float64")
    targets = [target_logit(loss, math.cos(theta)) for theta in np.linspace(0, math.pi, 60 * margin + 1)]
    steps = np.diff(targets)
    assert steps.max() < 0
    assert steps.min() > -math.pi / 60  # The slope is nowhere steeper than the margin.
    assert (targets[0], targets[-1]) == pytest.approx((1, 1 - 2 * margin))


@pytest.mark.parametrize("margin", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("blend", [0, 5, 1e6])
def test_value_equals_a_loop_over_angles(margin, blend):
    for labels, embeddings, weights in random_batches():
        loss = with_weights(ASoftmax(CLASSES, DIM, margin, constant(blend), dtype="float64"), weights)
        rows = [logits(x, weights, label, margin, blend) for x, label in zip(embeddings, labels, strict=True)]
        assert float(loss(labels, embeddings)) == pytest.approx(cross_entropy(rows, labels), rel=1e-9)


@pytest.mark.parametrize("margin", [2, 3, 4])
@pytest.mark.parametrize("blend", [0, 5])
def test_gradient_of_the_class_weights_sees_the_margin(margin, blend):
    # The reference implementation's backward pass leaves the margin out of it.
    labels, embeddings, weights = next(random_batches())
    loss = with_weights(ASoftmax(CLASSES, DIM, margin, constant(blend), dtype="float64"), weights)
    gradient = weight_gradient(loss, loss.class_weights, labels, embeddings)
    expected = finite_differences(lambda w: with_weights(loss, w)(labels, embeddings), weights)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("margin", [2, 3, 4])
@pytest.mark.parametrize("side", [1, -1])
def test_on_the_axis_of_its_weight_an_embedding_is_pulled_along_it(margin, side):
    loss = with_weights(ASoftmax(2, 2, margin, FULL_MARGIN, dtype="float64"), [[1, 0], [0, 1]])
    _, gradient = value_and_gradient(loss, [0], np.array([[side * 0.5, 0.0]]))
    target = 1 if side == 1 else 1 - 2 * margin
    missing = 1 / (1 + math.exp(0.5 * target))
    np.testing.assert_allclose(gradient, [[-missing * side * target, missing]], atol=1e-9)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("margin", [2, 3, 4])
def test_cosines_rounded_past_1_are_harmless(side, margin):
    rng = np.random.default_rng(3)
    directions = rng.normal(size=(300, 64)).astype("float32")
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    loss = with_weights(ASoftmax(300, 64, margin, FULL_MARGIN), directions)
    value, gradient = value_and_gradient(loss, np.arange(300), side * directions)
    assert np.isfinite(value)
    assert np.linalg.norm(gradient * 300, axis=1).max() < 2 * (2 * margin - 1)


@pytest.mark.parametrize("annealing", [FULL_MARGIN, constant(5)])
def test_a_zero_embedding_gives_equal_logits_and_no_gradient(annealing):
    value, gradient = value_and_gradient(a_softmax(annealing=annealing), [0], np.zeros((1, 2)))
    assert value == pytest.approx(math.log(3))
    np.testing.assert_array_equal(gradient, 0)


def test_length_of_the_class_weights_does_not_matter():
    loss = with_weights(a_softmax(), WEIGHTS * [[2], [30], [0.1]])
    assert float(loss(np.array([0]), EMBEDDING)) == pytest.approx(9.7849677595, abs=1e-9)


def test_logits_need_no_labels_and_have_no_margin_but_the_length_of_the_embedding():
    np.testing.assert_allclose(to_numpy(a_softmax().logits(EMBEDDING)), [[3, 4, -3]])
    np.testing.assert_allclose(to_numpy(a_softmax().logits(7 * EMBEDDING)), [[21, 28, -21]])


@pytest.mark.parametrize(("name", "value"), [("num_classes", 1), ("margin", 0), ("margin", -1), ("margin", 2.5)])
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        ASoftmax(**{"num_classes": 3, "embedding_dim": 2, name: value})

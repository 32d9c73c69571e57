"""SphereFace-R against values worked by hand and a loop over angles."""

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
    cosine_softmax_gradients,
    cross_entropy,
    random_batches,
    target_logit,
    with_weights,
)
from support.gradients import value_and_gradient, weight_gradient

from losses import NormalizedSoftmax, SphereFaceR

every_variant = pytest.mark.parametrize("variant", ["v1", "v2"])
every_gradient = pytest.mark.parametrize("margin_gradient", ["detached", "exact"])


def sphereface(variant, margin_gradient="detached"):
    return with_weights(SphereFaceR(3, 2, 10.0, 1.7, variant, margin_gradient, dtype="float64"), WEIGHTS)


def logits(x, weights, label, scale, margin, variant):
    row = []
    for j, w in enumerate(weights):
        theta = angle(x, w)
        if variant == "v1" and j == label:
            theta = min(margin * theta, math.pi)
        elif variant == "v2" and j != label:
            theta = theta / margin
        row.append(scale * math.cos(theta))
    return row


@pytest.mark.parametrize(
    ("variant", "expected"),
    [("v1", 8.0563731), ("v2", 3.3298479)],  # Logits (-0.0560551, 8, -6) and (6, 9.2920886, 2.6506220)
)
@every_gradient
@pytest.mark.parametrize("size", [1, 7])
def test_value_worked_by_hand_at_any_length_of_the_embedding(variant, expected, margin_gradient, size):
    value = float(sphereface(variant, margin_gradient)(np.array([0]), size * EMBEDDING))
    assert value == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("cosine", "expected"), [(1, 1), (0.6, -0.00560551), (-0.6, -1), (-0.99, -1), (-1, -1)])
def test_v1_multiplies_the_angle_and_stops_at_its_end(cosine, expected):
    loss = SphereFaceR(2, 3, 10.0, 1.7, "v1", dtype="float64")
    assert target_logit(loss, cosine) == pytest.approx(10 * expected, abs=1e-5)


def test_defaults_are_scale_20_margin_15_and_v1_detached():
    loss = SphereFaceR(2, 3, dtype="float64")
    assert target_logit(loss, 0.6) == pytest.approx(20 * math.cos(1.5 * math.acos(0.6)), abs=1e-9)
    assert (loss.variant, loss.margin_gradient) == ("v1", "detached")


def test_v1_falls_with_the_angle_and_never_rises_again():
    loss = SphereFaceR(2, 3, 1.0, 1.7, "v1", dtype="float64")
    angles = np.linspace(0, math.pi, 41)
    targets = np.array([target_logit(loss, math.cos(theta)) for theta in angles])
    assert (np.diff(targets[angles < math.pi / 1.7]) < 0).all()
    np.testing.assert_allclose(targets[angles > math.pi / 1.7], -1)


@every_variant
@every_gradient
@pytest.mark.parametrize("margin", [1, 1.5, 3.7])
def test_value_equals_a_loop_over_angles(variant, margin_gradient, margin):
    for labels, embeddings, weights in random_batches():
        loss = with_weights(SphereFaceR(CLASSES, DIM, 8.0, margin, variant, margin_gradient, dtype="float64"), weights)
        rows = [logits(x, weights, label, 8, margin, variant) for x, label in zip(embeddings, labels, strict=True)]
        assert float(loss(labels, embeddings)) == pytest.approx(cross_entropy(rows, labels), rel=1e-9)


@every_variant
@every_gradient
def test_a_margin_of_1_is_the_normalized_softmax(variant, margin_gradient):
    labels, embeddings, weights = next(random_batches())
    plain = with_weights(NormalizedSoftmax(CLASSES, DIM, 20.0, dtype="float64"), weights)
    loss = with_weights(SphereFaceR(CLASSES, DIM, 20.0, 1.0, variant, margin_gradient, dtype="float64"), weights)
    expected, expected_gradient = value_and_gradient(plain, labels, embeddings)
    value, gradient = value_and_gradient(loss, labels, embeddings)
    assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-9)


@every_variant
def test_a_detached_margin_leaves_the_gradients_of_a_cosine_softmax(variant):
    for labels, embeddings, weights in random_batches():
        loss = with_weights(SphereFaceR(CLASSES, DIM, 8.0, 1.7, variant, dtype="float64"), weights)
        rows = [logits(x, weights, label, 8, 1.7, variant) for x, label in zip(embeddings, labels, strict=True)]
        for_embeddings, for_weights = cosine_softmax_gradients(rows, labels, embeddings, weights, 8)
        np.testing.assert_allclose(value_and_gradient(loss, labels, embeddings)[1], for_embeddings, atol=1e-9)
        np.testing.assert_allclose(
            weight_gradient(loss, loss.class_weights, labels, embeddings), for_weights, atol=1e-9
        )


@pytest.mark.parametrize(("margin_gradient", "pull"), [("exact", 0), ("detached", 8)])
def test_v1_pulls_the_worst_samples_only_with_a_detached_margin(margin_gradient, pull):
    # At cosine -0.6 the angle is multiplied past its end; the other class, at a right angle, has all the probability.
    loss = SphereFaceR(2, 3, 10.0, 1.7, "v1", margin_gradient, dtype="float64")
    with_weights(loss, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    _, gradient = value_and_gradient(loss, [0], np.array([[-0.6, 0.8, 0.0]]))
    missing = 1 / (1 + math.exp(-10))
    # Across the embedding, towards the class: 10 * sin(angle) * (-0.8, -0.6) times the missing probability.
    np.testing.assert_allclose(gradient, [[-0.8 * pull * missing, -0.6 * pull * missing, 10 * missing]], atol=1e-12)


@every_variant
@every_gradient
@pytest.mark.parametrize("side", [1, -1])
def test_on_and_beside_the_axis_of_a_weight_the_gradients_are_bounded(variant, margin_gradient, side):
    # Rounded cosines reach past 1, and the derivative of the angle is infinite at 1.
    rng = np.random.default_rng(3)
    loss = SphereFaceR(300, 64, 20.0, 1.7, variant, margin_gradient)
    directions = rng.normal(size=(300, 64))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    with_weights(loss, 3 * directions)
    for offset in (0, 1e-8, 1e-5, 1e-4, 1e-3):
        embeddings = (side * directions + offset * rng.normal(size=(300, 64)) / 8).astype("float32")
        for labels in (np.arange(300), np.roll(np.arange(300), 1)):
            value, gradient = value_and_gradient(loss, labels, embeddings)
            assert np.isfinite(value)
            # A single logit moves by no more than scale * margin; a batch is a mean.
            assert np.linalg.norm(gradient * 300, axis=1).max() < 3 * 20 * 1.7


@every_variant
@every_gradient
def test_a_zero_embedding_is_at_a_right_angle_and_has_no_gradient(variant, margin_gradient):
    value, gradient = value_and_gradient(sphereface(variant, margin_gradient), [0], np.zeros((1, 2)))
    margin = -math.cos(1.7 * math.pi / 2) if variant == "v1" else math.cos(math.pi / 2 / 1.7)
    assert value == pytest.approx(math.log(1 + 2 * math.exp(10 * margin)), rel=1e-9)
    np.testing.assert_array_equal(gradient, 0)


@every_variant
def test_logits_need_no_labels_and_have_no_margin(variant):
    np.testing.assert_allclose(to_numpy(sphereface(variant).logits(EMBEDDING)), [[6, 8, -6]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 1),
        ("scale", 0.0),
        ("scale", -1.0),
        ("scale", math.nan),
        ("scale", math.inf),
        ("margin", 0.9),
        ("margin", -2.0),
        ("margin", math.nan),
        ("margin", math.inf),
        ("variant", "v0"),
        ("margin_gradient", "straight"),
    ],
)
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        SphereFaceR(**{"num_classes": 3, "embedding_dim": 2, name: value})

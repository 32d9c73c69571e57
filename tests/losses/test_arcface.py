"""ArcFace against values worked by hand and a loop over angles."""

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

from losses import ArcFace, NormalizedSoftmax

WRAPS = ["reflect", "threshold", "none"]
every_wrap = pytest.mark.parametrize("wrap", WRAPS)
every_gradient = pytest.mark.parametrize("margin_gradient", ["exact", "detached"])


def arcface(wrap="reflect", margin_gradient="exact", dtype="float64"):
    return with_weights(ArcFace(3, 2, 10.0, 0.5, wrap, margin_gradient, dtype=dtype), WEIGHTS)


def target(theta, margin, wrap):
    """The penalised cosine of the sample's own class at an angle."""
    if theta + margin <= math.pi or wrap == "none":
        return math.cos(theta + margin)
    return -2 - math.cos(theta + margin) if wrap == "reflect" else math.cos(theta) - margin * math.sin(margin)


def logits(x, weights, label, scale, margin, wrap):
    angles = [angle(x, w) for w in weights]
    return [scale * (target(t, margin, wrap) if j == label else math.cos(t)) for j, t in enumerate(angles)]


@every_wrap
@every_gradient
@pytest.mark.parametrize("size", [1, 7])
def test_value_worked_by_hand_at_any_length_of_the_embedding(wrap, margin_gradient, size):
    value = float(arcface(wrap, margin_gradient)(np.array([0]), size * EMBEDDING))
    assert value == pytest.approx(6.5713107111, abs=1e-9)


@pytest.mark.parametrize(
    ("cosine", "expected", "tolerance"),
    [
        (1, (0.8775825619, 0.8775825619, 0.8775825619), 3e-4),  # Clipped by 1e-7: the angle is 4.5e-4.
        (0.6, (0.1430091063, 0.1430091063, 0.1430091063), 1e-9),
        (-0.95, (-1.0165959898, -1.1897127693, -0.9834040102), 1e-9),
        (-1, (-1.1224174381, -1.2397127693, -0.8775825619), 3e-4),
    ],
)
@pytest.mark.parametrize("scale", [1, 10])
def test_penalised_cosine_worked_by_hand(cosine, expected, tolerance, scale):
    for wrap, penalised in zip(WRAPS, expected, strict=True):
        loss = ArcFace(2, 3, scale, 0.5, wrap, dtype="float64")
        assert target_logit(loss, cosine) == pytest.approx(scale * penalised, abs=tolerance * scale), wrap


def test_defaults_are_scale_20_margin_05_in_radians_and_reflection():
    loss = ArcFace(2, 3, dtype="float64")
    assert target_logit(loss, 0.6) == pytest.approx(20 * 0.1430091063, abs=1e-6)
    assert target_logit(loss, -0.95) == pytest.approx(20 * -1.0165959898, abs=1e-6)
    assert loss.margin_gradient == "exact"


@pytest.mark.parametrize(("wrap", "beyond"), [("reflect", -1), ("none", -1), ("threshold", -1.11730)])
def test_past_the_end_of_the_angles_only_the_threshold_jumps(wrap, beyond):
    loss = ArcFace(2, 3, 1.0, 0.5, wrap, dtype="float64")
    assert target_logit(loss, math.cos(math.pi - 0.5 - 1e-4)) == pytest.approx(-1, abs=1e-6)
    assert target_logit(loss, math.cos(math.pi - 0.5 + 1e-4)) == pytest.approx(beyond, abs=1e-4)


@pytest.mark.parametrize(("wrap", "monotone"), [("reflect", True), ("threshold", True), ("none", False)])
def test_the_penalised_cosine_falls_with_the_angle_unless_it_may_rise_again(wrap, monotone):
    loss = ArcFace(2, 3, 1.0, 0.5, wrap, dtype="float64")
    targets = [target_logit(loss, math.cos(theta)) for theta in np.linspace(0, math.pi, 41)]
    assert (np.diff(targets) < 0).all() == monotone


@every_wrap
@every_gradient
@pytest.mark.parametrize("margin", [0, 0.5, 1.8, math.pi])
def test_value_equals_a_loop_over_angles(wrap, margin_gradient, margin):
    for labels, embeddings, weights in random_batches():
        loss = with_weights(ArcFace(CLASSES, DIM, 8.0, margin, wrap, margin_gradient, dtype="float64"), weights)
        rows = [logits(x, weights, label, 8, margin, wrap) for x, label in zip(embeddings, labels, strict=True)]
        assert float(loss(labels, embeddings)) == pytest.approx(cross_entropy(rows, labels), rel=1e-9)


@every_wrap
def test_without_a_margin_it_is_the_normalized_softmax(wrap):
    labels, embeddings, weights = next(random_batches())
    plain = with_weights(NormalizedSoftmax(CLASSES, DIM, 20.0, dtype="float64"), weights)
    loss = with_weights(ArcFace(CLASSES, DIM, 20.0, margin=0.0, wrap=wrap, dtype="float64"), weights)
    value, gradient = value_and_gradient(plain, labels, embeddings)
    assert float(loss(labels, embeddings)) == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(value_and_gradient(loss, labels, embeddings)[1], gradient, atol=1e-9)


@every_wrap
def test_a_detached_margin_leaves_the_gradients_of_a_cosine_softmax(wrap):
    for labels, embeddings, weights in random_batches():
        loss = with_weights(ArcFace(CLASSES, DIM, 8.0, 0.5, wrap, "detached", dtype="float64"), weights)
        rows = [logits(x, weights, label, 8, 0.5, wrap) for x, label in zip(embeddings, labels, strict=True)]
        for_embeddings, for_weights = cosine_softmax_gradients(rows, labels, embeddings, weights, 8)
        np.testing.assert_allclose(value_and_gradient(loss, labels, embeddings)[1], for_embeddings, atol=1e-9)
        np.testing.assert_allclose(
            weight_gradient(loss, loss.class_weights, labels, embeddings), for_weights, atol=1e-9
        )


def test_the_exact_gradient_is_that_of_the_penalised_cosine():
    # In the plane of an embedding at angle t to its own weight, d cos(t + m) / dx points across x.
    loss = with_weights(ArcFace(2, 2, 10.0, 0.5, dtype="float64"), [[1, 0], [0, 0]])
    _, gradient = value_and_gradient(loss, [0], EMBEDDING)
    theta = math.acos(0.6)
    missing = 1 / (1 + math.exp(10 * math.cos(theta + 0.5)))  # One minus the probability of the class.
    np.testing.assert_allclose(gradient, [10 * missing * math.sin(theta + 0.5) / 5 * np.array([-0.8, 0.6])])


@every_wrap
@every_gradient
@pytest.mark.parametrize("side", [1, -1])
def test_on_and_beside_the_axis_of_the_own_weight_the_gradient_is_bounded(wrap, margin_gradient, side):
    # Rounded cosines reach past 1, and the derivative of the angle is infinite at 1.
    rng = np.random.default_rng(3)
    loss = ArcFace(300, 64, 20.0, 0.5, wrap, margin_gradient)
    directions = rng.normal(size=(300, 64))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    with_weights(loss, 3 * directions)
    for offset in (0, 1e-8, 1e-5, 1e-4, 1e-3):
        embeddings = (side * directions + offset * rng.normal(size=(300, 64)) / 8).astype("float32")
        value, gradient = value_and_gradient(loss, np.arange(300), embeddings)
        assert np.isfinite(value)
        # A single logit moves by no more than the scale; a batch is a mean.
        assert np.linalg.norm(gradient * 300, axis=1).max() < 3 * 20


@every_wrap
@every_gradient
def test_a_zero_embedding_is_at_a_right_angle_and_has_no_gradient(wrap, margin_gradient):
    value, gradient = value_and_gradient(arcface(wrap, margin_gradient), [0], np.zeros((1, 2)))
    assert value == pytest.approx(math.log(1 + 2 * math.exp(10 * math.sin(0.5))), rel=1e-9)
    np.testing.assert_array_equal(gradient, 0)


def test_logits_need_no_labels_and_have_no_margin():
    np.testing.assert_allclose(to_numpy(arcface().logits(EMBEDDING)), [[6, 8, -6]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 1),
        ("scale", 0.0),
        ("scale", -1.0),
        ("scale", math.nan),
        ("scale", math.inf),
        ("margin", -0.1),
        ("margin", 3.2),
        ("margin", 28.6),
        ("margin", math.nan),
        ("wrap", "easy"),
        ("margin_gradient", "straight"),
    ],
)
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        ArcFace(**{"num_classes": 3, "embedding_dim": 2, name: value})

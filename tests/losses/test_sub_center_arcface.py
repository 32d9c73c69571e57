"""Sub-center ArcFace against values worked by hand and a loop over sub-centers."""

import math

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.cosines import (
    CLASSES,
    DIM,
    cosine,
    cosine_softmax_gradients,
    cross_entropy,
    random_batches,
    with_weights,
)
from support.gradients import finite_differences, value_and_gradient, weight_gradient

from losses import ArcFace, SubCenterArcFace

WRAPS = ["reflect", "threshold", "none"]
EMBEDDING = np.array([[0.6, 0.8]])
CROSS = np.array([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]])  # The best cosines are 0.8 and -0.6.


def on_the_cross(margin_gradient="exact"):
    loss = SubCenterArcFace(2, 2, 2, scale=1.0, margin=0.5, margin_gradient=margin_gradient, dtype="float64")
    return with_weights(loss, CROSS)


def nearest(x, sub_centers):
    """Number of the sub-center with the largest cosine."""
    return max(range(len(sub_centers)), key=lambda k: cosine(x, sub_centers[k]))


def logits(x, weights, label, scale, margin, wrap):
    row = []
    for j, sub_centers in enumerate(weights):
        best = cosine(x, sub_centers[nearest(x, sub_centers)])
        theta = math.acos(best)
        if j == label and (theta + margin <= math.pi or wrap == "none"):
            best = math.cos(theta + margin)
        elif j == label:
            best = -2 - math.cos(theta + margin) if wrap == "reflect" else best - margin * math.sin(margin)
        row.append(scale * best)
    return row


def random_sub_centers(sub_centers):
    rng = np.random.default_rng(5)
    for labels, embeddings, _ in random_batches():
        yield labels, embeddings, rng.normal(size=(CLASSES, sub_centers, DIM))


@pytest.mark.parametrize("margin_gradient", ["exact", "detached"])
@pytest.mark.parametrize("size", [1, 7])
def test_value_worked_by_hand_at_any_length_of_the_embedding(margin_gradient, size):
    # cos(acos 0.8 + 0.5) = 0.4144107263 against -0.6
    assert float(on_the_cross(margin_gradient)(np.array([0]), size * EMBEDDING)) == pytest.approx(
        0.3094064160, abs=1e-9
    )


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize(("sub_centers", "margin"), [(1, 0.5), (2, 1.8), (5, 2.5), (3, 0)])
def test_value_equals_a_loop_over_sub_centers(wrap, sub_centers, margin):
    for labels, embeddings, weights in random_sub_centers(sub_centers):
        loss = SubCenterArcFace(CLASSES, DIM, sub_centers, 8.0, margin, wrap, dtype="float64")
        rows = [logits(x, weights, label, 8, margin, wrap) for x, label in zip(embeddings, labels, strict=True)]
        value = float(with_weights(loss, weights)(labels, embeddings))
        assert value == pytest.approx(cross_entropy(rows, labels), rel=1e-9)


def test_defaults_are_3_sub_centers_scale_20_margin_03_and_reflection():
    rng = np.random.default_rng(6)
    weights, embedding = rng.normal(size=(CLASSES, 3, DIM)), rng.normal(size=(1, DIM))
    loss = with_weights(SubCenterArcFace(CLASSES, DIM, dtype="float64"), weights)
    rows = [logits(embedding[0], weights, 1, 20, 0.3, "reflect")]
    assert float(loss(np.array([1]), embedding)) == pytest.approx(cross_entropy(rows, [1]), rel=1e-9)
    assert (loss.wrap, loss.margin_gradient) == ("reflect", "exact")


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("margin_gradient", ["exact", "detached"])
def test_one_sub_center_is_arcface(wrap, margin_gradient):
    labels, embeddings, weights = next(random_batches())
    options = {"scale": 8.0, "margin": 1.0, "wrap": wrap, "margin_gradient": margin_gradient, "dtype": "float64"}
    arcface = with_weights(ArcFace(CLASSES, DIM, **options), weights)
    loss = with_weights(SubCenterArcFace(CLASSES, DIM, 1, **options), weights[:, None])
    expected, expected_gradient = value_and_gradient(arcface, labels, embeddings)
    value, gradient = value_and_gradient(loss, labels, embeddings)
    assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-9)


def test_a_detached_margin_leaves_the_gradient_of_a_cosine_softmax_on_the_nearest_sub_centers():
    for labels, embeddings, weights in random_sub_centers(3):
        loss = SubCenterArcFace(CLASSES, DIM, 3, 8.0, 0.5, margin_gradient="detached", dtype="float64")
        with_weights(loss, weights)
        expected = []
        for x, label in zip(embeddings, labels, strict=True):
            row = logits(x, weights, label, 8, 0.5, "reflect")
            winners = np.array([sub_centers[nearest(x, sub_centers)] for sub_centers in weights])
            expected.append(cosine_softmax_gradients([row], [label], x[None], winners, 8)[0][0] / len(labels))
        np.testing.assert_allclose(value_and_gradient(loss, labels, embeddings)[1], expected, atol=1e-9)


def test_only_the_nearest_sub_center_of_a_class_has_a_gradient():
    loss = on_the_cross()
    gradient = weight_gradient(loss, loss.class_weights, [0], EMBEDDING)
    np.testing.assert_array_equal(gradient[[0, 1], [0, 1]], 0)
    assert np.abs(gradient[[0, 1], [1, 0]]).max(axis=-1).min() > 0


def test_gradient_of_the_sub_centers_equals_finite_differences():
    labels, embeddings, weights = next(random_sub_centers(3))
    loss = with_weights(SubCenterArcFace(CLASSES, DIM, 3, 4.0, 0.5, dtype="float64"), weights)
    gradient = weight_gradient(loss, loss.class_weights, labels, embeddings)
    expected = finite_differences(lambda w: with_weights(loss, w)(labels, embeddings), weights)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


def test_order_of_the_sub_centers_does_not_matter():
    labels, embeddings, weights = next(random_sub_centers(3))
    loss = SubCenterArcFace(CLASSES, DIM, 3, dtype="float64")
    value = float(with_weights(loss, weights)(labels, embeddings))
    assert float(with_weights(loss, weights[:, [2, 0, 1]])(labels, embeddings)) == pytest.approx(value, rel=1e-12)


def test_sub_centers_of_a_class_start_apart():
    weights = to_numpy(SubCenterArcFace(CLASSES, DIM, 3).class_weights)
    assert weights.shape == (CLASSES, 3, DIM)
    assert np.abs(weights[:, 0] - weights[:, 1]).max() > 0


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("margin_gradient", ["exact", "detached"])
def test_on_the_axis_of_a_sub_center_the_gradients_are_bounded(side, margin_gradient):
    rng = np.random.default_rng(3)
    loss = SubCenterArcFace(50, 32, 1, 20.0, 0.5, margin_gradient=margin_gradient)
    directions = rng.normal(size=(50, 32)).astype("float32")
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    with_weights(loss, directions[:, None])
    value, gradient = value_and_gradient(loss, np.arange(50), side * directions)
    assert np.isfinite(value)
    assert np.linalg.norm(gradient * 50, axis=1).max() < 3 * 20
    assert np.isfinite(weight_gradient(loss, loss.class_weights, np.arange(50), side * directions)).all()


def test_logits_need_no_labels_and_have_no_margin():
    np.testing.assert_allclose(to_numpy(on_the_cross().logits(EMBEDDING)), [[0.8, -0.6]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 1),
        ("sub_centers", 0),
        ("sub_centers", -2),
        ("sub_centers", 1.5),
        ("scale", 0.0),
        ("scale", -1.0),
        ("scale", math.nan),
        ("scale", math.inf),
        ("margin", -0.1),
        ("margin", 3.2),
        ("margin", math.nan),
        ("wrap", "easy"),
        ("margin_gradient", "straight"),
    ],
)
def test_rejects_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*{value}"):
        SubCenterArcFace(**{"num_classes": 3, "embedding_dim": 2, name: value})
